//! Several signatures and several claims: any may be right, and none vouches for what another says.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::{HeaderName, HeaderValue};
use http::{Request, request};
use sha2::{Digest, Sha256};
use support::NOW;
use support::schemes::mac;
use support::wire::hex;
use tower_hmac::replay::Claimed;
use tower_hmac::scheme::{Claim, Claims, Entry, Feed, HeadMut, Message, Protocol, Signatures, Stamp};
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{Algorithm, Encoding, Key, Keys, RejectionKind, Scheme, SignError, Tag, webhook};

fn key(secret: u8) -> Key {
    Key::from_bytes(&format!("k{secret}"), [secret; 32]).unwrap()
}

fn keys(secrets: &[u8]) -> Keys {
    Keys::new(secrets.iter().copied().map(key)).unwrap()
}

fn signed(secret: u8, text: impl AsRef<[u8]>) -> String {
    hex(&mac(Algorithm::HmacSha256, &[secret; 32], text.as_ref()))
}

fn head(headers: &[(&str, &str)]) -> request::Parts {
    let request = headers.iter().fold(Request::post("/p"), |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

/// Which key it was, and what a replay guard would be asked.
type Outcome = Result<(String, (String, String)), RejectionKind>;

fn verify(scheme: &Scheme, keys: &Keys, headers: &[(&str, &str)], body: &[u8]) -> Outcome {
    let head = head(headers);
    let verifier = RequestVerifier::new(scheme.clone());
    let credentials = verifier.read(&head).map_err(|r| r.kind())?;
    let mut verifying = verifier.check(&credentials, Some(keys), NOW).map_err(|r| r.kind())?;
    verifying.update(body);
    let authentic = verifying.finish(&head).map_err(|r| r.kind())?;
    let claim = authentic.replay_claim(NOW).map_err(|r| r.kind())?;
    let once = (claim.key_id.to_string(), claim.nonce.to_owned());
    let verified = authentic.admit(Claimed::Fresh).map_err(|r| r.kind())?;
    Ok((verified.key_id().to_string(), once))
}

fn stripe(signatures: &[&str]) -> String {
    let list = signatures.iter().map(|signature| format!(",v1={signature}"));
    format!("t={NOW}{}", list.collect::<String>())
}

fn ask(secrets: &[u8], signatures: &[&str]) -> Result<String, RejectionKind> {
    let headers = [("stripe-signature", &*stripe(signatures))];
    verify(&webhook::stripe(), &keys(secrets), &headers, b"{}").map(|(key, _)| key)
}

#[test]
fn any_of_four_may_be_right() {
    let (right, wrong) = (signed(1, format!("{NOW}.{{}}")), signed(9, "x"));
    for place in 0..4 {
        let mut four = [&*wrong; 4];
        four[place] = &right;
        assert_eq!(ask(&[1], &four), Ok("k1".into()), "{place}");
        assert_eq!(ask(&[8, 7, 6, 1], &four), Ok("k1".into()), "{place}");
    }
    assert_eq!(ask(&[1], &[&*wrong; 4]), Err(RejectionKind::BadMac));
    // A fifth is refused, wherever the right one stands; what is not spelt as one is nobody's.
    assert_eq!(ask(&[1], &[&*right; 5]), Err(RejectionKind::Malformed));
    assert_eq!(ask(&[1], &["", "00", "zz", &right[1..], "é", &right]), Ok("k1".into()));
    assert_eq!(ask(&[1], &["", "00", &right[1..]]), Err(RejectionKind::Malformed));
    // Thousands of members cost no more than to read them.
    let many = vec!["00"; 20_000];
    assert_eq!(ask(&[1], &many), Err(RejectionKind::Malformed));
    assert_eq!(ask(&[], &[&right]), Err(RejectionKind::UnknownKey));
}

/// On-path attackers can remove a signature from a message that has two.
#[test]
fn a_message_with_two_right_signatures_is_one_message() {
    let text = format!("{NOW}.{{}}");
    let (old, new) = (signed(1, &text), signed(2, &text));
    let once = |signatures: &[&str]| {
        let headers = [("stripe-signature", &*stripe(signatures))];
        verify(&webhook::stripe(), &keys(&[1, 2]), &headers, b"{}").unwrap().1
    };
    let both = once(&[&old, &new]);
    assert_eq!(both, once(&[&new, &old]));
    assert_eq!(both, once(&[&old]));
    assert_eq!(both, once(&[&new]));
    let box_headers = |names: &[(&'static str, u8)]| {
        let time = "2026-11-21T23:24:05Z";
        let sign = |secret| {
            use base64ct::Encoding as _;
            let tag = mac(Algorithm::HmacSha256, &[secret; 32], format!("{{}}{time}").as_bytes());
            base64ct::Base64::encode_string(&tag)
        };
        let signatures: Vec<_> = names.iter().map(|(name, secret)| (*name, sign(*secret))).collect();
        let mut headers = vec![("box-delivery-timestamp", time)];
        headers.extend(signatures.iter().map(|(name, signature)| (*name, &**signature)));
        verify(&webhook::boxcom(), &keys(&[1, 2]), &headers, b"{}").unwrap().1
    };
    let (primary, secondary) = (("box-signature-primary", 1), ("box-signature-secondary", 2));
    assert_eq!(box_headers(&[primary]), box_headers(&[primary, secondary]));
    assert_eq!(box_headers(&[secondary]), box_headers(&[primary, secondary]));
}

/// Two claims, each with its own digest and signature: `x-digest-0`, `x-signature-0` and so on. Counts the MACs.
#[derive(Clone, Default)]
struct Labels(Arc<AtomicUsize>);

const NAMES: [[HeaderName; 2]; 2] = [
    [HeaderName::from_static("x-digest-0"), HeaderName::from_static("x-signature-0")],
    [HeaderName::from_static("x-digest-1"), HeaderName::from_static("x-signature-1")],
];

impl Protocol for Labels {
    fn name(&self) -> &'static str {
        "labels"
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Labels")
    }

    fn fields(&self) -> &[HeaderName] {
        &[]
    }

    fn tolerance(&self) -> Option<tower_hmac::clock::Tolerance> {
        None
    }

    fn read<'m>(&self, message: &Message<'m>) -> Result<Claims<'m>, RejectionKind> {
        let mut claims = Vec::new();
        for (format, [digest, signature]) in NAMES.iter().enumerate() {
            let mut claim = Claim::default();
            claim.format = format;
            claim.digest = message.header(digest)?.map(HeaderValue::as_bytes);
            let Some(signature) = message.header(signature)? else { continue };
            claim.signatures = Signatures::one(signature.as_bytes());
            claims.push(claim);
        }
        let mut claims = claims.into_iter();
        let mut all = Claims::from(claims.next().ok_or(RejectionKind::Missing)?);
        claims.try_for_each(|claim| all.push(claim))?;
        Ok(all)
    }

    fn entry(&self, _: &Message<'_>, claim: Option<&Claim<'_>>) -> Result<Entry, RejectionKind> {
        let digest = claim.is_some_and(|claim| claim.digest.is_some());
        Ok(if digest { Entry::Digest(Encoding::Hex) } else { Entry::Uncovered })
    }

    fn before(&self, _: &Message<'_>, claim: &Claim<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
        self.0.fetch_add(1, Ordering::Relaxed);
        feed.push(claim.digest.unwrap_or(b"no body"));
        Ok(())
    }

    fn stamp<'s>(&self, _: &Message<'s>, _: &Stamp<'s>) -> Result<Claim<'s>, RejectionKind> {
        Err(RejectionKind::Method)
    }

    fn write(&self, _: HeadMut<'_>, _: &Stamp<'_>, _: &[u8], _: &Tag) -> Result<(), SignError> {
        Err(SignError::Method)
    }
}

