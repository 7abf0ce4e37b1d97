//! Every vector of every webhook provider gets the verdict of its file, and in the strict reading where libraries differ.

mod support;

use support::webhooks::{Delivery, PROVIDERS};
use tower_hmac::RejectionKind;

#[test]
fn every_vector_gets_its_verdict() {
    let mut counts = (0, 0);
    let mut wrong = Vec::new();
    for provider in PROVIDERS {
        let vectors = provider.vectors();
        let (mut accepted, mut refused) = (0, 0);
        for vector in &vectors {
            let verdict = vector.verify();
            match (verdict, vector.valid) {
                (Ok(_), true) => accepted += 1,
                (Err(_), false) => refused += 1,
                (verdict, valid) => wrong.push(format!(
                    "{} {}: {verdict:?}, but {} ({})",
                    provider.name,
                    vector.name,
                    if valid { "valid" } else { "not valid" },
                    vector.why
                )),
            }
        }
        println!("{}: {accepted} accepted, {refused} refused", provider.name);
        assert!(accepted >= 9 && refused >= 20, "{}", provider.name);
        counts = (counts.0 + accepted, counts.1 + refused);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(counts, (250, 574));
}

#[test]
fn what_a_signer_makes_is_what_the_vector_holds() {
    let mut made = 0;
    for provider in PROVIDERS {
        for vector in provider.vectors().iter().filter(|vector| vector.valid && vector.is_plain()) {
            assert_eq!(vector.signed_again().as_deref(), Some(&*vector.signature), "{} {}", provider.name, vector.name);
            made += 1;
        }
    }
    assert!(made >= 150, "{made}");
}

#[test]
fn another_key_is_refused() {
    for provider in PROVIDERS {
        for vector in provider.vectors().iter().filter(|vector| vector.valid) {
            let other = Delivery { secret: vec![b'x'; 32], ..vector.clone() };
            assert_eq!(other.verify().err(), Some(RejectionKind::BadMac), "{} {}", provider.name, vector.name);
        }
    }
}
