//! Claims that replicas have heard of.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};

use super::link::Link;

/// Sends a claim and, behind it, the question how many replicas have it. An error when those are too few.
pub(super) fn send(
    link: &dyn Link,
    claim: Cmd,
    wanted: u16,
    within: Duration,
) -> BoxFuture<'static, RedisResult<Value>> {
    let mut both = Pipeline::with_capacity(2);
    both.add_command(claim).add_command(question(wanted, within));
    let answers = link.send_together(both);
    async move {
        let mut answers = answers.await?.into_iter();
        match (answers.next(), answers.next()) {
            (Some(Value::Okay), Some(Value::Int(heard))) if heard >= i64::from(wanted) => Ok(Value::Okay),
            (Some(Value::Okay) | None, _) => Err(too_few()),
            (Some(Value::ServerError(error)), _) => Err(error.into()),
            (Some(refused), _) => Ok(refused),
        }
    }
    .boxed()
}

/// `WAIT`: an answer at the latest after that time, which is never none, since Redis takes zero for ever.
pub(super) fn question(wanted: u16, within: Duration) -> Cmd {
    let mut command = redis::cmd("WAIT");
    command.arg(wanted).arg(u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1));
    command
}

const TOO_FEW: &str = "NOREPLICAS";

/// As Redis says it where `min-replicas-to-write` is set.
fn too_few() -> RedisError {
    redis::make_extension_error(TOO_FEW.to_owned(), None)
}

pub(super) fn are_too_few(error: &RedisError) -> bool {
    error.code() == Some(TOO_FEW)
}
