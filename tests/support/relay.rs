//! Connections through somebody who mangles what comes by.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{BoxError, Service, service_fn};

use super::dice::Dice;

pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Both ends of a connection.
pub type Pair = (Box<dyn Io>, Box<dyn Io>);

pub fn pipe() -> Pair {
    let (one, other) = tokio::io::duplex(4096);
    (Box::new(one), Box::new(other))
}

pub async fn sockets() -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (one, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (Box::new(one.unwrap()), Box::new(other.unwrap().0))
}

/// A client for the one request that this connection carries.
pub fn one_connection<B>(
    io: Box<dyn Io>,
    http2: bool,
) -> impl Service<Request<B>, Response = Response<Incoming>, Error = BoxError, Future: Send> + Clone
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let io = Arc::new(Mutex::new(Some(TokioIo::new(io))));
    service_fn(move |request: Request<B>| {
        let io = io.lock().unwrap().take().unwrap();
        async move {
            if http2 {
                let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                return Ok(sender.send_request(request).await?);
            }
            let (mut sender, connection) = http1::handshake(io).await?;
            tokio::spawn(connection);
            Ok(sender.send_request(request).await?)
        }
    })
}

/// Hands on what comes, and mangles it once. When nothing comes any more after that, the connection is over.
pub async fn relay(
    (mut from, mut to): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    place: Option<usize>,
    mut dice: Dice,
    mangled: Arc<AtomicBool>,
) {
    let (mut buffer, mut passed, mut place) = (vec![0; 2048], 0, place);
    loop {
        let read = from.read(&mut buffer);
        let read = match mangled.load(Ordering::SeqCst) {
            true => tokio::time::timeout(Duration::from_millis(100), read).await.unwrap_or(Ok(0)),
            false => read.await,
        };
        let Ok(read @ 1..) = read else { break };
        passed += read;
        let mut bytes = buffer[..read].to_vec();
        if place.is_some_and(|place| passed > place) {
            place = None;
            dice.mangle(&mut bytes);
            mangled.fetch_or(bytes != buffer[..read], Ordering::SeqCst);
        }
        if to.write_all(&bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
