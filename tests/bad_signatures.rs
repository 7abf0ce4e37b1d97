//! Every scheme against signatures that are not the one spelling of the right one, in its one place.

mod support;

use http::HeaderValue;
use support::schemes::{one_each, samples, spell};
use tower_hmac::{Encoding, RejectionKind};

///
#[tokio::test]
async fn a_signature_that_is_spelt_otherwise_is_refused() {
    let mut count = 0;
    for sample in samples() {
        let right = &*sample.signature;
        let recased: String = right
            .chars()
            .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect();
        let first_upper = right.replacen(|c: char| c.is_ascii_lowercase(), "A", 1);
        let bytes = sample.tag();
        let longer = spell(sample.encoding(), &[&bytes[..], &[0]].concat());
        let shorter = |len: usize| spell(sample.encoding(), &bytes[..len]);
        let mut twins = vec![
            ("empty", String::new()),
            ("first", right[..1].into()),
            ("half", right[..right.len() / 2].into()),
            ("all but one", right[..right.len() - 1].into()),
            ("without the first", right[1..].into()),
            ("one more", format!("{right}0")),
            ("padded", format!("{right}=")),
            ("twice", right.repeat(2)),
            ("re-cased", recased),
            ("one in upper case", first_upper),
            ("a byte more", longer),
            ("no byte", shorter(0)),
            ("one byte", shorter(1)),
            ("16 bytes", shorter(16)),
            ("a byte less", shorter(bytes.len() - 1)),
            ("quoted", format!("\"{right}\"")),
            ("blank before", format!(" {right}")),
            ("blank inside", format!("{} {}", &right[..9], &right[9..])),
            ("0x", format!("0x{right}")),
            ("zeros", spell(sample.encoding(), &vec![0; bytes.len()])),
        ];
        if sample.encoding() != Encoding::Hex {
            twins.push(("hex", support::wire::hex(&bytes)));
            twins.push(("without padding", right.trim_end_matches('=').into()));
            let swapped = |c| match c {
                '+' => '-',
                '/' => '_',
                '-' => '+',
                '_' => '/',
                c => c,
            };
            twins.push(("the other alphabet", right.chars().map(swapped).collect()));
            // Spare bits of the last character.
            let body = right.trim_end_matches('=');
            let next = |c: char| char::from(u8::try_from(c).unwrap() + 1);
            let (rest, last) = body.split_at(body.len() - 1);
            let spare = format!("{rest}{}{}", next(last.chars().next().unwrap()), &right[body.len()..]);
            twins.push(("spare bits or another byte", spare));
        } else {
            twins.push(("base64", spell(Encoding::Base64, &bytes)));
        }
        for (what, signature) in twins {
            // The same again where it has no padding or no letter.
            let Some(twin) = sample.with_signature(&signature) else { continue };
            count += 1;
            twin.refused(what).await;
        }
    }
    assert!(count > 3000, "{count}");
}

///
#[tokio::test]
async fn every_bit_of_the_mac_counts() {
    for sample in one_each() {
        let bytes = sample.tag();
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let twin = sample.with_signature(&spell(sample.encoding(), &wrong)).unwrap();
            assert_eq!(twin.verify().err(), Some(RejectionKind::BadMac), "{} {bit}", sample.name);
        }
    }
}

/// A-09, E-02, E-03.
#[tokio::test]
async fn a_foreign_prefix_or_carrier_is_refused() {
    for sample in one_each() {
        let (value, prefix) = (sample.value(), sample.prefix);
        let signed = format!("{prefix}{}", sample.signature);
        assert!(value.contains(&signed), "{}", sample.name);
        for other in ["md5=", "x=", "sha1=", "sha256=", "SHA256=", "v2=", "v1a,", "v1,", "V1=", "==", " ", "Bearer "] {
            // A list takes a blank and a v1 where the format says so.
            if other.eq_ignore_ascii_case(prefix) && other == prefix {
                continue;
            }
            if let Some(twin) = sample.with_value(&value.replace(&signed, &format!("{other}{}", sample.signature))) {
                twin.refused(other).await;
            }
        }
        sample.with_value(&format!("{value}, Bearer x")).unwrap().refused("two credentials").await;
        for name in ["x-signature-2", "signature", "x-hub-signature-512"] {
            let mut moved = sample.clone();
            let value = moved.head.headers.remove(sample.header).unwrap();
            moved.head.headers.insert(name, value);
            moved.refused("another header").await;
        }
        let mut twin = sample.clone();
        let query = twin.head.uri.query().map(|query| format!("{query}&")).unwrap_or_default();
        let uri = format!("{}?{query}{}={}", twin.head.uri.path(), sample.header, "00");
        (twin.head.uri, _) = (uri.parse().unwrap(), twin.head.headers.remove(sample.header));
        twin.refused("in the query").await;
    }
}

/// E-01, E-04, and fields that are missing.
#[tokio::test]
async fn every_signed_header_stands_once() {
    for sample in one_each() {
        for name in sample.covers.iter().chain([&sample.header]) {
            let right = sample.head.headers[*name].clone();
            let wrong = HeaderValue::from_static("wrong");
            for lines in [vec![], vec![&right, &right], vec![&right, &wrong], vec![&wrong, &right], vec![&wrong]] {
                let mut twin = sample.clone();
                twin.head.headers.remove(*name);
                for line in &lines {
                    twin.head.headers.append(*name, (*line).clone());
                }
                twin.refused(&format!("{} lines of {name}", lines.len())).await;
            }
        }
    }
}
