//! reqwest below the client layer: `cargo run --example reqwest [URL]`, with the secret of `svc-a` in `KEY_HEX`.
//!
//! [`Reqwest`] is all that is needed: reqwest is no service for `http` requests itself. Redirects are not reqwest's
//! business here (`Policy::none()`): it would send the signature for another address. Put tower-http's `FollowRedirect`
//! outside of the layer.

use std::env;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;
use reqwest::redirect::Policy;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_hmac::{HmacBody, HmacClient, HmacClientLayer, Key, Scheme};

/// A `reqwest::Client` as a service.
#[derive(Clone)]
pub struct Reqwest(pub reqwest::Client);

impl<B> Service<http::Request<HmacBody<B>>> for Reqwest
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    type Response = http::Response<reqwest::Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<HmacBody<B>>) -> Self::Future {
        let signed = request.uri().to_string();
        let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap));
        // reqwest brings addresses into its own form: `/a/../b` becomes `/b`. What was signed must be what is sent.
        let sent = match request {
            Ok(request) if request.url().as_str() == signed => self.0.call(request),
            Ok(request) => {
                let text = format!("{signed} was signed, {} would be sent", request.url());
                return Box::pin(async { Err(text.into()) });
            }
            Err(error) => return Box::pin(async { Err(error.into()) }),
        };
        Box::pin(async { Ok(sent.await?.into()) })
    }
}

pub fn client(key: Key) -> Result<HmacClient<Reqwest>, BoxError> {
    let reqwest = reqwest::Client::builder().redirect(Policy::none()).build()?;
    Ok(ServiceBuilder::new().layer(HmacClientLayer::new(Scheme::native(), key)?).service(Reqwest(reqwest)))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let key = Key::from_hex("svc-a", &env::var("KEY_HEX")?)?;
    let url = env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:3000/echo".into());
    let client = client(key)?;
    // As reqwest builds it, with all of its conveniences; a request of `http` will do as well.
    let request = client.get_ref().0.post(url).header("content-type", "application/json").body("{\"amount\":10}");
    let response = client.oneshot(http::Request::<reqwest::Body>::try_from(request.build()?)?).await?;
    let response = reqwest::Response::from(response.map(reqwest::Body::wrap));
    println!("{}, verified: {}", response.status(), response.bytes().await?.escape_ascii());
    Ok(())
}
