//! From the caller's request to a signed one. The one place where the client meets the signer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{HeaderValue, TE};
use http::request::Parts;
use http::{Request, Version};
use http_body::Body;
use pin_project_lite::pin_project;

use super::config::Config;
use super::error::{ClientError, ClientErrorKind};
use super::hosts::drop_default_port;
use crate::answer::Answer;
use crate::body::{BodyError, Collector, Fault, Gather, Gathered, HmacBody, Source};
use crate::error::{BoxError, SignError};
use crate::key::{KeyQuery, Keys};
use crate::scheme::Exchange;
use crate::sign::{RequestSigner, SigningRequest};

type Found = Result<Option<Keys>, BoxError>;

/// A signed request, and what its response is bound to.
pub(super) type Signed<B> = (Request<HmacBody<B>>, Exchange);

pin_project! {
    /// A request that is being signed.
    pub(super) struct Sending<B> {
        head: Option<Parts>,
        #[pin]
        source: Source<B>,
        step: Step<B>,
    }
}

enum Step<B> {
    /// Nothing was looked at.
    Head,
    /// The key store has not answered yet.
    Keys(Pin<Box<dyn Future<Output = Found> + Send>>),
    /// The key is known; the body is being read.
    Body(SigningRequest, Collector),
    /// The key is known; the body is read as far as it is there.
    Gather(SigningRequest, Gather<B>),
    /// Signed, or given up.
    Done,
}

impl<B> Sending<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(request: Request<B>) -> Self {
        let (mut head, body) = request.into_parts();
        drop_default_port(&mut head);
        Self { head: Some(head), source: Source::new(body), step: Step::Head }
    }

    pub(super) fn poll(
        self: Pin<&mut Self>,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Signed<B>, ClientError>> {
        let mut this = self.project();
        loop {
            let found = match this.step {
                Step::Head => {
                    let Some(head) = this.head.as_ref() else { return Poll::Pending };
                    match config.keys.lookup(&KeyQuery::new(None, head).with_clock(&*config.clock)) {
                        Answer::Ready(found) => found,
                        Answer::Later(found) => {
                            *this.step = Step::Keys(found);
                            continue;
                        }
                    }
                }
                Step::Keys(found) => ready!(found.as_mut().poll(cx)),
                Step::Body(signing, collector) => {
                    let Some(body) = this.source.as_mut().pinned() else { return Poll::Pending };
                    let take = &mut |frame: &Bytes, step: &[u8]| signing.take(step, |step| frame.slice_ref(step));
                    let read = ready!(collector.poll(body, cx, &*config.clock, take));
                    let Some(mut head) = this.head.take() else { return Poll::Pending };
                    let signed = read.map_err(fault).and_then(|frames| {
                        if frames.has_trailers() {
                            return Err(ClientErrorKind::RequestTrailers.into());
                        }
                        let exchange = finish(config, &mut head, signing)?;
                        Ok((Request::from_parts(head, HmacBody::buffered(frames)), exchange))
                    });
                    *this.step = Step::Done;
                    return Poll::Ready(signed);
                }
                Step::Gather(signing, gather) => {
                    let gathered = ready!(gather.poll(cx));
                    let Some(head) = this.head.take() else { return Poll::Pending };
                    let broken = |error: BodyError| ClientError::caused(ClientErrorKind::RequestBody, error.into());
                    let signed = gathered.map_err(broken).and_then(|body| send(config, head, signing, body));
                    *this.step = Step::Done;
                    return Poll::Ready(signed);
                }
                // A future that has ended does nothing.
                Step::Done => return Poll::Pending,
            };
            let Some(head) = this.head.as_mut() else { return Poll::Pending };
            let signing = begin(config, head, found)?;
            let Some(body) = this.source.as_ref().get() else { return Poll::Pending };
            if flows(config, head, body, &signing) {
                let Some(body) = this.source.as_mut().take() else { return Poll::Pending };
                *this.step = Step::Gather(signing, Gather::new(body, &config.budget));
                continue;
            }
            let collector = Collector::new(body, config.request, &config.budget);
            *this.step = Step::Body(signing, collector.map_err(fault)?);
        }
    }
}

fn begin(config: &Config, head: &mut Parts, found: Found) -> Result<SigningRequest, ClientError> {
    let unavailable = |error| ClientError::caused(ClientErrorKind::KeysUnavailable, error);
    let keys = found.map_err(unavailable)?;
    // Of several the first signs: the others are there to be accepted.
    let key = keys.as_ref().and_then(|keys| keys.iter().next()).ok_or(ClientErrorKind::NoKey)?;
    let signer = RequestSigner::new(config.scheme.clone(), key.clone()).map_err(|error| unavailable(error.into()))?;
    config.scheme.protocol().strip_request(&mut head.headers);
    if config.streams_responses.is_some() {
        // Servers for HTTP/1.1 sign a long answer at its end only for whoever says this.
        head.headers.entry(TE).or_insert(HeaderValue::from_static("trailers"));
    }
    let now = config.clock.now().ok_or(ClientErrorKind::Clock)?;
    signer.target(config.target.clone()).begun(head, now).map_err(unsignable)
}

/// The time is taken, and the nonce made, only now, unless the scheme signs them before the body.
fn finish(config: &Config, head: &mut Parts, signing: &mut SigningRequest) -> Result<Exchange, ClientError> {
    signing.redate(config.clock.now().ok_or(ClientErrorKind::Clock)?);
    signing.end(head).map_err(unsignable)
}

/// Whether the MAC of the body may follow it.
fn flows(config: &Config, head: &Parts, body: &impl Body, signing: &SigningRequest) -> bool {
    let chosen = config.streams_requests.as_ref().is_some_and(|predicate| predicate(head));
    let long = !body.is_end_stream() && body.size_hint().exact().is_none_or(|length| length > config.request.size);
    let now = || config.clock.now();
    chosen && long && now().is_some_and(|now| signing.signer().can_announce(head, now))
}

/// A body that was read as far as it was there.
fn send<B>(
    config: &Config,
    mut head: Parts,
    signing: &mut SigningRequest,
    body: Gathered<B>,
) -> Result<Signed<B>, ClientError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let (exchange, body) = match body {
        Gathered::Whole(hashed, frames) => {
            signing.hashed(hashed);
            (finish(config, &mut head, signing)?, HmacBody::buffered(frames))
        }
        Gathered::Part(hashed, part) => {
            let now = config.clock.now().ok_or(ClientErrorKind::Clock)?;
            let (exchange, ending) = signing.signer().announce(&mut head, now, hashed).map_err(unsignable)?;
            let announced = (head.version < Version::HTTP_2).then_some(&head.headers);
            let body = part.sign(ending, announced);
            (exchange, body.map_err(|error| ClientError::caused(ClientErrorKind::Unsignable, error.into()))?)
        }
    };
    Ok((Request::from_parts(head, body), exchange))
}

fn unsignable(error: SignError) -> ClientError {
    match error {
        SignError::Clock => ClientErrorKind::Clock.into(),
        error => ClientError::caused(ClientErrorKind::Unsignable, error.into()),
    }
}

fn fault(fault: Fault) -> ClientError {
    match fault {
        Fault::TooLarge => ClientErrorKind::RequestTooLarge.into(),
        Fault::Late => ClientErrorKind::RequestTimeout.into(),
        Fault::OverBudget => ClientErrorKind::Budget.into(),
        Fault::Trailers => ClientErrorKind::RequestTrailers.into(),
        Fault::Broken(error) => ClientError::caused(ClientErrorKind::RequestBody, error),
    }
}
