//! What the native scheme asks of a server and of a client, each written out in one function for one case: one key, one
//! frame, nothing to configure, nothing that waits, no limit, no budget. No layer can do less.
#![allow(dead_code, reason = "every bench uses its own part of this")]

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use base64ct::{Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tower::Service;
use tower_hmac::clock::{Clock, ManualClock};
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim};
use tower_hmac::{Key, KeyId};

use crate::support::{Trivial, run};

#[derive(Clone)]
pub struct WrittenOut {
    pub key: Key,
    pub clock: ManualClock,
    pub guard: MemoryReplayGuard,
    pub signs: bool,
    pub inner: Trivial,
}

/// What the caller would learn of the answer.
#[derive(Clone)]
struct Answered(KeyId);

/// What the service would learn of the caller.
#[derive(Clone)]
struct Caller(std::sync::Arc<(Key, u64, String)>);

impl WrittenOut {
    /// `None` is a refusal.
    pub fn serve(&mut self, request: Request<Full<Bytes>>) -> Option<Response<Full<Bytes>>> {
        let (mut head, body) = request.into_parts();
        let field = Fields::walk(&head.headers)?;
        let (key_id, time, nonce) = (field.key_id?, field.time?, field.nonce?);
        let (digest, signature) = (field.digest?, field.signature?.strip_prefix("v1=")?);
        let sent: u64 = time.parse().ok()?;
        let spelt = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let good = time.len() == 10 && (16..=64).contains(&nonce.len()) && spelt(nonce) && spelt(key_id);
        if !good || !is_hex(digest) || !is_hex(signature) || key_id != self.key.id().as_str() {
            return None;
        }
        let mut text = Text::default();
        text.push(&["HMAC-SHA256-V1-REQUEST\n", key_id, "\n", time, "\n", nonce, "\n", head.method.as_str(), "\n"]);
        text.push(&[head.headers.get(HOST)?.to_str().ok()?, "\n", head.uri.path_and_query()?.as_str(), "\n"]);
        text.push(&[field.content_type.unwrap_or_default(), "\n"]);
        text.push(&[field.content_encoding.unwrap_or_default(), "\n", digest]);
        let tag = text.tag(&self.key);
        if !bool::from(hex(&tag, &mut [0; 64]).as_bytes().ct_eq(signature.as_bytes())) {
            return None;
        }
        let now = self.clock.now()?;
        if sent + 300 < now || sent > now + 60 {
            return None;
        }
        let (frame, hash) = read(body)?;
        if hex(&hash, &mut [0; 64]) != digest {
            return None;
        }
        let claim = ReplayClaim { key_id: self.key.id(), nonce, valid_until: sent + 360, now: self.clock.now()? };
        if self.guard.spend(&claim) != Claimed::Fresh {
            return None;
        }
        let caller = Caller(std::sync::Arc::new((self.key.clone(), sent, nonce.to_owned())));
        head.extensions.insert(caller.clone());
        let answered: Result<_, Infallible> = run(self.inner.call(Request::from_parts(head, Full::new(frame))));
        let mut response = answered.ok()?;
        if self.signs {
            response = self.sign(response, &tag)?;
        }
        drop(caller);
        Some(response)
    }

    fn sign(&self, response: Response<Full<Bytes>>, request: &[u8; 32]) -> Option<Response<Full<Bytes>>> {
        let (mut head, body) = response.into_parts();
        let (frame, hash) = read(body)?;
        let now = self.clock.now()?.to_string();
        let mut room = [0; 64];
        let mut all = String::with_capacity(10 + 64 + 67);
        all.push_str(&now);
        all.push_str(hex(&hash, &mut room));
        let mut text = Text::default();
        text.push(&["HMAC-SHA256-V1-RESPONSE\n", self.key.id().as_str(), "\n", hex(request, &mut [0; 64]), "\n"]);
        text.push(&[&now, "\n", head.status.as_str(), "\n\n\n\n", all.get(10..)?]);
        all.push_str("v1=");
        all.push_str(hex(&text.tag(&self.key), &mut room));
        let mut all = Bytes::from(all);
        let mut value = |len: usize| HeaderValue::from_maybe_shared(all.split_to(len)).ok();
        head.headers.insert(HeaderName::from_static("x-hmac-timestamp"), value(10)?);
        head.headers.insert(HeaderName::from_static("x-hmac-content-sha256"), value(64)?);
        head.headers.insert(HeaderName::from_static("x-hmac-signature"), value(67)?);
        let cached = head.headers.entry(CACHE_CONTROL);
        cached.or_insert(HeaderValue::from_static("no-store, no-transform"));
        Some(Response::from_parts(head, Full::new(frame)))
    }
}

