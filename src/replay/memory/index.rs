//! Entries by name.

use super::slab::{NIL, Slab};

/// A hash table with linear hashing: it grows by one bucket at a time, and an entry never moves.
pub(super) struct Index {
    #[expect(clippy::vec_box, reason = "a bucket stays where it is when the list grows")]
    pieces: Vec<Box<[Bucket; PIECE]>>,
    buckets: u32,
    /// One less than the power of two that is not below the number of buckets.
    mask: u32,
}

const PIECE: usize = 16;
const PIECE_BITS: u32 = 4;

/// The most entries for each bucket, on the average.
const LOAD: u32 = 3;

const SLOTS: usize = 7;

/// One cache line: enough of each name that a look-up seldom goes further in vain.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bucket {
    tags: [u32; SLOTS],
    nodes: [u32; SLOTS],
    /// The first of those that found no slot.
    more: u32,
}

impl Bucket {
    const EMPTY: Self = Self { tags: [0; SLOTS], nodes: [NIL; SLOTS], more: NIL };

    #[inline]
    fn put(&mut self, nodes: &mut Slab, at: u32, tag: u32) -> Option<()> {
        let free = slots(&self.nodes, NIL).trailing_zeros() as usize;
        match (self.nodes.get_mut(free), self.tags.get_mut(free)) {
            (Some(node), Some(name)) => (*node, *name) = (at, tag),
            _ => nodes.get_mut(at)?.set_chain(std::mem::replace(&mut self.more, at)),
        }
        Some(())
    }
}

/// One bit for each slot that holds this. Which it is cannot be foretold: one jump for all.
#[inline]
fn slots(all: &[u32; SLOTS], this: u32) -> u32 {
    all.iter().rev().fold(0, |bits, one| bits << 1 | u32::from(*one == this))
}

/// The bucket is chosen by these bits, too, so that it can be split without a look at its entries.
#[inline]
fn tag(name: u64) -> u32 {
    (name >> 32) as u32
}

impl Index {
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new(), buckets: 0, mask: 0 }
    }

    /// Where an entry is, and the last second of its life.
    #[inline]
    pub(super) fn find(&self, nodes: &Slab, name: u64) -> Option<(u32, u64)> {
        let tag = tag(name);
        let at = self.bucket(tag) as usize;
        let bucket = self.pieces.get(at >> PIECE_BITS)?.get(at & (PIECE - 1))?;
        let mut alike = slots(&bucket.tags, tag);
        while let Some(at) = bucket.nodes.get(alike.trailing_zeros() as usize) {
            match nodes.get(*at) {
                Some(node) if node.name == name => return Some((*at, node.until())),
                _ => alike &= alike.wrapping_sub(1),
            }
        }
        let mut at = bucket.more;
        while let Some(node) = nodes.get(at) {
            if node.name == name {
                return Some((at, node.until()));
            }
            at = node.chain();
        }
        None
    }

    /// Adds an entry whose name is not there.
    #[inline]
    pub(super) fn link(&mut self, nodes: &mut Slab, at: u32, name: u64) -> Option<()> {
        let tag = tag(name);
        self.get_mut(self.bucket(tag))?.put(nodes, at, tag)
    }

    #[inline]
    pub(super) fn unlink(&mut self, nodes: &mut Slab, at: u32, name: u64) -> Option<()> {
        let bucket = self.get_mut(self.bucket(tag(name)))?;
        let slot = slots(&bucket.nodes, at).trailing_zeros() as usize;
        if let Some(node) = bucket.nodes.get_mut(slot) {
            *node = NIL;
            if let Some(first) = nodes.get(bucket.more).copied() {
                let moved = std::mem::replace(&mut bucket.more, first.chain());
                return bucket.put(nodes, moved, tag(first.name));
            }
            return Some(());
        }
        let chain = nodes.get(at)?.chain();
        if bucket.more == at {
            bucket.more = chain;
            return Some(());
        }
        let mut before = bucket.more;
        while nodes.get(before)?.chain() != at {
            before = nodes.get(before)?.chain();
        }
        nodes.get_mut(before)?.set_chain(chain);
        Some(())
    }

    /// One more bucket when the others are full enough. It takes its part from one of them.
    #[inline]
    pub(super) fn grow(&mut self, nodes: &mut Slab, live: u32) {
        if live >= self.buckets.saturating_mul(LOAD) {
            self.split(nodes);
        }
    }

    #[cold]
    fn split(&mut self, nodes: &mut Slab) -> Option<()> {
        let new = self.buckets;
        if self.get_mut(new).is_none() {
            self.pieces.push(Box::new([Bucket::EMPTY; PIECE]));
        }
        self.buckets = new.checked_add(1)?;
        self.mask |= new;
        let from = new & !(1 << new.checked_ilog2()?);
        let old = std::mem::replace(self.get_mut(from)?, Bucket::EMPTY);
        for (at, tag) in old.nodes.into_iter().zip(old.tags).filter(|(at, _)| *at != NIL) {
            self.get_mut(self.bucket(tag))?.put(nodes, at, tag)?;
        }
        let mut at = old.more;
        while let Some((name, next)) = nodes.get(at).map(|node| (node.name, node.chain())) {
            self.link(nodes, at, name)?;
            at = next;
        }
        Some(())
    }

    /// As many bits as there are buckets for, one less where the bucket is not there yet.
    #[inline]
    fn bucket(&self, tag: u32) -> u32 {
        let bucket = tag & self.mask;
        if bucket < self.buckets { bucket } else { tag & self.mask >> 1 }
    }

    #[inline]
    fn get_mut(&mut self, bucket: u32) -> Option<&mut Bucket> {
        let at = bucket as usize;
        self.pieces.get_mut(at >> PIECE_BITS)?.get_mut(at & (PIECE - 1))
    }
}
