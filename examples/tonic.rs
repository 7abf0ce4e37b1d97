//! A gRPC server behind the layer: `cargo run --example tonic [ADDRESS]`, with the secret of `svc-a` in
//! `KEY_HEX` (else a new one is printed).
//!
//! The service is the standard health check. Its interceptor, below the layer, sees who signed.

use std::env;
use std::error::Error;

use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Status};
use tonic_health::ServingStatus;
use tower_hmac::{HmacLayer, Key, Scheme, Verified};

pub async fn serve(listener: TcpListener, key: Key) -> Result<(), Box<dyn Error + Send + Sync>> {
    // An answer is signed at its end, together with its `grpc-status`, and flows until then. Calls in which the client
    // streams want `stream_requests` as well.
    let hmac = HmacLayer::new(Scheme::native(), key)?;

    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("payments", ServingStatus::Serving).await;

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

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let key = match env::var("KEY_HEX") {
        Ok(secret) => Key::from_hex("svc-a", &secret)?,
        Err(_) => {
            let (key, secret) = Key::generate("svc-a")?;
            println!("KEY_HEX={secret}");
            key
        }
    };
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener, key).await
}
