//! The steps that requests and responses have in common.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue, TRAILER};

use crate::encoding::Spelt;
use crate::error::SignError;
use crate::key::Key;
use crate::mac::{Mac, Tag};
use crate::rejection::RejectionKind;
use crate::scheme::{
    Claim, Ending, Entry, Hashed, HeadMut, Intake, Message, Protocol, Scheme, Short, Stamp, Timestamp,
};

/// A message that is being signed.
#[derive(Clone)]
pub(crate) struct Signing {
    now: u64,
    entry: Entry,
    intake: Intake,
    /// For a scheme that feeds the head before the body.
    begun: Option<Box<Begun>>,
}

#[derive(Clone)]
struct Begun {
    dated: Dated,
    mac: Mac,
}

/// When a message is signed, and its nonce, as text.
#[derive(Clone)]
struct Dated {
    now: u64,
    time: Short,
    nonce: Option<Spelt>,
}

impl Dated {
    /// Only a request has a nonce.
    fn new(protocol: &dyn Protocol, message: &Message<'_>, now: u64) -> Result<Self, SignError> {
        let nonce = message.is_request().then(|| {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|_| SignError::NoRandomness)?;
            Ok(protocol.nonce_encoding().spell(&random))
        });
        let time = protocol.time(message).spell(now).ok_or(SignError::Clock)?;
        Ok(Self { now, time, nonce: nonce.transpose()? })
    }

    fn stamp<'s>(&'s self, key: &'s Key) -> Stamp<'s> {
        let nonce = self.nonce.as_ref().map(Spelt::as_str).unwrap_or_default();
        let timestamp = Timestamp { text: self.time.as_str(), seconds: Some(self.now) };
        Stamp { key_id: key.id().as_str(), timestamp, nonce, format: 0 }
    }
}

impl Signing {
    pub(crate) fn begin(
        protocol: &dyn Protocol,
        key: &Key,
        message: &Message<'_>,
        now: u64,
    ) -> Result<Self, SignError> {
        let entry = protocol.entry(message, None).map_err(cannot)?;
        let begun = match entry {
            Entry::Digest(_) | Entry::Uncovered => None,
            // A signer announces a trailer only where it is told to.
            Entry::Trailer => return Err(SignError::Header),
            Entry::Raw | Entry::Hashed | Entry::Whole => {
                let dated = Dated::new(protocol, message, now)?;
                let claim = protocol.stamp(message, &dated.stamp(key)).map_err(cannot)?;
                let mut mac = protocol.start(key, &claim).map_err(cannot)?;
                protocol.feed_head(message, &claim, &mut mac).map_err(cannot)?;
                Some(Box::new(Begun { dated, mac }))
            }
        };
        Ok(Self { now, entry, intake: Intake::new(entry), begun })
    }

    /// Another time than that of the beginning, where it has not been fed yet.
    pub(crate) fn redate(&mut self, now: u64) {
        self.now = now;
    }

    /// Takes the next bytes of the body.
    pub(crate) fn take(&mut self, bytes: &[u8], shared: impl FnOnce(&[u8]) -> Bytes) {
        self.intake.take(bytes, self.begun.iter_mut().map(|begun| &mut begun.mac), shared);
    }

    /// Instead of taking a body: it has been hashed already, for a scheme that has the digest in the head.
    pub(crate) fn hashed(&mut self, body: Hashed) {
        self.intake = Intake::hashed(body);
    }

    /// Takes out the hash of the body so far, where that is all that is made of it.
    pub(crate) fn take_hashed(&mut self) -> Option<Hashed> {
        self.intake.take_hashed()
    }

