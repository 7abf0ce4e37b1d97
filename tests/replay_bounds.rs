//! The guard in memory stays within its bounds: in total, for each key, in bytes, and in the work of one claim.

mod support;

use support::alloc::{Counting, measure};
use support::body::Script;
use support::service::Inner;
use support::wire::Wire;
use support::{KEY_HEX, NOW};
use tower::{Layer, ServiceExt};
use tower_hmac::replay::{Claimed, Lease, MemoryReplayGuard, ReplayClaim, ReplayGuard, Settled};
use tower_hmac::{Answer, HmacLayer, Key, KeyId, KeyQuery, RejectionKind, Scheme};

#[global_allocator]
static HEAP: Counting = Counting;

/// Spends numbered nonces of one key.
struct Caller<'a>(&'a MemoryReplayGuard, KeyId);

impl<'a> Caller<'a> {
    fn new(guard: &'a MemoryReplayGuard, id: &str) -> Self {
        Self(guard, KeyId::new(id).unwrap())
    }

    fn spend(&self, number: u64, valid_until: u64, now: u64) -> Claimed {
        let nonce = format!("{number:020}");
        self.0.spend(&ReplayClaim { key_id: &self.1, nonce: &nonce, valid_until, now })
    }
}

#[test]
fn h_07_a_flood_of_one_key_leaves_the_others_alone() {
    let guard = MemoryReplayGuard::with_capacity(1000).unwrap().per_key(250);
    let (one, other) = (Caller::new(&guard, "one"), Caller::new(&guard, "other"));
    assert_eq!(one.spend(0, 1300, 1000), Claimed::Fresh);
    for n in 0..10_000 {
        let expected = if n < 250 { Claimed::Fresh } else { Claimed::OverQuota };
        assert_eq!(other.spend(n, 1300, 1000), expected, "{n}");
    }
    assert_eq!(one.spend(0, 1300, 1000), Claimed::Seen);
    assert!((1..250).all(|n| one.spend(n, 1300, 1000) == Claimed::Fresh));
    assert_eq!(one.spend(250, 1300, 1000), Claimed::OverQuota);
    assert_eq!(guard.len(), 500);
    // What has expired counts no more once it is freed: by 8 at least with each claim that finds no room.
    let mut refused = 0;
    for caller in [&other, &one] {
        for n in 1000..1250 {
            while caller.spend(n, 1600, 1301) == Claimed::OverQuota {
                refused += 1;
            }
            assert_eq!(caller.spend(n, 1600, 1301), Claimed::Seen, "{n}");
        }
        assert_eq!(caller.spend(2000, 1600, 1301), Claimed::OverQuota);
    }
    assert!(refused <= 500 / 8, "{refused}");
    assert_eq!(guard.len(), 500);
}

#[test]
fn the_default_guard_keeps_three_quarters_from_any_key() {
    let guard = MemoryReplayGuard::new();
    let (one, other) = (Caller::new(&guard, "one"), Caller::new(&guard, "other"));
    assert!((0..250_000).all(|n| other.spend(n, 1300, 1000) == Claimed::Fresh));
    assert_eq!(other.spend(250_000, 1300, 1000), Claimed::OverQuota);
    assert_eq!(one.spend(0, 1300, 1000), Claimed::Fresh);
}

#[test]
fn quotas_are_exact_for_many_keys_that_come_and_go() {
    let guard = MemoryReplayGuard::with_capacity(1_000_000).unwrap().per_key(2);
    let keys: Vec<_> = (0..20_000).map(|n| KeyId::new(&format!("partner-{n}")).unwrap()).collect();
    for round in 0..3 {
        let now = 1000 + round * 10;
        for key in &keys {
            let spend = |nonce| guard.spend(&ReplayClaim { key_id: key, nonce, valid_until: now, now });
            assert_eq!([spend("1"), spend("2"), spend("3")], [Claimed::Fresh, Claimed::Fresh, Claimed::OverQuota]);
            assert_eq!([spend("1"), spend("2")], [Claimed::Seen, Claimed::Seen]);
        }
    }
}

#[tokio::test]
async fn a_key_over_its_quota_is_429_and_a_full_guard_503() {
    let guard = MemoryReplayGuard::with_capacity(3).unwrap().per_key(2);
    let keys = |query: &KeyQuery<'_>| query.key_id().map(|id| Key::from_hex(id, KEY_HEX).unwrap()).into();
    let layer = HmacLayer::new(Scheme::native(), keys).unwrap().clock(support::clock()).replay_guard(guard);
    let inner = Inner::ok();
    let service = layer.layer(inner.clone());
    let ask = async |id: &str| {
        let request = Wire::get("/").key(id, KEY_HEX).request(Script::new([]));
        let response = service.clone().oneshot(request).await.unwrap();
        (response.status().as_u16(), response.extensions().get::<RejectionKind>().copied())
    };
    assert_eq!([ask("a").await, ask("a").await], [(200, None), (200, None)]);
    assert_eq!(ask("a").await, (429, Some(RejectionKind::Quota)));
    assert_eq!(ask("b").await, (200, None));
    assert_eq!(ask("b").await, (503, Some(RejectionKind::GuardUnavailable)));
    assert_eq!(ask("a").await, (429, Some(RejectionKind::Quota)));
    assert_eq!(inner.calls(), 3);
}

