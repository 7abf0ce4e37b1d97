//! What a handler learns from a webhook, and what a replay guard does where it is asked for.

mod support;

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::Full;
use support::body::Script;
use support::schemes::{Sample, one_each, samples};
use support::service::{CountingGuard, Inner, send_to};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::{Clock, ManualClock};
use tower_hmac::replay::{Claimed, ReplayClaim, ReplayGuard};
use tower_hmac::{Answer, HmacBody, HmacLayer, RejectionKind, Verified};

fn find(name: &str) -> Sample {
    one_each().into_iter().find(|sample| sample.name.split(' ').next() == Some(name)).unwrap()
}

/// What the service below finds in the request's extensions.
async fn seen(sample: &Sample, request: Request<Script>) -> Option<Verified> {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let inner = service_fn(move |request: Request<HmacBody<Script>>| {
        *keep.lock().unwrap() = request.extensions().get::<Verified>().cloned();
        async { Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::default())) }
    });
    sample.layer().layer(inner).oneshot(request).await.unwrap();
    kept.lock().unwrap().take()
}

#[tokio::test]
async fn a_handler_learns_key_scheme_time_and_delivery() {
    for sample in samples().iter().filter(|sample| sample.name.contains(' ')) {
        let verified = seen(sample, sample.request()).await.unwrap();
        assert_eq!(verified.key_id().as_str(), "endpoint");
        assert!(sample.name.starts_with(verified.scheme()), "{} {}", sample.name, verified.scheme());
        assert_eq!(verified.timestamp(), sample.signed_at, "{}", sample.name);
        assert_eq!(verified.nonce(), None, "{}", sample.name);
    }
    // What has a nonce says it.
    let native = find("native");
    let nonce = native.head.headers["x-hmac-nonce"].to_str().unwrap().to_owned();
    let verified = seen(&native, native.request()).await.unwrap();
    assert_eq!((verified.nonce(), verified.delivery_id()), (Some(&*nonce), None));
    assert_eq!(seen(&find("list"), find("list").request()).await.unwrap().nonce(), Some("c0ffee"));
}

/// Q: a log of the headers does not show what could be sent again.
#[tokio::test]
async fn the_signature_is_marked_sensitive() {
    for sample in one_each() {
        let inner = service_fn(move |request: Request<HmacBody<Script>>| async move {
            let told = format!("{:?}", request.headers());
            Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::from(told)))
        });
        let response = sample.layer().without_response_signing().layer(inner).oneshot(sample.request()).await.unwrap();
        let told = String::from_utf8(support::service::split(response).await.1.to_vec()).unwrap();
        assert!(told.contains(&format!("\"{}\": Sensitive", sample.header)), "{} {told}", sample.name);
        assert!(!told.contains(&sample.signature), "{} {told}", sample.name);
    }
}

#[tokio::test]
async fn the_delivery_id_is_that_of_the_provider() {
    const NONE: &str = "x-no-such-header";
    for (name, header) in [
        ("github", "x-github-delivery"),
        ("shopify", "x-shopify-webhook-id"),
        ("bitbucket", "x-request-uuid"),
        ("razorpay", "x-razorpay-event-id"),
        ("linear", "linear-delivery"),
        ("box", "box-delivery-id"),
        ("zendesk", "x-zendesk-webhook-invocation-id"),
        ("stripe", NONE),
        ("slack", NONE),
        ("zoom", NONE),
        ("twilio", NONE),
        ("square", NONE),
        ("paddle", NONE),
        ("line", NONE),
        ("dropbox", NONE),
        ("intercom", NONE),
    ] {
        let sample = find(name);
        // It is not signed: another one, or none, is as good.
        for id in [Some("one"), Some("two words"), None] {
            let mut request = sample.request();
            request.headers_mut().remove(header);
            id.map(|id| request.headers_mut().insert(header, id.parse().unwrap()));
            let verified = seen(&sample, request).await.unwrap();
            assert_eq!(verified.delivery_id(), id.filter(|_| header != NONE), "{name}");
        }
        // But it is one, and it is text.
        for ids in [vec!["one", "two"], vec![""], vec!["caf\u{e9}"]] {
            let mut request = sample.request();
            request.headers_mut().remove(header);
            ids.iter().for_each(|id| {
                request.headers_mut().append(header, http::HeaderValue::from_bytes(id.as_bytes()).unwrap());
            });
            assert_eq!(seen(&sample, request).await.is_none(), header != NONE, "{name} {ids:?}");
        }
    }
    for (name, header) in [("standard-webhooks", "webhook-id"), ("svix", "svix-id")] {
        let sample = find(name);
        let id = sample.head.headers[header].to_str().unwrap().to_owned();
        assert_eq!(seen(&sample, sample.request()).await.unwrap().delivery_id(), Some(&*id));
    }
}

