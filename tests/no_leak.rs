//! Nothing that can be printed shows a secret, in whatever spelling, or the state that is derived from it.

mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::{Debug, Display};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use support::NOW;
use support::body::{Script, Step};
use support::service::{Inner, send};
use support::wire::{Wire, hex};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_hmac::clock::{ManualClock, SystemClock, Tolerance};
use tower_hmac::replay::{Claimed, MemoryReplayGuard};
use tower_hmac::sign::{RequestSigner, ResponseSigner};
use tower_hmac::verify::{RequestVerifier, ResponseVerifier};
use tower_hmac::{
    Algorithm, Answer, HmacBody, HmacLayer, Key, KeyId, KeyQuery, Keys, Lookup, Refusal, Rejection, RejectionKind,
    Scheme, SignError, SignedHeaders, SignedTarget, Target, Verified,
};

const SECRET: &str = "correct horse battery staple 42!";

fn key() -> Key {
    Key::from_text("svc-a", SECRET).unwrap()
}

/// Every spelling in which something secret could be printed, without white space.
fn needles() -> Vec<String> {
    let list = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let mut needles = Vec::new();
    let mut pads = [[0x36_u8; 64], [0x5c; 64]];
    for pad in &mut pads {
        pad.iter_mut().zip(SECRET.bytes()).for_each(|(pad, byte)| *pad ^= byte);
        let mut state =
            [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
        sha2::block_api::compress256(&mut state, &[*pad]);
        needles.extend(state.iter().flat_map(|word| [word.to_string(), format!("{word:08x}"), format!("{word:08X}")]));
    }
    for secret in [SECRET.as_bytes(), &pads[0][..32], &pads[1][..32]] {
        let hex = hex(secret);
        needles.extend(hex.as_bytes().chunks(16).map(|part| String::from_utf8(part.to_vec()).unwrap()));
        needles.push(hex[..16].to_uppercase());
        for text in [Base64::encode_string(secret), Base64UrlUnpadded::encode_string(secret)] {
            needles.push(text[..12].into());
        }
        needles.extend(secret.chunks(4).map(list));
    }
    needles.extend(SECRET.split(' ').map(String::from));
    needles
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    for needle in needles() {
        assert!(!text.contains(&needle), "{what} shows {needle:?}: {text}");
    }
}

/// What was printed, by type.
#[derive(Default)]
struct Seen(BTreeMap<String, usize>);

impl Seen {
    #[track_caller]
    fn show<T: Debug>(&mut self, value: &T) {
        let name = std::any::type_name::<T>().split('<').next().unwrap().rsplit("::").next().unwrap().to_owned();
        assert_clean(&name, &format!("{value:?}"));
        assert_clean(&name, &format!("{value:#?}"));
        *self.0.entry(name).or_default() += 1;
    }

    #[track_caller]
    fn show_error<T: Debug + Display>(&mut self, value: &T) {
        assert_clean("an error", &value.to_string());
        self.show(value);
    }
}

#[test]
fn the_needles_are_found() {
    for text in [
        format!("{SECRET:?}"),
        format!("{:?}", SECRET.as_bytes()),
        format!("{:#?}", SECRET.as_bytes()),
        hex(SECRET.as_bytes()),
        Base64::encode_string(SECRET.as_bytes()),
    ] {
        assert!(std::panic::catch_unwind(|| assert_clean("this", &text)).is_err(), "{text}");
    }
}

#[tokio::test]
async fn q_01_debug_of_every_public_type() {
    let mut seen = Seen::default();
    let scheme = Scheme::native();
    let keys = Keys::new([key(), key().with_algorithm(Algorithm::HmacSha512)]).unwrap().with_data(SECRET);
    let mut mac = key().mac();
    mac.update(b"text");
    seen.show(&key());
    seen.show(&keys);
    seen.show(&KeyId::new("svc-a").unwrap());
    seen.show(&key().algorithm());
    seen.show(&mac);
    seen.show(&mac.finish());
    seen.show(&scheme);
    seen.show(&Answer::Ready(keys.clone()));
    seen.show(&SystemClock::default());
    seen.show(&ManualClock::at(NOW));
    seen.show(&Tolerance::default());
    seen.show(&SignedHeaders::new(["cookie"]).unwrap());
    seen.show(&SignedTarget::received());
    for target in [Target::received(), Target::fixed("h").unwrap(), Target::resolver(|_| SignedTarget::received())] {
        seen.show(&target);
    }

    let (mut head, ()) = Request::get("http://api.example.com/").body(()).unwrap().into_parts();
    let signer = RequestSigner::new(scheme.clone(), key()).unwrap();
    seen.show(&signer);
    seen.show(&signer.begin());
    seen.show(&signer.begin().finish(&mut head, NOW).unwrap());
    seen.show(&KeyQuery::new(Some("svc-a"), &head));
    let verifier = RequestVerifier::new(scheme.clone());
    seen.show(&verifier);
    let credentials = verifier.read(&head).unwrap();
    seen.show(&credentials);
    let only = Keys::from(key()).with_data(SECRET);
    let checked = verifier.check(&credentials, Some(&only), NOW).unwrap();
    seen.show(&checked);
    let authentic = checked.finish().unwrap();
    seen.show(&authentic);
    seen.show(&authentic.replay_claim(NOW).unwrap());
    let guard = MemoryReplayGuard::new();
    seen.show(&guard.spend(&authentic.replay_claim(NOW).unwrap()));
    seen.show(&guard);
    let verified = authentic.admit(Claimed::Fresh).unwrap();
    seen.show(&verified);

    let responses = ResponseSigner::new(scheme.clone());
    seen.show(&responses);
    seen.show(&responses.begin());
    let mut answer = Response::new(()).into_parts().0;
    responses.begin().finish(&mut answer, verified.exchange(), NOW).unwrap();
    let checker = ResponseVerifier::new(scheme.clone());
    seen.show(&checker);
    seen.show(&checker.check(&answer, verified.exchange()).unwrap());

    let layer = HmacLayer::new(scheme, key()).unwrap();
    seen.show(&layer);
    let mut service = layer.layer(Inner::ok());
    seen.show(&service);
    seen.show(&service.call(Wire::get("/").request(Script::bytes(SECRET))));
    seen.show(&HmacBody::<Script>::from(Bytes::from_static(SECRET.as_bytes())));
    let broken = layer
        .pass_unsigned(|_| true)
        .clock(support::clock())
        .layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Script::new([Step::Error])))));
    let wire = Wire::get("/").key("svc-a", &hex(SECRET.as_bytes()));
    let body = broken.oneshot(wire.request(Script::bytes(""))).await.unwrap().into_body();
    seen.show(&body);
    seen.show_error(&body.collect().await.unwrap_err());

    seen.show_error(&Key::from_hex("svc-a", SECRET).unwrap_err());
    seen.show_error(&Key::from_base64("svc-a", SECRET).unwrap_err());
    seen.show_error(&Key::from_whsec("svc-a", SECRET).unwrap_err());
    seen.show_error(&Key::from_text("svc-a", &format!("{SECRET}\n")).unwrap_err());
    seen.show_error(&Key::from_text(SECRET, "svc-a").unwrap_err());
    let short = Key::from_text("svc-a", &SECRET[..15]).unwrap();
    seen.show_error(&HmacLayer::new(Scheme::native(), short).unwrap_err());
    seen.show_error(&SignError::Header);
    seen.show_error(&RejectionKind::BadMac);
    seen.show_error(&Rejection::from(RejectionKind::BadMac));

    for (name, text) in support::printed::keys_and_guards(&key(), SECRET).await {
        assert_clean(&name, &text);
        *seen.0.entry(name).or_default() += 1;
    }

    // Only the layer makes a Refusal: see below.
    let missing = |name: &String| name != "Refusal" && !seen.0.contains_key(name);
    let missing: Vec<_> = public_types().into_iter().filter(missing).collect();
    assert!(missing.is_empty(), "never printed: {missing:?}");
}

