//! How a body goes into the MACs of one message.

use bytes::Bytes;

use super::ending::Hashed;
use super::entry::{Entry, Seen};
use crate::joined::Joined;
use crate::mac::{BodyHash, Mac};

/// What is done with the bytes of a body as they come.
#[derive(Clone)]
pub(crate) struct Intake {
    way: Way,
    len: u64,
}

#[derive(Clone)]
enum Way {
    /// Into every MAC.
    Macs,
    /// Into the body's own hash.
    Hash(BodyHash),
    /// Kept, to be seen in one piece.
    Keep(Joined),
    /// Nothing.
    Pass,
}

impl Intake {
    pub(crate) fn new(entry: Entry) -> Self {
        let way = match entry {
            Entry::Digest(_) | Entry::Hashed | Entry::Trailer => Way::Hash(BodyHash::default()),
            Entry::Raw => Way::Macs,
            Entry::Whole => Way::Keep(Joined::default()),
            Entry::Uncovered => Way::Pass,
        };
        Self { way, len: 0 }
    }

    /// A body that has been hashed already.
    pub(crate) fn hashed(body: Hashed) -> Self {
        let (hash, len) = body.into_parts();
        Self { way: Way::Hash(hash), len }
    }

    /// Takes out the hash so far, if that is all that is made of the body.
    pub(crate) fn take_hashed(&mut self) -> Option<Hashed> {
        match &mut self.way {
            Way::Hash(hash) => Some(Hashed::from_parts(std::mem::take(hash), self.len)),
            Way::Macs | Way::Keep(_) | Way::Pass => None,
        }
    }

    /// Takes the next bytes. `shared` makes a handle on them where they have to be kept.
    pub(crate) fn take<'m>(
        &mut self,
        bytes: &[u8],
        macs: impl Iterator<Item = &'m mut Mac>,
        shared: impl FnOnce(&[u8]) -> Bytes,
    ) {
        self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        match &mut self.way {
            Way::Macs => macs.for_each(|mac| mac.update(bytes)),
            Way::Hash(hash) => hash.update(bytes),
            Way::Keep(kept) => kept.push(shared(bytes)),
            Way::Pass => {}
        }
    }

    /// Ends the body and shows what is known of it.
    pub(crate) fn end<T>(&mut self, look: impl FnOnce(&Seen<'_>) -> T) -> T {
        let seen = Seen { len: self.len, ..Seen::default() };
        match &mut self.way {
            Way::Macs | Way::Pass => look(&seen),
            Way::Hash(hash) => look(&Seen { sha256: hash.end(), ..seen }),
            Way::Keep(kept) => match std::mem::take(kept).all() {
                [one] => look(&Seen { whole: one, ..seen }),
                several => look(&Seen { whole: &several.concat(), ..seen }),
            },
        }
    }
}
