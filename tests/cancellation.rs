//! A request may be dropped, or stand still, at every await: nothing is kept, nobody is blocked, nothing is done twice.

mod support;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use support::body::{Script, Step};
use support::drive::{drive, yields};
use support::wire::Wire;
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service};
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim, ReplayGuard};
use tower_hmac::{
    Answer, HmacBody, HmacLayer, HmacService, KeyQuery, KeyStore, Lookup, RejectionKind, ResponseFuture, Scheme,
    Verified,
};

const BUDGET: usize = 100;

/// Finds the key a little later.
struct LateKeys;

impl KeyStore for LateKeys {
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        let Answer::Ready(found) = support::key().lookup(query) else { panic!("a key answers at once") };
        Answer::later(async move {
            yields().await;
            found
        })
    }
}

/// Claims, or has claimed, a little later: as a command on its way to another process.
struct LateGuard {
    guard: MemoryReplayGuard,
    claims_first: bool,
}

impl ReplayGuard for LateGuard {
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        let (guard, key_id, nonce) = (self.guard.clone(), claim.key_id.clone(), claim.nonce.to_owned());
        let (valid_until, now) = (claim.valid_until, claim.now);
        let spend = move || guard.spend(&ReplayClaim { key_id: &key_id, nonce: &nonce, valid_until, now });
        match self.claims_first {
            true => {
                let claimed = spend();
                Answer::later(async move {
                    yields().await;
                    claimed
                })
            }
            false => Answer::later(async move {
                yields().await;
                spend()
            }),
        }
    }
}

/// Not ready at first, and slow to answer.
#[derive(Clone)]
struct Slow {
    asked: bool,
    nonces: Arc<Mutex<Vec<String>>>,
}

impl Service<Request<HmacBody<Script>>> for Slow {
    type Response = Response<Script>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Script>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if std::mem::replace(&mut self.asked, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<HmacBody<Script>>) -> Self::Future {
        let verified = request.extensions().get::<Verified>().expect("a request without proof");
        self.nonces.lock().unwrap().push(verified.nonce().unwrap().to_owned());
        Box::pin(async move {
            yields().await;
            drop(request);
            let half = || Step::Data(Bytes::from_static(b"done"));
            Ok(Response::new(Script::new([Step::Yield, half(), Step::Yield, half(), Step::Yield])))
        })
    }
}

type Stack = HmacService<ConcurrencyLimit<Slow>>;
type InFlight = Pin<Box<ResponseFuture<ConcurrencyLimit<Slow>, Script, Script>>>;

struct World {
    service: Stack,
    permits: Arc<Semaphore>,
    nonces: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new(claims_first: bool) -> Self {
        let (permits, nonces) = (Arc::new(Semaphore::new(2)), Arc::<Mutex<_>>::default());
        let guard = LateGuard { guard: MemoryReplayGuard::new(), claims_first };
        let layer = HmacLayer::new(Scheme::native(), LateKeys).unwrap().clock(support::clock()).replay_guard(guard);
        let slow = Slow { asked: false, nonces: Arc::clone(&nonces) };
        let limited = ConcurrencyLimit::with_semaphore(slow, Arc::clone(&permits));
        Self { service: layer.buffer_budget(BUDGET as u64).layer(limited), permits, nonces }
    }

    /// The whole budget must be free for the body of this one.
    fn start(&self, wire: &Wire) -> InFlight {
        let frame = |part: &[u8]| Step::Data(Bytes::copy_from_slice(part));
        let (first, second) = wire.body.split_at(wire.body.len() / 2);
        let steps = [Step::Yield, frame(first), Step::Yield, frame(second), Step::Yield];
        Box::pin(self.service.clone().call(wire.request(Script::new(steps))))
    }

    fn served(&self, wire: &Wire) -> usize {
        self.nonces.lock().unwrap().iter().filter(|nonce| **nonce == wire.nonce).count()
    }
}

fn full() -> Wire {
    Wire::post("/pay", vec![b'x'; BUDGET])
}

fn finish(mut future: InFlight) -> Option<RejectionKind> {
    let response = drive(&mut future, 1000).1.expect("it ends").unwrap();
    response.extensions().get().copied()
}

/// How many polls a request takes from the first to the last.
fn length(claims_first: bool) -> usize {
    let (polls, response) = drive(&mut World::new(claims_first).start(&full()), 1000);
    assert_eq!(response.expect("it ends").unwrap().status(), 200);
    polls
}

#[test]
fn p_03_dropped_at_every_await() {
    for claims_first in [false, true] {
        let length = length(claims_first);
        // Key store, body three times, readiness, guard, service, its body three times: each is a place to be dropped.
        assert!(length > 10, "{length}");
        let (mut spent, mut untouched) = (0, 0);
        for polls in 0..=length {
            let (world, wire) = (World::new(claims_first), full());
            let mut future = world.start(&wire);
            let (_, response) = drive(&mut future, polls);
            assert_eq!(response.is_some(), polls == length);
            let before = world.served(&wire);
            drop((future, response));
            assert_eq!(world.permits.available_permits(), 2, "after {polls} polls");

            // The very same bytes again: once in all at the most. Signed anew, they pass, so the budget is whole.
            match finish(world.start(&wire)) {
                None => untouched += usize::from(before == 0),
                refused => {
                    assert_eq!(refused, Some(RejectionKind::Replay), "after {polls} polls");
                    spent += 1;
                }
            }
            assert!(world.served(&wire) <= 1, "after {polls} polls");
            assert_eq!(finish(world.start(&full())), None, "after {polls} polls");
            assert_eq!(world.permits.available_permits(), 2, "after {polls} polls");
        }
        assert_eq!(spent + untouched, length + 1);
        assert!(spent >= 5 && untouched >= 5, "{spent} spent, {untouched} not");
    }
}

#[test]
fn p_05_standing_still_at_every_await_blocks_nobody() {
    let length = length(true);
    for polls in 0..length {
        let world = World::new(true);
        let mut still = world.start(&Wire::post("/pay", "small"));
        assert!(drive(&mut still, polls).1.is_none());
        let (done, other) = (mpsc::channel(), world.start(&Wire::post("/pay", "other")));
        let (tell, hear) = done;
        let served = thread::spawn(move || tell.send(finish(other)));
        let outcome = hear.recv_timeout(Duration::from_secs(10)).expect("a lock is held across an await");
        assert_eq!(outcome, None, "after {polls} polls");
        served.join().unwrap().unwrap();
        assert_eq!(finish(still), None);
    }
}
