//! Building the server layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{request, response};
use tower_layer::Layer;

use super::config::Config;
use super::rejecting::Renderer;
use super::service::HmacService;
use crate::body::Budget;
use crate::clock::{Clock, Tolerance};
use crate::error::{ConfigError, Mistake};
use crate::key::KeyStore;
use crate::replay::{ReplayGuard, Unguarded};
use crate::scheme::{Scheme, Target};

/// Verifies every request and signs every response of the service below.
///
/// A request reaches the service only with a [`Verified`](crate::Verified) in its extensions; everything else is
/// answered by the layer. The error type of the service is kept.
///
/// Clones share their replay guard and their budget. Two clones of one layer on one request refuse it: the second
/// sees a spent nonce.
///
/// A signed response belongs to one request: without a `cache-control` it gets `no-store, no-transform`. What changes bytes,
/// such as compression of responses and decompression of requests, belongs below this layer.
///
/// The service is made ready only after a request was verified, so a limit (`ConcurrencyLimit`) below is not held by
/// strangers or slow uploads. `LoadShed` sheds only if its limit is on the same side of this layer.
///
/// ```
/// use axum::routing::post;
/// use axum::{Extension, Router};
/// use tower_hmac::{HmacLayer, Key, Scheme, Verified};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// # let secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// let layer = HmacLayer::new(Scheme::native(), Key::from_hex("svc-a", secret)?)?;
/// let app: Router = Router::new()
///     .route("/payments", post(|Extension(who): Extension<Verified>| async move { who.key_id().to_string() }))
///     .layer(layer);
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a service"]
pub struct HmacLayer(Arc<Config>);

impl HmacLayer {
    /// A layer for one scheme. `keys` is a [`Key`](crate::Key), a closure, or whatever implements [`KeyStore`].
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use tower_hmac::{HmacLayer, Key, KeyQuery, Lookup, Scheme};
    ///
    /// # fn main() -> Result<(), tower_hmac::ConfigError> {
    /// # let (a, b) = (Key::generate("svc-a")?.0, Key::generate("svc-b")?.0);
    /// let partners = HashMap::from([("svc-a", a), ("svc-b", b)]);
    /// let find = move |query: &KeyQuery<'_>| -> Lookup { query.key_id().and_then(|id| partners.get(id)).cloned().into() };
    /// let layer = HmacLayer::new(Scheme::native(), find)?;
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When a key that is known now does not fit the scheme.
    pub fn new(scheme: Scheme, keys: impl KeyStore) -> Result<Self, ConfigError> {
        scheme.fits_all(&keys).map(|()| Self(Arc::new(Config::new(scheme, Arc::new(keys)))))
    }

    /// Sets where the signed authority and path come from. Default: the request as this layer sees it.
    pub fn target(self, target: Target) -> Self {
        self.with(|config| config.verifier = config.verifier.clone().target(target))
    }

    /// Sets how old, and how far ahead, a request may be. Default: what the scheme says, as a rule 300 s past, 60 s
    /// future.
    ///
    /// A guard remembers a message for as long as this layer would accept it. Layers that share a guard in Redis should
    /// agree; where the time is raised while messages are in flight, what was forgotten may pass once more.
    pub fn tolerance(self, tolerance: Tolerance) -> Self {
        self.with(|config| config.verifier = config.verifier.clone().tolerance(tolerance))
    }

    /// Sets the clock. Default: [`SystemClock`](crate::clock::SystemClock).
    pub fn clock(self, clock: impl Clock) -> Self {
        self.with(|config| config.clock = Arc::new(clock))
    }

    /// Sets the replay guard. Default: a [`MemoryReplayGuard`](crate::replay::MemoryReplayGuard) for 10⁶ live
    /// entries, which accepts a message once in each process.
    pub fn replay_guard(self, guard: impl ReplayGuard) -> Self {
        self.guarded(guard, true)
    }

    fn guarded(self, guard: impl ReplayGuard, named: bool) -> Self {
        self.with(|config| {
            config.guard = Arc::new(guard);
            config.verifier = config.verifier.clone().named(named);
        })
    }

    /// Accepts a message as often as it comes while it is fresh. The service must stand that.
    pub fn without_replay_guard(self) -> Self {
        self.guarded(Unguarded, false)
    }

    /// Sets the largest request body, in bytes. Default: 2 MiB. Over it: status 413.
    pub fn max_body(self, bytes: u64) -> Self {
        self.with(|config| config.request.size = bytes)
    }

