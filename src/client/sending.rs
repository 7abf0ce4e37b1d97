//! From the caller's request to a signed one. The one place where the client meets the signer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request};
use http_body::Body;
use pin_project_lite::pin_project;

use super::config::Config;
use super::error::{ClientError, ClientErrorKind};
use super::hosts::drop_default_port;
use crate::answer::Answer;
use crate::body::{Collector, Fault, HmacBody};
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
        body: B,
        step: Step,
    }
}

#[expect(clippy::large_enum_variant, reason = "a box would cost every request an allocation")]
enum Step {
    /// Nothing was looked at.
    Head,
    /// The key store has not answered yet.
    Keys(Pin<Box<dyn Future<Output = Found> + Send>>),
    /// The key is known; the body is being read.
    Body(SigningRequest, Collector),
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
        Self { head: Some(head), body, step: Step::Head }
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
                    match config.keys.lookup(&KeyQuery::new(None, head)) {
                        Answer::Ready(found) => found,
                        Answer::Later(found) => {
                            *this.step = Step::Keys(found);
                            continue;
                        }
                    }
                }
                Step::Keys(found) => ready!(found.as_mut().poll(cx)),
                Step::Body(signing, collector) => {
                    let take = &mut |frame: &Bytes, step: &[u8]| signing.take(step, |step| frame.slice_ref(step));
                    let read = ready!(collector.poll(this.body.as_mut(), cx, &*config.clock, take));
                    let Some(mut head) = this.head.take() else { return Poll::Pending };
                    let signed = read.map_err(fault).and_then(|frames| {
                        let exchange = finish(config, &mut head, signing)?;
                        Ok((Request::from_parts(head, HmacBody::buffered(frames)), exchange))
                    });
                    *this.step = Step::Done;
                    return Poll::Ready(signed);
                }
                // A future that has ended does nothing.
                Step::Done => return Poll::Pending,
            };
            let Some(head) = this.head.as_mut() else { return Poll::Pending };
            let signing = begin(config, head, found)?;
            let collector = Collector::new(&*this.body, config.request, &config.budget, &*config.clock);
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
    strip(config.scheme.protocol().fields(), &mut head.headers);
    let now = config.clock.now().ok_or(ClientErrorKind::Clock)?;
    signer.target(config.target.clone()).begin(head, now).map_err(unsignable)
}

/// The time is taken, and the nonce made, only now, unless the scheme signs them before the body.
fn finish(config: &Config, head: &mut Parts, signing: &mut SigningRequest) -> Result<Exchange, ClientError> {
    signing.redate(config.clock.now().ok_or(ClientErrorKind::Clock)?);
    signing.end(head).map_err(unsignable)
}

fn unsignable(error: SignError) -> ClientError {
    match error {
        SignError::Clock => ClientErrorKind::Clock.into(),
        error => ClientError::caused(ClientErrorKind::Unsignable, error.into()),
    }
}

/// Removes what an earlier signature left. One look at each name: as a rule there is nothing.
fn strip(fields: &[HeaderName], headers: &mut HeaderMap) {
    if headers.keys().any(|name| fields.contains(name)) {
        for name in fields {
            headers.remove(name);
        }
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
