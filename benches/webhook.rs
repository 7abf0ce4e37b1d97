//! A webhook of 1 KiB: the GitHub description against the same format written by hand, against the bare work, and
//! against the middleware that people write.
//!
//! `cargo bench --bench webhook`

mod support;

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
use http::header::{HeaderName, HeaderValue};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use support::{Times, Trivial, body, handler, hex, run, serve, time};
use tower::{Layer, Service};
use tower_hmac::clock::Tolerance;
use tower_hmac::scheme::{Claim, Claims, Entry, Feed, HeadMut, Message, Protocol, Signatures, Stamp};
use tower_hmac::{HmacLayer, Key, RejectionKind, Scheme, SignError, Tag, webhook};

const ROUNDS: usize = 201;
const BATCH: usize = 64;
const SECRET: &str = "It's a Secret to Everybody";

fn main() {
    println!("median of {ROUNDS} interleaved rounds, GitHub's format, 1 KiB\n");
    let payload = body(1 << 10);
    let key = Key::from_text("github", SECRET).unwrap();
    let described = HmacLayer::new(webhook::github(), key.clone()).unwrap();
    let by_hand = HmacLayer::new(Scheme::from_protocol(ByHand), key.clone()).unwrap();
    let answer = body(0);
    let (one, other) = (described.layer(Trivial(answer.clone())), by_hand.layer(Trivial(answer.clone())));
    let keyed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let (mut floor, mut hand, mut least) = (Times::default(), Times::default(), Times::default());
    for _ in 0..ROUNDS {
        let ours = time(|| delivered(&payload).for_each(|r| drop(black_box(run(one.clone().call(r)).unwrap()))));
        let theirs = time(|| delivered(&payload).for_each(|r| drop(black_box(run(other.clone().call(r)).unwrap()))));
        let written_out =
            time(|| delivered(&payload).for_each(|r| drop(black_box(written_out(r, &key, &answer).unwrap()))));
        let bare = time(|| {
            for request in delivered(&payload) {
                let mut mac = keyed.clone();
                mac.update(black_box(&payload));
                black_box(mac.finalize().into_bytes());
                black_box(run(Trivial(answer.clone()).call(request)).unwrap());
            }
        });
        let made = time(|| delivered(&payload).for_each(|r| drop(black_box(r))));
        let each = BATCH as u32;
        floor.push(ours.saturating_sub(made) / each, bare.saturating_sub(made) / each);
        hand.push(ours.saturating_sub(made) / each, theirs.saturating_sub(made) / each);
        least.push(written_out.saturating_sub(made) / each, bare.saturating_sub(made) / each);
    }
    let (ours, bare, ratio) = floor.medians();
    println!("described {ours:.2?}, service and one HMAC {bare:.2?}, ratio {ratio:.3}");
    let (ours, theirs, ratio) = hand.medians();
    println!("described {ours:.2?}, written by hand as a Protocol {theirs:.2?}, ratio {ratio:.3}");

    let (out, bare, ratio) = least.medians();
    println!("written out in one function {out:.2?}, service and one HMAC {bare:.2?}, ratio {ratio:.3}");

    let recipe = Router::new().route("/hooks", post(handler)).layer(from_fn(recipe));
    let router = Router::new().route("/hooks", post(handler)).layer(described);
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        let (ours, theirs) = (requests(&payload), requests(&payload));
        times.push(time(|| serve(&router, ours)) / BATCH as u32, time(|| serve(&recipe, theirs)) / BATCH as u32);
    }
    let (ours, theirs, ratio) = times.medians();
    println!("below an axum router: layer {ours:.2?}, recipe {theirs:.2?}, ratio {ratio:.3}");
}

fn signature(payload: &Bytes) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(payload);
    format!("sha256={}", hex(&mac.finalize().into_bytes()))
}

