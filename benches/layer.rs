//! Time of the layer as a ratio to the trivial service plus bare crypto, in interleaved rounds; and against the
//! middleware that people write by hand, and to the least that the scheme costs.
//!
//! `cargo bench --bench layer`

mod support;
#[path = "support/written_out.rs"]
mod written_out;

use std::hint::black_box;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use sha2::Sha256;
use support::{Floor, Times, Trivial, body, guard, handler, hex, key, layer, run, serve, signed, time};
use tower::{Layer, Service};
use tower_hmac::Scheme;
use tower_hmac::clock::ManualClock;
use tower_hmac::sign::RequestSigner;
use written_out::WrittenOut;

const ROUNDS: usize = 101;

fn main() {
    println!("median of {ROUNDS} interleaved rounds; response 1 KiB; ratio = layer / (service + bare crypto)\n");
    println!("{:<10} {:<12} {:>12} {:>12} {:>8}", "body", "response", "layer", "floor", "ratio");
    for (name, len, batch) in [("0 B", 0, 64), ("1 KiB", 1 << 10, 64), ("64 KiB", 64 << 10, 16), ("1 MiB", 1 << 20, 2)]
    {
        against_floor(name, len, batch, true);
        against_floor(name, len, batch, false);
    }
    println!("\n1 KiB, the same written out in one function:");
    against_written_out(true);
    against_written_out(false);
    println!("\nverify only, axum router, 1 KiB:");
    against_by_hand();
}

fn against_floor(name: &str, len: usize, batch: usize, signs: bool) {
    let (payload, answer) = (body(len), body(1 << 10));
    let signer = RequestSigner::new(Scheme::native(), key()).unwrap();
    let floor = Floor::default();
    let mut times = Times::default();
    let configured = if signs { layer() } else { layer().without_response_signing() };
    let service = configured.layer(Trivial(answer.clone()));
    for _ in 0..ROUNDS {
        let requests: Vec<_> = (0..batch).map(|_| signed(&signer, &payload)).collect();
        let same: Vec<_> = (0..batch).map(|_| signed(&signer, &payload)).collect();
        let ours = time(|| {
            for request in requests {
                let response = run(service.clone().call(request)).unwrap();
                assert!(response.status().is_success());
                black_box(response);
            }
        });
        let bare = time(|| {
            for request in same {
                floor.verify(&payload);
                if signs {
                    floor.sign(&answer);
                }
                black_box(run(Trivial(answer.clone()).call(request)).unwrap());
            }
        });
        times.push(ours / batch as u32, bare / batch as u32);
    }
    let (ours, bare, ratio) = times.medians();
    println!("{name:<10} {:<12} {ours:>12.2?} {bare:>12.2?} {ratio:>8.3}", if signs { "signed" } else { "unsigned" });
}

/// The least that the scheme costs without a layer.
fn against_written_out(signs: bool) {
    let (payload, answer, batch) = (body(1 << 10), body(1 << 10), 64);
    let signer = RequestSigner::new(Scheme::native(), key()).unwrap();
    let (floor, inner) = (Floor::default(), Trivial(answer.clone()));
    let configured = if signs { layer() } else { layer().without_response_signing() };
    let service = configured.layer(inner.clone());
    let (clock, guard) = (ManualClock::at(support::NOW), guard());
    let written_out = WrittenOut { key: key(), clock, guard, signs, inner: inner.clone() };
    let (mut layered, mut least) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        let [ours, theirs, same] = [(); 3].map(|()| (0..batch).map(|_| signed(&signer, &payload)).collect::<Vec<_>>());
        let ours = time(|| {
            for request in ours {
                black_box(run(service.clone().call(request)).unwrap());
            }
        });
        let theirs = time(|| {
            for request in theirs {
                black_box(written_out.clone().serve(request).unwrap());
            }
        });
        let bare = time(|| {
            for request in same {
                floor.verify(&payload);
                if signs {
                    floor.sign(&answer);
                }
                black_box(run(inner.clone().call(request)).unwrap());
            }
        });
        layered.push(ours / batch, theirs / batch);
        least.push(theirs / batch, bare / batch);
    }
    let ((ours, theirs, ratio), (_, bare, least)) = (layered.medians(), least.medians());
    let signed = if signs { "signed" } else { "unsigned" };
    println!("{signed:<10} layer {ours:.2?}, written out {theirs:.2?}, floor {bare:.2?}");
    println!("{:<10} written out / floor {least:.3}, layer / written out {ratio:.3}", "");
}

/// Both verify a 1 KiB body below the same axum router, and sign nothing.
fn against_by_hand() {
    let payload = body(1 << 10);
    let batch = 64;
    let signer = RequestSigner::new(Scheme::native(), key()).unwrap();
    let by_hand = Router::new().route("/v1/payments", post(handler)).layer(from_fn(verify_by_hand));
    let mut times = Times::default();
    let router = Router::new().route("/v1/payments", post(handler)).layer(layer().without_response_signing());
    for _ in 0..ROUNDS {
        let ours: Vec<_> = (0..batch).map(|_| signed(&signer, &payload).map(Body::new)).collect();
        let theirs: Vec<_> = (0..batch).map(|_| signed_by_hand(&payload)).collect();
        times.push(time(|| serve(&router, ours)) / batch, time(|| serve(&by_hand, theirs)) / batch);
    }
    let (ours, theirs, ratio) = times.medians();
    println!("layer {ours:.2?}, by hand {theirs:.2?}, ratio {ratio:.3}");
}

/// A per-request key schedule, the body copied to the end, hex, and a comparison of text.
async fn verify_by_hand(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let (Some(time), Some(signature)) = (head.headers.get("x-timestamp"), head.headers.get("x-signature")) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let sent: u64 = time.to_str().unwrap_or_default().parse().unwrap_or_default();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&body);
    let expected = hex(&mac.finalize().into_bytes());
    if sent.abs_diff(support::NOW) > 300 || expected.as_bytes() != signature.as_bytes() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(Request::from_parts(head, Body::from(body))).await
}

fn signed_by_hand(payload: &Bytes) -> Request {
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    mac.update(format!("{}.", support::NOW).as_bytes());
    mac.update(payload);
    Request::post("/v1/payments?dry_run=1")
        .header("host", "127.0.0.1:3000")
        .header("content-type", "application/json")
        .header("user-agent", "bench/1.0")
        .header("accept", "*/*")
        .header("x-timestamp", support::NOW)
        .header("x-signature", hex(&mac.finalize().into_bytes()))
        .body(Body::new(Full::new(payload.clone())))
        .unwrap()
}
