//! Processor time of a server for each signed POST of 1 KiB over loopback: axum with the layer, against axum alone. Both
//! answer 1 KiB; the layer's answers are signed.
//!
//! `cargo bench --bench loopback` (Linux: it reads `/proc`)

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::Request;
use support::{Times, body, key, unsigned};
use tower_hmac::clock::{Clock, SystemClock};
use tower_hmac::sign::RequestSigner;
use tower_hmac::{HmacLayer, Scheme};

const ROUNDS: usize = 21;
const BATCH: u32 = 2000;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("serve-alone") => serve(app()),
        Some("serve-signed") => serve(app().layer(HmacLayer::new(Scheme::native(), key()).unwrap())),
        _ => compare(),
    }
}

fn app() -> Router {
    let answer = body(1 << 10);
    Router::new().route("/v1/payments", post(async move |_: Bytes| answer))
}

#[tokio::main(flavor = "current_thread")]
async fn serve(app: Router) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    axum::serve(listener, app).await.unwrap();
}

fn compare() {
    let (mut alone, mut signed) = (Server::start("serve-alone"), Server::start("serve-signed"));
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        times.push(signed.spent_on_a_batch() / BATCH, alone.spent_on_a_batch() / BATCH);
    }
    let (with, without, ratio) = times.medians();
    println!("processor time for each request, median of {ROUNDS} interleaved rounds of {BATCH}");
    println!("axum with the layer {with:.2?}, axum alone {without:.2?}: {:.2?} more, ratio {ratio:.3}", with - without);
}

/// A process of its own, and a connection to it.
struct Server {
    process: Child,
    connection: BufReader<TcpStream>,
    signer: RequestSigner,
}

impl Server {
    fn start(which: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command.arg(which).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let connection = TcpStream::connect(address.trim()).unwrap();
        connection.set_nodelay(true).unwrap();
        let signer = RequestSigner::new(Scheme::native(), key()).unwrap();
        Self { process, connection: BufReader::new(connection), signer }
    }

    fn spent_on_a_batch(&mut self) -> Duration {
        let requests: Vec<_> = (0..BATCH).map(|_| written(&self.signer)).collect();
        let before = self.spent();
        for request in requests {
            self.connection.get_mut().write_all(&request).unwrap();
            self.read_answer();
        }
        self.spent() - before
    }

    fn read_answer(&mut self) {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
        while line != "\r\n" {
            line.clear();
            self.connection.read_line(&mut line).unwrap();
        }
        self.connection.read_exact(&mut [0; 1 << 10]).unwrap();
    }

    /// In user and kernel, of its one thread.
    fn spent(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/schedstat", self.process.id())).unwrap();
        Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A signed request as HTTP/1.1 sends it.
fn written(signer: &RequestSigner) -> Vec<u8> {
    let (payload, now) = (body(1 << 10), SystemClock::default().now().unwrap());
    let (head, _) = unsigned(&payload).into_parts();
    let (request, _) = signer.sign(Request::from_parts(head, payload), now).unwrap();
    let mut bytes = format!("POST {} HTTP/1.1\r\ncontent-length: 1024\r\n", request.uri()).into_bytes();
    for (name, value) in request.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(request.body());
    bytes
}
