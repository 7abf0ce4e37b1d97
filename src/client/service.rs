//! The service that the layer makes.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::config::Config;
use super::error::{ClientError, ClientErrorKind};
use super::future::ClientFuture;
use crate::body::HmacBody;
use crate::error::BoxError;

/// A client below an [`HmacClientLayer`](crate::HmacClientLayer): signs what goes out, verifies what comes back.
///
/// It is ready when the client below is. The ready client waits in the future while the key is looked up and the
/// request's body is read.
#[derive(Clone)]
pub struct HmacClient<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> HmacClient<S> {
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

impl<S, B, RB> Service<Request<B>> for HmacClient<S>
where
    S: Service<Request<HmacBody<B>>, Response = Response<RB>> + Clone,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    type Response = Response<HmacBody<RB>>;
    type Error = ClientError;
    type Future = ClientFuture<S, B, RB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.inner.poll_ready(cx).map_err(|error| ClientError::caused(ClientErrorKind::Service, error.into()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was made ready is the one that is called; the clone was never polled.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ClientFuture::new(Arc::clone(&self.config), ready, request)
    }
}

impl<S> fmt::Debug for HmacClient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacClient(..)")
    }
}
