//! Described schemes of every shape, each with one message that is made without the crate.

use http::{HeaderName, Request};
use sha2::{Digest, Sha256};
use tower_hmac::scheme::{Field, Part, SchemeBuilder, TimeFormat};
use tower_hmac::{Algorithm, Encoding, Key, Scheme, webhook};

use super::schemes::{Sample, mac, spell};
use super::wire::{Wire, unhex};
use super::{AUTHORITY, KEY_HEX, KEY_ID, NOW};

const TARGET: &str = "/v1/pay?b=2&a=1";
const BODY: &[u8] = br#"{"amount":7}"#;
const MS: &str = "1795303445999";
const NONCE: &str = "c0ffee";

/// A sample that says `text`, with `$` in the place of the signature in `fields`.
fn sample(
    scheme: Result<Scheme, tower_hmac::ConfigError>,
    (algorithm, encoding): (Algorithm, Encoding),
    text: &str,
    (header, prefix): (&'static str, &'static str),
    fields: &[(&'static str, &str)],
) -> Sample {
    let secret = unhex(KEY_HEX);
    let signature = spell(encoding, &mac(algorithm, &secret, text.as_bytes()));
    let (head, ()) = Request::post(TARGET).header("host", AUTHORITY).body(()).unwrap().into_parts();
    let scheme = scheme.unwrap();
    let fresh = Sample {
        name: scheme.name().to_owned(),
        scheme,
        key: Key::from_bytes(KEY_ID, secret).unwrap().with_algorithm(algorithm),
        head,
        body: BODY.to_vec(),
        now: NOW,
        signed_at: Some(NOW),
        window: (300, 60),
        header,
        prefix,
        signature: signature.clone(),
        covers: fields.iter().map(|(name, _)| *name).filter(|name| *name != header).collect(),
        covers_method: text.contains("POST"),
        covers_target: text.contains("/v1/pay"),
        covers_authority: text.contains(AUTHORITY),
        covers_body: true,
    };
    fields.iter().fold(fresh, |sample, (name, value)| sample.set(name, &value.replace('$', &signature)))
}

fn digest(encoding: Encoding) -> String {
    spell(encoding, &Sha256::digest(BODY))
}

pub fn list() -> SchemeBuilder {
    Scheme::builder("list")
        .timestamp(Field::member("x-list", "t"), TimeFormat::Seconds)
        .nonce(Field::member("x-list", "n"))
        .signature(Field::member("x-list", "s"))
        .message([Part::Timestamp, Part::literal("|"), Part::Nonce, Part::literal("|"), Part::Body])
}

/// Native and described schemes.
pub fn described() -> Vec<Sample> {
    use Algorithm::{HmacSha1, HmacSha256, HmacSha384, HmacSha512, LegacySuffixSha256};
    use Encoding::{Base64, Base64Url, Hex};
    let line = || Part::literal("\n");
    let colon = || Part::literal(":");
    let body = str::from_utf8(BODY).unwrap();
    let wire = Wire::new(http::Method::POST, TARGET, BODY).header("content-type", "application/json");
    let native = Sample {
        signature: wire.signature(),
        head: wire.request(()).into_parts().0,
        covers: vec!["x-hmac-key-id", "x-hmac-timestamp", "x-hmac-nonce", "x-hmac-content-sha256", "content-type"],
        ..sample(
            Ok(Scheme::native()),
            (HmacSha256, Hex),
            &format!("POST/v1/pay{AUTHORITY}amount"),
            ("x-hmac-signature", "v1="),
            &[],
        )
    };
    let credential = Scheme::builder("credential")
        .key_id(Field::authorization("Hmac", ':', 0))
        .nonce(Field::authorization("Hmac", ':', 1))
        .timestamp(Field::authorization("Hmac", ':', 2), TimeFormat::Fraction)
        .signature(Field::authorization("Hmac", ':', 3))
        .encoding(Base64)
        .message([Part::KeyId, colon(), Part::Nonce, colon(), Part::Timestamp, colon(), Part::BodySha256IfAny(Base64)]);
    let digested = Scheme::builder("digest")
        .signature(Field::header("x-signature"))
        .encoding(Base64Url)
        .algorithm(HmacSha384)
        .timestamp(Field::header("x-time"), TimeFormat::Milliseconds)
        .body_digest(Field::header("x-digest"))
        .message([
            Part::Method,
            line(),
            Part::Path,
            line(),
            Part::Query,
            line(),
            Part::Timestamp,
            line(),
            Part::BodySha256(Hex),
        ]);
    let lines = Scheme::builder("lines")
        .signature(Field::header("x-signature").prefix("sha512="))
        .algorithm(HmacSha512)
        .timestamp(Field::header("date"), TimeFormat::HttpDate)
        .message([
            Part::PathAndQuery,
            line(),
            Part::Authority,
            line(),
            Part::Header(HeaderName::from_static("x-tenant")),
            line(),
            Part::Timestamp,
            line(),
            Part::Body,
        ]);
    let answered = Scheme::builder("answered")
        .signature(Field::header("x-signature").prefix("v1="))
        .algorithm(HmacSha1)
        .timestamp(Field::header("x-time"), TimeFormat::Rfc3339)
        .message([Part::Url, line(), Part::Timestamp, line(), Part::Body])
        .response_signature(Field::header("x-signature"))
        .response_message([Part::RequestSignature(Hex), Part::Status, Part::Body]);
    let suffix = Scheme::builder("suffix")
        .signature(Field::header("x-signature"))
        .algorithm(LegacySuffixSha256)
        .timestamp(Field::header("x-time"), TimeFormat::Seconds)
        .message([Part::Path, Part::literal("?"), Part::Query, Part::Timestamp])
        .without_body();
    let either = Scheme::any([webhook::github(), list().build().unwrap()]);
    let (tenant, sha256, date) = ("acme", digest(Hex), "Sat, 21 Nov 2026 23:24:05 GMT");
    let listed = format!("{NOW}|{NONCE}|{body}");
    let in_list = format!("t={NOW},n={NONCE},s=$");
    let token = format!("Hmac {KEY_ID}:{NONCE}:{NOW}.25:$");
    let named = |name: &str, sample: Sample| Sample { name: name.to_owned(), ..sample };
    vec![
        native,
        sample(list().build(), (HmacSha256, Hex), &listed, ("x-list", "s="), &[("x-list", &in_list)]),
        named("either", sample(either, (HmacSha256, Hex), &listed, ("x-list", "s="), &[("x-list", &in_list)])),
        sample(
            credential.build(),
            (HmacSha256, Base64),
            &format!("{KEY_ID}:{NONCE}:{NOW}.25:{}", digest(Base64)),
            ("authorization", ":"),
            &[("authorization", &token)],
        ),
        sample(
            digested.build(),
            (HmacSha384, Base64Url),
            &format!("POST\n/v1/pay\nb=2&a=1\n{MS}\n{sha256}"),
            ("x-signature", ""),
            &[("x-signature", "$"), ("x-time", MS), ("x-digest", &sha256)],
        ),
        sample(
            lines.build(),
            (HmacSha512, Hex),
            &format!("{TARGET}\n{AUTHORITY}\n{tenant}\n{date}\n{body}"),
            ("x-signature", "sha512="),
            &[("x-signature", "sha512=$"), ("date", date), ("x-tenant", tenant)],
        ),
        sample(
            answered.build(),
            (HmacSha1, Hex),
            &format!("https://{AUTHORITY}{TARGET}\n2026-11-21T23:24:05Z\n{body}"),
            ("x-signature", "v1="),
            &[("x-signature", "v1=$"), ("x-time", "2026-11-21T23:24:05Z")],
        ),
        Sample {
            covers_body: false,
            ..sample(
                suffix.build(),
                (LegacySuffixSha256, Hex),
                &format!("/v1/pay?b=2&a=1{NOW}"),
                ("x-signature", ""),
                &[("x-signature", "$"), ("x-time", &NOW.to_string())],
            )
        },
        Sample {
            signed_at: None,
            ..sample(
                Ok(webhook::intercom_canvas()),
                (HmacSha256, Hex),
                body,
                ("x-body-signature", ""),
                &[("x-body-signature", "$")],
            )
        },
    ]
}
