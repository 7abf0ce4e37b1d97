//! Reading what is left of a refused request, so that simple clients see the answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body::Body;

use crate::rejection::RejectionKind;

/// The length that a request declares, in its head or by its body. Only ever used to refuse.
pub(super) fn declared_length(headers: &HeaderMap, body: &impl Body) -> Option<u64> {
    let in_head = || str::from_utf8(headers.get(CONTENT_LENGTH)?.as_bytes()).ok()?.parse().ok();
    body.size_hint().exact().or_else(in_head)
}

/// Whether the rest of a refused request is worth reading: short, not held back by `Expect: 100-continue`, and not
/// behind us, since a body that has ended may panic when it is polled again.
pub(super) fn worthwhile(headers: &HeaderMap, body: &impl Body, kind: RejectionKind, limit: u64) -> bool {
    use RejectionKind::{BodyError, BodyMismatch, BodyTimeout, ForbiddenTrailer};
    let ended = matches!(kind, BodyError | BodyMismatch | BodyTimeout | ForbiddenTrailer);
    let short = declared_length(headers, body).is_some_and(|length| (1..=limit).contains(&length));
    short && !ended && !headers.contains_key(EXPECT)
}

/// Drops what is there, and waits for nothing. A frame without bytes counts as one, so that there is an end.
pub(super) fn drop_ready<B: Body>(mut body: Pin<&mut B>, limit: u64, cx: &mut Context<'_>) {
    let mut left = limit;
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(cx) {
        let bytes = frame.data_ref().map_or(0, Buf::remaining);
        match left.checked_sub(u64::try_from(bytes).unwrap_or(u64::MAX).max(1)) {
            Some(rest) => left = rest,
            None => break,
        }
    }
}
