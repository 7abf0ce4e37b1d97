//! The strings to sign can be looked at: they are those of the vectors, and what every signature is made of.

mod support;

use http::{HeaderValue, Response, StatusCode, Version};
use support::schemes::samples;
use support::vectors;
use tower_hmac::scheme::{Field, Part};
use tower_hmac::verify::{RequestVerifier, ResponseVerifier};
use tower_hmac::{RejectionKind, Scheme};

#[test]
fn they_are_those_of_the_vectors_in_both_directions() {
    let (mut requests, mut responses) = (0, 0);
    for asked in vectors::whole() {
        let head = asked.head(Version::HTTP_11).unwrap();
        let strings = RequestVerifier::new(asked.scheme()).strings_to_sign(&head, &asked.body).unwrap();
        assert_eq!(strings, [asked.string_to_sign.clone().into_bytes()], "{}", asked.name);
        requests += 1;
        let Some(answer) = &asked.answer else { continue };
        let (head, verifier) = (answer.head().unwrap(), ResponseVerifier::new(Scheme::native()));
        let string = verifier.string_to_sign(&head, &asked.exchange(), &answer.body).unwrap();
        assert_eq!(string, answer.string_to_sign.clone().into_bytes(), "{}", asked.name);
        responses += 1;
    }
    assert_eq!((requests, responses), (8, 4));
}

#[test]
fn every_signature_is_made_of_one_of_them_and_of_no_other_body() {
    let (mut made, mut of_the_body) = (0, 0);
    for sample in samples() {
        let tag_of = |string: &Vec<u8>| {
            let mut mac = sample.key.mac();
            mac.update(string);
            mac.finish().as_bytes().to_vec()
        };
        let verifier = RequestVerifier::new(sample.scheme.clone());
        let strings = verifier.strings_to_sign(&sample.head, &sample.body).unwrap();
        assert!(strings.iter().any(|string| tag_of(string) == sample.tag()), "{}: {strings:?}", sample.name);
        // Where the digest of the body stands in the head, the string is the same for every body.
        if let Ok(others) = verifier.strings_to_sign(&sample.head, &[&sample.body[..], b" "].concat())
            && others != strings
        {
            assert!(others.iter().all(|string| tag_of(string) != sample.tag()), "{}", sample.name);
            of_the_body += 1;
        }
        made += 1;
    }
    assert!(made > 100 && of_the_body > 100, "{made} {of_the_body}");
}

#[test]
fn a_format_that_does_not_fit_the_body_hides_no_other() {
    let asked = vectors::whole().into_iter().find(|asked| !asked.body.is_empty()).unwrap();
    let mut head = asked.head(Version::HTTP_11).unwrap();
    head.headers.insert("x-sig", HeaderValue::try_from("0".repeat(64)).unwrap());
    head.headers.insert("x-key", head.headers["x-hmac-key-id"].clone());
    let old = Scheme::builder("old").key_id(Field::header("x-key")).signature(Field::header("x-sig"));
    let old = old.message([Part::Body]).build().unwrap();
    let both = RequestVerifier::new(Scheme::any([asked.scheme(), old]).unwrap());
    let native = asked.string_to_sign.clone().into_bytes();
    assert_eq!(both.strings_to_sign(&head, &asked.body).unwrap(), [native, asked.body.clone()]);
    // The digest in the head is that of another body.
    assert_eq!(both.strings_to_sign(&head, b"another").unwrap(), [b"another".to_vec()]);
}

#[test]
fn a_peer_that_signed_another_path_is_found_out() {
    let asked = vectors::whole().into_iter().find(|asked| asked.target.contains(&b'/')).unwrap();
    let mut head = asked.head(Version::HTTP_11).unwrap();
    head.uri = "/elsewhere".parse().unwrap();
    let strings = RequestVerifier::new(asked.scheme()).strings_to_sign(&head, &asked.body).unwrap();
    let expected = asked.string_to_sign.replacen(str::from_utf8(&asked.target).unwrap(), "/elsewhere", 1);
    assert_eq!(strings, [expected.into_bytes()]);
}

#[test]
fn what_cannot_be_read_has_no_string() {
    let asked = vectors::whole().remove(0);
    let (mut head, verifier) = (asked.head(Version::HTTP_11).unwrap(), RequestVerifier::new(asked.scheme()));
    head.headers.append("x-hmac-nonce", HeaderValue::from_static("AAECAwQFBgcICQoLDA0ODw"));
    assert_eq!(verifier.strings_to_sign(&head, b"").unwrap_err().kind(), RejectionKind::Malformed);
    head.headers.remove("x-hmac-nonce");
    assert_eq!(verifier.strings_to_sign(&head, b"").unwrap_err().kind(), RejectionKind::Missing);
    let (head, ()) = Response::builder().status(StatusCode::OK).body(()).unwrap().into_parts();
    let unsigned = ResponseVerifier::new(Scheme::native()).string_to_sign(&head, &asked.exchange(), b"");
    assert_eq!(unsigned.unwrap_err().kind(), RejectionKind::Missing);
}
