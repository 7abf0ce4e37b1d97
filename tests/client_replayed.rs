//! Somebody sends a client's request before the client does: what the server says to the copy that comes second is no
//! answer, whoever hears it.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::net::{self, Reply, http1, http2, patient, untouched};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_hmac::{ClientError, ClientErrorKind, HmacBody, HmacClientLayer, HmacLayer, Scheme};

type Plain = Full<Bytes>;

/// Counts what it serves.
async fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let pay = async move |body: Bytes| {
        count.fetch_add(1, Ordering::SeqCst);
        body
    };
    let hmac = HmacLayer::new(Scheme::native(), support::key()).unwrap();
    (net::start_axum(Router::new().fallback(pay).layer(hmac)).await, served)
}

fn fields(reply: &Reply) -> Vec<&str> {
    let names = reply.head.headers().keys().map(|name| name.as_str());
    names.filter(|name| name.starts_with("x-hmac-")).collect()
}

#[tokio::test]
async fn n_07_the_refusal_of_a_copy_is_not_signed() {
    let (server, served) = server().await;
    for two in [false, true] {
        let wire = net::post(server, "/pay", "{\"amount\":10}");
        let send =
            async || if two { http2(server, untouched(&wire)).await } else { http1(server, untouched(&wire)).await };
        let first = send().await;
        first.genuine(&wire);
        assert_eq!(fields(&first).len(), 3);
        let second = send().await;
        second.refused(401);
        assert!(fields(&second).is_empty(), "{second:?}");
    }
    assert_eq!(served.load(Ordering::SeqCst), 2);
}

/// What a client hears through somebody who sends its request twice and shows one of the two answers, or makes one of both.
async fn heard(show: fn(Response<Incoming>, Response<Incoming>) -> Response<Incoming>) -> Result<Bytes, ClientError> {
    let (server, served) = server().await;
    let http = Client::builder(TokioExecutor::new()).build_http::<Plain>();
    let between = service_fn(move |request: Request<HmacBody<Plain>>| {
        let http = http.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let copy = || Request::from_parts(head.clone(), Full::new(body.clone()));
            let (first, second) = (http.request(copy()).await?, http.request(copy()).await?);
            assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 401));
            Ok::<_, BoxError>(show(first, second))
        }
    });
    let client = HmacClientLayer::new(Scheme::native(), support::key()).unwrap().layer(between);
    let request = Request::post(format!("http://{server}/pay")).body(Plain::from("{\"amount\":10}")).unwrap();
    let outcome = patient(client.oneshot(request)).await;
    assert_eq!(served.load(Ordering::SeqCst), 1);
    Ok(outcome?.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn n_07_a_client_that_came_second_is_told_that_it_may_have_been_served() {
    assert_eq!(heard(|first, _| first).await.unwrap(), "{\"amount\":10}");
    let error = heard(|_, second| second).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_sent()), (ClientErrorKind::Unsigned, true));
    assert_eq!(error.unverified_response().unwrap().status(), 401);
    // Nor do the fields of the true answer make one of the refusal.
    let dressed = heard(|first, mut second| {
        second.headers_mut().extend(first.headers().clone());
        second
    });
    assert_eq!(dressed.await.unwrap_err().kind(), ClientErrorKind::BadSignature);
}
