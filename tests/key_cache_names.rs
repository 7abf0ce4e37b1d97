//! A cache remembers keys under a name, and the store behind it goes by nothing else: the keys of one path, or host, are
//! not those of another.
#![cfg(feature = "key-cache")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::KEY_HEX;
use support::wire::Wire;
use tower_hmac::{CachingKeyStore, HostKeys, Key, KeyQuery, KeyStore, Lookup};

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

    let by_path = CachingKeyStore::new(of_path, LIFE).by(path_of);
    let asked = queries.swap(0, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(found(&by_path, "/hooks/7").await, of("7"));
        assert_eq!(found(&by_path, "/hooks/8").await, of("8"));
        assert_eq!(found(&by_path, "/elsewhere").await, None);
    }
    by_path.forget("/hooks/8");
    assert_eq!(found(&by_path, "/hooks/8").await, of("8"));
    assert_eq!((asked, queries.load(Ordering::SeqCst)), (1, 4));
}

#[tokio::test]
async fn what_was_found_for_one_host_is_not_given_to_another() {
    let hosts = || HostKeys::new([("api.example.com", support::key())]).unwrap();
    let by_host = CachingKeyStore::new(hosts(), LIFE).by(|query| query.head().headers["host"].to_str().unwrap().into());
    for (cache, bound) in [(CachingKeyStore::new(hosts(), LIFE), false), (by_host, true)] {
        for (host, named) in [("api.example.com", true), ("evil.example.com", false), ("api.example.com", true)] {
            let (head, ()) = http::Request::get("/").header("host", host).body(()).unwrap().into_parts();
            let keys = cache.lookup(&KeyQuery::new(None, &head)).await.unwrap();
            assert_eq!(keys.is_some(), bound && named, "{host}");
        }
    }
}
