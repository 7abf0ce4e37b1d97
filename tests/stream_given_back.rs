//! However a body that flows is left, at any poll, honest or forged, signed by digest or by trailer: its share of the budget
//! comes back, and so do permits and memory, and the same bytes are not served again.

mod support;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt;
use support::alloc::{Counting, measure};
use support::body::{Script, Step};
use support::drive::{drive, yields};
use support::peer::{accept, accept_streamed, answer, client_layer, post};
use support::trailers::{map, streaming};
use support::wire::Wire;
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_hmac::{HmacBody, HmacClient, HmacService, Verified};

#[global_allocator]
static HEAP: Counting = Counting;

/// One whole body.
const BUDGET: usize = 100;
const FLOWS: &str = "/flow";

type Inner = BoxCloneSyncService<Request<HmacBody<Script>>, Response<Script>, Infallible>;
/// One exchange, from its first poll until the answer's last frame: what came, or nothing right.
type Exchange = Pin<Box<dyn Future<Output = Option<Vec<u8>>>>>;

/// The first piece is there at once: it is held, and charged, until the head is out.
fn slowly(body: &[u8]) -> Vec<Step> {
    let pieces = body.chunks(BUDGET / 3).map(|piece| Step::Data(Bytes::copy_from_slice(piece)));
    pieces.flat_map(|piece| [piece, Step::Yield]).collect()
}

fn turned(mut body: Vec<u8>) -> Vec<u8> {
    body[BUDGET / 2] ^= 1;
    body
}

async fn read(response: Response<HmacBody<Script>>) -> Option<Vec<u8>> {
    let whole = response.into_body().collect().await.ok()?;
    Some(whole.to_bytes().to_vec())
}

/// Drops an exchange at every poll, each time in a world of its own, which `check` looks at before it is gone.
fn at_every_poll<W>(world: impl Fn() -> W, start: impl Fn(&W) -> Exchange, right: bool, check: impl Fn(&W, usize)) {
    let (length, outcome) = drive(&mut start(&world()), 1000);
    assert_eq!(outcome.expect("it ends"), right.then(|| vec![b'y'; BUDGET]));
    // The body three times, the service, the answer: each is a place to be dropped.
    assert!(length >= 7, "{length}");
    for polls in 0..=length {
        let (_, heap) = measure(|| {
            let world = world();
            let mut exchange = start(&world);
            let (_, outcome) = drive(&mut exchange, polls);
            assert_eq!(outcome.is_some(), polls == length);
            drop((exchange, outcome));
            check(&world, polls);
        });
        assert_eq!(heap.live, 0, "bytes are kept after {polls} polls");
    }
}

struct Server {
    service: HmacService<ConcurrencyLimit<Inner>>,
    permits: Arc<Semaphore>,
    nonces: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new() -> Self {
        let (permits, nonces) = (Arc::new(Semaphore::new(2)), Arc::<Mutex<Vec<String>>>::default());
        let seen = Arc::clone(&nonces);
        let service = service_fn(move |request: Request<HmacBody<Script>>| {
            let verified = request.extensions().get::<Verified>().expect("a request without proof");
            seen.lock().unwrap().push(verified.nonce().unwrap().to_owned());
            async move {
                yields().await;
                // Whether it ended well is the layer's business, too.
                let _ = request.into_body().collect().await;
                yields().await;
                let own = [Step::Trailers(map(&[("x-sum", "1")]))];
                Ok(Response::new(Script::new(slowly(&[b'y'; BUDGET]).into_iter().chain(own))))
            }
        });
        let layer =
            support::layer().stream_requests(|head| head.uri.path() == FLOWS).unwrap().buffer_budget(BUDGET as u64);
        let limited = ConcurrencyLimit::with_semaphore(BoxCloneSyncService::new(service), Arc::clone(&permits));
        Self { service: layer.layer(limited), permits, nonces }
    }

    /// Of this body, whichever was signed.
    fn start(&self, wire: &Wire, body: &[u8]) -> Exchange {
        let end = wire.content.is_some().then(|| Step::Trailers(wire.trailers(&[])));
        let mut request = wire.request(Script::new(slowly(body).into_iter().chain(end)));
        *request.version_mut() = Version::HTTP_2;
        let answer = self.service.clone().oneshot(request);
        Box::pin(async move {
            let response = answer.await.unwrap();
            if response.status() == 200 { read(response).await } else { None }
        })
    }

