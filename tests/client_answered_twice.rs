//! Two answers come for one request, as from a proxy that tried twice, and the connection is kept: a client takes one,
//! and the other is none to what it asks next.

mod support;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::bad_peer::{Honest, read_request};
use support::net::{self, patient};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt};
use tower_hmac::{ClientErrorKind, HmacBody, HmacClientLayer, Scheme};

/// When the second answer to a request is written.
#[derive(Clone, Copy)]
enum Second {
    WithTheFirst,
    /// Ahead of the answer to the next request.
    WhenTheNextIsAsked,
}

/// Answers every request of a connection twice, with two bodies, and signs both.
async fn twice(mut stream: TcpStream, second: Second) {
    let mut held = Vec::new();
    while let Ok(Some(wire)) = read_request(&mut stream).await {
        let [one, two] = ["one", "two"].map(|which| Honest::created(format!("{} {which}", wire.target)).bytes(&wire));
        let bytes = match second {
            Second::WithTheFirst => [one, two].concat(),
            Second::WhenTheNextIsAsked => [std::mem::replace(&mut held, two), one].concat(),
        };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn serve(listener: TcpListener, second: Second) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(twice(stream, second));
    }
}

/// Asks twenty times, one after the other; tells how often the answer was right, and how often it was refused.
async fn asked(second: Second) -> (usize, usize) {
    let server = net::start(|listener| serve(listener, second)).await;
    let http = Client::builder(TokioExecutor::new()).build_http::<HmacBody<Full<Bytes>>>();
    let client = HmacClientLayer::new(Scheme::native(), support::key()).unwrap().layer(http);
    let (mut right, mut refused) = (0, 0);
    for n in 0..20 {
        let path = format!("/pay/{n}");
        let request = Request::get(format!("http://{server}{path}")).body(Full::<Bytes>::default()).unwrap();
        match patient(client.clone().oneshot(request)).await {
            Ok(response) => {
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert!(
                    [format!("{path} one"), format!("{path} two")].iter().any(|own| body == *own),
                    "{path}: {body:?}"
                );
                right += 1;
            }
            Err(error) if error.kind() == ClientErrorKind::BadSignature => refused += 1,
            Err(error) => assert_eq!(error.kind(), ClientErrorKind::Service, "{path}: {error:?}"),
        }
    }
    (right, refused)
}

#[tokio::test]
async fn m_15_a_second_answer_at_once() {
    let (right, _) = asked(Second::WithTheFirst).await;
    println!("{right} of 20 right");
    assert!(right > 0);
}

#[tokio::test]
async fn m_15_a_second_answer_in_the_place_of_the_next() {
    let (right, refused) = asked(Second::WhenTheNextIsAsked).await;
    println!("{right} of 20 right, {refused} refused");
    assert!(right > 0 && refused > 0, "an answer to another request was shown");
}
