//! The signers in other languages: they sign what they send, and believe only a response that is signed for it.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use support::quickstart::Server;
use support::tools::found;
use support::wire::{Wire, hex, mac};
use support::{KEY_HEX, KEY_ID};

const OTHER_HEX: &str = "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100";

#[test]
fn sh() {
    drive("sh", "signer.sh", &["sh", "openssl", "curl", "awk"]);
}

#[test]
fn python() {
    drive("python3", "signer.py", &["python3"]);
}

#[test]
fn node() {
    drive("node", "signer.mjs", &["node"]);
}

#[test]
fn ruby() {
    drive("ruby", "signer.rb", &["ruby"]);
}

/// One run of a script.
struct Run<'a> {
    command: [&'a str; 2],
    key_hex: &'a str,
    method: Option<&'a str>,
    url: String,
    body: &'a str,
}

impl Run<'_> {
    /// What it prints, and its exit status.
    fn outcome(&self) -> (String, Option<i32>) {
        let [interpreter, script] = self.command;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/signers").join(script);
        let mut command = Command::new(interpreter);
        command.arg(path).arg(self.body).env("URL", &self.url).env("KEY_HEX", self.key_hex);
        command.env_remove("KEY_ID").env_remove("METHOD");
        if let Some(method) = self.method {
            command.env("METHOD", method);
        }
        let Output { status, stdout, .. } = command.output().unwrap();
        (String::from_utf8(stdout).unwrap(), status.code())
    }

    #[track_caller]
    fn expect(&self, status: u16, signature: &str) {
        let printed = format!("status {status}\nresponse signature {signature}\n");
        let success = (200..300).contains(&status) && signature == "valid";
        assert_eq!(self.outcome(), (printed, Some(if success { 0 } else { 1 })), "{} {:?}", self.url, self.body);
    }
}

fn drive(interpreter: &str, script: &str, programs: &[&str]) {
    if !found(programs) {
        return;
    }
    let command = [interpreter, script];
    against_the_quickstart_server(command);
    against_a_server_that_lies(command);
    let run = Run { command, key_hex: "0001", method: None, url: "http://127.0.0.1:1/".into(), body: "" };
    assert_eq!(run.outcome(), (String::new(), Some(2)), "a key that is too short");
}

fn against_the_quickstart_server(command: [&str; 2]) {
    let server = Server::start();
    let run = |target: &str, body| {
        let url = format!("http://{}{target}", server.address);
        Run { command, key_hex: KEY_HEX, method: None, url, body }
    };
    run("/echo", "{\"to\":\"bob\"}").expect(200, "valid");
    run("/echo", "").expect(200, "valid");
    run("/echo", "@ends in a line feed \u{20ac}\n").expect(200, "valid");
    run("/echo?dry_run=1&note=a%20b", "{}").expect(200, "valid");
    Run { method: Some("PUT"), ..run("/status/201", "{}") }.expect(201, "valid");
    Run { method: Some("DELETE"), ..run("/status/204", "{}") }.expect(204, "valid");
    assert_eq!(server.stats(), (6, 6));
    run("/status/418", "{}").expect(418, "valid");
    assert_eq!(server.stats(), (7, 7));
    Run { key_hex: OTHER_HEX, ..run("/echo", "{}") }.expect(401, "missing");
    assert_eq!(server.stats(), (7, 7));
}

/// What reached the test's own server.
struct Received {
    head: String,
    body: Vec<u8>,
    authority: String,
}

impl Received {
    fn field(&self, name: &str) -> String {
        let fields = self.head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
        let mut values = fields.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned());
        let value = values.next().unwrap_or_default();
        assert_eq!(values.next(), None, "{name} twice");
        value
    }

    /// Fails unless this is what was to be sent, signed as the format says.
    fn check(&self, method: &str, target: &str, body: &str) {
        assert_eq!(self.head.lines().next().unwrap(), format!("{method} {target} HTTP/1.1"));
        assert_eq!(self.body, body.as_bytes());
        let wire = Wire::new(method.parse().unwrap(), target, body).header("content-type", self.field("content-type"));
        let wire = wire.nonce(&self.field("x-hmac-nonce")).timestamp(self.field("x-hmac-timestamp"));
        for (name, value) in wire.authority(&self.authority).fields() {
            assert_eq!(self.field(name), value, "{name}");
        }
    }
}

