//! One direction of a described scheme: its fields, and the text that is signed.

use http::header::{HeaderMap, HeaderName};

use super::field::Field;
use super::part::Part;
use crate::encoding::Encoding;
use crate::rejection::RejectionKind;
use crate::scheme::claim::{Claim, Timestamp};
use crate::scheme::entry::Entry;
use crate::scheme::headers::Once;
use crate::scheme::time::TimeFormat;

/// The most headers in which the fields of one message may stand.
pub(super) const MAX_HEADERS: usize = 8;

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Signature,
    Timestamp(TimeFormat),
    /// Signed, but not understood.
    Unread(TimeFormat),
    Nonce,
    KeyId,
    DeliveryId,
    Digest,
}

impl Role {
    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::Timestamp(_) | Self::Unread(_))
    }

    /// A time of which the spelling does not tell where it ends. Where there is a window, all numbers in it are of one
    /// length; nobody looks at the time of a response unless told to.
    pub(super) fn has_no_length(self, in_window: bool) -> bool {
        match self {
            Self::Timestamp(TimeFormat::Seconds | TimeFormat::Milliseconds) => !in_window,
            Self::Timestamp(TimeFormat::Fraction) | Self::Unread(_) => true,
            _ => false,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Timestamp(_) | Self::Unread(_) => "timestamp",
            Self::Nonce => "nonce",
            Self::KeyId => "key id",
            Self::DeliveryId => "delivery id",
            Self::Digest => "body digest",
        }
    }
}

/// A field, and in which of the headers it stands.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) role: Role,
    pub(super) field: Field,
    pub(super) line: usize,
    /// How many fields of the format stand in this header.
    pub(super) beside: usize,
}

/// One direction.
#[derive(Clone, Debug)]
pub(super) struct Format {
    pub(super) slots: Vec<Slot>,
    pub(super) names: Vec<HeaderName>,
    /// The keys that a list may have.
    pub(super) keys: Vec<&'static str>,
    /// What must not occur in a text, since it ends it in the string to sign.
    pub(super) ends: Vec<(Role, u8)>,
    pub(super) before: Vec<Part>,
    /// From the body on.
    pub(super) after: Vec<Part>,
    pub(super) entry: Entry,
    /// Whether the delivery id is signed, and so has to be there.
    pub(super) signs_delivery_id: bool,
}

