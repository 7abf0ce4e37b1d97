//! A server, HTTP/1.1 and HTTP/2 on one port, whose handler reads all that comes and tells how that ended.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tower::{BoxError, Layer, Service, service_fn};
use tower_hmac::{HmacBody, HmacLayer, RejectionKind, Scheme, StreamedBody};

use super::body::Script;
use super::net;

pub async fn serve<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            // A peer that breaks off ends its connection.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// How a handler's reading ended.
pub type Ended = Result<Vec<u8>, Option<RejectionKind>>;

/// A server whose handler reads all that comes, and answers 200 whatever it was.
pub async fn reading_server() -> (SocketAddr, UnboundedReceiver<Ended>) {
    let (tell, told) = mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<HmacBody<Incoming>>| {
        let tell = tell.clone();
        async move {
            let flag = request.extensions().get::<StreamedBody>().unwrap().clone();
            let outcome = match request.into_body().collect().await {
                Ok(all) => Ok(all.to_bytes().to_vec()),
                Err(error) => Err(error.kind()),
            };
            assert_eq!(outcome.is_ok(), flag.is_verified());
            tell.send(outcome).unwrap();
            Ok::<_, Infallible>(Response::new(Script::bytes("read")))
        }
    });
    let layer = HmacLayer::new(Scheme::native(), super::key()).unwrap().stream_requests(|_| true).unwrap();
    (net::start(|listener| serve(listener, layer.layer(service))).await, told)
}
