//! Each reason to refuse has its status, for gRPC its `grpc-status`, and a renderer may make something else of it.

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use support::body::{Script, Step};
use support::service::split;
use support::wire::Wire;
use support::{NOW, layer};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::RejectionKind::*;
use tower_hmac::clock::Clock;
use tower_hmac::replay::{Claimed, ReplayClaim, ReplayGuard};
use tower_hmac::{Answer, HmacBody, HmacLayer, KeyQuery, Lookup, Refusal, RejectionKind, Scheme};

#[test]
fn statuses() {
    let table: &[(u16, &[RejectionKind])] = &[
        (
            401,
            &[Missing, Malformed, UnknownKey, BadMac, Stale, Future, Replay, BodyMismatch, UncoveredOverride, Method],
        ),
        (400, &[AmbiguousTarget, ForbiddenTrailer, BodyError]),
        (408, &[BodyTimeout]),
        (413, &[BodyTooLarge]),
        (429, &[Quota]),
        (503, &[KeysUnavailable, GuardUnavailable, RejectionKind::Clock, Budget]),
        (500, &[ResponseTooLarge, ResponseTimeout, ResponseEndless, Unsignable, ResponseError]),
    ];
    for (status, kinds) in table {
        for kind in *kinds {
            assert_eq!(kind.status().as_u16(), *status, "{kind:?}");
        }
    }
}

struct Says(Claimed);

impl ReplayGuard for Says {
    fn claim(&self, _: &ReplayClaim<'_>) -> Answer<Claimed> {
        self.0.into()
    }
}

/// Each look at the elapsed time costs a second, once it is armed.
#[derive(Clone, Default)]
struct Ticking {
    armed: Arc<AtomicBool>,
    seconds: Arc<AtomicU64>,
}

impl Clock for Ticking {
    fn now(&self) -> Option<u64> {
        Some(NOW)
    }

    fn elapsed(&self) -> Duration {
        let step = u64::from(self.armed.load(Ordering::SeqCst));
        Duration::from_secs(self.seconds.fetch_add(step, Ordering::SeqCst))
    }
}

/// What happens to a request that is right, or to its answer.
struct Case {
    kind: RejectionKind,
    layer: HmacLayer,
    spoil: fn(&mut Request<Script>),
    answer: fn() -> Response<Script>,
    arms: Option<Ticking>,
}

fn plain() -> Response<Script> {
    Response::new(Script::new([Step::Yield, Step::Data("done".into())]))
}

fn with_header(name: &'static str, value: &'static str) -> Response<Script> {
    let mut response = plain();
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

/// One trailer field.
fn trailers() -> Step {
    Step::Trailers(HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("x"))]))
}

/// A way to reach each status, and to reach 500 and 503 each for every reason.
fn cases() -> Vec<Case> {
    let case = |kind, layer| Case { kind, layer, spoil: |_| (), answer: plain, arms: None };
    let spoilt = |kind, spoil| Case { spoil, ..case(kind, layer()) };
    let answered = |kind, answer| Case { answer, ..case(kind, layer()) };
    let guarded = |kind, claimed| case(kind, layer().replay_guard(Says(claimed)));
    let broken_store = |_: &KeyQuery<'_>| -> Lookup { Answer::Ready(Err("no database".into())) };
    let stopped = support::clock();
    stopped.fail();
    let ticking = Ticking { armed: Arc::new(true.into()), ..Ticking::default() };
    let later = Ticking::default();
    let impatient = layer().body_deadline(Duration::ZERO);
    vec![
        spoilt(Missing, |request| drop(request.headers_mut().remove("x-hmac-signature"))),
        spoilt(BadMac, |request| *request.uri_mut() = "/other".parse().unwrap()),
        guarded(Replay, Claimed::Seen),
        guarded(Stale, Claimed::Expired),
        spoilt(AmbiguousTarget, |request| drop(request.headers_mut().remove("host"))),
        spoilt(ForbiddenTrailer, |request| *request.body_mut() = Script::new([Step::Data("{}".into()), trailers()])),
        spoilt(BodyError, |request| *request.body_mut() = Script::new([Step::Data("{}".into()), Step::Error])),
        case(BodyTimeout, impatient.clone().clock(ticking)),
        case(BodyTooLarge, layer().max_body(1)),
        guarded(Quota, Claimed::OverQuota),
        case(KeysUnavailable, HmacLayer::new(Scheme::native(), broken_store).unwrap().clock(support::clock())),
        guarded(GuardUnavailable, Claimed::Unavailable),
        guarded(GuardUnavailable, Claimed::Full),
        case(RejectionKind::Clock, layer().clock(stopped)),
        case(Budget, layer().buffer_budget(1)),
        case(ResponseTooLarge, layer().max_response_body(3)),
        Case { arms: Some(later.clone()), ..case(ResponseTimeout, impatient.clock(later)) },
        answered(ResponseEndless, || with_header("content-type", "text/event-stream")),
        answered(Unsignable, || with_header("location", "")),
        answered(Unsignable, || Response::new(Script::new([Step::Data("x".into()), trailers()]))),
        answered(ResponseError, || Response::new(Script::new([Step::Data("x".into()), Step::Error]))),
    ]
}