async fn send(layer: &HmacLayer, request: Request<Script>) -> Option<RejectionKind> {
    let response = layer.layer(Inner::ok()).oneshot(request).await.unwrap();
    response.extensions().get().copied()
}

#[tokio::test]
async fn without_a_nonce_the_guard_is_off_unless_it_is_asked_for() {
    for sample in one_each() {
        let guarded = sample.head.headers.contains_key("x-hmac-nonce") || sample.value().contains("c0ffee");
        let layer = sample.layer();
        let again = [send(&layer, sample.request()).await, send(&layer, sample.request()).await];
        assert_eq!(again, [None, guarded.then_some(RejectionKind::Replay)], "{}", sample.name);

        let guard = CountingGuard::default();
        let layer = sample.layer().replay_guard(guard.clone());
        let ask = || send_to(layer.clone(), sample.request(), Inner::ok(), &guard);
        assert_eq!((ask().await.kind(), ask().await.kind()), (None, Some(RejectionKind::Replay)), "{}", sample.name);
        assert_eq!(guard.claims(), 2);
    }
}

/// Notes what it is asked.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<(String, String, u64)>>>);

impl ReplayGuard for Asked {
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        let asked = (claim.key_id.to_string(), claim.nonce.to_owned(), claim.valid_until);
        self.0.lock().unwrap().push(asked);
        Claimed::Fresh.into()
    }
}

/// on its bytes, however its signature is spelt.
#[tokio::test]
async fn the_guard_remembers_nonce_or_content_for_the_window_or_for_a_day() {
    let mut names = HashSet::new();
    for sample in one_each() {
        let asked = Asked::default();
        for _ in 0..2 {
            assert_eq!(send(&sample.layer().replay_guard(asked.clone()), sample.request()).await, None);
        }
        let asked = std::mem::take(&mut *asked.0.lock().unwrap());
        assert_eq!(asked[0], asked[1], "{}", sample.name);
        let (key_id, nonce, until) = &asked[0];
        let sent = sample.name == "native" || sample.value().contains(&**nonce) && nonce.len() < 40;
        let window = match sample.signed_at {
            Some(time) if sent => time + 360,
            Some(time) => time + sample.window.0 + 60,
            None => sample.now + 86_400,
        };
        assert_eq!((&**key_id, *until), (sample.key.id().as_str(), window), "{}", sample.name);
        if !sent {
            // As long as a MAC, and none that anybody could send.
            let mac = support::wire::hex(&sample.tag());
            assert!(nonce.len() == mac.len() && *nonce != mac, "{}: {nonce}", sample.name);
            // The same message in the same format is the same, wherever it is read.
            assert!(names.insert(nonce.clone()) || sample.name == "either", "{}", sample.name);
        }
    }
}

#[tokio::test]
async fn an_undated_message_is_forgotten_after_a_day() {
    let (sample, clock) = (find("github"), ManualClock::at(support::NOW));
    let guard = CountingGuard::default();
    let layer = sample.layer().replay_guard(guard.clone()).clock(clock.clone());
    let day = std::time::Duration::from_secs(86_400);
    assert_eq!(send(&layer, sample.request()).await, None);
    clock.advance(day);
    assert_eq!(send(&layer, sample.request()).await, Some(RejectionKind::Replay));
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(clock.now(), Some(support::NOW + 86_401));
    assert_eq!(send(&layer, sample.request()).await, None);
}
