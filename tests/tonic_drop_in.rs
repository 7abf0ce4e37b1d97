//! The layer drops into a tonic server; a tonic client reads its refusals as gRPC statuses.

mod support;

#[allow(dead_code, reason = "`main` is for `cargo run`")]
#[path = "../examples/tonic.rs"]
mod example;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use support::net::{self, Reply, forged, http2, patient, tampered, untouched};
use support::wire::Wire;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::HealthReporter;
use tower::{BoxError, Service};
use tower_hmac::{HmacLayer, Scheme};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

async fn server() -> SocketAddr {
    server_that_reports(&HealthReporter::new()).await
}

async fn server_that_reports(reporter: &HealthReporter) -> SocketAddr {
    reporter.set_service_status("payments", tonic_health::ServingStatus::Serving).await;
    let reporter = reporter.clone();
    net::start(|listener| example::serve(listener, support::key(), reporter)).await
}

/// `service: "payments"`, field 1, behind the flag and the length of a gRPC frame.
fn frame() -> Vec<u8> {
    [&[0, 0, 0, 0, 10, 0x0a, 8][..], b"payments"].concat()
}

fn check(server: SocketAddr) -> Wire {
    net::wire(server, Method::POST, CHECK, frame()).header("content-type", "application/grpc").header("te", "trailers")
}

#[track_caller]
fn refused(reply: &Reply, code: &str) {
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.head.headers()["grpc-status"], code);
    assert_eq!(reply.head.headers()["content-type"], "application/grpc");
    assert!(reply.body.is_empty() && reply.trailers.is_empty());
}

#[tokio::test]
async fn a_signed_frame_is_answered_and_its_twins_are_refused() {
    let server = server().await;
    let wire = check(server);
    let reply = http2(server, untouched(&wire)).await;
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.trailers["grpc-status"], "0");
    // `status: SERVING`, field 1.
    assert_eq!(&reply.body[..], [0, 0, 0, 0, 2, 8, 1]);
    wire.accepts_streamed(&reply.head, &reply.body, &reply.trailers).unwrap();
    let mut turned = reply.trailers.clone();
    turned.insert("grpc-status", "1".parse().unwrap());
    wire.accepts_streamed(&reply.head, &reply.body, &turned).unwrap_err();

    refused(&http2(server, untouched(&wire)).await, "16");
    refused(&http2(server, tampered(&check(server))).await, "16");
    refused(&http2(server, forged(&check(server))).await, "16");
    refused(&http2(server, untouched(&check(server).key("svc-b", support::KEY_HEX))).await, "16");
    refused(&http2(server, untouched(&check(server).key("svc-a", OTHER_KEY))).await, "16");
    let mut other = untouched(&check(server));
    *other.uri_mut() = "/grpc.health.v1.Health/Watch".parse().unwrap();
    refused(&http2(server, other).await, "16");
    let mut renamed = untouched(&check(server));
    renamed.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
    refused(&http2(server, renamed).await, "16");
    let mut bare = untouched(&check(server));
    bare.headers_mut().remove("x-hmac-signature");
    refused(&http2(server, bare).await, "16");
    let mut large = check(server);
    large.body = vec![0; (2 << 20) + 1];
    refused(&http2(server, untouched(&large)).await, "8");
}

/// An answer whose trailers may not be signed is refused, not sent unsigned; one that is a head alone is signed.
#[tokio::test]
async fn without_trailers_an_answer_that_has_some_is_refused() {
    let layer = HmacLayer::new(Scheme::native(), support::key()).unwrap().without_trailers();
    let server = net::start(|listener| async move {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status("payments", tonic_health::ServingStatus::Serving).await;
        let incoming = TcpIncoming::from(listener);
        tonic::transport::Server::builder().layer(layer).add_service(health).serve_with_incoming(incoming).await
    })
    .await;
    refused(&http2(server, untouched(&check(server))).await, "13");

    let mut nobody = check(server);
    *nobody.body.last_mut().unwrap() = b'?';
    let reply = http2(server, untouched(&nobody)).await;
    assert_eq!(reply.head.headers()["grpc-status"], "5");
    nobody.accepts(&reply.head, &reply.body).unwrap();
    let mut turned = reply.head;
    turned.headers_mut().insert("grpc-status", "0".parse().unwrap());
    nobody.accepts(&turned, b"").unwrap_err();
}

