//! What a layer was told.

use std::sync::Arc;
use std::time::Duration;

use http::response;

use super::rejecting::{Renderer, Standard};
use crate::body::{Budget, Limits};
use crate::clock::{Clock, SystemClock};
use crate::key::KeyStore;
use crate::replay::{MemoryReplayGuard, ReplayGuard, Unguarded};
use crate::scheme::Scheme;
use crate::sign::ResponseSigner;
use crate::verify::RequestVerifier;

pub(super) type Predicate = dyn Fn(&response::Parts) -> bool + Send + Sync;

#[derive(Clone)]
pub(super) struct Config {
    pub(super) verifier: RequestVerifier,
    pub(super) signer: ResponseSigner,
    pub(super) signs_responses: bool,
    pub(super) passes_unsigned: Option<Arc<Predicate>>,
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
        let guard: Arc<dyn ReplayGuard> = match protocol.has_nonce() {
            true => Arc::new(MemoryReplayGuard::new()),
            false => Arc::new(Unguarded),
        };
        let budget = Budget::new(64 << 20);
        Self {
            signs_responses: protocol.signs_responses(),
            guard,
            verifier: RequestVerifier::new(scheme.clone()),
            signer: ResponseSigner::new(scheme),
            passes_unsigned: None,
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
