//! Connections with bodies that flow in both directions, HTTP/1.1 and HTTP/2, which end at any byte, and whose client or
//! server goes away at any poll: nobody takes a part for the whole or waits for ever, and no task and no memory stays.

mod support;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use support::alloc::{Counting, measure};
use support::body::{Script, Step};
use support::net::patient;
use support::peer::client_layer;
use support::relay::{Io, one_connection, pipe};
use tokio::io::{AsyncReadExt, copy, split};
use tokio::runtime::{Builder, Handle};
use tokio::task::yield_now;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_hmac::{HmacBody, StreamedBody};

#[global_allocator]
static HEAP: Counting = Counting;

const ASKED: &[u8] = b"one two three four five";
const ANSWERED: &[u8] = b"six seven eight nine ten";

/// Where an exchange ends.
#[derive(Clone, Copy)]
struct Ends {
    http2: bool,
    /// Their length is known, and their digest stands in the head; else their MAC follows.
    known: bool,
    /// Bytes that pass, and polls until one is dropped.
    up: u64,
    down: u64,
    client: usize,
    server: usize,
}

impl Ends {
    fn never(http2: bool, known: bool) -> Self {
        Self { http2, known, up: u64::MAX, down: u64::MAX, client: usize::MAX, server: usize::MAX }
    }

    fn body(self, bytes: &'static [u8]) -> Script {
        let steps = bytes.chunks(9).flat_map(|piece| [Step::Data(Bytes::from_static(piece)), Step::Yield]);
        let script = Script::new(steps);
        if self.known { script.declaring(bytes.len() as u64) } else { script }
    }
}

/// Polls it so often, and drops it. How many polls it took, and what came out.
fn for_polls<F: Future>(polls: usize, future: F) -> impl Future<Output = (usize, Option<F::Output>)> {
    let (mut done, mut future) = (0, Box::pin(future));
    poll_fn(move |cx| {
        if done == polls {
            return Poll::Ready((done, None));
        }
        done += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(out) => Poll::Ready((done, Some(out))),
            Poll::Pending if done == polls => Poll::Ready((done, None)),
            Poll::Pending => Poll::Pending,
        }
    })
}

/// Hands on so many bytes in each direction; the connection is over when one of them has ended.
async fn relay(near: Box<dyn Io>, far: Box<dyn Io>, ends: Ends) -> [u64; 2] {
    let ((from_client, mut to_client), (from_server, mut to_server)) = (split(near), split(far));
    let (mut up, mut down) = (from_client.take(ends.up), from_server.take(ends.down));
    // An error is a connection that is over.
    tokio::select! {
        biased;
        _ = copy(&mut up, &mut to_server) => {}
        _ = copy(&mut down, &mut to_client) => {}
    }
    [ends.up - up.limit(), ends.down - down.limit()]
}

/// Figures alone: bytes would keep the buffers that they came in.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    /// Whether the client got the whole answer, if it was not dropped.
    right: Option<bool>,
    bytes: [u64; 2],
    polls: [usize; 2],
}

