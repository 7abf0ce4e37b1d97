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
use crate::key::{Key, KeyQuery, Keys};
use crate::scheme::Exchange;
use crate::sign::{RequestSigning, Signing};

type Found = Result<Option<Keys>, BoxError>;

/// The body of a request whose head is signed, and what its response is bound to.
type Signed<B> = (HmacBody<B>, Exchange);

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
    Body(Key, Signing, Collector),
    /// The key is known; the body is read as far as it is there.
    Gather(Key, Signing, Gather<B>),
}

impl<B> Sending<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        Self { head: Some(head), source: Source::new(body), step: Step::Head }
    }

    /// The head of the signed request, once.
    pub(super) fn head(self: Pin<&mut Self>) -> Option<Parts> {
        self.project().head.take()
    }

    /// Once: nobody asks again when it was ready.
    pub(super) fn poll(
        self: Pin<&mut Self>,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Signed<B>, ClientError>> {
        let mut this = self.project();
        loop {
            let found = match this.step {
                Step::Head => {
                    let Some(head) = this.head.as_mut() else { return Poll::Pending };
                    drop_default_port(head);
                    match config.keys.lookup(&KeyQuery::new(None, head).with_clock(&*config.clock)) {
                        Answer::Ready(found) => found,
                        Answer::Later(found) => {
                            *this.step = Step::Keys(found);
                            continue;
                        }
                    }
                }
                Step::Keys(found) => ready!(found.as_mut().poll(cx)),
                Step::Body(key, signing, collector) => {
                    let Some(body) = this.source.as_mut().pinned() else { return Poll::Pending };
                    let take = &mut |frame: &Bytes, step: &[u8]| signing.take(step, |step| frame.slice_ref(step));
                    let read = ready!(collector.poll(body, cx, &*config.clock, take));
                    let Some(head) = this.head.as_mut() else { return Poll::Pending };
                    let frames = read.map_err(fault)?;
                    if frames.has_trailers() {
                        return Poll::Ready(Err(ClientErrorKind::RequestTrailers.into()));
                    }
                    let exchange = finish(config, head, key, signing)?;
                    return Poll::Ready(Ok((HmacBody::buffered(frames), exchange)));
                }
                Step::Gather(key, signing, gather) => {
                    let gathered = ready!(gather.poll(cx));
                    let Some(head) = this.head.as_mut() else { return Poll::Pending };
                    let broken = |error: BodyError| ClientError::caused(ClientErrorKind::RequestBody, error.into());
                    return Poll::Ready(send(config, head, key, signing, gathered.map_err(broken)?));
                }
            };
            let Some(head) = this.head.as_mut() else { return Poll::Pending };
            let key = choose(config, found)?;
            let Some(body) = this.source.as_ref().get() else { return Poll::Pending };
            let signing = begin(config, head, &key)?;
            *this.step = if flows(config, head, body, &key) {
                let Some(body) = this.source.as_mut().take() else { return Poll::Pending };
                Step::Gather(key, signing, Gather::new(body, &config.budget))
            } else {
                Step::Body(key, signing, Collector::new(body, config.request, &config.budget).map_err(fault)?)
            };
        }
    }
}

/// Of several keys the first signs: the others are there to be accepted.
fn choose(config: &Config, found: Found) -> Result<Key, ClientError> {
    let unavailable = |error| ClientError::caused(ClientErrorKind::KeysUnavailable, error);
    let key = found.map_err(unavailable)?.and_then(Keys::into_first).ok_or(ClientErrorKind::NoKey)?;
    config.scheme.fits(&key).map_err(|error| unavailable(error.into()))?;
    Ok(key)
}

fn with<'s>(config: &'s Config, key: &'s Key) -> RequestSigning<'s> {
    RequestSigning { scheme: &config.scheme, key, target: &config.target }
}

fn begin(config: &Config, head: &mut Parts, key: &Key) -> Result<Signing, ClientError> {
    config.scheme.protocol().strip_request(&mut head.headers);
    if config.streams_responses.is_some() {
        // Servers for HTTP/1.1 sign a long answer at its end only for whoever says this.
        head.headers.entry(TE).or_insert(HeaderValue::from_static("trailers"));
    }
    let now = config.clock.now().ok_or(ClientErrorKind::Clock)?;
    with(config, key).open(head, now).map_err(unsignable)
}

/// The time is taken, and the nonce made, only now, unless the scheme signs them before the body.
fn finish(config: &Config, head: &mut Parts, key: &Key, signing: &mut Signing) -> Result<Exchange, ClientError> {
    signing.redate(config.clock.now().ok_or(ClientErrorKind::Clock)?);
    with(config, key).seal(signing, head).map_err(unsignable)
}

/// Whether the MAC of the body may follow it.
fn flows(config: &Config, head: &Parts, body: &impl Body, key: &Key) -> bool {
    let chosen = config.streams_requests.as_ref().is_some_and(|predicate| predicate(head));
    let long = !body.is_end_stream() && body.size_hint().exact().is_none_or(|length| length > config.request.size);
    let now = || config.clock.now();
    chosen && long && now().is_some_and(|now| with(config, key).can_announce(head, now))
}

/// A body that was read as far as it was there.
fn send<B>(
    config: &Config,
    head: &mut Parts,
    key: &Key,
    signing: &mut Signing,
    body: Gathered<B>,
) -> Result<Signed<B>, ClientError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    match body {
        Gathered::Whole(hashed, frames) => {
            signing.hashed(hashed);
            Ok((HmacBody::buffered(frames), finish(config, head, key, signing)?))
        }
        Gathered::Part(hashed, part) => {
            let now = config.clock.now().ok_or(ClientErrorKind::Clock)?;
            let (ending, exchange) = with(config, key).announce(head, now, hashed).map_err(unsignable)?;
            let announced = (head.version < Version::HTTP_2).then_some(&head.headers);
            let body = part.sign(ending, announced);
            Ok((body.map_err(|error| ClientError::caused(ClientErrorKind::Unsignable, error.into()))?, exchange))
        }
    }
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
