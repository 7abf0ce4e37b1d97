//! The way of one request through the layer.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::admission::Admission;
use super::answering::{self, Answering, Plan};
use super::config::Config;
use super::drain::Drain;
use super::rejecting::{Refusal, is_grpc};
use crate::answer::Answer;
use crate::body::{Frames, HmacBody};
use crate::error::BoxError;
use crate::observe;
use crate::rejection::{Rejection, RejectionKind};
use crate::replay::Claimed;
use crate::scheme::{Exchange, Scheme};
use crate::verify::Authentic;

pin_project! {
    /// The future of an [`HmacService`](crate::HmacService).
    ///
    /// Dropping it at any moment gives everything back; a nonce that was claimed stays spent.
    pub struct ResponseFuture<S, B, RB>
    where
        S: Service<Request<HmacBody<B>>>,
    {
        config: Arc<Config>,
        service: Option<S>,
        head: Option<Parts>,
        grpc: bool,
        #[pin]
        body: Option<B>,
        #[pin]
        state: State<S::Future, RB>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, RB> {
        // The request is read and checked.
        Admitting { admission: Admission },
        // The request is refused; its body is dropped.
        Draining { rejection: Option<Rejection>, drain: Drain },
        // The request is authentic; the service is not ready yet.
        Readying { request: Option<(Authentic, Frames)> },
        // The service is ready; the replay guard has not answered yet.
        Claiming { request: Option<(Authentic, Frames)>, claimed: Pin<Box<dyn Future<Output = Claimed> + Send>> },
        // The service works.
        Calling { #[pin] future: F, exchange: Option<Exchange> },
        // The response is buffered to be signed.
        Answering { #[pin] answering: Answering<RB> },
        // The response is out.
        Done,
    }
}

impl<S, B, RB> ResponseFuture<S, B, RB>
where
    S: Service<Request<HmacBody<B>>, Response = Response<RB>>,
    B: Body,
    B::Error: Into<BoxError>,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    pub(super) fn new(config: Arc<Config>, service: S, request: Request<B>) -> Self {
        let (mut head, body) = request.into_parts();
        let grpc = prepare(config.verifier.scheme(), &mut head.headers);
        let state = State::Admitting { admission: Admission::Head };
        Self { config, service: Some(service), head: Some(head), grpc, body: Some(body), state }
    }

    fn poll_request(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Step<RB>, S::Error>> {
        let mut this = self.as_mut().project();
        let (Some(service), Some(head)) = (this.service.as_mut(), this.head.as_ref()) else { return Poll::Pending };
        match this.state.as_mut().project() {
            StateProj::Admitting { admission } => {
                let Some(mut body) = this.body.as_mut().as_pin_mut() else { return Poll::Pending };
                let request = match ready!(admission.poll(this.config, head, body.as_mut(), cx)) {
                    Ok(request) => Some(request),
                    Err(rejection) => {
                        let drain = Drain::new(&head.headers, &*body, this.config.drain);
                        let Some(drain) = drain.filter(|_| admission.is_unread()) else {
                            return Poll::Ready(Ok(Step::Refuse(rejection)));
                        };
                        this.state.set(State::Draining { rejection: Some(rejection), drain });
                        return Poll::Ready(Ok(Step::Continue));
                    }
                };
                this.body.set(None);
                this.state.set(State::Readying { request });
                Poll::Ready(Ok(Step::Continue))
            }
            StateProj::Draining { rejection, drain } => {
                if let Some(body) = this.body.as_mut().as_pin_mut() {
                    ready!(drain.poll(body, cx));
                }
                match rejection.take() {
                    Some(rejection) => Poll::Ready(Ok(Step::Refuse(rejection))),
                    None => Poll::Pending,
                }
            }
            StateProj::Readying { request } => {
                // Only now: neither a stranger nor a slow upload holds a permit of the service.
                ready!(service.poll_ready(cx))?;
                let Some((authentic, frames)) = request.take() else { return Poll::Pending };
                let now = this.config.clock.now().ok_or(Rejection::from(RejectionKind::Clock));
                let claim = now.and_then(|now| authentic.replay_claim(now));
                match claim.map(|claim| this.config.guard.claim(&claim)) {
                    Ok(Answer::Ready(claimed)) => Poll::Ready(Ok(self.call(authentic, frames, claimed))),
                    Ok(Answer::Later(claimed)) => {
                        this.state.set(State::Claiming { request: Some((authentic, frames)), claimed });
                        Poll::Ready(Ok(Step::Continue))
                    }
                    Err(rejection) => Poll::Ready(Ok(Step::Refuse(rejection))),
                }
            }
            StateProj::Claiming { request, claimed } => {
                let claimed = ready!(claimed.as_mut().poll(cx));
                let Some((authentic, frames)) = request.take() else { return Poll::Pending };
                Poll::Ready(Ok(self.call(authentic, frames, claimed)))
            }
            _ => Poll::Pending,
        }
    }

    /// No await between the claim's answer and this.
    fn call(self: Pin<&mut Self>, authentic: Authentic, frames: Frames, claimed: Claimed) -> Step<RB> {
        let mut this = self.project();
        let verified = match authentic.admit(claimed) {
            Ok(verified) => verified,
            Err(rejection) => return Step::Refuse(rejection),
        };
        if let (Some(mut service), Some(mut head)) = (this.service.take(), this.head.take()) {
            let exchange = Some(verified.exchange().clone());
            head.extensions.insert(verified);
            let future = service.call(Request::from_parts(head, HmacBody::buffered(frames)));
            this.state.set(State::Calling { future, exchange });
        }
        Step::Continue
    }

    fn refuse(self: Pin<&mut Self>, rejection: &Rejection) -> Response<HmacBody<RB>> {
        let this = self.project();
        // A service that was made ready for this request gives its permit back now.
        *this.service = None;
        observe::refused(rejection);
        let mut response = this.config.renderer.render(&Refusal {
            rejection,
            head: this.head.as_ref(),
            grpc: *this.grpc,
            challenge: this.config.verifier.scheme().protocol().challenge(),
        });
        response.extensions_mut().insert(rejection.kind());
        response.map(HmacBody::from)
    }
}

/// Marks what a log must not show, and tells whether it is a gRPC call: in one walk.
fn prepare(scheme: &Scheme, headers: &mut HeaderMap) -> bool {
    let (protocol, mut grpc) = (scheme.protocol(), false);
    for (name, value) in headers.iter_mut() {
        if *name == CONTENT_TYPE {
            grpc |= is_grpc(value);
        } else if protocol.carries_signature(name) && protocol.fields().contains(name) {
            value.set_sensitive(true);
        }
    }
    grpc
}

/// What one state leads to.
enum Step<RB> {
    Continue,
    Refuse(Rejection),
    Send(Response<HmacBody<RB>>),
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
                    let Some(exchange) = mem::take(exchange) else { return Poll::Pending };
                    match answering::plan(this.config, response, exchange) {
                        Ok(Plan::Send(response)) => Step::Send(response),
                        Ok(Plan::Buffer(answering)) => {
                            this.state.set(State::Answering { answering });
                            Step::Continue
                        }
                        Err(rejection) => Step::Refuse(rejection),
                    }
                }
                StateProj::Answering { answering } => match ready!(answering.poll(this.config, cx)) {
                    Ok(response) => Step::Send(response),
                    Err(rejection) => Step::Refuse(rejection),
                },
                StateProj::Done => return Poll::Pending,
                _ => ready!(self.as_mut().poll_request(cx))?,
            };
            let response = match step {
                Step::Continue => continue,
                Step::Refuse(rejection) => self.as_mut().refuse(&rejection),
                Step::Send(response) => response,
            };
            self.as_mut().project().state.set(State::Done);
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
