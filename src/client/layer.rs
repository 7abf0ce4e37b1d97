//! Building the client layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{request, response};
use tower_layer::Layer;

use super::config::{Config, Demand};
use super::service::HmacClient;
use crate::body::Budget;
use crate::clock::{Clock, Tolerance};
use crate::error::ConfigError;
use crate::key::KeyStore;
use crate::scheme::{Scheme, Target};

/// Signs every request to the client below, and verifies every response before it is handed on.
///
/// For any tower client that speaks `http`: hyper-util's, tonic's `Channel`, reqwest behind a short adapter
/// (`examples/reqwest.rs`). A response that is unsigned, changed, or the answer to another request is a
/// [`ClientError`](crate::ClientError); one that is handed on carries a [`VerifiedResponse`](crate::VerifiedResponse).
/// Bodies are buffered in both directions, so a call that streams both ways at the same time waits for ever, unless
/// [`stream_requests`](Self::stream_requests) and [`stream_responses`](Self::stream_responses) name it.
///
/// Where it stands, from the caller down:
///
/// * retries and redirects, so that each attempt has its own time and nonce, and each hop the signature for its own
///   host. *Below* the layer a second attempt is refused as a replay, and a hop carries the signature for another place;
/// * decompression, cookies, caches: what they act on is then verified;
/// * timeouts: the crate has no timers, and a server or a key store that stalls is waited for;
/// * this layer;
/// * what only adds headers. Nothing below may change method, URI, `Host`, `content-type`, `content-encoding` or the
///   body.
///
/// ```
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_hmac::{HmacBody, HmacClientLayer, Key, Scheme};
/// use tower_http::decompression::DecompressionLayer;
/// use tower_http::follow_redirect::FollowRedirectLayer;
///
/// # async fn call(secret: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let http = Client::builder(TokioExecutor::new()).build_http::<HmacBody<Full<Bytes>>>();
/// let client = ServiceBuilder::new()
///     .layer(FollowRedirectLayer::new()) // and `.retry(policy)`
///     .layer(DecompressionLayer::new())
///     .timeout(Duration::from_secs(10))
///     .layer(HmacClientLayer::new(Scheme::native(), Key::from_hex("svc-a", secret)?)?)
///     .service(http);
///
/// let request = http::Request::post("http://127.0.0.1:3000/payments").body(Full::from("{}"))?;
/// let response = client.oneshot(request).await?; // signed for this request, or an error
/// # let _ = response;
/// # Ok(())
/// # }
/// ```
///
/// Where the client below takes one concrete body, map it between them:
/// `.map_request(|r: http::Request<_>| r.map(tonic::body::Body::new))`. A tonic client needs an origin, since the
/// authority is signed before `Channel` sets it: `GreeterClient::with_origin(client, origin)`.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a service"]
pub struct HmacClientLayer(Arc<Config>);

impl HmacClientLayer {
    /// A layer for one scheme. `keys` says which key signs a request: a [`Key`](crate::Key), which signs for every host,
    /// [`HostKeys`](crate::HostKeys), a closure, or whatever implements [`KeyStore`]. It is asked without a key id, once
    /// for each request; of several keys the first signs. Without one the request fails and is not sent.
    ///
    /// Responses are verified where the scheme signs them, as the native one does; webhook formats do not.
    ///
    /// One secret for each receiver, chosen by the caller. (Extensions may follow a redirect to another host:
    /// tower-http's standard policy drops them there, another may not.)
    ///
    /// ```
    /// use tower_hmac::{HmacClientLayer, Key, KeyQuery, Lookup, Scheme};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let chosen = |query: &KeyQuery<'_>| -> Lookup { query.head().extensions.get::<Key>().cloned().into() };
    /// let layer = HmacClientLayer::new(Scheme::native(), chosen)?;
    ///
    /// # let subscriber = Key::generate("sub-7")?.0;
    /// let request = http::Request::post("https://sub-7.example.org/hook").extension(subscriber).body("{}")?;
    /// # let _ = (layer, request);
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

    /// Sets the authority and path to sign, where a proxy rewrites what is sent. Default: those of the request.
    pub fn target(self, target: Target) -> Self {
        self.with(|config| config.target = target)
    }

    /// Sets the clock. Default: [`SystemClock`](crate::clock::SystemClock).
    pub fn clock(self, clock: impl Clock) -> Self {
        self.with(|config| config.clock = Arc::new(clock))
    }