/// Signs a request, sends it, and verifies the answer. `None` when anything is not right.
pub fn call<S>(
    key: &Key,
    clock: &ManualClock,
    service: &mut S,
    request: Request<Full<Bytes>>,
) -> Option<Response<Full<Bytes>>>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>>,
{
    let (mut head, body) = request.into_parts();
    let (frame, hash) = read(body)?;
    let (mut random, mut nonce) = ([0; 16], [0; 24]);
    getrandom::fill(&mut random).ok()?;
    let nonce = Base64UrlUnpadded::encode(&random, &mut nonce).ok()?;
    let now = clock.now()?.to_string();
    let field = Fields::walk(&head.headers)?;
    let (mut digest, mut signature) = ([0; 64], [0; 64]);
    let digest = hex(&hash, &mut digest);
    let mut text = Text::default();
    text.push(&[
        "HMAC-SHA256-V1-REQUEST\n",
        key.id().as_str(),
        "\n",
        &now,
        "\n",
        nonce,
        "\n",
        head.method.as_str(),
        "\n",
    ]);
    text.push(&[head.uri.authority()?.as_str(), "\n", head.uri.path_and_query()?.as_str(), "\n"]);
    text.push(&[field.content_type.unwrap_or_default(), "\n"]);
    text.push(&[field.content_encoding.unwrap_or_default(), "\n", digest]);
    let signature = hex(&text.tag(key), &mut signature);
    let mut all = Bytes::from([&now, digest, "v1=", signature, nonce, key.id().as_str()].concat());
    let mut value = |len: usize| HeaderValue::from_maybe_shared(all.split_to(len)).ok();
    let field = HeaderName::from_static;
    head.headers.insert(field("x-hmac-timestamp"), value(10)?);
    head.headers.insert(field("x-hmac-content-sha256"), value(64)?);
    head.headers.insert(field("x-hmac-signature"), value(67)?);
    head.headers.insert(field("x-hmac-nonce"), value(22)?);
    head.headers.insert(field("x-hmac-key-id"), value(key.id().as_str().len())?);

    let response = run(service.call(Request::from_parts(head, Full::new(frame)))).ok()?;
    let (mut head, body) = response.into_parts();
    let field = Fields::walk(&head.headers)?;
    let (time, answered, sent) = (field.time?, field.digest?, field.signature?.strip_prefix("v1=")?);
    if time.len() != 10 || time.parse::<u64>().is_err() || !is_hex(answered) || !is_hex(sent) {
        return None;
    }
    let mut text = Text::default();
    text.push(&["HMAC-SHA256-V1-RESPONSE\n", key.id().as_str(), "\n", signature, "\n", time, "\n"]);
    text.push(&[head.status.as_str(), "\n", field.content_type.unwrap_or_default(), "\n"]);
    text.push(&[field.content_encoding.unwrap_or_default(), "\n\n", answered]);
    let right = hex(&text.tag(key), &mut [0; 64]).as_bytes().ct_eq(sent.as_bytes());
    let (frame, hash) = read(body)?;
    if !bool::from(right) || hex(&hash, &mut [0; 64]) != answered {
        return None;
    }
    head.extensions.insert(Answered(key.id().clone()));
    Some(Response::from_parts(head, Full::new(frame)))
}

#[derive(Default)]
struct Fields<'m> {
    key_id: Option<&'m str>,
    time: Option<&'m str>,
    nonce: Option<&'m str>,
    digest: Option<&'m str>,
    signature: Option<&'m str>,
    content_type: Option<&'m str>,
    content_encoding: Option<&'m str>,
}

impl<'m> Fields<'m> {
    fn walk(headers: &'m HeaderMap) -> Option<Self> {
        let mut fields = Self::default();
        for (name, value) in headers {
            let place = match name.as_str() {
                "x-hmac-key-id" => &mut fields.key_id,
                "x-hmac-timestamp" => &mut fields.time,
                "x-hmac-nonce" => &mut fields.nonce,
                "x-hmac-content-sha256" => &mut fields.digest,
                "x-hmac-signature" => &mut fields.signature,
                "content-type" => &mut fields.content_type,
                "content-encoding" => &mut fields.content_encoding,
                _ => continue,
            };
            if place.replace(value.to_str().ok()?).is_some() {
                return None;
            }
        }
        Some(fields)
    }
}

#[derive(Default)]
struct Text(arrayvec::ArrayVec<u8, 512>);

impl Text {
    fn push(&mut self, pieces: &[&str]) {
        pieces.iter().for_each(|piece| self.0.try_extend_from_slice(piece.as_bytes()).unwrap());
    }

    fn tag(&self, key: &Key) -> [u8; 32] {
        let mut mac = key.mac();
        mac.update(&self.0);
        mac.finish().as_bytes().try_into().unwrap()
    }
}

fn is_hex(text: &str) -> bool {
    let digit = |b: u8| b.wrapping_sub(b'0') < 10 || b.wrapping_sub(b'a') < 6;
    text.len() == 64 && text.bytes().fold(true, |all, b| all & digit(b))
}

fn hex<'r>(bytes: &[u8; 32], room: &'r mut [u8; 64]) -> &'r str {
    base16ct::lower::encode_str(bytes, room).unwrap()
}

/// The one frame of a body, and its hash.
fn read(mut body: Full<Bytes>) -> Option<(Bytes, [u8; 32])> {
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(frame) = std::pin::Pin::new(&mut body).poll_frame(&mut context) else { return None };
    let frame = frame.transpose().ok()?.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
    let hash = Sha256::digest(&frame);
    body.is_end_stream().then(|| (frame, hash.into()))
}
