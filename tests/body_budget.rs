//! All bodies of a layer together stay within one budget, and each within its deadline.

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use support::body::{Script, Step};
use support::service::{CountingGuard, Inner, send, send_to};
use support::wire::Wire;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_hmac::clock::ManualClock;
use tower_hmac::{HmacBody, HmacLayer, RejectionKind};

const SIZE: usize = 1000;

fn upload(size: usize) -> Request<Script> {
    let wire = Wire::post("/upload", vec![b'x'; size]);
    wire.request(Script::chunks(&wire.body, 300))
}

fn layer(budget: usize) -> HmacLayer {
    support::layer().buffer_budget(budget as u64)
}

fn kind<B>(response: &Response<B>) -> Option<RejectionKind> {
    response.extensions().get().copied()
}

/// Answers with nothing, and drops the request body first.
async fn quiet(_: Request<HmacBody<Script>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::default())
}

#[tokio::test]
async fn a_body_over_the_budget_is_503() {
    let outcome = send(layer(SIZE), upload(SIZE + 1)).await;
    outcome.refused(RejectionKind::Budget);
    assert_eq!(outcome.status(), 503);
    let response = layer(SIZE).layer(service_fn(quiet)).oneshot(upload(SIZE)).await.unwrap();
    assert_eq!(kind(&response), None);
}

#[tokio::test]
async fn a_stalled_upload_holds_its_share_until_it_is_dropped() {
    let service = layer(SIZE).layer(service_fn(quiet));
    let wire = Wire::post("/upload", vec![b'x'; SIZE]);
    let half = Bytes::from(vec![b'x'; SIZE / 2]);
    let mut stalled = Box::pin(service.clone().oneshot(wire.request(Script::new([Step::Data(half), Step::Stall]))));
    assert!(stalled.as_mut().now_or_never().is_none());

    let over = service.clone().oneshot(upload(SIZE / 2 + 1)).await.unwrap();
    assert_eq!(kind(&over), Some(RejectionKind::Budget));
    let within = service.clone().oneshot(upload(SIZE / 2)).await.unwrap();
    assert_eq!(kind(&within), None);
    drop(stalled);
    let all = service.oneshot(upload(SIZE)).await.unwrap();
    assert_eq!(kind(&all), None);
}

#[tokio::test]
async fn a_handler_that_keeps_the_body_keeps_its_share() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let service = layer(SIZE).layer(service_fn(move |request: Request<HmacBody<Script>>| {
        keep.lock().unwrap().push(request.into_body());
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    }));
    let ask = |size| service.clone().oneshot(upload(size));
    assert_eq!(kind(&ask(SIZE - 10).await.unwrap()), None);
    assert_eq!(kind(&ask(11).await.unwrap()), Some(RejectionKind::Budget));
    assert_eq!(kind(&ask(10).await.unwrap()), None);

    // Reading it to the end gives nothing back: the bytes may live on.
    let mut body = kept.lock().unwrap().remove(0);
    while body.frame().await.is_some() {}
    assert_eq!(kind(&ask(1).await.unwrap()), Some(RejectionKind::Budget));
    drop(body);
    assert_eq!(kind(&ask(SIZE - 10).await.unwrap()), None);
}

#[tokio::test]
async fn responses_count_too() {
    let service = layer(SIZE).layer(service_fn(|request: Request<HmacBody<Script>>| async move {
        let size = request.uri().path()[1..].parse().unwrap();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![b'y'; size]))))
    }));
    let ask = |size: usize| service.clone().oneshot(Wire::get(&format!("/{size}")).request(Script::new([])));
    let held = ask(SIZE - 10).await.unwrap();
    assert_eq!(kind(&held), None);
    let over = ask(11).await.unwrap();
    assert_eq!((over.status().as_u16(), kind(&over)), (503, Some(RejectionKind::Budget)));
    let upload_over = service.clone().oneshot(upload(11)).await.unwrap();
    assert_eq!(kind(&upload_over), Some(RejectionKind::Budget));
    drop(held);
    assert_eq!(kind(&ask(SIZE).await.unwrap()), None);
}

