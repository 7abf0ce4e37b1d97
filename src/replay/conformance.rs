//! What every [`ReplayGuard`] must do, as a check to run against one's own.

use std::error::Error;
use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::task::{Context, Poll, Waker};

use super::{Claimed, Lease, ReplayClaim, ReplayGuard, Settled};
use crate::answer::Answer;
use crate::error::ConfigError;
use crate::key::KeyId;

/// Runs the checks that the crate's own guards pass, at `now` (Unix seconds): the real time, where the guard goes by it.
///
/// The guard must be reachable and must have room for a thousand entries; what others claim does no harm. Leaves entries
/// of keys that begin with `conformance-`, which live for ten minutes.
///
/// ```
/// use tower_hmac::replay::{MemoryReplayGuard, conformance};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// conformance(&MemoryReplayGuard::new(), 1_795_303_445).await.unwrap();
/// # }
/// ```
///
/// # Errors
///
/// The first thing that it does wrong.
pub async fn conformance(guard: &dyn ReplayGuard, now: u64) -> Result<(), Nonconformance> {
    let run = Run::new(guard, now)?;
    run.once().await?;
    run.names().await?;
    run.time().await?;
    run.at_once().await?;
    run.leases().await?;
    run.dropped().await
}

/// What a guard did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonconformance(String);

impl fmt::Display for Nonconformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Nonconformance {}

impl From<ConfigError> for Nonconformance {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

struct Run<'g> {
    guard: &'g dyn ReplayGuard,
    now: u64,
    /// Two keys that no other run has, the one's name being the beginning of the other's.
    keys: [KeyId; 2],
}

const LIFE: u64 = 600;

impl<'g> Run<'g> {
    fn new(guard: &'g dyn ReplayGuard, now: u64) -> Result<Self, Nonconformance> {
        let id = format!("conformance-{:016x}", RandomState::new().hash_one(now));
        Ok(Self { guard, now, keys: [KeyId::new(&id)?, KeyId::new(&format!("{id}a"))?] })
    }

    fn claim<'a>(&'a self, nonce: &'a str) -> ReplayClaim<'a> {
        let [key_id, _] = &self.keys;
        ReplayClaim { key_id, nonce, valid_until: self.now.saturating_add(LIFE), now: self.now }
    }

    async fn answers(&self, what: &str, claim: ReplayClaim<'_>, expected: Claimed) -> Result<(), Nonconformance> {
        let answer = self.guard.claim(&claim).await;
        verdict(what, answer == expected, format_args!("{answer:?} instead of {expected:?}"))
    }

    async fn once(&self) -> Result<(), Nonconformance> {
        self.answers("the first claim", self.claim("once"), Claimed::Fresh).await?;
        for _ in 0..3 {
            self.answers("the same claim again", self.claim("once"), Claimed::Seen).await?;
        }
        let longer = ReplayClaim { valid_until: self.now.saturating_add(LIFE + 60), ..self.claim("once") };
        self.answers("the same nonce with a later end", longer, Claimed::Seen).await
    }

    /// Different key ids or nonces are different entries, whatever is in them.
    async fn names(&self) -> Result<(), Nonconformance> {
        let [_, other] = &self.keys;
        let long = "x".repeat(4096);
        let nonces =
            ["a", "A", "aa", "", " ", "a ", "a\0", "a\nb", "{a}", "*", "ä", "0", "00", &long, long.split_at(4095).0];
        for nonce in nonces {
            self.answers("a nonce of its own", self.claim(nonce), Claimed::Fresh).await?;
            let others = ReplayClaim { key_id: other, ..self.claim(nonce) };
            self.answers("the same nonce of another key", others, Claimed::Fresh).await?;
        }
        for nonce in nonces {
            self.answers("each of them again", self.claim(nonce), Claimed::Seen).await?;
        }
        self.answers("a nonce that moves into the key id", self.claim("amoved"), Claimed::Fresh).await?;
        let moved = ReplayClaim { key_id: other, ..self.claim("moved") };
        self.answers("a key id that moves into the nonce", moved, Claimed::Fresh).await
    }

    async fn time(&self) -> Result<(), Nonconformance> {
        let late = ReplayClaim { valid_until: self.now.saturating_sub(1), ..self.claim("late") };
        self.answers("a claim whose time is over", late, Claimed::Expired).await?;
        self.answers("its nonce, which was not spent", self.claim("late"), Claimed::Fresh).await?;
        let last = ReplayClaim { valid_until: self.now, ..self.claim("last second") };
        self.answers("a claim in its last second", last, Claimed::Fresh).await?;
        self.answers("the same again", last, Claimed::Seen).await
    }

