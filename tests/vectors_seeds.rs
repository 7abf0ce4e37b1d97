//! The formats of `examples/legacy` against messages that the original servers and clients sent and judged.

#[path = "support/seeds.rs"]
mod seeds;
mod support;

use std::collections::HashMap;

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use seeds::{Vector, vectors};
use serde_json::Value;
use sha2::Sha256;
use tower_hmac::clock::ManualClock;
use tower_hmac::sign::{RequestSigner, ResponseSigner};
use tower_hmac::verify::ResponseVerifier;
use tower_hmac::{Exchange, HmacLayer, RejectionKind};

/// Whether a kind is what the word of a vector means. An empty field, and one that is spelt otherwise, are malformed here.
fn means(word: &str, kind: Option<RejectionKind>) -> bool {
    use RejectionKind::{BadMac, Future, Malformed, Missing, Replay, Stale};
    match word {
        "accept" => kind.is_none(),
        "reject:signature" => matches!(kind, Some(BadMac | Malformed)),
        "reject:missing-sig" | "reject:missing-ts" => matches!(kind, Some(Missing | Malformed)),
        "reject:missing" => kind == Some(Missing),
        "reject:malformed" | "reject:malformed-timestamp" => kind == Some(Malformed),
        "reject:stale" => kind == Some(Stale),
        "reject:future" => kind == Some(Future),
        "reject:replay" => kind == Some(Replay),
        other => panic!("{other}"),
    }
}

/// A refusal that the original makes, too, looks like its own. Where the original breaks, it is a refusal.
fn looks_like(vector: &Vector, answer: &Response<Bytes>) {
    let original = &vector.json["expect"];
    if original["result"] == "error" {
        let wrong = vector.json["layer_expect"] == "reject:signature";
        assert_eq!(answer.status().as_u16(), if wrong { 403 } else { 400 }, "{}", vector.name);
    }
    let Some(status) = original["status"].as_u64().filter(|_| original["result"] == "reject") else { return };
    assert_eq!(u64::from(answer.status().as_u16()), status, "{}", vector.name);
    if let Some(body) = original["body"].as_str() {
        assert_eq!(answer.headers()[CONTENT_TYPE], original["content_type"].as_str().unwrap(), "{}", vector.name);
        // One of them indents its JSON when it runs in debug mode.
        match vector.name.ends_with("[server in debug mode]") {
            true => assert_eq!(serde_json::from_slice::<Value>(answer.body()).unwrap(), body.parse::<Value>().unwrap()),
            false => assert_eq!(answer.body(), body.as_bytes(), "{}", vector.name),
        }
    }
}

#[tokio::test]
async fn every_request_gets_its_verdict() {
    let mut layers = HashMap::<String, (HmacLayer, ManualClock)>::new();
    let (mut accepted, mut refused, mut alike) = (0, 0, 0);
    for vector in vectors("request") {
        // Only these are meant to meet the same guard.
        let alone = || format!("{} {} {}", vector.profile, vector.name, accepted + refused);
        let group = if vector.name.starts_with("replay ") { vector.profile.clone() } else { alone() };
        let (layer, clock) =
            layers.entry(group).or_insert_with(|| (vector.layer(), ManualClock::at(vector.now))).clone();
        clock.set(vector.now);
        let (kind, answer) = vector.send(layer, clock).await;
        // Signed over another time than the header's, which is too far ahead: the signature is looked at first.
        let both = vector.name == "signature over now, header ts now+301";
        let word = if both { "reject:signature" } else { vector.json["layer_expect"].as_str().unwrap() };
        assert!(means(word, kind), "{} {}: {kind:?}, not {word}", vector.profile, vector.name);
        match kind {
            None => accepted += 1,
            Some(_) => {
                refused += 1;
                alike += usize::from(vector.json["expect"]["result"] == "reject");
                looks_like(&vector, &answer);
            }
        }
    }
    println!("{accepted} accepted, {refused} refused, {alike} of them as the originals do");
    assert_eq!((accepted, refused, alike), (61, 67, 41));
}

#[tokio::test]
async fn an_altered_one_is_refused() {
    for vector in vectors("request").iter().filter(|vector| vector.is_accepted()) {
        let mut other = Vector { secret: b"another secret".to_vec(), ..vector.clone() };
        assert_eq!(other.send_alone().await, Some(RejectionKind::BadMac), "{} {}", vector.profile, vector.name);
        other.secret = vector.secret.clone();
        let name = vector.signature_header();
        for pair in other.json["headers"].as_array_mut().unwrap() {
            if pair[0].as_str().unwrap().eq_ignore_ascii_case(name) {
                let text = pair[1].as_str().unwrap().to_owned();
                let at = text.len() - 20;
                let new = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
                pair[1] = format!("{}{new}{}", &text[..at], &text[at + 1..]).into();
            }
        }
        assert_eq!(other.send_alone().await, Some(RejectionKind::BadMac), "{} {}", vector.profile, vector.name);
    }
}

