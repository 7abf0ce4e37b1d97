//! The quickstart example as a process, and a plain HTTP/1.1 client for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue, Request, Response};

use super::wire::Wire;

/// Where `cargo test` and `cargo build --examples` put it: beside the directory of this test.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = test.ancestors().nth(2).unwrap().join("examples").join(file);
    assert!(path.exists(), "no {}: run `cargo build --examples --all-features`", path.display());
    path
}

pub fn binary() -> PathBuf {
    example("quickstart")
}

/// `quickstart --serve` on a free port; stopped when it is dropped.
pub struct Server {
    child: Child,
    // Kept open: a server whose output nobody takes may end.
    _stdout: Option<BufReader<ChildStdout>>,
    /// `host:port`.
    pub address: String,
    /// What it printed to be pasted into a shell.
    pub curl: String,
    /// The key id and key that it printed.
    pub key: (String, String),
}

impl Server {
    pub fn start() -> Self {
        let mut command = Command::new(binary());
        command.args(["--serve", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (address, curl) = (String::new(), String::new());
        let mut server = Self { child, _stdout: None, address, curl, key: Default::default() };
        for line in stdout.by_ref().lines().map(Result::unwrap) {
            if let Some(address) = line.strip_prefix("listening on http://") {
                server.address = address.into();
            } else if let Some(id) = line.strip_prefix("key id ") {
                server.key.0 = id.into();
            } else if let Some(hex) = line.strip_prefix("key ") {
                server.key.1 = hex.split(' ').next().unwrap().into();
            } else if line.contains("curl ") {
                server.curl = line;
                server._stdout = Some(stdout);
                return server;
            }
        }
        panic!("the server ended before it printed everything");
    }

    /// A signed request to this server, now.
    pub fn wire(&self, wire: Wire) -> Wire {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        wire.authority(&self.address).key(&self.key.0, &self.key.1).timestamp(now)
    }

    pub fn send(&self, wire: &Wire) -> Response<Vec<u8>> {
        self.send_unsigned(&wire.request(wire.body.clone()))
    }

    /// Sends these headers and this body as they are.
    pub fn send_unsigned(&self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let mut text = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
        for (name, value) in request.headers() {
            text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        text.extend(format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body().len()).into_bytes());
        text.extend(request.body());
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.write_all(&text).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        parse(&answer)
    }

    /// What `/stats` says: requests that reached a handler, guard entries.
    pub fn stats(&self) -> (u64, u64) {
        let mut request = Request::get("/stats").body(Vec::new()).unwrap();
        request.headers_mut().insert("host", self.address.parse().unwrap());
        let json: serde_json::Value = serde_json::from_slice(self.send_unsigned(&request).body()).unwrap();
        (json["reached_handler"].as_u64().unwrap(), json["guard_entries"].as_u64().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(answer: &[u8]) -> Response<Vec<u8>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    let head = str::from_utf8(&answer[..end]).unwrap();
    let mut response = Response::new(answer[end + 4..].to_vec());
    let (start, fields) = head.split_once("\r\n").unwrap();
    *response.status_mut() = start.split(' ').nth(1).unwrap().parse().unwrap();
    for (name, value) in fields.lines().map(|line| line.split_once(": ").unwrap()) {
        response.headers_mut().append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
    }
    response
}
