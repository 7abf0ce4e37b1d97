//! Entries in the order in which they expire.

use super::accounts::Account;
use super::queue::Queue;
use super::second::Second;

/// A few queues, each in order of expiry: messages come nearly in the order of their timestamps.
///
/// An entry that fits none waits behind longer ones: it is freed late, never early.
pub(super) struct Lanes {
    lanes: [Lane; 4],
    /// The first second in which the first of some lane is due.
    due: u64,
}

/// An entry that waits for its end. All that its removal needs, so that the entry itself need not be looked at.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    pub(super) name: u64,
    until_and_account: Second,
    pub(super) at: u32,
}

impl Waiting {
    pub(super) fn new(name: u64, until: u64, account: Account, at: u32) -> Self {
        Self { name, until_and_account: Second::new(until, account.0), at }
    }

    #[inline]
    pub(super) fn until(&self) -> u64 {
        self.until_and_account.second()
    }

    #[inline]
    pub(super) fn account(&self) -> Account {
        Account(self.until_and_account.beside())
    }
}

struct Lane {
    queue: Queue<Waiting>,
    /// When the first is due.
    due: u64,
    /// The latest expiry in the lane.
    last: u64,
}

impl Lane {
    const EMPTY: Self = Self { queue: Queue::new(), due: u64::MAX, last: 0 };

    #[inline]
    fn push(&mut self, one: Waiting) {
        self.due = if self.is_empty() { one.until() } else { self.due };
        self.last = self.last.max(one.until());
        self.queue.push(one);
    }

    #[inline]
    fn pop(&mut self) -> Option<Waiting> {
        let popped = self.queue.pop();
        match self.queue.first() {
            Some(next) => self.due = next.until(),
            None => (self.due, self.last) = (u64::MAX, 0),
        }
        popped
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.due == u64::MAX
    }
}

impl Lanes {
    pub(super) const fn new() -> Self {
        Self { lanes: [Lane::EMPTY; 4], due: u64::MAX }
    }

    #[inline]
    pub(super) fn push(&mut self, one: Waiting) -> Option<()> {
        let until = one.until();
        match self.lanes.first_mut() {
            Some(lane) if lane.last <= until => lane.push(one),
            _ => choose(&mut self.lanes, until)?.push(one),
        }
        self.due = self.due.min(until);
        Some(())
    }

    /// Takes out an entry whose last second lies before `now`, if the first of a lane is such.
    #[inline]
    pub(super) fn pop(&mut self, now: u64) -> Option<Waiting> {
        match self.due < now {
            true => self.pop_due(now),
            false => None,
        }
    }

    fn pop_due(&mut self, now: u64) -> Option<Waiting> {
        let popped = self.lanes.iter_mut().find(|lane| lane.due < now).and_then(Lane::pop);
        self.due = self.lanes.iter().map(|lane| lane.due).min()?;
        popped
    }
}

/// In order where it can be: behind the latest that is not later, else in an empty lane, else where it waits least.
#[cold]
fn choose(lanes: &mut [Lane; 4], until: u64) -> Option<&mut Lane> {
    lanes.iter_mut().min_by_key(|lane| match lane.last {
        _ if lane.is_empty() => (1, 0),
        last if last <= until => (0, until.wrapping_sub(last)),
        last => (2, last),
    })
}