    /// Of many equal claims at the same time, one is fresh.
    async fn at_once(&self) -> Result<(), Nonconformance> {
        for nonce in (0..8).map(|round| format!("at once {round}")) {
            let claims: Vec<_> = (0..64).map(|_| self.guard.claim(&self.claim(&nonce))).collect();
            let answers = all(claims).await;
            let fresh = answers.iter().filter(|answer| **answer == Claimed::Fresh).count();
            let seen = answers.iter().filter(|answer| **answer == Claimed::Seen).count();
            let right = fresh == 1 && fresh.saturating_add(seen) == answers.len();
            verdict("64 equal claims at once", right, format_args!("{fresh} are Fresh, {seen} are Seen"))?;
        }
        Ok(())
    }

    /// For a guard that knows leases.
    async fn leases(&self) -> Result<(), Nonconformance> {
        let (spent, freed) = (self.claim("spent"), self.claim("released"));
        let take = async |claim: &ReplayClaim<'_>| {
            let lease = Lease::new(claim, 30);
            (self.guard.lease(claim, &lease).await, lease)
        };
        let (answer, first) = take(&spent).await;
        if answer == Claimed::Unavailable {
            return Ok(());
        }
        verdict("a lease", answer == Claimed::Fresh, format_args!("{answer:?}"))?;
        self.answers("a claim while it is leased", spent, Claimed::Seen).await?;
        let (answer, _) = take(&spent).await;
        verdict("a lease while it is leased", answer == Claimed::Seen, format_args!("{answer:?}"))?;
        self.guard.settle(&spent, &first, Settled::Spent).await;
        self.guard.settle(&spent, &first, Settled::Released).await;
        self.answers("a claim when the lease was settled as spent", spent, Claimed::Seen).await?;

        let (_, first) = take(&freed).await;
        self.guard.settle(&freed, &first, Settled::Released).await;
        let (answer, second) = take(&freed).await;
        verdict("a lease after a release", answer == Claimed::Fresh, format_args!("{answer:?}"))?;
        self.guard.settle(&freed, &second, Settled::Released).await;
        self.answers("a claim after a release", freed, Claimed::Fresh).await?;
        self.guard.settle(&freed, &second, Settled::Released).await;
        self.answers("a claim after a release by somebody else", freed, Claimed::Seen).await
    }

    /// A claim that nobody waits for is spent or is not; what comes after it gets answers of its own.
    async fn dropped(&self) -> Result<(), Nonconformance> {
        for round in 0..32 {
            let (left, next) = (format!("left {round}"), format!("next {round}"));
            let mut polls = round % 4_u32;
            if let Answer::Later(mut answer) = self.guard.claim(&self.claim(&left)) {
                let mut context = Context::from_waker(Waker::noop());
                while polls > 0 && answer.as_mut().poll(&mut context).is_pending() {
                    polls = polls.saturating_sub(1);
                }
            }
            self.answers("a new claim after one that was dropped", self.claim(&next), Claimed::Fresh).await?;
            self.answers("that claim again", self.claim(&next), Claimed::Seen).await?;
            let answer = self.guard.claim(&self.claim(&left)).await;
            let right = matches!(answer, Claimed::Fresh | Claimed::Seen);
            verdict("a claim that was dropped before", right, format_args!("{answer:?}"))?;
            self.answers("the same for the third time", self.claim(&left), Claimed::Seen).await?;
        }
        Ok(())
    }
}

fn verdict(what: &str, right: bool, found: fmt::Arguments<'_>) -> Result<(), Nonconformance> {
    match right {
        true => Ok(()),
        false => Err(Nonconformance(format!("{what}: {found}"))),
    }
}

/// Polls all of them until each has answered.
async fn all(answers: Vec<Answer<Claimed>>) -> Vec<Claimed> {
    let mut waiting: Vec<_> = answers.into_iter().map(IntoFuture::into_future).collect();
    let mut done = Vec::new();
    poll_fn(|context| {
        waiting.retain_mut(|answer| match answer.as_mut().poll(context) {
            Poll::Ready(answer) => {
                done.push(answer);
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done
}
