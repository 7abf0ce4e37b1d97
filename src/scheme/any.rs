//! Several formats on one endpoint.

use std::iter;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::claim::{Claim, Claims, Stamp};
use super::entry::{Entry, Seen, Trailer};
use super::feed::Feed;
use super::message::{HeadMut, Message, Subject};
use super::numbering::{AMBIGUOUS, inner, inner_claim, is_ambiguous, number, outer};
use super::protocol::Protocol;
use super::time::TimeFormat;
use super::{MAX_MACS, Scheme};
use crate::clock::Tolerance;
use crate::encoding::Encoding;
use crate::error::{ConfigError, Mistake, SignError};
use crate::key::Key;
use crate::mac::{Algorithm, Tag};
use crate::rejection::RejectionKind;

/// A message is accepted by exactly one of these. The first one signs requests.
pub(super) struct Any {
    first: Scheme,
    more: Vec<Scheme>,
    fields: Vec<HeaderName>,
}

impl Any {
    pub(super) fn new(formats: impl IntoIterator<Item = Scheme>) -> Result<Self, ConfigError> {
        let wrong = |why: &str| ConfigError::from(Mistake::Scheme { name: "any", why: why.to_owned() });
        // A nested choice would read the numbers of the outer one.
        let flat = |one: Scheme| match &one.formats {
            Some(any) => any.each().cloned().collect(),
            None => vec![one],
        };
        let mut formats = formats.into_iter().flat_map(flat);
        let first = formats.next().ok_or_else(|| wrong("there is no format to choose from"))?;
        let more: Vec<_> = formats.collect();
        if more.len() >= MAX_MACS {
            return Err(wrong("there are more than four formats"));
        }
        if more.iter().any(|one| one.protocol.algorithm() != first.protocol.algorithm()) {
            return Err(wrong("the formats want keys for different algorithms"));
        }
        let all = || iter::once(&first).chain(&more);
        let names = || all().map(Scheme::name);
        if all().all(|one| one.protocol.signs_responses())
            && names().any(|name| names().filter(|other| *other == name).count() > 1)
        {
            return Err(wrong("two formats that sign responses have one name"));
        }
        let mut fields = first.protocol.fields().to_vec();
        fields.extend(more.iter().flat_map(|one| one.protocol.fields()).cloned());
        fields.dedup();
        Ok(Self { first, more, fields })
    }

    fn each(&self) -> impl Iterator<Item = &Scheme> {
        iter::once(&self.first).chain(&self.more)
    }

    fn of(&self, claim: &Claim<'_>) -> &dyn Protocol {
        self.numbered(number(claim.format))
    }

    fn numbered(&self, format: usize) -> &dyn Protocol {
        &*self.each().nth(format).unwrap_or(&self.first).protocol
    }

    /// The format of the request that a response answers; the first one for a request that is to be signed.
    fn known(&self, message: &Message<'_>) -> usize {
        match message.subject() {
            Subject::Request(_) => 0,
            Subject::Response(_, to) => self.each().position(|one| one.name() == to.scheme()).unwrap_or_default(),
        }
    }
}

