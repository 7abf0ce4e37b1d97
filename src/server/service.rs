//! The service that the layer makes.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::config::Config;
use super::future::ResponseFuture;
use crate::body::HmacBody;
use crate::error::BoxError;

/// A service behind an [`HmacLayer`](crate::HmacLayer).
///
/// Always ready itself; the inner service is made ready in the future, after the request was verified.
#[derive(Clone)]
pub struct HmacService<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> HmacService<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }

    /// The service below.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service below.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service below.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, RB> Service<Request<B>> for HmacService<S>
where
    S: Service<Request<HmacBody<B>>, Response = Response<RB>> + Clone,
    B: Body,
    B::Error: Into<BoxError>,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    type Response = Response<HmacBody<RB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, RB>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // A clone that nobody has polled: it is made ready in the future, and only for a verified request.
        ResponseFuture::new(Arc::clone(&self.config), self.inner.clone(), request)
    }
}

impl<S> fmt::Debug for HmacService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacService(..)")
    }
}
