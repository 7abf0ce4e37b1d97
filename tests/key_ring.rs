//! A ring accepts each key in its time, and is replaced as a whole while requests are in flight.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sha2::{Digest, Sha256};
use support::body::{Script, Step};
use support::service::{Inner, send};
use support::wire::{Wire, hex};
use support::{KEY_ID, NOW};
use tower::{Layer, ServiceExt};
use tower_hmac::RejectionKind::{BadMac, KeysUnavailable, UnknownKey};
use tower_hmac::{Algorithm, HmacLayer, Key, KeyQuery, KeyRing, KeyStore, Lookup, MAX_KEYS, RingKey, Scheme};

fn numbered(id: &str, number: u8) -> (Key, String) {
    let secret = vec![number; 32];
    (Key::from_bytes(id, secret.clone()).unwrap(), hex(&secret))
}

fn ring_key(number: u8) -> RingKey {
    numbered(KEY_ID, number).0.into()
}

fn layer(ring: &KeyRing) -> HmacLayer {
    HmacLayer::new(Scheme::native(), ring.clone()).unwrap().clock(support::clock()).drain_limit(0)
}

fn wire(number: u8) -> Wire {
    Wire::get("/").key(KEY_ID, &numbered(KEY_ID, number).1)
}

async fn accepts(ring: &KeyRing, number: u8, now: u64) -> bool {
    let clock = support::clock();
    clock.set(now);
    let wire = wire(number).timestamp(now);
    let outcome = send(layer(ring).clock(clock), wire.request(Script::new([]))).await;
    if outcome.status() != 200 {
        let none_valid = outcome.kind() == Some(UnknownKey);
        outcome.refused_unread(if none_valid { UnknownKey } else { BadMac });
        return false;
    }
    outcome.accepted();
    // Signed with the secret that the request was signed with, and with no other.
    wire.accepts(&outcome.response, &outcome.body).unwrap();
    Wire { key_hex: numbered(KEY_ID, number + 1).1, ..wire }.accepts(&outcome.response, &outcome.body).unwrap_err();
    true
}

#[tokio::test]
async fn b_08_both_secrets_pass_while_one_replaces_the_other() {
    let ring = KeyRing::new([ring_key(1).not_after(NOW + 10), ring_key(2).not_before(NOW - 10)]).unwrap();
    for (now, old, new) in [
        (NOW - 11, true, false),
        (NOW - 10, true, true),
        (NOW, true, true),
        (NOW + 10, true, true),
        (NOW + 11, false, true),
        (NOW + 10_000, false, true),
    ] {
        assert_eq!((accepts(&ring, 1, now).await, accepts(&ring, 2, now).await), (old, new), "{now}");
        assert!(!accepts(&ring, 3, now).await);
    }
}

#[tokio::test]
async fn when_no_key_of_an_id_is_valid_the_id_is_unknown() {
    let ring = KeyRing::new([ring_key(1).not_before(NOW + 1), ring_key(2).not_after(NOW - 1)]).unwrap();
    for number in [1, 2] {
        send(layer(&ring), wire(number).request(Script::new([]))).await.refused_unread(UnknownKey);
    }
    send(layer(&KeyRing::new([]).unwrap()), wire(1).request(Script::new([]))).await.refused_unread(UnknownKey);
}

#[test]
fn the_first_valid_key_of_an_id_signs() {
    let ring = KeyRing::new([ring_key(2).not_before(NOW), ring_key(1), numbered("other", 3).0.into()]).unwrap();
    let signs = |id: &str, now| ring.signing_key(id, now).map(|key| key.mac().finish().as_bytes().to_vec());
    let tag = |id, number| Some(numbered(id, number).0.mac().finish().as_bytes().to_vec());
    assert_eq!(signs(KEY_ID, NOW - 1), tag(KEY_ID, 1));
    assert_eq!(signs(KEY_ID, NOW), tag(KEY_ID, 2));
    assert_eq!(signs("other", NOW), tag("other", 3));
    assert_eq!(signs("nobody", NOW), None);
}

#[test]
fn b_06_keys_of_two_ids_must_differ_in_effect() {
    let long = vec![7; 65];
    let digest = Sha256::digest(&long).to_vec();
    let same = [
        (vec![1; 32], vec![1; 32]),
        (vec![1; 32], [vec![1; 32], vec![0]].concat()),
        (vec![1; 32], [vec![1; 32], vec![0; 32]].concat()),
        (long, digest),
    ];
    let key = |id: &str, secret: &[u8]| Key::from_bytes(id, secret).unwrap();
    for (one, other) in &same {
        let error = KeyRing::new([key("a", one).into(), key("b", other).into()]).unwrap_err().to_string();
        assert!(error.contains("\"a\"") && error.contains("\"b\"") && error.contains("same"), "{error}");
        // Under one id it is a rotation, if a poor one.
        KeyRing::new([key("a", one).into(), key("a", other).into()]).unwrap();
        let mut near = other.clone();
        near[0] ^= 1;
        KeyRing::new([key("a", one).into(), key("b", &near).into()]).unwrap();
        let sha512 = key("b", other).with_algorithm(Algorithm::HmacSha512);
        KeyRing::new([key("a", one).into(), sha512.into()]).unwrap();
    }
}

