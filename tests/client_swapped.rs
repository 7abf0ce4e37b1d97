//! Two answers swapped on one HTTP/2 connection: both are errors, and the honest twin is served.

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::net::{self, patient};
use support::peer::{accept, sign};
use support::wire::Wire;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};
use tower::{Layer, ServiceExt};
use tower_hmac::{ClientErrorKind, HmacBody, HmacClientLayer, Scheme};

/// Whoever waits for the other's answer.
type Waiting = Arc<Mutex<Option<(Wire, oneshot::Sender<Wire>)>>>;

/// Both requests must be there; then each is answered as the other, or as itself.
async fn rendezvous(mine: Wire, waiting: Waiting, swap: bool) -> Wire {
    let mut place = waiting.lock().await;
    let theirs = match place.take() {
        Some((theirs, tell)) => {
            tell.send(mine.clone()).unwrap();
            theirs
        }
        None => {
            let (tell, hear) = oneshot::channel();
            *place = Some((mine.clone(), tell));
            drop(place);
            hear.await.unwrap()
        }
    };
    if swap { theirs } else { mine }
}

/// A server for one connection, so both requests share it.
async fn serve(listener: TcpListener, swap: bool) {
    let (stream, _) = listener.accept().await.unwrap();
    let waiting = Waiting::default();
    let service = service_fn(move |request: Request<Incoming>| {
        let waiting = Arc::clone(&waiting);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let wire = rendezvous(accept(&head, &body).unwrap(), waiting, swap).await;
            let mut response = Response::new(Full::new(Bytes::from(wire.target.clone())));
            sign(&wire, &mut response, wire.target.as_bytes());
            Ok::<_, Infallible>(response)
        }
    });
    http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.unwrap();
}

async fn two(server: SocketAddr, paths: [&str; 2]) -> [Result<Bytes, ClientErrorKind>; 2] {
    let http = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<HmacBody<Full<Bytes>>>();
    let client = HmacClientLayer::new(Scheme::native(), support::key()).unwrap().layer(http);
    let ask = |path: &str| {
        let request = Request::get(format!("http://{server}{path}")).body(Full::default()).unwrap();
        let client = client.clone();
        async move {
            let response = patient(client.oneshot(request)).await.map_err(|error| error.kind())?;
            Ok(response.into_body().collect().await.unwrap().to_bytes())
        }
    };
    tokio::join!(ask(paths[0]), ask(paths[1])).into()
}

#[tokio::test]
async fn n_08_swapped_answers_are_errors() {
    // Even where method, path and body are the same.
    for paths in [["/a", "/b"], ["/a", "/a"]] {
        let honest = net::start(|listener| serve(listener, false)).await;
        assert_eq!(two(honest, paths).await, paths.map(|path| Ok(Bytes::from(path.to_owned()))));
        let swapping = net::start(|listener| serve(listener, true)).await;
        assert_eq!(
            two(swapping, paths).await,
            [Err(ClientErrorKind::BadSignature), Err(ClientErrorKind::BadSignature)]
        );
    }
}
