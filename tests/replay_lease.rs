//! At least once: a nonce is leased while the service works, spent by its answer, freed by a 5xx; cancelled, it runs out.

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, pending};
use http::{Request, Response};
use http_body_util::Full;
use support::NOW;
use support::body::Script;
use support::service::{CountingGuard, Inner};
use support::wire::Wire;
use tower::{Layer, Service, ServiceExt};
use tower_hmac::clock::ManualClock;
use tower_hmac::replay::{AtLeastOnce, MemoryReplayGuard, ReplayGuard};
use tower_hmac::{HmacBody, HmacService, RejectionKind};

const HANGS: u16 = 0;
const FAILS: u16 = 1;

/// Answers with the status that it is told; or never; or fails.
#[derive(Clone)]
struct Backend {
    status: Arc<AtomicU16>,
    calls: Arc<AtomicUsize>,
}

impl Service<Request<HmacBody<Script>>> for Backend {
    type Response = Response<Full<Bytes>>;
    type Error = &'static str;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<HmacBody<Script>>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.status.load(Ordering::SeqCst) {
            HANGS => pending().boxed(),
            FAILS => async { Err("broken") }.boxed(),
            status => async move { Ok(Response::builder().status(status).body(Full::default()).unwrap()) }.boxed(),
        }
    }
}

struct Door {
    backend: Backend,
    service: HmacService<Backend>,
}

impl Door {
    fn new(guard: impl ReplayGuard, clock: &ManualClock) -> Self {
        let backend = Backend { status: Arc::new(AtomicU16::new(200)), calls: Arc::default() };
        let service = support::layer().clock(clock.clone()).replay_guard(guard).layer(backend.clone());
        Self { backend, service }
    }

    /// Sends the same bytes, to a service that answers so: the status, and whether the service was called.
    async fn send(&self, wire: &Wire, status: u16) -> (u16, bool) {
        self.backend.status.store(status, Ordering::SeqCst);
        let before = self.backend.calls.load(Ordering::SeqCst);
        let response = self.service.clone().oneshot(wire.request(Script::new([]))).await;
        let status = response.map_or(FAILS, |response| response.status().as_u16());
        (status, self.backend.calls.load(Ordering::SeqCst) > before)
    }

