//! Requests that flow into the service: checked on the way, decided at the end.

mod support;

use bytes::Bytes;
use support::body::{Script, Step};
use support::flowing::{ALL, layer, send};
use support::service::CountingGuard;
use support::trailers::map;
use support::wire::Wire;
use tower::{Layer, ServiceExt};
use tower_hmac::{HmacLayer, Key, RejectionKind, Scheme, webhook};

fn wire() -> Wire {
    Wire::post("/upload", "one two three four")
}

fn steps(body: &[u8]) -> Vec<Step> {
    body.chunks(5).map(|chunk| Step::Data(Bytes::copy_from_slice(chunk))).collect()
}

/// The body in frames of five bytes, each after a pause; with trailers, if there are any.
fn script(wire: &Wire, body: &[u8]) -> Script {
    let mut all: Vec<_> = steps(body).into_iter().flat_map(|step| [Step::Yield, step]).collect();
    if wire.content.is_some() {
        all.push(Step::Trailers(wire.trailers(&[])));
    }
    Script::new(all)
}

#[tokio::test]
async fn frames_pass_as_they_come_and_the_end_decides() {
    for wire in [wire, || wire().streamed()] {
        let wire = wire();
        let seen = send(layer(), wire.request(script(&wire, &wire.body)), ALL).await;
        assert_eq!(seen.frames, wire.body.chunks(5).map(Bytes::copy_from_slice).collect::<Vec<_>>());
        assert_eq!((seen.status, seen.end, seen.claims), (200, Some(Ok(())), 1));
        assert!(seen.answered.unwrap().is_verified() && seen.flag.unwrap().is_verified() && seen.trailers.is_empty());

        let mut forged = wire.body.clone();
        *forged.last_mut().unwrap() ^= 1;
        for body in [&forged[..], &wire.body[1..], b"", &[&wire.body[..], b"x"].concat()] {
            let fresh = Wire { nonce: support::wire::fresh_nonce(), ..wire.clone() };
            let seen = send(layer(), fresh.request(script(&fresh, body)), ALL).await;
            assert_eq!(seen.end, Some(Err(Some(RejectionKind::BodyMismatch))), "{}", body.escape_ascii());
            // The answer of the service is not sent.
            assert_eq!((seen.status, seen.kind, seen.claims), (401, Some(RejectionKind::BodyMismatch), 1));
            assert_eq!(seen.answered.unwrap().outcome(), Some(Err(RejectionKind::BodyMismatch)));
        }
    }
}

/// Who forwards a body of known length must not be able to forward a whole forged one.
#[tokio::test]
async fn the_last_frame_is_held_back_when_the_length_is_known() {
    for wire in [wire, || wire().streamed()] {
        let wire = wire();
        let length = wire.body.len() as u64;
        let good = send(layer(), wire.request(script(&wire, &wire.body).declaring(length)), ALL).await;
        assert_eq!((good.frames.concat(), good.end), (wire.body.clone(), Some(Ok(()))));

        let mut forged = wire.body.clone();
        forged[0] ^= 1;
        let fresh = Wire { nonce: support::wire::fresh_nonce(), ..wire.clone() };
        let bad = send(layer(), fresh.request(script(&fresh, &forged).declaring(length)), ALL).await;
        assert_eq!(bad.frames.concat(), forged[..15], "all but the last frame");
        assert_eq!((bad.status, bad.end), (401, Some(Err(Some(RejectionKind::BodyMismatch)))));
        // By its header, too.
        let fresh = Wire { nonce: support::wire::fresh_nonce(), ..wire.clone() }.header("content-length", "18");
        let bad = send(layer(), fresh.request(script(&fresh, &forged)), ALL).await;
        assert_eq!((bad.frames.concat().len(), bad.status), (15, 401));
        // One frame: nothing of it is seen.
        let fresh = Wire { nonce: support::wire::fresh_nonce(), ..wire.clone() };
        let mut all = vec![Step::Data(Bytes::from(forged.clone()))];
        if fresh.content.is_some() {
            all.push(Step::Trailers(fresh.trailers(&[])));
        }
        let bad = send(layer(), fresh.request(Script::new(all).declaring(length)), ALL).await;
        assert_eq!((bad.frames.len(), bad.status), (0, 401));
    }
}

#[tokio::test]
async fn trailers_are_covered_or_refused() {
    let wire = || wire().streamed();
    let sent = |wire: &Wire, trailers| {
        wire.request(Script::new(steps(&wire.body).into_iter().chain([Step::Trailers(trailers)])))
    };
    let good = wire();
    let seen = send(layer(), sent(&good, good.trailers(&[("x-sum", "1"), ("x-end", " 2")])), ALL).await;
    assert_eq!((seen.status, seen.end), (200, Some(Ok(()))));
    assert_eq!(seen.trailers.len(), 2, "the signature is removed: {:?}", seen.trailers);

    let name = support::trailers::NAME;
    let mut twins: Vec<(http::HeaderMap, RejectionKind)> = Vec::new();
    let one = wire();
    let all = one.trailers(&[("x-sum", "1")]);
    let change = |act: &dyn Fn(&mut http::HeaderMap)| {
        let mut twin = all.clone();
        act(&mut twin);
        twin
    };
    twins.push((change(&|t| drop(t.insert("x-sum", "2".parse().unwrap()))), RejectionKind::BodyMismatch));
    twins.push((change(&|t| drop(t.remove("x-sum"))), RejectionKind::BodyMismatch));
    twins.push((change(&|t| assert!(t.append("x-sum", "1".parse().unwrap()))), RejectionKind::BodyMismatch));
    twins.push((change(&|t| drop(t.remove(name))), RejectionKind::Missing));
    twins.push((change(&|t| assert!(t.append(name, all[name].clone()))), RejectionKind::Malformed));
    twins.push((change(&|t| drop(t.insert(name, "v1=00".parse().unwrap()))), RejectionKind::BodyMismatch));
    twins.push((change(&|t| drop(t.insert(name, "00".parse().unwrap()))), RejectionKind::Malformed));
    twins.push((http::HeaderMap::new(), RejectionKind::Missing));
    for (trailers, kind) in twins {
        for layer in [layer(), support::layer()] {
            let seen = send(layer, sent(&one, trailers.clone()), ALL).await;
            assert_eq!((seen.status, seen.kind), (401, Some(kind)), "{trailers:?}");
        }
    }
    // With the digest in the head there are none.
    let whole = self::wire();
    let seen = send(layer(), sent(&whole, map(&[("x-sum", "1")])), ALL).await;
    assert_eq!((seen.status, seen.kind), (400, Some(RejectionKind::ForbiddenTrailer)));
}

