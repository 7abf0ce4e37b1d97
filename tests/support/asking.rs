//! A client on real sockets, and how an answer ends for it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{Layer, ServiceExt};
use tower_hmac::{ClientErrorKind, HmacClientLayer, RejectionKind, Scheme, StreamedBody};

use super::net::patient;

/// How an answer ends for the caller.
#[derive(Debug, PartialEq)]
pub enum Ended {
    Right(Vec<u8>),
    /// The call failed.
    Refused(ClientErrorKind),
    /// The body failed, after the head was handed on.
    Broken(Option<RejectionKind>),
}

/// Asks for an answer that is read while it comes, or else held until it is verified.
pub async fn ask(server: SocketAddr, version: Version, flows: bool) -> Ended {
    let mut http = Client::builder(TokioExecutor::new());
    let http = http.http2_only(version == Version::HTTP_2).pool_max_idle_per_host(0).build_http();
    let layer = HmacClientLayer::new(Scheme::native(), super::key()).unwrap().stream_responses(move |_| flows);
    let request = Request::post(format!("http://{server}/upload"));
    // Whoever reads answers while they come says so by itself.
    let request = if flows { request } else { request.header("te", "trailers") };
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let response = match patient(layer.layer(http).oneshot(request)).await {
        Ok(response) => response,
        Err(error) => return Ended::Refused(error.kind()),
    };
    let flag = response.extensions().get::<StreamedBody>().cloned();
    assert_eq!(flag.is_some(), flows);
    let read = patient(response.into_body().collect()).await;
    assert!(flag.is_none_or(|flag| flag.is_verified() == read.is_ok()));
    match read {
        Ok(all) => Ended::Right(all.to_bytes().to_vec()),
        Err(error) => Ended::Broken(error.kind()),
    }
}
