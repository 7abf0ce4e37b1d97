//! The layer is a good tower citizen: readiness, permits, errors and panics of the service below are respected, and
//! nothing that a stranger sends makes one.

mod support;

use std::convert::Infallible;
use std::future::{pending, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use support::body::{Script, Step};
use support::service::{Inner, send};
use support::wire::Wire;
use support::{KEY_HEX, KEY_ID};
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_hmac::{HmacBody, HmacClientLayer, Key, RejectionKind, Scheme};

fn forged(wire: &Wire) -> Wire {
    Wire { key_hex: "00".repeat(32), ..wire.clone() }
}

fn kind<B>(response: &Response<B>) -> Option<RejectionKind> {
    response.extensions().get().copied()
}

#[tokio::test]
async fn o_06_a_panic_below_gives_permits_and_budget_back_and_spends_the_nonce() {
    for panics_in_future in [false, true] {
        let permits = Arc::new(Semaphore::new(1));
        let fine = Arc::new(AtomicBool::new(false));
        let now = Arc::clone(&fine);
        let inner = service_fn(move |_request: Request<HmacBody<Script>>| {
            let fine = now.load(Ordering::SeqCst);
            assert!(fine || panics_in_future, "on purpose");
            async move {
                assert!(fine, "on purpose");
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        });
        let service =
            support::layer().buffer_budget(100).layer(ConcurrencyLimit::with_semaphore(inner, Arc::clone(&permits)));
        let wire = Wire::post("/pay", vec![b'x'; 100]);
        let ask = |wire: &Wire| service.clone().oneshot(wire.request(Script::bytes(wire.body.clone())));
        assert!(AssertUnwindSafe(ask(&wire)).catch_unwind().await.is_err(), "the panic goes on");
        assert_eq!(permits.available_permits(), 1);
        fine.store(true, Ordering::SeqCst);
        assert_eq!(kind(&ask(&wire).await.unwrap()), Some(RejectionKind::Replay));
        // The whole budget is there again.
        assert_eq!(kind(&ask(&Wire::post("/pay", vec![b'x'; 100])).await.unwrap()), None);
    }
}

#[tokio::test]
async fn p_02_a_stalled_upload_does_not_hold_the_permit_of_the_service() {
    let permits = Arc::new(Semaphore::new(1));
    let inner = Inner::ok();
    let limited = ConcurrencyLimit::with_semaphore(inner.clone(), Arc::clone(&permits));
    let service = support::layer().layer(limited);
    let wire = Wire::post("/pay", "{}");
    let half = Step::Data(Bytes::from_static(b"{"));
    let mut stalled = Box::pin(service.clone().oneshot(wire.request(Script::new([half, Step::Stall]))));
    assert!(stalled.as_mut().now_or_never().is_none());
    assert_eq!(permits.available_permits(), 1);
    for _ in 0..3 {
        let response = service.clone().oneshot(Wire::get("/").request(Script::new([])));
        assert_eq!(response.now_or_never().expect("served").unwrap().status(), 200);
    }
    assert!(stalled.as_mut().now_or_never().is_none());
    assert_eq!(inner.calls(), 3);
}

#[tokio::test]
async fn p_02_a_stranger_neither_waits_for_the_permit_nor_holds_it() {
    let permits = Arc::new(Semaphore::new(1));
    let works = service_fn(|_: Request<HmacBody<Script>>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let service = support::layer().layer(ConcurrencyLimit::with_semaphore(works, Arc::clone(&permits)));
    let wire = Wire::get("/");
    let refuse = |expected| {
        let response = service.clone().oneshot(forged(&wire).request(Script::new([Step::Stall])));
        let response = response.now_or_never().expect("answered at once").unwrap();
        assert_eq!(kind(&response), Some(RejectionKind::BadMac));
        assert_eq!(permits.available_permits(), expected);
    };
    refuse(1);
    let mut working = Box::pin(service.clone().oneshot(wire.request(Script::new([]))));
    assert!(working.as_mut().now_or_never().is_none());
    refuse(0);
    // The one who waits for the permit does so behind everything that can refuse him.
    let mut waiting = Box::pin(service.clone().oneshot(Wire::get("/").request(Script::new([]))));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(working);
    assert!(waiting.as_mut().now_or_never().is_none());
    assert_eq!(permits.available_permits(), 0);
}

#[tokio::test]
async fn a_refused_replay_gives_its_permit_back_with_the_answer() {
    let permits = Arc::new(Semaphore::new(1));
    let mut service = support::layer().layer(ConcurrencyLimit::with_semaphore(Inner::ok(), Arc::clone(&permits)));
    let wire = Wire::get("/");
    for expected in [None, Some(RejectionKind::Replay)] {
        let mut future = Box::pin(service.call(wire.request(Script::new([]))));
        assert_eq!(kind(&future.as_mut().await.unwrap()), expected);
        assert_eq!(permits.available_permits(), 1, "while the future is still there");
    }
}

/// Readiness and answers by script.
#[derive(Clone)]
struct Moody {
    ready: Poll<Result<(), &'static str>>,
    answer: Result<(), &'static str>,
    asked: Arc<AtomicUsize>,
}

impl Service<Request<HmacBody<Script>>> for Moody {
    type Response = Response<Full<Bytes>>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Self::Response, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.ready
    }

    fn call(&mut self, _: Request<HmacBody<Script>>) -> Self::Future {
        ready(self.answer.map(|()| Response::default()))
    }
}

#[tokio::test]
async fn readiness_and_errors_of_the_service_are_passed_on() {
    let moody = |ready, answer| Moody { ready, answer, asked: Arc::default() };
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for mood in [Poll::Pending, Poll::Ready(Ok(())), Poll::Ready(Err("not today"))] {
        let inner = moody(mood, Ok(()));
        let mut service = support::layer().layer(inner.clone());
        let always = Service::<Request<Script>>::poll_ready(&mut service, &mut cx);
        assert_eq!(always, Poll::Ready(Ok(())));
        assert_eq!(inner.asked.load(Ordering::SeqCst), 0, "asked before there was a request");
        let refused = service.call(forged(&Wire::get("/")).request(Script::new([]))).await.unwrap();
        assert_eq!((kind(&refused), inner.asked.load(Ordering::SeqCst)), (Some(RejectionKind::BadMac), 0));
        let answer = service.call(Wire::get("/").request(Script::new([]))).now_or_never();
        match mood {
            Poll::Pending => assert!(answer.is_none()),
            Poll::Ready(expected) => assert_eq!(answer.unwrap().map(drop), expected),
        }
        assert_eq!(inner.asked.load(Ordering::SeqCst), 1);
    }
    let service = support::layer().layer(moody(Poll::Ready(Ok(())), Err("broken")));
    assert_eq!(service.oneshot(Wire::get("/").request(Script::new([]))).await.unwrap_err(), "broken");
}

#[tokio::test]
async fn o_01_a_body_that_is_not_text_is_just_refused() {
    for body in [&b"\xff\xfe\x00\x80caf\xe9"[..], &[0xff; 4096], &[0; 1]] {
        let wire = Wire::post("/pay", body);
        let forged = forged(&wire);
        let read = || Script::bytes(Bytes::copy_from_slice(body));
        send(support::layer(), forged.request(read())).await.refused_unread(RejectionKind::BadMac);
        let mut unsigned = Request::post("/pay").body(read()).unwrap();
        unsigned.headers_mut().insert("host", support::AUTHORITY.parse().unwrap());
        send(support::layer(), unsigned).await.refused_unread(RejectionKind::Missing);
        send(support::layer(), wire.request(read())).await.accepted();
    }
}

#[tokio::test]
async fn o_02_a_body_over_the_default_limit_from_a_stranger_is_not_read() {
    let wire = Wire::post("/pay", vec![b'x'; 3 << 20]);
    let forged = forged(&wire);
    for declared in [true, false] {
        let body = || {
            let body = Script::chunks(&wire.body, 64 << 10);
            if declared { body.declaring(3 << 20) } else { body }
        };
        send(support::layer(), forged.request(body())).await.refused_unread(RejectionKind::BadMac);
        send(support::layer(), wire.request(body())).await.refused(RejectionKind::BodyTooLarge);
    }
    let stalled = forged.request(Script::new([Step::Stall]).declaring(100));
    send(support::layer(), stalled).await.refused(RejectionKind::BadMac);
}

#[tokio::test]
async fn the_service_below_can_be_reached() {
    let (inner, key) = (Inner::ok(), Key::from_hex(KEY_ID, KEY_HEX).unwrap());
    let mut server = support::layer().layer(inner.clone());
    let mut client = HmacClientLayer::new(Scheme::native(), key).unwrap().layer(inner);
    assert_eq!((server.get_ref().calls(), client.get_ref().calls()), (0, 0));
    assert_eq!((server.get_mut().calls(), client.get_mut().calls()), (0, 0));
    server.clone().oneshot(Wire::get("/").request(Script::new([]))).await.unwrap();
    assert_eq!((server.into_inner().calls(), client.into_inner().calls()), (1, 1));
}
