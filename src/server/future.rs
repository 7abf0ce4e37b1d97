//! The way of one request through the layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::admission::Admission;
use super::answering::Answering;
use super::config::Config;
use super::drain::Drain;
use super::receives::Receives;
use super::rejecting::{self, is_grpc};
use crate::answer::Answer;
use crate::body::{HmacBody, Source, StreamedBody};
use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};
use crate::replay::{Claimed, Held, Settling};
use crate::scheme::Exchange;

pin_project! {
    /// The future of an [`HmacService`](crate::HmacService).
    ///
    /// Dropping it at any moment gives everything back; a nonce that was claimed stays spent, or its lease runs out.
    pub struct ResponseFuture<S, B, RB>
    where
        S: Service<Request<HmacBody<B>>>,
    {
        config: Arc<Config>,
        service: Option<S>,
        head: Option<Parts>,
        grpc: bool,
        lease: Option<Box<Held>>,
        streamed: Option<StreamedBody>,
        #[pin]
        source: Source<B>,
        admission: Admission,
        #[pin]
        state: State<S::Future, RB>,
        #[pin]
        answering: Answering<RB>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, RB> {
        // The request is read and checked; then the service is made ready.
        Admitting,
        // The request is refused; its body is dropped.
        Draining { rejection: Option<Rejection>, drain: Drain },
        // The service is ready; the replay guard has not answered yet.
        Claiming { claimed: Pin<Box<dyn Future<Output = Claimed> + Send>> },
        // The service works.
        Calling { #[pin] future: F, exchange: Option<Exchange> },
        // The service has answered; the replay guard notes it.
        Settling { answered: Option<(Response<RB>, Exchange)>, settling: Settling },
        // The response is read to be signed.
        Answering,
        // The response is out.
        Done,
    }
}

/// What one state leads to.
enum Step<RB> {
    Continue,
    Refuse(Rejection),
    Send(Response<HmacBody<RB>>),
}

impl<S, B, RB> ResponseFuture<S, B, RB>
where
    S: Service<Request<HmacBody<B>>, Response = Response<RB>>,
    B: Body,
    B::Error: Into<BoxError>,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    pub(super) fn new(config: Arc<Config>, service: S, mut request: Request<B>) -> Self {
        config.verifier.scheme().conceal(request.headers_mut());
        let grpc = request.headers().get(CONTENT_TYPE).is_some_and(is_grpc);
        let receives = Receives::of(&request);
        let (head, body) = request.into_parts();
        Self {
            config,
            service: Some(service),
            grpc,
            lease: None,
            streamed: None,
            source: Source::new(body),
            admission: Admission::default(),
            state: State::Admitting,
            answering: Answering::new(receives),
            head: Some(head),
        }
    }

    fn poll_request(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Step<RB>, S::Error>> {
        let mut this = self.as_mut().project();
        let (Some(service), Some(head)) = (this.service.as_mut(), this.head.as_ref()) else { return Poll::Pending };
        match this.state.as_mut().project() {
            StateProj::Admitting => {
                let admission = this.admission;
                if let Err(rejection) = ready!(admission.poll(this.config, head, this.source.as_mut(), cx)) {
                    let body = this.source.as_ref().get().filter(|_| admission.is_unread());
                    let drain = body.and_then(|body| Drain::new(&head.headers, body, this.config.drain));
                    let Some(drain) = drain else { return Poll::Ready(Ok(Step::Refuse(rejection))) };
                    this.state.set(State::Draining { rejection: Some(rejection), drain });
                    return Poll::Ready(Ok(Step::Continue));
                }
                // Only now: neither a stranger nor a slow upload holds a permit of the service.
                ready!(service.poll_ready(cx))?;
                let Some(authentic) = admission.authentic() else { return Poll::Pending };
                let now = this.config.clock.now().ok_or(Rejection::from(RejectionKind::Clock));
                let claim = now.and_then(|now| authentic.replay_claim(now));
                match claim.map(|claim| Held::claim(&this.config.guard, &claim, this.lease)) {
                    Ok(Answer::Ready(claimed)) => Poll::Ready(Ok(self.call(claimed))),
                    Ok(Answer::Later(claimed)) => {
                        this.state.set(State::Claiming { claimed });
                        Poll::Ready(Ok(Step::Continue))
                    }
                    Err(rejection) => Poll::Ready(Ok(Step::Refuse(rejection))),
                }
            }
            StateProj::Draining { rejection, drain } => {
                if let Some(body) = this.source.as_mut().pinned() {
                    ready!(drain.poll(body, cx));
                }
                match rejection.take() {
                    Some(rejection) => Poll::Ready(Ok(Step::Refuse(rejection))),
                    None => Poll::Pending,
                }
            }
            StateProj::Claiming { claimed } => claimed.as_mut().poll(cx).map(|claimed| Ok(self.call(claimed))),
            _ => Poll::Pending,
        }
    }

    /// No await between the claim's answer and this.
    fn call(self: Pin<&mut Self>, claimed: Claimed) -> Step<RB> {
        let mut this = self.project();
        let Some((authentic, load)) = this.admission.take() else {
            return Step::Refuse(RejectionKind::GuardUnavailable.into());
        };
        let verified = match authentic.admit(claimed) {
            Ok(verified) => verified,
            Err(rejection) => return Step::Refuse(rejection),
        };
        let exchange = Some(verified.exchange().clone());
        let (body, streamed) = load.into_body(this.config, this.source.as_mut());
        if let Some(head) = this.head {
            head.extensions.insert(verified);
            *this.streamed = streamed.inspect(|streamed| drop(head.extensions.insert(streamed.clone())));
        }
        if let (Some(mut service), Some(head)) = (this.service.take(), this.head.take()) {
            let future = service.call(Request::from_parts(head, body));
            this.state.set(State::Calling { future, exchange });
        }
        Step::Continue
    }

    fn answer(self: Pin<&mut Self>, response: Response<RB>, exchange: Exchange) -> Step<RB> {
        let mut this = self.project();
        this.state.set(State::Answering);
        match this.answering.begin(this.config, response, exchange) {
            Ok(Some(response)) => Step::Send(response),
            Ok(None) => Step::Continue,
            Err(rejection) => Step::Refuse(rejection),
        }
    }

    fn refuse(self: Pin<&mut Self>, rejection: &Rejection) -> Response<HmacBody<RB>> {
        let mut this = self.project();
        // A service that was made ready for this request gives its permit back now, and the bodies their budget.
        *this.service = None;
        *this.admission = Admission::default();
        this.answering.set(Answering::new(Receives::Nothing));
        rejecting::answer(this.config, rejection, this.head.as_ref(), *this.grpc).map(HmacBody::from)
    }
}

impl<S, B, RB> Future for ResponseFuture<S, B, RB>
where
    S: Service<Request<HmacBody<B>>, Response = Response<RB>>,
    B: Body,
    B::Error: Into<BoxError>,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    type Output = Result<Response<HmacBody<RB>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let step = match this.state.as_mut().project() {
                StateProj::Calling { future, exchange } => {
                    let response = ready!(future.poll(cx))?;
                    let Some(exchange) = exchange.take() else { return Poll::Pending };
                    let lease = this.lease.take();
                    // What was handled is not what was signed: the signed message may still come.
                    let failed = this.streamed.as_ref().is_some_and(|streamed| streamed.failure().is_some());
                    let status = if failed { StatusCode::INTERNAL_SERVER_ERROR } else { response.status() };
                    match lease.and_then(|lease| lease.settle(status, &*this.config.clock)) {
                        Some(settling) => {
                            this.state.set(State::Settling { answered: Some((response, exchange)), settling });
                            Step::Continue
                        }
                        None => self.as_mut().answer(response, exchange),
                    }
                }
                StateProj::Settling { answered, settling } => {
                    ready!(settling.as_mut().poll(cx));
                    let Some((response, exchange)) = answered.take() else { return Poll::Pending };
                    self.as_mut().answer(response, exchange)
                }
                StateProj::Answering => match ready!(this.answering.poll(this.config, cx)) {
                    Ok(response) => Step::Send(response),
                    Err(rejection) => Step::Refuse(rejection),
                },
                StateProj::Done => return Poll::Pending,
                _ => ready!(self.as_mut().poll_request(cx))?,
            };
            // A streamed body that turned out wrong in time is the answer, whatever the service says.
            let failure = self.streamed.as_ref().and_then(StreamedBody::failure).map(Rejection::from);
            let mut response = match step {
                Step::Continue => continue,
                Step::Send(response) => match failure {
                    None => response,
                    Some(rejection) => self.as_mut().refuse(&rejection),
                },
                Step::Refuse(rejection) => self.as_mut().refuse(&failure.unwrap_or(rejection)),
            };
            let mut this = self.as_mut().project();
            this.state.set(State::Done);
            if let Some(streamed) = this.streamed.take() {
                response.extensions_mut().insert(streamed);
            }
            return Poll::Ready(Ok(response));
        }
    }
}

impl<S, B, RB> fmt::Debug for ResponseFuture<S, B, RB>
where
    S: Service<Request<HmacBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
