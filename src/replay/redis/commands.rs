//! What Redis is asked.

use redis::Cmd;

use crate::replay::Lease;

/// Makes an entry that lives so many milliseconds, unless there is one.
pub(super) fn set(name: &str, value: &str, life: u64) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(name).arg(value).arg("NX").arg("PX").arg(life);
    command
}

/// Lets the entry of a lease live so many milliseconds more, or removes it when that is zero.
pub(super) fn settle(name: &str, lease: &Lease, life: u64) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(SETTLE).arg(1).arg(name).arg(holder(lease)).arg(life);
    command
}

/// Only for the holder, or where nobody is.
const SETTLE: &str = "local holder = redis.call('GET', KEYS[1]) \
    if holder and holder ~= ARGV[1] then return 0 end \
    if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end \
    redis.call('SET', KEYS[1], '1', 'PX', ARGV[2]) return 1";

pub(super) fn holder(lease: &Lease) -> String {
    format!("{:032x}", lease.holder())
}

/// The milliseconds until a second is over.
pub(super) fn life(until: u64, now: u64) -> u64 {
    until.saturating_sub(now).saturating_add(1).saturating_mul(1000)
}
