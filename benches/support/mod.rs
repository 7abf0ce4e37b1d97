//! What the benches share: signed requests, a trivial service, and the bare crypto that no layer can do without.
#![allow(dead_code, reason = "every bench uses its own part of this")]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::Router;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use tower::{Service, ServiceExt};
use tower_hmac::clock::ManualClock;
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim};
use tower_hmac::sign::RequestSigner;
use tower_hmac::{HmacLayer, Key, KeyId, Scheme};

pub const NOW: u64 = 1_795_303_445;
const SECRET: [u8; 32] = [7; 32];

/// The lengths of the strings to sign of these requests and responses, in bytes.
const REQUEST_TEXT: usize = 188;
const RESPONSE_TEXT: usize = 177;

pub fn key() -> Key {
    Key::from_bytes("svc-a", SECRET).unwrap()
}

pub fn layer() -> HmacLayer {
    HmacLayer::new(Scheme::native(), key()).unwrap().clock(ManualClock::at(NOW)).replay_guard(guard())
}

/// A guard that has been in use: it holds 20 000 entries.
pub fn guard() -> MemoryReplayGuard {
    let (guard, id) = (MemoryReplayGuard::new(), KeyId::new("svc-b").unwrap());
    for n in 0..20_000 {
        let claim = ReplayClaim { key_id: &id, nonce: &format!("nonce-{n:016}"), valid_until: NOW + 360, now: NOW };
        assert_eq!(guard.spend(&claim), Claimed::Fresh);
    }
    guard
}

pub fn body(len: usize) -> Bytes {
    Bytes::from(vec![b'a'; len])
}

pub fn unsigned(body: &Bytes) -> Request<Full<Bytes>> {
    let request = Request::post("/v1/payments?dry_run=1")
        .header("host", "127.0.0.1:3000")
        .header("content-type", "application/json")
        .header("user-agent", "bench/1.0")
        .header("accept", "*/*");
    request.body(Full::new(body.clone())).unwrap()
}

/// A request with a nonce of its own.
pub fn signed(signer: &RequestSigner, body: &Bytes) -> Request<Full<Bytes>> {
    let (head, _) = unsigned(body).into_parts();
    let (request, _) = signer.sign(Request::from_parts(head, body.clone()), NOW).unwrap();
    request.map(Full::new)
}

/// Answers at once with 1 KiB.
#[derive(Clone)]
pub struct Trivial(pub Bytes);

impl<B> Service<Request<B>> for Trivial {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Full::new(self.0.clone()))))
    }
}

/// The hashing that the scheme asks for, with a precomputed key, and nothing else.
pub struct Floor {
    keyed: Hmac<Sha256>,
    text: Vec<u8>,
    answer_type: usize,
}

impl Default for Floor {
    fn default() -> Self {
        Self { keyed: Hmac::new_from_slice(&SECRET).unwrap(), text: vec![b'a'; 256], answer_type: 0 }
    }
}

impl Floor {
    /// For answers with this content type.
    pub fn with_answers_of(content_type: &str) -> Self {
        Self { answer_type: content_type.len(), ..Self::default() }
    }

    pub fn verify(&self, body: &[u8]) {
        black_box(Sha256::digest(black_box(body)));
        self.mac(REQUEST_TEXT);
    }

    pub fn sign(&self, body: &[u8]) {
        black_box(Sha256::digest(black_box(body)));
        self.mac(RESPONSE_TEXT + self.answer_type);
    }

    fn mac(&self, len: usize) {
        let mut mac = self.keyed.clone();
        mac.update(black_box(&self.text[..len]));
        black_box(mac.finalize().into_bytes());
    }
}

/// Polls until the future is ready, as often as it yields.
pub fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Pairs of times, one for each round.
#[derive(Default)]
pub struct Times(Vec<(Duration, Duration)>);

impl Times {
    pub fn push(&mut self, one: Duration, other: Duration) {
        self.0.push((one, other));
    }

    /// Of each side, and of the ratios round by round.
    pub fn medians(mut self) -> (Duration, Duration, f64) {
        let middle = self.0.len() / 2;
        let mut ratios: Vec<f64> = self.0.iter().map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        self.0.sort_by_key(|pair| pair.0);
        let ours = self.0[middle].0;
        self.0.sort_by_key(|pair| pair.1);
        (ours, self.0[middle].1, ratios[middle])
    }
}

pub fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// What people write by hand runs below an axum router, and so does the layer that it is compared with.
pub fn serve(router: &Router, requests: Vec<axum::extract::Request>) {
    for request in requests {
        let response = run(router.clone().oneshot(request)).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        black_box(response);
    }
}

pub async fn handler(body: Bytes) -> StatusCode {
    black_box(body);
    StatusCode::OK
}

/// As the `hex` crate does it: two table look-ups for each byte.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
    digits.map(char::from).collect()
}
