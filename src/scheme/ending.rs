//! A body whose MAC follows it.

use http::header::{HeaderMap, HeaderValue};

use super::Scheme;
use super::claim::Claim;
use super::entry::{Seen, Trailer};
use super::feed::Feed;
use crate::encoding::Encoding;
use crate::key::Key;
use crate::mac::{self, BodyHash, Mac, Tag};
use crate::rejection::RejectionKind;

/// The hash of a body so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashed {
    hash: BodyHash,
    len: u64,
}

impl Hashed {
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    pub(crate) fn from_parts(hash: BodyHash, len: u64) -> Self {
        Self { hash, len }
    }

    pub(crate) fn into_parts(self) -> (BodyHash, u64) {
        (self.hash, self.len)
    }
}

/// The body of a message whose head is signed, and announces a trailer.
pub(crate) struct Ending {
    scheme: Scheme,
    format: usize,
    encoding: Encoding,
    trailer: Trailer,
    head: Tag,
    mac: Mac,
    body: Hashed,
}

impl Ending {
    /// `head` is the MAC of the head; `body` what has been seen of the body already.
    pub(crate) fn new(
        scheme: &Scheme,
        key: &Key,
        claim: &Claim<'_>,
        head: Tag,
        body: Hashed,
    ) -> Result<Self, RejectionKind> {
        let protocol = scheme.protocol();
        let trailer = protocol.trailer(claim).ok_or(RejectionKind::Malformed)?;
        let (encoding, mac) = (protocol.encoding(claim), protocol.start(key, claim)?);
        Ok(Self { scheme: scheme.clone(), format: claim.format, encoding, trailer, head, mac, body })
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.body.take(bytes);
    }

    /// Whether the body is the one whose MAC stands in its trailers. Removes that field: what is left is authentic.
    pub(crate) fn verify(&self, trailers: &mut HeaderMap) -> Result<(), RejectionKind> {
        let mut found = trailers.get_all(&self.trailer.name).iter();
        let value = match (found.next(), found.next()) {
            (None, _) => return Err(RejectionKind::Missing),
            (Some(value), None) => value.clone(),
            (Some(_), Some(_)) => return Err(RejectionKind::Malformed),
        };
        trailers.remove(&self.trailer.name);
        let sent = value.as_bytes().strip_prefix(self.trailer.prefix.as_bytes()).ok_or(RejectionKind::Malformed)?;
        let tag = self.tag(trailers)?;
        match mac::equal(sent, tag.spell(self.encoding).as_bytes()) {
            true => Ok(()),
            false => Err(RejectionKind::BodyMismatch),
        }
    }

    /// Adds the MAC to the trailers.
    pub(crate) fn sign(&self, trailers: &mut HeaderMap) -> Result<(), RejectionKind> {
        trailers.remove(&self.trailer.name);
        let tag = self.tag(trailers)?;
        let text = [self.trailer.prefix, tag.spell(self.encoding).as_str()].concat();
        let mut value = HeaderValue::try_from(text).map_err(|_| RejectionKind::Malformed)?;
        value.set_sensitive(true);
        trailers.insert(self.trailer.name.clone(), value);
        Ok(())
    }

    fn tag(&self, trailers: &HeaderMap) -> Result<Tag, RejectionKind> {
        let Self { format, mac, .. } = self;
        let (hash, len) = self.body.clone().into_parts();
        let seen = Seen { sha256: hash.finish(), len, ..Seen::default() };
        let (claim, mut mac) = (Claim { format: *format, ..Claim::default() }, mac.clone());
        let mut feed = Feed::new(&mut mac);
        self.scheme.protocol().end(&claim, &self.head, &seen, trailers, &mut feed)?;
        feed.flush();
        Ok(mac.finish())
    }
}
