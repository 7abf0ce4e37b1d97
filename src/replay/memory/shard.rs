//! One part of the guard's entries, under one lock.

use super::accounts::Account;
use super::index::Index;
use super::lanes::{Lanes, Waiting};
use super::slab::{Node, Slab};

pub(super) struct Shard {
    by_expiry: Lanes,
    by_name: Index,
    nodes: Slab,
    live: u32,
    /// Whether some entry may live until another second than the one it waits for.
    extended: bool,
    /// The first second that no forgotten entry was valid in. It only rises, whatever the clock does.
    floor: u64,
}

impl Shard {
    pub(super) const fn new() -> Self {
        Self { by_expiry: Lanes::new(), by_name: Index::new(), nodes: Slab::new(), live: 0, extended: false, floor: 0 }
    }

    /// Whether an entry that was valid so long may have been here.
    #[inline]
    pub(super) fn may_have_forgotten(&self, until: u64) -> bool {
        until < self.floor
    }

    /// The last second of an entry's life.
    #[inline]
    pub(super) fn find(&self, name: u64) -> Option<u64> {
        self.by_name.find(&self.nodes, name).map(|(_, until)| until)
    }

    /// Gives an entry another end.
    pub(super) fn extend(&mut self, name: u64, until: u64) -> Option<()> {
        let (at, _) = self.by_name.find(&self.nodes, name)?;
        self.nodes.get_mut(at)?.extend(until);
        self.extended = true;
        Some(())
    }

    /// Adds an entry whose name is not there.
    #[inline]
    pub(super) fn insert(&mut self, name: u64, until: u64, account: Account) -> Option<()> {
        self.by_name.grow(&mut self.nodes, self.live);
        let at = self.nodes.take(name, until)?;
        self.live = self.live.saturating_add(1);
        self.by_name.link(&mut self.nodes, at, name)?;
        self.by_expiry.push(Waiting::new(name, until, account, at))
    }

    /// Removes an entry that expired before `now`, if there is one at the head of a lane.
    #[inline]
    pub(super) fn expire(&mut self, now: u64) -> Option<Account> {
        // A lease that has become longer waits again: one at most for each that ends, so that neither holds up the other.
        for _ in 0..2 {
            let waiting = self.by_expiry.pop(now)?;
            let (name, at, account) = (waiting.name, waiting.at, waiting.account());
            let until = self.until(&waiting)?;
            if until < now {
                self.floor = self.floor.max(until.saturating_add(1));
                self.by_name.unlink(&mut self.nodes, at, name)?;
                self.nodes.give(at);
                self.live = self.live.saturating_sub(1);
                return Some(account);
            }
            self.by_expiry.push(Waiting::new(name, until, account, at))?;
        }
        None
    }

    #[inline]
    fn until(&self, waiting: &Waiting) -> Option<u64> {
        if self.extended { self.nodes.get(waiting.at).map(Node::until) } else { Some(waiting.until()) }
    }
}
