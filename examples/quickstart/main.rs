//! A server behind the layer, and seven requests to it over a real socket: one honest, six not.
//!
//! * `cargo run --example quickstart` exits with 0 only if each is answered as it should be;
//! * `cargo run --example quickstart -- --serve [address]` keeps the server up and prints how to call it with curl.

mod client;
mod server;

use std::error::Error;
use std::sync::atomic::Ordering;

use tower_hmac::RejectionKind::{BadMac, BodyMismatch, Replay, Stale, UnknownKey};

const KEY_ID: &str = "svc-a";
const KEY_HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => demonstrate().await,
        Some("--serve") => serve(std::env::args().nth(2).as_deref().unwrap_or("127.0.0.1:3000")).await,
        Some(_) => Err("usage: quickstart [--serve [address]]".into()),
    }
}

async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let (address, mut refusals) = server::start("127.0.0.1:0").await?;
    let sign = |key_id, key_hex, age| client::sign(address, key_id, key_hex, age);
    let signed = || sign(KEY_ID, KEY_HEX, 0);
    let honest = signed();
    let cases = [
        ("a signed request", honest.clone(), None),
        ("... its body changed on the way", signed().replace("10}", "99}"), Some(BodyMismatch)),
        ("... its path changed on the way", signed().replace("/echo", "/status/200"), Some(BadMac)),
        ("... signed an hour ago", sign(KEY_ID, KEY_HEX, 3600), Some(Stale)),
        ("... the first one, sent again", honest, Some(Replay)),
        ("... under a key id nobody knows", sign("svc-x", KEY_HEX, 0), Some(UnknownKey)),
        ("... with another key", sign(KEY_ID, "ffffffffffffffffffffffffffffffff", 0), Some(BadMac)),
    ];
    println!("{:<33} {:>6}  {:<18}  why (only the server knows)", "sent", "status", "response signature");
    let mut surprises = 0;
    for (sent, request, reason) in cases {
        let (status, signature) = client::send(address, &request, KEY_HEX).await?;
        let given = refusals.try_recv().ok();
        let why = given.map(|kind| kind.to_string()).unwrap_or_default();
        println!("{}", format!("{sent:<33} {status:>6}  {signature:<18}  {why}").trim_end());
        // Refusals are not signed: they prove nothing to the caller.
        let expected = if reason.is_none() { (200, "valid", None) } else { (401, "none", reason) };
        if (status, signature, given) != expected {
            surprises += 1;
            println!("    expected {expected:?}");
        }
    }
    let reached = server::REACHED.load(Ordering::SeqCst);
    println!("\n{reached} of them reached the handler, {surprises} met with a surprise.");
    if (reached, surprises) == (1, 0) { Ok(()) } else { Err("not as it should be".into()) }
}

async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let (address, mut refusals) = server::start(address).await?;
    println!("listening on http://{address}\nkey id {KEY_ID}\nkey {KEY_HEX} (everybody knows it: for trying out only)");
    println!("/echo and /status/{{code}} take any method, signed; /stats takes anybody\n");
    let curl = include_str!("curl.txt").trim_end().replace("ADDRESS", &address.to_string());
    println!("Paste this into another terminal:\n\n{}", curl.replace("KEY_ID", KEY_ID).replace("KEY_HEX", KEY_HEX));
    while let Some(kind) = refusals.recv().await {
        eprintln!("refused with {}: {kind}", kind.status());
    }
    Err("the server stopped".into())
}
