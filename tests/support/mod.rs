//! What the tests share. The signer here is written from the format alone and calls nothing of the crate.
#![allow(dead_code, reason = "every test file uses its own part of this")]

pub mod alloc;
pub mod asking;
pub mod bad_peer;
pub mod body;
pub mod change;
pub mod chunked;
pub mod described;
pub mod dice;
pub mod drive;
pub mod flowing;
pub mod grpc;
pub mod keys_printed;
pub mod net;
#[cfg(feature = "redis")]
pub mod nodes;
pub mod peer;
pub mod peers;
pub mod printed;
pub mod quickstart;
pub mod reading;
#[cfg(feature = "redis")]
pub mod redis;
pub mod relay;
pub mod schemes;
#[cfg(feature = "redis")]
pub mod scripted;
pub mod service;
pub mod tools;
pub mod trailers;
pub mod vectors;
pub mod webhooks;
pub mod wire;

use tower_hmac::clock::ManualClock;
use tower_hmac::{HmacLayer, Key, Scheme};

pub const KEY_ID: &str = "svc-a";
pub const KEY_HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
pub const NOW: u64 = 1_795_303_445;
pub const AUTHORITY: &str = "api.example.com";

/// The types that only a protocol sees.
pub const HANDED_TO_PROTOCOLS: [&str; 12] = [
    "Claim",
    "Claims",
    "Entry",
    "Feed",
    "HeadMut",
    "Message",
    "Resolved",
    "Seen",
    "Signatures",
    "Stamp",
    "Subject",
    "Timestamp",
];

pub fn key() -> Key {
    Key::from_hex(KEY_ID, KEY_HEX).unwrap()
}

pub fn clock() -> ManualClock {
    ManualClock::at(NOW)
}

/// The native scheme with [`key`], on a clock that stands at [`NOW`].
pub fn layer() -> HmacLayer {
    HmacLayer::new(Scheme::native(), key()).unwrap().clock(clock())
}
