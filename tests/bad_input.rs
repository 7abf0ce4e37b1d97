//! Every scheme against the same bad input, through the layer: a scheme is covered the day it is in the tables.

mod support;

use std::collections::BTreeSet;

use http::{HeaderName, Method, Request, Uri};
use support::body::Script;
use support::schemes::{Sample, mac, one_each, samples, spell};
use support::service::send;
use tower_hmac::scheme::{Field, Part};
use tower_hmac::{Algorithm, Encoding, HmacLayer, Key, RejectionKind, Scheme};

/// Whether this body says the same as the sample's. The parameters of a form are not separated in what Twilio signs.
fn says(sample: &Sample, body: &[u8]) -> bool {
    let form = |body: &[u8]| {
        let pairs: BTreeSet<_> = form_urlencoded::parse(body).into_owned().collect();
        pairs.into_iter().flat_map(|(name, value)| [name, value]).collect::<String>()
    };
    body == sample.body || sample.name.starts_with("twilio") && form(body) == form(&sample.body)
}

#[test]
fn every_provider_is_in_a_table() {
    let exports = include_str!("../src/webhook/mod.rs").lines().filter_map(|line| line.strip_prefix("pub use self::"));
    let names =
        exports.flat_map(|line| line.split_once("::").unwrap().1.split(|c: char| !c.is_ascii_lowercase() && c != '_'));
    let exported: BTreeSet<_> = names.filter(|name| !name.is_empty()).collect();
    let tables = [include_str!("support/webhooks.rs"), include_str!("support/described.rs")].concat();
    let missing: Vec<_> = exported.iter().filter(|name| !tables.contains(&format!("webhook::{name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(exported.len() >= 19, "{exported:?}");
    let each: Vec<_> = one_each().into_iter().map(|sample| sample.name).collect();
    assert_eq!(each.len(), BTreeSet::from_iter(&each).len());
    assert!(each.len() >= 27, "{each:?}");
}

#[tokio::test]
async fn what_is_right_is_accepted() {
    let samples = samples();
    assert!(samples.len() >= 150, "{}", samples.len());
    for sample in samples {
        let outcome = send(sample.layer(), sample.request()).await;
        assert_eq!((outcome.kind(), outcome.calls), (None, 1), "{}", sample.name);
    }
}

/// C-09, C-10, C-11, D-01 to D-03.
#[tokio::test]
async fn what_is_signed_cannot_be_altered() {
    for sample in samples() {
        let body = &sample.body;
        let mut bodies = vec![[&body[..], b"x"].concat(), [b"x", &body[..]].concat(), b"\xff\xfe".to_vec()];
        if let Some(last) = body.len().checked_sub(1) {
            bodies.extend([body[..last].to_vec(), body[1..].to_vec(), [&body[..last], b"\xff"].concat(), Vec::new()]);
        }
        for altered in bodies.into_iter().filter(|altered| sample.covers_body && !says(&sample, altered)) {
            Sample { body: altered, ..sample.clone() }.refused("another body").await;
        }
        let target = sample.head.uri.path_and_query().unwrap().as_str().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let targets = [
            format!("{path}/?{query}"),
            format!("{path}x?{query}"),
            format!("{path}?{query}&c=3"),
            format!("/?{query}"),
            format!("{path}?a=1&b=2"),
        ];
        for altered in targets.iter().filter(|altered| sample.covers_target && **altered != target) {
            let mut twin = sample.clone();
            twin.head.uri = Uri::try_from(altered).unwrap();
            twin.refused(altered).await;
        }
        if sample.covers_method {
            let mut twin = sample.clone();
            twin.head.method = Method::PUT;
            twin.refused("another method").await;
        }
        if sample.covers_authority {
            sample.clone().set("host", "api.example.org").refused("another authority").await;
        }
        for name in sample.covers.iter().filter(|name| **name != sample.header) {
            let value = sample.head.headers[*name].to_str().unwrap();
            sample.clone().set(name, &format!("{value}0")).refused(name).await;
            sample.clone().set(name, &value[..value.len() - 1]).refused(name).await;
        }
    }
}

/// G-05, G-06.
#[tokio::test]
async fn the_window_is_inclusive_on_both_sides() {
    let mut counts = (0, 0);
    for sample in samples() {
        let Some(signed_at) = sample.signed_at else {
            // No time is signed: it is right for ever.
            let later = Sample { now: sample.now + 1_000_000_000, ..sample };
            assert_eq!(later.verify().map(|verified| verified.timestamp()).ok(), Some(None), "{}", later.name);
            counts.1 += 1;
            continue;
        };
        let (past, future) = sample.window;
        for (now, expected) in [
            (signed_at + past, None),
            (signed_at - future, None),
            (signed_at + past + 1, Some(RejectionKind::Stale)),
            (signed_at - future - 1, Some(RejectionKind::Future)),
            (signed_at + 315_360_000, Some(RejectionKind::Stale)),
            (signed_at - 315_360_000, Some(RejectionKind::Future)),
            (0, Some(RejectionKind::Future)),
            (u64::from(u32::MAX), Some(RejectionKind::Stale)),
        ] {
            let twin = Sample { now, ..sample.clone() };
            let outcome = send(twin.layer(), twin.request()).await;
            assert_eq!(outcome.kind(), expected, "{} at {now}", twin.name);
            assert_eq!(outcome.calls, usize::from(expected.is_none()));
            assert_eq!(outcome.claims, outcome.calls, "the guard comes after the window");
            counts.0 += 1;
        }
    }
    assert!(counts.0 >= 400 && counts.1 >= 80, "{counts:?}");
}

/// O-02.
#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    for sample in samples().iter().filter(|sample| !sample.body.is_empty() && sample.covers_body) {
        let size = sample.body.len() as u64;
        assert_eq!(send(sample.layer().max_body(size), sample.request()).await.kind(), None);
        let outcome = send(sample.layer().max_body(size - 1), sample.request()).await;
        outcome.refused(RejectionKind::BodyTooLarge);
        assert_eq!(outcome.status().as_u16(), 413, "{}", sample.name);
    }
}

/// C-04, C-11, C-13, O-01.
#[tokio::test]
async fn headers_and_bodies_are_bytes() {
    let line = || Part::literal("\n");
    let header = |name| Part::Header(HeaderName::from_static(name));
    let scheme = Scheme::builder("bytes").signature(Field::header("x-signature"));
    let scheme = scheme.message([header("x-a"), line(), header("x-b"), line(), Part::Body]).build().unwrap();
    let ask = |a: &'static [u8], b: &'static [u8], body: &'static [u8]| {
        let text = [&b"caf\xe9"[..], b"two  words", b"\xff\x00\xfe"].join(&b'\n');
        let signature = spell(Encoding::Hex, &mac(Algorithm::HmacSha256, b"secret", &text));
        let request = Request::post("/").header("x-a", a).header("x-b", b).header("x-signature", signature);
        let layer = HmacLayer::new(scheme.clone(), Key::from_bytes("k", b"secret").unwrap()).unwrap();
        async move { send(layer, request.body(Script::bytes(body)).unwrap()).await.kind() }
    };
    assert_eq!(ask(b"caf\xe9", b"two  words", b"\xff\x00\xfe").await, None);
    assert_eq!(
        ask(b"\t caf\xe9 ", b" two  words\t", b"\xff\x00\xfe").await,
        None,
        "blanks at the ends are lost on the wire"
    );
    for (a, b, body) in [
        (&b"two  words"[..], &b"caf\xe9"[..], &b"\xff\x00\xfe"[..]),
        (b"caf\xe9", b"two words", b"\xff\x00\xfe"),
        (b"caf\xc3\xa9", b"two  words", b"\xff\x00\xfe"),
        (b"caf\xe8", b"two  words", b"\xff\x00\xfe"),
        (b"caf\xe9", b"two  words", b"\xff\x00\xff"),
        (b"caf\xe9", b"two  words", b" \xff\x00\xfe"),
        (b"", b"two  words", b"\xff\x00\xfe"),
    ] {
        assert_eq!(ask(a, b, body).await, Some(RejectionKind::BadMac), "{a:?} {b:?} {body:?}");
    }
}
