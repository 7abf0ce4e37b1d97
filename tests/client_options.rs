//! The settings of the client layer: what passes unverified when it is told so, limits, budget, and what `new` refuses.

mod support;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::bad_peer::{Honest, Play, Then, serve};
use support::body::{Script, Step};
use support::net::{self, patient};
use support::peer::{Outcome, Seen, accept, answer, call, client_layer, kind, post, server};
use support::wire::Wire;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::Tolerance;
use tower_hmac::{Algorithm, ClientErrorKind, HmacBody, HmacClientLayer, Key, Scheme, Target, VerifiedResponse};

fn unsigned(status: u16) -> impl Fn(&Wire) -> Response<Script> + Clone + Send + Sync + 'static {
    move |_| Response::builder().status(status).body(Script::bytes("who knows")).unwrap()
}

async fn through(
    layer: HmacClientLayer,
    respond: impl Fn(&Wire) -> Response<Script> + Clone + Send + Sync + 'static,
) -> Outcome {
    call(layer, post("/pay", "{}"), server(&Seen::default(), respond)).await
}

#[tokio::test]
async fn unsigned_failures_pass_only_when_told_and_carry_no_proof() {
    let lax = || client_layer().pass_unsigned_failures();
    for status in [300, 302, 304, 400, 401, 404, 500, 503, 599] {
        assert_eq!(kind(&through(client_layer(), unsigned(status)).await), Some(ClientErrorKind::Unsigned));
        let got = through(lax(), unsigned(status)).await.unwrap();
        assert_eq!((got.head.status().as_u16(), &got.body[..]), (status, &b"who knows"[..]));
        assert!(got.head.extensions().get::<VerifiedResponse>().is_none());
    }
    for status in [101, 200, 201, 204, 206] {
        assert_eq!(kind(&through(lax(), unsigned(status)).await), Some(ClientErrorKind::Unsigned), "{status}");
    }
    assert!(
        through(lax(), |wire| answer(wire, "{}")).await.unwrap().head.extensions().get::<VerifiedResponse>().is_some()
    );
}

/// Over gRPC a refusal has status 200. A peer's text is not for a log.
#[tokio::test]
async fn the_error_names_the_status_of_a_grpc_refusal() {
    for (sent, shown) in [
        (&["16"][..], "the response is not signed (status 200, grpc-status 16)"),
        (&["16 or so"], "the response is not signed (status 200)"),
        (&[], "the response is not signed (status 200)"),
    ] {
        let refused = through(client_layer(), move |_| {
            let response = sent.iter().fold(Response::builder(), |head, value| head.header("grpc-status", *value));
            response.body(Script::new([])).unwrap()
        });
        assert_eq!(refused.await.unwrap_err().to_string(), shown, "{sent:?}");
    }
}

/// The proof of a layer below is none of the layer that does not verify.
#[tokio::test]
async fn a_proof_is_handed_on_by_nobody_else() {
    let below = client_layer().layer(server(&Seen::default(), |wire| answer(wire, "{}")));
    let proof = |response: &Response<_>| response.extensions().get::<VerifiedResponse>().is_some();
    let plain = below.clone().map_request(|request: Request<Script>| request);
    assert!(proof(&plain.oneshot(post("/pay", "{}")).await.unwrap().map(drop)));
    let below = below.map_request(|request: Request<HmacBody<Script>>| request.map(|_| Script::bytes("{}")));
    let above = client_layer().without_response_verification().layer(below);
    assert!(!proof(&above.oneshot(post("/pay", "{}")).await.unwrap().map(drop)));
}

/// Who signs must sign well: part of a signature is not none.
#[tokio::test]
async fn a_failure_with_any_field_of_a_signature_is_verified() {
    let lax = || client_layer().pass_unsigned_failures();
    for name in ["x-hmac-signature", "x-hmac-timestamp", "x-hmac-content-sha256", "x-hmac-nonce", "x-hmac-key-id"] {
        let partly = move |wire: &Wire| {
            let mut response = unsigned(500)(wire);
            response.headers_mut().insert(name, answer(wire, "").headers()["x-hmac-timestamp"].clone());
            response
        };
        through(lax(), partly).await.unwrap_err();
    }
    let turned = |wire: &Wire| {
        let mut response = answer(wire, "{}");
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    };
    assert_eq!(kind(&through(lax(), turned).await), Some(ClientErrorKind::BadSignature));
}

#[tokio::test]
async fn with_verification_off_everything_passes_as_it_comes() {
    let off = || client_layer().without_response_verification();
    let got = through(off(), unsigned(200)).await.unwrap();
    assert_eq!(&got.body[..], b"who knows");
    assert!(got.head.extensions().get::<VerifiedResponse>().is_none());

    // Unbuffered: the first frame is there before the last has come.
    let endless = |_: &Wire| Response::new(Script::new([Step::Data(Bytes::from_static(b"one")), Step::Stall]));
    let response = off().layer(server(&Seen::default(), endless)).oneshot(post("/pay", "{}")).await.unwrap();
    let frame = response.into_body().frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "one");
}

