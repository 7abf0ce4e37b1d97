//! Bodies: what the layers hand on, buffered, passed through, or verified or signed while they flow.

mod budget;
mod collect;
mod error;
mod frames;
mod gather;
mod outcome;
mod source;
mod stream;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pub(crate) use self::budget::Budget;
pub(crate) use self::collect::{Collector, Fault, Limits};
pub use self::error::BodyError;
pub(crate) use self::frames::Frames;
pub(crate) use self::gather::{Gather, Gathered};
pub use self::outcome::StreamedBody;
pub(crate) use self::source::{Source, declared_length};
pub(crate) use self::stream::Stream;
use crate::error::BoxError;

pin_project! {
    /// The one body type that the layer hands on.
    ///
    /// A buffered and checked body, one that is passed through, or one that is verified or signed while it flows.
    ///
    /// Buffered frames stay as they arrived (small ones are joined), and their length is exact. A body that is verified
    /// while it flows ends in an error when it is not the signed one, and its last frame is held back until that is
    /// known, unless its length is not. Frames over 32 KiB are cut. It keeps the auto traits of `B`.
    ///
    /// Where the next service wants one concrete body, map it: `.map_request(|r| r.map(axum::body::Body::new))`.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body::Body;
    /// use tower_hmac::HmacBody;
    ///
    /// let body: HmacBody<hyper::body::Incoming> = HmacBody::from(Bytes::from_static(b"{}"));
    /// assert_eq!(body.size_hint().exact(), Some(2));
    /// ```
    pub struct HmacBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<B> {
        // Whole and checked.
        Buffered { frames: Frames },
        // Verified or signed while it flows.
        Streamed { stream: Pin<Box<Stream<B>>> },
        // None, in the place of one whose length nobody knows.
        Absent,
        // Handed through untouched.
        Passed { #[pin] inner: B },
    }
}

impl<B> HmacBody<B> {
    pub(crate) fn buffered(frames: Frames) -> Self {
        Self { state: State::Buffered { frames } }
    }

    pub(crate) fn absent() -> Self {
        Self { state: State::Absent }
    }

    pub(crate) fn streamed(stream: Pin<Box<Stream<B>>>) -> Self {
        Self { state: State::Streamed { stream } }
    }

    pub(crate) fn passed(inner: B) -> Self {
        Self { state: State::Passed { inner } }
    }
}

impl<B> Default for HmacBody<B> {
    fn default() -> Self {
        Self::buffered(Frames::default())
    }
}

impl<B> From<Bytes> for HmacBody<B> {
    fn from(bytes: Bytes) -> Self {
        Self::buffered(Frames::from(bytes))
    }
}

impl<B> Body for HmacBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.project().state.project() {
            StateProj::Buffered { frames } => {
                let next = frames.pop().map(Frame::data);
                Poll::Ready(next.or_else(|| frames.take_trailers().map(Frame::trailers)).map(Ok))
            }
            StateProj::Streamed { stream } => stream.as_mut().poll_frame(cx),
            StateProj::Absent => Poll::Ready(None),
            StateProj::Passed { inner } => inner.poll_frame(cx).map(|next| {
                next.map(|result| match result {
                    Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
                    Err(error) => Err(BodyError::new(error.into())),
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Buffered { frames } => frames.is_empty(),
            State::Streamed { stream } => stream.is_end_stream(),
            State::Absent => true,
            State::Passed { inner } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Buffered { frames } => frames.size_hint(),
            State::Streamed { stream } => stream.size_hint(),
            State::Absent => SizeHint::default(),
            State::Passed { inner } => inner.size_hint(),
        }
    }
}

impl<B> fmt::Debug for HmacBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Buffered { frames } => write!(f, "HmacBody({} bytes)", frames.len()),
            State::Streamed { .. } => f.write_str("HmacBody(streamed)"),
            State::Absent => f.write_str("HmacBody(absent)"),
            State::Passed { .. } => f.write_str("HmacBody(passed)"),
        }
    }
}
