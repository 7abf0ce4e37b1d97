//! The first bytes of a response that is not accepted, for the error that says so.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::response::Parts;
use http_body::Body;
use pin_project_lite::pin_project;

use super::config::Config;
use super::error::ClientError;
use crate::body::declared_length;

/// The most bytes that an error carries.
const LIMIT: usize = 8 * 1024;

/// The most frames that are taken before other tasks get their turn.
const FRAMES_PER_POLL: usize = 32;

pin_project! {
    pub(super) struct Excerpt<RB> {
        refusal: Option<(ClientError, Parts)>,
        #[pin]
        body: RB,
        taken: BytesMut,
        until: Duration,
        // It may have no end: nobody waits for more than is there.
        endless: bool,
        // Nothing came when it was polled last.
        waited: bool,
    }
}

impl<RB: Body> Excerpt<RB> {
    pub(super) fn new(config: &Config, error: ClientError, head: Parts, body: RB) -> Self {
        let until = config.clock.elapsed().saturating_add(config.response.deadline);
        let endless = config.streams_responses.is_some() && declared_length(&head.headers, &body).is_none();
        Self { refusal: Some((error, head)), body, taken: BytesMut::new(), until, endless, waited: false }
    }

    /// However the body ends, the error is the one that was there before.
    pub(super) fn poll(self: Pin<&mut Self>, config: &Config, cx: &mut Context<'_>) -> Poll<ClientError> {
        let mut this = self.project();
        let mut ended = this.body.is_end_stream();
        for _ in 0..FRAMES_PER_POLL {
            if ended || this.taken.len() >= LIMIT || config.clock.elapsed() > *this.until {
                return match this.refusal.take() {
                    Some((error, head)) => Poll::Ready(error.with_response(head, this.taken.split().freeze())),
                    None => Poll::Pending,
                };
            }
            match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    *this.waited = false;
                    if let Ok(data) = frame.into_data() {
                        let room = LIMIT.saturating_sub(this.taken.len());
                        let part = data.remaining().min(room);
                        this.taken.extend_from_slice(&data.take(part).copy_to_bytes(part));
                    }
                }
                Poll::Ready(None | Some(Err(_))) => ended = true,
                Poll::Pending if !*this.endless => return Poll::Pending,
                Poll::Pending if *this.waited => ended = true,
                // What has arrived may still have to be taken from the connection, which gets one turn.
                Poll::Pending => {
                    *this.waited = true;
                    break;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