    /// Also wants the time of a response to lie within this window. Default: what makes a response fresh is its request.
    pub fn response_tolerance(self, tolerance: Tolerance) -> Self {
        self.with(|config| config.tolerance = Some(tolerance))
    }

    /// Hands on unsigned responses, unbuffered, unless their status is 1xx or 2xx. One with any field of a signature is
    /// verified all the same.
    ///
    /// Such a response proves nothing: anybody on the way can make a redirect, a `304` or an error. Where no response is
    /// verified, this changes nothing.
    pub fn pass_unsigned_failures(self) -> Self {
        self.with(|config| match config.demand {
            Demand::All => config.demand = Demand::Successes,
            Demand::Successes | Demand::Nothing => {}
        })
    }

    /// Hands on every response as it comes, unbuffered and unverified.
    pub fn without_response_verification(self) -> Self {
        self.with(|config| config.demand = Demand::Nothing)
    }

    /// Sets the largest request body, in bytes. Default: 2 MiB.
    pub fn max_body(self, bytes: u64) -> Self {
        self.with(|config| config.request.size = bytes)
    }

    /// Sets the largest response body that is buffered to be verified, in bytes. Default: 2 MiB.
    pub fn max_response_body(self, bytes: u64) -> Self {
        self.with(|config| config.response.size = bytes)
    }

    /// Sets how long a body may take as a whole, in either direction. Default: 30 s. Checked when a frame arrives.
    pub fn body_deadline(self, deadline: Duration) -> Self {
        self.with(|config| {
            config.request.deadline = deadline;
            config.response.deadline = deadline;
        })
    }

    /// Sets how many body bytes all requests and responses of this layer may hold together. Default: 64 MiB.
    pub fn buffer_budget(self, bytes: u64) -> Self {
        self.with(|config| config.budget = Budget::new(bytes))
    }

    /// Sends the bodies of the requests that the predicate names while they come, when they have no known length and are
    /// not there at once, or are over [`max_body`](Self::max_body). Their MAC follows in a trailer: the server, and
    /// everything between, must pass request trailers on, which hyper and tonic do.
    ///
    /// A body of such a request that is there at once and has less than 64 KiB, as that of most unary gRPC calls, is
    /// signed in the head all the same. For a scheme without trailers this changes nothing.
    ///
    /// ```
    /// use tower_hmac::{HmacClientLayer, Key, Scheme};
    ///
    /// # fn main() -> Result<(), tower_hmac::ConfigError> {
    /// # let (key, _) = Key::generate("svc-a")?;
    /// let layer = HmacClientLayer::new(Scheme::native(), key)?
    ///     .stream_requests(|head| head.uri.path().starts_with("/uploads/"))
    ///     .stream_responses(|head| head.headers.get("content-type").is_some_and(|kind| kind == "video/mp4"));
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream_requests<P>(self, predicate: P) -> Self
    where
        P: Fn(&request::Parts) -> bool + Send + Sync + 'static,
    {
        self.with(|config| config.streams_requests = Some(Arc::new(predicate)))
    }

    /// Hands on the responses that the predicate names as soon as their head is right, with bodies that are verified at
    /// their end. **What is read of such a body proves nothing before its end**: a body that is not the signed one ends
    /// in an error, after most of it was read. A [`StreamedBody`](crate::StreamedBody) in the extensions marks such a
    /// response and tells how its body ended.
    ///
    /// The predicate sees heads that are authentic. Neither limit nor deadline applies, since nothing is held. For a
    /// scheme that signs the raw body this changes nothing. The error about a response that is not authentic and has no
    /// declared length shows no more of its body than is there.
    ///
    /// Requests without a `TE` get `te: trailers`: over HTTP/1.1 a server signs a long answer at its end only for
    /// whoever says so.
    pub fn stream_responses<P>(self, predicate: P) -> Self
    where
        P: Fn(&response::Parts) -> bool + Send + Sync + 'static,
    {
        self.with(|config| config.streams_responses = Some(Arc::new(predicate)))
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl<S> Layer<S> for HmacClientLayer {
    type Service = HmacClient<S>;

    fn layer(&self, inner: S) -> HmacClient<S> {
        HmacClient::new(inner, Arc::clone(&self.0))
    }
}

impl fmt::Debug for HmacClientLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacClientLayer")
            .field("scheme", &self.0.scheme)
            .field("demand", &self.0.demand)
            .field("tolerance", &self.0.tolerance)
            .field("request", &self.0.request)
            .field("response", &self.0.response)
            .finish_non_exhaustive()
    }
}
