//! The layer accepts a message at most once, and only a message that is right spends its nonce.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use support::body::{Script, Step};
use support::service::{CountingGuard, Inner, Outcome, send, send_to};
use support::wire::Wire;
use support::{KEY_HEX, KEY_ID, NOW};
use tokio::sync::Barrier;
use tower::{Layer, ServiceExt};
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim, ReplayGuard};
use tower_hmac::{Answer, HmacLayer, Key, KeyQuery, RejectionKind, Scheme};

/// One guard behind one layer, asked again and again.
struct Door {
    layer: HmacLayer,
    guard: CountingGuard,
}

impl Door {
    fn new(layer: HmacLayer) -> Self {
        let guard = CountingGuard::default();
        Self { layer: layer.replay_guard(guard.clone()), guard }
    }

    async fn send(&self, wire: &Wire) -> Outcome {
        self.send_body(wire, &wire.body).await
    }

    async fn send_body(&self, wire: &Wire, body: &[u8]) -> Outcome {
        let request = wire.request(Script::bytes(body.to_vec()));
        send_to(self.layer.clone(), request, Inner::ok(), &self.guard).await
    }

    /// Refused by the guard, or for what the guard must remember: the service was not called.
    #[track_caller]
    fn spent(outcome: &Outcome) {
        assert_eq!((outcome.kind(), outcome.calls), (Some(RejectionKind::Replay), 0));
        assert_eq!(outcome.status(), StatusCode::UNAUTHORIZED);
        assert!(outcome.response.headers().get("x-hmac-signature").is_none(), "a refusal is never signed");
    }
}

