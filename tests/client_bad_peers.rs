//! Servers that answer wrongly, over real sockets: an error each time, and soon.

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use support::bad_peer::{Honest, Play, Then, serve};
use support::net::{self, patient};
use support::peer::sign;
use support::wire::Wire;
use tower::timeout::Timeout;
use tower::{Layer, ServiceExt};
use tower_hmac::ClientErrorKind::{BadSignature, BodyMismatch, ResponseBody, ResponseTooLarge, Service, Unsigned};
use tower_hmac::{ClientError, ClientErrorKind, HmacBody, HmacClient, HmacClientLayer, Scheme};

type Http = Client<HttpConnector, HmacBody<Full<Bytes>>>;

const BODY: &str = "{\"state\":\"paid\"}";

fn client() -> HmacClient<Http> {
    let layer = HmacClientLayer::new(Scheme::native(), support::key()).unwrap();
    layer.layer(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http())
}

async fn start(script: impl Fn(&Wire) -> Play + Clone + Send + 'static) -> SocketAddr {
    net::start(|listener| serve(listener, script)).await
}

fn payment(server: SocketAddr) -> Request<Full<Bytes>> {
    let request = Request::post(format!("http://{server}/v1/payments")).header("content-type", "application/json");
    request.body(Full::from("{\"amount\":10}")).unwrap()
}

async fn ask(server: SocketAddr) -> Result<(Response<()>, Bytes), ClientError> {
    let (head, body) = patient(client().oneshot(payment(server))).await?.into_parts();
    Ok((Response::from_parts(head, ()), body.collect().await.unwrap().to_bytes()))
}

/// What a server that plays so is answered with.
async fn refused(script: impl Fn(&Wire) -> Play + Clone + Send + 'static) -> ClientErrorKind {
    let error = ask(start(script).await).await.expect_err("a wrong response");
    assert!(error.may_have_been_sent());
    error.kind()
}

/// The honest answer, which names its encoding, with its head changed after it was signed.
fn changed(change: impl Fn(&mut Response<()>) + Clone + Send + 'static) -> impl Fn(&Wire) -> Play + Clone + Send {
    move |wire| {
        let honest = Honest::created(BODY);
        let mut head = honest.head(wire);
        head.headers_mut().insert("content-encoding", HeaderValue::from_static("identity"));
        sign(wire, &mut head, &honest.body);
        change(&mut head);
        Play::closing(honest.head_text(&head) + BODY)
    }
}

#[tokio::test]
async fn the_honest_twin_is_accepted_in_every_framing() {
    for honest in [Honest::created(BODY), Honest::created(BODY).chunked(1), Honest::created("").chunked(3)] {
        let body = honest.body.clone();
        let (head, got) = ask(start(move |wire| Play::closing(honest.bytes(wire))).await).await.unwrap();
        assert_eq!((head.status(), &got[..]), (StatusCode::CREATED, &body[..]));
    }
    ask(start(changed(|_| ())).await).await.unwrap();
}

#[tokio::test]
async fn n_01_unsigned() {
    for status in [200, 204, 301, 304, 401, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        let bare = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nlocation: /\r\n\r\n{{}}");
        let error = ask(start(move |_| Play::closing(bare.clone())).await).await.unwrap_err();
        assert_eq!((error.kind(), error.unverified_response().unwrap().status()), (Unsigned, status));
    }
    for name in ["x-hmac-signature", "x-hmac-timestamp", "x-hmac-content-sha256"] {
        assert_eq!(refused(changed(move |head| drop(head.headers_mut().remove(name).unwrap()))).await, Unsigned);
    }
}

#[tokio::test]
async fn wrongly_signed_or_for_another_request() {
    for (id, key) in [("svc-a", "00".repeat(32)), ("svc-b", support::KEY_HEX.into())] {
        let script = move |wire: &Wire| Play::closing(Honest::created(BODY).bytes(&wire.clone().key(id, &key)));
        assert_eq!(refused(script).await, BadSignature);
    }
    // The first answer, signed for the first request, to everybody.
    let first = Arc::new(Mutex::new(None));
    let server = start(move |wire| {
        Play::closing(first.lock().unwrap().get_or_insert_with(|| Honest::created(BODY).bytes(wire)).clone())
    })
    .await;
    ask(server).await.unwrap();
    assert_eq!(ask(server).await.unwrap_err().kind(), BadSignature);
}

#[tokio::test]
async fn m_02_status_or_head_changed_or_a_field_repeated() {
    for status in [200, 202, 302, 403, 500] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(refused(changed(move |head| *head.status_mut() = status)).await, BadSignature);
    }
    for (name, other) in
        [("location", "https://evil.example.com/"), ("content-type", "text/html"), ("content-encoding", "gzip")]
    {
        let other = HeaderValue::from_static(other);
        let replaced = changed(move |head| drop(head.headers_mut().insert(name, other.clone()).unwrap()));
        assert_eq!(refused(replaced).await, BadSignature, "{name}");
        let removed = changed(move |head| drop(head.headers_mut().remove(name).unwrap()));
        assert_eq!(refused(removed).await, BadSignature, "{name}");
    }
    for name in [
        "x-hmac-signature",
        "x-hmac-timestamp",
        "x-hmac-content-sha256",
        "location",
        "content-type",
        "content-encoding",
    ] {
        let same = changed(move |head| {
            let value = head.headers()[name].clone();
            head.headers_mut().append(name, value);
        });
        assert_eq!(refused(same).await, BadSignature, "{name}");
    }
}

