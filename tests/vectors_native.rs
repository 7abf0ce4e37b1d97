//! The native scheme speaks its vectors byte for byte, in both directions.

mod support;

use http::{HeaderMap, HeaderValue, Request, Version};
use support::body::Script;
use support::service::{Outcome, send};
use support::vectors::{self, Answered, Asked};
use support::wire::{Wire, hex, mac};
use tower_hmac::clock::ManualClock;
use tower_hmac::sign::{RequestSigner, ResponseSigner};
use tower_hmac::verify::ResponseVerifier;
use tower_hmac::{HmacLayer, Key, RejectionKind};

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

fn key(asked: &Asked) -> Key {
    Key::from_hex(str::from_utf8(asked.header("x-hmac-key-id")).unwrap(), &asked.key_hex).unwrap()
}

fn layer(asked: &Asked) -> HmacLayer {
    HmacLayer::new(asked.scheme(), key(asked)).unwrap().clock(ManualClock::at(asked.now))
}

fn request(asked: &Asked, version: Version, body: &[u8]) -> Request<Script> {
    Request::from_parts(asked.head(version).unwrap(), Script::bytes(body.to_vec()))
}

/// The requests that have an answer in the file, each with it.
fn answered() -> Vec<(Asked, Answered)> {
    vectors::whole().into_iter().filter_map(|asked| Some((asked.clone(), asked.answer?))).collect()
}

/// gRPC callers read the refusal in `grpc-status` 16 (unauthenticated).
fn assert_refused(outcome: &Outcome, asked: &Asked, kind: RejectionKind) {
    let grpc = asked.headers.contains(&("content-type".into(), b"application/grpc".into()));
    let status = outcome.response.headers().get("grpc-status").map(HeaderValue::as_bytes);
    let wanted = if grpc { (200, Some(&b"16"[..])) } else { (401, None) };
    assert_eq!((outcome.status().as_u16(), status), wanted, "{}", asked.name);
    assert_eq!((outcome.kind(), outcome.calls, outcome.claims), (Some(kind), 0, 0), "{}", asked.name);
}

fn ours(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let all = headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let mut ours: Vec<_> = all.filter(|(name, _)| name.starts_with("x-hmac-")).collect();
    ours.sort();
    ours
}

#[tokio::test]
async fn the_layer_accepts_every_request() {
    let mut accepted = 0;
    for asked in vectors::whole() {
        for version in VERSIONS {
            send(layer(&asked), request(&asked, version, &asked.body)).await.accepted();
            accepted += 1;
        }
        let longer = [&asked.body[..], b"\0"].concat();
        let outcome = send(layer(&asked), request(&asked, Version::HTTP_11, &longer)).await;
        assert_refused(&outcome, &asked, RejectionKind::BodyMismatch);
    }
    assert_eq!(accepted, 2 * 8);
}

#[test]
fn the_independent_signer_makes_every_string_and_signature() {
    let mut made = 0;
    for asked in vectors::whole() {
        let wire = asked.wire().unwrap();
        assert_eq!(wire.string_to_sign(), asked.string_to_sign.as_bytes(), "{}", asked.name);
        let headers = asked.headers.iter().filter(|(name, _)| name.starts_with("x-hmac-"));
        for ((name, value), (found, wanted)) in wire.fields().iter().zip(headers) {
            assert_eq!((*name, value.as_bytes()), (found.as_str(), &wanted[..]), "{}", asked.name);
            made += 1;
        }
    }
    assert_eq!(made, 8 * 5);
}

#[test]
fn the_independent_checker_accepts_every_answer_and_no_other() {
    let answers = answered();
    for (asked, answer) in &answers {
        let wire = asked.wire().unwrap();
        let head = answer.head().unwrap();
        let mut response = http::Response::from_parts(head, ());
        wire.accepts(&response, &answer.body).unwrap();
        wire.accepts(&response, &[&answer.body[..], b"\0"].concat()).unwrap_err();
        response.headers_mut().insert("location", HeaderValue::from_static("/elsewhere"));
        wire.accepts(&response, &answer.body).unwrap_err();
    }
    assert_eq!(answers.len(), 4);
}

