//! Each field of the scheme stands once and is spelt exactly; a signed header has one value or none.

mod support;

use http::{HeaderName, HeaderValue, Request};
use support::body::Script;
use support::service::{Outcome, send};
use support::wire::Wire;
use tower_hmac::RejectionKind::{BadMac, Malformed, Missing};
use tower_hmac::{HmacLayer, Scheme, SignedHeaders};

const BODY: &str = "{}";
const FIELDS: [&str; 5] =
    ["x-hmac-key-id", "x-hmac-timestamp", "x-hmac-nonce", "x-hmac-content-sha256", "x-hmac-signature"];

fn wire() -> Wire {
    Wire::post("/", BODY)
}

fn layer(names: &[&str]) -> HmacLayer {
    let names = SignedHeaders::new(names.iter().copied()).unwrap();
    let scheme = Scheme::native_with_headers(names, SignedHeaders::none());
    HmacLayer::new(scheme, support::key()).unwrap().clock(support::clock()).drain_limit(0)
}

fn request(wire: &Wire) -> Request<Script> {
    wire.request(Script::bytes(wire.body.clone()))
}

/// Sends `wire` with the lines of `name` replaced by `values`.
async fn with_lines(layer: HmacLayer, wire: &Wire, name: &str, values: &[&[u8]]) -> Outcome {
    let mut request = request(wire);
    request.headers_mut().remove(name);
    for value in values {
        let name = HeaderName::try_from(name).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    send(layer, request).await
}

/// The right value of each field, and one that is right in spelling but not in substance.
fn good_and_other() -> Vec<(&'static str, String, String)> {
    let other = Wire::post("/", "other").timestamp(support::NOW + 1).key("svc-b", support::KEY_HEX);
    let both = wire().fields().into_iter().zip(other.fields());
    both.map(|((name, good), (_, other))| (name, good, other)).collect()
}

#[tokio::test]
async fn e_01_a_field_that_stands_twice() {
    assert_eq!(good_and_other().into_iter().map(|(name, ..)| name).collect::<Vec<_>>(), FIELDS);
    let wire = wire();
    for (place, (name, _, other)) in good_and_other().into_iter().enumerate() {
        let good = wire.fields()[place].1.clone();
        let (good, other) = (good.as_bytes(), other.as_bytes());
        with_lines(layer(&[]), &wire, name, &[good]).await.accepted();
        for lines in [[good, other], [other, good], [good, good], [good, b""], [b"", good], [good, b"~"]] {
            with_lines(layer(&[]), &wire, name, &lines).await.refused_unread(Malformed);
        }
        with_lines(layer(&[]), &wire, name, &[good, good, good]).await.refused_unread(Malformed);
        for between in [",", ", ", ";", " "] {
            let joined = [good, between.as_bytes(), good].concat();
            with_lines(layer(&[]), &wire, name, &[&joined]).await.refused_unread(Malformed);
        }
    }
}

#[tokio::test]
async fn e_01_a_field_that_is_missing_empty_or_padded() {
    let wire = wire();
    for (name, good) in wire.fields() {
        with_lines(layer(&[]), &wire, name, &[]).await.refused_unread(Missing);
        for value in ["", " ", "\t", ",", "-", "\"\"", "(null)"] {
            with_lines(layer(&[]), &wire, name, &[value.as_bytes()]).await.refused_unread(Malformed);
        }
        for (before, after) in [(" ", ""), ("", " "), ("\t", ""), ("", "\t"), (" ", " "), ("\"", "\""), ("", ";")] {
            let padded = format!("{before}{good}{after}");
            with_lines(layer(&[]), &wire, name, &[padded.as_bytes()]).await.refused_unread(Malformed);
        }
        let foreign = [good.as_bytes(), b"\xff"].concat();
        with_lines(layer(&[]), &wire, name, &[&foreign]).await.refused_unread(Malformed);
    }
}

#[tokio::test]
async fn a_blank_that_is_signed_too_is_still_malformed() {
    let wire = wire();
    send(layer(&[]), request(&wire)).await.accepted();
    for padded in [" {}", "{} ", "\t{}", "{}\t"] {
        let pad = |value: &str| padded.replace("{}", value);
        for wire in [
            wire.clone().key(&pad(&wire.key_id), support::KEY_HEX),
            wire.clone().timestamp(pad(&wire.timestamp)),
            wire.clone().nonce(&pad(&wire.nonce)),
        ] {
            send(layer(&[]), request(&wire)).await.refused_unread(Malformed);
        }
    }
}

#[tokio::test]
async fn nonces_and_key_ids_keep_their_grammar() {
    let long = "A-z_09".repeat(11);
    for nonce in [&long[..16], &long[..22], &long[..64], "----------------", "________________"] {
        send(layer(&[]), request(&wire().nonce(nonce))).await.accepted();
    }
    for nonce in [&long[..15], &long[..65], "AAECAwQFBgcICQoLDA0ODw==", "nonce+nonce+nonce", "nonce.nonce.nonce", "a"] {
        send(layer(&[]), request(&wire().nonce(nonce))).await.refused_unread(Malformed);
    }
    for id in ["-a", ".a", "_a", "a/b", "../x", "a%00", "a:b", "a b", "a,b", "\u{e4}", &"k".repeat(65)] {
        send(layer(&[]), request(&wire().key(id, support::KEY_HEX))).await.refused_unread(Malformed);
    }
}

#[tokio::test]
async fn a_digest_is_64_lower_case_digits_or_the_word_trailer() {
    let wire = wire();
    let digest = wire.digest();
    let upper = digest.to_uppercase();
    assert_ne!(digest, upper);
    for value in
        ["Trailer", "trailers", "trailer ", "unsigned", "UNSIGNED-PAYLOAD", &upper, &digest[..63], "sha-256=:AA==:"]
    {
        with_lines(layer(&[]), &wire, "x-hmac-content-sha256", &[value.as_bytes()]).await.refused_unread(Malformed);
    }
    for other in [&*"0".repeat(64), "trailer"] {
        with_lines(layer(&[]), &wire, "x-hmac-content-sha256", &[other.as_bytes()]).await.refused_unread(BadMac);
    }
}

#[tokio::test]
async fn a_trailer_signature_in_a_head_is_malformed() {
    let wire = wire();
    let signature = format!("v1={}", wire.signature());
    for value in [signature.as_str(), "", "v1=", "x"] {
        with_lines(layer(&[]), &wire, "x-hmac-trailer-signature", &[value.as_bytes()]).await.refused_unread(Malformed);
    }
    with_lines(layer(&[]), &wire, "x-hmac-other", &[signature.as_bytes()]).await.accepted();
}

#[tokio::test]
async fn e_04_signed_header_repeated() {
    let names = ["x-tenant", "x-other"];
    let wire = wire().header("x-tenant", "acme").extra(&names);
    with_lines(layer(&names), &wire, "x-tenant", &[b"acme"]).await.accepted();
    for lines in [[&b"acme"[..], b"evil"], [b"evil", b"acme"], [b"acme", b"acme"], [b"acme", b""], [b"", b"acme"]] {
        with_lines(layer(&names), &wire, "x-tenant", &lines).await.refused_unread(Malformed);
    }
    for joined in ["acme,evil", "acme, acme", "evil"] {
        with_lines(layer(&names), &wire, "x-tenant", &[joined.as_bytes()]).await.refused_unread(BadMac);
    }
    with_lines(layer(&names), &wire, "x-other", &[b"a", b"b"]).await.refused_unread(Malformed);
    // What is not signed may stand as often as it likes.
    with_lines(layer(&names), &wire, "x-unsigned", &[b"a", b"b"]).await.accepted();
}

#[tokio::test]
async fn e_10_content_type_or_encoding_changed() {
    for (name, signed, others) in [
        (
            "content-type",
            "application/json",
            ["application/x-www-form-urlencoded", "application/json; a=b", "APPLICATION/json"],
        ),
        ("content-encoding", "gzip", ["identity", "gzip, gzip", "GZIP"]),
    ] {
        let wire = Wire { headers: Vec::new(), ..wire() }.header(name, signed);
        with_lines(layer(&[]), &wire, name, &[signed.as_bytes()]).await.accepted();
        for other in others {
            with_lines(layer(&[]), &wire, name, &[other.as_bytes()]).await.refused_unread(BadMac);
        }
        with_lines(layer(&[]), &wire, name, &[]).await.refused_unread(BadMac);
        for lines in [&[&b""[..]][..], &[b" \t"], &[signed.as_bytes(); 2], &[signed.as_bytes(), b"x"], &[b"", b""]] {
            with_lines(layer(&[]), &wire, name, lines).await.refused_unread(Malformed);
        }
    }
}

#[tokio::test]
async fn signed_values_are_trimmed_of_blanks_and_tabs_only() {
    let names = ["x-tenant"];
    let wire = wire().header("x-tenant", "acme  corp").extra(&names);
    for same in [" acme  corp", "acme  corp\t", "\t acme  corp \t "] {
        with_lines(layer(&names), &wire, "x-tenant", &[same.as_bytes()]).await.accepted();
    }
    for other in ["acme corp", "acme\tcorp", "acme  corp\u{a0}", "\u{a0}acme  corp"] {
        with_lines(layer(&names), &wire, "x-tenant", &[other.as_bytes()]).await.refused_unread(BadMac);
    }
}

#[tokio::test]
async fn signed_values_are_bytes_not_text() {
    let names = ["x-tenant"];
    for name in ["x-tenant", "content-type"] {
        for byte in 0x80..=0xff {
            let wire = Wire { headers: Vec::new(), ..wire() }.header(name, [b'c', byte, b'z']).extra(&names);
            send(layer(&names), request(&wire)).await.accepted();
            with_lines(layer(&names), &wire, name, &[&[b'c', byte ^ 1, b'z']]).await.refused_unread(BadMac);
        }
    }
    let all: Vec<u8> = (0x80..=0xff).collect();
    let wire = wire().header("x-tenant", &all).extra(&names);
    send(layer(&names), request(&wire)).await.accepted();
    with_lines(layer(&names), &wire, "x-tenant", &[&all[1..]]).await.refused_unread(BadMac);
}

#[test]
fn headers_that_cannot_be_signed_are_a_mistake() {
    let names = |count: usize| (0..count).map(|n| format!("x-{n}")).collect::<Vec<_>>();
    assert!(SignedHeaders::new(names(16).iter().map(String::as_str)).is_ok());
    assert!(SignedHeaders::new(["Idempotency-Key", "authorization", "cookie", "range"]).is_ok());
    let error = |names: &[&str]| SignedHeaders::new(names.iter().copied()).unwrap_err().to_string();
    assert!(error(&names(17).iter().map(String::as_str).collect::<Vec<_>>()).contains("more than 16"));
    for invalid in ["", " ", "x tenant", "x-tenant ", "x:tenant", "@method", "(request-target)", "x\n", "\u{e9}"] {
        assert!(error(&["x-a", invalid]).contains("not a header name"), "{invalid:?}");
    }
    for twice in [["x-a", "x-a"], ["x-a", "X-A"]] {
        assert!(error(&twice).contains("twice"));
    }
    for refused in [
        "content-type",
        "Content-Encoding",
        "content-length",
        "host",
        "connection",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
        "proxy-authorization",
    ] {
        assert!(error(&[refused]).contains("covered already, or changes"), "{refused}");
    }
    for own in FIELDS.into_iter().chain(["transfer-encoding", "x-hmac-trailer-signature", "X-HMAC-anything"]) {
        assert!(error(&[own]).contains("covered already, or changes"), "{own}");
    }
}
