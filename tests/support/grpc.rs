//! A gRPC service of four kinds of calls and its client, without generated code. A message is any bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::{Request, Response};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Status, Streaming};
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder, service_fn};
use tower_hmac::{ClientError, HmacBody, HmacClientLayer, HmacLayer};

use super::net;

#[derive(Clone, Copy, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

type Answers = BoxStream<'static, Result<Vec<u8>, Status>>;

/// `One`: the message. `All`: every message joined. `Each`: a message for each byte, then, on `!`, an error. `Chat`: each
/// message at once, in capitals. `None`: an error and nothing else.
async fn echo(path: String, request: tonic::Request<Streaming<Vec<u8>>>) -> Result<tonic::Response<Answers>, Status> {
    let mut asked = request.into_inner();
    let answers: Answers = match path.rsplit('/').next().unwrap() {
        "One" => {
            let one = asked.try_next().await?.unwrap_or_default();
            if asked.try_next().await?.is_some() {
                return Err(Status::invalid_argument("two messages"));
            }
            stream::iter([Ok(one)]).boxed()
        }
        "All" => {
            let all: Vec<Vec<u8>> = asked.try_collect().await?;
            stream::iter([Ok(all.concat())]).boxed()
        }
        "Each" => {
            let one = asked.try_next().await?.unwrap_or_default();
            let byte = |byte| if byte == b'!' { Err(Status::data_loss("!")) } else { Ok(vec![byte]) };
            stream::iter(one.into_iter().map(byte))
                .then(|item| async {
                    tokio::task::yield_now().await;
                    item
                })
                .boxed()
        }
        "Chat" => asked.map_ok(|message| message.to_ascii_uppercase()).boxed(),
        _ => return Err(Status::not_found("nothing here")),
    };
    Ok(tonic::Response::new(answers))
}

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let handler = service_fn(move |request| echo(path.clone(), request));
        Box::pin(async move { Ok(Grpc::new(Raw).streaming(handler, request).await) })
    }
}

pub async fn server(layer: HmacLayer) -> SocketAddr {
    net::start(|listener| {
        Server::builder().layer(layer).add_service(Echo).serve_with_incoming(TcpIncoming::from(listener))
    })
    .await
}

pub type Client = tonic::client::Grpc<BoxCloneService<Request<Body>, Response<HmacBody<Body>>, ClientError>>;

/// A client whose messages pass through these functions between signer and socket.
pub fn client<M, N>(server: SocketAddr, layer: HmacClientLayer, request: M, response: N) -> Client
where
    M: Fn(Request<Body>) -> Request<Body> + Clone + Send + 'static,
    N: Fn(Response<Body>) -> Response<Body> + Clone + Send + 'static,
{
    let origin = format!("http://{server}");
    let channel: Channel = Endpoint::from_shared(origin.clone()).unwrap().connect_lazy();
    let stack = ServiceBuilder::new()
        .layer(layer)
        .map_request(|request: Request<HmacBody<Body>>| request.map(Body::new))
        .map_request(request)
        .map_response(response)
        .service(channel);
    tonic::client::Grpc::with_origin(BoxCloneService::new(stack), origin.parse().unwrap())
}

/// One call of any kind: messages in, messages out.
pub async fn call<S>(client: &mut Client, method: &str, messages: S) -> Result<Streaming<Vec<u8>>, Status>
where
    S: Stream<Item = Vec<u8>> + Send + 'static,
{
    client.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let path = format!("/test.Echo/{method}").parse().unwrap();
    client.streaming(tonic::Request::new(messages), path, Raw).await.map(tonic::Response::into_inner)
}
