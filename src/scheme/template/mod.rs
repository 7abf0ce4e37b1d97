//! The declarative template: a format that is described, not programmed.

mod build;
mod check;
mod ends;
mod field;
mod format;
mod part;
mod sample;

use std::iter;

use http::header::{HeaderName, HeaderValue};

pub use self::build::SchemeBuilder;
pub use self::field::Field;
use self::format::{Format, Role, Slot};
pub use self::part::{BodyFunction, HeadFunction, Part};
use super::claim::{Claim, Claims, Stamp};
use super::entry::{Entry, Seen};
use super::feed::Feed;
use super::headers::Once;
use super::message::{HeadMut, Message, Subject};
use super::protocol::Protocol;
use super::time::TimeFormat;
use crate::clock::Tolerance;
use crate::encoding::Encoding;
use crate::error::{ConfigError, Mistake, SignError};
use crate::key::Key;
use crate::mac::{Algorithm, Tag};
use crate::rejection::RejectionKind;

/// What the clock reads in an authentic body.
type Inside = dyn Fn(&[u8]) -> Option<u64> + Send + Sync;

/// A described scheme.
struct Template {
    name: &'static str,
    algorithm: Algorithm,
    encoding: Encoding,
    least: usize,
    tolerance: Option<Tolerance>,
    inside: Option<Box<Inside>>,
    request: Format,
    response: Option<Format>,
    written: Vec<HeaderName>,
}

impl Template {
    fn format(&self, message: &Message<'_>) -> Result<&Format, RejectionKind> {
        match message.subject() {
            Subject::Request(_) => Ok(&self.request),
            Subject::Response(..) => self.response.as_ref().ok_or(RejectionKind::Missing),
        }
    }

    /// One spelling for both directions.
    fn time_format(&self) -> TimeFormat {
        let format = |slot: &Slot| match slot.role {
            Role::Timestamp(format) | Role::Unread(format) => Some(format),
            _ => None,
        };
        let response = self.response.iter().flat_map(|response| &response.slots);
        self.request.slots.iter().chain(response).find_map(format).unwrap_or(TimeFormat::Seconds)
    }
}