#[tokio::test]
async fn the_head_decides_before_the_body_and_the_nonce_is_spent_then() {
    let stalled = || Script::new([Step::Data(Bytes::from_static(b"one")), Step::Stall]);
    let wire = wire();
    let seen = send(layer(), wire.request(stalled()), 1).await;
    assert_eq!((seen.status, seen.claims, seen.polls.count()), (200, 1, 1));
    // Nobody read to the end: the service has answered, and the flag says so.
    let flag = seen.answered.unwrap();
    assert_eq!((flag.outcome(), flag.is_verified()), (None, false));

    let mut forged = wire.request(stalled());
    forged.headers_mut().insert("x-hmac-signature", format!("v1={}", "0".repeat(64)).parse().unwrap());
    let seen = send(layer(), forged, ALL).await;
    assert_eq!((seen.status, seen.claims, seen.polls.count(), seen.flag.is_none()), (401, 0, 0, true));
    let other = Wire { timestamp: (support::NOW - 301).to_string(), ..self::wire() };
    let seen = send(layer(), other.request(stalled()), ALL).await;
    assert_eq!((seen.kind, seen.claims), (Some(RejectionKind::Stale), 0));

    let guard = CountingGuard::default();
    let service = layer().replay_guard(guard.clone()).layer(support::service::Inner::ok());
    for status in [200, 401] {
        assert_eq!(service.clone().oneshot(wire.request(stalled())).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_broken_body_is_refused_in_time() {
    let mut all = steps(b"one two");
    all.push(Step::Error);
    let seen = send(layer(), wire().request(Script::new(all)), ALL).await;
    assert_eq!((seen.status, seen.end), (400, Some(Err(Some(RejectionKind::BodyError)))));
}

#[tokio::test]
async fn limits_hold_for_streams() {
    let layer = || layer().max_body(1).max_streamed_body(17).drain_limit(0);
    let seen = send(layer(), wire().request(script(&wire(), b"").declaring(18)), ALL).await;
    assert_eq!((seen.status, seen.claims, seen.polls.count()), (413, 0, 0));
    let over = wire();
    let seen = send(layer(), over.request(script(&over, &over.body)), ALL).await;
    assert_eq!((seen.status, seen.end), (413, Some(Err(Some(RejectionKind::BodyTooLarge)))));
    let under = Wire::post("/upload", "one two three fou");
    assert_eq!(send(layer(), under.request(script(&under, &under.body)), ALL).await.status, 200);
}

#[tokio::test]
async fn what_the_predicate_does_not_name_is_buffered_and_an_empty_body_checked_at_once() {
    let layer = || support::layer().stream_requests(|head| head.uri.path() == "/upload").unwrap();
    let other = Wire::post("/other", "one");
    let seen = send(layer(), other.request(script(&other, b"two")), ALL).await;
    assert_eq!((seen.status, seen.claims, seen.end), (401, 0, None));
    let buffered = Wire::post("/other", "one").streamed();
    let seen = send(layer(), buffered.request(script(&buffered, b"one")), ALL).await;
    assert_eq!((seen.status, seen.flag.is_none(), seen.answered.is_none()), (200, true, true));

    let seen = send(layer(), wire().request(Script::new([]).declaring(0)), 0).await;
    assert_eq!((seen.status, seen.claims, seen.kind), (401, 0, Some(RejectionKind::BodyMismatch)));
    // A service that asks how the body ended is told, also where there was none to wait for.
    let empty = Wire::post("/upload", "");
    let seen = send(layer(), empty.request(Script::new([]).declaring(0)), ALL).await;
    assert_eq!((seen.status, seen.claims, seen.end), (200, 1, Some(Ok(()))));
    assert!(seen.flag.unwrap().is_verified() && seen.answered.unwrap().is_verified());
}

#[test]
fn a_scheme_that_signs_the_raw_body_cannot_stream() {
    let key = Key::from_bytes("hook", [7; 32]).unwrap();
    let error = HmacLayer::new(webhook::github(), key).unwrap().stream_requests(|_| true).unwrap_err();
    assert!(error.to_string().contains("github"), "{error}");
    let any = Scheme::any([Scheme::native(), webhook::github()]).unwrap();
    HmacLayer::new(any, support::key()).unwrap().stream_requests(|_| true).unwrap_err();
    let _ = layer();
}
