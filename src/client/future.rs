//! The way of one call through the layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::config::Config;
use super::error::{ClientError, ClientErrorKind};
use super::excerpt::Excerpt;
use super::receiving::{Plan, Receiving, plan};
use super::sending::Sending;
use crate::body::HmacBody;
use crate::error::BoxError;
use crate::scheme::Exchange;

pin_project! {
    /// The future of an [`HmacClient`](crate::HmacClient).
    ///
    /// Dropping it at any moment gives everything back.
    pub struct ClientFuture<S, B, RB>
    where
        S: Service<Request<HmacBody<B>>>,
    {
        config: Arc<Config>,
        #[pin]
        state: State<S, S::Future, B, RB>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B, RB> {
        // The request is read and signed; the service, which is ready, waits.
        Sending { service: S, #[pin] sending: Sending<B> },
        // The service works.
        Calling { #[pin] future: F, exchange: Option<Exchange> },
        // The response's head is right; its body is read.
        Receiving { #[pin] receiving: Receiving<RB> },
        // The response is refused; the first bytes of its body are read.
        Refusing { #[pin] excerpt: Excerpt<RB> },
        // The outcome is out.
        Done,
    }
}

impl<S, B, RB> ClientFuture<S, B, RB>
where
    S: Service<Request<HmacBody<B>>, Response = Response<RB>>,
    B: Body,
    B::Error: Into<BoxError>,
{
    /// `service` is ready.
    pub(super) fn new(config: Arc<Config>, service: S, request: Request<B>) -> Self {
        Self { config, state: State::Sending { service, sending: Sending::new(request) } }
    }
}

impl<S, B, RB> Future for ClientFuture<S, B, RB>
where
    S: Service<Request<HmacBody<B>>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    type Output = Result<Response<HmacBody<RB>>, ClientError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let outcome = match this.state.as_mut().project() {
                StateProj::Sending { service, mut sending } => match ready!(sending.as_mut().poll(this.config, cx)) {
                    Ok((body, exchange)) => {
                        let Some(head) = sending.head() else { return Poll::Pending };
                        let future = service.call(Request::from_parts(head, body));
                        this.state.set(State::Calling { future, exchange: Some(exchange) });
                        continue;
                    }
                    Err(error) => Err(error),
                },
                StateProj::Calling { future, exchange } => match (ready!(future.poll(cx)), exchange.take()) {
                    (Ok(response), Some(exchange)) => match plan(this.config, response, &exchange) {
                        Ok(Plan::Release(response)) => Ok(response),
                        Ok(Plan::Verify(receiving)) => {
                            this.state.set(State::Receiving { receiving });
                            continue;
                        }
                        Ok(Plan::Refuse(excerpt)) => {
                            this.state.set(State::Refusing { excerpt });
                            continue;
                        }
                        Err(error) => Err(error),
                    },
                    (Err(error), _) => Err(ClientError::caused(ClientErrorKind::Service, error.into())),
                    (Ok(_), None) => return Poll::Pending,
                },
                StateProj::Receiving { receiving } => ready!(receiving.poll(this.config, cx)),
                StateProj::Refusing { excerpt } => Err(ready!(excerpt.poll(this.config, cx))),
                StateProj::Done => return Poll::Pending,
            };
            // A permit of the service, and a connection, go back now, even if the future is kept.
            this.state.set(State::Done);
            return Poll::Ready(outcome);
        }
    }
}

impl<S, B, RB> fmt::Debug for ClientFuture<S, B, RB>
where
    S: Service<Request<HmacBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientFuture(..)")
    }
}