    fn served(&self, wire: &Wire) -> usize {
        self.nonces.lock().unwrap().iter().filter(|nonce| **nonce == wire.nonce).count()
    }
}

#[test]
fn p_03_a_server_gets_its_share_back() {
    for wire in [|| Wire::post(FLOWS, [b'x'; BUDGET]), || Wire::post(FLOWS, [b'x'; BUDGET]).streamed()] {
        for right in [true, false] {
            let flowing = wire();
            let body = if right { flowing.body.clone() } else { turned(flowing.body.clone()) };
            let check = |server: &Server, polls: usize| {
                assert_eq!(server.permits.available_permits(), 2, "after {polls} polls");
                // The same bytes again: no second time in all.
                drive(&mut server.start(&flowing, &body), 1000).1.expect("it ends");
                assert_eq!(server.served(&flowing), 1, "after {polls} polls");
                // Held whole, it takes the whole budget.
                let held = Wire::post("/hold", [b'x'; BUDGET]);
                let outcome = drive(&mut server.start(&held, &held.body), 1000).1.expect("it ends");
                assert_eq!(outcome.unwrap(), [b'y'; BUDGET], "after {polls} polls");
                assert_eq!(server.permits.available_permits(), 2, "after {polls} polls");
            };
            at_every_poll(Server::new, |server| server.start(&flowing, &body), right, check);
        }
    }
}

struct Caller {
    client: HmacClient<ConcurrencyLimit<Inner>>,
    permits: Arc<Semaphore>,
}

impl Caller {
    /// Of a server that checks what it gets, and answers with this body instead of the signed one.
    fn new(announced: bool, body: &[u8]) -> Self {
        let body = body.to_vec();
        let server = service_fn(move |request: Request<HmacBody<Script>>| {
            let body = body.clone();
            async move {
                let (head, asked) = request.into_parts();
                yields().await;
                let asked = asked.collect().await.unwrap();
                let trailers: Option<HeaderMap> = asked.trailers().cloned();
                let asked = asked.to_bytes();
                let wire = match trailers {
                    Some(trailers) => accept_streamed(&head, &asked, &trailers).unwrap(),
                    None => accept(&head, &asked).unwrap(),
                };
                Ok(match announced {
                    true => streaming(&wire, &[b'y'; BUDGET], slowly(&body), Some),
                    false => answer(&wire, &"y".repeat(BUDGET)).map(|_| Script::new(slowly(&body))),
                })
            }
        });
        let permits = Arc::new(Semaphore::new(1));
        let layer = client_layer().stream_requests(|head| head.uri.path() == FLOWS).stream_responses(|_| true);
        let layer = layer.buffer_budget(BUDGET as u64);
        let limited = ConcurrencyLimit::with_semaphore(BoxCloneSyncService::new(server), Arc::clone(&permits));
        Self { client: layer.layer(limited), permits }
    }

    fn start(&self, target: &str) -> Exchange {
        let mut client = self.client.clone();
        let request = post(target, "").map(|_| Script::new(slowly(&[b'x'; BUDGET])));
        Box::pin(async move {
            let ready = ServiceExt::<Request<Script>>::ready(&mut client).await.unwrap();
            read(ready.call(request).await.ok()?).await
        })
    }
}

#[test]
fn p_03_a_client_gets_its_share_back() {
    for announced in [true, false] {
        for right in [true, false] {
            let body = if right { vec![b'y'; BUDGET] } else { turned(vec![b'y'; BUDGET]) };
            let check = |caller: &Caller, polls: usize| {
                assert_eq!(caller.permits.available_permits(), 1, "after {polls} polls");
                // Held whole, its body takes the whole budget.
                let outcome = drive(&mut caller.start("/hold"), 1000).1.expect("it ends");
                assert_eq!(outcome.is_some(), right, "after {polls} polls");
                assert_eq!(caller.permits.available_permits(), 1, "after {polls} polls");
            };
            at_every_poll(|| Caller::new(announced, &body), |caller| caller.start(FLOWS), right, check);
        }
    }
}
