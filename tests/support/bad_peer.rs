//! A server that speaks HTTP/1.1 by hand and follows a script: it signs as it should, and what it writes then is up to
//! the test.

use std::io;

use http::{HeaderName, HeaderValue, Method, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::peer::{accept, sign};
use super::wire::Wire;

/// What is written to the client, and what follows.
pub struct Play {
    pub writes: Vec<Vec<u8>>,
    pub then: Then,
}

pub enum Then {
    Close,
    /// Nothing any more, and the connection stays open.
    Stall,
    /// These bytes, over and over.
    Endless(Vec<u8>),
}

impl Play {
    pub fn closing(bytes: impl Into<Vec<u8>>) -> Self {
        Self { writes: vec![bytes.into()], then: Then::Close }
    }
}

/// A response that covers all that a signature can, with a body in the given framing.
#[derive(Clone, Debug)]
pub struct Honest {
    pub status: u16,
    pub body: Vec<u8>,
    /// The size of the chunks; none for a `content-length`.
    pub chunks: Option<usize>,
}

pub const LOCATION: &str = "/v1/payments/1";

impl Honest {
    pub fn created(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 201, body: body.into(), chunks: None }
    }

    pub fn chunked(self, size: usize) -> Self {
        Self { chunks: Some(size), ..self }
    }

    /// Signed for this request.
    pub fn head(&self, wire: &Wire) -> Response<()> {
        let builder = Response::builder().status(self.status).header("location", LOCATION);
        let builder = builder.header("content-type", "application/json").header("x-other", "not covered");
        let mut head = builder.body(()).unwrap();
        sign(wire, &mut head, &self.body);
        head
    }

    /// The head as text, up to the empty line.
    pub fn head_text(&self, head: &Response<()>) -> String {
        let mut text = format!("HTTP/1.1 {}\r\n", head.status());
        for (name, value) in head.headers() {
            text += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        match self.chunks {
            Some(_) => text + "transfer-encoding: chunked\r\n\r\n",
            None => text + &format!("content-length: {}\r\n\r\n", self.body.len()),
        }
    }

    pub fn framed_body(&self) -> Vec<u8> {
        let Some(size) = self.chunks else { return self.body.clone() };
        let mut framed = Vec::new();
        for chunk in self.body.chunks(size) {
            framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
        framed.extend_from_slice(b"0\r\n\r\n");
        framed
    }

    pub fn bytes(&self, wire: &Wire) -> Vec<u8> {
        [self.head_text(&self.head(wire)).into_bytes(), self.framed_body()].concat()
    }
}

/// Plays to every connection, for one request each.
pub async fn serve<F>(listener: TcpListener, script: F)
where
    F: Fn(&Wire) -> Play + Clone + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let script = script.clone();
        tokio::spawn(async move { play(stream, script).await });
    }
}

/// One request and what is played to it. A client that goes away ends it.
pub async fn play<S, F>(mut stream: S, script: F) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    F: FnOnce(&Wire) -> Play + Send,
{
    let Some(wire) = read_request(&mut stream).await? else { return Ok(()) };
    let Play { writes, then } = script(&wire);
    for bytes in writes {
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        tokio::task::yield_now().await;
    }
    match then {
        Then::Close => stream.shutdown().await,
        Then::Stall => std::future::pending().await,
        Then::Endless(bytes) => loop {
            stream.write_all(&bytes).await?;
            tokio::task::yield_now().await;
        },
    }
}

/// A request that is signed right.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Wire>> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) if text.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8(text).unwrap();
    let mut lines = text.lines();
    let mut start = lines.next().unwrap().split(' ');
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(start.next().unwrap().as_bytes()).unwrap();
    head.uri = start.next().unwrap().parse().unwrap();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        head.headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let length = head.headers.get("content-length").map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(accept(&head, &body).expect("a request that is signed right")))
}