#[test]
fn h_16_an_entry_takes_at_most_96_bytes_at_every_size() {
    let (guard, empty) = measure(MemoryReplayGuard::new);
    println!("empty: {} bytes in {} allocations", empty.bytes, empty.allocations);
    assert!(empty.bytes <= 32 * 1024 && empty.allocations <= 4, "{empty:?}");
    drop(guard);

    let ((), heap) = measure(|| {
        let guard = MemoryReplayGuard::with_capacity(1_000_000).unwrap().per_key(1_000_000);
        let caller = Caller::new(&guard, "svc-a");
        for n in 0..1_000_000 {
            assert_eq!(caller.spend(n, NOW + n % 60, NOW), Claimed::Fresh);
            if n >= 2000 && n % 1000 == 0 {
                let peak = support::alloc::so_far().peak;
                assert!(peak <= 96 * n as i64, "{peak} bytes for {n} entries");
            }
        }
    });
    println!("10⁶ entries: {} bytes at most, {} allocations", heap.peak, heap.allocations);
    // One key each is the worst that quotas can cost.
    let ((), heap) = measure(|| {
        let guard = MemoryReplayGuard::with_capacity(200_000).unwrap().per_key(1);
        for n in 0..200_000 {
            assert_eq!(Caller::new(&guard, &n.to_string()).spend(0, NOW, NOW), Claimed::Fresh);
        }
    });
    println!("2·10⁵ entries of as many keys: {} bytes at most", heap.peak);
    assert!(heap.peak <= 96 * 200_000, "{}", heap.peak);
}

#[test]
fn y_08_a_claim_frees_at_most_8_entries_and_all_are_freed_soon() {
    const LIVE: u64 = 100_000;
    let guard = MemoryReplayGuard::with_capacity(2 * LIVE as usize).unwrap();
    let caller = Caller::new(&guard, "svc-a");
    assert!((0..LIVE).all(|n| caller.spend(n, NOW, NOW) == Claimed::Fresh));
    let (mut before, mut claims) = (guard.len(), 0);
    while guard.len() > claims as usize {
        assert_eq!(caller.spend(LIVE + claims, NOW + 400, NOW + 1), Claimed::Fresh);
        claims += 1;
        assert!(guard.len() + 8 > before, "{claims}: {before} to {}", guard.len());
        before = guard.len();
        assert!(claims < LIVE / 2, "slow");
    }
    println!("{LIVE} expired entries were gone after {claims} claims");
    assert!((LIVE..LIVE + claims).all(|n| caller.spend(n, NOW + 400, NOW + 1) == Claimed::Seen));
}

#[test]
fn leases_that_were_made_longer_leave_as_fast_as_new_ones_come() {
    const LIFE: u64 = 300;
    let guard = MemoryReplayGuard::with_capacity(8000).unwrap();
    let id = KeyId::new("svc-a").unwrap();
    for n in 0..100_000 {
        let (nonce, now) = (format!("{n:020}"), NOW + n / 20);
        let claim = ReplayClaim { key_id: &id, nonce: &nonce, valid_until: now + LIFE, now };
        let lease = Lease::new(&claim, 10);
        assert!(matches!(guard.lease(&claim, &lease), Answer::Ready(Claimed::Fresh)), "{n}: {guard:?}");
        assert!(matches!(guard.settle(&claim, &lease, Settled::Spent), Answer::Ready(())));
        // 20 a second for five minutes are alive.
        assert!(guard.len() <= 6800, "{n}: {guard:?}");
        assert_eq!(guard.spend(&claim), Claimed::Seen);
    }
}

#[test]
fn what_expires_out_of_order_is_freed_by_a_full_guard_and_nothing_else() {
    const SECONDS: u64 = 40;
    let guard = MemoryReplayGuard::with_capacity(400).unwrap();
    let caller = Caller::new(&guard, "svc-a");
    let until = |n: u64| NOW + n * 17 % SECONDS;
    assert!((0..400).all(|n| caller.spend(n, until(n), NOW) == Claimed::Fresh));
    let mut free = 0;
    for now in NOW..NOW + SECONDS {
        let live = (0..400).filter(|n| until(*n) >= now);
        assert!(live.clone().all(|n| caller.spend(n, until(n), now) == Claimed::Seen));
        let room = 400 - live.count() as u64;
        // An entry that waits behind a longer one may take its place a little longer, never less long.
        while free < room && caller.spend(10_000 + free, NOW + 9999, now) == Claimed::Fresh {
            free += 1;
        }
        assert!(guard.len() <= 400);
    }
    assert!((0..free).all(|n| caller.spend(10_000 + n, NOW + 9999, NOW + SECONDS) == Claimed::Seen));
    println!("{free} of 390 places were used again");
    assert!(free > 200);
}
