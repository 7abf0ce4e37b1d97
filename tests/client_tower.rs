//! The client layer is a good tower citizen: it is ready when the client below is, calls the very instance that was made
//! ready, and keeps no permit longer than it must.

mod support;

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, Ready, pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use support::body::{Broken, Script, Step};
use support::peer::{Seen, Server, answer, client_layer, post, server};
use support::wire::Wire;
use tokio::sync::Semaphore;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::limit::ConcurrencyLimit;
use tower::load::{CompleteOnResponse, PendingRequests};
use tower::load_shed::LoadShed;
use tower::load_shed::error::Overloaded;
use tower::timeout::Timeout;
use tower::timeout::error::Elapsed;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_hmac::{ClientError, ClientErrorKind, ClientFuture, HmacBody, HmacClient, HmacClientLayer};

fn ok(wire: &Wire) -> Response<Script> {
    answer(wire, "{}")
}

fn peer(seen: &Seen) -> Server<Script> {
    server(seen, ok)
}

/// Not ready at first; panics when it is called without having been made ready, as a clone is.
struct Strict {
    inner: Server<Script>,
    polls: usize,
}

impl Strict {
    fn new() -> Self {
        Self { inner: peer(&Seen::default()), polls: 0 }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), polls: 0 }
    }
}

impl Service<Request<HmacBody<Script>>> for Strict {
    type Response = Response<Script>;
    type Error = Infallible;
    type Future = <Server<Script> as Service<Request<HmacBody<Script>>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.polls += 1;
        if self.polls < 3 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<HmacBody<Script>>) -> Self::Future {
        assert!(self.polls >= 3, "called before it was ready");
        self.polls = 0;
        self.inner.call(request)
    }
}

#[tokio::test]
async fn p_01_the_instance_that_was_made_ready_is_called() {
    let mut client = client_layer().layer(Strict::new());
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        assert!(Service::<Request<Script>>::poll_ready(&mut client, &mut context).is_pending());
        assert!(Service::<Request<Script>>::poll_ready(&mut client, &mut context).is_pending());
        client.ready().await.unwrap().call(post("/pay", "{}")).await.unwrap();
    }
}

/// Many at once through a stack that stands below the layer.
async fn many<S>(inner: S)
where
    S: Service<Request<HmacBody<Script>>, Response = Response<Script>> + Clone + Send + 'static,
    S::Error: Into<tower::BoxError>,
    S::Future: Send,
{
    let client = client_layer().layer(inner);
    let calls = (0..20).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { client.oneshot(post(&format!("/pay/{n}"), "{}")).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let response = call.await.unwrap().unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{}");
    }
}

#[tokio::test]
async fn over_limits_buffers_timeouts_and_load_shedding() {
    let seen = Seen::default();
    let base = || peer(&seen);
    let minute = Duration::from_secs(60);
    many(ServiceBuilder::new().concurrency_limit(4).service(base())).await;
    many(ServiceBuilder::new().buffer(2).service(base())).await;
    many(ServiceBuilder::new().buffer(2).concurrency_limit(1).service(base())).await;
    many(ServiceBuilder::new().timeout(minute).concurrency_limit(3).service(base())).await;
    many(ServiceBuilder::new().load_shed().concurrency_limit(100).service(base())).await;
    many(ServiceBuilder::new().buffer(32).rate_limit(1000, minute).service(base())).await;
    assert_eq!(seen.count(), 120);
}

#[tokio::test]
async fn over_a_balancer() {
    let seen = [Seen::default(), Seen::default()];
    let backends = seen.clone().map(|seen| PendingRequests::new(peer(&seen), CompleteOnResponse::default()));
    let balance = Balance::new(ServiceList::new::<Request<HmacBody<Script>>>(backends));
    many(ServiceBuilder::new().buffer(8).service(balance)).await;
    assert_eq!(seen[0].count() + seen[1].count(), 20);
}

#[tokio::test]
async fn below_limits_buffers_and_timeouts() {
    let client = ServiceBuilder::new()
        .buffer(4)
        .load_shed()
        .timeout(Duration::from_secs(60))
        .concurrency_limit(8)
        .layer(client_layer())
        .service(peer(&Seen::default()));
    for _ in 0..20 {
        client.clone().oneshot(post("/pay", "{}")).await.unwrap();
    }
}