#[tokio::test]
async fn n_04_a_response_has_a_limit_a_deadline_and_a_share_of_the_budget() {
    let long = |len: usize| move |wire: &Wire| answer(wire, &"x".repeat(len));
    let limited = || client_layer().max_response_body(100);
    through(limited(), long(100)).await.unwrap();
    assert_eq!(kind(&through(limited(), long(101)).await), Some(ClientErrorKind::ResponseTooLarge));
    // Refused by what it declares, before it is polled.
    let declared = |wire: &Wire| answer(wire, "{}").map(|_| Script::new([Step::Stall]).declaring(101));
    assert_eq!(kind(&through(limited(), declared).await), Some(ClientErrorKind::ResponseTooLarge));
    let endless = |wire: &Wire| {
        let forever = (0..100_000).map(|_| Step::Data(Bytes::from(vec![b'x'; 1024])));
        answer(wire, "{}").map(|_| Script::new(forever))
    };
    assert_eq!(kind(&through(client_layer(), endless).await), Some(ClientErrorKind::ResponseTooLarge));

    // Request and response count, as long as the response is held.
    let client = client_layer().buffer_budget(102).layer(server(&Seen::default(), long(100)));
    let held = client.clone().oneshot(post("/pay", "{}")).await.unwrap();
    let error = client.clone().oneshot(post("/pay", "{}")).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_sent()), (ClientErrorKind::Budget, true));
    drop(held);
    client.oneshot(post("/pay", "{}")).await.unwrap();

    for (seconds, wanted) in [(30, None), (31, Some(ClientErrorKind::ResponseTimeout))] {
        let clock = support::clock();
        let later = clock.clone();
        let slow = move |wire: &Wire| {
            let later = later.clone();
            let pause = Step::Do(Box::new(move || later.advance(Duration::from_secs(seconds))));
            answer(wire, "{}")
                .map(|_| Script::new([Step::Yield, pause, Step::Yield, Step::Data(Bytes::from_static(b"{}"))]))
        };
        assert_eq!(kind(&through(client_layer().clock(clock), slow).await), wanted);
    }
}

/// Over a socket, while the body goes on and on: time passes as fast as everything else lets it.
#[tokio::test]
async fn n_04_a_body_that_never_ends_is_late_whatever_its_limit() {
    let clock = support::clock();
    let running = clock.clone();
    let server = net::start(|listener| {
        serve(listener, move |wire: &Wire| {
            let clock = running.clone();
            tokio::spawn(async move {
                loop {
                    clock.advance(Duration::from_millis(100));
                    tokio::task::yield_now().await;
                }
            });
            let honest = Honest::created("").chunked(1);
            let head = honest.head_text(&honest.head(wire)).into_bytes();
            Play { writes: vec![head], then: Then::Endless(b"1\r\nx\r\n".to_vec()) }
        })
    })
    .await;
    let unbounded = client_layer().clock(clock).max_response_body(u64::MAX).buffer_budget(u64::MAX);
    let client = unbounded.layer(Client::builder(TokioExecutor::new()).build_http());
    let request = Request::get(format!("http://{server}/log")).body(Full::<Bytes>::default()).unwrap();
    let error = patient(client.oneshot(request)).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::ResponseTimeout);
}

#[tokio::test]
async fn a_window_for_responses_can_be_asked_for() {
    let window = Tolerance::new(Duration::from_secs(10), Duration::from_secs(5)).unwrap();
    for (offset, wanted) in [(-11, false), (-10, true), (0, true), (5, true), (6, false)] {
        let dated = move |wire: &Wire| {
            let mut response = answer(wire, "{}");
            let time = support::NOW.checked_add_signed(offset).unwrap().to_string();
            let digest = response.headers()["x-hmac-content-sha256"].to_str().unwrap().to_owned();
            let signature = wire.answer_signature(&response, &time, &digest);
            response.headers_mut().insert("x-hmac-timestamp", time.parse().unwrap());
            response.headers_mut().insert("x-hmac-signature", signature.parse().unwrap());
            response
        };
        let strict = client_layer().response_tolerance(window);
        assert_eq!(kind(&through(strict, dated).await), (!wanted).then_some(ClientErrorKind::Stale), "{offset}");
        // Without it, what makes a response fresh is its request.
        through(client_layer(), dated).await.unwrap();
    }
}

#[tokio::test]
async fn the_target_to_sign_can_be_set() {
    let layer = client_layer().target(Target::fixed("public.example.com").unwrap());
    let server = service_fn(|request: Request<HmacBody<Script>>| async move {
        let (mut head, _) = request.into_parts();
        assert_eq!(head.uri.authority().unwrap(), support::AUTHORITY);
        accept(&head, b"{}").unwrap_err();
        head.uri = "http://public.example.com/pay".parse().unwrap();
        Ok::<_, Infallible>(answer(&accept(&head, b"{}").unwrap(), "{}"))
    });
    layer.layer(server).oneshot(post("/pay", "{}")).await.unwrap();
}

#[test]
fn a_key_that_does_not_fit_is_refused_when_the_layer_is_built() {
    let refused = |key: Key| HmacClientLayer::new(Scheme::native(), key).unwrap_err().to_string();
    assert!(refused(Key::from_text("svc-a", "short").unwrap()).contains("5 bytes"));
    assert!(refused(support::key().with_algorithm(Algorithm::HmacSha512)).contains("HMAC-SHA512"));
    assert!(HmacClientLayer::new(Scheme::native(), support::key()).is_ok());
}

#[test]
fn nothing_shows_the_secret() {
    let layer = client_layer();
    let client = layer.layer(server::<Script>(&Seen::default(), |wire| answer(wire, "{}")));
    let future = tower::Service::call(&mut client.clone(), post("/pay", "{}"));
    for shown in [format!("{layer:?}"), format!("{client:?}"), format!("{future:?}")] {
        assert!(!shown.contains("000102") && !shown.contains("[0, 1, 2"), "{shown}");
    }
}
