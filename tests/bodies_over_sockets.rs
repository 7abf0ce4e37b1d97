//! Bodies as a real HTTP/1.1 server hands them on: nothing is asked for, or kept, on behalf of a stranger.

mod support;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use support::service::{CountingGuard, Inner};
use support::wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::Layer;

const LIMIT: usize = 100_000;

struct Server {
    at: SocketAddr,
    inner: Inner,
    guard: CountingGuard,
    /// Connections that the server has finished with.
    closed: Arc<AtomicUsize>,
}

async fn serve() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (inner, guard) = (Inner::ok(), CountingGuard::default());
    let at = listener.local_addr().unwrap();
    let service = support::layer().max_body(LIMIT as u64).replay_guard(guard.clone()).layer(inner.clone());
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (service, count) = (TowerToHyperService::new(service.clone()), Arc::clone(&count));
            tokio::spawn(async move {
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                count.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    Server { at, inner, guard, closed }
}

fn head(wire: &Wire, more: &str) -> String {
    let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", wire.method, wire.target, wire.authority);
    for (name, value) in wire.fields() {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    for (name, value) in &wire.headers {
        write!(text, "{name}: {}\r\n", str::from_utf8(value).unwrap()).unwrap();
    }
    text + more + "\r\n"
}

fn forged(wire: &Wire) -> Wire {
    Wire { key_hex: "00".repeat(32), ..wire.clone() }
}

/// Sends bytes and reads until the server closes. The ceiling is there for a server that never does.
async fn talk(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("open").unwrap();
    String::from_utf8(answer).unwrap()
}

/// Writes as far as the server takes it, and reads the head of the answer meanwhile.
async fn upload(server: &Server, bytes: Vec<u8>) -> String {
    let (mut read, mut write) = TcpStream::connect(server.at).await.unwrap().into_split();
    let writing = tokio::spawn(async move {
        // The server may close before it has read all.
        let _ = write.write_all(&bytes).await;
        write
    });
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let next = tokio::time::timeout(Duration::from_secs(10), read.read(&mut buffer)).await.expect("no answer");
        match next.unwrap() {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    drop(writing.await.unwrap());
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn f_15_expect_continue_with_a_bad_mac_gets_the_final_401_and_a_closed_connection() {
    let server = serve().await;
    let wire = Wire::post("/pay", "{\"a\":1}");
    let more = "Content-Length: 7\r\nExpect: 100-continue\r\n";
    let answer = talk(&server, head(&forged(&wire), more).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
    assert_eq!((server.inner.calls(), server.guard.claims()), (0, 0));

    // Its twin is asked to go on.
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    let more = more.to_owned() + "Connection: close\r\n";
    stream.write_all(head(&wire, &more).as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&wire.body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.inner.calls(), 1);
}

#[tokio::test]
async fn f_05_a_huge_declared_length_is_answered_at_once() {
    let server = serve().await;
    let wire = Wire::post("/pay", "{}");
    for length in ["1000000000000", "9223372036854775808", "18446744073709551610"] {
        let more = format!("Content-Length: {length}\r\n");
        let answer = talk(&server, head(&forged(&wire), &more).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let answer = talk(&server, head(&wire, &more).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    assert_eq!((server.inner.calls(), server.guard.claims()), (0, 0));
}

#[tokio::test]
async fn f_06_the_limit_holds_with_a_length_and_chunked() {
    let server = serve().await;
    for chunked in [false, true] {
        for (size, status) in [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413)] {
            let wire = Wire::post("/pay", vec![b'x'; size]);
            let mut bytes = match chunked {
                false => head(&wire, &format!("Content-Length: {size}\r\n")).into_bytes(),
                true => head(&wire, "Transfer-Encoding: chunked\r\n").into_bytes(),
            };
            match chunked {
                false => bytes.extend_from_slice(&wire.body),
                true => {
                    for chunk in wire.body.chunks(999) {
                        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                        bytes.extend_from_slice(chunk);
                        bytes.extend_from_slice(b"\r\n");
                    }
                    bytes.extend_from_slice(b"0\r\n\r\n");
                }
            }
            let answer = upload(&server, bytes).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{size} {chunked}: {answer}");
        }
    }
    assert_eq!(server.inner.calls(), 4);
}

#[tokio::test]
async fn f_04_no_body_length_zero_and_an_empty_chunked_body_are_one() {
    let server = serve().await;
    let forms = [
        ("Connection: close\r\n", ""),
        ("Connection: close\r\nContent-Length: 0\r\n", ""),
        ("Connection: close\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ];
    for (more, body) in forms {
        let wire = Wire::get("/pay");
        let answer = talk(&server, (head(&wire, more) + body).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let (wire, more) = (Wire::get("/pay"), "Connection: close\r\nContent-Length: 1\r\n");
    let answer = talk(&server, (head(&wire, more) + "x").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(server.inner.calls(), 3);
}

#[tokio::test]
async fn f_13_request_trailers_on_the_wire_are_forbidden() {
    let server = serve().await;
    let wire = Wire::post("/pay", "{}");
    let more = "Connection: close\r\nTransfer-Encoding: chunked\r\nTrailer: x-role\r\n";
    let answer = talk(&server, (head(&wire, more) + "2\r\n{}\r\n0\r\nx-role: admin\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!((server.inner.calls(), server.guard.claims()), (0, 0));
    let answer = talk(&server, (head(&wire, more) + "2\r\n{}\r\n0\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn f_10_a_peer_that_leaves_mid_body_is_never_accepted() {
    let server = serve().await;
    let wire = Wire::post("/pay", "{\"a\":1}");
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    stream.write_all((head(&wire, "Content-Length: 7\r\n") + "{\"a\"").as_bytes()).await.unwrap();
    drop(stream);
    let closed = async {
        while server.closed.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the server waits on");
    assert_eq!((server.inner.calls(), server.guard.claims()), (0, 0));
    let more = "Connection: close\r\nContent-Length: 7\r\n";
    let answer = talk(&server, (head(&wire, more) + "{\"a\":1}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
