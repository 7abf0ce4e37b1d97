//! What a call may cost beyond the client below: allocations, polls, copies. Counted, not timed.

mod support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use support::alloc::{Counting, Heap, measure};
use support::body::{Script, Step};
use support::peer::{Seen, answer, client_layer, post, server, sign};
use support::wire::Wire;
use tower::{Layer, Service};
use tower_hmac::sign::ResponseSigner;
use tower_hmac::{Answer, HmacBody, HmacClientLayer, KeyQuery, Keys, Lookup, Scheme, VerifiedResponse};

#[global_allocator]
static HEAP: Counting = Counting;

/// What one call costs, from the request to the answer, both still held.
fn cost<S, B, RB>(service: &mut S, request: Request<B>) -> (Result<Response<RB>, S::Error>, Heap)
where
    S: Service<Request<B>, Response = Response<RB>>,
{
    measure(|| {
        let mut future = std::pin::pin!(service.call(request));
        loop {
            if let Some(outcome) = future.as_mut().now_or_never() {
                return outcome;
            }
        }
    })
}

/// Answers with 1 KiB that it signs for the request that comes; what this itself costs is counted apart.
#[derive(Clone)]
struct Peer {
    own: std::sync::Arc<std::sync::Mutex<i64>>,
}

const BODY: [u8; 1024] = [b'y'; 1024];

impl<B> Service<Request<HmacBody<B>>> for Peer
where
    B: Body<Error = Infallible>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<HmacBody<B>>) -> Self::Future {
        let before = allocations();
        let (head, body) = request.into_parts();
        let body = body.collect().now_or_never().unwrap().unwrap().to_bytes();
        let wire = support::peer::accept(&head, &body).unwrap();
        let mut response = Response::new(Full::new(Bytes::from_static(&BODY)));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        sign(&wire, &mut response, &BODY);
        *self.own.lock().unwrap() += allocations() - before;
        ready(Ok(response))
    }
}

fn allocations() -> i64 {
    support::alloc::so_far().allocations
}

#[test]
fn a_call_allocates_at_most_8_times_beyond_the_client_below() {
    let keys = Keys::from(support::key());
    let late = move |_: &KeyQuery<'_>| -> Lookup {
        let keys = keys.clone();
        Answer::later(async { Ok(Some(keys)) })
    };
    let boxed = HmacClientLayer::new(Scheme::native(), late).unwrap();
    let mut counts = Vec::new();
    for layer in [client_layer(), boxed] {
        let peer = Peer { own: Default::default() };
        let mut client = layer.layer(peer.clone());
        for round in 0..100 {
            *peer.own.lock().unwrap() = 0;
            let body = Full::new(Bytes::from_static(&BODY));
            let request = Request::post("http://api.example.com/pay").header("content-type", "text/plain").body(body);
            let (outcome, heap) = cost(&mut client, request.unwrap());
            assert!(outcome.unwrap().extensions().get::<VerifiedResponse>().is_some());
            let ours = heap.allocations - *peer.own.lock().unwrap();
            if round == 0 {
                println!("{ours} allocations, the service below {}", peer.own.lock().unwrap());
                counts.push(ours);
            }
            assert_eq!(ours, *counts.last().unwrap(), "alike each time");
        }
    }
    assert!(counts[0] <= 8, "{counts:?}");
    assert_eq!(counts[1], counts[0] + 1, "a look-up that is not ready costs its box");
}

#[test]
fn bodies_are_polled_once_for_each_frame_and_once_for_their_end() {
    for frames in [1, 2, 8] {
        let (whole, seen) = (vec![b'x'; 1024], Seen::default());
        let body = Script::chunks(&whole, 1024 / frames);
        let polls = body.polls();
        let answered = std::sync::Arc::new(std::sync::Mutex::new(None));
        let keep = std::sync::Arc::clone(&answered);
        let respond = move |wire: &Wire| {
            let body = Script::chunks(&[b'y'; 1024], 1024 / frames);
            *keep.lock().unwrap() = Some(body.polls());
            answer(wire, str::from_utf8(&[b'y'; 1024]).unwrap()).map(|_| body)
        };
        let (outcome, _) = cost(&mut client_layer().layer(server(&seen, respond)), post("/up", "").map(|_| body));
        outcome.unwrap();
        assert_eq!(polls.count(), frames + 1);
        assert_eq!(answered.lock().unwrap().as_ref().unwrap().count(), frames + 1);
    }
}

#[test]
fn one_frame_of_a_response_is_handed_on_as_it_is() {
    let frame = Bytes::from(vec![b'y'; 100_000]);
    let sent = frame.clone();
    let respond = move |wire: &Wire| {
        let mut response = Response::new(Script::new([Step::Yield, Step::Data(sent.clone())]));
        sign(wire, &mut response, &sent);
        response
    };
    let (outcome, _) = cost(&mut client_layer().layer(server(&Seen::default(), respond)), post("/down", ""));
    let mut body = outcome.unwrap().into_body();
    assert_eq!(body.size_hint().exact(), Some(100_000));
    let data = body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap();
    assert_eq!((data.as_ptr(), data.len()), (frame.as_ptr(), frame.len()));
}

/// A megabyte in frames of one byte, in either direction, held once and a little.
#[test]
fn tiny_frames_cost_little_more_than_their_bytes() {
    const LEN: usize = 1 << 20;
    struct Dribble(usize);
    impl Body for Dribble {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            let left = self.0.checked_sub(1);
            self.0 = left.unwrap_or_default();
            Poll::Ready(left.map(|_| Ok(http_body::Frame::data(Bytes::from_static(b"z")))))
        }
    }
    #[derive(Clone)]
    struct Echo;
    impl Service<Request<HmacBody<Dribble>>> for Echo {
        type Response = Response<Dribble>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Dribble>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<HmacBody<Dribble>>) -> Self::Future {
            let (head, _) = request.into_parts();
            // The server's half of the crate: a signer of these tests would hold the body once more.
            let verifier = tower_hmac::verify::RequestVerifier::new(Scheme::native());
            let credentials = verifier.read(&head).unwrap();
            let mut checked = verifier.check(&credentials, Some(&Keys::from(support::key())), support::NOW).unwrap();
            (0..LEN).for_each(|_| checked.update(b"z"));
            let authentic = checked.finish(&head).unwrap();
            let verified = authentic.admit(tower_hmac::replay::Claimed::Fresh).unwrap();
            let (mut head, ()) = Response::new(()).into_parts();
            let signer = ResponseSigner::new(Scheme::native());
            let mut signing = signer.begin(&head, verified.exchange(), support::NOW).unwrap();
            (0..LEN).for_each(|_| signing.update(b"z"));
            signing.finish(&mut head).unwrap();
            ready(Ok(Response::from_parts(head, Dribble(LEN))))
        }
    }
    let request = Request::post("http://api.example.com/up").body(Dribble(LEN)).unwrap();
    let (outcome, heap) = cost(&mut client_layer().layer(Echo), request);
    assert_eq!(outcome.unwrap().body().size_hint().exact(), Some(LEN as u64));
    println!("peak {} for {LEN} bytes", heap.peak);
    assert!(heap.peak <= 2 * LEN as i64 + LEN as i64 / 2, "{}", heap.peak);
}
