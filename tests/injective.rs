//! Two messages that differ never share a signature, however their bytes are moved about.

mod support;

use std::cell::Cell;

use http::Version;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use sha2::{Digest, Sha256};
use support::vectors::{self, Answered, Asked};
use support::wire::hex;
use tower_hmac::RejectionKind;
use tower_hmac::sign::ResponseSigner;

/// What a message says, in the order in which it is signed; `None` is absent.
///
/// Request: key id, nonce, method, authority, target, content-type, content-encoding, x-a, x-b, body.
/// Response: status, content-type, content-encoding, location, three gRPC fields, body.
type Fields = Vec<Option<Vec<u8>>>;

const REQUEST: [(usize, &str); 6] =
    [(0, "x-hmac-key-id"), (1, "x-hmac-nonce"), (5, "content-type"), (6, "content-encoding"), (7, "x-a"), (8, "x-b")];

const RESPONSE: [(usize, &str); 6] = [
    (1, "content-type"),
    (2, "content-encoding"),
    (3, "location"),
    (4, "grpc-status"),
    (5, "grpc-message"),
    (6, "grpc-status-details-bin"),
];

/// Delimiters, names of signed headers, and what stands in other fields.
const ATOMS: [&str; 16] =
    [":", " ", "\t", "\\n", ",", "a", "b", "x-a:", "x-b:", "grpc-message:", "/", "?", "#", "%0A", "1", "gzip"];

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    let text = vec(select(&ATOMS[..]), 1..4).prop_map(|atoms| atoms.concat());
    let text = text.prop_filter("not blank", |text| !text.trim().is_empty());
    prop_oneof![1 => Just(None), 3 => text.prop_map(|text| Some(text.into_bytes()))]
}

fn text(pattern: &'static str) -> impl Strategy<Value = Option<Vec<u8>>> {
    pattern.prop_map(|text| Some(text.into_bytes()))
}

fn request() -> impl Strategy<Value = Fields> {
    let start =
        (text("[a-c][a-c._-]{0,2}"), text("[a-c_-]{16,17}"), text("[A-C.]{1,3}"), text("[a-cA-C]{1,3}(:[1-3])?"));
    let rest = (text("/[a-c/:?&=.;]{0,4}"), value(), value(), value(), value(), text("[a-c: ]{0,2}"));
    (start, rest).prop_map(|((k, n, m, a), (t, b, c, d, e, f))| vec![k, n, m, a, t, b, c, d, e, f])
}

fn response() -> impl Strategy<Value = Fields> {
    let start = (text("20[0-3]|4[0-2][0-9]"), value(), value(), value());
    let rest = (value(), value(), value(), text("[a-c: ]{0,2}"));
    (start, rest).prop_map(|((a, b, c, d), (e, f, g, h))| vec![a, b, c, d, e, f, g, h])
}

/// Makes a forger's message of one that was signed and one that was not.
fn forge(signed: &Fields, other: &Fields, how: u8, at: usize) -> Fields {
    let mut forged = signed.clone();
    let (here, next) = (at % signed.len(), (at + 1) % signed.len());
    let (mut one, mut two) = (forged[here].clone().unwrap_or_default(), forged[next].clone().unwrap_or_default());
    match how {
        0 => return other.clone(),
        1 => forged[here] = other[here].clone(),
        2 => forged.swap(here, next),
        3 => forged[here] = if signed[here].is_some() { None } else { Some(Vec::new()) },
        // The same to every reader: blanks, and the case of an authority.
        4 => {
            let padded = |value: &mut Vec<u8>| *value = [b" ", &value[..], b"\t"].concat();
            let headers = forged.len() - 5..forged.len() - 1;
            forged[headers].iter_mut().flatten().for_each(padded);
            forged[here].iter_mut().for_each(|value| value.make_ascii_uppercase());
        }
        // Bytes go over to the neighbour, and nothing else changes.
        5 => {
            two = one.pop().into_iter().chain(two).collect();
            (forged[here], forged[next]) = (Some(one), Some(two));
        }
        6 => {
            one.extend(two.drain(..two.len().min(1)));
            (forged[here], forged[next]) = (Some(one), Some(two));
        }
        _ => {
            one.extend([&b":"[..], b" ", b"\n", b""][usize::from(how) % 4]);
            one.append(&mut two);
            (forged[here], forged[next]) = (Some(one), None);
        }
    }
    forged
}

/// Without blanks; `Err` when nothing is left, which is refused.
fn header(value: &Option<Vec<u8>>) -> Result<Option<Vec<u8>>, ()> {
    match value.as_ref().map(|value| value.trim_ascii().to_vec()) {
        Some(value) if value.is_empty() => Err(()),
        value => Ok(value),
    }
}

/// What a request says, however it is written; `Err` when it cannot be accepted at all.
fn request_meaning(fields: &Fields) -> Result<Fields, ()> {
    let mut meaning = fields.clone();
    let authority = fields[3].clone().unwrap_or_default().to_ascii_lowercase();
    let mut target = fields[4].clone().unwrap_or_default();
    target.truncate(target.iter().position(|b| *b == b'#').unwrap_or(target.len()));
    if target.first().is_none_or(|b| *b == b'?') {
        target.insert(0, b'/');
    }
    (meaning[3], meaning[4]) = (Some(authority.trim_ascii().to_vec()), Some(target));
    for at in 5..9 {
        meaning[at] = header(&fields[at])?;
    }
    meaning[9].get_or_insert_default();
    Ok(meaning)
}

