//! Why a guard in Redis cannot be used.

use std::error::Error;
use std::fmt;

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

/// A Redis that cannot be reached, or that would forget entries.
#[derive(Debug)]
pub struct RedisGuardError(Fault);

#[derive(Debug)]
enum Fault {
    Redis(RedisError),
    Late,
    Evicts(String),
}

impl RedisGuardError {
    pub(super) fn late() -> Self {
        Self(Fault::Late)
    }

    pub(super) fn evicts(policy: String) -> Self {
        Self(Fault::Evicts(policy))
    }
}

impl From<RedisError> for RedisGuardError {
    fn from(error: RedisError) -> Self {
        Self(Fault::Redis(error))
    }
}

impl fmt::Display for RedisGuardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fault::Redis(_) => f.write_str("Redis cannot be used"),
            Fault::Late => f.write_str("Redis did not answer in time"),
            Fault::Evicts(policy) => {
                write!(f, "Redis would evict replay entries: maxmemory-policy is {policy:?}, but must be noeviction")
            }
        }
    }
}

impl Error for RedisGuardError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Fault::Redis(error) => Some(error),
            Fault::Late | Fault::Evicts(_) => None,
        }
    }
}

/// Every text that follows `maxmemory-policy`, whichever shape the answer has: a cluster gives one for each node.
pub(super) fn policies(value: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    flatten(value, &mut texts);
    let follow = texts.windows(2).filter(|pair| pair.first().is_some_and(|name| name == "maxmemory-policy"));
    follow.filter_map(|pair| pair.get(1).cloned()).collect()
}

fn flatten(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::BulkString(bytes) => texts.push(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| flatten(value, texts)),
        Value::Map(pairs) => pairs.iter().for_each(|(name, value)| {
            flatten(name, texts);
            flatten(value, texts);
        }),
        _ => {}
    }
}

/// Managed services answer so to `CONFIG`: an unknown command, or one that this user may not send.
pub(super) fn is_forbidden(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError | ServerErrorKind::NoPerm))
        || error.code() == Some("NOPERM")
}
