//! Several formats on one endpoint: each message is accepted by exactly one of them.

mod support;

use base64ct::{Base64, Encoding as _};
use http::{Request, Response, request};
use support::schemes::mac;
use support::wire::hex;
use support::{AUTHORITY, NOW};
use tower_hmac::replay::Claimed;
use tower_hmac::scheme::{Encoding, Field, Part, SchemeBuilder, TimeFormat};
use tower_hmac::sign::{RequestSigner, ResponseSigner};
use tower_hmac::verify::{RequestVerifier, ResponseVerifier};
use tower_hmac::{Algorithm, HmacLayer, Key, Keys, RejectionKind, Scheme, Verified, webhook};

const SECRET: [u8; 32] = [7; 32];

fn key(id: &str) -> Key {
    Key::from_bytes(id, SECRET).unwrap()
}

fn tag(text: &str) -> Vec<u8> {
    mac(Algorithm::HmacSha256, &SECRET, text.as_bytes())
}

fn head(headers: &[(&str, &str)]) -> request::Parts {
    let request = Request::post("/p").header("host", AUTHORITY);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

fn verify_with(scheme: &Scheme, keys: Keys, headers: &[(&str, &str)], body: &str) -> Result<Verified, RejectionKind> {
    let head = head(headers);
    let verifier = RequestVerifier::new(scheme.clone());
    let credentials = verifier.read(&head).map_err(|r| r.kind())?;
    let mut verifying = verifier.check(&credentials, Some(&keys), NOW).map_err(|r| r.kind())?;
    verifying.update(body.as_bytes());
    let authentic = verifying.finish(&head).map_err(|r| r.kind())?;
    authentic.replay_claim(NOW).map_err(|r| r.kind())?;
    authentic.admit(Claimed::Fresh).map_err(|r| r.kind())
}

/// Under which name it was accepted.
fn verify(scheme: &Scheme, headers: &[(&str, &str)], body: &str) -> Result<&'static str, RejectionKind> {
    verify_with(scheme, key("k").into(), headers, body).map(|verified| verified.scheme())
}

/// `x-signature` over `name`, `:` and the body.
fn prefixed(name: &'static str) -> SchemeBuilder {
    Scheme::builder(name).signature(Field::header("x-signature")).message([
        Part::Literal(name.as_bytes().into()),
        Part::literal(":"),
        Part::Body,
    ])
}

fn built(name: &'static str) -> Scheme {
    prefixed(name).build().unwrap()
}

#[test]
fn what_cannot_go_together_is_an_error() {
    let why = |formats: Vec<Scheme>| Scheme::any(formats).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(why(vec![]).contains("no format"));
    let four = || ["a", "b", "c", "d"].map(built).to_vec();
    assert_eq!(why(four()), "");
    assert!(why([four(), vec![built("e")]].concat()).contains("more than four"));
    assert!(why(vec![Scheme::any(four()).unwrap(), built("e")]).contains("more than four"), "however they are nested");
    assert!(why(vec![built("a"), webhook::intercom()]).contains("different algorithms"));
    assert!(why(vec![Scheme::native(), Scheme::native()]).contains("one name"));
    assert!(HmacLayer::new(Scheme::any([built("a")]).unwrap(), key("k").with_algorithm(Algorithm::HmacSha1)).is_err());
}

#[test]
fn ambiguous_headers_are_told_apart_by_the_mac() {
    let any = Scheme::any(["a", "b", "c", "d"].map(built)).unwrap();
    for name in ["a", "b", "c", "d"] {
        let signature = hex(&tag(&format!("{name}:hi")));
        assert_eq!(verify(&any, &[("x-signature", &signature)], "hi"), Ok(name));
        assert_eq!(verify(&any, &[("x-signature", &signature)], "ho"), Err(RejectionKind::BadMac));
    }
    assert_eq!(verify(&any, &[("x-signature", &hex(&tag("hi")))], "hi"), Err(RejectionKind::BadMac));
    assert_eq!(verify(&any, &[("x-signature", "00")], "hi"), Err(RejectionKind::Malformed));
    assert_eq!(verify(&any, &[], "hi"), Err(RejectionKind::Missing));
}

#[test]
fn formats_times_keys_are_counted_before_the_first_mac() {
    let any = Scheme::any(["a", "b"].map(built)).unwrap();
    let keys = |count: usize| {
        let other = |index: usize| Key::from_bytes(&index.to_string(), [index as u8; 32]).unwrap();
        Keys::new((1..count).map(other).chain([key("k")])).unwrap()
    };
    let signature = hex(&tag("b:hi"));
    let ask = |count| verify_with(&any, keys(count), &[("x-signature", &*signature)], "hi").map(|it| it.scheme());
    assert_eq!((ask(1), ask(2)), (Ok("b"), Ok("b")));
    // Right, but too much work.
    assert_eq!((ask(3), ask(4)), (Err(RejectionKind::Malformed), Err(RejectionKind::Malformed)));
}

