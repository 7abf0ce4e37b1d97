//! A cache remembers keys under a name, and the store behind it goes by nothing else: the keys of one path, or host, are
//! not those of another.
#![cfg(feature = "key-cache")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use support::KEY_HEX;
use support::alloc::{Counting, measure};
use support::wire::Wire;
use tower_hmac::{CachingKeyStore, HostKeys, Key, KeyQuery, KeyRing, KeyStore, Lookup, RingKey};

#[global_allocator]
static HEAP: Counting = Counting;

const LIFE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_was_found_for_one_path_is_not_given_to_another() {
    let queries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&queries);
    let of_path = move |query: &KeyQuery<'_>| -> Lookup {
        counted.fetch_add(1, Ordering::SeqCst);
        let subscriber = query.head().uri.path().strip_prefix("/hooks/");
        subscriber.map(|id| Key::from_hex(id, KEY_HEX).unwrap()).into()
    };
    let path_of = |query: &KeyQuery<'_>| query.head().uri.path().to_owned();
    let found = async |cache: &CachingKeyStore, path: &str| {
        let (head, ()) = Wire::get(path).request(()).into_parts();
        let keys = cache.lookup(&KeyQuery::new(None, &head)).await.unwrap();
        keys.map(|keys| format!("{keys:?}"))
    };
    let of = |id: &str| Some(format!("[Key({id:?}, HMAC-SHA256)]"));

    let by_id = CachingKeyStore::new(of_path.clone(), LIFE);
    assert_eq!([found(&by_id, "/hooks/7").await, found(&by_id, "/hooks/8").await], [None, None]);

    let by_path = CachingKeyStore::new(of_path, LIFE).named_by(path_of);
    let asked = queries.swap(0, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(found(&by_path, "/hooks/7").await, of("7"));
        assert_eq!(found(&by_path, "/hooks/8").await, of("8"));
        assert_eq!(found(&by_path, "/elsewhere").await, None);
    }
    by_path.forget_named(None, "/hooks/8");
    assert_eq!(found(&by_path, "/hooks/8").await, of("8"));
    assert_eq!((asked, queries.load(Ordering::SeqCst)), (1, 4));
}

#[tokio::test]
async fn what_was_found_for_one_host_is_not_given_to_another() {
    let hosts = || HostKeys::new([("api.example.com", support::key())]).unwrap();
    let by_host =
        CachingKeyStore::new(hosts(), LIFE).named_by(|query| query.head().headers["host"].to_str().unwrap().into());
    for (cache, bound) in [(CachingKeyStore::new(hosts(), LIFE), false), (by_host, true)] {
        for (host, named) in [("api.example.com", true), ("evil.example.com", false), ("api.example.com", true)] {
            let (head, ()) = http::Request::get("/").header("host", host).body(()).unwrap().into_parts();
            let keys = cache.lookup(&KeyQuery::new(None, &head)).await.unwrap();
            assert_eq!(keys.is_some(), bound && named, "{host}");
        }
    }
}

/// The key id is part of it: who asks with another one locks nobody out.
#[tokio::test]
async fn a_name_stands_beside_the_key_id() {
    let cache = CachingKeyStore::new(support::key(), LIFE).named_by(|query| query.head().uri.path().to_owned());
    let (head, ()) = Wire::get("/7").request(()).into_parts();
    let known = async |id: &str| cache.lookup(&KeyQuery::new(Some(id), &head)).await.unwrap().is_some();
    assert!(!known("nobody").await && known(support::KEY_ID).await);
}

/// Strangers choose the path.
#[test]
fn long_names_take_no_more_memory_than_short_ones() {
    let nobody = |_: &KeyQuery<'_>| -> Lookup { None::<Key>.into() };
    let cache = CachingKeyStore::new(nobody, LIFE).named_by(|query| query.head().uri.path().to_owned());
    let ((), heap) = measure(|| {
        for n in 0..1000 {
            let (head, ()) = Wire::get(&format!("{}{n}", "/x".repeat(10_000))).request(()).into_parts();
            let found = cache.lookup(&KeyQuery::new(None, &head)).into_future().now_or_never();
            assert!(found.expect("an answer").unwrap().is_none());
        }
    });
    assert!(format!("{cache:?}").contains("1000 unknown"), "{cache:?}");
    assert!(heap.peak < 1 << 20, "{}", heap.peak);
}

#[tokio::test]
async fn a_long_name_is_told_from_another() {
    let queries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&queries);
    let of_path = move |query: &KeyQuery<'_>| -> Lookup {
        counted.fetch_add(1, Ordering::SeqCst);
        query.head().uri.path().ends_with("/7").then(support::key).into()
    };
    let cache = CachingKeyStore::new(of_path, LIFE).named_by(|query| query.head().uri.path().to_owned());
    let known = async |path: &str| {
        let (head, ()) = Wire::get(path).request(()).into_parts();
        cache.lookup(&KeyQuery::new(None, &head)).await.unwrap().is_some()
    };
    let long = "/x".repeat(30_000);
    let paths = [format!("{long}/7"), format!("{long}/8")];
    for _ in 0..2 {
        assert!(known(&paths[0]).await && !known(&paths[1]).await);
    }
    assert_eq!(queries.load(Ordering::SeqCst), 2);
    cache.forget_named(None, &paths[0]);
    assert!(known(&paths[0]).await);
    assert_eq!(queries.load(Ordering::SeqCst), 3);
}

/// However it is spelt, a name is not taken for the digest of another.
#[tokio::test]
async fn a_name_that_looks_like_a_digest_is_none() {
    use sha2::{Digest, Sha256};
    let long = "x".repeat(1000);
    let of_name = |query: &KeyQuery<'_>| -> Lookup { (query.head().uri.path() == "/long").then(support::key).into() };
    let digest = base16ct::lower::encode_string(&Sha256::digest(format!("\n{long}")));
    let cache = CachingKeyStore::new(of_name, LIFE).named_by(move |query| match query.head().uri.path() {
        "/long" => long.clone(),
        _ => format!("\n{digest}"),
    });
    let known = async |path: &str| {
        let (head, ()) = Wire::get(path).request(()).into_parts();
        cache.lookup(&KeyQuery::new(None, &head)).await.unwrap().is_some()
    };
    assert!(known("/long").await && !known("/short").await);
}

/// Two clones that name differently share nothing, and each goes by the clock of the layer.
#[tokio::test]
async fn clones_that_name_differently_share_nothing() {
    let of_path = |query: &KeyQuery<'_>| -> Lookup { (query.head().uri.path() == "/7").then(support::key).into() };
    let base = CachingKeyStore::new(of_path, LIFE);
    let (by_path, by_nothing) = (base.clone().named_by(|_| "/7".to_owned()), base.named_by(|_| "/7".to_owned()));
    let known = async |cache: &CachingKeyStore, path: &str| {
        let (head, ()) = Wire::get(path).request(()).into_parts();
        cache.lookup(&KeyQuery::new(None, &head)).await.unwrap().is_some()
    };
    assert!(known(&by_path, "/7").await && !known(&by_nothing, "/8").await);

    let ring = KeyRing::new([RingKey::from(support::key()).not_after(support::NOW)]).unwrap();
    let (head, ()) = Wire::get("/").request(()).into_parts();
    let clock = support::clock();
    let query = KeyQuery::new(Some(support::KEY_ID), &head).with_clock(&clock);
    assert!(CachingKeyStore::new(ring, LIFE).lookup(&query).await.unwrap().is_some());
}
