//! Refusals as problem details: the status says everything, and all 401s are equal in every byte.

mod support;

use http::{HeaderValue, Response};
use support::body::Script;
use support::service::{Inner, split};
use support::wire::Wire;
use tower::{Layer, ServiceExt};
use tower_hmac::{HmacLayer, ProblemJson, RejectionKind};

async fn ask(layer: HmacLayer, wire: &Wire, spoil: impl FnOnce(&mut http::Request<Script>)) -> (Response<()>, String) {
    let mut request = wire.request(Script::bytes("{}"));
    spoil(&mut request);
    let service = layer.render_refusals(ProblemJson).layer(Inner::ok());
    let (response, body) = split(service.oneshot(request).await.unwrap()).await;
    (response, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn every_401_has_one_text() {
    let wire = Wire::post("/", "{}");
    let stale = wire.clone().timestamp(support::NOW - 301);
    let forged = wire.clone().key("svc-a", &"00".repeat(32));
    let unknown = wire.clone().key("nobody", support::KEY_HEX);
    let mut answers = Vec::new();
    for wire in [&stale, &forged, &unknown] {
        answers.push(ask(support::layer(), wire, |_| ()).await);
    }
    answers.push(ask(support::layer(), &wire, |request| drop(request.headers_mut().remove("x-hmac-nonce"))).await);
    answers.push(ask(support::layer(), &wire, |request| *request.body_mut() = Script::bytes("[]")).await);
    for (response, body) in &answers {
        assert_eq!(response.status(), 401);
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        let wanted = serde_json::json!({"type": "about:blank", "title": "Unauthorized", "status": 401});
        assert_eq!(problem, wanted);
        assert_eq!((response.headers(), body), (answers[0].0.headers(), &answers[0].1));
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["www-authenticate"], "HMAC-SHA256-V1");
    }
    let kinds: Vec<RejectionKind> = answers.iter().map(|(response, _)| *response.extensions().get().unwrap()).collect();
    use RejectionKind::{BadMac, BodyMismatch, Missing, Stale, UnknownKey};
    assert_eq!(kinds, [Stale, BadMac, UnknownKey, Missing, BodyMismatch]);
}

#[tokio::test]
async fn other_statuses_say_what_they_are_and_no_setting() {
    let wire = Wire::post("/", "{}");
    for (layer, status, title) in [
        (support::layer().max_body(1), 413, "Payload Too Large"),
        (support::layer().buffer_budget(1), 503, "Service Unavailable"),
        (support::layer().max_response_body(0), 500, "Internal Server Error"),
    ] {
        let (response, body) = ask(layer, &wire, |_| ()).await;
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((response.status().as_u16(), &problem["status"]), (status, &status.into()));
        assert_eq!(problem["title"], title);
        assert_eq!(problem.as_object().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_grpc_caller_gets_no_json() {
    let wire = Wire::post("/", "{}").key("svc-a", &"00".repeat(32));
    let grpc = HeaderValue::from_static("application/grpc");
    let (response, body) =
        ask(support::layer(), &wire, |request| drop(request.headers_mut().insert("content-type", grpc))).await;
    assert_eq!((response.status().as_u16(), &*body), (200, ""));
    assert_eq!(response.headers()["grpc-status"], "16");
}

#[tokio::test]
async fn a_good_request_is_not_touched() {
    let (response, body) = ask(support::layer(), &Wire::post("/", "{}"), |_| ()).await;
    assert_eq!((response.status().as_u16(), body.contains("about:blank")), (200, false));
}
