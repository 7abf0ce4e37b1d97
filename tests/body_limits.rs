//! A body costs no more than its limit, whatever the peer declares and however it cuts it.

mod support;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use support::alloc::{Counting, Heap, measure};
use support::body::{Broken, Script, Step};
use support::service::{CountingGuard, Inner, Outcome, send, send_to};
use support::wire::Wire;
use tower::{Layer, ServiceExt};
use tower_hmac::{BoxError, HmacLayer, RejectionKind};

#[global_allocator]
static HEAP: Counting = Counting;

const LIMIT: usize = 1000;

/// Polls to the end without a runtime, and measures only that.
fn weigh(layer: HmacLayer, request: Request<Script>) -> (Outcome, Heap) {
    let (guard, inner) = (CountingGuard::default(), Inner::ok());
    let mut future = Box::pin(send_to(layer.replay_guard(guard.clone()), request, inner.clone(), &guard));
    measure(|| {
        loop {
            if let Some(outcome) = future.as_mut().now_or_never() {
                return outcome;
            }
        }
    })
}

#[test]
fn f_05_a_declared_length_costs_nothing() {
    let wire = Wire::post("/pay", "{}");
    let mut wrong = wire.clone();
    wrong.key_hex = "00".repeat(32);
    for length in [1_000_000_000_000, 1 << 63, u64::MAX - 5] {
        for in_head in [true, false] {
            let ask = |wire: &Wire| {
                let body = Script::new([Step::Stall]);
                if !in_head {
                    return wire.request(body.declaring(length));
                }
                let mut request = wire.request(body);
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
                request
            };
            let (outcome, heap) = weigh(support::layer(), ask(&wrong));
            outcome.refused_unread(RejectionKind::BadMac);
            assert!(heap.bytes <= 64 << 10, "{heap:?}");
            let (outcome, heap) = weigh(support::layer(), ask(&wire));
            outcome.refused_unread(RejectionKind::BodyTooLarge);
            assert_eq!(outcome.status(), 413);
            assert!(heap.bytes <= 64 << 10, "{heap:?}");
        }
    }
}

#[test]
fn f_05_a_declared_length_under_the_limit_is_not_reserved() {
    let wire = Wire::post("/pay", "{}");
    let layer = support::layer().max_body(u64::MAX).buffer_budget(u64::MAX);
    let (outcome, heap) = weigh(layer, wire.request(Script::bytes("{}").declaring(1 << 40)));
    outcome.accepted();
    assert!(heap.bytes <= 64 << 10, "{heap:?}");
}

#[tokio::test]
async fn f_06_one_byte_over_the_limit_is_413() {
    for (size, fits) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false)] {
        let text = vec![b'x'; size];
        let wire = Wire::post("/pay", text.clone());
        // Without the drain, which is not what is counted here.
        let layer = || support::layer().max_body(LIMIT as u64).drain_limit(0);

        let mut in_head = wire.request(Script::bytes(text.clone()));
        in_head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
        for request in [in_head, wire.request(Script::bytes(text.clone()).declaring(size as u64))] {
            let outcome = send(layer(), request).await;
            match fits {
                true => outcome.accepted(),
                false => outcome.refused_unread(RejectionKind::BodyTooLarge),
            }
        }

        // Without a length, and with one that lies.
        for body in [Script::chunks(&text, 1), Script::chunks(&text, 1).declaring(1)] {
            let outcome = send(layer(), wire.request(body)).await;
            match fits {
                true => outcome.accepted(),
                false => {
                    outcome.refused(RejectionKind::BodyTooLarge);
                    assert_eq!(outcome.status(), 413);
                }
            }
        }
        if !fits {
            let outcome = send(layer(), wire.request(Script::chunks(&text, 1))).await;
            assert_eq!(outcome.polls, LIMIT + 1, "read on behind the limit");
        }
    }
}

#[tokio::test]
async fn f_06_the_limit_is_2_mib_unless_said_otherwise() {
    for (size, fits) in [(2 << 20, true), ((2 << 20) + 1, false)] {
        let text = Bytes::from(vec![b'x'; size]);
        let wire = Wire::post("/pay", &*text);
        let outcome = send(support::layer(), wire.request(Script::bytes(text.clone()))).await;
        match fits {
            true => outcome.accepted(),
            false => outcome.refused(RejectionKind::BodyTooLarge),
        }
    }
}

/// Frames of one byte that are made when they are asked for.
struct Drops(usize);

impl Body for Drops {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(b"x")))))
    }
}

#[test]
fn f_07_one_byte_frames_cost_no_more_than_2_5_times_the_body() {
    const SIZE: usize = 1 << 20;
    let request = Wire::post("/pay", vec![b'x'; SIZE]).request(Drops(SIZE));
    let mut future = Box::pin(support::layer().layer(Inner::ok()).oneshot(request));
    let (response, heap) = measure(|| {
        loop {
            if let Some(response) = future.as_mut().now_or_never() {
                return response.unwrap();
            }
        }
    });
    assert_eq!(response.status(), 200);
    let factor = heap.peak as f64 / SIZE as f64;
    println!("peak heap of 1 MiB in 1-byte frames: {factor:.2} x body, {} allocations", heap.allocations);
    assert!(factor <= 2.5, "{factor}");
    assert!(factor >= 1.0, "the body was not held: {factor}");
}

/// A limit error inside another one, as frameworks wrap it.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test]
async fn a_limit_outside_is_a_413_and_not_a_broken_body() {
    let wire = Wire::post("/pay", vec![b'x'; LIMIT]);
    let body = |limit| Limited::new(Script::chunks(&wire.body, 100), limit);
    let service = support::layer().layer(Inner::ok());
    let kind = async |limit: usize, wrapped: bool| {
        let wire = Wire::post("/pay", wire.body.clone());
        let response = match wrapped {
            true => service.clone().oneshot(wire.request(body(limit).map_err(Wrapped))).await.unwrap().map(drop),
            false => service.clone().oneshot(wire.request(body(limit))).await.unwrap().map(drop),
        };
        (response.status().as_u16(), response.extensions().get::<RejectionKind>().copied())
    };
    for wrapped in [false, true] {
        assert_eq!(kind(LIMIT - 1, wrapped).await, (413, Some(RejectionKind::BodyTooLarge)));
        assert_eq!(kind(LIMIT, wrapped).await, (200, None));
    }
    let broken = wire.request(Script::new([Step::Error]).map_err(|error| Wrapped(error.into())));
    let response = service.clone().oneshot(broken).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&RejectionKind::BodyError));
    // The type that makes the difference.
    let error = body(1).collect().await.unwrap_err();
    assert!(error.is::<LengthLimitError>());
}