async fn exchange(ends: Ends) -> Outcome {
    let (near, far) = (pipe(), pipe());
    let between = tokio::spawn(relay(near.1, far.0, ends));
    let read = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&read);
    let service = service_fn(move |request: Request<HmacBody<Incoming>>| {
        let seen = Arc::clone(&seen);
        async move {
            let flag = request.extensions().get::<StreamedBody>().unwrap().clone();
            let whole = request.into_body().collect().await;
            assert_eq!(whole.is_ok(), flag.is_verified());
            seen.lock().unwrap().extend(whole.map(|all| all.to_bytes()));
            Ok::<_, Infallible>(Response::new(ends.body(ANSWERED)))
        }
    });
    let service = TowerToHyperService::new(support::layer().stream_requests(|_| true).unwrap().layer(service));
    let serving = async move {
        // A peer that breaks off ends its connection.
        let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(far.1), service).await;
    };
    let server = tokio::spawn(async move { for_polls(ends.server, serving).await.0 });
    let request = Request::post(format!("http://{}/upload", support::AUTHORITY)).header("te", "trailers");
    let request = if ends.http2 { request } else { request.header("host", support::AUTHORITY) };
    let request = request.body(ends.body(ASKED)).unwrap();
    let layer = client_layer().stream_requests(|_| true).stream_responses(|_| true);
    let call = async move {
        let response = layer.layer(one_connection(near.0, ends.http2)).oneshot(request).await?;
        let flag = response.extensions().get::<StreamedBody>().unwrap().clone();
        let whole = response.into_body().collect().await;
        assert_eq!(whole.is_ok(), flag.is_verified());
        Ok::<_, BoxError>(whole?.to_bytes())
    };
    let (client, answer) = patient(for_polls(ends.client, call)).await;
    let (bytes, server) = (patient(between).await.unwrap(), patient(server).await.unwrap());
    let tasks = || Handle::current().metrics().num_alive_tasks();
    for _ in 0..1000 {
        if tasks() == 0 {
            break;
        }
        yield_now().await;
    }
    assert_eq!(tasks(), 0, "tasks are left");
    // Nobody takes a part for the whole.
    let read = read.lock().unwrap();
    assert!(read.len() <= 1 && read.iter().all(|read| read == ASKED), "{read:?}");
    if let Some(Ok(answer)) = &answer {
        assert_eq!((&answer[..], read.len()), (ANSWERED, 1));
    }
    Outcome { right: answer.map(|answer| answer.is_ok()), bytes, polls: [client, server] }
}

/// In a runtime of its own, where all waiting is over at once.
fn once(ends: Ends) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(exchange(ends))
}

/// Nothing of it may stay.
fn run(ends: Ends) -> Outcome {
    let (outcome, heap) = measure(|| once(ends));
    assert!(heap.peak < 1 << 20, "{heap:?}");
    assert_eq!(heap.live, 0, "bytes are kept");
    outcome
}

fn forms() -> [(bool, bool); 4] {
    [(false, false), (false, true), (true, false), (true, true)]
}

fn whole(http2: bool, known: bool) -> Outcome {
    // What is made once for all is made here.
    once(Ends::never(http2, known));
    let outcome = run(Ends::never(http2, known));
    assert_eq!(outcome.right, Some(true));
    outcome
}

#[test]
fn a_connection_may_end_at_any_byte() {
    for (http2, known) in forms() {
        let [up, down] = whole(http2, known).bytes;
        assert!(up > 300 && down > 200, "{up} {down}");
        let never = Ends::never(http2, known);
        let cuts = (0..up).map(|up| Ends { up, ..never }).chain((0..down).map(|down| Ends { down, ..never }));
        let (mut right, mut all) = (0, 0);
        for ends in cuts {
            right += usize::from(run(ends).right.unwrap());
            all += 1;
        }
        println!("HTTP/2: {http2}, length known: {known}: {all} cuts, {right} right");
        // Behind the end of the answer there are frames of HTTP/2 that nobody waits for.
        assert!(right < if http2 { 40 } else { 1 }, "{right} of {all}");
    }
}

#[test]
fn p_03_either_side_may_go_away_at_any_poll() {
    for (http2, known) in forms() {
        let polls = whole(http2, known).polls;
        let never = Ends::never(http2, known);
        let dropped: Vec<_> = (0..=polls[0]).map(|client| run(Ends { client, ..never }).right).collect();
        assert!(dropped[..2] == [None; 2] && !dropped.contains(&Some(false)), "{dropped:?}");
        let mut right = 0;
        for server in 0..=polls[1] {
            right += usize::from(run(Ends { server, ..never }).right.unwrap());
        }
        println!("HTTP/2: {http2}, length known: {known}: {polls:?} polls, {right} right");
        assert!((1..polls[1]).contains(&right), "{right} of {}", polls[1]);
    }
}
