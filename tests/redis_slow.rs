//! a network that is slow, cuts what it carries into bytes, and breaks off: an honest claim passes within its
//! deadline, and none passes that Redis did not acknowledge.
#![cfg(feature = "redis")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::net;
use support::redis::{Redis, now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tower_hmac::KeyId;
use tower_hmac::replay::{Claimed, RedisReplayGuard, ReplayClaim, ReplayGuard};

/// What the network does with the bytes of one direction.
#[derive(Clone, Copy)]
struct Network {
    delay: Duration,
    /// How many bytes travel together.
    piece: usize,
    /// After how many bytes from Redis a connection is lost.
    lost_after: usize,
}

impl Network {
    const GOOD: Self = Self { delay: Duration::ZERO, piece: 4096, lost_after: usize::MAX };

    async fn carry(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, lost_after: usize) {
        let (mut buffer, mut carried) = ([0; 4096], 0);
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            tokio::time::sleep(self.delay).await;
            for piece in buffer[..read].chunks(self.piece) {
                carried += piece.len();
                if carried > lost_after || to.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    async fn serve(self, listener: TcpListener, redis: SocketAddr) {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(redis).await.unwrap();
            client.set_nodelay(true).unwrap();
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::spawn(async move {
                // Whichever ends first ends both.
                tokio::select! {
                    () = self.carry(from_client, to_server, usize::MAX) => {}
                    () = self.carry(from_server, to_client, self.lost_after) => {}
                }
            });
        }
    }
}

async fn guard(redis: &Redis, network: Network, deadline: Duration) -> RedisReplayGuard {
    let port = redis.port();
    let proxy = net::start(|listener| network.serve(listener, ([127, 0, 0, 1], port).into())).await;
    RedisReplayGuard::lazy(&format!("redis://{proxy}/")).unwrap().deadline(deadline)
}

async fn claim(guard: &RedisReplayGuard, nonce: &str) -> Claimed {
    let (key_id, now) = (KeyId::new("svc-a").unwrap(), now());
    guard.claim(&ReplayClaim { key_id: &key_id, nonce, valid_until: now + 360, now }).await
}

const PATIENT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn within_its_deadline_every_claim_passes_once() {
    let Some(redis) = Redis::start(&[]) else { return };
    for (name, delay, piece) in [("slow", 50, 4096), ("in bytes", 0, 1), ("slow, in bytes", 5, 1)] {
        let network = Network { delay: Duration::from_millis(delay), piece, ..Network::GOOD };
        let guard = guard(&redis, network, PATIENT).await;
        for n in 0..10 {
            let nonce = format!("{name}-{n}");
            assert_eq!(claim(&guard, &nonce).await, Claimed::Fresh, "{nonce}");
            assert_eq!(claim(&guard, &nonce).await, Claimed::Seen, "{nonce}");
        }
    }
}

#[tokio::test]
async fn beyond_its_deadline_no_claim_passes() {
    let Some(redis) = Redis::start(&[]) else { return };
    let slow = Network { delay: Duration::from_secs(60), ..Network::GOOD };
    let guard = guard(&redis, slow, Duration::from_millis(50)).await;
    for n in 0..10 {
        assert_eq!(claim(&guard, &format!("late-{n}")).await, Claimed::Unavailable);
    }
}

#[tokio::test]
async fn over_connections_that_are_lost_nothing_passes_unacknowledged() {
    let Some(redis) = Redis::start(&[]) else { return };
    let direct = guard(&redis, Network::GOOD, PATIENT).await;
    // The answers to the hello of a connection and to some claims; an answer may be cut in the middle.
    let lossy = guard(&redis, Network { lost_after: 300, ..Network::GOOD }, PATIENT).await;
    let (mut passed, mut unavailable) = (0, 0);
    for n in 0..500 {
        let nonce = format!("lossy-{n}");
        match claim(&lossy, &nonce).await {
            Claimed::Fresh => {
                passed += 1;
                assert_eq!(claim(&direct, &nonce).await, Claimed::Seen, "{nonce}: passed, and not spent");
            }
            Claimed::Unavailable => unavailable += 1,
            other => panic!("{nonce}: {other:?}"),
        }
    }
    println!("{passed} passed, {unavailable} unavailable");
    assert!(passed > 100 && unavailable > 3, "{passed} {unavailable}");
}
