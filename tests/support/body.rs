//! Bodies that follow a script and count their polls.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

pub enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Error,
    /// Pending once, and woken at once.
    Yield,
    /// Pending for ever.
    Stall,
    /// Does something, such as moving a clock, and plays the next step.
    Do(Box<dyn FnOnce() + Send>),
}

/// Plays its steps, then ends.
pub struct Script {
    steps: VecDeque<Step>,
    exact: Option<u64>,
    polls: Arc<AtomicUsize>,
}

#[derive(Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken by script")
    }
}

impl std::error::Error for Broken {}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), exact: None, polls: Arc::default() }
    }

    /// One data frame, or none when it is empty.
    pub fn bytes(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Self::new((!data.is_empty()).then_some(Step::Data(data)))
    }

    /// Data in frames of `size` bytes.
    pub fn chunks(data: &[u8], size: usize) -> Self {
        Self::new(data.chunks(size).map(|chunk| Step::Data(Bytes::copy_from_slice(chunk))))
    }

    /// Declares an exact length, true or not.
    pub fn declaring(mut self, length: u64) -> Self {
        self.exact = Some(length);
        self
    }

    /// How often the body was polled so far.
    pub fn polls(&self) -> Polls {
        Polls(Arc::clone(&self.polls))
    }
}

pub struct Polls(Arc<AtomicUsize>);

impl Polls {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        while let Some(Step::Do(_)) = self.steps.front() {
            let Some(Step::Do(act)) = self.steps.pop_front() else { unreachable!() };
            act();
        }
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Error) => Poll::Ready(Some(Err(Broken))),
            Some(Step::Yield) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Do(_)) => unreachable!(),
            Some(Step::Stall) => {
                self.steps.push_front(Step::Stall);
                Poll::Pending
            }
        }
    }

    // Never true: a body need not know its end.
    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
