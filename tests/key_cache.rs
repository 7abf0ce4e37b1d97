//! A cache in front of a slow key store asks it seldom, for few ids at a time, and remembers a bounded number.
#![cfg(feature = "key-cache")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::body::Script;
use support::service::send;
use support::wire::Wire;
use support::{KEY_HEX, KEY_ID};
use tokio::sync::Semaphore;
use tower_hmac::RejectionKind::{KeysUnavailable, UnknownKey};
use tower_hmac::clock::ManualClock;
use tower_hmac::{Answer, AsyncKeys, CachingKeyStore, HmacLayer, Key, KeyQuery, KeyStore, Keys, Lookup, Scheme};

const LIFE: Duration = Duration::from_secs(30);

/// Counts queries, and answers when it is let.
#[derive(Clone)]
struct Database {
    queries: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Database {
    fn open() -> Self {
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { queries: Arc::default(), running: Arc::default(), most: Arc::default(), gate }
    }

    fn closed() -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ..Self::open() }
    }

    fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }

    fn cached(&self, clock: &ManualClock) -> CachingKeyStore {
        CachingKeyStore::new(self.clone(), LIFE).clock(clock.clone())
    }
}

impl KeyStore for Database {
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        let this = self.clone();
        let id = query.key_id().unwrap().to_owned();
        Answer::later(async move {
            this.queries.fetch_add(1, Ordering::SeqCst);
            let now = this.running.fetch_add(1, Ordering::SeqCst) + 1;
            let _running = Running(Arc::clone(&this.running));
            this.most.fetch_max(now, Ordering::SeqCst);
            this.gate.acquire().await.unwrap().forget();
            match &*id {
                "broken" => Err("no database".into()),
                id if id.starts_with("svc") => Ok(Some(Key::from_hex(id, KEY_HEX)?.into())),
                _ => Ok(None),
            }
        })
    }
}

/// Whether it is known; an error is `None`.
async fn ask(store: &dyn KeyStore, id: &str) -> Option<bool> {
    start(store, id).await
}

fn start(store: &dyn KeyStore, id: &str) -> impl Future<Output = Option<bool>> + use<> + Send {
    let (head, ()) = Wire::get("/").request(()).into_parts();
    let lookup = store.lookup(&KeyQuery::new(Some(id), &head));
    async move {
        let found: Result<Option<Keys>, _> = lookup.await;
        found.ok().map(|keys| keys.is_some())
    }
}

#[tokio::test]
async fn j_03_a_million_requests_for_one_id_make_one_query_per_time_to_live() {
    let (clock, database) = (support::clock(), Database::open());
    let cache = database.cached(&clock);
    let mut queries = 0;
    let (head, ()) = Wire::get("/").request(()).into_parts();
    for (id, known) in [("nobody", false), (KEY_ID, true)] {
        for _ in 0..3 {
            queries += 1;
            assert_eq!(ask(&cache, id).await, Some(known));
            for _ in 0..170_000 {
                let Answer::Ready(Ok(found)) = cache.lookup(&KeyQuery::new(Some(id), &head)) else { panic!() };
                assert_eq!(found.is_some(), known);
            }
            assert_eq!(database.queries(), queries);
            clock.advance(LIFE - Duration::from_millis(1));
            assert_eq!(ask(&cache, id).await, Some(known));
            assert_eq!(database.queries(), queries);
            clock.advance(Duration::from_millis(1));
        }
    }
}

#[tokio::test]
async fn j_03_requests_at_the_same_time_share_one_query() {
    let (clock, database) = (support::clock(), Database::closed());
    let cache = database.cached(&clock);
    for (id, expected) in [("nobody", Some(false)), (KEY_ID, Some(true)), ("broken", None)] {
        let before = database.queries();
        let waiting: Vec<_> = (0..1000).map(|_| tokio::spawn(start(&cache, id))).collect();
        tokio::task::yield_now().await;
        assert_eq!(database.queries(), before + 1);
        database.gate.add_permits(1);
        for answer in waiting {
            assert_eq!(answer.await.unwrap(), expected);
        }
        assert_eq!(database.queries(), before + 1);
    }
    // A failure is told to those who waited, and the next one asks again.
    database.gate.add_permits(1);
    let before = database.queries();
    assert_eq!(ask(&cache, "broken").await, None);
    assert_eq!(database.queries(), before + 1);
}

