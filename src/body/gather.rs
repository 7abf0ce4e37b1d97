//! A body of unknown length, read as far as it is there.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{HeaderMap, HeaderName, HeaderValue, TRAILER};
use http_body::Body;

use super::HmacBody;
use super::budget::Budget;
use super::collect::FRAMES_PER_POLL;
use super::error::BodyError;
use super::frames::Frames;
use super::stream::{PIECE, Stream};
use crate::error::BoxError;
use crate::rejection::Rejection;
use crate::scheme::{Ending, Hashed};

/// A body that is longer is handed on before it has ended.
const ENOUGH: u64 = 64 * 1024;

pub(crate) struct Gather<B>(Option<Part<B>>);

/// What is there of a body.
pub(crate) enum Gathered<B> {
    /// All of it, without trailers, and its hash.
    Whole(Hashed, Frames),
    /// The beginning, and its hash; or all, and trailers.
    Part(Hashed, Part<B>),
}

/// The beginning of a body, and the rest.
pub(crate) struct Part<B> {
    stream: Pin<Box<Stream<B>>>,
    read: Frames,
    trailers: HeaderMap,
}

impl<B> Gather<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(body: B, budget: &Budget) -> Self {
        let read = Frames::holding(budget.permit());
        Self(Some(Part { stream: Stream::hashing(body), read, trailers: HeaderMap::new() }))
    }

    /// Ready at the end, when there is enough, and when nothing comes at once: whoever waits for the next piece may have
    /// to see this one first. Then never again.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Gathered<B>, BodyError>> {
        let Some(part) = &mut self.0 else { return Poll::Pending };
        let mut hashed: usize = 0;
        let mut turns = 0..FRAMES_PER_POLL;
        let whole = loop {
            if turns.next().is_none() || hashed >= PIECE {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let frame = match part.stream.as_mut().poll_frame(cx) {
                Poll::Ready(Some(frame)) => frame?,
                Poll::Ready(None) => break true,
                Poll::Pending => break false,
            };
            match frame.into_data() {
                Ok(data) => {
                    hashed = hashed.saturating_add(data.len());
                    let charged = part.read.charge(u64::try_from(data.len()).unwrap_or(u64::MAX));
                    part.read.push(data);
                    if !charged || part.read.len() >= ENOUGH {
                        break false;
                    }
                }
                Err(frame) => {
                    part.trailers = frame.into_trailers().unwrap_or_default();
                    break false;
                }
            }
        };
        let Some(mut part) = self.0.take() else { return Poll::Pending };
        let hashed = part.stream.as_mut().hashed();
        Poll::Ready(Ok(if whole { Gathered::Whole(hashed, part.read) } else { Gathered::Part(hashed, part) }))
    }
}

impl<B> Part<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// What was read and what follows, signed at its end. Where the version of HTTP drops trailers that a head does not
    /// announce (RFC 9110 section 6.6.2), `announced` are the fields of that head.
    pub(crate) fn sign(self, ending: Ending, announced: Option<&HeaderMap>) -> Result<HmacBody<B>, Rejection> {
        let Self { mut stream, read, trailers } = self;
        let sendable = announced.map(|headers| {
            let lines = headers.get_all(TRAILER).into_iter().map(HeaderValue::as_bytes);
            let names = lines.flat_map(|line| line.split(|b| *b == b',')).map(<[u8]>::trim_ascii);
            names.filter_map(|name| HeaderName::from_bytes(name).ok()).collect()
        });
        stream.as_mut().sign(read, ending, sendable, trailers)?;
        Ok(HmacBody::streamed(stream))
    }
}
