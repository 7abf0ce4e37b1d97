//! The guard of several processes.

mod check;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod commands;
mod error;
mod health;
mod link;
mod replicas;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};

use self::commands::{holder, life};
pub use self::error::RedisGuardError;
use self::health::Health;
use self::link::{Link, Single};
use super::{Claimed, Lease, ReplayClaim, ReplayGuard, Settled};
use crate::answer::Answer;
use crate::mac::BodyHash;

/// A replay guard in Redis: all processes that share it accept a message once.
///
/// A claim is one command, `SET key 1 NX PX ttl`, on one connection that all claims share. Whatever goes wrong is
/// status 503: there is no second attempt, since the first may have been heard, and nothing falls back to memory. While
/// Redis does not answer, one claim at a time (in a cluster, for each of 64 parts of the names) finds out whether it is
/// back, and the others are refused at once.
///
/// Redis must forget nothing on its own: `maxmemory-policy noeviction`, which is checked where `CONFIG GET` is allowed.
/// A message may pass twice if Redis loses a write that it acknowledged: after a crash without `appendfsync always`, or
/// in a failover without [`replicas`](Self::replicas). Each application and stage needs a [`prefix`](Self::prefix).
///
/// With [`AtLeastOnce`](super::AtLeastOnce) a lease is settled by a second command, `EVAL`, which the user that connects
/// must be allowed to send: else a message that was handled passes again when its lease ends.
///
/// For TLS (`rediss://`), enable a TLS feature of the `redis` crate. Needs a tokio runtime.
///
/// ```no_run
/// use tower_hmac::replay::RedisReplayGuard;
/// use tower_hmac::{HmacLayer, Key, Scheme};
///
/// # async fn run(key: Key) -> Result<(), Box<dyn std::error::Error>> {
/// let guard = RedisReplayGuard::connect("redis://127.0.0.1/").await?;
/// let layer = HmacLayer::new(Scheme::native(), key)?.replay_guard(guard);
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisReplayGuard {
    link: Arc<dyn Link>,
    health: Arc<Health>,
    prefix: Arc<str>,
    deadline: Duration,
    replicas: u16,
}

/// How long a process waits for Redis when it starts.
const PATIENCE: Duration = Duration::from_secs(5);

impl RedisReplayGuard {
    /// Connects to one Redis and [checks](Self::check) it.
    ///
    /// # Errors
    ///
    /// When the URL is none, when Redis does not answer within five seconds, or when it may evict entries.
    pub async fn connect(url: &str) -> Result<Self, RedisGuardError> {
        let guard = Self::lazy(url)?;
        guard.check().await.map(|()| guard)
    }

    /// Connects with the first claim: a process can start before Redis does. Nothing is checked.
    ///
    /// # Errors
    ///
    /// When the URL is none, or outside a tokio runtime.
    pub fn lazy(url: &str) -> Result<Self, RedisGuardError> {
        tokio::runtime::Handle::try_current().map_err(|_| RedisGuardError::runtime())?;
        Single::new(url).map(Self::over).map_err(RedisGuardError::redis)
    }

    /// Connects to a Redis cluster, given some of its nodes, and [checks](Self::check) it.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    #[cfg(feature = "redis-cluster")]
    pub async fn connect_cluster(urls: &[&str]) -> Result<Self, RedisGuardError> {
        let link = match tokio::time::timeout(PATIENCE, cluster::Cluster::connect(urls)).await {
            Ok(link) => link.map_err(RedisGuardError::redis)?,
            Err(_) => return Err(RedisGuardError::late()),
        };
        let guard = Self::over(link);
        guard.check().await.map(|()| guard)
    }