#[tokio::test]
async fn h_01_the_same_request_twice() {
    let (door, wire) = (Door::new(support::layer()), Wire::post("/pay", "{}"));
    door.send(&wire).await.accepted();
    for _ in 0..3 {
        let outcome = door.send(&wire).await;
        Door::spent(&outcome);
        assert_eq!(outcome.claims, 1);
    }
    door.send(&Wire::post("/pay", "{}")).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h_02_64_copies_at_once_are_accepted_once() {
    const ROUNDS: usize = 1000;
    const COPIES: usize = 64;
    const TASKS: usize = 8;
    let inner = Inner::ok();
    let service = support::layer().layer(inner.clone());
    let wires: Arc<Vec<_>> = Arc::new((0..ROUNDS).map(|_| Wire::post("/pay", "{}").request(())).collect());
    let start = Arc::new(Barrier::new(TASKS));
    let tasks = (0..TASKS).map(|_| {
        let (service, wires, start) = (service.clone(), Arc::clone(&wires), Arc::clone(&start));
        tokio::spawn(async move {
            let mut served = vec![0; ROUNDS];
            for (round, wire) in wires.iter().enumerate() {
                start.wait().await;
                let copies = (0..COPIES / TASKS).map(|_| {
                    let (head, ()) = wire.clone().into_parts();
                    // All are on their way before the first is whole.
                    let body = Script::new([Step::Yield, Step::Data(Bytes::from_static(b"{}"))]);
                    service.clone().oneshot(http::Request::from_parts(head, body))
                });
                for response in futures_util::future::join_all(copies).await {
                    served[round] += usize::from(response.unwrap().status() == 200);
                }
            }
            served
        })
    });
    let mut served = vec![0; ROUNDS];
    for task in futures_util::future::join_all(tasks).await {
        served.iter_mut().zip(task.unwrap()).for_each(|(sum, count)| *sum += count);
    }
    assert!(served.iter().all(|count| *count == 1));
    assert_eq!(inner.calls(), ROUNDS);
}

#[tokio::test]
async fn h_03_a_bad_mac_does_not_spend_the_nonce_of_a_good_request() {
    let (door, wire) = (Door::new(support::layer()), Wire::post("/pay", "{}"));
    let forged = Wire { key_hex: "00".repeat(32), ..wire.clone() };
    door.send(&forged).await.refused_unread(RejectionKind::BadMac);
    door.send(&wire).await.accepted();
}

#[tokio::test]
async fn h_04_an_altered_body_does_not_spend_the_nonce_either() {
    let (door, wire) = (Door::new(support::layer()), Wire::post("/pay", "{\"to\":\"bob\"}"));
    door.send_body(&wire, b"{\"to\":\"eve\"}").await.refused(RejectionKind::BodyMismatch);
    door.send(&wire).await.accepted();
    Door::spent(&door.send(&wire).await);
}

/// Knows every id, always with the same secret.
fn many_ids(query: &KeyQuery<'_>) -> tower_hmac::Lookup {
    query.key_id().map(|id| Key::from_hex(id, KEY_HEX).unwrap()).into()
}

#[tokio::test]
async fn h_05_and_h_06_a_nonce_belongs_to_its_key() {
    let layer = HmacLayer::new(Scheme::native(), many_ids).unwrap().clock(support::clock());
    let door = Door::new(layer);
    let nonce = "0123456789abcdef";
    let joined =
        [("a", format!("b{nonce}")), ("ab", nonce.to_owned()), ("svc-a", nonce.into()), ("svc-b", nonce.into())];
    for (id, nonce) in &joined {
        door.send(&Wire::get("/").key(id, KEY_HEX).nonce(nonce)).await.accepted();
    }
    for (id, nonce) in &joined {
        Door::spent(&door.send(&Wire::get("/").key(id, KEY_HEX).nonce(nonce)).await);
    }
}

#[tokio::test]
async fn h_08_a_full_guard_refuses_and_forgets_nothing() {
    let guard = MemoryReplayGuard::with_capacity(3).unwrap();
    let (clock, inner) = (support::clock(), Inner::ok());
    let service = support::layer().clock(clock.clone()).replay_guard(guard.clone()).layer(inner.clone());
    let ask = async |wire: &Wire| {
        let response = service.clone().oneshot(wire.request(Script::bytes(wire.body.clone()))).await.unwrap();
        (response.status().as_u16(), response.extensions().get::<RejectionKind>().copied())
    };
    let wires = [Wire::get("/1"), Wire::get("/2"), Wire::get("/3")];
    for wire in &wires {
        assert_eq!(ask(wire).await, (200, None));
    }
    for _ in 0..3 {
        assert_eq!(ask(&Wire::get("/4")).await, (503, Some(RejectionKind::GuardUnavailable)));
        for wire in &wires {
            assert_eq!(ask(wire).await, (401, Some(RejectionKind::Replay)));
        }
    }
    assert_eq!((inner.calls(), guard.len()), (3, 3));
    clock.advance(Duration::from_secs(361));
    assert_eq!(ask(&Wire::get("/4").timestamp(NOW + 361)).await, (200, None));
}

#[tokio::test]
async fn h_11_the_nonce_has_16_to_64_of_its_alphabet() {
    for good in ["0123456789abcdef", &"x".repeat(64), "-_-_-_-_-_-_-_-_", "AAAAAAAAAAAAAAAAAAAAAA"] {
        send(support::layer(), Wire::get("/").nonce(good).request(Script::new([]))).await.accepted();
    }
    let bad = ["0123456789abcde", &"x".repeat(65), &"x".repeat(4096), "0123456789abcde=", "0123456789abcde+"];
    for bad in bad.into_iter().chain(["0123456789abcde/", "0123456789abcde ", "0123456789abcde.", ""]) {
        let request = Wire::get("/").nonce(bad).request(Script::new([]));
        send(support::layer(), request).await.refused_unread(RejectionKind::Malformed);
    }
}

#[tokio::test]
async fn h_12_a_request_without_a_nonce_is_refused() {
    let mut request = Wire::get("/").request(Script::new([]));
    request.headers_mut().remove("x-hmac-nonce").unwrap();
    send(support::layer(), request).await.refused_unread(RejectionKind::Missing);
    // Not even when nobody would remember it.
    let mut request = Wire::get("/").request(Script::new([]));
    request.headers_mut().remove("x-hmac-nonce").unwrap();
    let response = support::layer().without_replay_guard().layer(Inner::ok()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

/// Gives a fixed answer, now or later.
struct Says(Claimed, bool);

impl ReplayGuard for Says {
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        assert_eq!((claim.key_id.as_str(), claim.now, claim.valid_until), (KEY_ID, NOW, NOW + 360));
        let answer = self.0;
        match self.1 {
            true => Answer::later(async move { answer }),
            false => answer.into(),
        }
    }
}

#[tokio::test]
async fn every_other_answer_of_a_guard_is_a_refusal() {
    let answers = [
        (Claimed::Fresh, None, 200),
        (Claimed::Seen, Some(RejectionKind::Replay), 401),
        (Claimed::Expired, Some(RejectionKind::Stale), 401),
        (Claimed::OverQuota, Some(RejectionKind::Quota), 429),
        (Claimed::Full, Some(RejectionKind::GuardUnavailable), 503),
        (Claimed::Unavailable, Some(RejectionKind::GuardUnavailable), 503),
    ];
    for (answer, kind, status) in answers {
        for later in [false, true] {
            let inner = Inner::ok();
            let service = support::layer().replay_guard(Says(answer, later)).layer(inner.clone());
            let response = service.oneshot(Wire::get("/").request(Script::new([]))).await.unwrap();
            assert_eq!((response.status().as_u16(), response.extensions().get().copied()), (status, kind));
            assert_eq!(inner.calls(), usize::from(kind.is_none()));
        }
    }
}

#[tokio::test]
async fn without_a_guard_a_message_passes_as_often_as_it_comes() {
    let inner = Inner::ok();
    let service = support::layer().without_replay_guard().layer(inner.clone());
    let wire = Wire::get("/");
    for _ in 0..3 {
        let response: Response<_> = service.clone().oneshot(wire.request(Script::new([]))).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(inner.calls(), 3);
}
