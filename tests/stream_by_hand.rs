//! Bodies in chunks, written by hand over real sockets, with trailers that no library would send and cuts at every byte:
//! never taken for right on either side, and the error says what was wrong.

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::Version;
use support::asking::{Ended, ask};
use support::bad_peer::{self, Play};
use support::chunked::{Fault, Text, WHOLE, harmful, harmless, merged};
use support::net::{self, patient};
use support::reading::reading_server;
use support::wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TryRecvError;
use tower_hmac::{ClientErrorKind, RejectionKind};

fn kind(fault: Fault) -> RejectionKind {
    match fault {
        Fault::Missing => RejectionKind::Missing,
        Fault::Malformed => RejectionKind::Malformed,
        Fault::Mismatch => RejectionKind::BodyMismatch,
    }
}

fn asked(server: SocketAddr) -> Wire {
    net::post(server, "/upload", WHOLE).streamed()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn a_request_by_hand_is_right_or_refused() {
    let (server, mut told) = reading_server().await;
    for (name, change) in harmless() {
        let mut text = Text::request(&asked(server));
        change(&mut text);
        let answer = net::raw(server, &text.bytes()).await;
        assert_eq!(patient(told.recv()).await.unwrap().unwrap(), WHOLE, "{name}");
        assert_eq!(status(&answer), "200", "{name}");
    }
    for (name, fault, change) in harmful() {
        let mut text = Text::request(&asked(server));
        change(&mut text);
        let answer = net::raw(server, &text.bytes()).await;
        assert_eq!(patient(told.recv()).await.unwrap(), Err(Some(kind(fault))), "{name}");
        // The service said 200.
        assert_eq!((status(&answer), answer.contains("x-hmac-signature")), ("401", false), "{name}");
    }
    for merge in merged() {
        let mut text = Text::request(&asked(server));
        merge(&mut text);
        assert_eq!(status(&net::raw(server, &text.bytes()).await), "401");
        assert_eq!(told.try_recv(), Err(TryRecvError::Empty), "refused before the service has it");
    }
}

/// Writes and hangs up; what comes back until the server does.
async fn cut(server: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server).await.unwrap();
    patient(stream.write_all(bytes)).await.unwrap();
    stream.shutdown().await.unwrap();
    // A reset is an end, too.
    let _ = patient(stream.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn a_request_that_is_cut_at_any_byte_is_never_right() {
    let (server, mut told) = reading_server().await;
    let by_digest = |server| {
        let mut text = Text::request(&net::post(server, "/upload", WHOLE));
        text.trailers.clear();
        text
    };
    for message in [|server| Text::request(&asked(server)), by_digest as fn(SocketAddr) -> Text] {
        let answer = net::raw(server, &message(server).bytes()).await;
        assert_eq!((patient(told.recv()).await.unwrap().unwrap(), status(&answer)), (WHOLE.to_vec(), "200"));
        let (mut broken, whole) = (0, message(server).bytes().len());
        for length in 0..whole {
            cut(server, &message(server).bytes()[..length]).await;
            // The connection is over, and so is its service.
            match told.try_recv() {
                Ok(ended) => {
                    assert_eq!(ended, Err(Some(RejectionKind::BodyError)), "{length} of {whole}");
                    broken += 1;
                }
                Err(empty) => assert_eq!(empty, TryRecvError::Empty),
            }
        }
        println!("{whole} cuts, {broken} in the body");
        assert!(broken > WHOLE.len(), "{broken}");
    }
}

type Playing = Arc<Mutex<Option<Box<dyn FnOnce(Text) -> Vec<u8> + Send>>>>;

/// A server that writes what the test makes of an honest answer, and hangs up.
async fn lying_server() -> (SocketAddr, Playing) {
    let next = Playing::default();
    let playing = Arc::clone(&next);
    let script = move |wire: &Wire| {
        let act = playing.lock().unwrap().take().unwrap();
        Play::closing(act(Text::response(wire)))
    };
    (net::start(|listener| bad_peer::serve(listener, script)).await, next)
}

#[tokio::test]
async fn a_response_by_hand_is_right_or_an_error() {
    let (server, next) = lying_server().await;
    let play = |change: fn(&mut Text)| {
        *next.lock().unwrap() = Some(Box::new(move |mut text| {
            change(&mut text);
            text.bytes()
        }));
    };
    for flows in [true, false] {
        let unnamed: (_, fn(&mut Text)) = ("a head that names no trailer", |text| text.without("trailer"));
        for (name, change) in harmless().into_iter().chain([unnamed]) {
            play(change);
            assert_eq!(ask(server, Version::HTTP_11, flows).await, Ended::Right(WHOLE.to_vec()), "{name}");
        }
        let to_the_end: (_, _, fn(&mut Text)) = ("passed on as HTTP/1.0", Fault::Missing, |text| {
            text.held();
            text.without("content-length");
            text.head[0] = "HTTP/1.0 200 OK".into();
        });
        for (name, fault, change) in harmful().into_iter().chain([to_the_end]) {
            play(change);
            let wanted = match flows {
                true => Ended::Broken(Some(kind(fault))),
                false => Ended::Refused(ClientErrorKind::BodyMismatch),
            };
            assert_eq!(ask(server, Version::HTTP_11, flows).await, wanted, "{name}");
        }
        let heads: [fn(&mut Text); 3] = [
            |text| text.head[0] = "HTTP/1.1 201 Created".into(),
            |text| text.head.push("location: /elsewhere".into()),
            |text| {
                text.held();
                text.without("x-hmac-content-sha256");
                text.head.push(format!("x-hmac-content-sha256: {}", Wire::post("/", WHOLE).digest()));
            },
        ];
        for (number, head) in heads.into_iter().chain(merged()).enumerate() {
            play(head);
            assert_eq!(
                ask(server, Version::HTTP_11, flows).await,
                Ended::Refused(ClientErrorKind::BadSignature),
                "{number}"
            );
        }
    }
}

#[tokio::test]
async fn a_response_that_is_cut_at_any_byte_is_an_error() {
    let (server, next) = lying_server().await;
    let whole = Text::response(&asked(server));
    let (head, whole) = (whole.head_bytes().len(), whole.bytes().len());
    for flows in [true, false] {
        for length in 0..=whole {
            *next.lock().unwrap() = Some(Box::new(move |text| text.bytes()[..length].to_vec()));
            let wanted = match (length, flows) {
                (length, _) if length == whole => Ended::Right(WHOLE.to_vec()),
                (length, _) if length < head => Ended::Refused(ClientErrorKind::Service),
                (_, true) => Ended::Broken(Some(RejectionKind::BodyError)),
                (_, false) => Ended::Refused(ClientErrorKind::ResponseBody),
            };
            assert_eq!(ask(server, Version::HTTP_11, flows).await, wanted, "{length} of {whole}");
        }
    }
}