#[test]
fn a_claim_that_is_wrong_says_nothing_about_the_body() {
    let scheme = Scheme::from_protocol(Labels::default());
    let (signed_digest, evil) = (hex(&Sha256::digest("good")), hex(&Sha256::digest("evil")));
    let (right, wrong) = (signed(1, &signed_digest), "00".repeat(32));
    for (first, second) in [("0", "1"), ("1", "0")] {
        let names = [
            format!("x-digest-{first}"),
            format!("x-signature-{first}"),
            format!("x-digest-{second}"),
            format!("x-signature-{second}"),
        ];
        let headers =
            [(&*names[0], &*evil), (&*names[1], &*wrong), (&*names[2], &*signed_digest), (&*names[3], &*right)];
        let ask = |body: &[u8]| verify(&scheme, &keys(&[1]), &headers, body).map(|(key, _)| key);
        assert_eq!(ask(b"good"), Ok("k1".into()));
        assert_eq!(ask(b"evil"), Err(RejectionKind::BodyMismatch));
        // Nor whether there is one to check.
        let headers = [headers[1], headers[2], headers[3]];
        assert_eq!(verify(&scheme, &keys(&[1]), &headers, b"evil").err(), Some(RejectionKind::Malformed));
    }
}

#[test]
fn more_macs_than_four_are_not_computed() {
    let labels = Labels::default();
    let scheme = Scheme::from_protocol(labels.clone());
    let (digest, wrong) = (hex(&Sha256::digest("good")), "00".repeat(32));
    let ask = |secrets: &[u8], claims: usize| {
        let right = signed(secrets[secrets.len() - 1], &digest);
        let headers = [
            ("x-digest-0", &*digest),
            ("x-signature-0", &*right),
            ("x-digest-1", &*digest),
            ("x-signature-1", &*wrong),
        ];
        let outcome = verify(&scheme, &keys(secrets), &headers[..2 * claims], b"good").map(|(key, _)| key);
        (outcome, labels.0.swap(0, Ordering::Relaxed))
    };
    // One more is under no key: the message is known by it.
    assert_eq!(ask(&[1, 2, 3, 4], 1), (Ok("k4".into()), 4 + 1));
    assert_eq!(ask(&[1, 2], 2), (Ok("k2".into()), 4 + 1));
    assert_eq!(ask(&[1, 2, 3], 2), (Err(RejectionKind::Malformed), 0));
}
