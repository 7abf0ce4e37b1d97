//! Bodies that flow, mangled on their way by the thousand, in either direction, over HTTP/1.1 and HTTP/2: never a wrong
//! `Ok` on either side, never a hang, and memory stays bounded.
//!
//! The long run: `cargo test --release --all-features --test stream_mangled -- --ignored --nocapture`.

mod support;

use std::convert::Infallible;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use support::alloc::{Counting, measure};
use support::body::{Script, Step};
use support::dice::Dice;
use support::net::patient;
use support::peer::client_layer;
use support::relay::{Io, Pair, one_connection, pipe, relay, sockets};
use tokio::runtime::Builder;
use tower::{BoxError, Layer, Service, service_fn};
use tower_hmac::{HmacBody, StreamedBody};

#[global_allocator]
static HEAP: Counting = Counting;

/// What is mangled on its way.
#[derive(Clone, Copy)]
enum Kind {
    RequestByDigest,
    RequestByTrailer,
    ResponseByDigest,
    ResponseByTrailer,
}

/// How one exchange goes.
#[derive(Clone)]
struct Plan {
    http2: bool,
    /// Whether the server checks the body while its service reads it, or before.
    flows: bool,
    asked: Vec<u8>,
    answered: Vec<u8>,
    /// Of unknown length: its MAC follows. Else the digest stands in the head.
    announced: [bool; 2],
    /// Where it is mangled: on its way up or down, and after how many bytes. Every tenth is left alone.
    mangled: Option<(bool, usize)>,
    dice: Dice,
}

impl Plan {
    fn of(kind: Kind, seed: u64) -> Self {
        let mut dice = Dice::of(seed);
        let body = |dice: &mut Dice| {
            let len = [1, 20, 300, 3000, 20_000][dice.below(5)];
            (0..len).map(|_| b'a' + dice.below(26) as u8).collect::<Vec<_>>()
        };
        let (asked, answered) = (body(&mut dice), body(&mut dice));
        let up = matches!(kind, Kind::RequestByDigest | Kind::RequestByTrailer);
        let announced = matches!(kind, Kind::RequestByTrailer | Kind::ResponseByTrailer);
        let other = dice.below(2) == 0;
        let len = if up { asked.len() } else { answered.len() };
        let place = dice.below(700 + len);
        Self {
            http2: dice.below(2) == 0,
            flows: dice.below(4) > 0,
            asked,
            answered,
            announced: if up { [announced, other] } else { [other, announced] },
            mangled: (!seed.is_multiple_of(10)).then_some((up, place)),
            dice,
        }
    }

    fn script(&self, body: &[u8], announced: bool) -> Script {
        let mut dice = self.dice.clone();
        let mut steps = Vec::new();
        for piece in dice.pieces(body) {
            steps.extend([Step::Yield, Step::Data(piece.into())]);
        }
        let script = Script::new(steps);
        if announced { script } else { script.declaring(body.len() as u64) }
    }
}

/// What the service read to its end, and what the client did.
struct Outcome {
    got: Vec<(String, Bytes)>,
    answer: Result<(u16, Bytes), BoxError>,
    mangled: bool,
}

async fn exchange(plan: &Plan, near: Pair, far: Pair) -> Outcome {
    let got = Arc::new(Mutex::new(Vec::new()));
    let mangled = Arc::new(AtomicBool::new(false));
    let (up, down) = match plan.mangled {
        Some((true, place)) => (Some(place), None),
        Some((false, place)) => (None, Some(place)),
        None => (None, None),
    };
    let (from_client, to_client) = tokio::io::split(near.1);
    let (from_server, to_server) = tokio::io::split(far.0);
    tokio::spawn(relay((from_client, to_server), up, plan.dice.clone(), Arc::clone(&mangled)));
    tokio::spawn(relay((from_server, to_client), down, plan.dice.clone(), Arc::clone(&mangled)));

    let (seen, answering) = (Arc::clone(&got), plan.clone());
    let service = service_fn(move |request: Request<HmacBody<Incoming>>| {
        let (seen, plan) = (Arc::clone(&seen), answering.clone());
        async move {
            let (head, body) = request.into_parts();
            let flag = head.extensions.get::<StreamedBody>();
            if let Ok(all) = body.collect().await {
                assert!(flag.is_none_or(StreamedBody::is_verified));
                let head = format!("{} {} {:?}", head.method, head.uri.path(), head.headers.get("content-type"));
                seen.lock().unwrap().push((head, all.to_bytes()));
            }
            Ok::<_, Infallible>(Response::new(plan.script(&plan.answered, plan.announced[1])))
        }
    });
    let flows = plan.flows;
    let layer = support::layer().stream_requests(move |_| flows).unwrap();
    let service = TowerToHyperService::new(layer.layer(service));
    tokio::spawn(async move {
        let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(far.1), service).await;
    });
    let answer = ask(plan, near.0).await;
    let got = got.lock().unwrap().clone();
    Outcome { got, answer, mangled: mangled.load(Ordering::SeqCst) }
}

