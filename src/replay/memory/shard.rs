//! One part of the guard's entries, under one lock.

use super::accounts::Account;
use super::index::Index;
use super::lanes::Lanes;
use super::slab::{Node, Slab};

pub(super) struct Shard {
    by_expiry: Lanes,
    by_name: Index,
    nodes: Slab,
    live: u32,
    /// The first second that no forgotten entry was valid in. It only rises, whatever the clock does.
    floor: u64,
}

impl Shard {
    pub(super) const fn new() -> Self {
        Self { nodes: Slab::new(), by_name: Index::new(), by_expiry: Lanes::new(), live: 0, floor: 0 }
    }

    /// Whether an entry that was valid so long may have been here.
    #[inline]
    pub(super) fn may_have_forgotten(&self, until: u64) -> bool {
        until < self.floor
    }

    #[inline]
    pub(super) fn find(&mut self, name: u64) -> Option<&mut Node> {
        let at = self.by_name.find(&self.nodes, name)?;
        self.nodes.get_mut(at)
    }

    /// Adds an entry whose name is not there.
    #[inline]
    pub(super) fn insert(&mut self, node: Node) -> Option<()> {
        self.by_name.grow(&mut self.nodes, self.live);
        let at = self.nodes.take(node)?;
        self.live = self.live.saturating_add(1);
        self.by_name.link(&mut self.nodes, at)?;
        self.by_expiry.push(&mut self.nodes, at, node.until())
    }

    /// Removes an entry that expired before `now`, if there is one at the head of a lane.
    #[inline]
    pub(super) fn expire(&mut self, now: u64) -> Option<Account> {
        let at = self.by_expiry.pop(&self.nodes, now)?;
        let node = self.nodes.get(at)?;
        let account = node.account();
        self.floor = self.floor.max(node.until().saturating_add(1));
        self.by_name.unlink(&mut self.nodes, at)?;
        self.nodes.give(at);
        self.live = self.live.saturating_sub(1);
        Some(account)
    }
}
