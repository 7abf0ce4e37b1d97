//! For every scheme: what a signer makes is accepted, and no change of what is signed is; and no text is signed for two.

mod support;

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use support::schemes::{Sample, one_each};
use tower_hmac::sign::RequestSigner;
use tower_hmac::{Key, RejectionKind};

/// The sample's scheme with another key and another message, signed by the crate.
fn signed(sample: &Sample, secret: &[u8], body: &[u8], target: &str) -> Sample {
    let key = Key::from_bytes(support::KEY_ID, secret).unwrap().with_algorithm(sample.key.algorithm());
    let mut head = sample.head.clone();
    head.headers.remove(sample.header);
    head.uri = Uri::try_from(target).unwrap();
    let body = match &*sample.name {
        name if name.starts_with("linear") => {
            format!(r#"{{"t":"{}","webhookTimestamp":{}}}"#, support::wire::hex(body), sample.now * 1000).into_bytes()
        }
        // Any text is a form.
        name if name.starts_with("twilio") => support::wire::hex(body).into_bytes(),
        _ => body.to_vec(),
    };
    let signer = RequestSigner::new(sample.scheme.clone(), key.clone()).unwrap();
    let mut signing = signer.begin(&head, sample.now).unwrap();
    body.chunks(5).for_each(|chunk| signing.update(chunk));
    signing.finish(&mut head).unwrap();
    Sample { key, head, body, ..sample.clone() }
}

/// Flips one bit of a text that `http` can hold afterwards.
fn flipped(bytes: &[u8], at: Index, bit: u8) -> Option<Vec<u8>> {
    let mut twin = bytes.to_vec();
    *twin.get_mut(at.index(bytes.len().max(1)))? ^= 1 << bit;
    Some(twin)
}

fn with_header(sample: &Sample, name: &str, at: Index, bit: u8) -> Option<Sample> {
    let name = HeaderName::try_from(name).unwrap();
    let value = flipped(sample.head.headers[&name].as_bytes(), at, bit)?;
    // The name of an authentication scheme is written in any case (RFC 9110 section 11.1).
    let word = name == "authorization" && at.index(value.len()) < 4 && bit == 5;
    let value = HeaderValue::from_bytes(&value).ok().filter(|_| !word)?;
    let mut twin = sample.clone();
    twin.head.headers.insert(name, value);
    Some(twin)
}

fn target() -> impl Strategy<Value = String> {
    ("/[a-z/.:%~-]{0,12}", prop::option::of("[a-z=&.;:?/-]{0,12}")).prop_map(|(path, query)| match query {
        Some(query) => format!("{}?{query}", path.replace('%', "%2f")),
        None => path.replace('%', "%2f"),
    })
}

fn refusal(twin: &Sample) -> Option<u16> {
    twin.verify().err().map(|kind| kind.status().as_u16())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn signed_is_accepted_and_altered_is_refused(
        secret in vec(any::<u8>(), 16..80),
        body in vec(any::<u8>(), 0..200),
        target in target(),
        at: Index,
        bit in 0..8u8,
    ) {
        // What several formats share signs as the first of them.
        for sample in one_each().iter().filter(|sample| sample.name != "either") {
            let sample = signed(sample, &secret, &body, &target);
            let accepted = sample.verify();
            prop_assert!(accepted.is_ok(), "{}: {accepted:?} {:?}", sample.name, sample.head);
            for name in sample.covers.iter().chain([&sample.header]) {
                if let Some(twin) = with_header(&sample, name, at, bit) {
                    prop_assert_eq!(refusal(&twin), Some(401), "{}: {}: {:?}", twin.name, name, twin.head);
                }
            }
            if let Some(body) = flipped(&sample.body, at, bit).filter(|_| sample.covers_body) {
                let twin = Sample { body, ..sample.clone() };
                // A form may be spelt in two ways: `a` and `a=`, or two bytes that are no text.
                let form = sample.name.starts_with("twilio") && same_form(&twin.body, &sample.body);
                prop_assert!(form || refusal(&twin) == Some(401), "{}: {:?}", twin.name, twin.body);
            }
            let longer = Sample { body: [&sample.body[..], b"1"].concat(), ..sample.clone() };
            prop_assert!(!sample.covers_body || refusal(&longer) == Some(401), "{}: longer", sample.name);
            let other = flipped(target.as_bytes(), at, bit).and_then(|text| Uri::try_from(text).ok());
            if let Some(uri) = other.filter(|uri| sample.covers_target && *uri != sample.head.uri && uri.authority().is_none()) {
                let mut twin = sample.clone();
                twin.head.uri = uri;
                prop_assert!(same_target(&twin, &sample) || twin.verify().is_err(), "{}: {:?}", twin.name, twin.head.uri);
            }
        }
    }

    #[test]
    fn no_head_makes_a_verifier_panic(
        name in select(vec!["authorization", "stripe-signature", "paddle-signature", "webhook-signature", "x-list", "x-time"]),
        value in vec(prop_oneof![
            select(b"tvsh1=,;: .\"\x000\xff".to_vec()), any::<u8>(),
        ], 0..200),
        target in target(),
    ) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        for mut sample in one_each() {
            sample.head.uri = Uri::try_from(&*target).unwrap();
            let header = if sample.head.headers.contains_key(name) { name } else { sample.header };
            sample.head.headers.insert(header, value.clone());
            prop_assert!(sample.verify().is_err(), "{}", sample.name);
        }
    }
}

fn same_form(one: &[u8], other: &[u8]) -> bool {
    let form = |body| form_urlencoded::parse(body).into_owned().collect::<BTreeSet<_>>();
    form(one) == form(other)
}

/// `Part::Query` does not tell no query from an empty one.
fn same_target(one: &Sample, other: &Sample) -> bool {
    let parts = |it: &Sample| (it.head.uri.path().to_owned(), it.head.uri.query().unwrap_or_default().to_owned());
    ["digest", "suffix"].contains(&&*one.name) && parts(one) == parts(other)
}

/// O-05.
#[test]
fn hostile_headers_are_refused() {
    for sample in one_each() {
        for byte in [b",", b"=", b"\"", b";", b":", b" ", b"\xff", b"t", b"\t"] {
            for count in [1, 1024, 1 << 16] {
                let mut twin = sample.clone();
                let word = if sample.header == "authorization" { &b"Hmac "[..] } else { b"" };
                let value = [word, &byte.repeat(count)].concat();
                twin.head.headers.insert(sample.header, HeaderValue::from_bytes(&value).unwrap());
                assert_eq!(twin.verify().err().map(RejectionKind::status).map(|s| s.as_u16()), Some(401));
            }
        }
        let mut many = sample.clone();
        let mut headers = HeaderMap::new();
        for _ in 0..20_000 {
            headers.append(sample.header, HeaderValue::from_static("x"));
        }
        many.head.headers.extend(headers);
        assert!(many.verify().is_err());
    }
}
