//! With feature `tracing`, what the operator must act on is one error event, and it names the setting.
#![cfg(feature = "tracing")]

mod support;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use support::body::Script;
use support::service::{CountingGuard, Inner, Outcome, send_to};
use support::wire::Wire;
use tower_hmac::{HmacLayer, RejectionKind};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Every event of this crate, with its fields as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("tower_hmac") {
            let mut text = Text::default();
            event.record(&mut text);
            self.0.lock().unwrap().push((*event.metadata().level(), text.0));
        }
    }
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

/// Sends one request and returns what was told about it.
fn observed(layer: HmacLayer, inner: Inner, wire: &Wire) -> (Outcome, Vec<(Level, String)>) {
    let (log, guard) = (Log::default(), CountingGuard::default());
    let request = wire.request(Script::bytes(wire.body.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = tracing::subscriber::with_default(tracing_subscriber::registry().with(log.clone()), || {
        runtime.block_on(send_to(layer.replay_guard(guard.clone()), request, inner, &guard))
    });
    let events = log.0.lock().unwrap().clone();
    (outcome, events)
}

fn answering(content_type: &'static str, size: usize) -> Inner {
    Inner::answering(move || {
        let response = Response::builder().header(CONTENT_TYPE, content_type);
        response.body(Full::new(Bytes::from(vec![b'y'; size]))).unwrap()
    })
}

#[test]
fn m_06_an_unsignable_answer_is_one_error_that_names_the_setting() {
    let cases = [
        ("text/plain", 1001, RejectionKind::ResponseTooLarge, "HmacLayer::max_response_body"),
        ("text/event-stream", 1, RejectionKind::ResponseEndless, "HmacLayer::pass_unsigned"),
        ("", 1, RejectionKind::Unsignable, "HmacLayer::pass_unsigned"),
    ];
    for (content_type, size, kind, setting) in cases {
        let layer = support::layer().max_response_body(1000);
        let (outcome, events) = observed(layer, answering(content_type, size), &Wire::get("/"));
        assert_eq!(outcome.kind(), Some(kind));
        let [(level, text)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*level, Level::ERROR);
        assert!(text.contains(setting) && text.contains(&format!("{kind:?}")), "{text}");
    }
}

#[test]
fn a_strangers_request_is_one_debug_event_without_a_byte_of_his() {
    let wire = Wire::post("/secret-path", "secret-body").header("x-secret", "secret-value");
    let forged = Wire { key_hex: "00".repeat(32), key_id: support::KEY_ID.into(), ..wire };
    let (outcome, events) = observed(support::layer(), Inner::ok(), &forged);
    outcome.refused(RejectionKind::BadMac);
    let [(level, text)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*level, Level::DEBUG);
    for part in ["secret", &forged.nonce, &forged.signature(), support::AUTHORITY, support::KEY_HEX] {
        assert!(!text.contains(part), "{text}");
    }
}

#[test]
fn an_accepted_request_is_no_event() {
    let (outcome, events) = observed(support::layer(), Inner::ok(), &Wire::get("/"));
    outcome.accepted();
    assert!(events.is_empty(), "{events:?}");
}
