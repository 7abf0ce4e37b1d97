//! No bit of what a response's signature covers can be changed: its status, fields and body, and the request it answers.

mod support;

use std::collections::BTreeMap;

use http::Version;
use support::vectors::{self, Answered, Asked};
use support::wire::Wire;
use tower_hmac::{Exchange, RejectionKind};

/// Each vector with an answer, that answer, and what the answer is bound to.
fn answered() -> Vec<(Asked, Answered, Exchange)> {
    let whole = vectors::whole().into_iter();
    whole.filter_map(|asked| Some((asked.clone(), asked.answer.clone()?, asked.exchange()))).collect()
}

/// The one kind that a mutant is refused with.
fn expected(field: &str, bytes: &[u8]) -> RejectionKind {
    let hex = |text: &[u8]| text.len() == 64 && text.iter().all(|b| b"0123456789abcdef".contains(b));
    let spelt = match field {
        "body" => return RejectionKind::BodyMismatch,
        "x-hmac-timestamp" => bytes.iter().all(u8::is_ascii_digit) && bytes[0] != b'0',
        "x-hmac-content-sha256" => hex(bytes),
        "x-hmac-signature" => bytes.strip_prefix(b"v1=").is_some_and(hex),
        _ => true,
    };
    if spelt { RejectionKind::BadMac } else { RejectionKind::Malformed }
}

#[test]
fn every_bit_of_fields_and_body_counts() {
    let (mut tried, mut unbuildable, mut refused) = (0, 0, BTreeMap::<_, usize>::new());
    let mut fields = BTreeMap::<_, usize>::new();
    for (asked, answer, exchange) in answered() {
        for (field, bytes, twin) in vectors::flips(&answer, Answered::fields) {
            tried += 1;
            let Some(head) = twin.head() else {
                unbuildable += 1;
                continue;
            };
            let kind = twin.check(&head, &exchange).expect_err(&field);
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(kind, expected(&field, &bytes), "{}: {field} {text:?}", asked.name);
            *refused.entry(format!("{kind:?}")).or_default() += 1;
            *fields.entry(field).or_default() += 1;
        }
    }
    // Counted with Python, from the grammars.
    assert_eq!((tried, unbuildable), (5_048, 405));
    let wanted = [("BadMac", 1_890), ("BodyMismatch", 88), ("Malformed", 2_665)];
    assert_eq!(refused, wanted.map(|(kind, count)| (kind.to_owned(), count)).into());
    let names: Vec<_> = fields.keys().map(String::as_str).collect();
    let ours = ["x-hmac-content-sha256", "x-hmac-signature", "x-hmac-timestamp"];
    assert_eq!(names, [&["body", "content-type", "grpc-message", "grpc-status", "location"][..], &ours].concat());
}

#[test]
fn every_other_status_is_refused() {
    let mut tried = 0;
    for (asked, answer, exchange) in answered() {
        for status in (100..=999).filter(|status| *status != answer.status) {
            let twin = Answered { status, ..answer.clone() };
            let verdict = twin.check(&twin.head().unwrap(), &exchange);
            assert_eq!(verdict, Err(RejectionKind::BadMac), "{}: {status}", asked.name);
            tried += 1;
        }
    }
    assert_eq!(tried, 4 * 899);
}

/// A field that the answer does not have is covered as well.
#[test]
fn no_covered_field_can_be_added_or_removed() {
    let covered = ["content-type", "content-encoding", "location", "grpc-status", "grpc-message"];
    let (mut added, mut removed) = (0, 0);
    for (asked, answer, exchange) in answered() {
        for name in covered {
            let mut head = answer.head().unwrap();
            if head.headers.remove(name).is_some() {
                removed += 1;
            } else if name == "grpc-message" {
                // Means nothing without a status.
                continue;
            } else {
                head.headers.insert(name, "0".parse().unwrap());
                added += 1;
            }
            assert_eq!(answer.check(&head, &exchange), Err(RejectionKind::BadMac), "{}: {name}", asked.name);
        }
    }
    assert_eq!((added, removed), (12, 5));
}

/// The request that a flipped one would have been, had its caller signed it: its answer is no answer to the vector's.
#[test]
fn every_bit_of_the_request_that_is_answered_counts() {
    let (mut other, mut same, mut unsigned) = (BTreeMap::<_, usize>::new(), 0, 0);
    for (asked, answer, exchange) in answered() {
        let head = answer.head().unwrap();
        assert_eq!(answer.check(&head, &exchange), Ok(()));
        for (field, _, mut twin) in vectors::flips(&asked, Asked::fields) {
            if field == "x-hmac-content-sha256" || field == "x-hmac-signature" {
                continue;
            }
            let Some(exchange) = sign_again(&mut twin) else {
                unsigned += 1;
                continue;
            };
            let verdict = answer.check(&head, &exchange);
            if field == "authority" && twin.authority.eq_ignore_ascii_case(&asked.authority) {
                assert_eq!(verdict, Ok(()));
                same += 1;
            } else {
                assert_eq!(verdict, Err(RejectionKind::BadMac), "{}: {field}", asked.name);
                *other.entry(field).or_default() += 1;
            }
        }
    }
    // Counted with Python, from the grammars; but `http` decides what is a target.
    let targets = other.remove("target").unwrap();
    assert!(targets > 408 / 2, "{targets}");
    let wanted = [
        ("authority", 288),
        ("body", 264),
        ("content-type", 376),
        ("method", 74),
        ("x-hmac-key-id", 96),
        ("x-hmac-nonce", 488),
        ("x-hmac-timestamp", 120),
        ("x-request-id", 22),
        ("x-tenant", 32),
    ];
    assert_eq!(other, wanted.map(|(field, count)| (field.to_owned(), count)).into());
    assert_eq!((same, other.values().sum::<usize>() + targets + same + unsigned), (4 * 13, 2_888));
}

/// Signs with the independent signer and verifies; `None` when there is no such request.
fn sign_again(asked: &mut Asked) -> Option<Exchange> {
    let wire: Wire = asked.wire()?;
    asked.now = wire.timestamp.parse().ok()?;
    for (name, value) in wire.fields() {
        asked.headers.iter_mut().find(|(n, _)| n == name).unwrap().1 = value.into();
    }
    let verified = asked.verify(&asked.head(Version::HTTP_11)?);
    Some(verified.ok()?.exchange().clone())
}

#[test]
fn another_secret_under_the_same_id_is_refused() {
    let mut tried = 0;
    for (asked, answer, _) in answered() {
        for bit in 0..256 {
            let mut secret = support::wire::unhex(&asked.key_hex);
            secret[bit / 8] ^= 1 << (bit % 8);
            let mut twin = Asked { key_hex: support::wire::hex(&secret), ..asked.clone() };
            let exchange = sign_again(&mut twin).unwrap();
            assert_eq!(answer.check(&answer.head().unwrap(), &exchange), Err(RejectionKind::BadMac));
            tried += 1;
        }
    }
    assert_eq!(tried, 4 * 256);
}