async fn ask(plan: &Plan, io: Box<dyn Io>) -> Result<(u16, Bytes), BoxError> {
    let http2 = plan.http2;
    let uri = format!("http://{}/upload", support::AUTHORITY);
    let request = Request::post(uri).header("content-type", "text/plain").header("te", "trailers");
    let request = if http2 { request } else { request.header("host", support::AUTHORITY) };
    let request = request.body(plan.script(&plan.asked, plan.announced[0]))?;
    let layer = client_layer().stream_requests(|_| true).stream_responses(|_| true);
    let response = patient(layer.layer(one_connection(io, http2)).call(request)).await?;
    let (head, body) = response.into_parts();
    let flag = head.extensions.get::<StreamedBody>().cloned();
    let all = patient(body.collect()).await?;
    assert!(flag.is_none_or(|flag| flag.is_verified()));
    Ok((head.status.as_u16(), all.to_bytes()))
}

/// Whether it was accepted on both sides; and nothing else may have been.
fn judge(seed: u64, plan: &Plan, outcome: &Outcome) -> bool {
    for (head, body) in &outcome.got {
        assert_eq!(head, "POST /upload Some(\"text/plain\")", "seed {seed}");
        assert_eq!(body, &plan.asked, "seed {seed}");
    }
    assert!(outcome.got.len() <= 1, "seed {seed}: twice");
    match &outcome.answer {
        Ok((status, body)) => {
            assert_eq!((*status, &body[..]), (200, &plan.answered[..]), "seed {seed}");
            assert_eq!(outcome.got.len(), 1, "seed {seed}: an answer of whom?");
        }
        Err(error) => assert!(outcome.mangled, "seed {seed}: honest, but {error}"),
    }
    outcome.answer.is_ok()
}

fn pipes(kind: Kind, seeds: Range<u64>) {
    // When all wait, the clock jumps: nobody waits in vain.
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (mut accepted, mut mangled, mut peak) = (0, 0, 0);
    for seed in seeds.clone() {
        let plan = Plan::of(kind, seed);
        let (outcome, heap) = measure(|| runtime.block_on(exchange(&plan, pipe(), pipe())));
        accepted += u64::from(judge(seed, &plan, &outcome));
        mangled += u64::from(outcome.mangled);
        peak = peak.max(heap.peak);
    }
    let all = seeds.end - seeds.start;
    println!("{all} exchanges, {mangled} mangled, {accepted} accepted, peak heap {peak} bytes");
    assert!(mangled > all / 2 && accepted >= all - mangled, "{mangled} {accepted}");
    assert!(all - accepted > mangled / 2, "most changes are caught: the others touched nothing that is covered");
    assert!(peak < 1 << 20, "{peak}");
}

async fn over_sockets(kind: Kind) {
    let mut accepted = 0;
    for seed in 1_000_000..1_000_200 {
        let plan = Plan::of(kind, seed);
        let outcome = exchange(&plan, sockets().await, sockets().await).await;
        accepted += u32::from(judge(seed, &plan, &outcome));
    }
    println!("200 exchanges, {accepted} accepted");
    assert!((20..150).contains(&accepted), "{accepted}");
}

macro_rules! each_kind {
    ($($name:ident: $kind:ident,)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn x_15_five_thousand_through_memory() {
                pipes(Kind::$kind, 0..5_000);
            }

            #[test]
            #[ignore = "long"]
            fn x_15_twenty_thousand_through_memory() {
                pipes(Kind::$kind, 5_000..25_000);
            }

            #[tokio::test]
            async fn x_15_two_hundred_over_sockets() {
                over_sockets(Kind::$kind).await;
            }
        }
    )*};
}

each_kind! {
    request_by_digest: RequestByDigest,
    request_by_trailer: RequestByTrailer,
    response_by_digest: ResponseByDigest,
    response_by_trailer: ResponseByTrailer,
}
