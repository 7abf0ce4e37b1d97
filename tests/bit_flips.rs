//! No bit of what a request's signature covers can be changed.

mod support;

use std::collections::BTreeMap;

use http::{Request, Version};
use support::body::Script;
use support::service::send;
use support::vectors::{self, Asked};
use tower_hmac::clock::ManualClock;
use tower_hmac::{HmacLayer, Key, RejectionKind};

/// What became of the mutants of some fields.
#[derive(Debug, Default)]
struct Tally {
    tried: usize,
    /// `http` cannot hold them.
    unbuildable: usize,
    accepted: usize,
    refused: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, verdict: Option<Result<(), RejectionKind>>) {
        self.tried += 1;
        match verdict {
            None => self.unbuildable += 1,
            Some(Ok(())) => self.accepted += 1,
            Some(Err(kind)) => *self.refused.entry(format!("{kind:?}")).or_default() += 1,
        }
    }
}

/// By field: "authority", "target", "others".
type Tallies = BTreeMap<&'static str, Tally>;

fn group<'t>(tallies: &'t mut Tallies, field: &str) -> &'t mut Tally {
    tallies.entry(["authority", "target"].into_iter().find(|name| *name == field).unwrap_or("others")).or_default()
}

/// The numbers were counted with Python, from the grammars. What `http` takes as a URI is its own business: there the
/// mutants only have to be as many as they are, and most of them built.
fn assert_counts(tallies: &Tallies, unknown_keys: usize) {
    let Tally { tried, unbuildable, accepted, refused } = &tallies["others"];
    assert_eq!((*tried, *unbuildable, *accepted), (18_040, 982, 0));
    let wanted = [("BadMac", 4_864 - unknown_keys), ("BodyMismatch", 6_408), ("Malformed", 5_786)];
    let unknown = (unknown_keys > 0).then_some(("UnknownKey", unknown_keys));
    let wanted = wanted.into_iter().chain(unknown).map(|(kind, count)| (kind.to_owned(), count));
    assert_eq!(*refused, wanted.collect());
    for (field, tried, accepted) in [("authority", 952, 91), ("target", 784, 0)] {
        let tally = &tallies[field];
        assert_eq!((tally.tried, tally.accepted), (tried, accepted), "{field}");
        let refused: usize = tally.refused.values().sum();
        assert_eq!(refused + tally.unbuildable, tried - accepted, "{field}");
        assert!(refused > tried / 2, "{field}: {tally:?}");
    }
}

/// The one kind that a mutant is refused with, or `None` where the authority or the target decides.
fn expected(field: &str, bytes: &[u8]) -> Option<RejectionKind> {
    let all = |allowed: fn(&u8) -> bool| bytes.iter().all(allowed);
    let hex = |text: &[u8]| text.len() == 64 && text.iter().all(|b| b"0123456789abcdef".contains(b));
    let spelt = match field {
        "authority" | "target" => return None,
        "body" => return Some(RejectionKind::BodyMismatch),
        "x-hmac-key-id" => all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b)) && bytes[0].is_ascii_alphanumeric(),
        "x-hmac-nonce" => all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)),
        "x-hmac-timestamp" => all(u8::is_ascii_digit) && bytes[0] != b'0',
        "x-hmac-content-sha256" => hex(bytes),
        "x-hmac-signature" => bytes.strip_prefix(b"v1=").is_some_and(hex),
        _ => true,
    };
    Some(if spelt { RejectionKind::BadMac } else { RejectionKind::Malformed })
}

/// Only the case of an authority's letters makes no difference.
fn check(asked: &Asked, field: &str, bytes: &[u8], verdict: Option<Result<(), RejectionKind>>) {
    let Some(verdict) = verdict else { return };
    let text = String::from_utf8_lossy(bytes);
    let same = field == "authority" && bytes.eq_ignore_ascii_case(&asked.authority);
    assert_eq!(verdict.is_ok(), same, "{}: {field} {text:?}", asked.name);
    match (verdict, expected(field, bytes)) {
        (Err(kind), Some(wanted)) => assert_eq!(kind, wanted, "{}: {field} {text:?}", asked.name),
        (Err(kind), None) => assert!(
            matches!(kind, RejectionKind::BadMac | RejectionKind::AmbiguousTarget),
            "{}: {field} {text:?}: {kind:?}",
            asked.name
        ),
        (Ok(()), _) => {}
    }
}

fn flip_all(version: Version) -> Tallies {
    let mut tallies = Tallies::new();
    for asked in vectors::whole() {
        for (field, bytes, twin) in vectors::flips(&asked, Asked::fields) {
            let verdict = twin.head(version).map(|head| twin.verify(&head).map(drop));
            check(&asked, &field, &bytes, verdict);
            group(&mut tallies, &field).add(verdict);
        }
    }
    tallies
}

#[test]
fn every_bit_counts_in_http_1() {
    let tallies = flip_all(Version::HTTP_11);
    assert_counts(&tallies, 0);
    // The authority is a header here, so that its verdicts are known, too.
    let Tally { unbuildable, refused, .. } = &tallies["authority"];
    assert_eq!((*unbuildable, refused["AmbiguousTarget"], refused["BadMac"]), (35, 255, 571));
}

#[test]
fn every_bit_counts_in_http_2() {
    assert_counts(&flip_all(Version::HTTP_2), 0);
}

/// The layer, with a store that knows one key; the service and the guard are not touched by a mutant.
#[tokio::test]
async fn every_bit_counts_to_the_layer() {
    let mut tallies = Tallies::new();
    for asked in vectors::whole() {
        let key = Key::from_hex("svc-a", &asked.key_hex).unwrap();
        let layer = HmacLayer::new(asked.scheme(), key).unwrap().clock(ManualClock::at(asked.now));
        for (field, bytes, twin) in vectors::flips(&asked, Asked::fields) {
            let Some(head) = twin.head(Version::HTTP_11) else {
                group(&mut tallies, &field).add(None);
                continue;
            };
            let outcome = send(layer.clone(), Request::from_parts(head, Script::bytes(twin.body.clone()))).await;
            let verdict = outcome.kind().map_or(Ok(()), Err);
            let touched = usize::from(verdict.is_ok());
            assert_eq!((outcome.calls, outcome.claims), (touched, touched), "{}: {field}", asked.name);
            if verdict == Err(RejectionKind::UnknownKey) {
                assert_eq!((&*field, expected(&field, &bytes)), ("x-hmac-key-id", Some(RejectionKind::BadMac)));
            } else {
                check(&asked, &field, &bytes, Some(verdict));
            }
            group(&mut tallies, &field).add(Some(verdict));
        }
    }
    assert_counts(&tallies, 192);
}
