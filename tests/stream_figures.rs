//! What streaming may cost: bytes held, bytes hashed in a poll, frames ahead of the reader. Counted, not timed.

mod support;

use std::convert::Infallible;
use std::future::ready;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use support::alloc::{Counting, measure};
use support::body::{Script, Step};
use support::wire::{Wire, hex};
use tower::{Layer, Service, service_fn};
use tower_hmac::{HmacBody, HmacLayer, StreamedBody};

#[global_allocator]
static HEAP: Counting = Counting;

const TOTAL: u64 = 100 << 20;

/// Frames of one size, each allocated when it is asked for; then nothing, or trailers.
struct Source {
    left: u64,
    frame: usize,
    made: Arc<AtomicU64>,
}

impl Source {
    fn new(total: u64, frame: usize) -> (Self, Arc<AtomicU64>) {
        let made = Arc::<AtomicU64>::default();
        (Self { left: total, frame, made: Arc::clone(&made) }, made)
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = (self.frame as u64).min(self.left);
        if size == 0 {
            return Poll::Ready(None);
        }
        self.left -= size;
        self.made.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![7; size as usize])))))
    }
}

fn digest(total: u64) -> String {
    let (mut hash, piece) = (Sha256::new(), vec![7; 1 << 20]);
    (0..total >> 20).for_each(|_| hash.update(&piece));
    hex(&hash.finalize())
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(out) = future.as_mut().poll(&mut cx) {
            return out;
        }
    }
    panic!("never ready");
}

/// Reads to the end: the most bytes that one poll gave.
fn read<B: Body<Data = Bytes>>(body: B) -> (u64, usize) {
    let mut body = pin!(body);
    let (mut bytes, mut most) = (0, 0);
    now(async {
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.unwrap_or_else(|_| panic!("an error")).into_data() {
                (bytes, most) = (bytes + data.len() as u64, most.max(data.len()));
            }
        }
    });
    (bytes, most)
}

fn layer() -> HmacLayer {
    support::layer().stream_requests(|_| true).unwrap()
}

#[test]
fn a_streamed_upload_of_100_mib_holds_little_beyond_its_frame() {
    for frame in [16 << 10, 1 << 20] {
        let wire = Wire { content: Some(digest(TOTAL)), ..Wire::post("/up", "") };
        let (source, _) = Source::new(TOTAL, frame);
        let request = wire.request(source);
        let mut service = layer().layer(service_fn(|request: Request<HmacBody<Source>>| {
            let (read, most) = read(request.into_body());
            assert!(most <= 64 << 10, "one poll hashed {most} bytes");
            ready(Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::from(read.to_string())))))
        }));
        let (response, heap) = measure(|| now(service.call(request)).unwrap());
        assert!(response.extensions().get::<StreamedBody>().unwrap().is_verified());
        let held = heap.peak - frame as i64;
        println!("100 MiB up in frames of {frame}: {held} bytes beyond the frame, {} allocations", heap.allocations);
        assert!(held <= 128 << 10, "{held}");
        assert_eq!(&now(response.into_body().collect()).unwrap().to_bytes()[..], TOTAL.to_string().as_bytes());
    }
}

#[test]
fn a_streamed_answer_of_100_mib_holds_little_beyond_its_frame() {
    for frame in [16 << 10, 1 << 20] {
        let mut request = Wire::get("/down").request(Script::new([]));
        *request.version_mut() = Version::HTTP_2;
        let mut service = layer().layer(service_fn(move |_: Request<HmacBody<Script>>| {
            ready(Ok::<_, Infallible>(Response::new(Source::new(TOTAL, frame).0)))
        }));
        let ((bytes, most), heap) = measure(|| read(now(service.call(request)).unwrap().into_body()));
        let held = heap.peak - frame as i64;
        println!("100 MiB down in frames of {frame}: {held} bytes beyond the frame");
        assert_eq!(bytes, TOTAL);
        assert!(held <= 128 << 10 && most <= 64 << 10, "{held} {most}");
    }
}

/// A reader that stops stops the producer within two frames.
#[test]
fn a_slow_reader_stops_the_producer() {
    let mut request = Wire::get("/down").request(Script::new([]));
    *request.version_mut() = Version::HTTP_2;
    let (source, made) = Source::new(TOTAL, 16 << 10);
    let source = Arc::new(std::sync::Mutex::new(Some(source)));
    let mut service = layer().layer(service_fn(move |_: Request<HmacBody<Script>>| {
        ready(Ok::<_, Infallible>(Response::new(source.lock().unwrap().take().unwrap())))
    }));
    let mut body = now(service.call(request)).unwrap().into_body();
    for read in 1..100 {
        now(body.frame()).unwrap().unwrap();
        assert!(made.load(Ordering::Relaxed) <= read.max(4) + 2);
    }
}

/// A frame of 100 MiB is hashed in steps, each of which is handed on.
#[test]
fn f_20_no_poll_hashes_more_than_64_kib() {
    let whole = Bytes::from(vec![7; TOTAL as usize]);
    for declared in [false, true] {
        let wire = Wire { content: Some(digest(TOTAL)), ..Wire::post("/up", "") };
        let script = Script::new([Step::Data(whole.clone())]);
        let body = if declared { script.declaring(TOTAL) } else { script };
        let mut service = layer().layer(service_fn(|request: Request<HmacBody<Script>>| {
            let mut body = pin!(request.into_body());
            let mut cx = Context::from_waker(Waker::noop());
            let (mut bytes, mut polls) = (0, 0);
            loop {
                polls += 1;
                match body.as_mut().poll_frame(&mut cx) {
                    Poll::Ready(Some(frame)) => {
                        let data = frame.unwrap().into_data().unwrap();
                        assert!(data.len() <= 64 << 10);
                        bytes += data.len() as u64;
                    }
                    Poll::Ready(None) => break,
                    Poll::Pending => {}
                }
            }
            assert!(bytes == TOTAL && polls >= TOTAL / (64 << 10), "{polls}");
            ready(Ok::<_, Infallible>(Response::new(Script::new([]))))
        }));
        let response = now(service.call(wire.request(body))).unwrap();
        assert!(response.extensions().get::<StreamedBody>().unwrap().is_verified());
    }
}
