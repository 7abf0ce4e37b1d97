//! The client layer against servers and libraries that nobody here wrote: Flask, FastAPI, and what the webhook providers
//! hand out.

#[allow(dead_code, reason = "the server is for other tests")]
#[path = "../examples/legacy/main.rs"]
mod legacy;
mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request as AxumRequest;
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use support::NOW;
use support::net::start_axum;
use support::peers::{self, Library, Server};
use tower::{Layer, ServiceExt};
use tower_hmac::{
    Algorithm, ClientErrorKind, HmacBody, HmacClient, HmacClientLayer, Key, Scheme, VerifiedResponse, webhook,
};

type Http = Client<HttpConnector, HmacBody<Full<Bytes>>>;

fn client(scheme: Scheme, key: Key) -> HmacClientLayer {
    HmacClientLayer::new(scheme, key).unwrap().clock(support::clock())
}

fn over_http(layer: &HmacClientLayer) -> HmacClient<Http> {
    layer.layer(Client::builder(TokioExecutor::new()).build_http())
}

fn request(server: SocketAddr, method: &str, target: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(format!("http://{server}{target}"));
    request.header("content-type", "application/json").body(Full::from(body)).unwrap()
}

#[tokio::test]
async fn fastapi_takes_what_the_client_signs() {
    if !peers::installed() {
        return;
    }
    let process = Server::start("fastapi_server.py", &[("SECRET", "secret-key")]);
    let server = process.address;
    let body = r#"{"mac_address":"12:34:56:78:9a:bc","timestamp":1795303445}"#;
    for (secret, status) in [("secret-key", 200), ("another-key", 403)] {
        let layer = client(legacy::members::scheme().unwrap(), Key::from_text("device", secret).unwrap());
        let response = over_http(&layer).oneshot(request(server, "POST", "/verify", body)).await.unwrap();
        assert_eq!(response.status(), status);
        // This format signs no responses: nothing says that one was verified.
        assert!(response.extensions().get::<VerifiedResponse>().is_none());
    }
}

#[tokio::test]
async fn flask_is_asked_and_its_answer_verified() {
    if !peers::installed() {
        return;
    }
    let secrets = [("SUFFIX_SECRET", "your_secret_key"), ("LINES_SECRET", "your-chosen-secret-key")];
    let process = Server::start("flask_server.py", &[secrets[0], secrets[1], ("FIXED_TIME", &NOW.to_string())]);
    let server = process.address;
    let key = |secret| Key::from_text("reports", secret).unwrap().with_algorithm(Algorithm::LegacySuffixSha256);
    let ask = || request(server, "GET", "/example/users?user=a%20b", "");
    let layer = client(legacy::suffix::scheme().unwrap(), key("your_secret_key"));
    let response = over_http(&layer).oneshot(ask()).await.unwrap();
    assert!(response.extensions().get::<VerifiedResponse>().is_some());
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{\"result\": \"ok\"}");

    // Its refusals are unsigned: an error, which shows them.
    let layer = client(legacy::suffix::scheme().unwrap(), key("another_key"));
    let error = over_http(&layer).oneshot(ask()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Unsigned);
    assert_eq!(error.unverified_response().unwrap().status(), 400);

    let lines = client(legacy::lines::server().unwrap(), Key::from_text("pay", "your-chosen-secret-key").unwrap());
    let payment = request(server, "POST", "/api/v1/payment", r#"{"amount":5000,"currency":"JPY"}"#);
    assert_eq!(over_http(&lines).oneshot(payment).await.unwrap().status(), 200);
}

/// The libraries judge what arrived at a server.
#[tokio::test(flavor = "multi_thread")]
async fn the_providers_libraries_accept_what_the_client_sends() {
    if !peers::installed() {
        return;
    }
    let arrived = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&arrived);
    let app = Router::new().fallback(async move |request: AxumRequest| {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, 4096).await.unwrap();
        *keep.lock().unwrap() = Some((head.uri, head.headers, String::from_utf8(body.to_vec()).unwrap()));
        "taken"
    });
    let server = start_axum(app).await;
    let (mut python, mut node) = (Library::python(), Library::node());
    let whsec = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let twilio = || webhook::twilio(&format!("http://{server}")).unwrap();
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    for (name, scheme, secret, kind) in [
        ("stripe", webhook::stripe(), "whsec_test_secret", json),
        ("slack", webhook::slack(), "8f742231b10e8888abcd99yyyzzz85a5", json),
        ("standard", webhook::standard(), whsec, json),
        ("svix", webhook::svix(), whsec, json),
        ("github", webhook::github(), "It's a Secret to Everybody", json),
        ("twilio", twilio(), "12345", json),
        ("twilio", twilio(), "12345", form),
    ] {
        let key = match name {
            "standard" | "svix" => Key::from_whsec("endpoint", secret).unwrap(),
            "twilio" => Key::from_text("endpoint", secret).unwrap().with_algorithm(Algorithm::HmacSha1),
            _ => Key::from_text("endpoint", secret).unwrap(),
        };
        let layer = HmacClientLayer::new(scheme, key).unwrap();
        let body = if kind == form { "Note=%C3%A9&Id=evt_1" } else { r#"{"id":"evt_1","note":"é"}"# };
        let mut delivery = request(server, "POST", "/hooks", body);
        delivery.headers_mut().insert("content-type", HeaderValue::from_static(kind));
        assert_eq!(over_http(&layer).oneshot(delivery).await.unwrap().status(), 200);
        let (target, headers, body) = arrived.lock().unwrap().take().unwrap();
        let headers: Value = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let library = if name == "github" { &mut node } else { &mut python };
        for (body, accepts) in [(body.clone(), true), (body.replace("evt_1", "evt_2"), false)] {
            let url = format!("http://{server}{target}");
            let question = json!({
                "library": name, "sign": false, "secret": secret, "body": body, "url": url, "headers": headers,
            });
            assert_eq!(library.ask(&question), json!({ "accepts": accepts }), "{name} {kind}");
        }
    }
}