impl Format {
    pub(super) fn lines<'m>(&self, headers: &'m HeaderMap) -> [Once<'m>; MAX_HEADERS] {
        let mut lines = [Once::Absent; MAX_HEADERS];
        for (name, value) in headers {
            let index = self.names.iter().position(|one| one == name);
            if let Some(line) = index.and_then(|index| lines.get_mut(index)) {
                line.see(value);
            }
        }
        lines
    }

    pub(super) fn read<'m>(
        &self,
        headers: &'m HeaderMap,
        encoding: Encoding,
        mac: usize,
    ) -> Result<Claim<'m>, RejectionKind> {
        let lines = self.lines(headers);
        let mut claim = Claim::default();
        let mut unsigned = RejectionKind::Missing;
        for slot @ Slot { role, .. } in &self.slots {
            let line = lines.get(slot.line).copied().unwrap_or_default();
            match role {
                Role::Signature => {
                    let read = self.each(slot, line, |text| match encoding.spells(text, mac) {
                        true => claim.signatures.push(text),
                        // One that is spelt otherwise is nobody's; whether another is right is seen below.
                        false => {
                            unsigned = RejectionKind::Malformed;
                            Ok(())
                        }
                    });
                    match read {
                        Err(RejectionKind::Missing) | Ok(()) => {}
                        Err(kind) => return Err(kind),
                    }
                }
                role => {
                    let text = match self.only(slot, line) {
                        Err(RejectionKind::Missing) if *role == Role::DeliveryId && !self.signs_delivery_id => continue,
                        text => text?,
                    };
                    self.ended(*role, text)?;
                    match role {
                        Role::Timestamp(format) => {
                            let seconds = Some(format.parse(text).ok_or(RejectionKind::Malformed)?);
                            claim.timestamp = Some(Timestamp { text, seconds });
                        }
                        Role::Unread(_) => claim.timestamp = Some(Timestamp { text, seconds: None }),
                        Role::Nonce => claim.nonce = Some(text),
                        Role::KeyId => claim.key_id = Some(text),
                        Role::DeliveryId => claim.delivery_id = Some(text),
                        Role::Digest => claim.digest = Some(text.as_bytes()),
                        Role::Signature => {}
                    }
                }
            }
        }
        if claim.signatures.is_empty() {
            return Err(unsigned);
        }
        if let (Entry::Digest(encoding), Some(digest)) = (self.entry, claim.digest) {
            encoding.spells(digest, 32).then_some(()).ok_or(RejectionKind::Malformed)?;
        }
        Ok(claim)
    }

    fn each<'m>(
        &self,
        slot: &Slot,
        line: Once<'m>,
        see: impl FnMut(&'m [u8]) -> Result<(), RejectionKind>,
    ) -> Result<(), RejectionKind> {
        slot.field.read(line, slot.beside, &self.keys, see)
    }

    /// The one value of a field: visible ASCII, up to 256 bytes.
    pub(super) fn only<'m>(&self, slot: &Slot, line: Once<'m>) -> Result<&'m str, RejectionKind> {
        let mut one = None;
        self.each(slot, line, |text| match one.replace(text) {
            None => Ok(()),
            Some(_) => Err(RejectionKind::Malformed),
        })?;
        let text: &[u8] = one.ok_or(RejectionKind::Missing)?;
        // Without a short cut, which keeps it in the vector unit.
        let visible = text.iter().fold(true, |all, b| all & (b' '..=b'~').contains(b));
        let good = visible && (1..=256).contains(&text.len());
        good.then(|| str::from_utf8(text).ok()).flatten().ok_or(RejectionKind::Malformed)
    }

    /// Whether a text stays apart from its neighbours in the string to sign.
    pub(super) fn ended(&self, role: Role, text: &str) -> Result<(), RejectionKind> {
        let runs_on = self.ends.iter().any(|(ended, end)| *ended == role && text.as_bytes().contains(end));
        (!runs_on).then_some(()).ok_or(RejectionKind::Malformed)
    }

    /// Whether a text can be written into its field and found there.
    pub(super) fn writes(&self, role: Role, field: &Field, text: &str) -> Result<(), RejectionKind> {
        let whole = field.between().is_none_or(|separator| !text.contains(separator));
        whole.then_some(()).ok_or(RejectionKind::Malformed)?;
        self.ended(role, text)
    }

    /// How a digest of the body is spelt in the head.
    pub(super) fn digest_encoding(&self) -> Encoding {
        match self.entry {
            Entry::Digest(encoding) => encoding,
            _ => Encoding::Hex,
        }
    }

    pub(super) fn signs_time(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.role, Role::Timestamp(_)))
    }

    /// The same text, with the body fed when all of it is there.
    pub(super) fn with_whole_body(mut self) -> Option<Self> {
        if self.entry != Entry::Raw {
            return None;
        }
        self.after.insert(0, Part::Body);
        self.entry = Entry::Whole;
        Some(self)
    }

    /// The fields that stand in the header of this name.
    pub(super) fn slots_in(&self, name: &HeaderName) -> impl Iterator<Item = &Slot> {
        let line = self.names.iter().position(|one| one == name);
        self.slots.iter().filter(move |slot| Some(slot.line) == line)
    }

    /// Whether this header carries the delivery id and nothing else.
    pub(super) fn is_delivery_id(&self, name: &HeaderName) -> bool {
        self.slots_in(name).all(|slot| slot.role == Role::DeliveryId)
    }
}
