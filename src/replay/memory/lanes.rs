//! Entries in the order in which they expire.

use super::slab::{NIL, Slab};

/// A few queues, each in order of expiry: messages come nearly in the order of their timestamps.
///
/// An entry that fits none waits behind longer ones: it is freed late, never early.
pub(super) struct Lanes {
    lanes: [Lane; 4],
    /// The first second in which the first of some lane may be freed.
    due: u64,
}

#[derive(Clone, Copy)]
struct Lane {
    head: u32,
    tail: u32,
    /// When the head expires.
    due: u64,
    /// The latest expiry in the lane.
    last: u64,
}

impl Lane {
    const EMPTY: Self = Self { head: NIL, tail: NIL, due: u64::MAX, last: 0 };
}

impl Lanes {
    pub(super) const fn new() -> Self {
        Self { lanes: [Lane::EMPTY; 4], due: u64::MAX }
    }

    #[inline]
    pub(super) fn push(&mut self, nodes: &mut Slab, at: u32, until: u64) -> Option<()> {
        let lane = match self.lanes.first_mut() {
            Some(lane) if lane.last <= until => lane,
            _ => choose(&mut self.lanes, until)?,
        };
        match nodes.get_mut(lane.tail) {
            Some(tail) => tail.after = at,
            None => {
                (lane.head, lane.due) = (at, until);
                self.due = self.due.min(until);
            }
        }
        (lane.tail, lane.last) = (at, lane.last.max(until));
        Some(())
    }

    /// Takes out an entry whose last second lies before `now`, if the first of a lane is such.
    #[inline]
    pub(super) fn pop(&mut self, nodes: &Slab, now: u64) -> Option<u32> {
        match self.due < now {
            true => self.pop_due(nodes, now),
            false => None,
        }
    }

    fn pop_due(&mut self, nodes: &Slab, now: u64) -> Option<u32> {
        let lane = self.lanes.iter_mut().find(|lane| lane.due < now)?;
        let at = lane.head;
        let node = nodes.get(at)?;
        let mut popped = None;
        if node.until() < now {
            popped = Some(at);
            lane.head = node.after;
            if lane.head == NIL {
                *lane = Lane::EMPTY;
            }
        }
        // A lease may have become longer since it was looked at.
        lane.due = nodes.get(lane.head).map_or(u64::MAX, |node| node.until());
        self.due = self.lanes.iter().map(|lane| lane.due).min()?;
        popped
    }
}

/// In order where it can be: behind the latest that is not later, else in an empty lane, else where it waits least.
#[cold]
fn choose(lanes: &mut [Lane; 4], until: u64) -> Option<&mut Lane> {
    lanes.iter_mut().min_by_key(|lane| match lane.last {
        _ if lane.head == NIL => (1, 0),
        last if last <= until => (0, until.wrapping_sub(last)),
        last => (2, last),
    })
}
