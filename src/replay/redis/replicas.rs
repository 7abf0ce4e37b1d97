//! Claims that replicas have heard of.

use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult, Value};

use super::link::Link;

/// Sends a claim and, behind it, the question how many replicas have it; says also whether those are enough.
pub(super) async fn send(link: &dyn Link, claim: Cmd, wanted: u16, within: Duration) -> RedisResult<(Value, bool)> {
    let mut both = Pipeline::with_capacity(2);
    both.add_command(claim).add_command(question(wanted, within));
    let mut answers = link.send_together(both).await?.into_iter();
    // No answer at all is none that a claim could have.
    let claimed = answers.next().map_or(Ok(Value::Int(0)), Value::extract_error)?;
    let enough = matches!(answers.next(), Some(Value::Int(heard)) if heard >= i64::from(wanted));
    Ok((claimed, enough))
}

/// `WAIT`: an answer at the latest after that time, which is never none, since Redis takes zero for ever.
pub(super) fn question(wanted: u16, within: Duration) -> Cmd {
    let mut command = redis::cmd("WAIT");
    command.arg(wanted).arg(u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1));
    command
}
