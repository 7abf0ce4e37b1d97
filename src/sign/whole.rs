//! Signing a request whose body is there.

use http::Request;

use super::RequestSigner;
use crate::error::SignError;
use crate::scheme::Exchange;

impl RequestSigner {
    /// Signs a whole request with the time `now` (Unix seconds). The [`Exchange`] verifies its response.
    ///
    /// Two lines make a request that a service behind an [`HmacLayer`](crate::HmacLayer) accepts, so a test can call it
    /// without a socket, with the clock and the layer that it has anyway:
    ///
    /// ```
    /// use axum::{Router, body::Body, routing::post};
    /// use http::Request;
    /// use tower::ServiceExt;
    /// use tower_hmac::clock::ManualClock;
    /// use tower_hmac::sign::RequestSigner;
    /// use tower_hmac::{HmacLayer, Key, Scheme};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (key, _) = Key::generate("svc-a")?;
    /// let hmac = HmacLayer::new(Scheme::native(), key.clone())?.clock(ManualClock::at(1_795_303_445));
    /// let app: Router = Router::new().route("/pay", post(async |body: String| body)).layer(hmac);
    ///
    /// let request = Request::post("/pay").header("host", "api.example.com").body("{\"amount\":10}")?;
    /// let (request, _) = RequestSigner::new(Scheme::native(), key)?.sign(request, 1_795_303_445)?;
    ///
    /// assert_eq!(app.clone().oneshot(request.clone().map(Body::from)).await?.status(), 200);
    /// assert_eq!(app.oneshot(request.map(Body::from)).await?.status(), 401); // a second time
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`SignError`].
    pub fn sign<B: AsRef<[u8]>>(&self, request: Request<B>, now: u64) -> Result<(Request<B>, Exchange), SignError> {
        let (mut head, body) = request.into_parts();
        let mut signing = self.begin(&head, now)?;
        signing.update(body.as_ref());
        let exchange = signing.finish(&mut head)?;
        Ok((Request::from_parts(head, body), exchange))
    }
}
