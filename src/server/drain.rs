//! Reading what is left of a refused request, so that simple clients see the answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body::Body;

/// The length that a request declares, in its head or by its body. Only ever used to refuse.
pub(super) fn declared_length(headers: &HeaderMap, body: &impl Body) -> Option<u64> {
    let in_head = || str::from_utf8(headers.get(CONTENT_LENGTH)?.as_bytes()).ok()?.parse().ok();
    body.size_hint().exact().or_else(in_head)
}

/// Whether the rest of a refused request is worth reading: short, and not held back by `Expect: 100-continue`.
pub(super) fn worthwhile(headers: &HeaderMap, body: &impl Body, limit: u64) -> bool {
    let short = declared_length(headers, body).is_some_and(|length| (1..=limit).contains(&length));
    short && !headers.contains_key(EXPECT)
}

/// Drops what is there, and waits for nothing.
pub(super) fn drop_ready<B: Body>(mut body: Pin<&mut B>, limit: u64, cx: &mut Context<'_>) {
    let mut left = limit;
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(cx) {
        let bytes = frame.data_ref().map_or(0, Buf::remaining);
        match left.checked_sub(u64::try_from(bytes).unwrap_or(u64::MAX)) {
            Some(rest) => left = rest,
            None => break,
        }
    }
}
