//! Messages in chunks with trailers, HTTP/1.1 as text, so that each line can be what no library would send.

use http::HeaderMap;

use super::trailers::{NAME, announced, map};
use super::wire::Wire;

/// One message, piece by piece.
#[derive(Clone)]
pub struct Text {
    /// The start line and the fields.
    pub head: Vec<String>,
    pub chunks: Vec<Vec<u8>>,
    pub trailers: Vec<String>,
    /// In chunks; else to the end of the connection, or as long as the head says, and without trailers.
    pub chunked: bool,
}

pub const WHOLE: &[u8] = b"one two three four";

fn lines(fields: &HeaderMap) -> Vec<String> {
    fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

impl Text {
    fn new(mut head: Vec<String>, trailers: &HeaderMap) -> Self {
        head.push("transfer-encoding: chunked".into());
        let chunks = WHOLE.chunks(5).map(<[u8]>::to_vec).collect();
        Self { head, chunks, trailers: lines(trailers), chunked: true }
    }

    /// A request for [`WHOLE`] whose MAC follows, beside another trailer.
    pub fn request(wire: &Wire) -> Self {
        let mut head = vec![format!("{} {} HTTP/1.1", wire.method, wire.target)];
        head.extend(lines(wire.request(()).headers()));
        head.extend([format!("trailer: x-sum, {NAME}"), "connection: close".into()]);
        Self::new(head, &wire.trailers(&[("x-sum", "1")]))
    }

    /// An answer of [`WHOLE`] whose MAC follows, beside another trailer.
    pub fn response(wire: &Wire) -> Self {
        let (head, trailers) = announced(wire, WHOLE, map(&[("x-sum", "1")]));
        let mut lines_of_head = vec![format!("HTTP/1.1 {}", head.status())];
        lines_of_head.extend(lines(head.headers()));
        Self::new(lines_of_head, &trailers)
    }

    pub fn head_bytes(&self) -> Vec<u8> {
        (self.head.join("\r\n") + "\r\n\r\n").into_bytes()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_bytes();
        if !self.chunked {
            return [bytes, self.chunks.concat()].concat();
        }
        for chunk in &self.chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        let end: String = self.trailers.iter().map(|line| format!("{line}\r\n")).collect();
        [bytes, format!("0\r\n{end}\r\n").into_bytes()].concat()
    }

    /// Without the lines of these fields.
    pub fn without(&mut self, name: &str) {
        let is = |line: &String| !line.starts_with(&format!("{name}:"));
        self.head.retain(is);
        self.trailers.retain(is);
    }

    /// The line of the MAC among the trailers.
    pub fn mac(&mut self) -> &mut String {
        self.trailers.iter_mut().find(|line| line.starts_with(NAME)).unwrap()
    }

    /// What somebody does who holds the body before he passes it on: a length, and no trailers.
    pub fn held(&mut self) {
        self.without("transfer-encoding");
        self.without("trailer");
        self.head.push(format!("content-length: {}", self.chunks.concat().len()));
        self.chunked = false;
    }
}

/// A name, and what is done to a message.
pub type Harmless = (&'static str, fn(&mut Text));

/// What may be done to a message whose MAC follows: other pieces of the same bytes.
pub fn harmless() -> Vec<Harmless> {
    vec![
        ("nothing", |_| {}),
        ("one chunk", |text| text.chunks = vec![text.chunks.concat()]),
        ("a chunk for each byte", |text| text.chunks = text.chunks.concat().chunks(1).map(<[u8]>::to_vec).collect()),
        ("trailers in another order", |text| text.trailers.reverse()),
        ("spaces", |text| text.mac().insert_str(NAME.len() + 1, "  \t ")),
        ("a name in capitals", |text| *text.mac() = text.mac().replace(NAME, &NAME.to_ascii_uppercase())),
    ]
}

/// How a message ends that is not the signed one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Missing,
    Malformed,
    Mismatch,
}

type Change = (&'static str, Fault, fn(&mut Text));

/// What may not.
pub fn harmful() -> Vec<Change> {
    use Fault::{Malformed, Mismatch, Missing};
    vec![
        ("stripped", Missing, |text| text.trailers.clear()),
        ("the MAC stripped", Missing, |text| text.without(NAME)),
        ("the MAC twice", Malformed, |text| text.trailers.push(text.clone().mac().clone())),
        ("two MACs", Malformed, |text| text.trailers.push(format!("{NAME}: v1={}", "0".repeat(64)))),
        ("two MACs in a line", Mismatch, |text| *text.mac() += ", v1=00"),
        ("no version", Malformed, |text| *text.mac() = text.mac().replace("v1=", "")),
        ("another version", Malformed, |text| *text.mac() = text.mac().replace("v1=", "v2=")),
        ("no MAC", Malformed, |text| *text.mac() = format!("{NAME}:")),
        ("half a MAC", Mismatch, |text| drop(text.mac().split_off(NAME.len() + 40))),
        ("a MAC in capitals", Mismatch, |text| {
            let (name, value) = text.mac().split_once("v1=").unwrap();
            *text.mac() = format!("{name}v1={}", value.to_ascii_uppercase());
        }),
        ("another trailer changed", Mismatch, |text| {
            text.without("x-sum");
            text.trailers.push("x-sum: 2".into());
        }),
        ("another trailer stripped", Mismatch, |text| text.without("x-sum")),
        ("another trailer twice", Mismatch, |text| text.trailers.push("x-sum: 1".into())),
        ("one trailer more", Mismatch, |text| text.trailers.push("grpc-status: 0".into())),
        ("no chunk", Mismatch, |text| text.chunks.clear()),
        ("a byte turned", Mismatch, |text| text.chunks[2][0] ^= 1),
        ("chunks swapped", Mismatch, |text| text.chunks.swap(0, 2)),
        ("a chunk twice", Mismatch, |text| text.chunks.insert(1, text.chunks[1].clone())),
        ("a chunk dropped", Mismatch, |text| drop(text.chunks.remove(0))),
        ("the last chunk dropped", Mismatch, |text| drop(text.chunks.pop())),
        ("held by a proxy", Missing, Text::held),
    ]
}

/// A MAC that stands in the head, as RFC 9110 section 6.5.1 lets a proxy merge trailers: refused before the body.
pub fn merged() -> [fn(&mut Text); 2] {
    fn merge(text: &mut Text) {
        let mac = text.mac().clone();
        text.without(NAME);
        text.head.push(mac);
    }
    [merge, |text| {
        merge(text);
        text.held();
    }]
}
