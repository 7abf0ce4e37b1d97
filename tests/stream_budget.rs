//! A body that flows has no share of the budget for what it has handed on, however long it stays open.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::future::poll_immediate;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use support::body::{Script, Step};
use support::peer::{client_layer, post};
use support::wire::Wire;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{ClientErrorKind, HmacBody, RejectionKind};

const KIB: usize = 1024;

/// 80 KiB, of which more is read than a body is gathered for, and then nothing more, for ever.
fn open() -> Script {
    let frames = (0..4).map(|_| Step::Data(Bytes::from(vec![b'x'; 20 * KIB])));
    Script::new(frames.chain([Step::Stall]))
}

fn whole() -> Script {
    Script::bytes(vec![b'x'; 50 * KIB]).declaring(50 * KIB as u64)
}

/// The bytes that are handed on until there are no more.
async fn read(body: &mut HmacBody<Script>) -> usize {
    let mut bytes = 0;
    while let Some(Some(Ok(frame))) = poll_immediate(body.frame()).await {
        bytes += frame.into_data().unwrap().len();
    }
    bytes
}

#[tokio::test]
async fn requests() {
    let (tell, told) = std::sync::mpsc::channel();
    let service = service_fn(move |request: Request<HmacBody<Script>>| {
        tell.send(request.into_body()).unwrap();
        async { Ok::<_, Infallible>(Response::new(Script::bytes(""))) }
    });
    let layer = client_layer().without_response_verification().buffer_budget(100 * KIB as u64);
    let service = layer.stream_requests(|head| head.uri.path() == "/open").layer(service);
    let ask = |path: &str, body: Script| {
        let outcome = service.clone().oneshot(post(path, "").map(|_| body));
        async { outcome.await.map(drop).map_err(|error| error.kind()) }
    };
    ask("/open", open()).await.unwrap();
    let mut open = told.recv().unwrap();
    assert_eq!(ask("/whole", whole()).await, Err(ClientErrorKind::Budget));
    assert_eq!(read(&mut open).await, 80 * KIB);
    ask("/whole", whole()).await.unwrap();
    drop(open);
}

#[tokio::test]
async fn responses() {
    let service = service_fn(|request: Request<HmacBody<Script>>| async move {
        Ok::<_, Infallible>(Response::new(if request.uri().path() == "/open" { open() } else { whole() }))
    });
    let service = support::layer().buffer_budget(100 * KIB as u64).layer(service);
    let ask = |path: &str| {
        let mut request = Wire::get(path).request(Script::bytes(""));
        *request.version_mut() = Version::HTTP_2;
        let outcome = service.clone().oneshot(request);
        async { outcome.await.unwrap() }
    };
    let refused = |answer: &Response<HmacBody<Script>>| answer.extensions().get::<RejectionKind>().copied();
    let mut open = ask("/open").await.into_body();
    assert_eq!(refused(&ask("/whole").await), Some(RejectionKind::Budget));
    assert_eq!(read(&mut open).await, 80 * KIB);
    assert_eq!(refused(&ask("/whole").await), None);
    drop(open);
}
