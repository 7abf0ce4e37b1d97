//! HTTP/2 streams that are reset, whatever the reason, and connections that end: half a body is never taken for a whole one.
//!
//! A reset with `NO_ERROR` is the trap: to hyper it ends a body without an error (RFC 9113 section 8.1).

mod support;

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{self, ResponseFuture};
use h2::{Reason, SendStream, server};
use http::{HeaderMap, Response, Version};
use support::asking::{self, ask};
use support::net::{self, patient};
use support::peer::{accept, sign};
use support::reading::{Ended, reading_server};
use support::trailers::{NAME, announced};
use support::wire::Wire;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tower_hmac::{ClientErrorKind, RejectionKind};

const WHOLE: &[u8] = b"one two three four";
const FRAME: usize = 5;

/// How a body ends after a number of frames.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// As it should: with the MAC, or, when the digest is in the head, without.
    Whole,
    /// Without an error and without the MAC.
    Early,
    Reset(Reason),
    /// The connection is gone.
    Closed,
}

const ENDS: [End; 6] = [
    End::Whole,
    End::Early,
    End::Reset(Reason::NO_ERROR),
    End::Reset(Reason::CANCEL),
    End::Reset(Reason::INTERNAL_ERROR),
    End::Closed,
];

#[derive(Clone, Copy, Debug)]
struct Play {
    streamed: bool,
    frames: usize,
    end: End,
}

/// One frame at least: what ends with its head does not flow.
fn plays() -> impl Iterator<Item = Play> {
    let ends = ENDS.into_iter().flat_map(|end| (1..=4).map(move |frames| (end, frames)));
    ends.flat_map(|(end, frames)| [true, false].map(|streamed| Play { streamed, frames, end }))
}

impl Play {
    /// What a reader must make of it. Every byte that the digest covers may have come, whatever came after it.
    fn wanted(self) -> Result<Vec<u8>, RejectionKind> {
        let whole = WHOLE.len() <= self.frames * FRAME;
        match self.end {
            End::Whole if whole => Ok(WHOLE.into()),
            End::Early | End::Reset(Reason::NO_ERROR) if self.streamed => Err(RejectionKind::Missing),
            End::Early | End::Reset(Reason::NO_ERROR) if whole => Ok(WHOLE.into()),
            End::Whole | End::Early | End::Reset(Reason::NO_ERROR) => Err(RejectionKind::BodyMismatch),
            End::Reset(_) | End::Closed => Err(RejectionKind::BodyError),
        }
    }

    /// Plays it; the connection, which another task drives, is the caller's to close.
    async fn send(self, mut stream: SendStream<Bytes>, trailers: HeaderMap) {
        for frame in WHOLE.chunks(FRAME).take(self.frames) {
            stream.send_data(Bytes::copy_from_slice(frame), false).unwrap();
            written().await;
        }
        match self.end {
            End::Whole if self.streamed => stream.send_trailers(trailers).unwrap(),
            End::Whole | End::Early => stream.send_data(Bytes::new(), true).unwrap(),
            End::Reset(reason) => stream.send_reset(reason),
            End::Closed => {}
        }
        written().await;
    }
}

/// A reset drops what still waits to be written: the task of the connection goes first.
async fn written() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// The status, if there was an answer, and how the handler's reading ended.
async fn upload(server: SocketAddr, told: &mut UnboundedReceiver<Ended>, play: Play) -> (Option<u16>, Ended) {
    let mut wire = net::post(server, "/upload", WHOLE);
    if play.streamed {
        wire = wire.streamed().header("trailer", NAME);
    }
    let (mut sender, connection) = client::handshake(TcpStream::connect(server).await.unwrap()).await.unwrap();
    let driver = tokio::spawn(connection);
    let (response, stream): (ResponseFuture, _) =
        sender.send_request(net::with_authority(wire.request(())), false).unwrap();
    written().await;
    play.send(stream, wire.trailers(&[])).await;
    if play.end == End::Closed {
        driver.abort();
    }
    let ended = patient(told.recv()).await.unwrap();
    let status = patient(response).await.ok().map(|response| response.status().as_u16());
    driver.abort();
    (status, ended)
}

#[tokio::test]
async fn a_request_that_is_reset_is_not_taken_for_whole() {
    let (server, mut told) = reading_server().await;
    for play in plays() {
        let (status, ended) = upload(server, &mut told, play).await;
        let wanted = play.wanted();
        assert_eq!(ended, wanted.clone().map_err(Some), "{play:?}");
        match play.end {
            // The stream is still open for an answer.
            End::Whole | End::Early => assert_eq!(status, Some(if wanted.is_ok() { 200 } else { 401 }), "{play:?}"),
            _ => assert_eq!(status, None, "{play:?}"),
        }
    }
}

/// The head of an answer whose body is `WHOLE`, and its trailers.
fn signed(wire: &Wire, streamed: bool) -> (Response<()>, HeaderMap) {
    if streamed {
        return announced(wire, WHOLE, HeaderMap::new());
    }
    let mut response = Response::new(());
    sign(wire, &mut response, WHOLE);
    (response, HeaderMap::new())
}

/// Answers each connection's one request as the next play says.
async fn lying_server(listener: TcpListener, mut next: UnboundedReceiver<Play>) {
    while let (Ok((stream, _)), Some(play)) = (listener.accept().await, next.recv().await) {
        let mut connection = server::handshake(stream).await.unwrap();
        let Some(Ok((request, mut respond))) = connection.accept().await else { panic!("no request") };
        let driver = tokio::spawn(async move { while connection.accept().await.is_some() {} });
        let (head, mut body) = request.into_parts();
        assert!(body.data().await.is_none(), "a request without a body");
        let (response, trailers) = signed(&accept(&head, b"").expect("a request that is signed right"), play.streamed);
        let stream = respond.send_response(response, false).unwrap();
        written().await;
        play.send(stream, trailers).await;
        if play.end == End::Closed {
            driver.abort();
        }
    }
}

/// By a client that reads what comes, and by one that hands on nothing before it is verified.
#[tokio::test]
async fn a_response_that_is_reset_is_not_taken_for_whole() {
    let (play, next) = mpsc::unbounded_channel();
    let server = net::start(|listener| lying_server(listener, next)).await;
    for (now, flows) in plays().flat_map(|play| [(play, true), (play, false)]) {
        play.send(now).unwrap();
        let wanted = match (now.wanted(), flows) {
            (Ok(body), _) => asking::Ended::Right(body),
            (Err(kind), true) => asking::Ended::Broken(Some(kind)),
            (Err(RejectionKind::BodyError), false) => asking::Ended::Refused(ClientErrorKind::ResponseBody),
            (Err(_), false) => asking::Ended::Refused(ClientErrorKind::BodyMismatch),
        };
        assert_eq!(ask(server, Version::HTTP_2, flows).await, wanted, "{now:?}, flows: {flows}");
    }
}