/// The names of all public structs and enums in the sources.
fn public_types() -> Vec<String> {
    fn walk(folder: &Path, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, names);
                continue;
            }
            let source = std::fs::read_to_string(&entry).unwrap();
            let lines = source.lines().map(str::trim_start);
            let types = lines.filter_map(|line| line.strip_prefix("pub struct ").or(line.strip_prefix("pub enum ")));
            names.extend(types.map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()));
        }
    }
    let mut names = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    assert!(names.len() >= 40, "{names:?}");
    names
}

/// What stores, renderers and services print of what they are handed: neither the secret nor a signature.
#[tokio::test]
async fn q_01_what_foreign_code_is_handed() {
    let printed = Arc::new(Mutex::new(Vec::<String>::new()));
    let [store, renderer, service] = [(); 3].map(|()| Arc::clone(&printed));
    let store = move |query: &KeyQuery<'_>| -> Lookup {
        store.lock().unwrap().push(format!("{query:?} {query:#?}"));
        Some(key()).into()
    };
    let layer = HmacLayer::new(Scheme::native(), store).unwrap().clock(support::clock());
    let layer = layer.render_refusals(move |refusal: &Refusal<'_>| {
        renderer.lock().unwrap().push(format!("{refusal:?} {refusal:#?}"));
        refusal.standard()
    });
    let wire = Wire::post("/", "{}").key("svc-a", &hex(SECRET.as_bytes()));
    let serve = layer.clone().layer(service_fn(move |request: Request<HmacBody<Script>>| {
        let who = request.extensions().get::<Verified>().unwrap();
        service.lock().unwrap().push(format!("{request:?} {who:?} {who:#?}"));
        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done")))) }
    }));
    let response = serve.oneshot(wire.request(Script::bytes("{}"))).await.unwrap();
    let answer = response.headers()["x-hmac-signature"].to_str().unwrap().to_owned();
    printed.lock().unwrap().push(format!("{response:?}"));
    send(layer, wire.request(Script::bytes("[]"))).await.refused(RejectionKind::BodyMismatch);

    let printed = printed.lock().unwrap();
    assert_eq!(printed.len(), 5);
    for text in &*printed {
        assert_clean("foreign code", text);
        assert!(!text.contains(&wire.signature()), "{text}");
        assert!(!text.contains(&answer), "{text}");
        assert!(text.contains("x-hmac-signature") && text.contains("Sensitive"), "{text}");
    }
}
