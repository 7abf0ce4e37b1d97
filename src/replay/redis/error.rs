//! Why a guard in Redis cannot be used.

use std::error::Error;
use std::fmt;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// A Redis that cannot be reached, that would forget entries, or that has too few replicas.
#[derive(Debug)]
pub struct RedisGuardError(Fault);

#[derive(Debug)]
enum Fault {
    Redis(RedisError),
    Runtime,
    Late,
    Evicts(String),
    Replicas { found: i64, wanted: u16 },
}

impl RedisGuardError {
    pub(super) fn redis(error: RedisError) -> Self {
        Self(Fault::Redis(error))
    }

    pub(super) fn runtime() -> Self {
        Self(Fault::Runtime)
    }

    pub(super) fn late() -> Self {
        Self(Fault::Late)
    }

    pub(super) fn evicts(policy: String) -> Self {
        Self(Fault::Evicts(policy))
    }

    pub(super) fn replicas(found: i64, wanted: u16) -> Self {
        Self(Fault::Replicas { found, wanted })
    }
}

impl fmt::Display for RedisGuardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fault::Redis(error) => write!(f, "Redis cannot be used: {error}"),
            Fault::Runtime => f.write_str("a guard in Redis needs a tokio runtime, in which it is made"),
            Fault::Late => f.write_str("Redis did not answer in time"),
            Fault::Evicts(policy) => {
                write!(f, "Redis would evict replay entries: maxmemory-policy is {policy:?}, but must be noeviction")
            }
            Fault::Replicas { found, wanted } => {
                write!(f, "Redis has too few replicas: {found}, but every claim waits for {wanted}")
            }
        }
    }
}

impl Error for RedisGuardError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Fault::Redis(error) => Some(error),
            Fault::Runtime | Fault::Late | Fault::Evicts(_) | Fault::Replicas { .. } => None,
        }
    }
}

/// Nobody is there who could take a claim: the connection is lost, or leads to what is a primary no more, or may not be
/// written to, since its replicas have left.
pub(super) fn is_absent(error: &RedisError) -> bool {
    error.is_io_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
        || error.code() == Some("NOREPLICAS")
}
