//! With `tracing` on, each refusal is one event; no event shows a secret, a signature, a nonce or a body.
#![cfg(feature = "tracing")]

mod support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use http::Request;
use support::body::Script;
use support::service::Inner;
use support::wire::{Wire, unhex};
use support::{KEY_HEX, NOW};
use tower::{Layer, ServiceExt};
use tower_hmac::RejectionKind::{self, *};
use tower_hmac::{Answer, HmacLayer, KeyQuery, Lookup, Scheme};
use tower_http::trace::TraceLayer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

const BODY: &str = "a body that nobody should read in a log";

fn wire() -> Wire {
    Wire::post("/pay", BODY)
}

/// A request that is right but for one header.
fn with(name: &'static str, value: &str) -> (Wire, Request<Script>) {
    let wire = wire();
    let mut request = wire.request(Script::bytes(BODY));
    request.headers_mut().insert(name, value.parse().unwrap());
    (wire, request)
}

fn as_signed(wire: Wire) -> (Wire, Request<Script>) {
    let request = wire.request(Script::bytes(BODY));
    (wire, request)
}

/// Sends one request under a subscriber that takes everything, and returns the events of this crate and all events.
async fn events(layer: HmacLayer, (wire, request): (Wire, Request<Script>)) -> (Option<RejectionKind>, Vec<String>) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    let guard = subscriber.with_writer(move || writer.clone()).set_default();
    let service = TraceLayer::new_for_http().layer(layer.layer(Inner::ok()));
    let response = service.oneshot(request).await.unwrap();
    let kind = response.extensions().get().copied();
    let own_signature = response.headers().get("x-hmac-signature").map(|value| value.to_str().unwrap().to_owned());
    drop(response);
    drop(guard);

    let text = log.take();
    assert!(text.contains("started processing request"), "the subscriber was not asked: {text}");
    let secret = String::from_utf8_lossy(&unhex(KEY_HEX)).into_owned();
    for hidden in [KEY_HEX, &KEY_HEX.to_uppercase(), &secret, &wire.signature(), &wire.nonce, &wire.digest(), BODY] {
        assert!(!text.contains(hidden), "{hidden:?} in {text}");
    }
    assert!(own_signature.is_none_or(|signature| !text.contains(signature.trim_start_matches("v1="))));
    (kind, text.lines().filter(|line| line.contains("tower_hmac")).map(String::from).collect())
}

#[tokio::test]
async fn q_01_an_accepted_request_makes_no_event() {
    let (kind, events) = events(support::layer(), as_signed(wire())).await;
    assert_eq!((kind, events), (None, Vec::new()));
}

#[tokio::test]
async fn q_01_a_refused_request_makes_one_event() {
    let stopped = support::clock();
    stopped.fail();
    let broken = |_: &KeyQuery<'_>| -> Lookup { Answer::Ready(Err("no database".into())) };
    let broken = HmacLayer::new(Scheme::native(), broken).unwrap().clock(support::clock());
    let layer = support::layer;
    let marker = "text-of-a-stranger";
    for (kind, level, layer, request) in [
        (BadMac, "DEBUG", layer(), with("x-hmac-nonce", marker)),
        (Malformed, "DEBUG", layer(), with("x-hmac-signature", marker)),
        (UnknownKey, "DEBUG", layer(), with("x-hmac-key-id", marker)),
        (BadMac, "DEBUG", layer(), with("content-type", marker)),
        (BadMac, "DEBUG", layer(), as_signed(wire().key("svc-a", &"11".repeat(32)))),
        (Stale, "DEBUG", layer(), as_signed(wire().timestamp(NOW - 301))),
        (BodyMismatch, "DEBUG", layer(), (wire(), wire().request(Script::bytes("other")))),
        (AmbiguousTarget, "DEBUG", layer(), with("host", "text of a stranger")),
        (BodyTooLarge, "DEBUG", layer().max_body(1), as_signed(wire())),
        (KeysUnavailable, "ERROR", broken, as_signed(wire())),
        (Clock, "ERROR", layer().clock(stopped), as_signed(wire())),
        (Budget, "ERROR", layer().buffer_budget(1), as_signed(wire())),
        (ResponseTooLarge, "ERROR", layer().max_response_body(1), as_signed(wire())),
    ] {
        let (found, events) = events(layer, request).await;
        assert_eq!(found, Some(kind));
        let [event] = &events[..] else { panic!("{kind:?}: {events:?}") };
        assert!(event.contains(level) && event.contains(&format!("kind={kind:?}")), "{event}");
        assert!(!event.contains(marker) && !event.contains("svc-a"), "{event}");
    }
}
