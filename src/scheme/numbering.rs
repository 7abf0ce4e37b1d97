//! Which of several formats a claim belongs to: what the format itself has put there, times eight, plus twice the number
//! of the format, plus one when another format could be meant as well.

use super::claim::Claim;
use crate::rejection::RejectionKind;

pub(super) const AMBIGUOUS: usize = 1;
const NUMBER: usize = 2;
const INNER: usize = 8;

pub(super) fn number(format: usize) -> usize {
    format % INNER / NUMBER
}

pub(super) fn is_ambiguous(format: usize) -> bool {
    format % NUMBER == AMBIGUOUS
}

/// What the format has put there.
pub(super) fn inner(format: usize) -> usize {
    format / INNER
}

/// The claim as its format knows it.
pub(super) fn inner_claim<'m>(claim: &Claim<'m>) -> Claim<'m> {
    Claim { format: inner(claim.format), ..claim.clone() }
}

/// What a format has put there, and its number.
pub(super) fn outer(inner: usize, number: usize) -> Result<usize, RejectionKind> {
    let outer = inner.checked_mul(INNER).and_then(|inner| inner.checked_add(number.checked_mul(NUMBER)?));
    outer.ok_or(RejectionKind::Malformed)
}
