//! What was printed, and every spelling in which it could show a secret.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use tower_hmac::Key;

use super::wire::hex;

pub const SECRET: &str = "correct horse battery staple 42!";

pub fn key() -> Key {
    Key::from_text("svc-a", SECRET).unwrap()
}

/// Every spelling in which something secret could be printed, without white space.
fn needles() -> Vec<String> {
    let list = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let mut needles = Vec::new();
    let mut pads = [[0x36_u8; 64], [0x5c; 64]];
    for pad in &mut pads {
        pad.iter_mut().zip(SECRET.bytes()).for_each(|(pad, byte)| *pad ^= byte);
        let mut state =
            [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
        sha2::block_api::compress256(&mut state, &[*pad]);
        needles.extend(state.iter().flat_map(|word| [word.to_string(), format!("{word:08x}"), format!("{word:08X}")]));
    }
    for secret in [SECRET.as_bytes(), &pads[0][..32], &pads[1][..32]] {
        let hex = hex(secret);
        needles.extend(hex.as_bytes().chunks(16).map(|part| String::from_utf8(part.to_vec()).unwrap()));
        needles.push(hex[..16].to_uppercase());
        for text in [Base64::encode_string(secret), Base64UrlUnpadded::encode_string(secret)] {
            needles.push(text[..12].into());
        }
        needles.extend(secret.chunks(4).map(list));
    }
    needles.extend(SECRET.split(' ').map(String::from));
    needles
}

#[track_caller]
pub fn assert_clean(what: &str, text: &str) {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    for needle in needles() {
        assert!(!text.contains(&needle), "{what} shows {needle:?}: {text}");
    }
}

/// What was printed, by type.
#[derive(Default)]
pub struct Seen(pub BTreeMap<String, usize>);

impl Seen {
    #[track_caller]
    pub fn show<T: Debug>(&mut self, value: &T) {
        let name = std::any::type_name::<T>().split('<').next().unwrap().rsplit("::").next().unwrap().to_owned();
        assert_clean(&name, &format!("{value:?}"));
        assert_clean(&name, &format!("{value:#?}"));
        *self.0.entry(name).or_default() += 1;
    }

    #[track_caller]
    pub fn show_error<T: Debug + Display>(&mut self, value: &T) {
        assert_clean("an error", &value.to_string());
        self.show(value);
    }
}
