//! A three-node cluster accepts each message once, and what its dead node would have to say is 503.
#![cfg(feature = "redis-cluster")]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::nodes::{ACCEPTED, SEEN, UNAVAILABLE, claim};
use support::redis::{Redis, now};
use support::tools;
use tower_hmac::replay::{RedisReplayGuard, conformance};

const SEED: u64 = 1;

/// Three nodes that share the slots, each with so many replicas; a dead one takes its own with it, and no more.
async fn cluster(replicas: usize) -> Option<Vec<Redis>> {
    if !tools::found(&["redis-cli"]) {
        return None;
    }
    let options =
        ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"];
    let nodes: Vec<_> = (0..3 * (1 + replicas)).map(|_| Redis::start(&options)).collect::<Option<_>>()?;
    let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port()));
    let mut command = Command::new("redis-cli");
    command
        .args(["--cluster", "create"])
        .args(addresses)
        .arg("--cluster-replicas")
        .arg(replicas.to_string())
        .arg("--cluster-yes");
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    let start = Instant::now();
    let ready = |node: &Redis| node.ask::<String>(&["CLUSTER", "INFO"]).unwrap().contains("cluster_state:ok");
    while !nodes.iter().all(ready) {
        assert!(start.elapsed() < Duration::from_secs(10), "no cluster");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Some(nodes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_replays_and_the_loss_of_a_node() {
    let Some(mut nodes) = cluster(0).await else { return };
    // One of them knows the others.
    let guard = RedisReplayGuard::connect_cluster(&[&nodes[0].url()]).await.unwrap();
    conformance(&guard, now()).await.unwrap();
    let before: Vec<u64> = nodes.iter().map(|node| node.ask(&["DBSIZE"]).unwrap()).collect();
    for message in 0..300 {
        assert_eq!(claim(&guard, SEED, message).await.outcome, ACCEPTED);
    }
    for message in 0..300 {
        assert_eq!(claim(&guard, SEED, message).await.outcome, SEEN);
    }
    let sizes: Vec<u64> = nodes.iter().map(|node| node.ask(&["DBSIZE"]).unwrap()).collect();
    let grown: Vec<u64> = sizes.iter().zip(&before).map(|(now, before)| now - before).collect();
    println!("entries of each node: {grown:?}");
    assert!(grown.iter().sum::<u64>() == 300 && grown.iter().all(|size| *size > 50));

    nodes[2].kill();
    let (mut refused, mut known) = (0, 0);
    for message in 0..300 {
        match claim(&guard, SEED, message).await.outcome {
            UNAVAILABLE => refused += 1,
            SEEN => known += 1,
            other => panic!("{message} passed twice: {other}"),
        }
    }
    println!("without one node: {refused} unavailable, {known} known");
    assert!(refused as u64 >= grown[2]);
    // The others serve on once the cluster has noticed.
    let (start, mut message) = (Instant::now(), 1000);
    let mut accepted = Vec::new();
    while accepted.len() < 50 {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the rest of the cluster does not serve: {}",
            accepted.len()
        );
        message += 1;
        match claim(&guard, SEED, message).await.outcome {
            ACCEPTED => accepted.push(message),
            UNAVAILABLE => tokio::time::sleep(Duration::from_millis(5)).await,
            other => panic!("{message}: {other}"),
        }
    }
    for message in accepted {
        assert_ne!(claim(&guard, SEED, message).await.outcome, ACCEPTED);
    }
}

#[tokio::test]
async fn i_06_a_node_that_evicts_is_enough_to_refuse_the_cluster() {
    let Some(nodes) = cluster(0).await else { return };
    nodes[1].ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    let error = RedisReplayGuard::connect_cluster(&[&nodes[0].url()]).await.unwrap_err();
    assert!(error.to_string().contains("allkeys-lru"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_the_replica_of_its_node() {
    let Some(mut nodes) = cluster(1).await else { return };
    let guard = RedisReplayGuard::connect_cluster(&[&nodes[0].url()]).await.unwrap().replicas(1);
    let start = Instant::now();
    while guard.check().await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "no replicas");
    }
    for message in 0..30 {
        assert_eq!(claim(&guard, SEED, message).await.outcome, ACCEPTED);
    }
    for message in 0..30 {
        assert_eq!(claim(&guard, SEED, message).await.outcome, SEEN);
    }
    // Two replicas are more than there are.
    let greedy = guard.clone().replicas(2);
    greedy.check().await.unwrap_err();
    for message in 30..33 {
        assert_eq!(claim(&greedy, SEED, message).await.outcome, UNAVAILABLE);
    }
    // The last of them follows one primary, whose claims fail; those of the others pass.
    nodes[5].kill();
    guard.check().await.unwrap_err();
    let (mut accepted, mut unavailable) = (0, 0);
    for message in 100..130 {
        match claim(&guard, SEED, message).await.outcome {
            ACCEPTED => accepted += 1,
            UNAVAILABLE => unavailable += 1,
            other => panic!("{message}: {other}"),
        }
    }
    println!("without one replica: {accepted} accepted, {unavailable} unavailable");
    assert!(accepted > 5 && unavailable > 2);
}

/// How many entries this node was asked to make.
fn asked(node: &Redis) -> u64 {
    let stats = node.ask::<String>(&["INFO", "commandstats"]).unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_set:calls="));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stands_still_is_not_piled_upon_and_its_replica_is_found() {
    let Some(nodes) = cluster(1).await else { return };
    let urls = [nodes[0].url(), nodes[1].url()];
    let guard = RedisReplayGuard::connect_cluster(&[&urls[0], &urls[1]]).await.unwrap();
    let (start, sure) = (Instant::now(), guard.clone().replicas(1));
    while sure.check().await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "no replicas");
    }
    let before = asked(&nodes[2]);
    nodes[2].signal("STOP");
    // A third of these is for it.
    let mut message = 0;
    for _ in 0..20 {
        let burst = (0..300).map(|n| claim(&guard, SEED, message + n));
        futures_util::future::join_all(burst).await;
        message += 300;
    }
    let start = Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 200 {
        assert!(start.elapsed() < Duration::from_secs(10), "the promoted replica is not found");
        message += 1;
        match claim(&guard, SEED, message).await.outcome {
            ACCEPTED => in_a_row += 1,
            _ => in_a_row = 0,
        }
    }
    println!("all is well {:?} after the load", start.elapsed());
    nodes[2].signal("CONT");
    let sent = asked(&nodes[2]) - before;
    println!("{sent} claims were sent to the node that stood still");
    assert!(sent < 900, "{sent}");
}
