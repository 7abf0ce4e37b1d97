//! Reading the body of a refused request, so that simple clients see the answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::Body;

use crate::body::declared_length;

/// How often the connection gets a turn to bring in more: a server that reads 8 KiB at a time needs eight for 64 KiB.
/// A server hands a body on only once somebody asked for it, so the first poll finds nothing even when all is there.
const TURNS: u8 = 16;

/// The most frames that are taken before other tasks get their turn.
const FRAMES_PER_POLL: usize = 32;

/// The body of a refused request, being dropped.
pub(super) struct Drain {
    left: u64,
    turns: u8,
}

impl Drain {
    /// For a body that nobody has polled, if it is worth it: short, and not held back by `Expect: 100-continue`.
    pub(super) fn new(headers: &HeaderMap, body: &impl Body, limit: u64) -> Option<Self> {
        let left = declared_length(headers, body).filter(|length| (1..=limit).contains(length))?;
        (!headers.contains_key(EXPECT)).then_some(Self { left, turns: TURNS })
    }

    /// Ready when all is dropped, or when no more comes. Wakes itself: a peer that stalls is not waited for.
    pub(super) fn poll<B: Body>(&mut self, mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..FRAMES_PER_POLL {
            match body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let bytes = frame.data_ref().map_or(0, Buf::remaining);
                    self.left = self.left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
                    if self.left == 0 {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(None | Some(Err(_))) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        match self.turns.checked_sub(1) {
            Some(rest) => self.turns = rest,
            None => return Poll::Ready(()),
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
