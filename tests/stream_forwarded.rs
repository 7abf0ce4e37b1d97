//! A service that forwards a body while it is checked cannot deliver a whole one that was not signed.

mod support;

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use http::Version;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::body::{Script, Step};
use support::net::{self, patient};
use support::trailers::NAME;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tower_hmac::{HmacLayer, Scheme};

const WHOLE: &[u8] = b"one two three four";

/// The server behind, which trusts the one before it: what it got, and whether it was whole.
async fn backend() -> (SocketAddr, UnboundedReceiver<Option<Bytes>>) {
    let (tell, told) = mpsc::unbounded_channel();
    let store = post(move |body: Body| async move {
        let whole = to_bytes(body, usize::MAX).await.ok();
        let status = if whole.is_some() { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
        let _ = tell.send(whole);
        status
    });
    (net::start_axum(Router::new().route("/store", store)).await, told)
}

/// Verifies, and hands the request on as it comes, with the length that it declares.
async fn proxy(backend: SocketAddr, version: Version) -> SocketAddr {
    let mut client = Client::builder(TokioExecutor::new());
    let client = client.http2_only(version == Version::HTTP_2).pool_max_idle_per_host(0).build_http::<Body>();
    let forward = post(move |request: Request| async move {
        let length = request.headers().get("content-length").cloned();
        let mut onward = Request::post(format!("http://{backend}/store"));
        if let Some(length) = length {
            onward = onward.header("content-length", length);
        }
        let response = client.request(onward.body(request.into_body()).unwrap()).await;
        response.map_or(StatusCode::BAD_GATEWAY, |response| response.status())
    });
    let layer = HmacLayer::new(Scheme::native(), support::key()).unwrap().stream_requests(|_| true).unwrap();
    net::start_axum(Router::new().route("/store", forward).layer(layer)).await
}

#[tokio::test]
async fn a_forged_body_of_known_length_never_arrives_whole() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let (backend, mut told) = backend().await;
        let proxy = proxy(backend, version).await;
        for streamed in [false, true] {
            let send = async |body: &[u8], frame: usize| {
                let mut wire = net::post(proxy, "/store", WHOLE);
                let mut steps: Vec<_> = body
                    .chunks(frame)
                    .flat_map(|part| [Step::Yield, Step::Data(Bytes::copy_from_slice(part))])
                    .collect();
                if streamed {
                    wire = wire.streamed().header("trailer", NAME);
                    steps.push(Step::Trailers(wire.trailers(&[])));
                }
                let script = Script::new(steps);
                // HTTP/1.1 has no room for both a length and trailers.
                let script = if streamed { script } else { script.declaring(body.len() as u64) };
                net::exchange(proxy, wire.request(script)).await.unwrap()
            };
            let reply = send(WHOLE, 5).await;
            assert_eq!(reply.status(), 201, "{version:?} {streamed}");
            assert_eq!(patient(told.recv()).await.unwrap().unwrap(), WHOLE);
            for place in 0..WHOLE.len() {
                let mut forged = WHOLE.to_vec();
                forged[place] ^= 1;
                for frame in [5, WHOLE.len()] {
                    send(&forged, frame).await.refused(401);
                }
            }
            // What broke off was not whole: the next that is comes from the next honest request.
            assert_eq!(send(WHOLE, 5).await.status(), 201);
            let whole = loop {
                if let Some(whole) = patient(told.recv()).await.unwrap() {
                    break whole;
                }
            };
            assert_eq!(whole, WHOLE, "{version:?} {streamed}: a forged body arrived");
        }
    }
}
