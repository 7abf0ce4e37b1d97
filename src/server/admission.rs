//! From the head of a request to an authentic one, buffered or about to flow.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

use super::config::Config;
use crate::answer::Answer;
use crate::body::{Collector, Fault, Frames, HmacBody, Source, Stream, StreamedBody, declared_length};
use crate::error::BoxError;
use crate::key::{KeyQuery, Keys};
use crate::rejection::{Rejection, RejectionKind};
use crate::verify::{Authentic, BodyCheck, Credentials, VerifyingRequest};

type Found = Result<Option<Keys>, BoxError>;

#[derive(Default)]
#[expect(clippy::large_enum_variant, reason = "a box would cost every request an allocation")]
pub(super) enum Admission {
    /// Nothing was looked at.
    #[default]
    Head,
    /// The key store has not answered yet.
    Keys(Pin<Box<dyn Future<Output = Found> + Send>>),
    /// The head is right, as far as it tells; the body is being read.
    Body {
        verifying: VerifyingRequest,
        collector: Collector,
        /// For a body that was to flow, and is there at once.
        streamed: Option<StreamedBody>,
    },
    /// The request is authentic. Nothing is left once the service has it, or if it was refused.
    Decided(Option<(Authentic, Load)>),
}

/// The body of an authentic request.
pub(super) enum Load {
    /// It is there, and right.
    Whole(Frames, Option<StreamedBody>),
    /// It is checked while the service reads it. Its length, if it is declared.
    Flowing(Box<BodyCheck>, Option<u64>),
}

impl Load {
    /// What the service gets. Nobody has polled a body that is to flow.
    pub(super) fn into_body<B>(
        self,
        config: &Config,
        source: Pin<&mut Source<B>>,
    ) -> (HmacBody<B>, Option<StreamedBody>)
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        match self {
            Self::Whole(frames, streamed) => (HmacBody::buffered(frames), streamed),
            Self::Flowing(check, declared) => match source.take() {
                Some(body) => {
                    let streamed = StreamedBody::default();
                    let stream = Stream::verifying(body, *check, config.streamed_size, declared, streamed.clone());
                    (HmacBody::streamed(stream), Some(streamed))
                }
                None => (HmacBody::default(), None),
            },
        }
    }
}

impl Admission {
    /// Ready when the request is authentic, and again when it is asked again.
    pub(super) fn poll<B>(
        &mut self,
        config: &Config,
        head: &Parts,
        mut source: Pin<&mut Source<B>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Rejection>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        loop {
            let mut checked = match self {
                Self::Head => {
                    let credentials = config.verifier.read(head)?;
                    let query = KeyQuery::new(credentials.key_id(), head).with_clock(&*config.clock);
                    match config.keys.lookup(&query) {
                        Answer::Ready(found) => check(config, &credentials, found)?,
                        Answer::Later(found) => {
                            *self = Self::Keys(found);
                            continue;
                        }
                    }
                }
                Self::Keys(found) => {
                    let found = ready!(found.as_mut().poll(cx));
                    let credentials = config.verifier.read(head)?;
                    check(config, &credentials, found)?
                }
                Self::Body { verifying, collector, streamed } => {
                    let Some(body) = source.as_mut().pinned() else { return Poll::Pending };
                    let take = &mut |frame: &Bytes, step: &[u8]| verifying.take(step, |step| frame.slice_ref(step));
                    let read = ready!(collector.poll(body, cx, &*config.clock, take));
                    let read = read.map_err(|fault| refused(fault, verifying)).and_then(|mut frames| {
                        let mut trailers = frames.take_trailers();
                        let authentic = verifying.end(head, trailers.as_mut())?;
                        frames.set_trailers(trailers);
                        let streamed = streamed.take().inspect(|streamed| streamed.settle(Ok(())));
                        Ok((authentic, Load::Whole(frames, streamed)))
                    });
                    // What was kept of the body, and who sent it, go now: the service may take its time.
                    *self = Self::Decided(None);
                    *self = Self::Decided(Some(read?));
                    source.clear();
                    return Poll::Ready(Ok(()));
                }
                Self::Decided(Some(_)) => return Poll::Ready(Ok(())),
                Self::Decided(None) => return Poll::Pending,
            };
            let Some(body) = source.as_ref().get() else { return Poll::Pending };
            let declared = declared_length(&head.headers, body);
            let mut streamed = None;
            if chosen(config, head) {
                // A body that has ended is checked at once: nobody need poll it to see that it has.
                let ended = body.is_end_stream() || declared == Some(0);
                within(if ended { config.request.size } else { config.streamed_size }, declared, &checked)?;
                streamed = Some(StreamedBody::default());
                checked = match if ended { Err(checked) } else { checked.into_stream() } {
                    Ok((authentic, check)) => {
                        *self = Self::Decided(Some((authentic, Load::Flowing(Box::new(check), declared))));
                        return Poll::Ready(Ok(()));
                    }
                    Err(checked) => checked,
                };
            } else {
                within(config.request.size, declared, &checked)?;
            }
            let budget = if checked.key().is_some() { &config.budget } else { &config.open_budget };
            let collector = Collector::new(body, config.request, budget);
            let collector = collector.map_err(|fault| refused(fault, &checked))?;
            *self = Self::Body { verifying: checked, collector, streamed };
        }
    }

    /// The request, once it is authentic.
    pub(super) fn authentic(&self) -> Option<&Authentic> {
        match self {
            Self::Decided(Some((authentic, _))) => Some(authentic),
            _ => None,
        }
    }

    /// Hands it on.
    pub(super) fn take(&mut self) -> Option<(Authentic, Load)> {
        match self {
            Self::Decided(decided) => decided.take(),
            _ => None,
        }
    }

    /// Whether nobody has polled the body.
    pub(super) fn is_unread(&self) -> bool {
        matches!(self, Self::Head | Self::Keys(_))
    }
}

fn check(config: &Config, credentials: &Credentials<'_>, found: Found) -> Result<VerifyingRequest, Rejection> {
    let keys = found.map_err(|error| Rejection::caused(RejectionKind::KeysUnavailable, error))?;
    let now = config.clock.now().ok_or(RejectionKind::Clock)?;
    config.verifier.check(credentials, keys.as_ref(), now)
}

/// Whether the body is to flow.
fn chosen(config: &Config, head: &Parts) -> bool {
    config.streams_requests.as_ref().is_some_and(|predicate| predicate(head))
}

/// Refuses a body that declares too much.
fn within(limit: u64, declared: Option<u64>, verifying: &VerifyingRequest) -> Result<(), Rejection> {
    match declared.is_some_and(|length| length > limit) {
        true => Err(refused(Fault::TooLarge, verifying)),
        false => Ok(()),
    }
}

fn refused(fault: Fault, verifying: &VerifyingRequest) -> Rejection {
    let rejection = Rejection::from(fault);
    match verifying.key() {
        Some(key) => rejection.signed_by(key),
        None => rejection,
    }
}