/// Streaming strings and those of trailers included.
#[test]
fn every_signature_is_the_mac_of_its_string() {
    let mut signed = 0;
    for asked in vectors::json().as_array().unwrap() {
        let key = asked["key_hex"].as_str().unwrap();
        for message in [asked, &asked["response"]].into_iter().filter(|message| !message.is_null()) {
            let of = |text: &str| format!("v1={}", hex(&mac(key, message[text].as_str().unwrap().as_bytes())));
            let lists = [&message["request_headers"], &message["response_headers"]];
            let headers = lists.into_iter().find_map(|list| list.as_array()).unwrap();
            assert_eq!(headers.last().unwrap()[1], of("string_to_sign"));
            signed += 1;
            if let Some(trailers) = message["trailers"].as_array() {
                assert_eq!(trailers[0][1], of("trailer_string_to_sign"));
                signed += 1;
            }
        }
    }
    // 10 requests, 6 responses, 4 trailers
    assert_eq!(signed, 20);
}

#[test]
fn a_request_that_the_engine_signs_is_right_for_the_independent_signer() {
    let mut nonces = std::collections::HashSet::new();
    for asked in vectors::whole() {
        for version in VERSIONS {
            let mut head = asked.head(version).unwrap();
            for name in ["key-id", "timestamp", "nonce", "content-sha256", "signature"] {
                head.headers.remove(format!("x-hmac-{name}"));
            }
            let signer = RequestSigner::new(asked.scheme(), key(&asked)).unwrap();
            let mut signing = signer.begin(&head, asked.now).unwrap();
            signing.update(&asked.body);
            let exchange = signing.finish(&mut head).unwrap();
            assert_eq!(exchange.key_id().as_str().as_bytes(), asked.header("x-hmac-key-id"));

            let nonce = head.headers["x-hmac-nonce"].to_str().unwrap();
            assert!(nonce.len() == 22 && nonces.insert(nonce.to_owned()), "{nonce}");
            let wire = Wire { nonce: nonce.into(), ..asked.wire().unwrap() };
            assert_eq!(wire.timestamp, asked.now.to_string());
            let mut wanted = wire.fields().map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec();
            wanted.sort();
            assert_eq!(ours(&head.headers), wanted, "{}", asked.name);
        }
    }
    assert_eq!(nonces.len(), 2 * 8);
}

#[test]
fn the_engine_signs_every_answer_as_the_vectors_do() {
    let answers = answered();
    for (asked, answer) in &answers {
        let wanted = answer.head().unwrap();
        let mut head = wanted.clone();
        let time = head.headers["x-hmac-timestamp"].to_str().unwrap().parse().unwrap();
        for name in ["timestamp", "content-sha256", "signature"] {
            head.headers.remove(format!("x-hmac-{name}"));
        }
        let signer = ResponseSigner::new(asked.scheme());
        let mut signing = signer.begin(&head, &asked.exchange(), time).unwrap();
        signing.update(&answer.body);
        signing.finish(&mut head).unwrap();
        assert_eq!(head.headers.remove("cache-control").unwrap(), "no-store, no-transform");
        assert_eq!(head.headers, wanted.headers, "{}", asked.name);
        assert_eq!(head.status, wanted.status);
    }
    assert_eq!(answers.len(), 4);
}

#[test]
fn every_answer_is_accepted_and_no_other_body() {
    let answers = answered();
    for (asked, answer) in &answers {
        let (head, exchange) = (answer.head().unwrap(), asked.exchange());
        assert_eq!(answer.check(&head, &exchange), Ok(()), "{}", asked.name);
        let longer = Answered { body: [&answer.body[..], b"\0"].concat(), ..answer.clone() };
        assert_eq!(longer.check(&head, &exchange), Err(RejectionKind::BodyMismatch), "{}", asked.name);

        let checked = ResponseVerifier::new(asked.scheme()).check(&head, &exchange).unwrap();
        assert_eq!(checked.timestamp().unwrap().to_string(), head.headers["x-hmac-timestamp"].to_str().unwrap());
        assert_eq!(checked.is_bodiless(), answer.status == 204);
    }
    let statuses: Vec<_> = answers.iter().map(|(asked, answer)| (&*asked.name, answer.status)).collect();
    let wanted = [("post-json", 200), ("get-no-body", 204), ("extra-signed-headers", 303), ("grpc-trailers-only", 200)];
    assert_eq!(statuses, wanted);
}
