//! How long after its deadline a claim is refused while Redis stands still.
//!
//! `cargo bench --bench redis --features redis`

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use tower_hmac::KeyId;
use tower_hmac::replay::{Claimed, RedisReplayGuard, ReplayClaim, ReplayGuard};

const NOW: u64 = 1_795_303_445;
const DEADLINE: Duration = Duration::from_millis(250);
const CLAIMS: usize = 40;

#[tokio::main]
async fn main() {
    // Takes connections and never says a word.
    let still = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", still.local_addr().unwrap());
    thread::spawn(move || still.incoming().collect::<Vec<_>>());

    let guard = RedisReplayGuard::lazy(&url).unwrap().deadline(DEADLINE);
    let key_id = KeyId::new("svc-a").unwrap();
    let mut late = Vec::with_capacity(CLAIMS);
    for n in 0..CLAIMS {
        let nonce = n.to_string();
        let start = Instant::now();
        let claim = ReplayClaim { key_id: &key_id, nonce: &nonce, valid_until: NOW + 360, now: NOW };
        assert_eq!(guard.claim(&claim).await, Claimed::Unavailable);
        late.push(start.elapsed().saturating_sub(DEADLINE));
    }
    late.sort();
    println!("{CLAIMS} claims, one after the other, each with {DEADLINE:?}; refused after that:");
    println!("median {:.2?}, most {:.2?}", late[CLAIMS / 2], late[CLAIMS - 1]);
}
