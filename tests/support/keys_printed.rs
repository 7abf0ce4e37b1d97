//! What key stores and replay guards print.

use std::any::type_name;
use std::fmt::Debug;
use std::time::Duration;

use tower_hmac::replay::{AtLeastOnce, Lease, MemoryReplayGuard, ReplayClaim, Settled, conformance};
use tower_hmac::{AsyncKeys, Key, KeyRing, RingKey};

use super::NOW;

/// The name of each type, and what it prints when it holds this key, or this text where a secret may stand.
#[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "the secret of a URL"))]
pub async fn keys_and_guards(key: &Key, secret: &str) -> Vec<(String, String)> {
    let mut printed = Vec::new();
    let ring = KeyRing::new([RingKey::from(key.clone())]).unwrap();
    show(&mut printed, &RingKey::from(key.clone()).not_before(NOW));
    show(&mut printed, &ring);
    let held = key.clone();
    show(&mut printed, &AsyncKeys::new(move |_| std::future::ready(Ok(Some(held.clone().into())))));
    show(&mut printed, &AtLeastOnce::new(MemoryReplayGuard::new(), Duration::from_secs(1)).unwrap());
    let claim = ReplayClaim { key_id: key.id(), nonce: "nonce", valid_until: NOW + 360, now: NOW };
    show(&mut printed, &Lease::new(&claim, 30));
    show(&mut printed, &Settled::Spent);
    let full = MemoryReplayGuard::with_capacity(1).unwrap();
    show(&mut printed, &conformance(&full, NOW).await.unwrap_err());
    #[cfg(feature = "key-cache")]
    show(&mut printed, &tower_hmac::CachingKeyStore::new(ring, Duration::from_secs(1)));
    #[cfg(feature = "axum")]
    show(&mut printed, &tower_hmac::NotVerified);
    #[cfg(feature = "redis")]
    {
        use tower_hmac::replay::RedisReplayGuard;

        let password: String = secret.chars().filter(|c| *c != ' ').collect();
        show(&mut printed, &RedisReplayGuard::lazy(&format!("redis://:{password}@127.0.0.1:1/")).unwrap());
        for url in [format!("none://:{secret}@127.0.0.1/"), format!("redis://:{password}@/:x")] {
            show(&mut printed, &RedisReplayGuard::connect(&url).await.unwrap_err());
        }
    }
    // Where its feature is off, a type is not there to be printed.
    for (on, names) in [
        (cfg!(feature = "key-cache"), &["CachingKeyStore"][..]),
        (cfg!(feature = "axum"), &["NotVerified"]),
        (cfg!(feature = "redis"), &["RedisReplayGuard", "RedisGuardError"]),
    ] {
        let absent = names.iter().filter(|_| !on);
        printed.extend(absent.map(|name| ((*name).to_owned(), String::new())));
    }
    printed
}

fn show<T: Debug>(printed: &mut Vec<(String, String)>, value: &T) {
    let name = type_name::<T>().split('<').next().unwrap().rsplit("::").next().unwrap();
    printed.push((name.to_owned(), format!("{value:?} {value:#?}")));
}
