//! A key store is asked once for each well-formed request, now or later, and its failure lets nobody in.

mod support;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use support::body::Script;
use support::service::{send, split};
use support::wire::{Wire, hex};
use support::{KEY_HEX, KEY_ID};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::RejectionKind::{self, BadMac, KeysUnavailable, UnknownKey};
use tower_hmac::{Answer, HmacBody, HmacLayer, Key, KeyQuery, KeyStore, Keys, Lookup, MAX_KEYS, Scheme, Verified};

/// Counts look-ups and answers with what a function makes.
#[derive(Clone)]
struct Store {
    lookups: Arc<AtomicUsize>,
    make: Arc<dyn Fn(&KeyQuery<'_>) -> Lookup + Send + Sync>,
}

impl Store {
    fn new(make: impl Fn(&KeyQuery<'_>) -> Lookup + Send + Sync + 'static) -> Self {
        Self { lookups: Arc::default(), make: Arc::new(make) }
    }

    /// Knows these keys, under whatever id it is asked for.
    fn of(keys: Keys) -> Self {
        Self::new(move |_| Some(keys.clone()).into())
    }

    fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    fn layer(&self) -> HmacLayer {
        HmacLayer::new(Scheme::native(), self.clone()).unwrap().clock(support::clock()).drain_limit(0)
    }
}

impl KeyStore for Store {
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        (self.make)(query)
    }
}

fn numbered(number: u8) -> (Key, String) {
    let secret = vec![number; 32];
    (Key::from_bytes(KEY_ID, secret.clone()).unwrap(), hex(&secret))
}

fn empty(wire: &Wire) -> Request<Script> {
    wire.request(Script::bytes(""))
}

#[test]
fn at_most_four_keys_are_accepted_under_one_id() {
    assert_eq!(MAX_KEYS, 4);
    let keys = |count: u8| Keys::new((0..count).map(|n| numbered(n).0));
    assert!(keys(4).is_ok());
    for count in [5, 6, 255] {
        assert!(keys(count).unwrap_err().to_string().contains("more than 4 keys"));
    }
}

#[tokio::test]
async fn each_accepted_key_verifies_and_signs_the_answer() {
    for count in [2, 4] {
        let store = Store::of(Keys::new((0..count).map(|n| numbered(n).0)).unwrap());
        for number in 0..count {
            let wire = Wire::get("/").key(KEY_ID, &numbered(number).1);
            let outcome = send(store.layer(), empty(&wire)).await;
            outcome.accepted();
            wire.accepts(&outcome.response, &outcome.body).unwrap();
            let other = Wire { key_hex: numbered((number + 1) % count).1, ..wire };
            other.accepts(&outcome.response, &outcome.body).unwrap_err();
        }
        let stranger = Wire::get("/").key(KEY_ID, &numbered(count).1);
        send(store.layer(), empty(&stranger)).await.refused_unread(BadMac);
    }
}

#[tokio::test]
async fn a_later_look_up_is_waited_for() {
    const PENDING: usize = 3;
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let store = Store::new(move |query| {
        let id = query.key_id().map(str::to_owned);
        let polls = Arc::clone(&counted);
        let mut left = PENDING;
        Answer::later(async move {
            poll_fn(|cx| {
                polls.fetch_add(1, Ordering::SeqCst);
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            Ok((id.as_deref() == Some(KEY_ID)).then(|| support::key().into()))
        })
    });
    let wire = Wire::post("/", "body");
    send(store.layer(), wire.request(Script::bytes("body"))).await.accepted();
    assert_eq!(polls.load(Ordering::SeqCst), PENDING + 1);

    let wrong = Wire::post("/", "body").key(KEY_ID, &numbered(1).1);
    send(store.layer(), wrong.request(Script::bytes("body"))).await.refused_unread(BadMac);
    let unknown = Wire::post("/", "body").key("svc-b", KEY_HEX);
    send(store.layer(), unknown.request(Script::bytes("body"))).await.refused_unread(UnknownKey);
    assert_eq!(store.lookups(), 3);
}

#[tokio::test]
async fn while_a_look_up_pends_nothing_else_happens() {
    let store = Store::new(|_| Answer::later(std::future::pending()));
    let body = Script::bytes("body");
    let polls = body.polls();
    let service = store.layer().layer(service_fn(|_: Request<HmacBody<Script>>| async {
        unreachable!("no key was found");
        #[expect(unreachable_code, reason = "names the type")]
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    let mut future = once(service.oneshot(Wire::post("/", "body").request(body)));
    for _ in 0..3 {
        assert!(future().is_pending());
    }
    assert_eq!((polls.count(), store.lookups()), (0, 1));
}

/// A function that polls the future once.
fn once<F: Future>(future: F) -> impl FnMut() -> Poll<F::Output> {
    let mut future = Box::pin(future);
    move || future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn one_look_up_for_each_request_and_none_for_a_malformed_one() {
    let store = Store::of(support::key().into());
    let wire = Wire::post("/", "body");
    send(store.layer(), wire.request(Script::bytes("body"))).await.accepted();
    assert_eq!(store.lookups(), 1);
    send(store.layer(), wire.request(Script::bytes("other"))).await.refused(RejectionKind::BodyMismatch);
    assert_eq!(store.lookups(), 2);
    let stale = Wire::post("/", "body").timestamp(1_000_000_000);
    send(store.layer(), stale.request(Script::bytes("body"))).await.refused_unread(RejectionKind::Stale);
    assert_eq!(store.lookups(), 3);

    for (name, _) in wire.fields() {
        for value in [None, Some(""), Some("~")] {
            let mut request = wire.request(Script::bytes("body"));
            match value {
                Some(value) => request.headers_mut().insert(name, value.parse().unwrap()),
                None => request.headers_mut().remove(name),
            };
            let kind = if value.is_some() { RejectionKind::Malformed } else { RejectionKind::Missing };
            send(store.layer(), request).await.refused_unread(kind);
        }
    }
    let mut request = wire.request(Script::bytes("body"));
    request.headers_mut().append("host", "other.example.com".parse().unwrap());
    send(store.layer(), request).await.refused_unread(RejectionKind::AmbiguousTarget);
    assert_eq!(store.lookups(), 3, "a malformed request was looked up");
}

#[tokio::test]
async fn a_store_sees_key_id_and_head() {
    let store = Store::new(|query| {
        let right = query.key_id() == Some(KEY_ID)
            && query.head().uri.path() == "/hooks/7"
            && query.head().headers["x-tenant"] == "acme";
        right.then(support::key).into()
    });
    send(store.layer(), empty(&Wire::get("/hooks/7").header("x-tenant", "acme"))).await.accepted();
    send(store.layer(), empty(&Wire::get("/hooks/8").header("x-tenant", "acme"))).await.refused_unread(UnknownKey);
}

#[derive(Debug, PartialEq)]
struct Tenant(u32);

#[tokio::test]
async fn what_the_store_adds_reaches_the_service() {
    for (keys, wanted) in [
        (Keys::from(support::key()).with_data(Tenant(7)), Some(7)),
        (Keys::from(support::key()).with_data("not a tenant"), None),
        (Keys::from(support::key()), None),
    ] {
        let service = Store::of(keys).layer().layer(service_fn(|request: Request<HmacBody<Script>>| async move {
            let who = request.extensions().get::<Verified>().unwrap();
            let tenant = who.data::<Tenant>().map(|tenant| tenant.0);
            assert_eq!((who.key_id().as_str(), who.scheme(), who.timestamp()), (KEY_ID, "native", Some(support::NOW)));
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("{tenant:?}")))))
        }));
        let (_, body) = split(service.oneshot(empty(&Wire::get("/"))).await.unwrap()).await;
        assert_eq!(body, format!("{wanted:?}"));
    }
}

#[tokio::test]
async fn a_store_that_fails_is_unavailable() {
    let now = Store::new(|_| Answer::Ready(Err("no database".into())));
    let later = Store::new(|_| Answer::later(async { Err("no database".into()) }));
    for store in [now, later] {
        let outcome = send(store.layer(), Wire::post("/", "body").request(Script::bytes("body"))).await;
        outcome.refused_unread(KeysUnavailable);
        assert_eq!(outcome.status(), 503);
        assert!(outcome.response.headers().is_empty());
    }
}

#[tokio::test]
async fn no_key_and_no_keys_are_an_unknown_id() {
    let nothing = Store::new(|_| None::<Key>.into());
    let none_of_them = Store::of(Keys::new([]).unwrap());
    let data_only = Store::of(Keys::new([]).unwrap().with_data(Tenant(1)));
    for store in [nothing, none_of_them, data_only] {
        send(store.layer(), empty(&Wire::get("/"))).await.refused_unread(UnknownKey);
    }
}

#[tokio::test]
async fn a_key_with_another_id_is_unavailable() {
    let other = Key::from_hex("svc-b", KEY_HEX).unwrap();
    let alone = Keys::from(other.clone());
    let beside = Keys::new([support::key(), other.clone()]).unwrap();
    let before = Keys::new([other, support::key()]).unwrap();
    for keys in [alone, beside, before] {
        let request = Wire::post("/", "body").request(Script::bytes("body"));
        send(Store::of(keys).layer(), request).await.refused_unread(KeysUnavailable);
    }
}
