//! A look-up that takes long, or never ends, neither keeps an id from being looked up again nor lengthens the time for
//! which its answer is remembered.
#![cfg(feature = "key-cache")]

mod support;

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::poll;
use support::wire::Wire;
use tower_hmac::{Answer, CachingKeyStore, KeyQuery, KeyStore, Keys, Lookup};

#[tokio::test]
async fn after_five_seconds_another_is_begun() {
    let (clock, asked) = (support::clock(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    let store = move |_: &KeyQuery<'_>| -> Lookup {
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::later(pending()),
            _ => Answer::later(ready(Ok(Some(Keys::from(support::key()))))),
        }
    };
    let cache = CachingKeyStore::new(store, Duration::from_secs(30)).clock(clock.clone());
    let (head, ()) = Wire::get("/").request(()).into_parts();
    let ask = || Box::pin(async { cache.lookup(&KeyQuery::new(Some("svc-a"), &head)).await });
    let mut first = ask();
    assert!(poll!(&mut first).is_pending());
    clock.advance(Duration::from_millis(4999));
    let mut second = ask();
    assert!(poll!(&mut second).is_pending());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    clock.advance(Duration::from_millis(1));
    assert!(ask().await.unwrap().is_some());
    assert!(ask().await.unwrap().is_some());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
}

/// A key may be revoked while the store looks.
#[tokio::test]
async fn the_time_to_live_begins_with_the_question() {
    let (clock, asked) = (support::clock(), Arc::new(AtomicUsize::new(0)));
    let (counted, slow) = (Arc::clone(&asked), clock.clone());
    let store = move |_: &KeyQuery<'_>| -> Lookup {
        counted.fetch_add(1, Ordering::SeqCst);
        let slow = slow.clone();
        Answer::later(async move {
            slow.advance(Duration::from_secs(29));
            Ok(Some(Keys::from(support::key())))
        })
    };
    let cache = CachingKeyStore::new(store, Duration::from_secs(30)).clock(clock.clone());
    let (head, ()) = Wire::get("/").request(()).into_parts();
    let ask = async || cache.lookup(&KeyQuery::new(Some("svc-a"), &head)).await.unwrap().is_some();
    assert!(ask().await && ask().await);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    clock.advance(Duration::from_secs(1));
    assert!(ask().await);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
