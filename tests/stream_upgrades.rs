//! Where all bodies flow, a connection that was upgraded is still nobody's body: its bytes come through one by one.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::net::{self, patient};
use support::reading::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{ClientErrorKind, HmacBody, HmacClientLayer, HmacLayer, Key, Scheme, StreamedBody, VerifiedResponse};

async fn echo(request: Request<HmacBody<Incoming>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let (mut reader, mut writer) = split(TokioIo::new(upgrade.await.unwrap()));
        // A peer that breaks off ends it.
        let _ = copy(&mut reader, &mut writer).await;
    });
    let head = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
    Ok(head.body(Full::default()).unwrap())
}

#[tokio::test]
async fn an_upgraded_connection_is_not_held() {
    let layer = HmacLayer::new(Scheme::native(), support::key()).unwrap().stream_requests(|_| true).unwrap();
    let server = net::start(|listener| serve(listener, layer.layer(service_fn(echo)))).await;
    let ask = |key: Key| {
        let layer = HmacClientLayer::new(Scheme::native(), key).unwrap();
        let layer = layer.stream_requests(|_| true).stream_responses(|_| true);
        let client = layer.layer(Client::builder(TokioExecutor::new()).build_http::<HmacBody<Full<Bytes>>>());
        let request = Request::get(format!("http://{server}/tunnel")).header("te", "trailers");
        let request = request.header("connection", "upgrade").header("upgrade", "echo");
        patient(client.oneshot(request.body(Full::default()).unwrap()))
    };
    let response = ask(support::key()).await.unwrap();
    assert_eq!(response.status(), 101);
    assert!(response.extensions().get::<VerifiedResponse>().is_some());
    assert!(response.extensions().get::<StreamedBody>().is_none() && !response.headers().contains_key("trailer"));
    let mut stream = TokioIo::new(patient(hyper::upgrade::on(response)).await.unwrap());
    for question in 0..20_u8 {
        patient(stream.write_all(&[question])).await.unwrap();
        // Each answer before the next question.
        assert_eq!(patient(stream.read_u8()).await.unwrap(), question);
    }
    let error = ask(Key::from_hex(support::KEY_ID, &"00".repeat(32)).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Unsigned);
    assert_eq!(error.unverified_response().unwrap().status(), 401);
}