/// An answer: signed as it should be, until it is changed.
struct Reply {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    /// Bound to the request of this signature, under this key.
    fn signed(key_hex: &str, request: &str) -> Self {
        let (body, time) = ("{\"ok\":true}".to_owned(), "1795303446".to_owned());
        let digest = hex(&Sha256::digest(&body));
        let text =
            format!("HMAC-SHA256-V1-RESPONSE\n{KEY_ID}\n{request}\n{time}\n200\napplication/json\n\n/next\n{digest}");
        let signature = format!("v1={}", hex(&mac(key_hex, text.as_bytes())));
        let fields = vec![
            ("content-type", "application/json".into()),
            ("location", "/next".into()),
            ("x-hmac-timestamp", time),
            ("x-hmac-content-sha256", digest),
            ("x-hmac-signature", signature),
        ];
        Self { status: 200, fields, body }
    }

    fn field(&mut self, name: &str) -> &mut String {
        &mut self.fields.iter_mut().find(|(n, _)| *n == name).unwrap().1
    }

    fn bytes(&self) -> Vec<u8> {
        let fields: String = self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (status, length) = (self.status, self.body.len());
        let end = format!("content-length: {length}\r\nconnection: close\r\n\r\n{}", self.body);
        format!("HTTP/1.1 {status} Whatever\r\n{fields}{end}").into_bytes()
    }
}

type Lie = (&'static str, u16, &'static str, fn(&mut Reply));

const LIES: [Lie; 9] = [
    ("the truth", 200, "valid", |_| {}),
    ("another body", 200, "invalid", |reply| reply.body = "{\"ok\":tru}".into()),
    ("another body with its digest", 200, "invalid", |reply| {
        reply.body = "{}".into();
        *reply.field("x-hmac-content-sha256") = hex(&Sha256::digest("{}"));
    }),
    ("another status", 201, "invalid", |reply| reply.status = 201),
    ("another place", 200, "invalid", |reply| *reply.field("location") = "/elsewhere".into()),
    ("another type", 200, "invalid", |reply| *reply.field("content-type") = "text/html".into()),
    ("an encoding", 200, "invalid", |reply| reply.fields.push(("content-encoding", "identity".into()))),
    ("no signature", 200, "missing", |reply| reply.fields.retain(|(name, _)| *name != "x-hmac-signature")),
    ("two signatures", 200, "invalid", |reply| {
        let again = reply.field("x-hmac-signature").clone();
        reply.fields.push(("x-hmac-signature", again));
    }),
];

fn against_a_server_that_lies(command: [&str; 2]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let body = "{\"line\":\"\u{20ac}\"}\n";
    let target = "/v1/payments?dry_run=1&note=a%2Fb";
    let run = || Run { command, key_hex: KEY_HEX, method: None, url: format!("http://{authority}{target}"), body };
    let answering = |answer: Box<dyn FnOnce(&str) -> Reply + Send>| {
        let (listener, authority) = (listener.try_clone().unwrap(), authority.clone());
        thread::spawn(move || serve_once(&listener, authority, answer))
    };
    for (lie, status, signature, change) in LIES {
        let server = answering(Box::new(move |request| {
            let mut reply = Reply::signed(KEY_HEX, request);
            change(&mut reply);
            reply
        }));
        println!("{lie}");
        run().expect(status, signature);
        server.join().unwrap().check("POST", target, body);
    }
    let server = answering(Box::new(|_| Reply::signed(KEY_HEX, &"0".repeat(64))));
    run().expect(200, "invalid");
    server.join().unwrap();
    let server = answering(Box::new(|request| Reply::signed(OTHER_HEX, request)));
    run().expect(200, "invalid");
    server.join().unwrap();
}

/// Reads one request, and answers with what `answer` makes of the request's signature.
fn serve_once(listener: &TcpListener, authority: String, answer: impl FnOnce(&str) -> Reply) -> Received {
    let (mut socket, _) = listener.accept().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(read(&mut socket, 1)[0]);
    }
    let head = String::from_utf8(head).unwrap().trim_end().to_owned();
    let mut received = Received { head, body: Vec::new(), authority };
    received.body = read(&mut socket, received.field("content-length").parse().unwrap());
    let signature = received.field("x-hmac-signature");
    socket.write_all(&answer(signature.strip_prefix("v1=").unwrap()).bytes()).unwrap();
    received
}

fn read(socket: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    socket.read_exact(&mut bytes).unwrap();
    bytes
}
