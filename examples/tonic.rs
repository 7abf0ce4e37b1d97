//! A gRPC server behind the layer: `cargo run --example tonic [ADDRESS]`, with the secret of `svc-a` in `KEY_HEX` (else a
//! new one is printed). A signed streaming call to it, with that `KEY_HEX`: `cargo run --example tonic watch [ADDRESS]`.
//!
//! The service is the standard health check. Its interceptor, below the layer, sees who signed.

use std::env;
use std::error::Error;

use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::ServiceBuilder;
use tower_hmac::{ClientError, ClientErrorKind, HmacBody, HmacClientLayer, HmacLayer, Key, Scheme, Verified};

type Failure = Box<dyn Error + Send + Sync>;

pub async fn serve(listener: TcpListener, key: Key, reporter: HealthReporter) -> Result<(), Failure> {
    // An answer is signed at its end, together with its `grpc-status`, and flows until then. Calls in which the client
    // streams want `stream_requests` as well.
    let hmac = HmacLayer::new(Scheme::native(), key)?;

    let health = HealthServer::new(HealthService::from_health_reporter(reporter));
    Server::builder()
        .layer(hmac)
        .add_service(InterceptedService::new(health, audit))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?;
    Ok(())
}

fn audit(request: Request<()>) -> Result<Request<()>, Status> {
    let who = request.extensions().get::<Verified>().ok_or_else(|| Status::internal("the layer is missing"))?;
    println!("called by {}", who.key_id());
    Ok(request)
}

/// Shows each state as it comes, until the server ends the stream. An error says that not all of it was signed.
pub async fn watch(server: &str, key: Key, mut show: impl FnMut(&str)) -> Result<(), Failure> {
    let origin = format!("http://{server}");
    // What comes is handed on before the signature at the end is there: only for calls that ask for it.
    let hmac = HmacClientLayer::new(Scheme::native(), key)?.stream_responses(|_| true);
    let signed = ServiceBuilder::new()
        .map_err(|error: ClientError| match error.kind() {
            ClientErrorKind::Unsigned | ClientErrorKind::BadSignature => Status::unauthenticated(error.to_string()),
            _ => Status::from_error(error.into()),
        })
        .layer(hmac)
        .map_request(|request: http::Request<HmacBody<Body>>| request.map(Body::new))
        .service(Endpoint::from_shared(origin.clone())?.connect().await?);
    let mut health = HealthClient::with_origin(signed, origin.parse()?);
    let mut states = health.watch(HealthCheckRequest { service: "payments".into() }).await?.into_inner();
    while let Some(state) = states.message().await? {
        show(state.status().as_str_name());
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1).peekable();
    let watches = arguments.next_if_eq("watch").is_some();
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".into());
    let key = match env::var("KEY_HEX") {
        Ok(secret) => Key::from_hex("svc-a", &secret)?,
        Err(_) => {
            let (key, secret) = Key::generate("svc-a")?;
            println!("KEY_HEX={secret}");
            key
        }
    };
    if watches {
        return watch(&address, key, |state| println!("payments: {state}")).await;
    }
    let reporter = HealthReporter::new();
    reporter.set_service_status("payments", ServingStatus::Serving).await;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener, key, reporter).await
}
