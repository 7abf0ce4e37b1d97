//! One suite for every guard, and guards with one defect each that it must find.

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use support::NOW;
use tower_hmac::Answer;
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim, ReplayGuard, conformance};

#[tokio::test]
async fn the_guard_in_memory_conforms() {
    conformance(&MemoryReplayGuard::new(), NOW).await.unwrap();
    let small = MemoryReplayGuard::with_capacity(1000).unwrap().per_key(1000);
    conformance(&small, NOW).await.unwrap();
    conformance(&small, NOW + 1).await.unwrap();
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn the_guard_in_redis_conforms() {
    use tower_hmac::replay::RedisReplayGuard;

    let Some(redis) = support::redis::Redis::start(&[]) else { return };
    let guard = RedisReplayGuard::connect(&redis.url()).await.unwrap();
    for _ in 0..2 {
        conformance(&guard, support::redis::now()).await.unwrap();
    }
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Defect {
    None,
    ForgetsOthers,
    JoinsNames,
    IgnoresCase,
    IgnoresTheKey,
    KnowsTheEnd,
    SpendsLate,
    ChecksThenSets,
    DropsWhatIsLeft,
    AlwaysSeen,
    Full,
}

/// As somebody may write it by hand.
#[derive(Clone)]
struct ByHand {
    spent: Arc<Mutex<HashMap<String, u64>>>,
    claims: Arc<AtomicUsize>,
    defect: Defect,
}

impl ByHand {
    fn new(defect: Defect) -> Self {
        Self { spent: Arc::default(), claims: Arc::default(), defect }
    }

    fn name(&self, claim: &ReplayClaim<'_>) -> String {
        let (id, nonce) = (claim.key_id.as_str(), claim.nonce);
        match self.defect {
            Defect::JoinsNames => format!("{id}{nonce}"),
            Defect::IgnoresCase => format!("{}:{id}{}", id.len(), nonce.to_lowercase()),
            Defect::IgnoresTheKey => nonce.to_owned(),
            Defect::KnowsTheEnd => format!("{}:{id}{nonce}{}", id.len(), claim.valid_until),
            _ => format!("{}:{id}{nonce}", id.len()),
        }
    }

    fn spend(&self, name: String, until: u64) -> Claimed {
        match self.spent.lock().unwrap().insert(name, until) {
            None => Claimed::Fresh,
            Some(_) => Claimed::Seen,
        }
    }
}

impl ReplayGuard for ByHand {
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        let (this, name, until) = (self.clone(), self.name(claim), claim.valid_until);
        let late = until < claim.now;
        if late && self.defect != Defect::SpendsLate {
            return Claimed::Expired.into();
        }
        let count = self.claims.fetch_add(1, Ordering::SeqCst);
        match self.defect {
            Defect::ForgetsOthers if count % 5 == 4 => self.spent.lock().unwrap().clear(),
            Defect::AlwaysSeen => return Claimed::Seen.into(),
            Defect::Full if count > 50 => return Claimed::Full.into(),
            _ => {}
        }
        Answer::later(async move {
            if this.defect == Defect::ChecksThenSets {
                let seen = this.spent.lock().unwrap().contains_key(&name);
                tokio::task::yield_now().await;
                this.spent.lock().unwrap().insert(name, until);
                return if seen { Claimed::Seen } else { Claimed::Fresh };
            }
            let answer = this.spend(name.clone(), until);
            tokio::task::yield_now().await;
            if this.defect == Defect::DropsWhatIsLeft && answer == Claimed::Fresh && count > 600 {
                this.spent.lock().unwrap().remove(&name);
            }
            if late { Claimed::Expired } else { answer }
        })
    }
}

#[tokio::test]
async fn a_guard_by_hand_conforms_and_each_defect_is_found() {
    conformance(&ByHand::new(Defect::None), NOW).await.unwrap();
    for defect in [
        Defect::ForgetsOthers,
        Defect::JoinsNames,
        Defect::IgnoresCase,
        Defect::IgnoresTheKey,
        Defect::KnowsTheEnd,
        Defect::SpendsLate,
        Defect::ChecksThenSets,
        Defect::DropsWhatIsLeft,
        Defect::AlwaysSeen,
        Defect::Full,
    ] {
        let found = conformance(&ByHand::new(defect), NOW).await.unwrap_err();
        println!("{defect:?}: {found}");
    }
}

/// The trait and the suite work on trait objects.
#[tokio::test]
async fn a_guard_behind_a_pointer_conforms() {
    let guard: Arc<dyn ReplayGuard> = Arc::new(MemoryReplayGuard::new());
    conformance(&guard, NOW).await.unwrap();
}
