//! Entries at addresses that never change.

use super::second::Second;

/// No node: beyond the last that [`Second`] has room for.
pub(super) const NIL: u32 = Second::ROOM;

/// One entry, in one chain: that of its bucket, or that of the free ones.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) name: u64,
    /// The last second of its life, and the next in the chain.
    until_and_chain: Second,
}

impl Node {
    const EMPTY: Self = Self { name: 0, until_and_chain: Second::new(0, NIL) };

    #[inline]
    pub(super) fn until(&self) -> u64 {
        self.until_and_chain.second()
    }

    #[inline]
    pub(super) fn extend(&mut self, until: u64) {
        self.until_and_chain = Second::new(until, self.chain());
    }

    #[inline]
    pub(super) fn chain(&self) -> u32 {
        self.until_and_chain.beside()
    }

    #[inline]
    pub(super) fn set_chain(&mut self, next: u32) {
        self.until_and_chain = Second::new(self.until(), next);
    }
}

/// Nodes in pieces, so that growth moves none.
pub(super) struct Slab {
    #[expect(clippy::vec_box, reason = "a node stays where it is when the list grows")]
    pieces: Vec<Box<[Node; PIECE]>>,
    used: u32,
    free: u32,
}

const PIECE: usize = 32;
const PIECE_BITS: u32 = 5;

impl Slab {
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new(), used: 0, free: NIL }
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&Node> {
        let at = at as usize;
        self.pieces.get(at >> PIECE_BITS)?.get(at & (PIECE - 1))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Node> {
        let at = at as usize;
        self.pieces.get_mut(at >> PIECE_BITS)?.get_mut(at & (PIECE - 1))
    }

    /// Stores an entry where one was freed last, else behind all.
    #[inline]
    pub(super) fn take(&mut self, name: u64, until: u64) -> Option<u32> {
        let mut at = self.free;
        if at == NIL {
            at = self.extend()?;
        }
        let node = self.get_mut(at)?;
        let next = node.chain();
        (node.name, node.until_and_chain) = (name, Second::new(until, NIL));
        self.free = next;
        Some(at)
    }

    #[cold]
    fn extend(&mut self) -> Option<u32> {
        let at = self.used;
        self.used = at.checked_add(1).filter(|next| *next != NIL)?;
        if self.get(at).is_none() {
            self.pieces.push(Box::new([Node::EMPTY; PIECE]));
        }
        Some(at)
    }

    #[inline]
    pub(super) fn give(&mut self, at: u32) {
        let free = self.free;
        if let Some(node) = self.get_mut(at) {
            node.set_chain(free);
            self.free = at;
        }
    }
}
