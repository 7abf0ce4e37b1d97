//! A hyper server behind the layer: `cargo run --example hyper [ADDRESS]`, with the secret of `svc-a` in
//! `KEY_HEX` (else a new one is printed).
//!
//! One port for HTTP/1 and HTTP/2, no framework; `/echo` answers with the body, `/tunnel` upgrades the connection.

use std::env;
use std::error::Error;

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};
use tower_hmac::{HmacBody, HmacLayer, Key, Scheme, Verified};

type BoxError = Box<dyn Error + Send + Sync>;

pub async fn serve(listener: TcpListener, key: Key) -> Result<(), BoxError> {
    let hmac = HmacLayer::new(Scheme::native(), key)?;
    let service = ServiceBuilder::new().layer(hmac).service(service_fn(handle));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
    }
}

async fn handle(request: Request<HmacBody<Incoming>>) -> Result<Response<Full<Bytes>>, BoxError> {
    match request.uri().path() {
        "/echo" => Ok(Response::new(Full::new(request.into_body().collect().await?.to_bytes()))),
        "/tunnel" if request.headers().contains_key(UPGRADE) => Ok(tunnel(request)),
        "/who" => {
            let who = request.extensions().get::<Verified>().map(|who| who.key_id().to_string());
            Ok(Response::new(Full::from(who.unwrap_or_default())))
        }
        _ => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

/// The answer is signed in its head; what flows afterwards is not.
fn tunnel(request: Request<HmacBody<Incoming>>) -> Response<Full<Bytes>> {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let upgraded = upgrade.await?;
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
        tokio::io::copy(&mut reader, &mut writer).await?;
        Ok::<_, BoxError>(())
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
    response
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
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
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, key).await
}