/// As [`request_meaning`]: without a status the other gRPC fields say nothing, and with one they may be empty.
fn response_meaning(fields: &Fields) -> Result<Fields, ()> {
    let mut meaning = fields.clone();
    for at in 1..4 {
        meaning[at] = header(&fields[at])?;
    }
    for at in 4..7 {
        let value = fields[at].clone().unwrap_or_default().trim_ascii().to_vec();
        meaning[at] = fields[4].is_some().then_some(value);
    }
    meaning[7].get_or_insert_default();
    Ok(meaning)
}

fn asked(fields: &Fields, signature: &str) -> Asked {
    let field = |at: usize| fields[at].clone().unwrap_or_default();
    let ours = [
        ("x-hmac-timestamp", support::NOW.to_string()),
        ("x-hmac-content-sha256", hex(&Sha256::digest(field(9)))),
        ("x-hmac-signature", format!("v1={signature}")),
    ];
    let theirs = REQUEST.into_iter().filter_map(|(at, name)| Some((name.to_owned(), fields[at].clone()?)));
    Asked {
        key_hex: support::KEY_HEX.into(),
        method: field(2),
        authority: field(3),
        target: field(4),
        headers: theirs.chain(ours.map(|(name, value)| (name.to_owned(), value.into()))).collect(),
        extra: vec!["x-a".into(), "x-b".into()],
        body: field(9),
        now: support::NOW,
        ..Asked::default()
    }
}

fn answered(fields: &Fields, ours: &[(String, Vec<u8>)]) -> Answered {
    let field = |at: usize| fields[at].clone().unwrap_or_default();
    let theirs = RESPONSE.into_iter().filter_map(|(at, name)| Some((name.to_owned(), fields[at].clone()?)));
    Answered {
        // What is no number stands for a status that cannot be held.
        status: String::from_utf8(field(0)).ok().and_then(|text| text.parse().ok()).unwrap_or(0),
        headers: theirs.chain(ours.iter().cloned()).collect(),
        body: field(7),
        ..Answered::default()
    }
}

/// `None` when `http` cannot hold the message.
type Verdict = Option<Result<(), RejectionKind>>;

/// How the forged messages fared: the runs must not be empty.
#[derive(Default)]
struct Seen {
    same: Cell<usize>,
    refused: Cell<usize>,
    /// Refused, although the bytes of all fields together are those that were signed.
    moved: Cell<usize>,
}

impl Seen {
    /// `same`: the forged message says what the signed one does.
    fn judge(&self, [signed, forged]: [&Fields; 2], same: bool, verdict: Verdict) -> Result<(), TestCaseError> {
        let Some(verdict) = verdict else { return Ok(()) };
        prop_assert_eq!(verdict.is_ok(), same, "{:?}", verdict);
        let all = |fields: &Fields| fields.iter().flatten().flatten().copied().collect::<Vec<_>>();
        let count = |counter: &Cell<usize>| counter.set(counter.get() + 1);
        count(if same { &self.same } else { &self.refused });
        if !same && all(signed) == all(forged) {
            count(&self.moved);
        }
        Ok(())
    }

    #[track_caller]
    fn assert_busy(&self) {
        let seen = (self.same.get(), self.refused.get(), self.moved.get());
        assert!(seen.0 > 50 && seen.1 > 500 && seen.2 > 100, "{seen:?}");
    }
}

/// The same cases on every run.
fn run<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(&strategy, test).unwrap();
}

#[test]
fn c_03_c_06_c_07_no_two_requests_share_a_signature() {
    let seen = Seen::default();
    let version = || select(vec![Version::HTTP_11, Version::HTTP_2]);
    run((request(), request(), 0..11_u8, 0..10_usize, version(), version()), |(one, other, how, at, from, to)| {
        let signature = asked(&one, "").wire().unwrap().signature();
        let signed = asked(&one, &signature);
        prop_assert_eq!(signed.verify(&signed.head(from).unwrap()).map(drop), Ok(()));

        let forged = forge(&one, &other, how, at);
        let twin = asked(&forged, &signature);
        let verdict = twin.head(to).map(|head| twin.verify(&head).map(drop));
        let same = request_meaning(&one) == request_meaning(&forged);
        seen.judge([&one, &forged], same, verdict)
    });
    seen.assert_busy();
}

#[test]
fn c_03_c_06_c_07_no_two_answers_share_a_signature() {
    let seen = Seen::default();
    let request = vectors::whole().remove(0);
    let wire = request.wire().unwrap();
    let exchange = request.exchange();
    run((response(), response(), 0..11_u8, 0..8_usize), |(one, other, how, at)| {
        let answer = answered(&one, &[]);
        let mut head = answer.head().unwrap();
        let signer = ResponseSigner::new(request.scheme());
        let mut signing = signer.begin(&head, &exchange, support::NOW).unwrap();
        signing.update(&answer.body);
        signing.finish(&mut head).unwrap();
        let value = |name: &str| (name.to_owned(), head.headers[name].as_bytes().to_vec());
        let (time, signature) = (value("x-hmac-timestamp"), value("x-hmac-signature"));
        prop_assert_eq!(wire.accepts(&http::Response::from_parts(head, ()), &answer.body), Ok(()));

        let forged = forge(&one, &other, how, at);
        let digest = hex(&Sha256::digest(forged[7].clone().unwrap_or_default()));
        let twin = answered(&forged, &[time, ("x-hmac-content-sha256".into(), digest.into()), signature]);
        let verdict = twin.head().map(|head| twin.check(&head, &exchange));
        seen.judge([&one, &forged], response_meaning(&one) == response_meaning(&forged), verdict)
    });
    seen.assert_busy();
}
