//! Throughput of bodies that flow as a ratio to SHA-256 alone over the same frames, in interleaved rounds; and how long
//! after its last byte a body is judged.
//!
//! `cargo bench --bench stream`

mod support;

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{poll_fn, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use support::{NOW, Times, key, layer, run, time};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::ManualClock;
use tower_hmac::sign::RequestSigner;
use tower_hmac::{HmacBody, HmacClientLayer, HmacLayer, Scheme, StreamedBody};

const ROUNDS: usize = 15;
const MEBIBYTE: usize = 1 << 20;
const TOTAL: usize = 100 * MEBIBYTE;

/// So many frames of one content, what follows them, and when the last was handed out.
#[derive(Clone)]
struct Frames {
    frame: Bytes,
    left: usize,
    trailers: Option<HeaderMap>,
    before_last: Option<Rc<dyn Fn()>>,
    last: Rc<Cell<Option<Instant>>>,
}

impl Frames {
    fn new(total: usize, size: usize) -> Self {
        let (frame, left) = (support::body(size), total / size);
        Self { frame, left, trailers: None, before_last: None, last: Rc::default() }
    }

    fn before_last(self, act: impl Fn() + 'static) -> Self {
        Self { before_last: Some(Rc::new(act)), ..self }
    }

    fn hash(&self) {
        let mut hash = Sha256::new();
        (0..self.left).for_each(|_| hash.update(&self.frame));
        black_box(hash.finalize());
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        self.left -= 1;
        if self.left == 0 {
            self.before_last.iter().for_each(|act| act());
            self.last.set(Some(Instant::now()));
        }
        Poll::Ready(Some(Ok(Frame::data(self.frame.clone()))))
    }
}

fn main() {
    let server = layer().without_replay_guard().stream_requests(|_| true).unwrap();
    println!("100 MiB; median of {ROUNDS} interleaved rounds; ratio = SHA-256 alone / layer\n");
    println!("{:<32} {:>8} {:>10} {:>10} {:>8}", "what flows", "frames", "layer", "floor", "ratio");
    for (name, size) in [("1 MiB", MEBIBYTE), ("16 KiB", 16 << 10)] {
        let frames = Frames::new(TOTAL, size);
        let head = signed(&frames);
        row("request, digest in the head", name, || _ = verify(&server, &head, &frames), || frames.hash());
        row("response, trailer", name, || sign(&server, &frames), || frames.hash());
        row("request, trailer, sent", name, || _ = announced(&frames), || frames.hash());
        let (head, followed) = announced(&frames);
        row("request, trailer", name, || _ = verify(&server, &head, &followed), || frames.hash());
    }
    // Other requests have come to their ends meanwhile, as on a server at work: the processor knows that code.
    println!("\nfrom the last frame of 16 KiB to the verdict, median of {ROUNDS}:");
    let short = Frames::new(MEBIBYTE, 16 << 10);
    let (of_short, (head, followed)) = (signed(&short), announced(&short));
    let others = (server.clone(), [(of_short, short), (head, followed)]);
    let others = move || others.1.iter().for_each(|(head, frames)| _ = verify(&others.0, head, frames));
    for mebibytes in [1, 10, 100, 400] {
        let frames = Frames::new(mebibytes * MEBIBYTE, 16 << 10);
        let (head, (announced, followed)) = (signed(&frames), announced(&frames));
        let [frames, followed] = [frames, followed].map(|frames| frames.before_last(others.clone()));
        let mut times = Times::default();
        for _ in 0..ROUNDS {
            times.push(verify(&server, &head, &frames), verify(&server, &announced, &followed));
        }
        let (digest, trailer, _) = times.medians();
        println!("{mebibytes:>4} MiB, digest in the head {digest:>10.2?}, trailer {trailer:>10.2?}");
    }
}

fn row(what: &str, size: &str, layer: impl Fn(), floor: impl Fn()) {
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        times.push(time(&floor), time(&layer));
    }
    let (bare, ours, ratio) = times.medians();
    println!("{what:<32} {size:>8} {ours:>10.2?} {bare:>10.2?} {ratio:>8.3}");
}

fn head() -> Parts {
    let request = Request::post("http://127.0.0.1/upload").version(Version::HTTP_2);
    request.body(()).unwrap().into_parts().0
}

/// The head of a request with this body.
fn signed(frames: &Frames) -> Parts {
    let (signer, mut head) = (RequestSigner::new(Scheme::native(), key()).unwrap(), head());
    let mut signing = signer.begin(&head, NOW).unwrap();
    (0..frames.left).for_each(|_| signing.update(&frames.frame));
    signing.finish(&mut head).unwrap();
    head
}

/// Reads a body to its end: the trailers, if there are any.
async fn read<B: Body<Data = Bytes, Error: Debug>>(body: B) -> Option<HeaderMap> {
    let (mut body, mut trailers) = (pin!(body), None);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        trailers = black_box(frame.unwrap()).into_trailers().ok();
    }
    trailers
}

/// How long after the last frame the reader knew.
fn verify(server: &HmacLayer, head: &Parts, frames: &Frames) -> Duration {
    let (known, last) = (Rc::new(Cell::new(Duration::MAX)), Rc::clone(&frames.last));
    let knows = Rc::clone(&known);
    let service = service_fn(move |request: Request<HmacBody<Frames>>| {
        let (knows, last) = (Rc::clone(&knows), Rc::clone(&last));
        async move {
            let flag = request.extensions().get::<StreamedBody>().unwrap().clone();
            read(request.into_body()).await;
            knows.set(last.get().unwrap().elapsed());
            assert!(flag.is_verified());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let request = Request::from_parts(head.clone(), frames.clone());
    let response = run(server.clone().without_response_signing().layer(service).oneshot(request)).unwrap();
    assert!(response.status().is_success());
    known.get()
}

fn sign(server: &HmacLayer, frames: &Frames) {
    let (signer, frames) = (RequestSigner::new(Scheme::native(), key()).unwrap(), frames.clone());
    let (request, _) = signer.sign(Request::from_parts(head(), Bytes::new()), NOW).unwrap();
    let service =
        service_fn(|_: Request<HmacBody<Full<Bytes>>>| ready(Ok::<_, Infallible>(Response::new(frames.clone()))));
    let response = run(server.layer(service).oneshot(request.map(Full::new))).unwrap();
    assert!(run(read(response.into_body())).unwrap().contains_key("x-hmac-trailer-signature"));
}

/// What the client makes of a request with this body, read to its end.
fn announced(frames: &Frames) -> (Parts, Frames) {
    let sent = Rc::new(Cell::new(None));
    let wire = Rc::clone(&sent);
    let service = service_fn(move |request: Request<HmacBody<Frames>>| {
        let wire = Rc::clone(&wire);
        async move {
            let (head, body) = request.into_parts();
            wire.set(Some((head, read(body).await)));
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let client = HmacClientLayer::new(Scheme::native(), key()).unwrap().clock(ManualClock::at(NOW));
    let client = client.stream_requests(|_| true).without_response_verification();
    run(client.layer(service).oneshot(Request::from_parts(head(), frames.clone()))).unwrap();
    let (head, trailers) = sent.take().unwrap();
    assert!(trailers.is_some());
    (head, Frames { trailers, ..frames.clone() })
}
