//! a replica that lags is promoted. Where a claim waits for it, no message passes twice; where it does not, those
//! pass again that the replica had not heard of.
//!
//! The long run: `cargo test --release --all-features --test redis_failover -- --ignored --test-threads 1 --nocapture`.
#![cfg(feature = "redis")]

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::net;
use support::nodes::{ACCEPTED, Event, SEEN, UNAVAILABLE, claim};
use support::redis::Redis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tower_hmac::replay::RedisReplayGuard;

const SEED: u64 = 8;

/// An address that leads to one server after another, as a name or a balancer does.
#[derive(Clone)]
struct Way {
    address: SocketAddr,
    port: Arc<AtomicU16>,
    /// What servers say is lost.
    mute: Arc<AtomicBool>,
    cut: Arc<Notify>,
}

impl Way {
    async fn to(port: u16) -> Self {
        let (port, mute, cut) = (Arc::new(AtomicU16::new(port)), Arc::default(), Arc::default());
        let way = Self { address: ([127, 0, 0, 1], 0).into(), port, mute, cut };
        let serving = way.clone();
        Self { address: net::start(|listener| serving.serve(listener)).await, ..way }
    }

    /// New connections lead there, and the old ones are over.
    fn leads_to(&self, port: u16) {
        self.port.store(port, Ordering::SeqCst);
        self.mute.store(false, Ordering::SeqCst);
        self.cut.notify_waiters();
    }

    async fn serve(self, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            let way = self.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = way.cut.notified() => {}
                    _ = way.carry(client) => {}
                }
            });
        }
    }

    async fn carry(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut server = TcpStream::connect(("127.0.0.1", self.port.load(Ordering::SeqCst))).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut asked, mut said) = ([0; 4096], [0; 4096]);
        loop {
            tokio::select! {
                read = client.read(&mut asked) => match read? {
                    0 => return Ok(()),
                    read => server.write_all(&asked[..read]).await?,
                },
                read = server.read(&mut said) => match read? {
                    0 => return Ok(()),
                    _ if self.mute.load(Ordering::SeqCst) => {}
                    read => client.write_all(&said[..read]).await?,
                },
            }
        }
    }
}

/// A primary and the replica that follows it.
struct Pair {
    primary: Redis,
    replica: Redis,
    /// To the primary, for all guards, and for the replica.
    front: Way,
    back: Way,
}

impl Pair {
    async fn start() -> Option<Self> {
        let options = ["--repl-diskless-sync-delay", "0"];
        let (primary, replica) = (Redis::start(&options)?, Redis::start(&options)?);
        let (front, back) = (Way::to(primary.port()).await, Way::to(primary.port()).await);
        let pair = Self { primary, replica, front, back };
        pair.follow().await;
        Some(pair)
    }

