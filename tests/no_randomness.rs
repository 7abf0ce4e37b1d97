//! N-09: when the system has no randomness, nothing is signed and nothing is sent, and no stranger gets in.
//!
//! Wants a build of its own, whose source of randomness is this file:
//! `RUSTFLAGS='--cfg getrandom_backend="custom" --cfg no_randomness' cargo test --target-dir target/no-randomness --test
//! no_randomness`
#![cfg(no_randomness)]

mod support;

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use support::body::{Script, Step};
use support::peer::{Seen, answer, call, client_layer, kind, post, server};
use support::service::Inner;
use support::wire::Wire;
use tower::{Layer, ServiceExt};
use tower_hmac::sign::RequestSigner;
use tower_hmac::{ClientErrorKind, Key, RejectionKind, Scheme, SignError};

static FAILS: AtomicBool = AtomicBool::new(false);

/// What `getrandom` calls in such a build.
// SAFETY: the name and the signature are those that `getrandom` documents; it writes to `len` bytes that are the caller's.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(to: *mut u8, len: usize) -> Result<(), getrandom::Error> {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    if FAILS.load(Ordering::SeqCst) {
        return Err(getrandom::Error::new_custom(1));
    }
    for place in 0..len {
        // SAFETY: within the caller's bytes.
        unsafe { to.add(place).write(NEXT.fetch_add(1, Ordering::SeqCst)) };
    }
    Ok(())
}

/// One test, since the failure is that of the whole process.
#[tokio::test]
async fn n_09_without_randomness_nothing_is_sent_and_nobody_gets_in() {
    let seen = Seen::default();
    let ask = || call(client_layer(), post("/pay", "{}"), server(&seen, |wire| answer(wire, "{}")));
    ask().await.unwrap();
    assert_eq!(seen.count(), 1);

    FAILS.store(true, Ordering::SeqCst);
    // Held whole; of unknown length, and there or not; and too long to be held.
    let slow = || Script::new([Step::Data("{".into()), Step::Yield, Step::Data("}".into())]);
    let long = || Script::bytes(vec![7; 3 << 20]).declaring(3 << 20);
    for body in [Script::bytes("{}").declaring(2), Script::bytes("{}"), slow(), long()] {
        let (layer, server) = (client_layer().stream_requests(|_| true), server(&seen, |wire| answer(wire, "{}")));
        let outcome = call(layer, post("/pay", "").map(|_| body), server).await;
        assert_eq!((kind(&outcome), seen.count()), (Some(ClientErrorKind::Unsignable), 1));
        let error = outcome.unwrap_err();
        assert!(matches!(error.source().unwrap().downcast_ref(), Some(SignError::NoRandomness)), "{error:?}");
        assert!(!error.may_have_been_sent());
    }

    let signer = RequestSigner::new(Scheme::native(), support::key()).unwrap();
    let (mut head, _) = post("/pay", "{}").into_parts();
    let before = head.headers.clone();
    let signing = signer.begin(&head, support::NOW).unwrap();
    assert!(matches!(signing.finish(&mut head), Err(SignError::NoRandomness)));
    assert_eq!(head.headers, before);
    Key::generate("svc-a").unwrap_err();

    // A server needs none for those whom it knows; who is unknown stays outside.
    let (inner, layer) = (Inner::ok(), support::layer());
    let service = layer.layer(inner.clone());
    let ask = async |wire: Wire| {
        let response = service.clone().oneshot(wire.request(Script::bytes(wire.body.clone()))).await.unwrap();
        (response.status().as_u16(), response.extensions().get::<RejectionKind>().copied())
    };
    assert_eq!(ask(Wire::post("/pay", "{}").nonce("a-nonce-of-the-test")).await, (200, None));
    let stranger = Wire::post("/pay", "{}").nonce("a-nonce-of-the-test").key("svc-b", support::KEY_HEX);
    assert_eq!(ask(stranger).await, (401, Some(RejectionKind::UnknownKey)));
    assert_eq!(inner.calls(), 1);

    FAILS.store(false, Ordering::SeqCst);
    call(client_layer(), post("/pay", "{}"), server(&seen, |wire| answer(wire, "{}"))).await.unwrap();
}
