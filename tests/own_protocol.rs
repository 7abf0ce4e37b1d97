//! A format of one's own: what the crate hands it, and that nothing of it shows a signature.

mod support;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};
use support::NOW;
use support::body::Script;
use support::service::send;
use tower_hmac::scheme::{
    Claim, Claims, Entry, Feed, HeadMut, Message, Protocol, Seen, Signatures, Stamp, Subject, TimeFormat, Timestamp,
};
use tower_hmac::sign::{RequestSigner, ResponseSigner};
use tower_hmac::verify::ResponseVerifier;
use tower_hmac::{Encoding, HmacLayer, Key, RejectionKind, Scheme, SignError, Tag};

const SIGNATURE: HeaderName = HeaderName::from_static("x-own-signature");
const TIME: HeaderName = HeaderName::from_static("x-own-time");

/// `method LF path LF time LF` and the body's hash, whose length comes last. Prints whatever it sees.
#[derive(Clone, Default)]
struct Own(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Own {
    fn show<T: Debug>(&self, value: &T) {
        let name = std::any::type_name::<T>().split('<').next().unwrap().rsplit("::").next().unwrap();
        self.0.lock().unwrap().push((name, format!("{value:?} {value:#?}")));
    }

    fn fed(&self, message: &Message<'_>, claim: &Claim<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
        self.show(message);
        self.show(claim);
        self.show(&message.subject());
        match message.subject() {
            Subject::Request(method) => {
                self.show(message.target()?);
                feed.line(method.as_str().as_bytes());
                feed.line(message.target()?.path.as_bytes());
            }
            Subject::Response(status, to) => {
                feed.line(status.as_str().as_bytes());
                feed.line(to.signature().as_bytes());
            }
        }
        feed.line(claim.timestamp.ok_or(RejectionKind::Missing)?.text.as_bytes());
        self.show(feed);
        Ok(())
    }
}

impl Protocol for Own {
    fn name(&self) -> &'static str {
        "own"
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Own")
    }

    fn fields(&self) -> &[HeaderName] {
        static FIELDS: [HeaderName; 2] = [SIGNATURE, TIME];
        &FIELDS
    }

    fn encoding(&self, _: &Claim<'_>) -> Encoding {
        Encoding::Base64Url
    }

    fn signs_responses(&self) -> bool {
        true
    }

    fn read<'m>(&self, message: &Message<'m>) -> Result<Claims<'m>, RejectionKind> {
        let signature = message.header(&SIGNATURE)?.ok_or(RejectionKind::Missing)?.as_bytes();
        let text = message.header(&TIME)?.ok_or(RejectionKind::Missing)?.to_str();
        let text = text.map_err(|_| RejectionKind::Malformed)?;
        let seconds = Some(TimeFormat::Seconds.parse(text).ok_or(RejectionKind::Malformed)?);
        let mut claim = Claim::default();
        claim.signatures = Signatures::one(signature);
        claim.timestamp = Some(Timestamp { text, seconds });
        self.show(&claim.signatures);
        self.show(&claim.timestamp.unwrap());
        let claims = Claims::from(claim);
        self.show(&claims);
        Ok(claims)
    }

    fn entry(&self, _: &Message<'_>, _: Option<&Claim<'_>>) -> Result<Entry, RejectionKind> {
        self.show(&Entry::Hashed);
        Ok(Entry::Hashed)
    }

    fn before(&self, message: &Message<'_>, claim: &Claim<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
        self.fed(message, claim, feed)
    }

    fn after(&self, _: &Message<'_>, _: &Claim<'_>, seen: &Seen<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
        self.show(seen);
        feed.push(&seen.sha256);
        feed.push(seen.len.to_string().as_bytes());
        Ok(())
    }

    fn stamp<'s>(&self, _: &Message<'s>, stamp: &Stamp<'s>) -> Result<Claim<'s>, RejectionKind> {
        self.show(stamp);
        let mut claim = Claim::default();
        claim.timestamp = Some(stamp.timestamp);
        Ok(claim)
    }

    fn write(&self, head: HeadMut<'_>, stamp: &Stamp<'_>, _: &[u8], tag: &Tag) -> Result<(), SignError> {
        self.show(&head);
        let value = |text: &str| HeaderValue::try_from(text).map_err(|_| SignError::Header);
        let mut signature = value(&base64url(tag.as_bytes()))?;
        signature.set_sensitive(true);
        head.headers.insert(SIGNATURE, signature);
        head.headers.insert(TIME, value(stamp.timestamp.text)?);
        Ok(())
    }
}

