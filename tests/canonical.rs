//! No two messages have the same string to sign: bytes cannot be moved from one field to the next.

mod support;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;
use support::body::Script;
use support::service::send;
use support::wire::{Wire, hex};
use support::{KEY_HEX, NOW};
use tower_hmac::RejectionKind::{self, BadMac, Malformed};
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{HmacLayer, Key, KeyQuery, Keys, Lookup, Scheme, SignedHeaders};

/// A layer that knows the one secret under every key id.
fn any_id(names: &[&str]) -> HmacLayer {
    let store =
        |query: &KeyQuery<'_>| -> Lookup { query.key_id().map(|id| Key::from_hex(id, KEY_HEX).unwrap()).into() };
    HmacLayer::new(scheme(names), store).unwrap().clock(support::clock()).drain_limit(0)
}

fn scheme(names: &[&str]) -> Scheme {
    Scheme::native_with_headers(SignedHeaders::new(names.iter().copied()).unwrap(), SignedHeaders::none())
}

/// Sends `wire` with the signature of `signed`.
async fn forged(layer: HmacLayer, signed: &Wire, wire: &Wire) -> Option<RejectionKind> {
    let body = Script::bytes(wire.body.clone());
    let mut request = wire.request(body);
    let signature = HeaderValue::from_str(&format!("v1={}", signed.signature())).unwrap();
    request.headers_mut().insert("x-hmac-signature", signature);
    let outcome = send(layer, request).await;
    match outcome.kind() {
        Some(kind) => outcome.refused_unread(kind),
        None => outcome.accepted(),
    }
    outcome.kind()
}

/// The fields in the order of the string to sign, as far as a sender chooses them.
const FIELDS: [&str; 9] =
    ["key id", "timestamp", "nonce", "method", "authority", "path", "content-type", "content-encoding", "x-extra"];

fn fields(wire: &Wire) -> Vec<String> {
    let header = |name: &str| {
        let (_, value) = wire.headers.iter().find(|(n, _)| n == name).unwrap();
        String::from_utf8(value.clone()).unwrap()
    };
    let Wire { key_id, timestamp, nonce, method, authority, target, .. } = wire.clone();
    let mut all = vec![key_id, timestamp, nonce, method.to_string(), authority, target];
    all.extend(["content-type", "content-encoding", "x-extra"].map(header));
    all
}

/// `None` when `http` cannot carry such a message.
fn rebuilt(wire: &Wire, fields: &[String]) -> Option<Wire> {
    let [key_id, timestamp, nonce, method, authority, target, kind, encoding, extra] = fields else { unreachable!() };
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    target.parse::<Uri>().ok().filter(|_| target.starts_with('/'))?;
    let mut wire = Wire { method, headers: Vec::new(), ..wire.clone() };
    (wire.key_id, wire.timestamp, wire.nonce) = (key_id.clone(), timestamp.clone(), nonce.clone());
    (wire.authority, wire.target) = (authority.clone(), target.clone());
    Some(wire.header("content-type", kind).header("content-encoding", encoding).header("x-extra", extra))
}

fn full() -> Wire {
    Wire::post("/v1/payments?dry_run=1", "{}")
        .header("content-encoding", "identity")
        .header("x-extra", "some.value")
        .extra(&["x-extra"])
}

#[tokio::test]
async fn c_01_bytes_moved_between_neighbours() {
    let base = full();
    assert_eq!(forged(any_id(&["x-extra"]), &base, &base).await, None);
    let mut refused = std::collections::BTreeMap::new();
    for left in 0..FIELDS.len() - 1 {
        let whole = fields(&base);
        let joined = format!("{}{}", whole[left], whole[left + 1]);
        for split in (0..=joined.len()).filter(|split| *split != whole[left].len()) {
            let mut moved = whole.clone();
            (moved[left], moved[left + 1]) = (joined[..split].into(), joined[split..].into());
            let Some(wire) = rebuilt(&base, &moved) else { continue };
            let kind = forged(any_id(&["x-extra"]), &base, &wire).await;
            *refused.entry((FIELDS[left], format!("{:?}", kind.unwrap()))).or_insert(0) += 1;
        }
    }
    let count = |left, kind: &str| refused.get(&(left, kind.to_owned())).copied().unwrap_or(0);
    // A timestamp has ten digits, so what stands beside it cannot give or take.
    assert_eq!((count("key id", "BadMac"), count("key id", "Malformed")), (0, 15));
    assert_eq!((count("timestamp", "BadMac"), count("timestamp", "Malformed")), (0, 32));
    // 22 characters of nonce may lose six; more are too few.
    assert_eq!((count("nonce", "BadMac"), count("nonce", "Malformed")), (6 + 3, 16));
    assert_eq!(count("method", "BadMac"), 3 + 14);
    // A path must begin with "/", which an authority must not hold.
    assert_eq!((count("authority", "BadMac"), count("authority", "AmbiguousTarget")), (0, 1));
    assert_eq!((count("path", "BadMac"), count("path", "Malformed")), (36, 1));
    assert_eq!((count("content-type", "BadMac"), count("content-type", "Malformed")), (22, 2));
    assert_eq!((count("content-encoding", "BadMac"), count("content-encoding", "Malformed")), (16, 2));
}

