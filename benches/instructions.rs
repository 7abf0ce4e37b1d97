//! A fixed number of requests, for counting instructions: `benches/instructions.sh`.

mod support;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use http_body_util::Full;
use sha2::Sha256;
use support::{Floor, Trivial, body, hex, key, layer, run, signed};
use tower::{Layer, Service};
use tower_hmac::sign::RequestSigner;
use tower_hmac::{HmacLayer, Key, Scheme, webhook};

const REQUESTS: usize = 2000;

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let (payload, answer) = (body(1 << 10), body(1 << 10));
    let signer = RequestSigner::new(Scheme::native(), key()).unwrap();
    let requests: Vec<_> = (0..REQUESTS).map(|_| signed(&signer, &payload)).collect();
    let configured = if mode == "verify" { layer().without_response_signing() } else { layer() };
    let service = configured.layer(Trivial(answer.clone()));
    let floor = Floor::default();
    if mode.starts_with("webhook") {
        return webhooks(&mode, &payload, &answer);
    }
    for request in requests {
        match mode.as_str() {
            "layer" | "verify" => {
                let response = run(service.clone().call(request)).unwrap();
                assert!(response.status().is_success());
            }
            "floor" | "verify-floor" => {
                floor.verify(&payload);
                if mode == "floor" {
                    floor.sign(&answer);
                }
                run(Trivial(answer.clone()).call(request)).unwrap();
            }
            // `cargo bench` runs every bench: nothing to time here.
            _ => {}
        }
    }
}

fn webhooks(mode: &str, payload: &bytes::Bytes, answer: &bytes::Bytes) {
    let secret = "It's a Secret to Everybody";
    let keyed = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let mac = |payload: &[u8]| keyed.clone().chain_update(payload).finalize().into_bytes();
    let signature = HeaderValue::try_from(format!("sha256={}", hex(&mac(payload)))).unwrap();
    let layer = HmacLayer::new(webhook::github(), Key::from_text("github", secret).unwrap()).unwrap();
    let service = layer.layer(Trivial(answer.clone()));
    let delivery = |n: usize| {
        let request = http::Request::post("/hooks").header("x-hub-signature-256", &signature);
        request.header("x-github-delivery", n).body(Full::new(payload.clone())).unwrap()
    };
    for request in (0..REQUESTS).map(delivery).collect::<Vec<_>>() {
        if mode == "webhook" {
            assert!(run(service.clone().call(request)).unwrap().status().is_success());
        } else {
            std::hint::black_box(mac(std::hint::black_box(payload)));
            run(Trivial(answer.clone()).call(request)).unwrap();
        }
    }
}
