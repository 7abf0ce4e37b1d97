//! A body that is verified or signed while it flows.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::collect::{FRAMES_PER_POLL, broken};
use super::error::BodyError;
use super::frames::Frames;
use super::outcome::StreamedBody;
use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::{Ending, Hashed};
use crate::verify::BodyCheck;

/// The most bytes that are hashed at once. Longer frames are cut: what is hashed is handed on.
pub(super) const PIECE: usize = 32 * 1024;

pin_project! {
    /// A body that is verified or signed while it flows.
    pub(crate) struct Stream<B> {
        #[pin]
        inner: B,
        work: Work,
        // Hashed already, and still to be handed on.
        first: Frames,
        // Has arrived and is not hashed yet.
        current: Bytes,
        // Hashed, and the last: waits for the verdict.
        held: Option<Bytes>,
        trailers: HeaderMap,
        over: bool,
        // Bytes that may still come.
        left: u64,
        // Bytes that are still to come, where the length is known.
        due: Option<u64>,
    }
}

/// What is done with the bytes.
enum Work {
    /// They are checked.
    Verify { check: BodyCheck, outcome: StreamedBody },
    /// Whether the digest or a MAC at the end is signed is not decided yet.
    Hash(Hashed),
    /// Their MAC goes into a trailer, beside those trailers that can be sent; `None` for all.
    Sign { ending: Box<Ending>, sendable: Option<Vec<HeaderName>> },
    /// It is done.
    Nothing,
}

impl Work {
    fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Verify { check, .. } => check.take(bytes),
            Self::Hash(hashed) => hashed.take(bytes),
            Self::Sign { ending, .. } => ending.take(bytes),
            Self::Nothing => {}
        }
    }

    /// Whether the last frame waits for the verdict: who forwards a body of known length polls no further.
    fn is_verifying(&self) -> bool {
        matches!(self, Self::Verify { .. })
    }

    fn end(&mut self, trailers: &mut HeaderMap) -> Result<(), Rejection> {
        match self {
            Self::Verify { check, .. } => check.end(Some(trailers)).map_err(Rejection::from),
            Self::Hash(_) | Self::Nothing => Ok(()),
            Self::Sign { ending, sendable } => {
                if let Some(names) = sendable {
                    let all = std::mem::take(trailers);
                    let kept = names.iter().flat_map(|name| all.get_all(name).iter().map(move |value| (name, value)));
                    trailers.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
                }
                ending.sign(trailers).map_err(Rejection::from)
            }
        }
    }

    /// What a reader is told of the end.
    fn settle(&mut self, verdict: Result<(), Rejection>) -> Result<(), BodyError> {
        let outcome = match self {
            Self::Verify { outcome, .. } => Some(outcome),
            _ => None,
        };
        if let Some(outcome) = outcome {
            outcome.settle(verdict.as_ref().copied().map_err(Rejection::kind));
        }
        verdict.map_err(BodyError::refused)
    }
}

