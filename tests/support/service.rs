//! Inner services and replay guards that count.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim, ReplayGuard};
use tower_hmac::{Answer, HmacBody, HmacLayer, RejectionKind, Verified};

use super::body::Script;

/// Answers with a fixed response and counts its calls. Panics if a request reaches it without proof.
#[derive(Clone)]
pub struct Inner {
    calls: Arc<AtomicUsize>,
    make: Arc<dyn Fn() -> Response<Full<Bytes>> + Send + Sync>,
}

impl Inner {
    pub fn ok() -> Self {
        Self::answering(|| Response::new(Full::new(Bytes::from_static(b"{\"ok\":true}"))))
    }

    pub fn answering(make: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static) -> Self {
        Self { calls: Arc::default(), make: Arc::new(make) }
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl<B> Service<Request<B>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(request.extensions().get::<Verified>().is_some(), "a request without proof");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok((self.make)()))
    }
}

/// A memory guard that counts how often it is asked.
#[derive(Clone, Default)]
pub struct CountingGuard {
    guard: MemoryReplayGuard,
    claims: Arc<AtomicUsize>,
}

impl CountingGuard {
    pub fn claims(&self) -> usize {
        self.claims.load(Ordering::SeqCst)
    }
}

impl ReplayGuard for CountingGuard {
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        self.guard.claim(claim)
    }
}

/// What came out of one request.
pub struct Outcome {
    pub response: Response<()>,
    pub body: Bytes,
    pub calls: usize,
    pub claims: usize,
    pub polls: usize,
}

impl Outcome {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn kind(&self) -> Option<RejectionKind> {
        self.response.extensions().get().copied()
    }

    /// The refusal that design and catalogue ask for: kind and status, inner service and guard untouched.
    #[track_caller]
    pub fn refused(&self, kind: RejectionKind) {
        assert_eq!(self.kind(), Some(kind));
        assert_eq!(self.status(), kind.status());
        assert_eq!(self.calls, 0, "the service was called");
        assert_eq!(self.claims, 0, "the guard was asked");
        assert!(self.body.is_empty());
    }

    /// As [`refused`](Self::refused), before the body was polled.
    #[track_caller]
    pub fn refused_unread(&self, kind: RejectionKind) {
        self.refused(kind);
        assert_eq!(self.polls, 0, "the body was polled");
    }

    #[track_caller]
    pub fn accepted(&self) {
        assert_eq!(self.kind(), None);
        assert_eq!(self.status(), StatusCode::OK);
        assert_eq!((self.calls, self.claims), (1, 1));
    }
}

/// Sends one request through `layer` over [`Inner::ok`], with a guard of its own.
pub async fn send(layer: HmacLayer, request: Request<Script>) -> Outcome {
    let guard = CountingGuard::default();
    send_to(layer.replay_guard(guard.clone()), request, Inner::ok(), &guard).await
}

/// Sends one request through `layer` over `inner`; counts what this request did.
pub async fn send_to(layer: HmacLayer, request: Request<Script>, inner: Inner, guard: &CountingGuard) -> Outcome {
    let (calls, claims, polls) = (inner.calls(), guard.claims(), request.body().polls());
    let response = layer.layer(inner.clone()).oneshot(request).await.unwrap();
    let (response, body) = split(response).await;
    Outcome { response, body, calls: inner.calls() - calls, claims: guard.claims() - claims, polls: polls.count() }
}

pub async fn split<B>(response: Response<HmacBody<B>>) -> (Response<()>, Bytes)
where
    B: Body,
    B::Error: Into<tower_hmac::BoxError>,
{
    let (head, body) = response.into_parts();
    (Response::from_parts(head, ()), body.collect().await.unwrap().to_bytes())
}