#[tokio::test]
async fn m_03_the_request_sent_back() {
    let reflected = |wire: &Wire| {
        let body = String::from_utf8(wire.body.clone()).unwrap();
        let fields = wire.fields().map(|(name, value)| format!("{name}: {value}\r\n")).concat();
        let kind = "content-type: application/json\r\n";
        Play::closing(format!("HTTP/1.1 200 OK\r\n{kind}{fields}content-length: {}\r\n\r\n{body}", body.len()))
    };
    assert_eq!(refused(reflected).await, BadSignature);
}

#[tokio::test]
async fn one_byte_of_the_body_is_another() {
    for at in 0..BODY.len() {
        let altered = move |wire: &Wire| {
            let mut bytes = Honest::created(BODY).bytes(wire);
            let body = bytes.len() - BODY.len();
            bytes[body + at] ^= 1;
            Play::closing(bytes)
        };
        assert_eq!(refused(altered).await, BodyMismatch, "byte {at}");
    }
}

#[tokio::test]
async fn n_04_an_endless_body() {
    let endless = |start: &str, chunk: Vec<u8>| {
        let start = start.to_owned();
        move |wire: &Wire| {
            let honest = Honest::created(BODY);
            let head = honest.head_text(&honest.head(wire)).replace("content-length: 16\r\n", &start);
            Play { writes: vec![head.into_bytes()], then: Then::Endless(chunk.clone()) }
        }
    };
    let data = vec![b'x'; 16 * 1024];
    let chunk = [b"4000\r\n", &data[..], b"\r\n"].concat();
    assert_eq!(refused(endless("transfer-encoding: chunked\r\n", chunk)).await, ResponseTooLarge);
    assert_eq!(refused(endless("content-length: 1099511627776\r\n", data.clone())).await, ResponseTooLarge);
    // Until the connection closes, that is: never.
    assert_eq!(refused(endless("", data.clone())).await, ResponseTooLarge);
    assert_eq!(refused(endless("x: ", data.clone())).await, Service);
    // An unsigned refusal is shown as far as it is bounded.
    let refusal = move |_: &Wire| {
        let head = b"HTTP/1.1 503 Service Unavailable\r\n\r\n".to_vec();
        Play { writes: vec![head], then: Then::Endless(data.clone()) }
    };
    let error = ask(start(refusal).await).await.unwrap_err();
    assert_eq!((error.kind(), error.unverified_response().unwrap().body().len()), (Unsigned, 8192));
}

#[tokio::test]
async fn cut_at_every_byte() {
    for honest in [Honest::created(BODY), Honest::created(BODY).chunked(5)] {
        let length = honest.bytes(&Wire::get("/")).len();
        let whole = honest.clone();
        let at = Arc::new(Mutex::new(0));
        let cut = Arc::clone(&at);
        let server = start(move |wire| Play::closing(&whole.bytes(wire)[..*cut.lock().unwrap()])).await;
        let head = length - honest.framed_body().len();
        for n in 0..length {
            *at.lock().unwrap() = n;
            let kind = ask(server).await.expect_err("half a response").kind();
            let wanted = if n < head { Service } else { ResponseBody };
            assert_eq!(kind, wanted, "cut at {n} of {length}");
        }
        *at.lock().unwrap() = length;
        ask(server).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_told_from_a_cut_one_by_its_digest() {
    let until_closed = |keep: usize| {
        move |wire: &Wire| {
            let honest = Honest::created(BODY);
            let head = honest.head_text(&honest.head(wire)).replace("content-length: 16\r\n", "");
            Play::closing(head + &BODY[..keep])
        }
    };
    ask(start(until_closed(BODY.len())).await).await.unwrap();
    for keep in 0..BODY.len() {
        assert_eq!(refused(until_closed(keep)).await, BodyMismatch);
    }
}

#[tokio::test]
async fn m_08_trailers_that_nobody_signed() {
    let script = |wire: &Wire| {
        let text = String::from_utf8(Honest::created(BODY).chunked(5).bytes(wire)).unwrap();
        let head = text.replace("transfer-encoding", "trailer: x-more\r\ntransfer-encoding");
        Play::closing(head.replace("\r\n0\r\n\r\n", "\r\n0\r\nx-more: 1\r\n\r\n"))
    };
    assert_eq!(refused(script).await, ClientErrorKind::ResponseTrailers);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_ended_by_a_timeout_outside() {
    for keep in [0, 20, 400] {
        let server = start(move |wire| {
            let mut bytes = Honest::created(BODY).bytes(wire);
            bytes.truncate(keep.min(bytes.len() - 1));
            Play { writes: vec![bytes], then: Then::Stall }
        })
        .await;
        let impatient = Timeout::new(client(), Duration::from_millis(100));
        assert!(patient(impatient.oneshot(payment(server))).await.unwrap_err().is::<tower::timeout::error::Elapsed>());
    }
}
