//! No way to build a layer lets an unsigned request through, and no request chooses how it is checked.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, Request, Response};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use support::body::Script;
use support::service::{CountingGuard, Inner, Outcome, send, send_to};
use support::wire::{Wire, hex, unhex};
use support::{AUTHORITY, KEY_HEX, clock, key};
use tower_hmac::RejectionKind::{BadMac, BodyMismatch, KeysUnavailable, Malformed, Missing, UnknownKey};
use tower_hmac::clock::Tolerance;
use tower_hmac::{
    Algorithm, Answer, HmacLayer, Key, KeyQuery, KeyStore, Keys, Lookup, Refusal, Scheme, SignedHeaders, SignedTarget,
    Target,
};

/// Sends `wire` with another signature line.
async fn signed_with(layer: HmacLayer, wire: &Wire, signature: &str) -> Outcome {
    let mut request = wire.request(Script::bytes(wire.body.clone()));
    request.headers_mut().insert("x-hmac-signature", HeaderValue::from_str(signature).unwrap());
    send(layer.drain_limit(0), request).await
}

fn tag<M: Mac + KeyInit>(secret: &[u8], text: &[u8]) -> String {
    let mut mac = <M as KeyInit>::new_from_slice(secret).unwrap();
    mac.update(text);
    hex(&mac.finalize().into_bytes())
}

#[tokio::test]
async fn k_01_algorithm_chosen_by_the_request() {
    let wire = Wire::post("/", "{}");
    let (secret, text) = (unhex(KEY_HEX), wire.string_to_sign());
    let right = tag::<Hmac<Sha256>>(&secret, &text);
    signed_with(support::layer(), &wire, &format!("v1={right}")).await.accepted();
    for name in ["", "v2", "V1", "sha1", "sha256", "hmac-sha1", "hmac-sha256", "md5", "none", "ed25519", "v1,none"] {
        signed_with(support::layer(), &wire, &format!("{name}={right}")).await.refused_unread(Malformed);
    }
    for empty in ["none", "none=", "v1=none", "v1=", "v0="] {
        signed_with(support::layer(), &wire, empty).await.refused_unread(Malformed);
    }
    // Right for another algorithm: of another length, or cut to this one.
    for other in
        [tag::<Hmac<Sha1>>(&secret, &text), tag::<Hmac<Sha384>>(&secret, &text), tag::<Hmac<Sha512>>(&secret, &text)]
    {
        signed_with(support::layer(), &wire, &format!("v1={other}")).await.refused_unread(Malformed);
        let cut = format!("{other:0<64}")[..64].to_owned();
        signed_with(support::layer(), &wire, &format!("v1={cut}")).await.refused_unread(BadMac);
    }
    // No secret at all, and a secret that is not used as HMAC uses it.
    let unkeyed = [hex(&Sha256::digest(&text)), hex(&Sha256::digest([secret.clone(), text.clone()].concat()))];
    for tag in unkeyed.into_iter().chain([tag::<Hmac<Sha256>>(b"", &text)]) {
        signed_with(support::layer(), &wire, &format!("v1={tag}")).await.refused_unread(BadMac);
    }
}

#[tokio::test]
async fn k_01_no_header_selects_another_way_to_check() {
    for (name, value) in [
        ("x-hmac-algorithm", "none"),
        ("x-hmac-alg", "HMAC-SHA1"),
        ("x-hmac-version", "0"),
        ("x-hmac-signed-headers", ""),
        ("authorization", "Bearer x"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-forwarded-user", "svc-a"),
    ] {
        let wire = Wire::post("/", "{}").header(name, value);
        send(support::layer(), wire.request(Script::bytes("{}"))).await.accepted();
        signed_with(support::layer(), &wire, &format!("v1={}", "0".repeat(64))).await.refused_unread(BadMac);
        let mut unsigned = wire.request(Script::bytes("{}"));
        unsigned.headers_mut().remove("x-hmac-signature");
        send(support::layer(), unsigned).await.refused_unread(Missing);
    }
}

#[tokio::test]
async fn k_01_a_key_is_for_one_algorithm() {
    for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha384, Algorithm::HmacSha512] {
        assert!(HmacLayer::new(Scheme::native(), key().with_algorithm(algorithm)).is_err());
        let store = move |_: &KeyQuery<'_>| -> Lookup { Some(key().with_algorithm(algorithm)).into() };
        let layer = HmacLayer::new(Scheme::native(), store).unwrap().clock(clock());
        send(layer, Wire::get("/").request(Script::bytes(""))).await.refused_unread(KeysUnavailable);
    }
}

/// Three requests that nobody may be let in with, and one that is right, for a layer that signs `names` too.
async fn lets_in_only_what_is_signed(layer: &HmacLayer, names: &[&str], what: &str) {
    let wire = Wire::post("/", "{}").extra(names);
    let mut bare = Request::post("/").body(Script::bytes("{}")).unwrap();
    bare.headers_mut().insert("host", HeaderValue::from_static(AUTHORITY));
    let mut forged = wire.request(Script::bytes("{}"));
    forged.headers_mut().insert("x-hmac-signature", format!("v1={}", "0".repeat(64)).parse().unwrap());
    let (inner, guard) = (Inner::ok(), CountingGuard::default());
    for (request, kind) in [
        (bare, Some(Missing)),
        (forged, Some(BadMac)),
        (wire.request(Script::bytes("[]")), Some(BodyMismatch)),
        (wire.request(Script::bytes("{}")), None),
    ] {
        let outcome = send_to(layer.clone(), request, inner.clone(), &guard).await;
        assert_eq!((outcome.kind(), outcome.calls), (kind, usize::from(kind.is_none())), "{what}");
    }
}