impl<B> Stream<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// Checks a body of at most `limit` bytes. `declared` is its length, if that is known.
    pub(crate) fn verifying(
        inner: B,
        check: BodyCheck,
        limit: u64,
        declared: Option<u64>,
        outcome: StreamedBody,
    ) -> Pin<Box<Self>> {
        let due = inner.size_hint().exact().or(declared);
        Box::pin(Self::new(inner, Work::Verify { check, outcome }, limit, due))
    }

    /// Hashes a body until it is [`sign`](Self::sign)ed, or has ended.
    pub(crate) fn hashing(inner: B) -> Pin<Box<Self>> {
        Box::pin(Self::new(inner, Work::Hash(Hashed::default()), u64::MAX, None))
    }

    fn new(inner: B, work: Work, left: u64, due: Option<u64>) -> Self {
        let (first, trailers) = (Frames::default(), HeaderMap::new());
        Self { inner, work, first, current: Bytes::new(), held: None, trailers, over: false, left, due }
    }

    /// The hash so far of a body that is not signed yet.
    pub(crate) fn hashed(self: Pin<&mut Self>) -> Hashed {
        match std::mem::replace(self.project().work, Work::Nothing) {
            Work::Hash(hashed) => hashed,
            _ => Hashed::default(),
        }
    }

    /// Hands on what was read before, and signs at the end, beside the trailers that can be sent; `None` for all.
    /// `trailers` are those that were read.
    pub(crate) fn sign(
        self: Pin<&mut Self>,
        read: Frames,
        ending: Ending,
        sendable: Option<Vec<HeaderName>>,
        trailers: HeaderMap,
    ) -> Result<(), Rejection> {
        let this = self.project();
        *this.trailers = trailers;
        *this.first = read;
        *this.work = Work::Sign { ending: Box::new(ending), sendable };
        // The inner body may have ended already.
        if *this.over { this.work.end(this.trailers) } else { Ok(()) }
    }

    pub(crate) fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        if let Some(data) = this.first.pop() {
            if this.first.is_empty() {
                // Nothing is held any more: its share of the budget goes back.
                *this.first = Frames::default();
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        for _ in 0..FRAMES_PER_POLL {
            if *this.over {
                if let Some(data) = this.held.take() {
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                let trailers = std::mem::take(this.trailers);
                return Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))));
            }
            if !this.current.is_empty() {
                let piece = this.current.split_to(this.current.len().min(PIECE));
                this.work.take(&piece);
                let last = this.current.is_empty() && (*this.due == Some(0) || this.inner.is_end_stream());
                if !(last && this.work.is_verifying()) {
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                *this.held = Some(piece);
            }
            let verdict = match ready!(this.inner.as_mut().poll_frame(cx)) {
                None => this.work.end(this.trailers),
                Some(Err(error)) if this.work.is_verifying() => Err(broken(error.into()).into()),
                Some(Err(error)) => {
                    (*this.over, *this.work) = (true, Work::Nothing);
                    return Poll::Ready(Some(Err(BodyError::new(error.into()))));
                }
                Some(Ok(frame)) if this.held.is_some() && frame.data_ref().is_some_and(Buf::has_remaining) => {
                    Err(RejectionKind::BodyMismatch.into())
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => {
                        let data = data.copy_to_bytes(data.remaining());
                        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                        match (this.left.checked_sub(length), this.due.map(|due| due.checked_sub(length))) {
                            (None, _) => Err(RejectionKind::BodyTooLarge.into()),
                            (_, Some(None)) => Err(RejectionKind::BodyMismatch.into()),
                            (Some(left), due) => {
                                (*this.current, *this.left, *this.due) = (data, left, due.flatten());
                                continue;
                            }
                        }
                    }
                    Err(frame) => {
                        *this.trailers = frame.into_trailers().unwrap_or_default();
                        this.work.end(this.trailers)
                    }
                },
            };
            *this.over = true;
            if let Err(error) = this.work.settle(verdict) {
                (*this.held, *this.trailers, *this.work) = (None, HeaderMap::new(), Work::Nothing);
                return Poll::Ready(Some(Err(error)));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.over && self.held.is_none() && self.trailers.is_empty() && self.first.is_empty()
    }

    fn work_adds_trailers(&self) -> bool {
        matches!(self.work, Work::Hash(_) | Work::Sign { .. })
    }

    /// Exact only for a body that ends without trailers.
    pub(crate) fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, Bytes::len).saturating_add(self.current.len());
        let held = u64::try_from(held).unwrap_or(u64::MAX).saturating_add(self.first.len());
        let mut hint = SizeHint::new();
        let inner = if self.over { SizeHint::with_exact(0) } else { self.inner.size_hint() };
        hint.set_lower(inner.lower().saturating_add(held));
        if let (Some(upper), true) = (inner.upper(), !self.work_adds_trailers()) {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}