#[tokio::test]
async fn c_02_digits_moved_into_and_out_of_the_timestamp() {
    let base = Wire::get("/get/12345").nonce("9012345678901234567890").key("svc-1", KEY_HEX);
    assert_eq!(forged(any_id(&[]), &base, &base).await, None);
    let all = format!("{}{}{}", base.key_id, base.timestamp, base.nonce);
    for shift in [1, 2, 3, 6] {
        // All three fields keep their grammar, and read one after the other they are what was signed.
        let (id, time, nonce) = (&all[..5 + shift], &all[5 + shift..15 + shift], &all[15 + shift..]);
        if time.starts_with('0') {
            continue;
        }
        let wire = base.clone().key(id, KEY_HEX).timestamp(time).nonce(nonce);
        assert_eq!(format!("{}{}{}", wire.key_id, wire.timestamp, wire.nonce), all);
        assert_eq!(forged(any_id(&[]), &base, &wire).await, Some(BadMac), "{id} {time} {nonce}");
    }
    for target in ["/get/1234", "/get/123451", "/get/12345?1795303445", "/get/123456179530344"] {
        let wire = Wire { target: target.into(), ..base.clone() };
        assert_eq!(forged(any_id(&[]), &base, &wire).await, Some(BadMac));
    }
}

#[test]
fn c_03_no_field_can_hold_the_line_feed_between_fields() {
    for text in ["a\nb", "\n", "a\r\nb", "a\rb", "a\0b"] {
        assert!(HeaderValue::from_bytes(text.as_bytes()).is_err());
        assert!(Method::from_bytes(text.as_bytes()).is_err());
        assert!(format!("/{text}").parse::<Uri>().is_err());
        assert!(format!("/a?{text}").parse::<Uri>().is_err());
        assert!(HeaderName::try_from(text).is_err());
    }
}

const NAMES: [&str; 2] = ["x-a", "x-b"];

fn check(head: &Parts) -> Option<RejectionKind> {
    let verifier = RequestVerifier::new(scheme(&NAMES));
    let outcome = verifier.read(head).and_then(|credentials| {
        let key = Key::from_hex(credentials.key_id().unwrap(), KEY_HEX).unwrap();
        verifier.check(&credentials, Some(&Keys::from(key)), NOW)
    });
    outcome.err().map(|rejection| rejection.kind())
}

/// One text, full of what other formats separate with, cut into path, query, content type and two headers.
fn cut(text: &str, mut at: [usize; 4]) -> Wire {
    at.sort_unstable();
    let at = at.map(|place| place.min(text.len()));
    let query = &text[at[0]..at[1]];
    let target = format!("/{}{}{query}", &text[..at[0]], if query.is_empty() { "" } else { "?" });
    let headers = [("content-type", &text[at[1]..at[2]]), (NAMES[0], &text[at[2]..at[3]]), (NAMES[1], &text[at[3]..])];
    let mut wire = Wire::get(&target).nonce(&"n".repeat(22)).extra(&NAMES);
    for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
        wire = wire.header(name, value);
    }
    wire
}

