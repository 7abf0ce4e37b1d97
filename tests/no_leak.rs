//! Nothing that can be printed shows a secret, in whatever spelling, or the state that is derived from it.

mod support;

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use support::NOW;
use support::body::{Script, Step};
use support::printed::{SECRET, Seen, assert_clean, key};
use support::service::{Inner, send};
use support::wire::{Wire, hex};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_hmac::clock::{ManualClock, SystemClock, Tolerance};
use tower_hmac::replay::{Claimed, MemoryReplayGuard};
use tower_hmac::scheme::{Field, Part, TimeFormat};
use tower_hmac::sign::{RequestSigner, ResponseSigner};
use tower_hmac::verify::{RequestVerifier, ResponseVerifier};
use tower_hmac::{
    Algorithm, Answer, HmacBody, HmacClientLayer, HmacLayer, HostKeys, Key, KeyId, KeyQuery, Keys, Lookup, Refusal,
    Rejection, RejectionKind, Scheme, SignError, SignedHeaders, SignedTarget, Target, Verified, VerifiedResponse,
};

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
    seen.show(&signer.begin(&head, NOW).unwrap());
    seen.show(&signer.begin(&head, NOW).unwrap().finish(&mut head).unwrap());
    seen.show(&KeyQuery::new(Some("svc-a"), &head));
    let verifier = RequestVerifier::new(scheme.clone());
    seen.show(&verifier);
    let credentials = verifier.read(&head).unwrap();
    seen.show(&credentials);
    let only = Keys::from(key()).with_data(SECRET);
    let verifying = verifier.check(&credentials, Some(&only), NOW).unwrap();
    seen.show(&verifying);
    let authentic = verifying.finish(&head).unwrap();
    seen.show(&authentic);
    seen.show(&authentic.replay_claim(NOW).unwrap());
    let guard = MemoryReplayGuard::new();
    seen.show(&guard.spend(&authentic.replay_claim(NOW).unwrap()));
    seen.show(&guard);
    let verified = authentic.admit(Claimed::Fresh).unwrap();
    seen.show(&verified);

    let responses = ResponseSigner::new(scheme.clone());
    seen.show(&responses);
    let mut answer = Response::new(()).into_parts().0;
    let signing = responses.begin(&answer, verified.exchange(), NOW).unwrap();
    seen.show(&signing);
    signing.finish(&mut answer).unwrap();
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

    for (name, text) in support::keys_printed::keys_and_guards(&key(), SECRET).await {
        assert_clean(&name, &text);
        *seen.0.entry(name).or_default() += 1;
    }
    client_side(&mut seen).await;
    let builder = Scheme::builder("own").signature(Field::header("x-signature")).message([Part::Body]);
    seen.show(&builder);
    seen.show(&Field::header("x-signature"));
    for part in [Part::of_head(|_| None), Part::of_body(|_, _| None)] {
        seen.show(&part);
        match part {
            Part::OfHead(function) => seen.show(&function),
            Part::OfBody(function) => seen.show(&function),
            _ => {}
        }
    }
    seen.show(&TimeFormat::Seconds);
    seen.show(&tower_hmac::StreamedBody::default());
    let name = http::HeaderName::from_static("x-end");
    seen.show(&tower_hmac::scheme::Trailer { name, announced: "trailer", prefix: "v1=" });
    seen.show(&tower_hmac::Encoding::Hex);
    seen.show(&tower_hmac::ProblemJson);

    // Only the layer makes a Refusal: see below. What a protocol is handed has a test of its own.
    let elsewhere = ["Refusal"].into_iter().chain(support::HANDED_TO_PROTOCOLS);
    let elsewhere: Vec<_> = elsewhere.collect();
    let missing = |name: &String| !elsewhere.contains(&&**name) && !seen.0.contains_key(name);
    let missing: Vec<_> = public_types().into_iter().filter(missing).collect();
    assert!(missing.is_empty(), "never printed: {missing:?}");
}

async fn client_side(seen: &mut Seen) {
    let keys = HostKeys::new([("h", key())]).unwrap();
    seen.show(&keys);
    let layer = HmacClientLayer::new(Scheme::native(), keys).unwrap();
    seen.show(&layer);
    let ask = || Request::get("http://h/").body(Script::bytes(SECRET)).unwrap();
    let mut client = layer.layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Script::bytes(SECRET)))));
    seen.show(&client);
    seen.show(&client.call(ask()));
    let error = client.call(ask()).await.unwrap_err();
    seen.show_error(&error);
    seen.show_error(&error.kind());
    let server = HmacLayer::new(Scheme::native(), key()).unwrap().layer(Inner::ok());
    seen.show(layer.layer(server).oneshot(ask()).await.unwrap().extensions().get::<VerifiedResponse>().unwrap());
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

#[tokio::test]
async fn a_signature_is_hidden_however_a_description_spells_its_header() {
    for name in ["x-own-mac", "X-Own-Mac"] {
        let scheme = Scheme::builder("own").signature(Field::header(name)).message([Part::Body]).build().unwrap();
        let (mut request, _) = RequestSigner::new(scheme.clone(), key())
            .unwrap()
            .sign(Request::post("http://a.example/").body(Bytes::new()).unwrap(), NOW)
            .unwrap();
        request.headers_mut().get_mut("x-own-mac").unwrap().set_sensitive(false);
        let signature = request.headers()["x-own-mac"].to_str().unwrap().to_owned();
        assert!(format!("{request:?}").contains(&signature));
        let layer = HmacLayer::new(scheme, key()).unwrap();
        let serve = layer.layer(service_fn(move |request: Request<HmacBody<Full<Bytes>>>| {
            let shown = format!("{request:?}");
            assert!(shown.contains("Sensitive") && !shown.contains(&signature), "{shown}");
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        }));
        assert_eq!(serve.oneshot(request.map(Full::new)).await.unwrap().status(), StatusCode::OK);
    }
}
