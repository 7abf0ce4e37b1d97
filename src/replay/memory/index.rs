//! Entries by name.

use super::slab::{NIL, Slab};

/// A hash table with linear hashing: it grows by one bucket at a time, and an entry never moves.
pub(super) struct Index {
    heads: Vec<Head>,
    /// One less than the power of two that is not below the number of buckets.
    mask: u32,
}

/// The first of a chain, and enough of its name that a look-up seldom leaves the table in vain.
#[derive(Clone, Copy)]
struct Head {
    first: u32,
    /// 31 bits of the first one's name, then whether there is a second.
    tag: u32,
}

const FIRST_BUCKETS: u32 = 8;

impl Head {
    const EMPTY: Self = Self { first: NIL, tag: 0 };

    #[inline]
    fn new(first: u32, name: u64, second: u32) -> Self {
        Self { first, tag: tag(name) | u32::from(second != NIL) }
    }
}

/// The bucket is chosen by other bits.
#[inline]
fn tag(name: u64) -> u32 {
    (name >> 32) as u32 & !1
}

impl Index {
    pub(super) const fn new() -> Self {
        Self { heads: Vec::new(), mask: 0 }
    }

    #[inline]
    pub(super) fn find(&self, nodes: &Slab, name: u64) -> Option<u32> {
        let head = self.heads.get(self.bucket(name))?;
        if head.tag & !1 != tag(name) && head.tag & 1 == 0 {
            return None;
        }
        let mut at = head.first;
        loop {
            let node = nodes.get(at)?;
            if node.name == name {
                return Some(at);
            }
            at = node.chain;
        }
    }

    /// Adds a node whose name is not there.
    #[inline]
    pub(super) fn link(&mut self, nodes: &mut Slab, at: u32) -> Option<()> {
        let node = nodes.get_mut(at)?;
        let bucket = self.bucket(node.name);
        let head = self.heads.get_mut(bucket)?;
        node.chain = head.first;
        *head = Head::new(at, node.name, head.first);
        Some(())
    }

    #[inline]
    pub(super) fn unlink(&mut self, nodes: &mut Slab, at: u32) -> Option<()> {
        let (name, chain) = nodes.get(at).map(|node| (node.name, node.chain))?;
        let bucket = self.bucket(name);
        let head = self.heads.get_mut(bucket)?;
        if head.first == at && chain == NIL {
            *head = Head::EMPTY;
            return Some(());
        }
        if head.first != at {
            let mut before = head.first;
            while nodes.get(before)?.chain != at {
                before = nodes.get(before)?.chain;
            }
            nodes.get_mut(before)?.chain = chain;
        }
        let first = if head.first == at { chain } else { head.first };
        let node = nodes.get(first)?;
        *head = Head::new(first, node.name, node.chain);
        Some(())
    }

    /// One more bucket when there are three entries for four. It takes its part from one other bucket.
    #[inline]
    pub(super) fn grow(&mut self, nodes: &mut Slab, live: u32) {
        if live as usize >= (self.heads.len() / 4).saturating_mul(3) {
            self.split(nodes);
        }
    }

    #[cold]
    fn split(&mut self, nodes: &mut Slab) {
        if self.heads.is_empty() {
            self.heads.resize(FIRST_BUCKETS as usize, Head::EMPTY);
            self.mask = FIRST_BUCKETS - 1;
        }
        let new = self.heads.len();
        let from = new.checked_ilog2().map_or(0, |level| new & !(1 << level));
        let Some(head) = self.heads.get_mut(from) else { return };
        let mut at = std::mem::replace(head, Head::EMPTY).first;
        self.heads.push(Head::EMPTY);
        self.mask |= new as u32;
        while let Some(next) = nodes.get(at).map(|node| node.chain) {
            self.link(nodes, at);
            at = next;
        }
    }

    /// As many bits as there are buckets for, one less where the bucket is not there yet.
    #[inline]
    fn bucket(&self, name: u64) -> usize {
        let bucket = (name as u32 & self.mask) as usize;
        let lower = bucket & (self.mask >> 1) as usize;
        if bucket < self.heads.len() { bucket } else { lower }
    }
}
