//! An exchange whose bodies flow in both directions may be dropped at every poll, on either side: nothing is kept.

mod support;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use support::alloc::{Counting, measure};
use support::body::{Script, Step};
use support::drive::{drive, yields};
use support::peer::client_layer;
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{ClientError, HmacBody, HmacClient, StreamedBody};

#[global_allocator]
static HEAP: Counting = Counting;

const PIECE: usize = 1000;

/// Of unknown length, with a pause before each piece: nothing of it is there at once.
fn slowly() -> Script {
    let piece = || [Step::Yield, Step::Data(Bytes::from(vec![b'x'; PIECE]))];
    Script::new(piece().into_iter().chain(piece()).chain(piece()).chain([Step::Yield]))
}

/// What the client's request is for the server, and its answer for the client.
type Asked = HmacBody<Script>;
type Answered = HmacBody<Script>;
type Inner = BoxCloneSyncService<Request<HmacBody<Asked>>, Response<Script>, Infallible>;
type Server = BoxCloneSyncService<Request<Asked>, Response<Answered>, Infallible>;

/// A client layer over a server layer, each over a service that takes one call at a time.
struct World {
    inside: Arc<Semaphore>,
    between: Arc<Semaphore>,
    client: HmacClient<ConcurrencyLimit<Server>>,
}

impl World {
    /// A service that reads so many pieces before it answers.
    fn new(pieces: usize) -> Self {
        let service = service_fn(move |request: Request<HmacBody<Asked>>| async move {
            let mut body = request.into_body();
            for _ in 0..pieces {
                yields().await;
                if body.frame().await.is_none_or(|frame| frame.is_err()) {
                    break;
                }
            }
            drop(body);
            yields().await;
            Ok::<_, Infallible>(Response::new(slowly()))
        });
        let (inside, between) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
        let inner: Inner = BoxCloneSyncService::new(service);
        let inner = ConcurrencyLimit::with_semaphore(inner, Arc::clone(&inside));
        let layer = support::layer().without_replay_guard().stream_requests(|_| true).unwrap();
        let server: Server = BoxCloneSyncService::new(layer.layer(inner));
        let server = ConcurrencyLimit::with_semaphore(server, Arc::clone(&between));
        let layer = client_layer().stream_requests(|_| true).stream_responses(|_| true);
        Self { inside, between, client: layer.layer(server) }
    }

    /// Sends a body, and reads the answer to its end.
    fn start(&self) -> Pin<Box<dyn Future<Output = Result<Bytes, ClientError>>>> {
        let request = Request::post("http://api.example.com/upload").version(Version::HTTP_2).body(slowly()).unwrap();
        let client = self.client.clone();
        Box::pin(async move {
            let response = client.oneshot(request).await?;
            let flag = response.extensions().get::<StreamedBody>().cloned().expect("an answer that flows");
            let all = response.into_body().collect().await.expect("an honest answer");
            assert!(flag.is_verified());
            Ok(all.to_bytes())
        })
    }

    #[track_caller]
    fn is_free(&self) {
        assert_eq!((self.inside.available_permits(), self.between.available_permits()), (1, 1));
    }
}

#[test]
fn p_03_dropped_at_every_poll() {
    // None of the body, a part of it, all of it: and then the answer.
    for pieces in [0, 2, 9] {
        let world = World::new(pieces);
        let (length, outcome) = drive(&mut world.start(), 1000);
        assert_eq!(outcome.expect("it ends").unwrap().len(), 3 * PIECE);
        assert!(length >= 5 + pieces.min(3), "{length}");
        for polls in 0..=length {
            let (ended, heap) = measure(|| {
                let mut exchange = world.start();
                drive(&mut exchange, polls).1.is_some()
            });
            assert_eq!(ended, polls == length);
            assert_eq!(heap.live, 0, "{pieces}: after {polls} polls");
            world.is_free();
            // The next one is served.
            assert_eq!(drive(&mut world.start(), 1000).1.expect("it ends").unwrap().len(), 3 * PIECE);
            world.is_free();
        }
    }
}

/// The client goes away, and the server's half of the answer is dropped with it; or the server's, and the client's.
#[test]
fn either_side_may_be_dropped_alone() {
    let world = World::new(9);
    let ask = || {
        let request = Request::post("http://api.example.com/upload").version(Version::HTTP_2).body(slowly()).unwrap();
        Box::pin(world.client.clone().oneshot(request))
    };
    let response = |reads: usize| {
        let mut body = drive(&mut ask(), 1000).1.expect("an answer").unwrap().into_body();
        let mut reading = Box::pin(async move {
            for _ in 0..reads {
                body.frame().await;
            }
        });
        drive(&mut reading, 1000);
    };
    response(0);
    for reads in 0..5 {
        let ((), heap) = measure(|| response(reads));
        assert_eq!(heap.live, 0, "after {reads} frames");
        world.is_free();
    }
}