    /// Signs a head whose body's MAC will follow it; `body` is what has come of it already.
    pub(crate) fn announce<H: Head>(
        scheme: &Scheme,
        key: &Key,
        head: &mut H,
        now: u64,
        body: Hashed,
    ) -> Result<(Ending, H::Signed), SignError> {
        let protocol = scheme.protocol();
        let message = head.message()?;
        let dated = Dated::new(protocol, &message, now)?;
        let claim = protocol.stamp(&message, &dated.stamp(key)).map_err(cannot)?;
        let trailer = protocol.trailer(&claim).ok_or(SignError::Header)?;
        let digest = trailer.announced.as_bytes();
        let claim = Claim { digest: Some(digest), ..claim };
        let mut mac = protocol.start(key, &claim).map_err(cannot)?;
        protocol.feed_head(&message, &claim, &mut mac).map_err(cannot)?;
        let tag = mac.finish();
        let ending = Ending::new(scheme, key, &claim, tag, body).map_err(cannot)?;
        let (signed, stamp) = (head.signed(&message, &claim, &tag), Stamp { format: claim.format, ..dated.stamp(key) });
        let HeadMut { headers, uri } = head.parts_mut();
        protocol.write(HeadMut { headers, uri }, &stamp, digest, &tag)?;
        // A body that ends in trailers has no length that could be declared.
        headers.remove(CONTENT_LENGTH);
        headers.append(TRAILER, HeaderValue::from(trailer.name));
        Ok((ending, signed))
    }

    /// Signs a message whose body was taken.
    pub(crate) fn finish<H: Head>(
        &mut self,
        protocol: &dyn Protocol,
        key: &Key,
        head: &mut H,
    ) -> Result<H::Signed, SignError> {
        let message = head.message()?;
        let fresh;
        let dated = match &self.begun {
            Some(begun) => &begun.dated,
            None => {
                fresh = Dated::new(protocol, &message, self.now)?;
                &fresh
            }
        };
        let digest = match self.entry {
            Entry::Digest(encoding) => Some(self.intake.end(|seen| encoding.spell(&seen.sha256))),
            _ => None,
        };
        let digest = digest.as_ref().map(Spelt::as_bytes);
        let mut claim = protocol.stamp(&message, &dated.stamp(key)).map_err(cannot)?;
        claim.digest = digest;
        let tag = match &self.begun {
            Some(begun) => {
                let mut mac = begun.mac.clone();
                self.intake.end(|seen| protocol.feed_rest(&message, &claim, seen, &mut mac)).map_err(cannot)?;
                mac.finish()
            }
            None => {
                let mut mac = protocol.start(key, &claim).map_err(cannot)?;
                protocol.feed_head(&message, &claim, &mut mac).map_err(cannot)?;
                mac.finish()
            }
        };
        let (signed, stamp) = (head.signed(&message, &claim, &tag), Stamp { format: claim.format, ..dated.stamp(key) });
        protocol.write(head.parts_mut(), &stamp, digest.unwrap_or_default(), &tag)?;
        Ok(signed)
    }
}

/// The head of a message that is being signed.
pub(crate) trait Head {
    /// What is known of it when it is signed.
    type Signed;

    /// What a signature sees of it.
    fn message(&self) -> Result<Message<'_>, SignError>;

    /// What is known of it now.
    fn signed(&self, message: &Message<'_>, claim: &Claim<'_>, tag: &Tag) -> Self::Signed;

    /// The parts to write into. What only the signer may set is not there any more.
    fn parts_mut(&mut self) -> HeadMut<'_>;
}

/// Whether this message has its digest in the head, in a format that could also have its MAC behind the body.
pub(super) fn can_announce(scheme: &Scheme, key: &Key, message: &Message<'_>, now: u64) -> bool {
    let protocol = scheme.protocol();
    let digest = matches!(protocol.entry(message, None), Ok(Entry::Digest(_)));
    // What it says does not matter, only in which format.
    let claim = || {
        let nonce = || protocol.nonce_encoding().spell(&[0; 16]);
        let dated = Dated { now, time: protocol.time(message).spell(now)?, nonce: message.is_request().then(nonce) };
        protocol.stamp(message, &dated.stamp(key)).ok().and_then(|claim| protocol.trailer(&claim))
    };
    digest && claim().is_some()
}

/// What a refusal of the engine means for the one who signs.
pub(crate) fn cannot(kind: RejectionKind) -> SignError {
    match kind {
        RejectionKind::AmbiguousTarget => SignError::Target,
        RejectionKind::Method => SignError::Method,
        RejectionKind::UncoveredOverride => SignError::UncoveredOverride,
        RejectionKind::Clock => SignError::Clock,
        _ => SignError::Header,
    }
}