#[test]
fn a_ring_that_cannot_be_right_is_an_error() {
    KeyRing::new((0..4).map(ring_key)).unwrap();
    assert_eq!(MAX_KEYS, 4);
    assert!(KeyRing::new((0..5).map(ring_key)).unwrap_err().to_string().contains("more than 4 keys"));
    KeyRing::new([ring_key(1).not_before(NOW).not_after(NOW)]).unwrap();
    let error = KeyRing::new([ring_key(1).not_before(NOW + 1).not_after(NOW)]).unwrap_err();
    assert!(error.to_string().contains("ends before it begins"), "{error}");
    let short = Key::from_bytes(KEY_ID, [1; 8]).unwrap();
    HmacLayer::new(Scheme::native(), KeyRing::new([short.into()]).unwrap()).unwrap_err();
}

#[tokio::test]
async fn b_09_a_replaced_ring_decides_for_the_next_request() {
    let ring = KeyRing::new([ring_key(1)]).unwrap();
    let swap = ring.clone();
    let service = layer(&ring).layer(Inner::ok());
    // The key is revoked while its request is being read: the decision stands.
    let revoke = Step::Do(Box::new(move || swap.replace([ring_key(2)]).unwrap()));
    let post = Wire::post("/", "body").key(KEY_ID, &numbered(KEY_ID, 1).1);
    let request = post.request(Script::new([Step::Yield, revoke, Step::Data("body".into())]));
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let ask = async |number| service.clone().oneshot(wire(number).request(Script::new([]))).await.unwrap().status();
    assert_eq!((ask(1).await.as_u16(), ask(2).await.as_u16()), (401, 200));
    // What cannot be right changes nothing.
    ring.replace((0..5).map(ring_key)).unwrap_err();
    assert_eq!((ask(1).await.as_u16(), ask(2).await.as_u16()), (401, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_swap_shows_nobody_half_a_ring() {
    // Key 1 is accepted all the time, and in every other ring together with key 2.
    let ring = KeyRing::new([ring_key(1)]).unwrap();
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let tasks = (0..3).map(|_| {
        let (service, stop, served) = (layer(&ring).layer(Inner::ok()), Arc::clone(&stop), Arc::clone(&served));
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let response = service.clone().oneshot(wire(1).request(Script::new([]))).await.unwrap();
                assert_eq!(response.status(), 200);
                served.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut swaps = 0;
    while served.load(Ordering::SeqCst) < 2000 {
        let keys = [ring_key(2), ring_key(1)];
        ring.replace(keys.into_iter().skip(swaps % 2)).unwrap();
        swaps += 1;
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(swaps > 10, "{swaps}");
}

#[tokio::test]
async fn a_failed_clock_is_503_where_validity_counts() {
    let (bounded, free) = (KeyRing::new([ring_key(1).not_after(NOW)]).unwrap(), KeyRing::new([ring_key(1)]).unwrap());
    let (head, ()) = wire(1).request(()).into_parts();
    let clock = support::clock();
    clock.fail();
    let query = KeyQuery::new(Some(KEY_ID), &head).with_clock(&clock);
    assert!(matches!(bounded.lookup(&query), Lookup::Ready(Err(_))));
    assert!(matches!(free.lookup(&query), Lookup::Ready(Ok(Some(_)))));
    send(layer(&bounded).clock(clock), wire(1).request(Script::new([]))).await.refused_unread(KeysUnavailable);
}

#[test]
fn a_scheme_without_ids_gets_the_keys_of_the_only_one() {
    let (head, ()) = wire(1).request(()).into_parts();
    let found = |ring: KeyRing| matches!(ring.lookup(&KeyQuery::new(None, &head)), Lookup::Ready(Ok(Some(_))));
    assert!(found(KeyRing::new([ring_key(1), ring_key(2)]).unwrap()));
    assert!(!found(KeyRing::new([ring_key(1), numbered("other", 2).0.into()]).unwrap()));
    assert!(!found(KeyRing::new([]).unwrap()));
}

/// What the service learns of the caller.
async fn tenant(ring: &KeyRing, number: u8) -> Option<Option<u32>> {
    let told = Arc::new(std::sync::Mutex::new(None));
    let tell = Arc::clone(&told);
    let service = tower::service_fn(move |request: http::Request<tower_hmac::HmacBody<Script>>| {
        let who = request.extensions().get::<tower_hmac::Verified>().unwrap();
        *tell.lock().unwrap() = Some(who.data::<u32>().copied());
        async { Ok::<_, std::convert::Infallible>(http::Response::new(Script::new([]))) }
    });
    layer(ring).layer(service).oneshot(wire(number).request(Script::new([]))).await.unwrap();
    let told = told.lock().unwrap();
    *told
}

#[tokio::test]
async fn the_first_valid_key_with_data_gives_it_whichever_signed() {
    let over = || ring_key(1).not_after(NOW - 1).with_data(1_u32);
    let ring = KeyRing::new([over(), ring_key(2), ring_key(3).with_data(3_u32), ring_key(4).with_data(4_u32)]).unwrap();
    for number in [2, 3, 4] {
        assert_eq!(tenant(&ring, number).await, Some(Some(3)), "{number}");
    }
    assert_eq!(tenant(&ring, 1).await, None);
    ring.replace([ring_key(2), over()]).unwrap();
    assert_eq!(tenant(&ring, 2).await, Some(None));
}
