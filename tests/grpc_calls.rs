//! All four kinds of gRPC calls, signed in both directions, over tonic's server and channel.

mod support;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use support::grpc::{Client, call, client, server};
use support::net::patient;
use tonic::body::Body;
use tonic::{Code, Status, Streaming};
use tower_hmac::{HmacClientLayer, HmacLayer, Key, Scheme};

fn signing() -> HmacLayer {
    HmacLayer::new(Scheme::native(), support::key()).unwrap().stream_requests(|_| true).unwrap()
}

fn verifying() -> HmacClientLayer {
    let layer = HmacClientLayer::new(Scheme::native(), support::key()).unwrap();
    layer.stream_requests(|_| true).stream_responses(|_| true)
}

async fn plain(layer: HmacClientLayer) -> Client {
    client(server(signing()).await, layer, |request| request, |response| response)
}

async fn all(answers: Result<Streaming<Vec<u8>>, Status>) -> Result<Vec<String>, Status> {
    let all: Vec<_> = patient(answers?.try_collect()).await?;
    Ok(all.into_iter().map(|message| String::from_utf8(message).unwrap()).collect())
}

fn words(words: &'static [&'static str]) -> impl futures_util::Stream<Item = Vec<u8>> + Send + 'static {
    stream::iter(words).then(|word| async {
        tokio::task::yield_now().await;
        word.as_bytes().to_vec()
    })
}

#[tokio::test]
async fn four_kinds_of_calls() {
    let buffering = HmacClientLayer::new(Scheme::native(), support::key()).unwrap();
    for layer in [verifying(), buffering] {
        let mut client = plain(layer).await;
        assert_eq!(all(call(&mut client, "One", words(&["hello"])).await).await.unwrap(), ["hello"]);
        assert_eq!(all(call(&mut client, "All", words(&["a", "b", "c"])).await).await.unwrap(), ["abc"]);
        assert_eq!(all(call(&mut client, "Each", words(&["xyz"])).await).await.unwrap(), ["x", "y", "z"]);
        assert_eq!(all(call(&mut client, "Chat", words(&["a", "b"])).await).await.unwrap(), ["A", "B"]);
        let error = all(call(&mut client, "None", words(&["a"])).await).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::NotFound, "nothing here"));
        let error = all(call(&mut client, "Each", words(&["x!"])).await).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::DataLoss, "!"));
    }
}

/// Each answer before the next question.
#[tokio::test]
async fn ping_pong_over_one_stream() {
    let mut client = plain(verifying()).await;
    let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let questions = stream::poll_fn(move |cx| asked.poll_recv(cx));
    let mut answers = patient(call(&mut client, "Chat", questions)).await.unwrap();
    for question in ["a", "bc", "def"] {
        ask.send(question.as_bytes().to_vec()).unwrap();
        assert_eq!(patient(answers.message()).await.unwrap().unwrap(), question.to_ascii_uppercase().into_bytes());
    }
    drop(ask);
    assert_eq!(patient(answers.message()).await.unwrap(), None);
}

#[tokio::test]
async fn strangers_are_unauthenticated() {
    let server = server(signing()).await;
    let stranger = Key::from_hex("svc-b", support::KEY_HEX).unwrap();
    let layer = || {
        let layer = HmacClientLayer::new(Scheme::native(), stranger.clone()).unwrap();
        layer.stream_requests(|_| true).without_response_verification()
    };
    for method in ["One", "All", "Each", "Chat"] {
        let mut client = client(server, layer(), |request| request, |response| response);
        let error = all(call(&mut client, method, words(&["a", "b"])).await).await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated, "{method}");
    }
}

/// Does something to each frame.
fn frames(body: Body, act: impl FnMut(Frame<Bytes>) -> Frame<Bytes> + Send + 'static) -> Body {
    Body::new(body.map_frame(act))
}

fn trailers(act: impl Fn(&mut HeaderMap) + Clone + Send + 'static) -> impl FnMut(Frame<Bytes>) -> Frame<Bytes> {
    move |frame| match frame.into_trailers() {
        Ok(mut all) => {
            act(&mut all);
            Frame::trailers(all)
        }
        Err(frame) => frame,
    }
}

fn first_byte(frame: Frame<Bytes>) -> Frame<Bytes> {
    frame.map_data(|data| {
        let mut data = data.to_vec();
        *data.last_mut().unwrap() ^= 0x20;
        data.into()
    })
}

/// A meddler below the client: whatever is changed of an answer, the call is an error.
#[tokio::test]
async fn an_answer_that_is_changed_is_never_right() {
    type Act = fn(&mut HeaderMap);
    let acts: [Act; 5] = [
        |all| drop(all.insert("grpc-status", "3".parse().unwrap())),
        |all| drop(all.insert("grpc-message", "fine".parse().unwrap())),
        |all| drop(all.remove("x-hmac-trailer-signature")),
        |all| assert!(!all.append("x-more", "1".parse().unwrap())),
        HeaderMap::clear,
    ];
    let server = server(signing()).await;
    let buffering = || HmacClientLayer::new(Scheme::native(), support::key()).unwrap();
    for method in ["One", "Each"] {
        for layer in [verifying, || HmacClientLayer::new(Scheme::native(), support::key()).unwrap()] {
            for act in acts {
                let meddle = move |response: Response<Body>| response.map(|body| frames(body, trailers(act)));
                let mut client = client(server, layer(), |request| request, meddle);
                let error = all(call(&mut client, method, words(&["xyz"])).await).await.unwrap_err();
                assert_eq!(error.code(), Code::Unknown, "{error:?}");
            }
            let meddle = |response: Response<Body>| response.map(|body| frames(body, first_byte));
            let mut client = client(server, layer(), |request| request, meddle);
            all(call(&mut client, method, words(&["xyz"])).await).await.unwrap_err();
        }
    }
    // In an answer that is a head alone.
    let meddle = |mut response: Response<Body>| {
        response.headers_mut().insert("grpc-status", "0".parse().unwrap());
        response
    };
    let mut client = client(server, buffering(), |request| request, meddle);
    let error = all(call(&mut client, "None", words(&["a"])).await).await.unwrap_err();
    assert_eq!(error.code(), Code::Unknown);
}

/// The same for requests: the service may have seen a part, but the call is refused.
#[tokio::test]
async fn a_request_that_is_changed_is_refused() {
    let server = server(signing()).await;
    let lax = || verifying().without_response_verification();
    for method in ["One", "All"] {
        let acts: [fn(&mut HeaderMap); 3] = [
            HeaderMap::clear,
            |all| assert!(!all.append("x-more", "1".parse().unwrap())),
            |all| assert!(all.append("x-hmac-trailer-signature", "v1=00".parse().unwrap())),
        ];
        for act in acts {
            let meddle = move |request: Request<Body>| request.map(|body| frames(body, trailers(act)));
            let mut client = client(server, lax(), meddle, |response| response);
            let error = all(call(&mut client, method, words(&["abc"])).await).await.unwrap_err();
            assert_eq!(error.code(), Code::Unauthenticated, "{method} {error:?}");
        }
        let meddle = |request: Request<Body>| request.map(|body| frames(body, first_byte));
        let mut client = client(server, lax(), meddle, |response| response);
        let error = all(call(&mut client, method, words(&["abc"])).await).await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated, "{method} {error:?}");
    }
}
