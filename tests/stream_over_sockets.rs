//! Bodies that flow over real sockets, HTTP/1.1 and HTTP/2: whatever happens to one on its way, nobody takes it for the
//! signed one.

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::body::{Script, Step};
use support::net::{self, patient};
use support::peer::accept;
use support::reading::{reading_server, serve};
use support::trailers::{End, NAME, ends, streaming};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{ClientError, ClientErrorKind, HmacBody, HmacClientLayer, RejectionKind, Scheme, StreamedBody};

const WHOLE: &[u8] = b"one two three four";
const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

fn frames() -> Vec<Step> {
    WHOLE.chunks(5).flat_map(|frame| [Step::Yield, Step::Data(Bytes::copy_from_slice(frame))]).collect()
}

/// What can happen to the frames on the way. `Broken` is a connection that ends too early.
fn changes() -> Vec<(String, Vec<Step>)> {
    let mut all = vec![("nothing".into(), frames())];
    for cut in 0..4 {
        all.push((format!("cut after {cut}"), frames().into_iter().take(2 * cut).collect()));
        let broken = frames().into_iter().take(2 * cut).chain([Step::Yield, Step::Error]);
        all.push((format!("broken after {cut}"), broken.collect()));
        let mut dropped = frames();
        dropped.remove(2 * cut + 1);
        all.push((format!("{cut} dropped"), dropped));
        let mut doubled = frames();
        doubled.insert(2 * cut, Step::Data(Bytes::copy_from_slice(&WHOLE[5 * cut..WHOLE.len().min(5 * cut + 5)])));
        all.push((format!("{cut} doubled"), doubled));
        let mut turned = frames();
        let Step::Data(data) = &mut turned[2 * cut + 1] else { unreachable!() };
        *data = data.iter().enumerate().map(|(n, byte)| if n == 1 { byte ^ 1 } else { *byte }).collect();
        all.push((format!("{cut} turned"), turned));
    }
    for cut in 0..3 {
        let mut swapped = frames();
        swapped.swap(2 * cut + 1, 2 * cut + 3);
        all.push((format!("{cut} swapped"), swapped));
    }
    all
}

/// Sends a request whose head is signed right, with these frames and trailers.
async fn send(
    server: SocketAddr,
    version: Version,
    streamed: bool,
    steps: Vec<Step>,
    end: impl Fn(HeaderMap) -> Option<HeaderMap>,
) -> hyper::Result<net::Reply> {
    let mut wire = net::post(server, "/upload", WHOLE);
    let mut steps = steps;
    if streamed {
        wire = wire.streamed().header("trailer", format!("x-sum, {NAME}"));
        steps.extend(end(wire.trailers(&[("x-sum", "1")])).map(Step::Trailers));
    }
    let request = wire.request(Script::new(steps));
    net::exchange(server, if version == Version::HTTP_2 { net::with_authority(request) } else { request }).await
}

#[tokio::test]
async fn a_request_that_is_changed_on_the_way_is_refused() {
    let (server, mut told) = reading_server().await;
    for (version, streamed) in VERSIONS.into_iter().flat_map(|version| [(version, false), (version, true)]) {
        for (name, steps) in changes() {
            let name = format!("{version:?}, streamed: {streamed}, {name}");
            let reply = send(server, version, streamed, steps, Some).await;
            let ended = patient(told.recv()).await.unwrap();
            if name.ends_with("nothing") {
                assert_eq!((reply.unwrap().status(), &ended.unwrap()[..]), (200, WHOLE), "{name}");
            } else if name.contains("broken") {
                assert_eq!(ended, Err(Some(RejectionKind::BodyError)), "{name}");
                reply.unwrap_err();
            } else {
                assert_eq!(ended, Err(Some(RejectionKind::BodyMismatch)), "{name}");
                reply.unwrap().refused(401);
            }
        }
    }
}

