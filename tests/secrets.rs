//! Secrets that are empty, misspelt or unfit are found when the layer is built, never by a request.

mod support;

use support::body::Script;
use support::service::send;
use support::wire::{Wire, hex};
use support::{KEY_HEX, KEY_ID};
use tower_hmac::RejectionKind::KeysUnavailable;
use tower_hmac::{Algorithm, Answer, HmacLayer, Key, KeyQuery, Keys, Lookup, Scheme};

const HEX_16: &str = "00112233445566778899aabbccddeeff";

/// The message of the error that a key constructor or a layer failed with.
#[track_caller]
fn error<T>(built: Result<T, tower_hmac::ConfigError>) -> String {
    match built {
        Ok(_) => panic!("it was built"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn b_01_empty_secret() {
    for built in [
        Key::from_bytes(KEY_ID, ""),
        Key::from_bytes(KEY_ID, []),
        Key::from_bytes(KEY_ID, Vec::new()),
        Key::from_text(KEY_ID, ""),
        Key::from_hex(KEY_ID, ""),
        Key::from_base64(KEY_ID, ""),
        Key::from_whsec(KEY_ID, "whsec_"),
    ] {
        assert!(error(built).contains("empty"));
    }
    assert!(error(Key::from_whsec(KEY_ID, "")).contains("whsec_"));
}

#[test]
fn b_01_trailing_white_space() {
    Key::from_text(KEY_ID, "a secret that is text").unwrap();
    for space in [" ", "\n", "\r\n", "\t", "\r", "\n\n", "\u{a0}", "\u{2028}"] {
        for text in [format!("a secret that is text{space}"), space.into()] {
            assert!(error(Key::from_text(KEY_ID, &text)).contains("white space"), "{text:?}");
        }
        assert!(error(Key::from_hex(KEY_ID, &format!("{HEX_16}{space}"))).contains("ends in white space"));
        let base64 = Key::from_base64(KEY_ID, &format!("AAECAwQFBgcICQoLDA0ODw=={space}"));
        assert!(error(base64).contains("ends in white space"));
        let whsec = format!("whsec_AAECAwQFBgcICQoLDA0ODw=={space}");
        assert!(error(Key::from_whsec(KEY_ID, &whsec)).contains("ends in white space"));
    }
}

#[test]
fn b_01_wrong_spelling() {
    let upper = HEX_16.to_uppercase();
    for text in ["0", "001", "0g", "0x00", "00 11", " 0011", "00:11", "é0", &upper] {
        assert!(error(Key::from_hex(KEY_ID, text)).contains("hex"), "{text:?}");
    }
    assert!(error(Key::from_hex(KEY_ID, &HEX_16.replace('a', "A"))).contains("write it in lower case"));
    // Not padded, padded twice, from the other alphabet, with bits left over, with blanks.
    for text in ["AAECAw", "AAECAw=", "AAECAw===", "__-_", "AAECAx==", "AAEC Aw==", "AAEC\nAw==", "=", "A"] {
        assert!(error(Key::from_base64(KEY_ID, text)).contains("base64"), "{text:?}");
        assert!(error(Key::from_whsec(KEY_ID, &format!("whsec_{text}"))).contains("base64"), "{text:?}");
    }
    for text in ["AAECAwQFBgcICQoLDA0ODw==", "whsec-AAEC", "WHSEC_AAEC", " whsec_AAEC", "whpk_AAEC"] {
        assert!(error(Key::from_whsec(KEY_ID, text)).contains("whsec_"), "{text:?}");
    }
    for id in ["", " ", "svc a", "svc-a\n", "s\u{e9}", &"k".repeat(257)] {
        assert!(error(Key::from_hex(id, HEX_16)).contains("key id"), "{id:?}");
        assert!(error(Key::generate(id)).contains("key id"), "{id:?}");
    }
}

#[tokio::test]
async fn every_spelling_of_one_secret_is_the_same_key() {
    let text = "0123456789abcdef";
    for key in [
        Key::from_bytes(KEY_ID, text),
        Key::from_text(KEY_ID, text),
        Key::from_hex(KEY_ID, "30313233343536373839616263646566"),
        Key::from_base64(KEY_ID, "MDEyMzQ1Njc4OWFiY2RlZg=="),
        Key::from_whsec(KEY_ID, "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="),
    ] {
        let layer = HmacLayer::new(Scheme::native(), key.unwrap()).unwrap().clock(support::clock());
        let right = Wire::get("/").key(KEY_ID, &hex(text.as_bytes()));
        send(layer.clone(), right.request(Script::bytes(""))).await.accepted();
        let wrong = Wire::get("/").key(KEY_ID, &hex(b"0123456789abcdeg"));
        send(layer, wrong.request(Script::bytes(""))).await.refused_unread(tower_hmac::RejectionKind::BadMac);
    }
}

#[tokio::test]
async fn a_generated_key_is_the_hex_that_comes_with_it() {
    let (key, text) = Key::generate(KEY_ID).unwrap();
    let (_, other) = Key::generate(KEY_ID).unwrap();
    assert_ne!(text, other);
    let layer = HmacLayer::new(Scheme::native(), key).unwrap().clock(support::clock());
    send(layer.clone(), Wire::get("/").key(KEY_ID, &text).request(Script::bytes(""))).await.accepted();
    let request = Wire::get("/").key(KEY_ID, &other).request(Script::bytes(""));
    send(layer, request).await.refused_unread(tower_hmac::RejectionKind::BadMac);
}

/// Keys that exist but do not fit the native scheme, with the id and secret that a caller would sign with.
fn unfit() -> Vec<(Key, &'static str, String)> {
    let long_id: &'static str = Box::leak("k".repeat(65).into_boxed_str());
    let mut keys = Vec::new();
    for length in [1, 8, 15] {
        keys.push((Key::from_bytes(KEY_ID, vec![7; length]).unwrap(), KEY_ID, hex(&vec![7; length])));
    }
    for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha384, Algorithm::HmacSha512] {
        keys.push((support::key().with_algorithm(algorithm), KEY_ID, KEY_HEX.into()));
    }
    for id in [long_id, "-a", ".a", "_a", "a/b", "../x", "a%00", "a:b"] {
        keys.push((Key::from_hex(id, KEY_HEX).unwrap(), id, KEY_HEX.into()));
    }
    keys
}

#[test]
fn b_01_a_known_key_that_does_not_fit_is_found_at_once() {
    for (key, ..) in unfit() {
        let shown = format!("{key:?}");
        let direct = HmacLayer::new(Scheme::native(), key.clone()).expect_err(&shown);
        let shared = HmacLayer::new(Scheme::native(), std::sync::Arc::new(key)).expect_err(&shown);
        assert_eq!(direct, shared);
    }
    let long = "k".repeat(64);
    for id in ["a", "9", "A-b_c.d", &long] {
        assert!(HmacLayer::new(Scheme::native(), Key::from_hex(id, HEX_16).unwrap()).is_ok(), "{id}");
    }
}

#[tokio::test]
async fn b_01_a_key_of_a_store_that_does_not_fit_is_unavailable() {
    let fitting = [KEY_HEX, HEX_16].map(|hex| (Key::from_hex(KEY_ID, hex).unwrap(), KEY_ID, hex.to_owned()));
    for (key, id, secret) in fitting {
        for layer in [now_and_later(&key, true), now_and_later(&key, false)] {
            send(layer, Wire::get("/").key(id, &secret).request(Script::bytes(""))).await.accepted();
        }
    }
    let mut refused = 0;
    for (key, id, secret) in unfit() {
        // An id that the grammar refuses cannot be asked for: the store then answers with it for another one.
        let id = if key.algorithm() == Algorithm::HmacSha256 && id != KEY_ID { KEY_ID } else { id };
        for layer in [now_and_later(&key, true), now_and_later(&key, false)] {
            let request = Wire::get("/").key(id, &secret).request(Script::bytes(""));
            send(layer, request).await.refused_unread(KeysUnavailable);
            refused += 1;
        }
    }
    assert_eq!(refused, 28);
}

/// A layer over a closure that hands out `key` whatever it is asked, at once or later.
fn now_and_later(key: &Key, now: bool) -> HmacLayer {
    let key = key.clone();
    let store = move |_: &KeyQuery<'_>| -> Lookup {
        let found = Keys::from(key.clone());
        match now {
            true => Some(found).into(),
            false => Answer::later(async move {
                tokio::task::yield_now().await;
                Ok(Some(found))
            }),
        }
    };
    HmacLayer::new(Scheme::native(), store).unwrap().clock(support::clock()).drain_limit(0)
}
