//! The client layer over tonic's `Channel`: calls are signed, answers verified.

mod support;

#[allow(dead_code, reason = "`main` is for `cargo run`")]
#[path = "../examples/tonic.rs"]
mod example;

use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use support::net::{self, patient};
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::ServiceBuilder;
use tower_hmac::{ClientError, ClientErrorKind, HmacBody, HmacClientLayer, HmacLayer, Key, Scheme};

fn layer(key: Key) -> HmacClientLayer {
    HmacClientLayer::new(Scheme::native(), key).unwrap()
}

/// A call with this layer to this server: what tonic's client makes of it.
async fn check(server: SocketAddr, layer: HmacClientLayer, service: &str) -> Result<ServingStatus, Status> {
    let origin = format!("http://{server}");
    let channel: Channel = Endpoint::from_shared(origin.clone()).unwrap().connect_lazy();
    let client = ServiceBuilder::new()
        .map_err(|error: ClientError| match error.kind() {
            ClientErrorKind::Unsigned | ClientErrorKind::BadSignature => Status::unauthenticated(error.to_string()),
            _ => Status::from_error(error.into()),
        })
        .layer(layer)
        .map_request(|request: Request<HmacBody<Body>>| request.map(Body::new))
        .service(channel);
    let mut client = HealthClient::with_origin(client, origin.parse().unwrap());
    let answer = patient(client.check(HealthCheckRequest { service: service.into() })).await?;
    Ok(answer.into_inner().status())
}

#[tokio::test]
async fn a_call_is_signed_and_served() {
    let reporter = HealthReporter::new();
    reporter.set_service_status("payments", tonic_health::ServingStatus::Serving).await;
    let server = net::start(|listener| example::serve(listener, support::key(), reporter)).await;
    let call = |key, service| check(server, layer(key), service);
    assert_eq!(call(support::key(), "payments").await.unwrap(), ServingStatus::Serving);
    assert_eq!(call(support::key(), "nobody").await.unwrap_err().code(), Code::NotFound);
    let stranger = || Key::from_hex("svc-b", support::KEY_HEX).unwrap();
    let lax = layer(stranger()).without_response_verification();
    assert_eq!(check(server, lax, "payments").await.unwrap_err().code(), Code::Unauthenticated);
    // By default nothing unsigned is believed.
    let error = call(stranger(), "payments").await.unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Code::Unauthenticated, "the response is not signed (status 200, grpc-status 16)")
    );
}

type Change = fn(Frame<Bytes>) -> Frame<Bytes>;

/// A server that signs, behind something that changes the frames of its answers.
async fn changing(change: Change) -> SocketAddr {
    net::start(move |listener| async move {
        let reporter = HealthReporter::new();
        reporter.set_service_status("payments", tonic_health::ServingStatus::Serving).await;
        let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        // Who watches has seen the one state that there is when the stream ends.
        let ends = move |response: Response<HmacBody<Body>>| {
            let mut reporter = reporter.clone();
            tokio::spawn(async move { reporter.clear_service_status("payments").await });
            response.map(|body| Body::new(body.map_frame(change)))
        };
        let signing = HmacLayer::new(Scheme::native(), support::key()).unwrap();
        let layers = ServiceBuilder::new().map_response(ends).layer(signing);
        let incoming = TcpIncoming::from(listener);
        tonic::transport::Server::builder().layer(layers).add_service(health).serve_with_incoming(incoming).await
    })
    .await
}

/// What was changed is seen before the end, which is an error.
#[tokio::test]
async fn a_watched_stream_that_is_changed_ends_in_an_error() {
    let nothing: Change = |frame| frame;
    let message: Change = |frame| {
        frame.map_data(|data| {
            let mut data = data.to_vec();
            // `SERVING` becomes `NOT_SERVING`.
            *data.last_mut().unwrap() ^= 3;
            data.into()
        })
    };
    let beside: Change = |mut frame| {
        frame.trailers_mut().into_iter().for_each(|all| drop(all.insert("grpc-message", "x".parse().unwrap())));
        frame
    };
    let unsigned: Change = |mut frame| {
        frame.trailers_mut().into_iter().for_each(|all| drop(all.remove("x-hmac-trailer-signature").unwrap()));
        frame
    };
    let twins = [(nothing, "SERVING"), (message, "NOT_SERVING"), (beside, "SERVING"), (unsigned, "SERVING")];
    for (at, (change, state)) in twins.into_iter().enumerate() {
        let (server, mut seen) = (changing(change).await.to_string(), Vec::new());
        let end = patient(example::watch(&server, support::key(), |state| seen.push(state.to_owned()))).await;
        assert_eq!((seen, end.is_ok()), (vec![state.to_owned()], at == 0), "{at}: {end:?}");
    }
}

/// A server that signs no trailers answers a call with an error of its own, which is unsigned.
#[tokio::test]
async fn an_answer_whose_trailers_are_not_signed_is_not_believed() {
    let layers = HmacLayer::new(Scheme::native(), support::key()).unwrap().without_trailers();
    let server = net::start(|listener| async move {
        let (_, health) = tonic_health::server::health_reporter();
        let incoming = TcpIncoming::from(listener);
        tonic::transport::Server::builder().layer(layers).add_service(health).serve_with_incoming(incoming).await
    })
    .await;
    assert_eq!(check(server, layer(support::key()), "nobody").await.unwrap_err().code(), Code::NotFound);
    let error = check(server, layer(support::key()), "").await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated);
}

/// tonic finds its own error behind ours.
#[tokio::test]
async fn a_server_that_does_not_listen_is_unavailable() {
    let error = check(([127, 0, 0, 1], 1).into(), layer(support::key()), "").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
}

/// The authority is signed before the channel sets it, so the client must know it.
#[tokio::test]
async fn without_an_origin_nothing_is_sent() {
    let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let client = ServiceBuilder::new()
        .layer(layer(support::key()))
        .map_request(|request: Request<HmacBody<Body>>| request.map(Body::new))
        .service(channel);
    let error = patient(HealthClient::new(client).check(HealthCheckRequest::default())).await.unwrap_err();
    let ours: &ClientError = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!(ours.kind(), ClientErrorKind::Unsignable);
}