impl Case {
    /// Sends a request of this content type through this case.
    async fn run(
        self,
        content_type: &'static str,
        change: impl FnOnce(HmacLayer) -> HmacLayer,
    ) -> (Response<()>, Bytes) {
        let Self { layer, spoil, answer, arms, .. } = self;
        let service = change(layer).layer(service_fn(move |_: Request<HmacBody<Script>>| {
            arms.iter().for_each(|clock| clock.armed.store(true, Ordering::SeqCst));
            async move { Ok::<_, Infallible>(answer()) }
        }));
        let wire = Wire::new(http::Method::POST, "/", "{}").header("content-type", content_type);
        let mut request = wire.request(Script::new([Step::Yield, Step::Data("{}".into())]));
        spoil(&mut request);
        split(service.oneshot(request).await.unwrap()).await
    }
}

fn pairs(response: &Response<()>) -> Vec<(&str, &str)> {
    response.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

#[tokio::test]
async fn a_refusal_has_a_status_and_no_body() {
    for content_type in ["application/json", "application/grpcx", "application/grpc-web", "application/grpc-web+proto"]
    {
        for case in cases() {
            let kind = case.kind;
            let (response, body) = case.run(content_type, |layer| layer).await;
            assert_eq!(response.extensions().get(), Some(&kind));
            assert_eq!(response.status(), kind.status(), "{kind:?}");
            let challenge: &[_] = match kind.status().as_u16() {
                401 => &[("www-authenticate", "HMAC-SHA256-V1")],
                _ => &[],
            };
            assert_eq!(pairs(&response), challenge, "{kind:?}");
            assert!(body.is_empty(), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_grpc_call_has_a_grpc_status() {
    let types = [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc+json",
        "application/grpc;charset=utf-8",
        "Application/gRPC",
    ];
    for content_type in types {
        for case in cases() {
            let kind = case.kind;
            let (response, body) = case.run(content_type, |layer| layer).await;
            assert_eq!(response.extensions().get(), Some(&kind));
            assert_eq!(response.status().as_u16(), 200, "{kind:?}");
            let status = match kind.status().as_u16() {
                401 => "16",
                413 | 429 => "8",
                400 | 500 => "13",
                408 | 503 => "14",
                other => panic!("no gRPC status for {other}"),
            };
            assert_eq!(pairs(&response), [("content-type", "application/grpc"), ("grpc-status", status)], "{kind:?}");
            assert!(body.is_empty(), "{kind:?}");
        }
    }
}

/// Answers as old schemes do, and writes down what it was told.
fn telling(refusal: &Refusal<'_>) -> Response<Bytes> {
    let head = refusal.head().map(|head| format!("{} {}", head.method, head.uri));
    let text = format!("{:?} {:?} {:?}", refusal.kind(), head, refusal.key().map(|key| key.id().clone()));
    let mut response = refusal.standard();
    *response.status_mut() = StatusCode::IM_A_TEAPOT;
    response.headers_mut().insert("x-grpc", HeaderValue::from_static(if refusal.is_grpc() { "yes" } else { "no" }));
    *response.body_mut() = text.into();
    response
}

#[tokio::test]
async fn a_renderer_gets_kind_head_and_the_key_if_it_signed() {
    for case in cases() {
        let kind = case.kind;
        let head = match (kind.status().as_u16(), kind) {
            (500, _) => "None",
            (_, BadMac) => "Some(\"POST /other\")",
            _ => "Some(\"POST /\")",
        };
        let signed = !matches!(kind, Missing | BadMac | AmbiguousTarget | KeysUnavailable | RejectionKind::Clock);
        let who = if signed && head != "None" { "Some(\"svc-a\")" } else { "None" };
        let (response, body) = case.run("application/json", |layer| layer.render_refusals(telling)).await;
        assert_eq!(body, format!("{kind:?} {head} {who}"));
        assert_eq!((response.status().as_u16(), &response.headers()["x-grpc"]), (418, &HeaderValue::from_static("no")));
        assert_eq!(response.extensions().get(), Some(&kind));
    }
}

#[tokio::test]
async fn a_renderer_is_told_the_key_of_what_is_late_or_early_only_when_it_signed() {
    for (timestamp, kind) in [(NOW - 301, "Stale"), (NOW + 61, "Future")] {
        for (secret, wanted) in [
            (support::KEY_HEX.to_owned(), format!("{kind} Some(\"GET /\") Some(\"svc-a\")")),
            ("11".repeat(32), "BadMac Some(\"GET /\") None".into()),
        ] {
            let request = Wire::get("/").timestamp(timestamp).key("svc-a", &secret).request(Script::bytes(""));
            let service = layer().render_refusals(telling).layer(support::service::Inner::ok());
            assert_eq!(split(service.oneshot(request).await.unwrap()).await.1, wanted);
        }
    }
}