    /// Hands the bodies of the requests that the predicate names on while they come, instead of buffering them.
    ///
    /// The service is called once the head is right and the nonce is spent: whoever alters such a body on its way spends
    /// the nonce of the right one, unless [`AtLeastOnce`](crate::replay::AtLeastOnce) frees it. What it reads is not verified yet: a body
    /// that is not the signed one ends in an error. Of a body whose length is known the last frame is held back until
    /// the verdict, so that nobody can forward it whole. A body that failed before the response went out turns the
    /// response into a refusal; [`StreamedBody`](crate::StreamedBody), in the extensions of request and response, tells
    /// whether the body was read to its end.
    ///
    /// The predicate sees the path as this layer does: below a router that strips it, without what was stripped.
    ///
    /// Neither [`max_body`](Self::max_body) nor [`body_deadline`](Self::body_deadline) nor
    /// [`buffer_budget`](Self::buffer_budget) applies to such a body, since the layer holds no more of it than one frame.
    ///
    /// ```
    /// use tower_hmac::{HmacLayer, Key, Scheme};
    ///
    /// # fn main() -> Result<(), tower_hmac::ConfigError> {
    /// # let (key, _) = Key::generate("svc-a")?;
    /// let layer = HmacLayer::new(Scheme::native(), key)?
    ///     .stream_requests(|head| head.uri.path().starts_with("/uploads/"))?
    ///     .max_streamed_body(10 << 30);
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the scheme signs the raw body: until such a body has ended nothing is known about its sender.
    pub fn stream_requests<P>(self, predicate: P) -> Result<Self, ConfigError>
    where
        P: Fn(&request::Parts) -> bool + Send + Sync + 'static,
    {
        let scheme = self.0.verifier.scheme();
        if !scheme.protocol().signs_head() {
            return Err(Mistake::Streaming(scheme.name()).into());
        }
        Ok(self.with(|config| config.streams_requests = Some(Arc::new(predicate))))
    }

    /// Sets the largest request body that is handed on while it comes, in bytes. Default: no limit. Over it: status 413
    /// for a declared length, else an error of the body.
    pub fn max_streamed_body(self, bytes: u64) -> Self {
        self.with(|config| config.streamed_size = bytes)
    }

    /// Signs no response in a trailer, for callers that cannot read one over HTTP/2: what cannot be signed in the head
    /// is then a 500, or [passed unsigned](Self::pass_unsigned).
    ///
    /// By default an answer over HTTP/2, or over HTTP/1.1 to a request with `TE: trailers`, is signed at its end when it
    /// has trailers, or is over the limit for buffering, or has no known length and is not there at once (or is, with 64 KiB
    /// and more).
    pub fn without_trailers(self) -> Self {
        self.with(|config| config.trailers = false)
    }

    /// Sets the largest response body that is buffered to be signed, in bytes. Default: 2 MiB. Over it: status 500.
    pub fn max_response_body(self, bytes: u64) -> Self {
        self.with(|config| config.response.size = bytes)
    }

    /// Sets how long a body may take as a whole, in either direction. Default: 30 s. Over it: status 408, or 500 for
    /// a response.
    ///
    /// Checked when a frame arrives: the crate has no timers. Against a body that stalls, put tower-http's
    /// `RequestBodyTimeoutLayer` outside.
    pub fn body_deadline(self, deadline: Duration) -> Self {
        self.with(|config| {
            config.request.deadline = deadline;
            config.response.deadline = deadline;
        })
    }

    /// Sets how many body bytes all requests and responses of this layer may hold together. Default: 64 MiB. Over it:
    /// status 503.
    ///
    /// The request bodies of a scheme that signs the raw body, as webhook providers do, may hold a quarter of it: they
    /// are read before anything can be checked, so anybody can send them.
    pub fn buffer_budget(self, bytes: u64) -> Self {
        self.with(|config| {
            config.budget = Budget::new(bytes);
            config.open_budget = config.budget.quarter();
        })
    }

    /// Sets how long, in bytes, a refused body may declare to be and still be dropped as far as it has arrived: a
    /// server that closes on unread bytes can cut off its own answer. Default: 64 KiB; 0 turns it off.
    ///
    /// Nobody is waited for: a client that writes its body in pieces must read while it writes.
    pub fn drain_limit(self, bytes: u64) -> Self {
        self.with(|config| config.drain = bytes)
    }

    /// Leaves all responses unsigned. Callers then cannot tell whether an answer is genuine.
    pub fn without_response_signing(self) -> Self {
        self.with(|config| config.signs_responses = false)
    }

    /// Leaves the responses that the predicate names unsigned and unbuffered, such as event streams.
    pub fn pass_unsigned<P>(self, predicate: P) -> Self
    where
        P: Fn(&response::Parts) -> bool + Send + Sync + 'static,
    {
        self.with(|config| config.passes_unsigned = Some(Arc::new(predicate)))
    }

    /// Sets how refusals look. Default: see [`Refusal::standard`](crate::Refusal::standard).
    pub fn render_refusals(self, renderer: impl Renderer) -> Self {
        self.with(|config| config.renderer = Arc::new(renderer))
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl<S> Layer<S> for HmacLayer {
    type Service = HmacService<S>;

    fn layer(&self, inner: S) -> HmacService<S> {
        HmacService::new(inner, Arc::clone(&self.0))
    }
}

impl fmt::Debug for HmacLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacLayer")
            .field("verifier", &self.0.verifier)
            .field("signs_responses", &self.0.signs_responses)
            .field("request", &self.0.request)
            .field("response", &self.0.response)
            .finish_non_exhaustive()
    }
}
