//! A signed call with a verified answer: `cargo run --example client [URL]`, with the secret of `svc-a` in `KEY_HEX`.
//!
//! Without both it calls `cargo run --example quickstart -- --serve`.

use std::env;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{ServiceBuilder, ServiceExt};
use tower_hmac::{HmacBody, HmacClientLayer, HostKeys, Key, Scheme, VerifiedResponse};

const QUICKSTART: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let uri: Uri = env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:3000/echo".into()).parse()?;
    let key = Key::from_hex("svc-a", &env::var("KEY_HEX").unwrap_or_else(|_| QUICKSTART.into()))?;

    // The key signs for this host and for no other, wherever a redirect may lead.
    let host = uri.authority().ok_or("the URL names no host")?.to_string();
    let hmac = HmacClientLayer::new(Scheme::native(), HostKeys::new([(&*host, key)])?)?;
    let http = Client::builder(TokioExecutor::new()).build_http::<HmacBody<Full<Bytes>>>();
    let client = ServiceBuilder::new().layer(hmac).service(http);

    let request = Request::post(uri).header("content-type", "application/json").body(Full::from("{\"amount\":10}"))?;
    let response = match client.oneshot(request).await {
        Ok(response) => response,
        Err(error) => {
            // Nothing of this is proved: a server does not sign its refusals, and neither would a forger.
            if let Some(response) = error.unverified_response() {
                println!("unverified: {} {}", response.status(), response.body().escape_ascii());
            }
            return Err(error.into());
        }
    };
    let signed = response.extensions().get::<VerifiedResponse>().and_then(VerifiedResponse::timestamp);
    println!("{}, verified, signed at {}", response.status(), signed.unwrap_or_default());
    println!("{}", response.into_body().collect().await?.to_bytes().escape_ascii());
    Ok(())
}