#[tokio::test]
async fn j_03_for_distinct_ids_16_queries_are_in_flight_four_of_them_for_known_ids() {
    let (clock, database) = (support::clock(), Database::closed());
    let cache = database.cached(&clock);
    // Known, but no more: its time to live is over.
    database.gate.add_permits(1);
    assert_eq!(ask(&cache, KEY_ID).await, Some(true));
    clock.advance(LIFE);
    let before = database.queries();
    let mut waiting: Vec<_> = (0..12).map(|n| Box::pin(start(&cache, &format!("id-{n}")))).collect();
    for one in &mut waiting {
        assert!(futures_util::poll!(one).is_pending());
    }
    for n in 12..1000 {
        assert_eq!(ask(&cache, &format!("id-{n}")).await, None);
    }
    assert_eq!(database.queries(), before + 12);
    let mut partner = Box::pin(start(&cache, KEY_ID));
    assert!(futures_util::poll!(&mut partner).is_pending());
    assert_eq!((database.queries(), database.most.load(Ordering::SeqCst)), (before + 13, 13));
    drop(partner);
    // One that is known already is not held up.
    database.gate.add_permits(1);
    assert_eq!(waiting.remove(0).await, Some(false));
    assert_eq!(ask(&cache, "id-0").await, Some(false));
    // Those that nobody waits for any more make room.
    drop(waiting);
    assert_eq!(database.running.load(Ordering::SeqCst), 0);
    let mut again: Vec<_> = (100..112).map(|n| Box::pin(start(&cache, &format!("id-{n}")))).collect();
    for one in &mut again {
        assert!(futures_util::poll!(one).is_pending());
    }
    assert_eq!(database.running.load(Ordering::SeqCst), 12);
}

#[tokio::test]
async fn when_the_first_leaves_the_second_gets_its_answer() {
    let (clock, database) = (support::clock(), Database::closed());
    let cache = database.cached(&clock);
    let mut first = Box::pin(start(&cache, KEY_ID));
    assert!(futures_util::poll!(&mut first).is_pending());
    let second = tokio::spawn(start(&cache, KEY_ID));
    tokio::task::yield_now().await;
    drop(first);
    database.gate.add_permits(1);
    assert_eq!(second.await.unwrap(), Some(true));
    assert_eq!(database.queries(), 1);
}

#[tokio::test]
async fn unknown_ids_are_bounded_and_displace_no_known_one() {
    let (clock, database) = (support::clock(), Database::open());
    let cache = database.cached(&clock).entries(100);
    for n in 0..50 {
        assert_eq!(ask(&cache, &format!("svc-{n}")).await, Some(true));
    }
    for n in 0..10_000 {
        assert_eq!(ask(&cache, &format!("stranger-{n}")).await, Some(false));
    }
    let queries = database.queries();
    for n in 0..50 {
        assert_eq!(ask(&cache, &format!("svc-{n}")).await, Some(true));
    }
    assert_eq!(database.queries(), queries);
    let text = format!("{cache:?}");
    let unknown: usize = text.split_once(", ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!(unknown <= 100, "{text}");
}

#[tokio::test]
async fn what_is_forgotten_is_asked_again() {
    let (clock, database) = (support::clock(), Database::open());
    let cache = database.cached(&clock);
    for id in [KEY_ID, "nobody"] {
        let known = ask(&cache, id).await;
        cache.clone().forget(id);
        let queries = database.queries();
        assert_eq!(ask(&cache, id).await, known);
        assert_eq!(database.queries(), queries + 1);
    }
}

#[tokio::test]
async fn the_layer_sees_what_the_store_says() {
    let clock = support::clock();
    let cache = Database::open().cached(&clock);
    let layer = || HmacLayer::new(Scheme::native(), cache.clone()).unwrap().clock(clock.clone());
    let empty = |wire: Wire| wire.request(Script::new([]));
    for _ in 0..2 {
        send(layer(), empty(Wire::get("/"))).await.accepted();
        send(layer(), empty(Wire::get("/").key("nobody", KEY_HEX))).await.refused_unread(UnknownKey);
        send(layer(), empty(Wire::get("/").key("broken", KEY_HEX))).await.refused_unread(KeysUnavailable);
    }
}

#[tokio::test]
async fn an_asynchronous_function_is_a_store() {
    let keys = AsyncKeys::new(|id: String| async move {
        tokio::task::yield_now().await;
        match &*id {
            "broken" => Err("no database".into()),
            KEY_ID => Ok(Some(Keys::from(Key::from_hex(&id, KEY_HEX)?))),
            _ => Ok(None),
        }
    });
    assert_eq!(ask(&keys, KEY_ID).await, Some(true));
    assert_eq!(ask(&keys, "nobody").await, Some(false));
    assert_eq!(ask(&keys, "broken").await, None);
    let layer = HmacLayer::new(Scheme::native(), keys).unwrap().clock(support::clock());
    send(layer, Wire::get("/").request(Script::new([]))).await.accepted();
}