#[tokio::test]
async fn services_of_one_layer_share_the_budget_and_others_do_not() {
    let (one, other) = (layer(SIZE), layer(SIZE));
    let wire = Wire::post("/upload", vec![b'x'; SIZE]);
    let stalled = || wire.request(Script::new([Step::Data(Bytes::from(vec![b'x'; SIZE])), Step::Stall]));
    let mut held = Box::pin(one.layer(service_fn(quiet)).oneshot(stalled()));
    assert!(held.as_mut().now_or_never().is_none());
    for (layer, expected) in [(one.clone(), Some(RejectionKind::Budget)), (other, None)] {
        let response = layer.layer(service_fn(quiet)).oneshot(upload(1)).await.unwrap();
        assert_eq!(kind(&response), expected);
    }
}

/// A body of two frames; before each, and before its end, `by` passes while nobody polls.
fn slow(clock: &ManualClock, by: Duration, body: &'static str) -> Script {
    let wait = || {
        let clock = clock.clone();
        Step::Do(Box::new(move || clock.advance(by)))
    };
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    let data = |bytes| Step::Data(Bytes::from_static(bytes));
    Script::new([Step::Yield, wait(), Step::Yield, data(first), wait(), Step::Yield, data(second), wait(), Step::Yield])
}

#[tokio::test]
async fn a_body_over_its_deadline_is_408() {
    for (by, fits) in [(Duration::from_secs(5), true), (Duration::from_millis(5001), false)] {
        let clock = support::clock();
        let layer = support::layer().clock(clock.clone()).body_deadline(Duration::from_secs(15));
        let outcome = send(layer, Wire::post("/pay", "{}").request(slow(&clock, by, "{}"))).await;
        match fits {
            true => outcome.accepted(),
            false => {
                outcome.refused(RejectionKind::BodyTimeout);
                assert_eq!(outcome.status(), 408);
            }
        }
    }
    // 30 s unless said otherwise.
    for (ms, fits) in [(10_000, true), (10_001, false)] {
        let clock = support::clock();
        let body = slow(&clock, Duration::from_millis(ms), "{}");
        let outcome = send(support::layer().clock(clock.clone()), Wire::post("/pay", "{}").request(body)).await;
        assert_eq!(outcome.kind(), (!fits).then_some(RejectionKind::BodyTimeout));
    }
}

#[tokio::test]
async fn a_body_that_dribbles_past_the_window_is_stale_and_not_accepted_again() {
    let clock = support::clock();
    let guard = CountingGuard::default();
    let layer = support::layer().clock(clock.clone()).body_deadline(Duration::from_secs(3600));
    let layer = layer.replay_guard(guard.clone());
    let wire = Wire::post("/pay", "{}");
    let ask = |body| send_to(layer.clone(), wire.request(body), Inner::ok(), &guard);

    // At the last second it passes, and a second time it does not, however slowly it comes.
    ask(slow(&clock, Duration::from_secs(100), "{}")).await.accepted();
    assert_eq!(ask(Script::bytes("{}")).await.kind(), Some(RejectionKind::Replay));
    clock.set(support::NOW);
    let outcome = ask(slow(&clock, Duration::from_secs(101), "{}")).await;
    outcome.refused(RejectionKind::Stale);
    assert_eq!(outcome.status(), 401);
}

#[tokio::test]
async fn the_response_deadline_is_a_500_of_its_own() {
    let clock = support::clock();
    for (ms, expected) in [(10_000, None), (10_001, Some(RejectionKind::ResponseTimeout))] {
        let body_clock = clock.clone();
        let mut service =
            support::layer().clock(clock.clone()).layer(service_fn(move |_: Request<HmacBody<Script>>| {
                let body = slow(&body_clock, Duration::from_millis(ms), "{}");
                async { Ok::<_, Infallible>(Response::new(body)) }
            }));
        let wire = Wire::get("/").timestamp(clock_now(&clock));
        let response = service.ready().await.unwrap().call(wire.request(Script::new([]))).await.unwrap();
        assert_eq!(kind(&response), expected);
        assert_eq!(response.status(), expected.map_or(200, |_| 500));
    }
}

fn clock_now(clock: &ManualClock) -> u64 {
    tower_hmac::clock::Clock::now(clock).unwrap()
}
