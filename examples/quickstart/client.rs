//! The client: the native scheme by hand, with nothing but HMAC-SHA256 and SHA-256.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base16ct::lower::{decode_vec, encode_string};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A signed request as it goes out, dated `age` seconds back.
pub fn sign(address: SocketAddr, key_id: &str, key_hex: &str, age: u64) -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs() - age;
    let (body, nonce) = ("{\"amount\":10}", sha256(&format!("{:?}", Instant::now())));
    let (length, digest) = (body.len(), sha256(body));
    let start = format!("HMAC-SHA256-V1-REQUEST\n{key_id}\n{time}\n{nonce}\nPOST\n{address}\n/echo");
    let signature = hmac(key_hex, &format!("{start}\napplication/json\n\n{digest}"));
    format!(
        "POST /echo HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         x-hmac-key-id: {key_id}\r\nx-hmac-timestamp: {time}\r\nx-hmac-nonce: {nonce}\r\n\
         x-hmac-content-sha256: {digest}\r\nx-hmac-signature: v1={signature}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// The status that comes back, and whether its signature is `valid`, `invalid` or `none`.
pub async fn send(address: SocketAddr, request: &str, key_hex: &str) -> Result<(u16, &'static str), Box<dyn Error>> {
    let (mut socket, mut answer) = (tokio::net::TcpStream::connect(address).await?, String::new());
    socket.write_all(request.as_bytes()).await?;
    socket.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP response")?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    let (key_id, request) = (field(request, "x-hmac-key-id"), field(request, "x-hmac-signature").replace("v1=", ""));
    let (time, digest) = (field(head, "x-hmac-timestamp"), sha256(body));
    let [kind, coding, place] = ["content-type", "content-encoding", "location"].map(|name| field(head, name));
    let start = format!("HMAC-SHA256-V1-RESPONSE\n{key_id}\n{request}\n{time}\n{status}");
    let right = format!("v1={}", hmac(key_hex, &format!("{start}\n{kind}\n{coding}\n{place}\n{digest}")));
    match field(head, "x-hmac-signature") {
        "" => Ok((status, "none")),
        given if given == right && field(head, "x-hmac-content-sha256") == digest => Ok((status, "valid")),
        _ => Ok((status, "invalid")),
    }
}

fn field<'t>(head: &'t str, name: &str) -> &'t str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

fn sha256(text: &str) -> String {
    encode_string(&Sha256::digest(text))
}

fn hmac(key_hex: &str, text: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(&decode_vec(key_hex).expect("hex")).expect("a key of any length");
    encode_string(&mac.chain_update(text).finalize().into_bytes())
}
