//! Whether a Redis may be given entries.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use super::error::RedisGuardError;
use super::link::Link;
use super::replicas::question;

/// It forgets nothing on its own, or does not tell.
pub(super) async fn policy(link: &dyn Link) -> Result<(), RedisGuardError> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("maxmemory-policy");
    match link.send_to_all(command).await {
        Ok(value) => match policies(&value).into_iter().find(|policy| policy != "noeviction") {
            Some(policy) => Err(RedisGuardError::evicts(policy)),
            None => Ok(()),
        },
        // An answer: that the command is not for us.
        Err(error) if is_forbidden(&error) => Ok(()),
        Err(error) => Err(RedisGuardError::redis(error)),
    }
}

/// As many replicas answer as every claim waits for.
pub(super) async fn replicas(link: &dyn Link, wanted: u16) -> Result<(), RedisGuardError> {
    if wanted == 0 {
        return Ok(());
    }
    let answer = link.send_to_all(question(wanted, Duration::from_secs(1))).await.map_err(RedisGuardError::redis)?;
    match least(&answer).unwrap_or(0) {
        found if found < i64::from(wanted) => Err(RedisGuardError::replicas(found, wanted)),
        _ => Ok(()),
    }
}

/// Every text that follows `maxmemory-policy`, whichever shape the answer has: a cluster gives one for each node.
fn policies(value: &Value) -> Vec<String> {
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
fn is_forbidden(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError | ServerErrorKind::NoPerm))
        || error.code() == Some("NOPERM")
}

/// The least number in an answer: a cluster gives one for each primary.
fn least(value: &Value) -> Option<i64> {
    match value {
        Value::Int(count) => Some(*count),
        Value::Array(values) => values.iter().filter_map(least).min(),
        Value::Map(pairs) => pairs.iter().filter_map(|(_, value)| least(value)).min(),
        _ => None,
    }
}