impl Protocol for Template {
    fn name(&self) -> &'static str {
        self.name
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("HMAC")
    }

    fn fields(&self) -> &[HeaderName] {
        &self.written
    }

    fn owns_in_requests(&self, name: &HeaderName) -> bool {
        self.request.names.contains(name) && !self.request.is_delivery_id(name)
    }

    fn owns_in_responses(&self, name: &HeaderName) -> bool {
        self.response.as_ref().is_some_and(|format| format.names.contains(name))
    }

    fn carries_signature(&self, name: &HeaderName) -> bool {
        let mut formats = iter::once(&self.request).chain(&self.response);
        formats.any(|format| format.slots_in(name).any(|slot| slot.role == Role::Signature))
    }

    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn fits(&self, key: &Key) -> Result<(), ConfigError> {
        if key.secret_len() < self.least {
            let (scheme, least, found) = (self.name, self.least, key.secret_len());
            return Err(Mistake::SecretTooShort { scheme, least, found }.into());
        }
        let mut places = self.request.slots.iter().filter(|slot| slot.role == Role::KeyId);
        match places.all(|slot| self.request.writes(slot.role, &slot.field, key.id().as_str()).is_ok()) {
            true => Ok(()),
            false => Err(Mistake::KeyId("holds what ends it in the fields or in the text of this scheme").into()),
        }
    }

    fn encoding(&self, _: &Claim<'_>) -> Encoding {
        self.encoding
    }

    fn nonce_encoding(&self) -> Encoding {
        Encoding::Hex
    }

    fn time(&self, _: &Message<'_>) -> TimeFormat {
        self.time_format()
    }

    fn tolerance(&self) -> Option<Tolerance> {
        (self.inside.is_some() || self.request.signs_time()).then_some(self.tolerance).flatten()
    }

    fn has_nonce(&self) -> bool {
        self.request.slots.iter().any(|slot| slot.role == Role::Nonce)
    }

    fn signs_responses(&self) -> bool {
        self.response.is_some()
    }

    fn read<'m>(&self, message: &Message<'m>) -> Result<Claims<'m>, RejectionKind> {
        let format = self.format(message)?;
        Ok(format.read(message.headers(), self.encoding, self.algorithm.tag_len())?.into())
    }

    fn entry(&self, message: &Message<'_>, _: Option<&Claim<'_>>) -> Result<Entry, RejectionKind> {
        Ok(self.format(message)?.entry)
    }

    fn signs_head(&self) -> bool {
        matches!(self.request.entry, Entry::Digest(_) | Entry::Uncovered)
    }

    fn before(&self, message: &Message<'_>, claim: &Claim<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
        let seen = Seen::default();
        self.format(message)?.before.iter().try_for_each(|part| part.feed(message, claim, &seen, feed))
    }

    fn after(
        &self,
        message: &Message<'_>,
        claim: &Claim<'_>,
        seen: &Seen<'_>,
        feed: &mut Feed<'_>,
    ) -> Result<(), RejectionKind> {
        self.format(message)?.after.iter().try_for_each(|part| part.feed(message, claim, seen, feed))
    }

    fn inside(&self, _: &Claim<'_>, seen: &Seen<'_>) -> Result<Option<u64>, RejectionKind> {
        match &self.inside {
            Some(inside) => inside(seen.whole).map(Some).ok_or(RejectionKind::Malformed),
            None => Ok(None),
        }
    }

    fn stamp<'s>(&self, message: &Message<'s>, stamp: &Stamp<'s>) -> Result<Claim<'s>, RejectionKind> {
        let format = self.format(message)?;
        let lines = format.lines(message.headers());
        let mut claim = Claim { key_id: Some(stamp.key_id), timestamp: Some(stamp.timestamp), ..Claim::default() };
        for slot @ Slot { role, field, line, .. } in &format.slots {
            match role {
                Role::Nonce => claim.nonce = Some(stamp.nonce),
                // The sender's own name for the message stays as it is: it is the same in every attempt.
                // In a header of its own: one that it shares is written anew.
                Role::DeliveryId => match lines.get(*line).copied().filter(|_| slot.beside == 1).unwrap_or_default() {
                    Once::Absent => claim.delivery_id = Some(stamp.nonce),
                    line => {
                        let id = format.only(slot, line)?;
                        format.ended(*role, id)?;
                        claim.delivery_id = Some(id);
                    }
                },
                Role::KeyId => format.writes(*role, field, stamp.key_id)?,
                _ => {}
            }
        }
        Ok(claim)
    }

    fn write(&self, head: HeadMut<'_>, stamp: &Stamp<'_>, digest: &[u8], tag: &Tag) -> Result<(), SignError> {
        let format = if head.uri.is_some() { Some(&self.request) } else { self.response.as_ref() };
        let format = format.ok_or(SignError::Header)?;
        let signature = tag.spell(self.encoding);
        let mut written = Vec::with_capacity(format.names.len());
        // A second place for a signature is a second key's.
        let place = format.slots.iter().position(|slot| slot.role == Role::Signature);
        for (line, name) in format.names.iter().enumerate() {
            let mut signed = false;
            let here = format.slots.iter().enumerate().filter(|(_, slot)| slot.line == line);
            let here = here.filter(|(index, slot)| {
                let is_place = Some(*index) == place;
                signed |= is_place;
                is_place || slot.role != Role::Signature
            });
            let mut here = here.map(|(_, slot)| slot).peekable();
            if here.peek().is_none() {
                continue;
            }
            let values = here.map(|Slot { role, field, .. }| {
                let value = match role {
                    Role::Signature => signature.as_str(),
                    Role::Timestamp(_) | Role::Unread(_) => stamp.timestamp.text,
                    Role::Nonce | Role::DeliveryId => stamp.nonce,
                    Role::KeyId => stamp.key_id,
                    Role::Digest => str::from_utf8(digest).unwrap_or_default(),
                };
                (field, value)
            });
            let mut value = HeaderValue::try_from(field::compose(values)).map_err(|_| SignError::Header)?;
            value.set_sensitive(signed);
            written.push((name, value, format.is_delivery_id(name)));
        }
        for (name, value, keeps) in written {
            match keeps && head.headers.contains_key(name) {
                true => {}
                false => drop(head.headers.insert(name, value)),
            }
        }
        Ok(())
    }
}
