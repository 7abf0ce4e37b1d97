//! What a layer was told.

use std::sync::Arc;
use std::time::Duration;

use http::{request, response};

use crate::body::{Budget, Limits};
use crate::clock::{Clock, SystemClock, Tolerance};
use crate::key::KeyStore;
use crate::scheme::{Scheme, Target};
use crate::verify::ResponseVerifier;

#[derive(Clone)]
pub(super) struct Config {
    pub(super) scheme: Scheme,
    pub(super) target: Target,
    pub(super) keys: Arc<dyn KeyStore>,
    pub(super) verifier: ResponseVerifier,
    pub(super) demand: Demand,
    pub(super) tolerance: Option<Tolerance>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) request: Limits,
    pub(super) response: Limits,
    pub(super) budget: Budget,
    pub(super) streams_requests: Option<Arc<Predicate<request::Parts>>>,
    pub(super) streams_responses: Option<Arc<Predicate<response::Parts>>>,
}

/// Chooses messages by their head.
pub(super) type Predicate<H> = dyn Fn(&H) -> bool + Send + Sync;

/// Which responses must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Every one.
    All,
    /// Those that say that something was done.
    Successes,
    /// None, and none is verified.
    Nothing,
}

impl Config {
    pub(super) fn new(scheme: Scheme, keys: Arc<dyn KeyStore>) -> Self {
        let limits = Limits { size: 2 << 20, deadline: Duration::from_secs(30) };
        Self {
            verifier: ResponseVerifier::new(scheme.clone()),
            target: Target::default(),
            keys,
            demand: if scheme.protocol().signs_responses() { Demand::All } else { Demand::Nothing },
            scheme,
            tolerance: None,
            clock: Arc::new(SystemClock::default()),
            request: limits,
            response: limits,
            budget: Budget::new(64 << 20),
            streams_requests: None,
            streams_responses: None,
        }
    }
}