    async fn follow(&self) {
        let port = self.back.address.port().to_string();
        self.replica.ask::<()>(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
        let start = Instant::now();
        while !self.replica.ask::<String>(&["INFO", "replication"]).unwrap().contains("master_link_status:up") {
            assert!(start.elapsed() < Duration::from_secs(20), "no replication");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// From now on the replica hears nothing.
    fn lag(&self) {
        self.back.mute.store(true, Ordering::SeqCst);
    }

    /// The primary dies, and the replica takes its place with what it has. The dead one comes back as its replica.
    async fn fail_over(&mut self) {
        self.primary.kill();
        self.back.cut.notify_waiters();
        self.replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).unwrap();
        self.front.leads_to(self.replica.port());
        std::mem::swap(&mut self.primary, &mut self.replica);
        self.back.leads_to(self.primary.port());
        self.replica.restart();
        self.follow().await;
    }

    fn guard(&self, replicas: u16) -> RedisReplayGuard {
        RedisReplayGuard::lazy(&format!("redis://{}/", self.front.address)).unwrap().replicas(replicas)
    }
}

/// The first answer that is one.
async fn answer(guard: &RedisReplayGuard, message: u64) -> Event {
    let start = Instant::now();
    loop {
        let event = claim(guard, SEED, message).await;
        if event.outcome != UNAVAILABLE {
            return event;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no answer after a failover");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Claims each message four times, over as many connections, until it is told to stop.
async fn load(guards: &[RedisReplayGuard], first: u64, stop: &AtomicBool) -> Vec<Event> {
    let mut events = Vec::new();
    for message in (first..).step_by(16) {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let some = (0..16).flat_map(|n| guards.iter().map(move |guard| claim(guard, SEED, message + n)));
        events.extend(join_all(some).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    events
}

/// How many acceptances there were too many, in so many failovers.
async fn doubles(failovers: u64, replicas: u16) -> Option<usize> {
    let mut pair = Pair::start().await?;
    let guards: Vec<_> = (0..4).map(|_| pair.guard(replicas)).collect();
    let (mut too_many, mut accepted, mut claims) = (0, 0, 0);
    for failover in 0..failovers {
        let stop = AtomicBool::new(false);
        let disaster = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            pair.lag();
            tokio::time::sleep(Duration::from_millis(60)).await;
            pair.fail_over().await;
            stop.store(true, Ordering::SeqCst);
        };
        let (mut events, ()) = tokio::join!(load(&guards, failover << 32, &stop), disaster);
        let mut times: HashMap<u64, usize> = HashMap::new();
        // Whoever listened sends everything again.
        for message in events.iter().map(|event| event.message).collect::<std::collections::BTreeSet<_>>() {
            events.push(answer(&guards[0], message).await);
        }
        for event in &events {
            *times.entry(event.message).or_default() += usize::from(event.outcome == ACCEPTED);
        }
        claims += events.len();
        accepted += times.values().filter(|times| **times > 0).count();
        too_many += times.values().map(|times| times.saturating_sub(1)).sum::<usize>();
    }
    println!("{failovers} failovers, {claims} claims, {accepted} messages accepted, {too_many} times too many");
    assert!(accepted > 0);
    Some(too_many)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_replica_passes_once() {
    if let Some(doubles) = doubles(3, 1).await {
        assert_eq!(doubles, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_wait_passes_again_if_the_replica_had_not_heard_of_it() {
    if let Some(doubles) = doubles(1, 0).await {
        assert!(doubles > 0, "nothing was lost: the runs that wait show nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn x_08_long() {
    let (Some(on), Some(off)) = (doubles(100, 1).await, doubles(100, 0).await) else { return };
    println!("accepted too often: {on} with a replica, {off} without");
    assert!(on == 0 && off > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_replica_nothing_passes_until_it_is_back() {
    let Some(mut pair) = Pair::start().await else { return };
    let (guard, sure) = (pair.guard(0), pair.guard(1));
    sure.check().await.unwrap();
    // One that has only just connected takes a while until it says what it has heard.
    passes(&sure, 1000).await;
    assert_eq!(claim(&sure, SEED, 1).await.outcome, ACCEPTED);
    assert_eq!(claim(&sure, SEED, 1).await.outcome, SEEN);
    pair.guard(2).check().await.unwrap_err();
    assert_eq!(claim(&pair.guard(2), SEED, 2).await.outcome, UNAVAILABLE);

    pair.replica.kill();
    assert_eq!(claim(&sure, SEED, 3).await.outcome, UNAVAILABLE);
    assert_eq!(claim(&guard, SEED, 4).await.outcome, ACCEPTED);
    let error = sure.check().await.unwrap_err();
    assert_eq!(error.to_string(), "Redis has too few replicas: 0, but every claim waits for 1");
    // The primary has it: whoever was refused for want of a replica sends a new message.
    assert_eq!(answer(&guard, 3).await.outcome, SEEN);

    pair.replica.restart();
    pair.follow().await;
    sure.check().await.unwrap();
    passes(&sure, 5).await;
}

/// Claims new messages until one passes.
async fn passes(guard: &RedisReplayGuard, mut message: u64) {
    let start = Instant::now();
    while claim(guard, SEED, message).await.outcome != ACCEPTED {
        assert!(start.elapsed() < Duration::from_secs(10), "the replica is there, and nothing passes");
        message += 1;
    }
}
