//! A key's MAC is HMAC as RFC 2104 defines it: the published vectors hold, and no truncated tag is accepted.

mod support;

use serde_json::Value;
use support::wire::unhex;
use tower_hmac::{Algorithm, Key, Mac};

const FILES: [(&str, &str); 3] = [
    ("rfc2202", include_str!("vectors/hmac-rfc2202.json")),
    ("rfc4231", include_str!("vectors/hmac-rfc4231.json")),
    ("wycheproof", include_str!("vectors/hmac-wycheproof.json")),
];

struct Vector {
    name: String,
    key: Key,
    message: Vec<u8>,
    tag: Vec<u8>,
    truncated: bool,
    valid: bool,
}

impl Vector {
    fn mac(&self, pieces: impl Iterator<Item = usize>) -> Mac {
        let mut mac = self.key.mac();
        let mut rest = &self.message[..];
        for piece in pieces {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            mac.update(now);
            rest = later;
        }
        mac.update(rest);
        mac
    }
}

fn vectors(json: &str) -> Vec<Vector> {
    let file: Vec<Value> = serde_json::from_str(json).unwrap();
    let parse = |vector: &Value| {
        let text = |name: &str| vector[name].as_str().unwrap();
        let (algorithm, full) = match text("alg") {
            "sha1" => (Algorithm::HmacSha1, 160),
            "sha256" => (Algorithm::HmacSha256, 256),
            "sha384" => (Algorithm::HmacSha384, 384),
            "sha512" => (Algorithm::HmacSha512, 512),
            other => panic!("{other}"),
        };
        Vector {
            name: text("name").into(),
            key: Key::from_bytes("vector", unhex(text("key_hex"))).unwrap().with_algorithm(algorithm),
            message: unhex(text("message_hex")),
            tag: unhex(text("tag_hex")),
            truncated: vector["tag_bits"].as_u64().unwrap() < full,
            valid: vector["valid"].as_bool().unwrap(),
        }
    };
    file.iter().map(parse).collect()
}

/// Full-length valid and invalid, truncated valid and invalid. The expected numbers were counted with Python.
fn counted(all: &[Vector]) -> [usize; 4] {
    [(false, true), (false, false), (true, true), (true, false)]
        .map(|kind| all.iter().filter(|vector| (vector.truncated, vector.valid) == kind).count())
}

#[test]
fn every_full_length_tag_gets_its_verdict_and_every_truncated_one_is_refused() {
    let (mut full, mut accepted, mut truncated) = (0, 0, 0);
    for vector in FILES.iter().flat_map(|(_, json)| vectors(json)) {
        let verdict = vector.mac(std::iter::empty()).verify(&vector.tag).is_some();
        assert_eq!(verdict, vector.valid && !vector.truncated, "{}", vector.name);
        full += usize::from(!vector.truncated);
        accepted += usize::from(verdict);
        truncated += usize::from(vector.truncated);
    }
    assert_eq!((full, accepted, truncated), (294, 91, 225));
}

#[test]
fn each_file_holds_what_was_counted_in_it() {
    let counts = FILES.map(|(name, json)| (name, counted(&vectors(json))));
    assert_eq!(counts[0], ("rfc2202", [5, 21, 0, 3]));
    assert_eq!(counts[1], ("rfc4231", [11, 51, 1, 11]));
    assert_eq!(counts[2], ("wycheproof", [75, 131, 84, 126]));
}

#[test]
fn feeding_in_pieces_changes_nothing() {
    let mut pieces = 0;
    for vector in FILES.iter().flat_map(|(_, json)| vectors(json)) {
        let wanted = vector.valid && !vector.truncated;
        let length = vector.message.len();
        let by_byte = vector.mac(std::iter::repeat_n(1, length));
        let uneven = vector.mac([0, 1, 3, 0, 63, 2, 64, 65, 7].into_iter());
        let mut copied = vector.key.mac();
        copied.update(&vector.message[..length / 2]);
        let mut copy = copied.clone();
        copied.update(b"the original goes another way");
        copy.update(&vector.message[length / 2..]);
        for mac in [by_byte, uneven, copy] {
            assert_eq!(mac.verify(&vector.tag).is_some(), wanted, "{}", vector.name);
            pieces += 1;
        }
    }
    assert_eq!(pieces, 3 * 519);
}

#[test]
fn a_right_tag_cut_or_prolonged_is_refused() {
    let mut tried = 0;
    for vector in FILES.iter().flat_map(|(_, json)| vectors(json)).filter(|v| v.valid && !v.truncated) {
        let longer = [&vector.tag[..], &[0]].concat();
        for tag in (0..vector.tag.len()).map(|len| &vector.tag[..len]).chain([&longer[..]]) {
            assert!(vector.mac(std::iter::empty()).verify(tag).is_none(), "{} with {} bytes", vector.name, tag.len());
            tried += 1;
        }
    }
    assert_eq!(tried, 4_019);
}

#[test]
fn an_empty_secret_makes_no_key() {
    // None of these vectors has one.
    let empty = FILES.iter().flat_map(|(_, json)| serde_json::from_str::<Vec<Value>>(json).unwrap());
    assert_eq!(empty.filter(|vector| vector["key_hex"] == "").count(), 0);
    let error = Key::from_bytes("vector", []).unwrap_err();
    assert!(error.to_string().contains("the secret is empty"), "{error}");
}