#[tokio::test]
async fn p_09_an_error_of_readiness_or_call_is_the_source() {
    let shed = LoadShed::new(ConcurrencyLimit::new(peer(&Seen::default()), 0));
    let error = client_layer().layer(shed).oneshot(post("/pay", "{}")).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Service);
    assert!(error.source().unwrap().is::<Overloaded>());

    #[derive(Clone)]
    struct Never;
    impl Service<Request<HmacBody<Script>>> for Never {
        type Response = Response<Script>;
        type Error = Broken;
        type Future = Ready<Result<Response<Script>, Broken>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
            Poll::Ready(Err(Broken))
        }

        fn call(&mut self, _: Request<HmacBody<Script>>) -> Self::Future {
            panic!("called though not ready")
        }
    }
    let error = client_layer().layer(Never).oneshot(post("/pay", "{}")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.source().unwrap().to_string()),
        (ClientErrorKind::Service, "broken by script".into())
    );
}

/// A failed call gives its permit back at once, even if somebody keeps its future.
#[tokio::test]
async fn a_failure_keeps_no_permit() {
    let permits = Arc::new(Semaphore::new(1));
    let inner = ConcurrencyLimit::with_semaphore(peer(&Seen::default()), Arc::clone(&permits));
    let mut client = client_layer().layer(inner);
    let requests = [
        post("/pay", "").map(|_| Script::new([Step::Error])),
        Request::get("/no-authority").body(Script::bytes("")).unwrap(),
        Request::connect("http://h").body(Script::bytes("")).unwrap(),
    ];
    for request in requests {
        let mut future = pin!(client.ready().await.unwrap().call(request));
        assert_eq!(permits.available_permits(), 0);
        future.as_mut().await.unwrap_err();
        assert_eq!(permits.available_permits(), 1);
        let again = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(again.is_pending(), "a future that has ended does nothing");
    }
}

/// The crate has no timers: who wants not to wait says so outside.
#[tokio::test(start_paused = true)]
async fn a_stall_is_ended_by_a_timeout_outside() {
    let silent = service_fn(|_: Request<HmacBody<Script>>| pending::<Result<Response<Script>, Infallible>>());
    let half = server(&Seen::default(), |wire: &Wire| ok(wire).map(|_| Script::new([Step::Stall])));
    let refusal = service_fn(|_: Request<HmacBody<Script>>| {
        ready(Ok::<_, Infallible>(Response::builder().status(503).body(Script::new([Step::Stall])).unwrap()))
    });
    let limit = Duration::from_secs(5);
    let outcomes = [
        Timeout::new(client_layer().layer(silent), limit).oneshot(post("/pay", "{}")).await.err(),
        Timeout::new(client_layer().layer(half), limit).oneshot(post("/pay", "{}")).await.err(),
        Timeout::new(client_layer().layer(refusal), limit).oneshot(post("/pay", "{}")).await.err(),
    ];
    for error in outcomes {
        assert!(error.unwrap().is::<Elapsed>());
    }
}

#[tokio::test]
async fn a_panic_below_goes_on_and_keeps_nothing() {
    let (permits, calls) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&calls);
    let inner = service_fn(move |request: Request<HmacBody<Script>>| {
        assert!(count.fetch_add(1, Ordering::SeqCst) > 0, "on purpose");
        peer(&Seen::default()).oneshot(request)
    });
    let inner = ConcurrencyLimit::with_semaphore(inner, Arc::clone(&permits));
    let client = client_layer().buffer_budget(4).layer(inner);
    let first = tokio::spawn(client.clone().oneshot(post("/pay", "{}"))).await;
    assert!(first.unwrap_err().is_panic());
    assert_eq!(permits.available_permits(), 1);
    client.oneshot(post("/pay", "{}")).await.unwrap();
}

/// Every part can be named in a struct, and sent where its parts can.
#[test]
fn types_can_be_named_and_sent() {
    struct Caller {
        _layer: HmacClientLayer,
        _client: HmacClient<Server<Script>>,
    }
    fn sendable<T: Send + 'static>() {}
    fn shareable<T: Send + Sync + Clone + 'static>() {}
    sendable::<Caller>();
    shareable::<HmacClientLayer>();
    shareable::<HmacClient<Server<Script>>>();
    sendable::<ClientFuture<Server<Script>, Script, Script>>();
    fn error<T: Error + Send + Sync + 'static>() {}
    error::<ClientError>();
}
