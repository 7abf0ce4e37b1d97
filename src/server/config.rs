//! What a layer was told.

use std::sync::Arc;
use std::time::Duration;

use http::{request, response};

use super::rejecting::{Renderer, Standard};
use crate::body::{Budget, Limits};
use crate::clock::{Clock, SystemClock};
use crate::key::KeyStore;
use crate::replay::{MemoryReplayGuard, ReplayGuard, Unguarded};
use crate::scheme::Scheme;
use crate::sign::ResponseSigner;
use crate::verify::RequestVerifier;

/// Chooses messages by their head.
pub(super) type Predicate<H> = dyn Fn(&H) -> bool + Send + Sync;

#[derive(Clone)]
pub(super) struct Config {
    pub(super) verifier: RequestVerifier,
    pub(super) signer: ResponseSigner,
    pub(super) signs_responses: bool,
    pub(super) passes_unsigned: Option<Arc<Predicate<response::Parts>>>,
    pub(super) streams_requests: Option<Arc<Predicate<request::Parts>>>,
    pub(super) streamed_size: u64,
    pub(super) trailers: bool,
    pub(super) keys: Arc<dyn KeyStore>,
    pub(super) guard: Arc<dyn ReplayGuard>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) request: Limits,
    pub(super) response: Limits,
    pub(super) budget: Budget,
    /// For request bodies that are read before anything is authentic.
    pub(super) open_budget: Budget,
    pub(super) drain: u64,
    pub(super) renderer: Arc<dyn Renderer>,
}

impl Config {
    pub(super) fn new(scheme: Scheme, keys: Arc<dyn KeyStore>) -> Self {
        let limits = Limits { size: 2 << 20, deadline: Duration::from_secs(30) };
        let protocol = scheme.protocol();
        let guarded = protocol.has_nonce();
        let guard: Arc<dyn ReplayGuard> = match guarded {
            true => Arc::new(MemoryReplayGuard::new()),
            false => Arc::new(Unguarded),
        };
        let budget = Budget::new(64 << 20);
        Self {
            signs_responses: protocol.signs_responses(),
            guard,
            verifier: RequestVerifier::new(scheme.clone()).named(guarded),
            signer: ResponseSigner::new(scheme),
            passes_unsigned: None,
            streams_requests: None,
            streamed_size: u64::MAX,
            trailers: true,
            keys,
            clock: Arc::new(SystemClock::default()),
            request: limits,
            response: limits,
            open_budget: budget.quarter(),
            budget,
            drain: 64 << 10,
            renderer: Arc::new(Standard),
        }
    }
}