#[test]
fn each_kind_of_body_goes_with_each() {
    let digest = Scheme::builder("digest")
        .signature(Field::header("x-signature"))
        .body_digest(Field::header("x-digest"))
        .message([Part::BodySha256(Encoding::Hex)]);
    let hashed = Scheme::builder("hashed").signature(Field::header("x-signature"));
    let hashed = hashed.message([Part::literal("h"), Part::BodySha256(Encoding::Hex)]);
    let whole = Scheme::builder("whole").signature(Field::header("x-signature"));
    let whole = whole.message([Part::of_body(|_, body| Some([b"w", body].concat()))]);
    let any = Scheme::any([digest.build(), hashed.build(), whole.build(), prefixed("raw").build()].map(Result::unwrap));
    let any = any.unwrap();
    let sha256 = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"; // of "hi"
    for (name, text) in [
        ("digest", sha256.to_owned()),
        ("hashed", format!("h{sha256}")),
        ("whole", "whi".into()),
        ("raw", "raw:hi".into()),
    ] {
        let signature = hex(&tag(&text));
        let headers = [("x-signature", &*signature), ("x-digest", sha256)];
        assert_eq!(verify(&any, &headers, "hi"), Ok(name));
        assert!(verify(&any, &headers, "ho").is_err(), "{name}");
    }
}

/// Svix is two formats itself: another one beside it does not take their numbers.
#[test]
fn a_choice_within_a_choice_is_one_choice() {
    let old = Scheme::builder("old").signature(Field::header("x-old")).encoding(Encoding::Base64).message([Part::Body]);
    let old = old.build().unwrap();
    let (id, time) = ("msg_1", NOW.to_string());
    let signature = |text: &str| format!("v1,{}", Base64::encode_string(&tag(text)));
    for any in [[webhook::svix(), old.clone()], [old.clone(), webhook::svix()]] {
        let any = Scheme::any(any).unwrap();
        for brand in ["svix", "webhook"] {
            let names = ["id", "timestamp", "signature"].map(|name| format!("{brand}-{name}"));
            let right = signature(&format!("{id}.{time}.hi"));
            let headers = [(&*names[0], id), (&*names[1], &*time), (&*names[2], &*right)];
            assert_eq!(verify(&any, &headers, "hi"), Ok("svix"), "{brand}");
            // A signature over the body alone, as the other format has it, does not vouch for id and time.
            let body_alone = signature("hi");
            let headers = [(&*names[0], id), (&*names[1], &*time), (&*names[2], &*body_alone)];
            assert_eq!(verify(&any, &headers, "hi"), Err(RejectionKind::BadMac), "{brand}");
        }
        assert_eq!(verify(&any, &[("x-old", &signature("hi")[3..])], "hi"), Ok("old"));
    }
}

#[test]
fn a_response_is_signed_as_its_request_was() {
    let answered = |name: &'static str, header: &'static str| {
        let scheme = prefixed(name).response_signature(Field::header(header));
        scheme.response_message([Part::RequestSignature(Encoding::Hex), Part::Status, Part::Body]).build().unwrap()
    };
    let (a, b) = (answered("a", "x-answer-a"), answered("b", "x-answer-b"));
    for any in [Scheme::any([a.clone(), b.clone()]), Scheme::any([a.clone(), Scheme::any([b.clone()]).unwrap()])] {
        let any = any.unwrap();
        for (name, header, alone) in [("a", "x-answer-a", &a), ("b", "x-answer-b", &b)] {
            let asked = tag(&format!("{name}:hi"));
            let verified = verify_with(&any, key("k").into(), &[("x-signature", &hex(&asked))], "hi").unwrap();
            let (mut head, ()) = Response::new(()).into_parts();
            let signer = ResponseSigner::new(any.clone());
            let mut signing = signer.begin(&head, verified.exchange(), NOW).unwrap();
            signing.update(b"ok");
            signing.finish(&mut head).unwrap();
            assert_eq!(head.headers.keys().filter(|name| name.as_str() != "cache-control").count(), 1);
            assert_eq!(head.headers[header], hex(&tag(&format!("{}200ok", hex(&asked)))));
            let mut verifying = ResponseVerifier::new(alone.clone()).check(&head, verified.exchange()).unwrap();
            verifying.update(b"ok");
            verifying.finish(&head).unwrap();
        }
    }
}

#[test]
fn the_first_signs_and_the_narrowest_window_holds() {
    let dated = |name: &'static str, header: &'static str| {
        let scheme = Scheme::builder(name).signature(Field::header(header));
        let scheme = scheme.timestamp(Field::header("x-time"), TimeFormat::Seconds);
        scheme.message([Part::Timestamp, Part::literal("."), Part::Body])
    };
    let narrow =
        tower_hmac::clock::Tolerance::new(std::time::Duration::from_secs(5), std::time::Duration::from_secs(5));
    let (wide, narrow) = (dated("wide", "x-wide"), dated("narrow", "x-narrow").tolerance(narrow.unwrap()));
    let any = Scheme::any([wide.build().unwrap(), narrow.build().unwrap()]).unwrap();
    let mut signed = head(&[]);
    RequestSigner::new(any.clone(), key("k")).unwrap().begin(&signed, NOW).unwrap().finish(&mut signed).unwrap();
    assert!(signed.headers.contains_key("x-wide") && !signed.headers.contains_key("x-narrow"));
    for (age, expected) in [(5, Ok("wide")), (6, Err(RejectionKind::Stale))] {
        let time = (NOW - age).to_string();
        let signature = hex(&tag(&format!("{time}.hi")));
        assert_eq!(verify(&any, &[("x-wide", &signature), ("x-time", &time)], "hi"), expected);
    }
}