/// A signed request to which the answers belong.
fn exchange(vector: &Vector) -> Exchange {
    let (mut head, ()) = Request::get("/example/users").body(()).unwrap().into_parts();
    let signer = RequestSigner::new(vector.scheme(), vector.key()).unwrap();
    signer.begin(&head, vector.now).unwrap().finish(&mut head).unwrap()
}

#[test]
fn every_answer_gets_its_verdict() {
    let (mut accepted, mut refused) = (0, 0);
    for vector in vectors("response") {
        let exchange = exchange(&vector);
        let mut response = Response::new(());
        *response.headers_mut() = vector.headers();
        *response.status_mut() = StatusCode::OK;
        let (mut head, ()) = response.into_parts();
        let verify = |body: &[u8]| {
            let mut verifying = ResponseVerifier::new(vector.scheme()).check(&head, &exchange)?;
            verifying.update(body);
            verifying.finish(&head)
        };
        let kind = verify(&vector.body).err().map(|rejection| rejection.kind());
        let word = vector.json["layer_expect"].as_str().unwrap();
        assert!(means(word, kind), "{}: {kind:?}, not {word}", vector.name);
        if kind.is_some() {
            refused += 1;
            continue;
        }
        accepted += 1;
        let twin = verify(&[&*vector.body, b"x"].concat()).unwrap_err();
        assert_eq!(twin.kind(), RejectionKind::BadMac, "{}", vector.name);
        let time: u64 = head.headers["x-response-content-timestamp"].to_str().unwrap().parse().unwrap();
        let there = head.headers.remove("x-response-content-hmac").unwrap();
        let signer = ResponseSigner::new(vector.scheme());
        let mut signing = signer.begin(&head, &exchange, time).unwrap();
        signing.update(&vector.body);
        signing.finish(&mut head).unwrap();
        assert_eq!(head.headers["x-response-content-hmac"], there, "{}", vector.name);
    }
    assert_eq!((accepted, refused), (10, 3));
}

#[test]
fn a_signer_makes_what_the_callers_sent() {
    let mut made = 0;
    for vector in vectors("request").iter().filter(|vector| vector.is_accepted()) {
        let (mut head, _) = vector.request().into_parts();
        let time = ["x-authorization-timestamp", "x-timestamp"].iter().find_map(|name| head.headers.get(*name));
        let time = time.map(|time| time.to_str().unwrap().to_owned());
        let seconds = time.as_deref().map_or(Some(vector.now), |time| match time.parse() {
            Ok(seconds) => Some(seconds),
            Err(_) => time.parse::<jiff::Timestamp>().ok()?.as_second().try_into().ok(),
        });
        // A signer's nonce is its own; and one vector's time is no time, another's is spelt otherwise.
        let spelt = time.as_deref().is_none_or(|time| vector.profile.starts_with("flask") || time.ends_with('Z'));
        let Some(seconds) = seconds.filter(|_| spelt && vector.profile != "authorization-token") else { continue };
        let there = head.headers.remove(vector.signature_header()).unwrap();
        let signer = RequestSigner::new(vector.scheme(), vector.key()).unwrap();
        let mut signing = signer.begin(&head, seconds).unwrap();
        signing.update(&vector.body);
        signing.finish(&mut head).unwrap();
        assert_eq!(head.headers[vector.signature_header()], there, "{} {}", vector.profile, vector.name);
        made += 1;
    }
    assert_eq!(made, 45);
}

/// There is no server of this format to ask: the text is put together and hashed here.
#[test]
fn a_token_is_what_the_format_says() {
    let vector = vectors("request").into_iter().find(|vector| vector.profile == "authorization-token").unwrap();
    let signer = RequestSigner::new(vector.scheme(), vector.key()).unwrap();
    for body in ["", "{\"amount\":1}"] {
        let (mut head, ()) = Request::post("/identity/v1/hmac/management").body(()).unwrap().into_parts();
        let mut signing = signer.begin(&head, 1_535_617_532).unwrap();
        signing.update(body.as_bytes());
        signing.finish(&mut head).unwrap();
        let token = head.headers["authorization"].to_str().unwrap().strip_prefix("Hmac ").unwrap();
        let (text, signature) = token.rsplit_once(':').unwrap();
        let [id, nonce, time] = text.split(':').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((id, time), ("example-public-key", "1535617532"));
        assert!(nonce.len() == 32 && nonce.bytes().all(|b| b.is_ascii_alphanumeric()), "{nonce}");
        let digest = if body.is_empty() { "" } else { "wrEeZX4S/RdzWWJ8qJQSAY4idNCHPPv88fxQ9oVYLp4=" };
        let mac = Hmac::<Sha256>::new_from_slice(b"example-private-key").unwrap();
        let mac = mac.chain_update(format!("{text}:{digest}")).finalize().into_bytes();
        assert_eq!(signature, Base64::encode_string(&mac));
    }
}