/// The names of the public functions in a source file that take `self`, or that do not.
fn public_functions(source: &str, take_self: bool) -> BTreeSet<&str> {
    let functions = source.split("\n    pub fn ").skip(1).filter(|text| {
        let (_, arguments) = text.split_once('(').unwrap();
        arguments.trim_start().trim_start_matches(['&', ' ']).starts_with("self") == take_self
    });
    functions.map(|text| text.split(['(', '<']).next().unwrap()).collect()
}

#[tokio::test]
async fn k_04_each_scheme_and_each_kind_of_key_store() {
    let names = || SignedHeaders::new(["x-tenant"]).unwrap();
    let schemes = [
        ("native", Scheme::native(), &[][..]),
        ("native_with_headers", Scheme::native_with_headers(names(), names()), &["x-tenant"]),
    ];
    // Formats of one's own have tests of their own.
    let tested = schemes.iter().map(|(name, ..)| *name).chain(["any", "builder", "from_protocol"]).collect();
    assert_eq!(public_functions(include_str!("../src/scheme/mod.rs"), false), tested, "a constructor is not tested");
    let ready = |_: &KeyQuery<'_>| -> Lookup { Some(key()).into() };
    let later = |_: &KeyQuery<'_>| -> Lookup { Answer::later(async { Ok(Some(Keys::from(key()))) }) };
    for (name, scheme, names) in schemes {
        for layer in [
            HmacLayer::new(scheme.clone(), key()),
            HmacLayer::new(scheme.clone(), Arc::new(key())),
            HmacLayer::new(scheme.clone(), Arc::new(key()) as Arc<dyn KeyStore>),
            HmacLayer::new(scheme.clone(), ready),
            HmacLayer::new(scheme.clone(), later),
        ] {
            lets_in_only_what_is_signed(&layer.unwrap().clock(clock()), names, name).await;
        }
    }
    let nobody = |_: &KeyQuery<'_>| -> Lookup { None::<Key>.into() };
    let layer = HmacLayer::new(Scheme::native(), nobody).unwrap().clock(clock());
    send(layer, Wire::get("/").request(Script::bytes(""))).await.refused_unread(UnknownKey);
}

type Setter = fn(HmacLayer) -> HmacLayer;

/// Every setter, set to something that is not its default and as weak as it can be made.
const SETTERS: [(&str, Setter); 15] = [
    ("target", |layer| layer.target(Target::fixed(AUTHORITY).unwrap())),
    ("tolerance", |layer| layer.tolerance(Tolerance::new(HOUR, HOUR).unwrap())),
    ("clock", |layer| layer.clock(clock())),
    ("replay_guard", |layer| layer.replay_guard(CountingGuard::default())),
    ("without_replay_guard", HmacLayer::without_replay_guard),
    ("max_body", |layer| layer.max_body(u64::MAX)),
    ("max_response_body", |layer| layer.max_response_body(u64::MAX)),
    ("body_deadline", |layer| layer.body_deadline(Duration::MAX)),
    ("buffer_budget", |layer| layer.buffer_budget(u64::MAX)),
    ("max_streamed_body", |layer| layer.max_streamed_body(u64::MAX)),
    ("without_trailers", HmacLayer::without_trailers),
    ("drain_limit", |layer| layer.drain_limit(u64::MAX)),
    ("without_response_signing", HmacLayer::without_response_signing),
    ("pass_unsigned", |layer| layer.pass_unsigned(|_| true)),
    ("render_refusals", |layer| layer.render_refusals(|_: &Refusal<'_>| Response::new(Bytes::from_static(b"welcome")))),
];

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn k_04_each_combination_of_settings() {
    assert_eq!(public_functions(include_str!("../src/server/layer.rs"), false), ["new"].into());
    // A service that is handed a body while it comes is called before the body's verdict: that has tests of its own.
    let tested = SETTERS.iter().map(|(name, _)| *name).chain(["stream_requests"]).collect();
    assert_eq!(public_functions(include_str!("../src/server/layer.rs"), true), tested, "a setter is not tested");
    for chosen in 0_u32..1 << SETTERS.len() {
        let setters = SETTERS.iter().enumerate().filter(|(place, _)| chosen >> place & 1 == 1);
        let layer = setters.fold(support::layer(), |layer, (_, (_, set))| set(layer));
        lets_in_only_what_is_signed(&layer, &[], &format!("combination {chosen:b}")).await;
    }
}

#[tokio::test]
async fn k_04_each_kind_of_target() {
    for target in [
        Target::received(),
        Target::fixed(AUTHORITY).unwrap(),
        Target::one_of([AUTHORITY]).unwrap(),
        Target::one_of([AUTHORITY, "other.example.com"]).unwrap(),
        Target::resolver(|_| SignedTarget::received()),
        Target::resolver(|_| SignedTarget::received().authority(AUTHORITY).path_and_query("/")),
    ] {
        let what = format!("{target:?}");
        lets_in_only_what_is_signed(&support::layer().target(target), &[], &what).await;
    }
}
