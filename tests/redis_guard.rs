//! The guard in a real Redis: what it stores, for how long, and which Redis it refuses.
#![cfg(feature = "redis")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::body::Script;
use support::redis::{Redis, now};
use support::service::Inner;
use support::wire::Wire;
use tower::{Layer, ServiceExt};
use tower_hmac::clock::SystemClock;
use tower_hmac::replay::{Claimed, RedisReplayGuard, ReplayClaim, ReplayGuard};
use tower_hmac::{Answer, KeyId, RejectionKind};

async fn claim(guard: &RedisReplayGuard, id: &str, nonce: &str, life: u64) -> Claimed {
    let (key_id, now) = (KeyId::new(id).unwrap(), now());
    guard.claim(&ReplayClaim { key_id: &key_id, nonce, valid_until: now + life, now }).await
}

#[tokio::test]
async fn i_09_an_entry_has_a_versioned_name_and_lives_until_its_last_second_is_over() {
    let Some(redis) = Redis::start(&[]) else { return };
    let guard = RedisReplayGuard::connect(&redis.url()).await.unwrap();
    for life in [0, 1, 360, 7260] {
        redis.ask::<()>(&["FLUSHALL"]).unwrap();
        assert_eq!(claim(&guard, "svc-a", "0123456789abcdef", life).await, Claimed::Fresh);
        let keys: Vec<String> = redis.ask(&["KEYS", "*"]).unwrap();
        let digest = keys[0].strip_prefix("tower-hmac:1:").unwrap();
        assert!(keys.len() == 1 && digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{keys:?}");
        let ttl: u64 = redis.ask(&["PTTL", &keys[0]]).unwrap();
        let most = (life + 1) * 1000;
        assert!(ttl <= most && ttl + 900 > most, "{ttl} of {most}");
    }
    // A second that is over is not claimed at all.
    redis.ask::<()>(&["FLUSHALL"]).unwrap();
    let (id, now) = (KeyId::new("svc-a").unwrap(), now());
    let late = guard.claim(&ReplayClaim { key_id: &id, nonce: "late", valid_until: now - 1, now });
    assert!(matches!(late, Answer::Ready(Claimed::Expired)));
    assert_eq!(redis.ask::<u64>(&["DBSIZE"]).unwrap(), 0);
}

#[tokio::test]
async fn i_12_names_differ_where_key_id_or_nonce_do_and_show_neither() {
    let Some(redis) = Redis::start(&[]) else { return };
    let guard = RedisReplayGuard::connect(&redis.url()).await.unwrap().prefix("stage:");
    let texts = [("a", "bc"), ("ab", "c"), ("abc", ""), ("a", "{x}\r\nFLUSHALL\r\n"), ("a", "*"), ("svc-a", "a nonce")];
    for (id, nonce) in texts {
        assert_eq!(claim(&guard, id, nonce, 60).await, Claimed::Fresh);
    }
    let keys: BTreeSet<String> = redis.ask(&["KEYS", "*"]).unwrap();
    assert_eq!(keys.len(), texts.len());
    assert!(keys.iter().all(|key| key.starts_with("stage:") && key.len() == 6 + 64), "{keys:?}");
    // Another prefix is another guard.
    let other = guard.clone().prefix("production:");
    assert_eq!(claim(&other, "a", "bc", 60).await, Claimed::Fresh);
    assert_eq!(claim(&guard, "a", "bc", 60).await, Claimed::Seen);
}

#[tokio::test]
async fn an_entry_goes_away_when_its_time_is_over() {
    let Some(redis) = Redis::start(&[]) else { return };
    let guard = RedisReplayGuard::connect(&redis.url()).await.unwrap();
    assert_eq!(claim(&guard, "svc-a", "short", 0).await, Claimed::Fresh);
    assert_eq!(claim(&guard, "svc-a", "short", 0).await, Claimed::Seen);
    let start = Instant::now();
    while redis.ask::<u64>(&["DBSIZE"]).unwrap() > 0 {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn i_06_a_redis_that_evicts_is_refused_where_it_can_be_asked() {
    let Some(evicting) = Redis::start(&["--maxmemory-policy", "volatile-ttl"]) else { return };
    let error = RedisReplayGuard::connect(&evicting.url()).await.unwrap_err().to_string();
    assert!(error.contains("volatile-ttl") && error.contains("noeviction"), "{error}");
    let lazy = RedisReplayGuard::lazy(&evicting.url()).unwrap();
    lazy.check().await.unwrap_err();
    evicting.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).unwrap();
    lazy.check().await.unwrap();

    let nameless = Redis::start(&["--rename-command", "CONFIG", ""]).unwrap();
    RedisReplayGuard::connect(&nameless.url()).await.unwrap();

    let limited = Redis::start(&[]).unwrap();
    limited.ask::<()>(&["ACL", "SETUSER", "guard", "on", ">secret", "~tower-hmac:*", "+set", "+client"]).unwrap();
    let url = format!("redis://guard:secret@127.0.0.1:{}/", limited.port());
    let guard = RedisReplayGuard::connect(&url).await.unwrap();
    assert_eq!(claim(&guard, "svc-a", "nonce", 60).await, Claimed::Fresh);
    let elsewhere = guard.prefix("elsewhere:");
    assert_eq!(claim(&elsewhere, "svc-a", "nonce", 60).await, Claimed::Unavailable);
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_an_error_at_the_start() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = RedisReplayGuard::connect(&format!("redis://{free}/")).await.unwrap_err();
    println!("{error}: {:?}", std::error::Error::source(&error));
    RedisReplayGuard::connect("not a url").await.unwrap_err();
    let guard = RedisReplayGuard::lazy(&format!("redis://{free}/")).unwrap();
    assert_eq!(claim(&guard, "svc-a", "nonce", 60).await, Claimed::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i_01_one_request_sent_to_four_nodes_at_once_is_served_once() {
    let Some(redis) = Redis::start(&[]) else { return };
    let inner = Inner::ok();
    let nodes = join_all((0..4).map(async |_| {
        let guard = RedisReplayGuard::connect(&redis.url()).await.unwrap();
        let layer = support::layer().clock(SystemClock::default()).replay_guard(guard);
        layer.layer(inner.clone())
    }));
    let nodes = nodes.await;
    for _ in 0..50 {
        let wire = Wire::post("/pay", "{}").timestamp(now());
        let copies = nodes.iter().chain(&nodes).map(|node| {
            let request = wire.request(Script::bytes("{}"));
            tokio::spawn(node.clone().oneshot(request))
        });
        let mut served = 0;
        for response in join_all(copies).await {
            let response = response.unwrap().unwrap();
            match response.status().as_u16() {
                200 => served += 1,
                status => assert_eq!((status, response.extensions().get()), (401, Some(&RejectionKind::Replay))),
            }
        }
        assert_eq!(served, 1);
    }
    assert_eq!(inner.calls(), 50);
}
