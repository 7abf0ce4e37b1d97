//! Time of the client layer as a ratio to the service below plus bare crypto, in interleaved rounds.
//!
//! The service below signs its answer, since a nonce cannot be foreseen: one MAC and three headers are its own. The last
//! column leaves it out on both sides.
//!
//! `cargo bench --bench client`

mod support;
#[path = "support/written_out.rs"]
mod written_out;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use support::{Floor, NOW, Times, body, key, run, signed, time, unsigned};
use tower::{Layer, Service};
use tower_hmac::clock::ManualClock;
use tower_hmac::sign::RequestSigner;
use tower_hmac::{HmacClientLayer, Scheme};

const ROUNDS: usize = 101;

fn main() {
    println!("median of {ROUNDS} interleaved rounds; response 1 KiB; ratio = client / (service + bare crypto)\n");
    println!("{:<10} {:>12} {:>12} {:>8} {:>12}", "body", "client", "floor", "ratio", "layer/crypto");
    for (name, len, batch) in [("0 B", 0, 64), ("1 KiB", 1 << 10, 64), ("64 KiB", 64 << 10, 16), ("1 MiB", 1 << 20, 2)]
    {
        measure(name, len, batch);
    }
    against_written_out();
}

/// The least that the scheme costs without a layer, at 1 KiB.
fn against_written_out() {
    let (payload, answer) = (body(1 << 10), body(1 << 10));
    let signer = RequestSigner::new(Scheme::native(), key()).unwrap();
    let (floor, mut peer) = (Floor::with_answers_of("application/json"), Peer::new(answer.clone()));
    let (key, clock, mut times) = (key(), ManualClock::at(NOW), Times::default());
    for _ in 0..ROUNDS {
        let requests: Vec<_> = (0..64).map(|_| at_host(unsigned(&payload))).collect();
        let ready_made: Vec<_> = (0..64).map(|_| at_host(signed(&signer, &payload))).collect();
        let least = time(|| {
            for request in requests {
                black_box(written_out::call(&key, &clock, &mut peer, request).unwrap());
            }
        });
        let bare = time(|| {
            for request in ready_made {
                black_box(run(peer.call(request)).unwrap());
                floor.verify(&payload);
                floor.sign(&answer);
            }
        });
        times.push(least / 64, bare / 64);
    }
    let (least, bare, ratio) = times.medians();
    println!("\n1 KiB, the same written out in one function: {least:.2?}, floor {bare:.2?}, ratio {ratio:.3}");
}

fn measure(name: &str, len: usize, batch: usize) {
    let (payload, answer) = (body(len), body(1 << 10));
    let signer = RequestSigner::new(Scheme::native(), key()).unwrap();
    let (floor, peer) = (Floor::with_answers_of("application/json"), Peer::new(answer.clone()));
    let layer = HmacClientLayer::new(Scheme::native(), key()).unwrap().clock(ManualClock::at(NOW));
    let client = layer.layer(peer.clone());
    let (mut times, mut without) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        let requests: Vec<_> = (0..batch).map(|_| at_host(unsigned(&payload))).collect();
        let ready_made: Vec<_> = (0..batch).map(|_| at_host(signed(&signer, &payload))).collect();
        let ours = time(|| {
            for request in requests {
                black_box(run(client.clone().call(request)).unwrap());
            }
        });
        let service = time(|| {
            for request in ready_made {
                black_box(run(peer.clone().call(request)).unwrap());
            }
        });
        let crypto = time(|| {
            for _ in 0..batch {
                floor.verify(&payload);
                floor.sign(&answer);
            }
        });
        let each = batch as u32;
        times.push(ours / each, (service + crypto) / each);
        without.push(ours.saturating_sub(service) / each, crypto / each);
    }
    let ((ours, bare, ratio), (.., alone)) = (times.medians(), without.medians());
    println!("{name:<10} {ours:>12.2?} {bare:>12.2?} {ratio:>8.3} {alone:>12.3}");
}

fn at_host(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    *request.uri_mut() = "http://127.0.0.1:3000/v1/payments?dry_run=1".parse().unwrap();
    request
}

/// Answers at once with 1 KiB, signed by hand. A handle, as clients for HTTP are.
#[derive(Clone)]
struct Peer(Arc<Answer>);

struct Answer {
    keyed: Hmac<Sha256>,
    body: Bytes,
    digest: HeaderValue,
    time: HeaderValue,
}

impl Peer {
    fn new(body: Bytes) -> Self {
        let digest = HeaderValue::from_str(&base16ct::lower::encode_string(&Sha256::digest(&body))).unwrap();
        let keyed = Hmac::new_from_slice(&[7; 32]).unwrap();
        Self(Arc::new(Answer { keyed, body, digest, time: HeaderValue::from(NOW) }))
    }
}

impl<B> Service<Request<B>> for Peer {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Answer { keyed, body, digest, time } = &*self.0;
        let mut mac = keyed.clone();
        for piece in [
            b"HMAC-SHA256-V1-RESPONSE\nsvc-a\n",
            &request.headers()["x-hmac-signature"].as_bytes()[3..],
            b"\n",
            time.as_bytes(),
            b"\n200\napplication/json\n\n\n",
            digest.as_bytes(),
        ] {
            mac.update(piece);
        }
        let mut text = *b"v1=................................................................";
        base16ct::lower::encode(&mac.finalize().into_bytes(), &mut text[3..]).unwrap();
        let mut response = Response::new(Full::new(body.clone()));
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("x-hmac-timestamp", time.clone());
        headers.insert("x-hmac-content-sha256", digest.clone());
        headers.insert("x-hmac-signature", HeaderValue::from_bytes(&text).unwrap());
        black_box(request);
        ready(Ok(response))
    }
}