fn delivery(payload: &Bytes, signature: &HeaderValue) -> http::Request<Full<Bytes>> {
    http::Request::post("/hooks")
        .header("host", "127.0.0.1:3000")
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
        .header("x-hub-signature-256", signature)
        .body(Full::new(payload.clone()))
        .unwrap()
}

fn delivered(payload: &Bytes) -> impl Iterator<Item = http::Request<Full<Bytes>>> {
    let signature = HeaderValue::try_from(signature(payload)).unwrap();
    (0..BATCH).map(move |_| delivery(payload, &signature))
}

fn requests(payload: &Bytes) -> Vec<Request> {
    delivered(payload).map(|request| request.map(Body::new)).collect()
}

/// What the format asks for and the service wants to know, for one key and one frame; no layer can do less.
fn written_out(request: http::Request<Full<Bytes>>, key: &Key, answer: &Bytes) -> Option<http::Response<Full<Bytes>>> {
    let (mut head, mut body) = request.into_parts();
    let sent = head.headers.get("x-hub-signature-256")?.as_bytes().strip_prefix(b"sha256=")?;
    let delivery = head.headers.get("x-github-delivery")?.to_str().ok()?.to_owned();
    let frame = run(body.frame())?.unwrap().into_data().ok()?;
    let mut mac = key.mac();
    mac.update(&frame);
    let mut spelt = [0; 64];
    base16ct::lower::encode(mac.finish().as_bytes(), &mut spelt).ok()?;
    if !bool::from(spelt.ct_eq(sent)) || !body.is_end_stream() {
        return None;
    }
    head.extensions.insert(std::sync::Arc::new((key.clone(), delivery)));
    run(Trivial(answer.clone()).call(http::Request::from_parts(head, Full::new(frame)))).ok()
}

/// A key schedule for each request, the body copied to the end, hex, and a comparison of text.
async fn recipe(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Some(sent) = head.headers.get("x-hub-signature-256").cloned() else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&body);
    if format!("sha256={}", hex(&mac.finalize().into_bytes())).as_bytes() != sent.as_bytes() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(Request::from_parts(head, Body::from(body))).await
}

/// The same format without the template.
struct ByHand;

const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const DELIVERY: HeaderName = HeaderName::from_static("x-github-delivery");

impl Protocol for ByHand {
    fn name(&self) -> &'static str {
        "github by hand"
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("HMAC")
    }

    fn fields(&self) -> &[HeaderName] {
        static FIELDS: [HeaderName; 2] = [SIGNATURE, DELIVERY];
        &FIELDS
    }

    fn tolerance(&self) -> Option<Tolerance> {
        None
    }

    fn read<'m>(&self, message: &Message<'m>) -> Result<Claims<'m>, RejectionKind> {
        let value = message.header(&SIGNATURE)?.ok_or(RejectionKind::Missing)?.as_bytes();
        let text = value.strip_prefix(b"sha256=").ok_or(RejectionKind::Malformed)?;
        if text.len() != 64 || !text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(RejectionKind::Malformed);
        }
        let mut claim = Claim::default();
        claim.signatures = Signatures::one(text);
        let id = message.header(&DELIVERY)?.map(|value| value.to_str().map_err(|_| RejectionKind::Malformed));
        claim.delivery_id = id.transpose()?;
        Ok(claim.into())
    }

    fn entry(&self, _: &Message<'_>, _: Option<&Claim<'_>>) -> Result<Entry, RejectionKind> {
        Ok(Entry::Raw)
    }

    fn before(&self, _: &Message<'_>, _: &Claim<'_>, _: &mut Feed<'_>) -> Result<(), RejectionKind> {
        Ok(())
    }

    fn stamp<'s>(&self, _: &Message<'s>, _: &Stamp<'s>) -> Result<Claim<'s>, RejectionKind> {
        Ok(Claim::default())
    }

    fn write(&self, _: HeadMut<'_>, _: &Stamp<'_>, _: &[u8], _: &Tag) -> Result<(), SignError> {
        Err(SignError::Header)
    }
}
