//! Responses mangled on their way, by the thousand: never a wrong `Ok`, never a hang, and memory stays bounded.

mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::alloc::{Counting, measure};
use support::bad_peer::{Honest, LOCATION, Play, Then, play, serve};
use support::dice::Dice;
use support::net::{self, patient};
use support::wire::Wire;
use tokio::runtime::{Builder, Runtime};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_hmac::{ClientError, ClientErrorKind, HmacBody, HmacClientLayer, Scheme};

#[global_allocator]
static HEAP: Counting = Counting;

fn body(dice: &mut Dice) -> Vec<u8> {
    let len = [0, 1, 20, 300, 3000][dice.below(5)];
    (0..len).map(|_| b'a' + dice.below(26) as u8).collect()
}

/// How the stream of one seed goes: what was signed, how often it is mangled, and the dice for the rest.
fn plan(seed: u64) -> (Honest, usize, Dice) {
    let mut dice = Dice::of(seed);
    let mut honest = Honest::created(body(&mut dice));
    if dice.below(2) == 0 {
        honest = honest.chunked([1, 7, 100, 5000][dice.below(4)]);
    }
    // Every tenth is left alone.
    let times = if seed.is_multiple_of(10) { 0 } else { dice.below(3) + 1 };
    (honest, times, dice)
}

fn script(seed: u64) -> impl FnOnce(&Wire) -> Play + Clone + Send {
    move |wire| {
        let (honest, times, mut dice) = plan(seed);
        let mut bytes = honest.bytes(wire);
        (0..times).for_each(|_| dice.mangle(&mut bytes));
        Play { writes: dice.pieces(&bytes), then: Then::Close }
    }
}

/// Accepted only if it is, in all that is covered, what was signed.
async fn judge(seed: u64, outcome: Result<Response<HmacBody<Incoming>>, ClientError>) -> bool {
    let (honest, times, _) = plan(seed);
    match outcome {
        Ok(response) => {
            let (head, body) = response.into_parts();
            assert_eq!(head.status, honest.status, "seed {seed}");
            let field = |name: &str| head.headers.get_all(name).iter().map(|v| v.as_bytes()).collect::<Vec<_>>();
            assert_eq!(field("location"), [LOCATION.as_bytes()], "seed {seed}");
            assert_eq!(field("content-type"), [&b"application/json"[..]], "seed {seed}");
            assert!(field("content-encoding").is_empty(), "seed {seed}");
            assert_eq!(body.collect().await.unwrap().to_bytes(), honest.body, "seed {seed}");
            true
        }
        Err(error) => {
            assert!(times > 0, "seed {seed}: honest, but {error}");
            false
        }
    }
}

fn request(authority: &str) -> Request<Full<Bytes>> {
    let request = Request::post(format!("http://{authority}/v1/payments")).header("host", authority);
    request.body(Full::from("{}")).unwrap()
}

fn layer() -> HmacClientLayer {
    HmacClientLayer::new(Scheme::native(), support::key()).unwrap()
}

/// One connection through memory.
async fn through_a_pipe<F>(script: F) -> Result<Response<HmacBody<Incoming>>, ClientError>
where
    F: FnOnce(&Wire) -> Play + Clone + Send + 'static,
{
    let pipe = service_fn(move |request: Request<HmacBody<Full<Bytes>>>| {
        let script = script.clone();
        async move {
            let (near, far) = tokio::io::duplex(4096);
            tokio::spawn(play(far, script));
            let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await?;
            tokio::spawn(connection);
            Ok::<_, BoxError>(sender.send_request(request).await?)
        }
    });
    patient(layer().layer(pipe).call(request("api.example.com"))).await
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn pipes(seeds: std::ops::Range<u64>) {
    let runtime = runtime();
    let (mut accepted, mut mangled, mut peak) = (0, 0, 0);
    for seed in seeds.clone() {
        let (ok, heap) = measure(|| runtime.block_on(async { judge(seed, through_a_pipe(script(seed)).await).await }));
        accepted += u64::from(ok);
        mangled += u64::from(plan(seed).1 > 0);
        peak = peak.max(heap.peak);
    }
    let all = seeds.end - seeds.start;
    println!("{all} streams, {mangled} mangled, {accepted} accepted, peak heap {peak} bytes");
    assert!(accepted >= all - mangled && mangled > all * 8 / 10);
    assert!(all - accepted > mangled / 2, "most changes are caught: the others touched nothing that is covered");
    assert!(peak < 256 * 1024, "{peak}");
}

#[test]
fn x_15_five_thousand_streams_through_memory() {
    pipes(0..5_000);
}

#[test]
#[ignore = "long: minutes"]
fn x_15_a_hundred_thousand_streams_through_memory() {
    pipes(5_000..105_000);
}

/// Two megabytes are the limit, 8 KiB for what is not even signed.
#[test]
fn n_04_an_endless_body_is_held_no_further_than_its_limit() {
    for (signed, kind, limit) in
        [(true, ClientErrorKind::ResponseTooLarge, 3 << 20), (false, ClientErrorKind::Unsigned, 128 << 10)]
    {
        let endless = move |wire: &Wire| {
            let honest = Honest::created("").chunked(1);
            let head = honest.head_text(&honest.head(wire));
            let head = if signed { head } else { head.replace("x-hmac-", "x-other-") };
            let chunk = [b"100\r\n", &[b'x'; 256][..], b"\r\n"].concat();
            Play { writes: vec![head.into_bytes()], then: Then::Endless(chunk) }
        };
        let (outcome, heap) = measure(|| runtime().block_on(through_a_pipe(endless)));
        println!("endless: peak heap {} bytes", heap.peak);
        assert_eq!(outcome.unwrap_err().kind(), kind);
        assert!(heap.peak < limit, "{}", heap.peak);
    }
}

/// All on this thread, so what is held is held by one of the two hundred, or left behind by those before.
#[test]
fn x_15_two_hundred_streams_over_sockets() {
    let ask_all = async {
        let seed = Arc::new(Mutex::new(0));
        let now = Arc::clone(&seed);
        let server = net::start(|listener| {
            serve(listener, move |wire| {
                let seed = *now.lock().unwrap();
                script(seed)(wire)
            })
        })
        .await;
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let client = layer().layer(http);
        let mut accepted = 0;
        for now in 1_000_000..1_000_200 {
            *seed.lock().unwrap() = now;
            let outcome = patient(client.clone().oneshot(request(&server.to_string()))).await;
            accepted += u32::from(judge(now, outcome).await);
        }
        accepted
    };
    let runtime = runtime();
    let (accepted, heap) = measure(|| runtime.block_on(ask_all));
    println!("200 streams, {accepted} accepted, peak heap {} bytes", heap.peak);
    assert!((20..120).contains(&accepted));
    assert!(heap.peak < 256 * 1024, "{}", heap.peak);
}