#[derive(Clone, Copy)]
enum Change {
    Nothing,
    Body,
    Nonce,
    KeyId,
    Secret,
}

/// Buffers what a tonic client sends and signs it with the tests' own signer.
#[derive(Clone)]
struct Signing {
    channel: Channel,
    server: SocketAddr,
    change: Change,
}

impl Service<Request<Body>> for Signing {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.channel.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { mut channel, server, change } = self.clone();
        std::mem::swap(&mut channel, &mut self.channel);
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let mut body = body.collect().await?.to_bytes().to_vec();
            let mut wire = net::wire(server, head.method.clone(), head.uri.path(), body.clone())
                .header("content-type", head.headers["content-type"].as_bytes());
            match change {
                Change::Nothing => {}
                Change::Body => *body.last_mut().unwrap() ^= 1,
                Change::Nonce => wire = wire.nonce("the-same-nonce-always"),
                Change::KeyId => wire = wire.key("svc-b", support::KEY_HEX),
                Change::Secret => wire = wire.key(support::KEY_ID, OTHER_KEY),
            }
            for (name, value) in wire.fields() {
                head.headers.insert(name, value.parse()?);
            }
            let body = Body::new(Full::new(Bytes::from(body)));
            Ok(channel.call(Request::from_parts(head, body)).await?)
        })
    }
}

async fn client(server: SocketAddr, change: Change) -> HealthClient<Signing> {
    let channel = Channel::from_shared(format!("http://{server}")).unwrap().connect().await.unwrap();
    HealthClient::new(Signing { channel, server, change })
}

async fn ask(client: &mut HealthClient<Signing>) -> Result<HealthCheckResponse, Status> {
    let question = HealthCheckRequest { service: "payments".into() };
    patient(client.check(question)).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_tonic_client_is_served() {
    let mut client = client(server().await, Change::Nothing).await;
    for _ in 0..3 {
        assert_eq!(ask(&mut client).await.unwrap().status(), ServingStatus::Serving);
    }
}

#[tokio::test]
async fn a_tonic_client_sees_refusals_as_unauthenticated() {
    let server = server().await;
    for change in [Change::Body, Change::KeyId, Change::Secret] {
        assert_eq!(ask(&mut client(server, change).await).await.unwrap_err().code(), Code::Unauthenticated);
    }
    let mut client = client(server, Change::Nonce).await;
    assert_eq!(ask(&mut client).await.unwrap().status(), ServingStatus::Serving);
    assert_eq!(ask(&mut client).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_signed_stream_is_watched_while_it_comes() {
    let reporter = HealthReporter::new();
    let server = server_that_reports(&reporter).await.to_string();
    let other = tower_hmac::Key::from_hex(support::KEY_ID, OTHER_KEY).unwrap();
    let refused = patient(example::watch(&server, other, |_| panic!("an answer"))).await.unwrap_err();
    assert_eq!(Status::from_error(refused).code(), Code::Unauthenticated);

    let (seen, mut states) = mpsc::unbounded_channel();
    let watching = tokio::spawn(async move {
        example::watch(&server, support::key(), |state| seen.send(state.to_owned()).unwrap()).await
    });
    assert_eq!(patient(states.recv()).await.unwrap(), "SERVING");
    reporter.set_service_status("payments", tonic_health::ServingStatus::NotServing).await;
    assert_eq!(patient(states.recv()).await.unwrap(), "NOT_SERVING");
    reporter.clone().clear_service_status("payments").await;
    patient(watching).await.unwrap().unwrap();
}

/// An unsigned stream never ends by itself; the error about it does not wait.
#[tokio::test]
async fn a_server_that_signs_nothing_is_not_watched() {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("payments", tonic_health::ServingStatus::Serving).await;
    let server = net::start(|listener| async move {
        let incoming = TcpIncoming::from(listener);
        tonic::transport::Server::builder().add_service(health).serve_with_incoming(incoming).await
    })
    .await
    .to_string();
    let watching = example::watch(&server, support::key(), |_| panic!("an answer"));
    let error = Status::from_error(patient(watching).await.unwrap_err());
    assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "the response is not signed (status 200)"));
}

#[tokio::test]
async fn a_tonic_client_without_signatures_is_refused() {
    let channel = Channel::from_shared(format!("http://{}", server().await)).unwrap().connect().await.unwrap();
    let error = patient(HealthClient::new(channel).check(HealthCheckRequest::default())).await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated);
}