    /// Starts a request that the service never answers, until it has been called.
    async fn hang(&self, wire: &Wire) -> impl Future + use<> {
        self.backend.status.store(HANGS, Ordering::SeqCst);
        let before = self.backend.calls.load(Ordering::SeqCst);
        let mut future = Box::pin(self.service.clone().oneshot(wire.request(Script::new([]))));
        while self.backend.calls.load(Ordering::SeqCst) == before {
            assert!(futures_util::poll!(&mut future).is_pending());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        future
    }
}

fn at_least_once(guard: impl ReplayGuard, seconds: u64) -> impl ReplayGuard {
    AtLeastOnce::new(guard, Duration::from_secs(seconds)).unwrap()
}

/// What holds for every guard. `run_out` waits for a lease of one second.
async fn holds(door: &Door, now: u64, run_out: impl AsyncFn()) {
    let wire = || Wire::get("/hook").timestamp(now);
    for status in [200, 204, 301, 404, 422] {
        let wire = wire();
        assert_eq!(door.send(&wire, status).await, (status, true));
        assert_eq!(door.send(&wire, 200).await, (401, false), "{status} spends the nonce");
    }
    for status in [500, 502, 503] {
        let wire = wire();
        assert_eq!(door.send(&wire, status).await, (status, true));
        assert_eq!(door.send(&wire, status).await, (status, true), "{status} frees the nonce at once");
        assert_eq!(door.send(&wire, 200).await, (200, true));
        assert_eq!(door.send(&wire, 200).await, (401, false));
    }
    // While the service works, and after the request was cancelled, until the lease is over.
    let (left, failed, kept) = (wire(), wire(), wire());
    let working = door.hang(&left).await;
    assert_eq!(door.send(&left, 200).await, (401, false));
    drop(working);
    assert_eq!(door.send(&left, 200).await, (401, false), "nothing is awaited in a drop");
    assert_eq!(door.send(&failed, FAILS).await, (FAILS, true));
    assert_eq!(door.send(&failed, 200).await, (401, false));
    assert_eq!(door.send(&kept, 200).await, (200, true));
    run_out().await;
    for wire in [&left, &failed] {
        assert_eq!(door.send(wire, 200).await, (200, true), "the lease has run out");
        assert_eq!(door.send(wire, 200).await, (401, false));
    }
    assert_eq!(door.send(&kept, 200).await, (401, false), "what was handled stays spent");
}

#[tokio::test]
async fn in_memory() {
    let clock = support::clock();
    let door = Door::new(at_least_once(MemoryReplayGuard::new(), 1), &clock);
    holds(&door, NOW, async || clock.advance(Duration::from_secs(2))).await;
    // It stays spent to the end of its time, and among many others.
    let wire = Wire::get("/").timestamp(NOW + 2);
    assert_eq!(door.send(&wire, 200).await, (200, true));
    for _ in 0..500 {
        clock.advance(Duration::from_millis(500));
        let now = clock_now(&clock);
        assert_eq!(door.send(&Wire::get("/").timestamp(now), 200).await, (200, true));
        assert_eq!(door.send(&wire, 200).await, (401, false));
    }
}

fn clock_now(clock: &ManualClock) -> u64 {
    tower_hmac::clock::Clock::now(clock).unwrap()
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn in_redis() {
    use support::redis::{Redis, now};
    use tower_hmac::replay::RedisReplayGuard;

    let Some(redis) = Redis::start(&[]) else { return };
    let guard = RedisReplayGuard::connect(&redis.url()).await.unwrap().deadline(Duration::from_secs(5));
    let clock = ManualClock::at(now());
    let door = Door::new(at_least_once(guard, 1), &clock);
    holds(&door, now(), async || tokio::time::sleep(Duration::from_millis(2500)).await).await;

    redis.ask::<()>(&["FLUSHALL"]).unwrap();
    let wire = Wire::get("/").timestamp(clock_now(&clock));
    let working = door.hang(&wire).await;
    let key = redis.ask::<Vec<String>>(&["KEYS", "*"]).unwrap().remove(0);
    assert!(redis.ask::<u64>(&["PTTL", &key]).unwrap() <= 2000);
    assert_eq!(redis.ask::<String>(&["GET", &key]).unwrap().len(), 32);
    drop(working);
    redis.ask::<()>(&["FLUSHALL"]).unwrap();
    assert_eq!(door.send(&wire, 200).await, (200, true));
    assert_eq!(redis.ask::<String>(&["GET", &key]).unwrap(), "1");
    assert!(redis.ask::<u64>(&["PTTL", &key]).unwrap() > 350_000);
    assert_eq!(door.send(&Wire::get("/").timestamp(clock_now(&clock)), 500).await, (500, true));
    assert_eq!(redis.ask::<u64>(&["DBSIZE"]).unwrap(), 1, "a released nonce leaves nothing");
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn when_the_lease_cannot_be_settled_the_answer_goes_out_nevertheless() {
    use support::scripted::{Play, Scripted};
    use tower_hmac::replay::RedisReplayGuard;

    let server = Scripted::start(|words| match &*words[0] {
        "SET" => Play::Say(b"+OK\r\n".to_vec()),
        _ => Play::Silence,
    });
    let server = server.await;
    let guard = RedisReplayGuard::lazy(&server.url()).unwrap().deadline(Duration::from_millis(50));
    let door = Door::new(at_least_once(guard, 30), &support::clock());
    assert_eq!(door.send(&Wire::get("/"), 200).await, (200, true));
    let sent: Vec<_> = server.commands().iter().map(|words| words[0].clone()).collect();
    assert_eq!(sent, ["SET", "EVAL"]);
}

#[tokio::test]
async fn the_default_stays_at_most_once() {
    let door = Door::new(MemoryReplayGuard::new(), &support::clock());
    for status in [200, 500, FAILS] {
        let wire = Wire::get("/");
        assert_eq!(door.send(&wire, status).await, (status, true));
        assert_eq!(door.send(&wire, 200).await, (401, false));
    }
    let wire = Wire::get("/");
    drop(door.hang(&wire).await);
    assert_eq!(door.send(&wire, 200).await, (401, false));
}

#[tokio::test]
async fn a_guard_that_knows_no_leases_refuses() {
    // It implements `claim` alone.
    let guard = AtLeastOnce::new(CountingGuard::default(), Duration::from_secs(30)).unwrap();
    let inner = Inner::ok();
    let service = support::layer().replay_guard(guard).layer(inner.clone());
    let response: Result<_, Infallible> = service.oneshot(Wire::get("/").request(Script::new([]))).await;
    let response = response.unwrap();
    assert_eq!((response.status().as_u16(), inner.calls()), (503, 0));
    assert_eq!(response.extensions().get(), Some(&RejectionKind::GuardUnavailable));
}

#[test]
fn a_lease_lasts_between_a_second_and_an_hour() {
    let lease = |time| AtLeastOnce::new(MemoryReplayGuard::new(), time).is_ok();
    assert!(lease(Duration::from_secs(1)) && lease(Duration::from_secs(3600)));
    for time in [Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(3601)] {
        assert!(!lease(time), "{time:?}");
    }
}
