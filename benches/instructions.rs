//! A fixed number of requests, for counting instructions: `benches/instructions.sh`.

mod support;

use support::{Floor, Trivial, body, key, layer, run, signed};
use tower::{Layer, Service};
use tower_hmac::Scheme;
use tower_hmac::sign::RequestSigner;

const REQUESTS: usize = 2000;

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let (payload, answer) = (body(1 << 10), body(1 << 10));
    let signer = RequestSigner::new(Scheme::native(), key()).unwrap();
    let requests: Vec<_> = (0..REQUESTS).map(|_| signed(&signer, &payload)).collect();
    let configured = if mode == "verify" { layer().without_response_signing() } else { layer() };
    let service = configured.layer(Trivial(answer.clone()));
    let floor = Floor::default();
    for request in requests {
        match mode.as_str() {
            "layer" | "verify" => {
                let response = run(service.clone().call(request)).unwrap();
                assert!(response.status().is_success());
            }
            "floor" | "verify-floor" => {
                floor.verify(&payload);
                if mode == "floor" {
                    floor.sign(&answer);
                }
                run(Trivial(answer.clone()).call(request)).unwrap();
            }
            // `cargo bench` runs every bench: nothing to time here.
            _ => {}
        }
    }
}
