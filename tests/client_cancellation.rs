//! A call may be dropped at every await: permits and budget come back, and a call after it is served.

mod support;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use support::body::{Script, Step};
use support::drive::{drive, yields};
use support::peer::{accept, sign};
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, service_fn};
use tower_hmac::{Answer, ClientError, HmacBody, HmacClientLayer, KeyQuery, KeyStore, Keys, Lookup, Scheme};

const BODY: usize = 50;

struct LateKeys;

impl KeyStore for LateKeys {
    fn lookup(&self, _: &KeyQuery<'_>) -> Lookup {
        Answer::later(async {
            yields().await;
            Ok(Some(Keys::from(support::key())))
        })
    }
}

fn slowly() -> Script {
    let half = || Step::Data(Bytes::from(vec![b'x'; BODY / 2]));
    Script::new([Step::Yield, half(), Step::Yield, half(), Step::Yield])
}

type Inner = BoxCloneSyncService<Request<HmacBody<Script>>, Response<Script>, Infallible>;
type Outcome = Result<Response<HmacBody<Script>>, ClientError>;
type InFlight = Pin<Box<dyn Future<Output = Outcome>>>;

/// A client whose budget holds one call, over a slow server that signs its answer or does not.
struct World {
    permits: Arc<Semaphore>,
    client: tower_hmac::HmacClient<ConcurrencyLimit<Inner>>,
}

impl World {
    fn new(signs: bool) -> Self {
        let server = service_fn(move |request: Request<HmacBody<Script>>| async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let wire = accept(&head, &body).unwrap();
            yields().await;
            let mut response = Response::new(slowly());
            if signs {
                sign(&wire, &mut response, &[b'x'; BODY]);
            }
            Ok(response)
        });
        let permits = Arc::new(Semaphore::new(1));
        let inner = ConcurrencyLimit::with_semaphore(BoxCloneSyncService::new(server), Arc::clone(&permits));
        let layer = HmacClientLayer::new(Scheme::native(), LateKeys).unwrap().clock(support::clock());
        Self { permits, client: layer.buffer_budget(BODY as u64).layer(inner) }
    }

    fn start(&self) -> InFlight {
        let mut client = self.client.clone();
        let request = Request::post("http://api.example.com/pay").body(()).unwrap();
        Box::pin(async move {
            std::future::poll_fn(|cx| Service::<Request<Script>>::poll_ready(&mut client, cx)).await?;
            client.call(request.map(|()| slowly())).await
        })
    }
}

#[test]
fn p_03_dropped_at_every_await() {
    for signs in [true, false] {
        let (length, outcome) = drive(&mut World::new(signs).start(), 1000);
        assert_eq!(outcome.expect("it ends").is_ok(), signs);
        // Key store, body three times, the server, its body three times: each is a place to be dropped.
        assert!(length > 7, "{length}");
        let world = World::new(signs);
        for polls in 0..=length {
            let mut future = world.start();
            let (_, outcome) = drive(&mut future, polls);
            assert_eq!(outcome.is_some(), polls == length);
            drop((future, outcome));
            assert_eq!(world.permits.available_permits(), 1, "after {polls} polls");
            // It takes the whole budget.
            let (_, outcome) = drive(&mut world.start(), 1000);
            assert_eq!(outcome.expect("it ends").is_ok(), signs, "after {polls} polls");
        }
    }
}
