//! An upload that no side holds: `cargo run --release --example upload [MEBIBYTES]`, 1024 unless said otherwise.
//!
//! A client sends it through a relay to an axum server, whose handler hashes it while it comes; the signature of the body
//! follows it. Then the same again, and the relay turns one bit of it.

use std::env;
use std::error::Error;
use std::fs::read_to_string;
use std::net::SocketAddr;

use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::put;
use axum::{Extension, Router};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt};
use tower_hmac::{ClientError, HmacClientLayer, HmacLayer, Key, Scheme, StreamedBody, Verified};

type Failure = Box<dyn Error + Send + Sync>;

static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// What comes in before the last piece proves nothing: it goes into a hash, a temporary file, a transaction.
async fn store(
    Extension(who): Extension<Verified>,
    flag: Extension<StreamedBody>,
    body: Body,
) -> Result<String, StatusCode> {
    let (mut hash, mut len, mut pieces) = (Sha256::new(), 0, body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            println!("  the handler read {len} bytes, then: {error}: {:?}", flag.outcome());
            StatusCode::BAD_REQUEST
        })?;
        hash.update(&piece);
        len += piece.len();
    }
    println!("  the handler read {len} bytes from {}, verified: {}", who.key_id(), flag.is_verified());
    Ok(base16ct::lower::encode_string(&hash.finalize()))
}

/// Hands the bytes of one connection on; of those that come after `turn`, one is changed.
async fn relay(listener: TcpListener, server: SocketAddr, turn: Option<usize>) -> Result<(), Failure> {
    let ((client, _), server) = (listener.accept().await?, TcpStream::connect(server).await?);
    let ((mut from, mut back), (mut answer, mut to)) = (client.into_split(), server.into_split());
    tokio::spawn(async move { copy(&mut answer, &mut back).await });
    let (mut buffer, mut passed, mut turn) = (vec![0; PIECE.len()], 0, turn);
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        passed += read;
        if turn.is_some_and(|turn| passed > turn)
            && let Some(byte) = buffer[..read].iter_mut().find(|b| **b == b'x')
        {
            (*byte, turn) = (b'y', None);
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// Sends so many pieces. The server's hash of them, or what the client makes of its refusal.
async fn upload(server: SocketAddr, key: Key, pieces: usize, turn: Option<usize>) -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let uri = format!("http://{}/store", listener.local_addr()?);
    tokio::spawn(relay(listener, server, turn));
    let hmac = HmacClientLayer::new(Scheme::native(), key)?.stream_requests(|_| true);
    let client = hmac.layer(Client::builder(TokioExecutor::new()).build_http());
    let body = stream::iter((0..pieces).map(|_| Ok::<_, Failure>(Frame::data(Bytes::from_static(&PIECE)))));
    let response = client.oneshot(Request::put(uri).body(StreamBody::new(body))?).await?;
    Ok(String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mebibytes: usize = env::args().nth(1).map_or(Ok(1024), |size| size.parse())?;
    let (key, _) = Key::generate("svc-a")?;
    let hmac = HmacLayer::new(Scheme::native(), key.clone())?.stream_requests(|_| true)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (server, app) = (listener.local_addr()?, Router::new().route("/store", put(store)).layer(hmac));
    tokio::spawn(async { axum::serve(listener, app).await });

    let (pieces, mut expected) = (mebibytes * 16, Sha256::new());
    (0..pieces).for_each(|_| expected.update(PIECE));
    let expected = base16ct::lower::encode_string(&expected.finalize());
    println!("{mebibytes} MiB as they are:");
    let whole = upload(server, key.clone(), pieces, None).await?;
    println!("  200, signed, and the hash is right: {}", whole == expected);
    println!("{mebibytes} MiB with one bit turned:");
    let turned = upload(server, key, pieces, Some(pieces * PIECE.len() / 10 * 9)).await;
    println!("  {}", turned.as_ref().map_or_else(ToString::to_string, Clone::clone));
    let error = turned.as_ref().err().and_then(|error| error.downcast_ref::<ClientError>());
    let answer = error.and_then(ClientError::unverified_response);
    let refused = answer.is_some_and(|answer| answer.status() == StatusCode::UNAUTHORIZED);

    let memory = read_to_string("/proc/self/status").unwrap_or_default();
    memory
        .lines()
        .filter(|line| line.starts_with("VmHWM"))
        .for_each(|line| println!("most memory of both sides, {line}"));
    match whole == expected && refused {
        true => Ok(()),
        false => Err("one of them did not end as it should".into()),
    }
}
