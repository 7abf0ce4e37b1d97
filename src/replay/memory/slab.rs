//! Entries at addresses that never change.

use super::accounts::Account;

/// No node.
pub(super) const NIL: u32 = u32::MAX;

/// One entry. It is in one chain (of its bucket, or of the free ones) and in one lane (by expiry).
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) name: u64,
    /// 40 bits, above the 24 of the account.
    until_and_account: u64,
    pub(super) chain: u32,
    pub(super) after: u32,
}

const ACCOUNT_BITS: u32 = 24;
const ACCOUNT: u64 = (1 << ACCOUNT_BITS) - 1;

/// In the year 36 812; what should live longer lives for ever.
pub(super) const LAST_SECOND: u64 = u64::MAX >> ACCOUNT_BITS;

impl Node {
    const EMPTY: Self = Self { name: 0, until_and_account: 0, chain: NIL, after: NIL };

    pub(super) fn new(name: u64, until: u64, account: Account) -> Self {
        Self { name, until_and_account: until.min(LAST_SECOND) << ACCOUNT_BITS | u64::from(account.0), ..Self::EMPTY }
    }

    pub(super) fn extend(&mut self, until: u64) {
        self.until_and_account = until.min(LAST_SECOND) << ACCOUNT_BITS | u64::from(self.account().0);
    }

    /// The last second of its life.
    #[inline]
    pub(super) fn until(&self) -> u64 {
        self.until_and_account >> ACCOUNT_BITS
    }

    #[inline]
    pub(super) fn account(&self) -> Account {
        Account((self.until_and_account & ACCOUNT) as u32)
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

    /// Stores a node where one was freed last, else behind all.
    #[inline]
    pub(super) fn take(&mut self, node: Node) -> Option<u32> {
        let at = self.free;
        if let Some(free) = self.get_mut(at) {
            // Field by field: a copy of the whole would wait for its parts to be stored.
            let next = free.chain;
            (free.name, free.until_and_account) = (node.name, node.until_and_account);
            (free.chain, free.after) = (NIL, NIL);
            self.free = next;
            return Some(at);
        }
        self.extend(node)
    }

    #[cold]
    fn extend(&mut self, node: Node) -> Option<u32> {
        let at = self.used;
        self.used = at.checked_add(1).filter(|next| *next != NIL)?;
        if self.get(at).is_none() {
            self.pieces.push(Box::new([Node::EMPTY; PIECE]));
        }
        *self.get_mut(at)? = node;
        Some(at)
    }

    #[inline]
    pub(super) fn give(&mut self, at: u32) {
        let free = self.free;
        if let Some(node) = self.get_mut(at) {
            node.chain = free;
            self.free = at;
        }
    }
}
