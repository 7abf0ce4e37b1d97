//! From the head of a request to an authentic, buffered one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

use super::config::Config;
use super::drain::declared_length;
use crate::answer::Answer;
use crate::body::{Collector, Fault, Frames};
use crate::error::BoxError;
use crate::key::{KeyQuery, Keys};
use crate::rejection::{Rejection, RejectionKind};
use crate::verify::{Authentic, Credentials, VerifyingRequest};

type Found = Result<Option<Keys>, BoxError>;

#[expect(clippy::large_enum_variant, reason = "a box would cost every request an allocation")]
pub(super) enum Admission {
    /// Nothing was looked at.
    Head,
    /// The key store has not answered yet.
    Keys(Pin<Box<dyn Future<Output = Found> + Send>>),
    /// The head is right, as far as it tells; the body is being read.
    Body(VerifyingRequest, Collector),
    /// Decided.
    Done,
}

impl Admission {
    pub(super) fn poll<B>(
        &mut self,
        config: &Config,
        head: &Parts,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Authentic, Frames), Rejection>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        loop {
            match self {
                Self::Head => {
                    let credentials = config.verifier.read(head)?;
                    let query = KeyQuery::new(credentials.key_id(), head).with_clock(&*config.clock);
                    match config.keys.lookup(&query) {
                        Answer::Ready(found) => self.check(config, head, &credentials, found, &*body)?,
                        Answer::Later(found) => *self = Self::Keys(found),
                    }
                }
                Self::Keys(found) => {
                    let found = ready!(found.as_mut().poll(cx));
                    let credentials = config.verifier.read(head)?;
                    self.check(config, head, &credentials, found, &*body)?;
                }
                Self::Body(verifying, collector) => {
                    let take = &mut |frame: &Bytes, step: &[u8]| verifying.take(step, |step| frame.slice_ref(step));
                    let read = ready!(collector.poll(body.as_mut(), cx, &*config.clock, take));
                    let done = read
                        .map_err(|fault| refused(fault, verifying))
                        .and_then(|frames| Ok((verifying.end(head)?, frames)));
                    *self = Self::Done;
                    return Poll::Ready(done);
                }
                // A future that has ended does nothing.
                Self::Done => return Poll::Pending,
            }
        }
    }

    fn check(
        &mut self,
        config: &Config,
        head: &Parts,
        credentials: &Credentials<'_>,
        found: Found,
        body: &impl Body,
    ) -> Result<(), Rejection> {
        let keys = found.map_err(|error| Rejection::caused(RejectionKind::KeysUnavailable, error))?;
        let now = config.clock.now().ok_or(RejectionKind::Clock)?;
        let verifying = config.verifier.check(credentials, keys.as_ref(), now)?;
        let declared = declared_length(&head.headers, body).unwrap_or_default();
        let budget = if verifying.key().is_some() { &config.budget } else { &config.open_budget };
        let collector = match declared > config.request.size {
            true => Err(Fault::TooLarge),
            false => Collector::new(body, config.request, budget, &*config.clock),
        };
        let collector = collector.map_err(|fault| refused(fault, &verifying))?;
        *self = Self::Body(verifying, collector);
        Ok(())
    }

    /// Whether nobody has polled the body.
    pub(super) fn is_unread(&self) -> bool {
        matches!(self, Self::Head | Self::Keys(_))
    }
}

fn refused(fault: Fault, verifying: &VerifyingRequest) -> Rejection {
    let rejection = Rejection::from(fault);
    match verifying.key() {
        Some(key) => rejection.signed_by(key),
        None => rejection,
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLarge => RejectionKind::BodyTooLarge.into(),
            Fault::Late => RejectionKind::BodyTimeout.into(),
            Fault::OverBudget => RejectionKind::Budget.into(),
            Fault::Trailers => RejectionKind::ForbiddenTrailer.into(),
            Fault::Broken(error) => Self::caused(RejectionKind::BodyError, error),
        }
    }
}