const HOSTILE: &str = "([a-c0-9|.:/;=,&_-]|x-a:|x-b:){4,16}";

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// The verifier reads what the independent signer writes, and that text can be taken apart again.
    #[test]
    fn c_03_a_string_to_sign_has_one_reading(text in HOSTILE, at in any::<[u8; 4]>()) {
        let wire = cut(&text, at.map(|place| usize::from(place) % 24));
        prop_assert_eq!(check(&wire.request(()).into_parts().0), None);
        let text = String::from_utf8(wire.string_to_sign()).unwrap();
        let lines: Vec<_> = text.split('\n').collect();
        prop_assert_eq!(lines.len(), 10 + NAMES.len());
        prop_assert_eq!(lines[6], &wire.target);
        let value = |name: &str| wire.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default();
        prop_assert_eq!(lines[7].as_bytes(), value("content-type"));
        for (line, name) in lines[10..].iter().zip(NAMES) {
            let read = line.strip_prefix(name).unwrap().strip_prefix(':').unwrap();
            prop_assert_eq!(read.as_bytes(), value(name));
        }
    }

    #[test]
    fn c_03_the_same_text_cut_elsewhere(text in HOSTILE, one in any::<[u8; 4]>(), other in any::<[u8; 4]>()) {
        let [one, other] = [one, other].map(|at| cut(&text, at.map(|place| usize::from(place) % 24)));
        let mut head = other.request(()).into_parts().0;
        head.headers.insert("x-hmac-signature", format!("v1={}", one.signature()).parse().unwrap());
        let same = one.target == other.target && one.headers == other.headers;
        prop_assert_eq!(check(&head), (!same).then_some(BadMac));
    }
}

#[tokio::test]
async fn c_04_names_of_signed_headers_swapped() {
    let names = ["x-src", "x-dst"];
    let wire = |src: &str, dst: &str| Wire::get("/").header("x-src", src).header("x-dst", dst).extra(&names);
    let base = wire("alice", "bob");
    assert_eq!(forged(any_id(&names), &base, &base).await, None);
    assert_eq!(
        forged(any_id(&names), &base, &Wire { nonce: base.nonce.clone(), ..wire("bob", "alice") }).await,
        Some(BadMac)
    );
    assert_eq!(forged(any_id(&["x-dst", "x-src"]), &base, &base).await, Some(BadMac));
    assert_eq!(forged(any_id(&["x-src"]), &base, &base).await, Some(BadMac));
    assert_eq!(forged(any_id(&[]), &base, &base).await, Some(BadMac));
}

#[tokio::test]
async fn c_06_absent_and_empty_are_not_the_same() {
    let names = ["x-a"];
    for name in ["x-a", "content-type", "content-encoding"] {
        let absent = Wire::get("/").extra(&names);
        assert_eq!(forged(any_id(&names), &absent, &absent).await, None);
        for empty in ["", " ", "\t", " \t "] {
            let wire = absent.clone().header(name, empty);
            assert_eq!(wire.string_to_sign(), absent.string_to_sign());
            assert_eq!(forged(any_id(&names), &absent, &wire).await, Some(Malformed), "{name} {empty:?}");
        }
    }
    for (one, other) in [("/a", "/a?"), ("/a?", "/a??"), ("/a?b", "/a?b="), ("/a?b", "/a?b&"), ("/", "/?")] {
        let (one, nonce) = (Wire::get(one), support::wire::fresh_nonce());
        let (one, other) = (one.nonce(&nonce), Wire::get(other).nonce(&nonce));
        for (signed, sent) in [(&one, &other), (&other, &one)] {
            assert_eq!(forged(any_id(&[]), signed, signed).await, None);
            assert_eq!(forged(any_id(&[]), signed, sent).await, Some(BadMac));
        }
    }
}

#[tokio::test]
async fn c_07_signed_header_added_or_removed_later() {
    let names = ["x-a", "x-b"];
    for name in ["x-a", "x-b", "content-type", "content-encoding"] {
        let without = Wire::get("/").extra(&names);
        let with = without.clone().header(name, "value");
        for (signed, sent) in [(&without, &with), (&with, &without)] {
            assert_eq!(forged(any_id(&names), signed, signed).await, None);
            assert_eq!(forged(any_id(&names), signed, sent).await, Some(BadMac), "{name}");
        }
    }
    let other = hex(b"a header that is not signed");
    let base = Wire::get("/").extra(&names);
    assert_eq!(forged(any_id(&names), &base, &base.clone().header("x-c", other)).await, None);
}
