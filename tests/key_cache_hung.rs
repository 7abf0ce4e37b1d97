//! A look-up that takes long, or never ends, neither keeps an id from being looked up again nor lengthens the time for
//! which its answer is remembered.
#![cfg(feature = "key-cache")]

mod support;

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, poll};
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
    assert!(ask().now_or_never().expect("an answer").unwrap().is_some());
    assert!(ask().now_or_never().expect("an answer").unwrap().is_some());
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

/// Nor does it take the place of other ids, however long it is asked for.
#[tokio::test]
async fn an_id_that_hangs_holds_up_no_other() {
    let (clock, asked) = (support::clock(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    let store = move |query: &KeyQuery<'_>| -> Lookup {
        if query.key_id() == Some("svc-a") {
            return Answer::later(ready(Ok(Some(Keys::from(support::key())))));
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Answer::later(pending())
    };
    let cache = CachingKeyStore::new(store, Duration::from_secs(30)).clock(clock.clone());
    let (head, ()) = Wire::get("/").request(()).into_parts();
    let ask = |id: &'static str| Box::pin(async { cache.lookup(&KeyQuery::new(Some(id), &head)).await });
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let mut hung = ask("hangs");
        assert!(poll!(&mut hung).is_pending());
        waiting.push(hung);
        clock.advance(Duration::from_secs(5));
        assert!(ask("svc-a").now_or_never().expect("an answer").unwrap().is_some());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

/// What was asked first and answered last is what was true before: a key that has been revoked since.
#[tokio::test]
async fn an_older_answer_does_not_replace_a_newer_one() {
    let (clock, asked) = (support::clock(), Arc::new(AtomicUsize::new(0)));
    let answer = Arc::new(tokio::sync::Notify::new());
    let (counted, late) = (Arc::clone(&asked), Arc::clone(&answer));
    let store = move |_: &KeyQuery<'_>| -> Lookup {
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => {
                let late = Arc::clone(&late);
                Answer::later(async move {
                    late.notified().await;
                    Ok(Some(Keys::from(support::key())))
                })
            }
            _ => Answer::later(ready(Ok(None))),
        }
    };
    let cache = CachingKeyStore::new(store, Duration::from_secs(30)).clock(clock.clone());
    let (head, ()) = Wire::get("/").request(()).into_parts();
    let ask = || Box::pin(async { cache.lookup(&KeyQuery::new(Some("svc-a"), &head)).await.unwrap().is_some() });
    let mut first = ask();
    assert!(poll!(&mut first).is_pending());
    clock.advance(Duration::from_secs(5));
    assert_eq!(ask().now_or_never(), Some(false));
    answer.notify_one();
    assert_eq!(first.now_or_never(), Some(true));
    assert_eq!(ask().now_or_never(), Some(false));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