impl Protocol for Any {
    fn name(&self) -> &'static str {
        self.first.protocol.name()
    }

    fn name_for(&self, claim: &Claim<'_>) -> &'static str {
        self.of(claim).name_for(&inner_claim(claim))
    }

    fn challenge(&self) -> HeaderValue {
        self.first.protocol.challenge()
    }

    fn fields(&self) -> &[HeaderName] {
        &self.fields
    }

    fn carries_signature(&self, name: &HeaderName) -> bool {
        self.each().any(|one| one.protocol.carries_signature(name))
    }

    fn algorithm(&self) -> Algorithm {
        self.first.protocol.algorithm()
    }

    fn fits(&self, key: &Key) -> Result<(), ConfigError> {
        self.each().try_for_each(|one| one.protocol.fits(key))
    }

    fn encoding(&self, claim: &Claim<'_>) -> Encoding {
        self.of(claim).encoding(&inner_claim(claim))
    }

    fn nonce_encoding(&self) -> Encoding {
        self.first.protocol.nonce_encoding()
    }

    fn time(&self, message: &Message<'_>) -> TimeFormat {
        self.numbered(self.known(message)).time(message)
    }

    fn tolerance(&self) -> Option<Tolerance> {
        // The narrowest, where they differ.
        let each = self.each().filter_map(|one| one.protocol.tolerance());
        each.reduce(Tolerance::narrower)
    }

    fn has_nonce(&self) -> bool {
        self.each().any(|one| one.protocol.has_nonce())
    }

    fn owns_in_requests(&self, name: &HeaderName) -> bool {
        self.each().any(|one| one.protocol.fields().contains(name) && one.protocol.owns_in_requests(name))
    }

    fn owns_in_responses(&self, name: &HeaderName) -> bool {
        self.each().any(|one| one.protocol.fields().contains(name) && one.protocol.owns_in_responses(name))
    }

    fn signs_responses(&self) -> bool {
        self.each().all(|one| one.protocol.signs_responses())
    }

    fn read<'m>(&self, message: &Message<'m>) -> Result<Claims<'m>, RejectionKind> {
        if !message.is_request() {
            let format = self.known(message);
            let mut claims = self.numbered(format).read(message)?;
            for claim in claims.each_mut() {
                claim.format = outer(claim.format, format)?;
            }
            return Ok(claims);
        }
        let mut refused = RejectionKind::Missing;
        let mut all: Option<Claims<'m>> = None;
        for (format, one) in self.each().enumerate() {
            match one.protocol.read(message) {
                Ok(claims) => {
                    for mut claim in claims.into_each() {
                        claim.format = outer(claim.format, format)?;
                        match &mut all {
                            None => all = Some(claim.into()),
                            Some(all) => all.push(claim)?,
                        }
                    }
                }
                Err(RejectionKind::Missing) => {}
                Err(kind) => refused = kind,
            }
        }
        let mut all = all.ok_or(refused)?;
        let first = number(all.first().format);
        if all.iter().any(|claim| number(claim.format) != first) {
            all.each_mut().for_each(|claim| claim.format |= AMBIGUOUS);
        }
        Ok(all)
    }

    fn entry(&self, message: &Message<'_>, claim: Option<&Claim<'_>>) -> Result<Entry, RejectionKind> {
        match claim {
            Some(claim) if is_ambiguous(claim.format) => Ok(Entry::Whole),
            Some(claim) => self.of(claim).entry(message, Some(&inner_claim(claim))),
            None => self.numbered(self.known(message)).entry(message, None),
        }
    }

    fn before(&self, message: &Message<'_>, claim: &Claim<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
        self.of(claim).before(message, &inner_claim(claim), feed)
    }

    fn after(
        &self,
        message: &Message<'_>,
        claim: &Claim<'_>,
        seen: &Seen<'_>,
        feed: &mut Feed<'_>,
    ) -> Result<(), RejectionKind> {
        let (protocol, inner) = (self.of(claim), inner_claim(claim));
        if !is_ambiguous(claim.format) {
            return protocol.after(message, &inner, seen, feed);
        }
        // All of the body is there, whatever way this format wants it.
        let seen = seen.hashed();
        match protocol.entry(message, Some(&inner))? {
            Entry::Raw => feed.push(seen.whole),
            Entry::Digest(encoding) if claim.digest != Some(encoding.spell(&seen.sha256).as_bytes()) => {
                return Err(RejectionKind::BodyMismatch);
            }
            // One reading too many for a body that says itself at its end what it is.
            Entry::Trailer => return Err(RejectionKind::Malformed),
            _ => {}
        }
        protocol.after(message, &inner, &seen, feed)
    }

    fn signs_head(&self) -> bool {
        self.more.is_empty() && self.first.protocol.signs_head()
    }

    fn trailer(&self, claim: &Claim<'_>) -> Option<Trailer> {
        self.of(claim).trailer(&inner_claim(claim))
    }

    fn end(
        &self,
        claim: &Claim<'_>,
        head: &Tag,
        seen: &Seen<'_>,
        trailers: &HeaderMap,
        feed: &mut Feed<'_>,
    ) -> Result<(), RejectionKind> {
        self.of(claim).end(&inner_claim(claim), head, seen, trailers, feed)
    }

    fn inside(&self, claim: &Claim<'_>, seen: &Seen<'_>) -> Result<Option<u64>, RejectionKind> {
        self.of(claim).inside(&inner_claim(claim), seen)
    }

    fn stamp<'s>(&self, message: &Message<'s>, stamp: &Stamp<'s>) -> Result<Claim<'s>, RejectionKind> {
        let format = self.known(message);
        let claim = self.numbered(format).stamp(message, stamp)?;
        Ok(Claim { format: outer(claim.format, format)?, ..claim })
    }

    fn write(&self, head: HeadMut<'_>, stamp: &Stamp<'_>, digest: &[u8], tag: &Tag) -> Result<(), SignError> {
        let inner = Stamp { format: inner(stamp.format), ..*stamp };
        self.numbered(number(stamp.format)).write(head, &inner, digest, tag)
    }
}
