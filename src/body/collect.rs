//! Reading a body under limit, budget and deadline, hashing on the way.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::LengthLimitError;

use super::budget::Budget;
use super::frames::Frames;
use crate::clock::Clock;
use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};

/// The most bytes that are hashed before other tasks get their turn.
pub(super) const HASHED_PER_POLL: usize = 64 * 1024;

/// The most frames that are taken before other tasks get their turn.
pub(super) const FRAMES_PER_POLL: usize = 32;

/// What a body may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// In bytes.
    pub(crate) size: u64,
    /// From the first poll that has to wait to the last frame.
    pub(crate) deadline: Duration,
}

/// Why a body could not be collected.
#[derive(Debug)]
pub(crate) enum Fault {
    TooLarge,
    Late,
    OverBudget,
    Trailers,
    Broken(BoxError),
}

/// A body that is being buffered.
pub(crate) struct Collector {
    frames: Frames,
    left: u64,
    deadline: Duration,
    /// Nobody has waited for the body as long as there is none.
    until: Option<Duration>,
    /// The frame that is being hashed, and how far.
    current: Option<(Bytes, usize)>,
}

impl Collector {
    /// A body that declares more than the limit is refused before it is polled.
    pub(crate) fn new(body: &impl Body, limits: Limits, budget: &Budget) -> Result<Self, Fault> {
        if body.size_hint().lower() > limits.size {
            return Err(Fault::TooLarge);
        }
        let Limits { size: left, deadline } = limits;
        Ok(Self { frames: Frames::holding(budget.permit()), left, deadline, until: None, current: None })
    }

    /// Reads on, to the end; trailers stay with the frames. `take` sees every byte once, in order: the frame, and the part
    /// of it that is next.
    pub(crate) fn poll<B>(
        &mut self,
        body: Pin<&mut B>,
        cx: &mut Context<'_>,
        clock: &dyn Clock,
        take: &mut dyn FnMut(&Bytes, &[u8]),
    ) -> Poll<Result<Frames, Fault>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        if self.until.is_some_and(|until| clock.elapsed() > until) {
            return Poll::Ready(Err(Fault::Late));
        }
        let read = self.read(body, cx, take);
        // A body that is there needs no clock.
        if read.is_pending() && self.until.is_none() {
            self.until = Some(clock.elapsed().saturating_add(self.deadline));
        }
        read
    }

    fn read<B>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&Bytes, &[u8]),
    ) -> Poll<Result<Frames, Fault>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let mut bytes_left = HASHED_PER_POLL;
        for _ in 0..FRAMES_PER_POLL {
            if let Some((frame, done)) = self.current.take() {
                let step = frame.get(done..).unwrap_or_default();
                let step = step.get(..bytes_left).unwrap_or(step);
                take(&frame, step);
                bytes_left = bytes_left.saturating_sub(step.len());
                let done = done.saturating_add(step.len());
                if done < frame.len() {
                    self.current = Some((frame, done));
                    break;
                }
                self.frames.push(frame);
            }
            let next = ready!(body.as_mut().poll_frame(cx));
            let Some(result) = next else { return Poll::Ready(Ok(mem::take(&mut self.frames))) };
            let frame = result.map_err(|error| broken(error.into()))?;
            match frame.into_data() {
                Ok(mut data) if !self.frames.has_trailers() => {
                    let data = data.copy_to_bytes(data.remaining());
                    self.charge(data.len())?;
                    self.current = Some((data, 0));
                }
                // Nothing follows trailers.
                Ok(data) if data.has_remaining() => return Poll::Ready(Err(Fault::Trailers)),
                Err(_) if self.frames.has_trailers() => return Poll::Ready(Err(Fault::Trailers)),
                Err(frame) => self.frames.set_trailers(frame.into_trailers().ok()),
                Ok(_) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        let bytes = u64::try_from(bytes).map_err(|_| Fault::TooLarge)?;
        self.left = self.left.checked_sub(bytes).ok_or(Fault::TooLarge)?;
        self.frames.charge(bytes).then_some(()).ok_or(Fault::OverBudget)
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

/// A limit that a layer outside has put on the body is a limit, not a broken body.
pub(super) fn broken(error: BoxError) -> Fault {
    let mut source = Some(&*error as &(dyn std::error::Error + 'static));
    while let Some(cause) = source {
        if cause.is::<LengthLimitError>() {
            return Fault::TooLarge;
        }
        source = cause.source();
    }
    Fault::Broken(error)
}
