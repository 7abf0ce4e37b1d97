//! An accepted request reaches the service once and is answered with a signature; its twins are refused.

mod support;

use support::body::Script;
use support::service::{CountingGuard, Inner, send, send_to};
use support::wire::Wire;
use tower_hmac::RejectionKind;

#[tokio::test]
async fn a_signed_request_is_served_and_its_answer_is_signed() {
    let wire = Wire::post("/v1/payments?dry_run=1", "{\"a\":1}");
    let outcome = send(support::layer(), wire.request(Script::bytes(wire.body.clone()))).await;
    outcome.accepted();
    wire.accepts(&outcome.response, &outcome.body).unwrap();
}

#[tokio::test]
async fn another_body_is_refused() {
    let wire = Wire::post("/v1/payments?dry_run=1", "{\"a\":1}");
    send(support::layer(), wire.request(Script::bytes("{\"a\":2}"))).await.refused(RejectionKind::BodyMismatch);
}

#[tokio::test]
async fn a_second_time_is_refused() {
    let guard = CountingGuard::default();
    let layer = support::layer().replay_guard(guard.clone());
    let wire = Wire::post("/v1/payments?dry_run=1", "{\"a\":1}");
    for kind in [None, Some(RejectionKind::Replay)] {
        let request = wire.request(Script::bytes(wire.body.clone()));
        assert_eq!(send_to(layer.clone(), request, Inner::ok(), &guard).await.kind(), kind);
    }
}