    /// Sets what the names of all entries begin with. Default: `tower-hmac:1:`. The 1 is the version of the format.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Sets how long a claim may take. Default: 250 ms. Over it: status 503.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets how many replicas must have a claim before it counts. Default: 0. With fewer: status 503.
    ///
    /// Then a message does not pass twice after a failover to one that has them all: with one replica, after any; with
    /// more, if all are asked for, or if the one that has most is promoted, as Sentinel and clusters try to.
    ///
    /// `SET` and `WAIT` are sent together, and a connection that waits does nothing else: claims follow each other at the
    /// pace at which replicas answer, each within four fifths of the [`deadline`](Self::deadline). A lease is waited for
    /// when it is taken, not when it is settled. [`check`](Self::check) counts the replicas.
    ///
    /// ```no_run
    /// # use tower_hmac::replay::RedisReplayGuard;
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let guard = RedisReplayGuard::connect("redis://127.0.0.1/").await?.replicas(1);
    /// guard.check().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn replicas(self, replicas: u16) -> Self {
        Self { replicas, health: Arc::default(), ..self }
    }

    /// Asks whether Redis answers and, where `CONFIG GET` is allowed, whether it keeps what it is given: for a start, or
    /// for a health check.
    ///
    /// # Errors
    ///
    /// When it does not answer within five seconds, when it may evict entries, or when it has too few replicas.
    pub async fn check(&self) -> Result<(), RedisGuardError> {
        let checks = async {
            check::policy(&*self.link).await?;
            check::replicas(&*self.link, self.replicas).await
        };
        tokio::time::timeout(PATIENCE, checks).await.map_err(|_| RedisGuardError::late())?
    }

    fn over(link: impl Link) -> Self {
        let (prefix, deadline) = ("tower-hmac:1:".into(), Duration::from_millis(250));
        Self { link: Arc::new(link), health: Arc::default(), prefix, deadline, replicas: 0 }
    }

    /// Prefix and digest: no text of a message can be another key, or choose a node of a cluster.
    fn name(&self, claim: &ReplayClaim<'_>) -> String {
        let mut hash = BodyHash::default();
        let id = claim.key_id.as_str().as_bytes();
        hash.update(&u64::try_from(id.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(id);
        hash.update(claim.nonce.as_bytes());
        let digest = crate::encoding::to_hex(&hash.finish());
        [&*self.prefix, digest.as_str()].concat()
    }

    fn set(&self, claim: &ReplayClaim<'_>, value: &str, until: u64) -> Answer<Claimed> {
        if claim.valid_until < claim.now {
            return Claimed::Expired.into();
        }
        let name = self.name(claim);
        let command = commands::set(&name, value, life(until, claim.now));
        let answer = self.send(&name, command, self.replicas);
        Answer::later(async move { claimed(answer.await.as_ref()) })
    }

    /// Sends one command, once. `None` when there was no answer, or one that says that Redis is not itself.
    fn send(&self, name: &str, command: Cmd, replicas: u16) -> impl Future<Output = Option<Value>> + Send + use<> {
        let (link, health, deadline) = (Arc::clone(&self.link), Arc::clone(&self.health), self.deadline);
        let part = link.part(name);
        async move {
            let attempt = health.begin(part, &*link)?;
            let answer = async {
                match replicas {
                    0 => link.send(command).await.map(|value| (value, true)),
                    _ => replicas::send(&*link, command, replicas, deadline.mul_f64(0.8)).await,
                }
            };
            match tokio::time::timeout(deadline, answer).await {
                Ok(Ok((value, true))) => {
                    attempt.answered();
                    Some(value)
                }
                Ok(Err(error)) if !error::is_absent(&error) => {
                    attempt.answered();
                    None
                }
                Ok(Ok((value, false))) => {
                    attempt.failed();
                    // What was claimed before was, wherever it is known.
                    Some(value).filter(|value| *value == Value::Nil)
                }
                Ok(Err(_)) | Err(_) => {
                    attempt.failed();
                    None
                }
            }
        }
    }
}

fn claimed(answer: Option<&Value>) -> Claimed {
    match answer {
        Some(Value::Okay) => Claimed::Fresh,
        Some(Value::Nil) => Claimed::Seen,
        _ => Claimed::Unavailable,
    }
}

impl ReplayGuard for RedisReplayGuard {
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        self.set(claim, "1", claim.valid_until)
    }

    fn lease(&self, claim: &ReplayClaim<'_>, lease: &Lease) -> Answer<Claimed> {
        self.set(claim, &holder(lease), lease.until())
    }

    fn settle(&self, claim: &ReplayClaim<'_>, lease: &Lease, outcome: Settled) -> Answer<()> {
        let life = match outcome {
            Settled::Spent if claim.valid_until >= claim.now => life(claim.valid_until, claim.now),
            _ => 0,
        };
        let name = self.name(claim);
        let answer = self.send(&name, commands::settle(&name, lease, life), 0);
        Answer::later(async move { drop(answer.await) })
    }
}

impl fmt::Debug for RedisReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplayGuard")
            .field("prefix", &self.prefix)
            .field("deadline", &self.deadline)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}