fn base64url(bytes: &[u8]) -> String {
    use base64ct::Encoding as _;
    base64ct::Base64UrlUnpadded::encode_string(bytes)
}

fn key() -> Key {
    Key::from_bytes("own", [7; 32]).unwrap()
}

/// What the format asks for, computed by another library from the text alone.
fn expected(lines: &[&[u8]], body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    for line in lines {
        mac.update(line);
        mac.update(b"\n");
    }
    mac.update(&Sha256::digest(body));
    mac.update(body.len().to_string().as_bytes());
    base64url(&mac.finalize().into_bytes())
}

fn request(body: &str) -> Request<Script> {
    let signature = expected(&[b"POST", b"/own", b"1795303445"], body.as_bytes());
    Request::post("/own")
        .header("host", support::AUTHORITY)
        .header("x-own-time", NOW)
        .header("x-own-signature", signature)
        .body(Script::bytes(body.to_owned()))
        .unwrap()
}

#[tokio::test]
async fn the_layer_speaks_it_both_ways() {
    let layer = HmacLayer::new(Scheme::from_protocol(Own::default()), key()).unwrap().clock(support::clock());
    send(layer.clone(), request("hello")).await.accepted();
    // No nonce: a second time is fine.
    let outcome = send(layer.clone(), request("hello")).await;
    outcome.accepted();
    assert!(outcome.response.headers().contains_key("x-own-signature"));

    let mut altered = request("hello");
    *altered.body_mut() = Script::bytes("hallo");
    assert_eq!(send(layer.clone(), altered).await.kind(), Some(RejectionKind::BadMac));
    let mut stale = request("hello");
    stale.headers_mut().insert("x-own-time", HeaderValue::from(NOW - 1000));
    assert_eq!(send(layer.clone(), stale).await.kind(), Some(RejectionKind::BadMac), "the MAC comes first");
    let mut moved = request("hello");
    *moved.uri_mut() = "/other".parse().unwrap();
    assert_eq!(send(layer, moved).await.kind(), Some(RejectionKind::BadMac));
}

#[test]
fn what_it_is_handed_shows_no_signature() {
    let own = Own::default();
    let scheme = Scheme::from_protocol(own.clone());
    let (mut head, ()) = Request::post("http://api.example.com/own").body(()).unwrap().into_parts();
    let signer = RequestSigner::new(scheme.clone(), key()).unwrap();
    let mut signing = signer.begin(&head, NOW).unwrap();
    signing.update(b"hello");
    let exchange = signing.finish(&mut head).unwrap();
    let asked = head.headers["x-own-signature"].to_str().unwrap().to_owned();
    assert_eq!(asked, expected(&[b"POST", b"/own", b"1795303445"], b"hello"));

    let (mut answer, ()) = Response::new(()).into_parts();
    let responses = ResponseSigner::new(scheme.clone());
    let mut signing = responses.begin(&answer, &exchange, NOW).unwrap();
    signing.update(b"done");
    signing.finish(&mut answer).unwrap();
    let mut verifying = ResponseVerifier::new(scheme).check(&answer, &exchange).unwrap();
    verifying.update(b"done");
    verifying.finish(&answer).unwrap();

    let seen = own.0.lock().unwrap();
    let names: BTreeSet<_> = seen.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, BTreeSet::from(support::HANDED_TO_PROTOCOLS));
    for (name, text) in &*seen {
        for signature in [&asked, answer.headers["x-own-signature"].to_str().unwrap()] {
            assert!(
                !text.contains(signature) && !text.contains(&format!("{:?}", signature.as_bytes())),
                "{name}: {text}"
            );
        }
    }
}
