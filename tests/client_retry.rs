//! Retries and redirects belong outside of the client layer: each attempt is then signed anew, each hop for its own
//! host. Inside they fail, and this is how.

mod support;

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::any;
use axum::{Extension, Router};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use support::net::{self, patient};
use tower::filter::AsyncFilterLayer;
use tower::retry::Policy;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_hmac::{
    ClientError, ClientErrorKind, HmacBody, HmacClientLayer, HmacLayer, HostKeys, Key, KeyQuery, Scheme, Verified,
};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{Limited, PolicyExt, clone_body_fn};

type Plain = Full<Bytes>;

fn http<B>() -> Client<HttpConnector, B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    Client::builder(TokioExecutor::new()).build_http()
}

fn layer() -> HmacClientLayer {
    HmacClientLayer::new(Scheme::native(), support::key()).unwrap()
}

fn post(server: SocketAddr, path: &str) -> Request<Plain> {
    let request = Request::post(format!("http://{server}{path}")).header("content-type", "application/json");
    request.body(Full::from("{\"amount\":10}")).unwrap()
}

/// What got past the server's layer.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(String, String, Bytes)>>>);

impl Log {
    fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(path, ..)| path.clone()).collect()
    }

    fn nonces(&self) -> HashSet<String> {
        self.0.lock().unwrap().iter().map(|(_, nonce, _)| nonce.clone()).collect()
    }
}

/// `/busy` is served at the third call; `/to?…` redirects there.
async fn server(log: &Log) -> SocketAddr {
    let seen = log.clone();
    let handler = async move |Extension(who): Extension<Verified>, request: axum::extract::Request| {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let calls = {
            let mut all = seen.0.lock().unwrap();
            all.push((head.uri.path().to_owned(), who.nonce().unwrap().to_owned(), body.clone()));
            all.len()
        };
        match (head.uri.path(), head.uri.query()) {
            ("/busy", _) if calls < 3 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            ("/to", Some(place)) => Redirect::temporary(place).into_response(),
            _ => body.into_response(),
        }
    };
    let hmac = HmacLayer::new(Scheme::native(), support::key()).unwrap();
    net::start_axum(Router::new().fallback(any(handler)).layer(hmac)).await
}

/// Tries again, up to five times in all, while the server says 503.
#[derive(Clone)]
struct Again(usize);

impl<RB, E> Policy<Request<Plain>, Response<RB>, E> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Plain>, result: &mut Result<Response<RB>, E>) -> Option<Ready<()>> {
        let busy = result.as_ref().is_ok_and(|response| response.status() == 503);
        self.0 -= 1;
        (busy && self.0 > 0).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Plain>) -> Option<Request<Plain>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn n_05_each_retry_outside_is_signed_anew() {
    let log = Log::default();
    let server = server(&log).await;
    let client = ServiceBuilder::new().retry(Again(5)).layer(layer()).service(http());
    let response = patient(client.oneshot(post(server, "/busy"))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{\"amount\":10}");
    assert_eq!((log.paths().len(), log.nonces().len()), (3, 3));
}

async fn buffered(request: Request<HmacBody<Plain>>) -> Result<Request<Plain>, BoxError> {
    let (head, body) = request.into_parts();
    Ok(Request::from_parts(head, Full::from(body.collect().await?.to_bytes())))
}

/// The second attempt is the same message: the server takes it for a replay, and does not sign that.
#[tokio::test]
async fn n_05_a_retry_inside_is_refused_as_a_replay() {
    let log = Log::default();
    let server = server(&log).await;
    let client = ServiceBuilder::new()
        .layer(layer())
        .layer(AsyncFilterLayer::new(buffered))
        .retry(Again(5))
        .service(http::<Plain>());
    let error = patient(client.oneshot(post(server, "/busy"))).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Unsigned);
    assert_eq!(error.unverified_response().unwrap().status(), 401);
    assert_eq!(log.paths(), ["/busy"]);
}

fn with_body() -> impl tower_http::follow_redirect::policy::Policy<Plain, ClientError> + Clone {
    Limited::new(3).and::<_, Plain, ClientError>(clone_body_fn(|body: &Plain| Some(body.clone())))
}

#[tokio::test]
async fn n_06_each_hop_outside_is_signed_for_its_own_host() {
    let (here, there) = (Log::default(), Log::default());
    let (first, second) = (server(&here).await, server(&there).await);
    let client =
        ServiceBuilder::new().layer(FollowRedirectLayer::with_policy(with_body())).layer(layer()).service(http());
    let target = format!("/to?http://{second}/to?/end");
    let response = patient(client.oneshot(post(first, &target))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{\"amount\":10}");
    assert_eq!((here.paths(), there.paths()), (vec!["/to".into()], vec!["/to".into(), "/end".into()]));
    assert_eq!((&here.nonces() | &there.nonces()).len(), 3);
}

#[tokio::test]
async fn n_06_a_hop_to_a_foreign_host_is_neither_signed_nor_sent() {
    let (here, there) = (Log::default(), Log::default());
    let (first, second) = (server(&here).await, server(&there).await);
    let keys = HostKeys::new([(&*first.to_string(), support::key())]).unwrap();
    let bound = HmacClientLayer::new(Scheme::native(), keys).unwrap();
    // The caller's own choice, which tower-http's standard policy does not take to another host.
    let chosen = |query: &KeyQuery<'_>| -> tower_hmac::Lookup { query.head().extensions.get::<Key>().cloned().into() };
    let chosen = HmacClientLayer::new(Scheme::native(), chosen).unwrap();
    for layer in [bound, chosen] {
        let client =
            ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(layer).service(http::<HmacBody<Plain>>());
        for (target, ok) in [("/to?/end".to_owned(), true), (format!("/to?http://{second}/end"), false)] {
            let mut request = Request::get(format!("http://{first}{target}")).body(Plain::default()).unwrap();
            request.extensions_mut().insert(support::key());
            match patient(client.clone().oneshot(request)).await {
                Ok(response) => assert!(ok && response.status() == 200),
                Err(error) => {
                    assert_eq!((error.kind(), error.may_have_been_sent(), ok), (ClientErrorKind::NoKey, false, false));
                }
            }
        }
    }
    assert_eq!((here.paths().len(), there.paths().len()), (6, 0));
}

/// The second hop carries the signature for the first address.
#[tokio::test]
async fn n_06_a_redirect_inside_is_refused_by_the_second_hop() {
    let log = Log::default();
    let server = server(&log).await;
    let client =
        ServiceBuilder::new().layer(layer()).layer(FollowRedirectLayer::new()).service(http::<HmacBody<Plain>>());
    let request = Request::get(format!("http://{server}/to?/end")).body(Plain::default()).unwrap();
    let error = patient(client.oneshot(request)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.unverified_response().unwrap().status().as_u16()),
        (ClientErrorKind::Unsigned, 401)
    );
    assert_eq!(log.paths(), ["/to"]);
}