#[tokio::test]
async fn a_request_whose_trailers_are_changed_or_stripped_is_refused() {
    let (server, mut told) = reading_server().await;
    for version in VERSIONS {
        for (name, end) in ends() {
            let reply = send(server, version, true, frames(), end).await.unwrap();
            let kind = match name {
                "stripped" | "without the MAC" => RejectionKind::Missing,
                "repeated" => RejectionKind::Malformed,
                _ => RejectionKind::BodyMismatch,
            };
            assert_eq!(patient(told.recv()).await.unwrap(), Err(Some(kind)), "{version:?} {name}");
            reply.refused(401);
        }
    }
}

/// Signs an answer of 200 whose MAC follows, and sends what the test makes of it.
async fn lying_server(play: impl Fn() -> (Vec<Step>, Option<End>) + Clone + Send + 'static) -> SocketAddr {
    let service = service_fn(move |request: Request<Incoming>| {
        let play = play.clone();
        async move {
            let (head, body) = request.into_parts();
            let wire =
                accept(&head, &body.collect().await.unwrap().to_bytes()).expect("a request that is signed right");
            let (steps, end) = play();
            Ok::<_, Infallible>(streaming(&wire, WHOLE, steps, end.unwrap_or(Some)))
        }
    });
    net::start(|listener| serve(listener, service)).await
}

/// What a client makes of it that reads while it comes: the bytes, or how they ended.
async fn read(server: SocketAddr, version: Version) -> Result<Vec<u8>, Option<RejectionKind>> {
    let response = call(server, version, |layer| layer.stream_responses(|_| true)).await.unwrap();
    let flag = response.extensions().get::<StreamedBody>().unwrap().clone();
    let read = patient(response.into_body().collect()).await;
    assert_eq!(read.is_ok(), flag.is_verified());
    read.map(|all| all.to_bytes().to_vec()).map_err(|error| error.kind())
}

async fn call(
    server: SocketAddr,
    version: Version,
    with: impl Fn(HmacClientLayer) -> HmacClientLayer,
) -> Result<Response<HmacBody<Incoming>>, ClientError> {
    let mut http = Client::builder(TokioExecutor::new());
    let http = http.http2_only(version == Version::HTTP_2).pool_max_idle_per_host(0).build_http();
    let layer = with(HmacClientLayer::new(Scheme::native(), support::key()).unwrap());
    let request = Request::builder().method(Method::GET).uri(format!("http://{server}/")).header("te", "trailers");
    patient(layer.layer(http).oneshot(request.body(Full::<Bytes>::default()).unwrap())).await
}

#[tokio::test]
async fn a_response_that_is_changed_on_the_way_is_an_error() {
    let plays = || {
        let plays = changes().into_iter().map(|(name, steps)| (name, steps, None));
        plays.chain(ends().map(|(name, end)| (name.into(), frames(), Some(end))))
    };
    let next = Arc::new(Mutex::new((Vec::new(), None)));
    let playing = Arc::clone(&next);
    let server = lying_server(move || std::mem::take(&mut *playing.lock().unwrap())).await;
    let play = |steps, end| *next.lock().unwrap() = (steps, end);
    for version in VERSIONS {
        for ((name, steps, end), (_, again, _)) in plays().zip(plays()) {
            play(steps, end);
            let flowing = read(server, version).await;
            play(again, end);
            let whole = call(server, version, |layer| layer).await;
            if name == "nothing" {
                assert_eq!(flowing.unwrap(), WHOLE);
                assert_eq!(whole.unwrap().into_body().collect().await.unwrap().to_bytes(), WHOLE);
                continue;
            }
            let (kind, broken) = match &*name {
                "stripped" | "without the MAC" => (RejectionKind::Missing, false),
                "repeated" => (RejectionKind::Malformed, false),
                name => (RejectionKind::BodyMismatch, name.contains("broken")),
            };
            let kinds = match broken {
                true => (RejectionKind::BodyError, ClientErrorKind::ResponseBody),
                false => (kind, ClientErrorKind::BodyMismatch),
            };
            assert_eq!(flowing, Err(Some(kinds.0)), "{version:?}: {name}");
            assert_eq!(whole.unwrap_err().kind(), kinds.1, "{version:?}: {name}");
        }
    }
}
