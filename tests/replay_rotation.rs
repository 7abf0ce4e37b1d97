//! A message without a nonce is known again after its secret was rotated, whichever key is the first by then.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Response};
use http_body_util::Full;
use sha2::Sha256;
use support::NOW;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::ManualClock;
use tower_hmac::replay::MemoryReplayGuard;
use tower_hmac::{HmacBody, HmacLayer, Key, KeyRing, RejectionKind, RingKey, Scheme, webhook};

const OLD: &str = "the old secret of this partner";
const NEW: &str = "the new secret of this partner";

fn key(secret: &str) -> RingKey {
    Key::from_text("partner", secret).unwrap().into()
}

fn mac(secret: &str, text: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(text);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A delivery of each format, signed with these secrets.
type Sender = fn(&[&str], &str) -> Request<Full<Bytes>>;

fn post(header: &str, value: String) -> http::request::Builder {
    Request::post("http://localhost/hooks").header(header, value)
}

fn github(secrets: &[&str], body: &str) -> Request<Full<Bytes>> {
    let request = post("x-hub-signature-256", format!("sha256={}", mac(secrets[0], body)));
    request.body(Full::from(body.to_owned())).unwrap()
}

fn slack(secrets: &[&str], body: &str) -> Request<Full<Bytes>> {
    let signature = format!("v0={}", mac(secrets[0], &format!("v0:{NOW}:{body}")));
    let request = post("x-slack-signature", signature).header("x-slack-request-timestamp", NOW);
    request.body(Full::from(body.to_owned())).unwrap()
}

fn stripe(secrets: &[&str], body: &str) -> Request<Full<Bytes>> {
    let signed = |secret: &&str| format!(",v1={}", mac(secret, &format!("{NOW}.{body}")));
    let value = format!("t={NOW}{}", secrets.iter().map(signed).collect::<String>());
    post("stripe-signature", value).body(Full::from(body.to_owned())).unwrap()
}

async fn ask(layer: &HmacLayer, request: Request<Full<Bytes>>) -> Option<RejectionKind> {
    let service = service_fn(|_: Request<HmacBody<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    layer.layer(service).oneshot(request).await.unwrap().extensions().get().copied()
}

fn guarded(scheme: Scheme, ring: &KeyRing) -> HmacLayer {
    let layer = HmacLayer::new(scheme, ring.clone()).unwrap().clock(ManualClock::at(NOW));
    layer.replay_guard(MemoryReplayGuard::new())
}

#[tokio::test]
async fn h_19_a_spent_message_stays_spent_when_secrets_come_and_go() {
    let formats: [(Scheme, Sender); 3] =
        [(webhook::github(), github), (webhook::slack(), slack), (webhook::stripe(), stripe)];
    for (scheme, send) in formats {
        let ring = KeyRing::new([key(OLD)]).unwrap();
        let layer = guarded(scheme, &ring);
        assert_eq!(ask(&layer, send(&[OLD], "{}")).await, None);
        assert_eq!(ask(&layer, send(&[OLD], "{}")).await, Some(RejectionKind::Replay));
        for keys in [[NEW, OLD], [OLD, NEW]] {
            ring.replace(keys.map(key)).unwrap();
            assert_eq!(ask(&layer, send(&[OLD], "{}")).await, Some(RejectionKind::Replay), "{keys:?}");
        }
        // Another message is another one, and so it is when the old secret is gone.
        assert_eq!(ask(&layer, send(&[NEW], "{1}")).await, None);
        ring.replace([key(NEW)]).unwrap();
        assert_eq!(ask(&layer, send(&[NEW], "{1}")).await, Some(RejectionKind::Replay));
        assert_eq!(ask(&layer, send(&[OLD], "{2}")).await, Some(RejectionKind::BadMac));
        assert_eq!(ask(&layer, send(&[NEW], "{2}")).await, None);
    }
}

#[tokio::test]
async fn of_two_right_signatures_neither_alone_makes_another_message() {
    for keys in [[NEW, OLD], [OLD, NEW]] {
        for less in [[OLD], [NEW]] {
            let ring = KeyRing::new(keys.map(key)).unwrap();
            let layer = guarded(webhook::stripe(), &ring);
            assert_eq!(ask(&layer, stripe(&[OLD, NEW], "{}")).await, None);
            assert_eq!(ask(&layer, stripe(&less, "{}")).await, Some(RejectionKind::Replay), "{keys:?} {less:?}");
            ring.replace(less.map(key)).unwrap();
            assert_eq!(ask(&layer, stripe(&less, "{}")).await, Some(RejectionKind::Replay), "{keys:?} {less:?}");
        }
    }
}

#[tokio::test]
async fn without_a_guard_a_message_passes_as_often_as_it_comes() {
    let ring = KeyRing::new([key(OLD)]).unwrap();
    let layer = guarded(webhook::github(), &ring).without_replay_guard();
    for _ in 0..3 {
        assert_eq!(ask(&layer, github(&[OLD], "{}")).await, None);
    }
}
