//! A signature is right in every bit, in length and in spelling, or it is refused before the body is read.

mod support;

use http::{HeaderValue, Request};
use support::body::Script;
use support::service::{Outcome, send};
use support::wire::{Wire, hex, unhex};
use tower_hmac::RejectionKind::{BadMac, Malformed};

const BODY: &str = "{\"amount\":10}";

fn wire() -> Wire {
    Wire::post("/v1/payments?dry_run=1", BODY)
}

fn with_signature(wire: &Wire, signature: &str) -> Request<Script> {
    let mut request = wire.request(Script::bytes(BODY));
    request.headers_mut().insert("x-hmac-signature", HeaderValue::from_str(signature).unwrap());
    request
}

/// Sends the request of `wire()` with its signature put through `change`.
async fn changed(change: impl Fn(&str) -> String) -> Outcome {
    let wire = wire();
    let layer = support::layer().drain_limit(0);
    send(layer.clone(), with_signature(&wire, &format!("v1={}", wire.signature()))).await.accepted();
    let signature = change(&wire.signature());
    assert_ne!(signature, format!("v1={}", wire.signature()), "nothing was changed");
    send(layer, with_signature(&wire, &signature)).await
}

#[tokio::test]
async fn a_01_empty_signature() {
    for empty in ["", "v1=", "v1", "=", " ", "v1= "] {
        changed(|_| empty.into()).await.refused_unread(Malformed);
    }
}

#[tokio::test]
async fn a_02_signature_cut_short() {
    for bytes in [1, 2, 16, 31] {
        changed(|mac| format!("v1={}", &mac[..2 * bytes])).await.refused_unread(Malformed);
        changed(|mac| format!("v1={}", &mac[64 - 2 * bytes..])).await.refused_unread(Malformed);
    }
    changed(|mac| format!("v1={}", &mac[..63])).await.refused_unread(Malformed);
}

#[tokio::test]
async fn a_03_signature_with_more_behind_it() {
    for more in ["0", "00", "ff", " ", "=", "\t"] {
        changed(|mac| format!("v1={mac}{more}")).await.refused_unread(Malformed);
    }
    for between in ["", ",", ", ", " ", "v1=", ",v1=", " v1="] {
        changed(|mac| format!("v1={mac}{between}{mac}")).await.refused_unread(Malformed);
    }
}

#[tokio::test]
async fn a_04_each_of_the_256_bits_flipped() {
    let wire = wire();
    let right = unhex(&wire.signature());
    assert_eq!(right.len(), 32);
    let layer = support::layer().drain_limit(0);
    let mut refused = 0;
    for bit in 0..256 {
        let mut flipped = right.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let request = with_signature(&wire, &format!("v1={}", hex(&flipped)));
        send(layer.clone(), request).await.refused_unread(BadMac);
        refused += 1;
    }
    assert_eq!(refused, 256);

    send(layer, with_signature(&wire, &format!("v1={}", hex(&right)))).await.accepted();
}

#[tokio::test]
async fn a_signature_has_one_spelling() {
    changed(|mac| format!("v1={}", mac.to_uppercase())).await.refused_unread(Malformed);
    for letter in 'a'..='f' {
        // Each letter occurs in 64 hex digits of some message.
        let wire = std::iter::repeat_with(wire).find(|wire| wire.signature().contains(letter)).unwrap();
        let mixed = wire.signature().replacen(letter, &letter.to_uppercase().to_string(), 1);
        let request = with_signature(&wire, &format!("v1={mixed}"));
        send(support::layer().drain_limit(0), request).await.refused_unread(Malformed);
    }
    for prefix in ["", "V1=", "v2=", "v1:", "v1 =", "v1= ", " v1=", "sha256=", "hmac-sha256=", "v1=0x", "v1=v1="] {
        changed(|mac| format!("{prefix}{mac}")).await.refused_unread(Malformed);
    }
    changed(|mac| format!("v1={}", mac.replacen(&mac[..1], "g", 1))).await.refused_unread(Malformed);
    changed(|mac| format!("v1={}", base64(&unhex(mac)))).await.refused_unread(Malformed);
}

#[tokio::test]
async fn the_mac_of_another_secret_or_message_is_wrong() {
    let other = Wire { key_hex: hex(&[7; 32]), ..wire() };
    changed(|_| format!("v1={}", other.signature())).await.refused_unread(BadMac);
    let other = Wire { body: "{\"amount\":11}".into(), ..wire() };
    changed(|_| format!("v1={}", other.signature())).await.refused_unread(BadMac);
    for constant in ["0", "f"] {
        changed(|_| format!("v1={}", constant.repeat(64))).await.refused_unread(BadMac);
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
