//! The steps that requests and responses have in common.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue, TRAILER};

use crate::error::SignError;
use crate::key::Key;
use crate::mac::{Mac, Tag};
use crate::rejection::RejectionKind;
use crate::scheme::{
    Claim, Ending, Entry, Hashed, HeadMut, Intake, Message, Protocol, Scheme, Short, Stamp, Timestamp, Trailer,
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
    nonce: Option<Short>,
}

impl Dated {
    /// Only a request has a nonce.
    fn new(protocol: &dyn Protocol, message: &Message<'_>, now: u64) -> Result<Self, SignError> {
        let nonce = message.is_request().then(|| {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|_| SignError::NoRandomness)?;
            Ok(Short::new(protocol.nonce_encoding().spell(&random).as_str()))
        });
        let time = protocol.time().spell(now).ok_or(SignError::Clock)?;
        Ok(Self { now, time, nonce: nonce.transpose()? })
    }

    fn stamp<'s>(&'s self, key: &'s Key) -> Stamp<'s> {
        let nonce = self.nonce.as_ref().map(Short::as_str).unwrap_or_default();
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
    pub(crate) fn announce<T>(
        scheme: &Scheme,
        key: &Key,
        message: &Message<'_>,
        now: u64,
        body: Hashed,
        look: impl FnOnce(&Claim<'_>, Tag) -> T,
    ) -> Result<(Sealed, Ending, T), SignError> {
        let protocol = scheme.protocol();
        let dated = Dated::new(protocol, message, now)?;
        let claim = protocol.stamp(message, &dated.stamp(key)).map_err(cannot)?;
        let trailer = protocol.trailer(&claim).ok_or(SignError::Header)?;
        let claim = Claim { digest: Some(trailer.announced.as_bytes()), ..claim };
        let mut mac = protocol.start(key, &claim).map_err(cannot)?;
        protocol.feed_head(message, &claim, &mut mac).map_err(cannot)?;
        let tag = mac.finish();
        let ending = Ending::new(scheme, key, &claim, tag, body).map_err(cannot)?;
        let (seen, format) = (look(&claim, tag), claim.format);
        let digest = Some(Digest::Announced(trailer));
        Ok((Sealed { dated, digest, tag, format }, ending, seen))
    }

    /// The tag, and what goes into the head beside it. `look` sees what the message now says.
    pub(crate) fn finish<T>(
        &mut self,
        protocol: &dyn Protocol,
        key: &Key,
        message: &Message<'_>,
        look: impl FnOnce(&Claim<'_>, Tag) -> T,
    ) -> Result<(Sealed, T), SignError> {
        let (dated, begun) = match self.begun.take() {
            Some(begun) => (begun.dated, Some(begun.mac)),
            None => (Dated::new(protocol, message, self.now)?, None),
        };
        let digest = match self.entry {
            Entry::Digest(encoding) => Some(self.intake.end(|seen| Short::new(encoding.spell(&seen.sha256).as_str()))),
            _ => None,
        };
        let mut claim = protocol.stamp(message, &dated.stamp(key)).map_err(cannot)?;
        claim.digest = digest.as_ref().map(|text| text.as_str().as_bytes());
        let tag = match begun {
            Some(mac) => self.intake.end(|seen| protocol.feed_rest(message, &claim, seen, mac)),
            None => protocol.start(key, &claim).and_then(|mut mac| {
                protocol.feed_head(message, &claim, &mut mac)?;
                Ok(mac.finish())
            }),
        };
        let tag = tag.map_err(cannot)?;
        let (seen, format) = (look(&claim, tag), claim.format);
        Ok((Sealed { dated, digest: digest.map(Digest::Spelt), tag, format }, seen))
    }
}

/// What is written into the head.
pub(crate) struct Sealed {
    dated: Dated,
    digest: Option<Digest>,
    tag: Tag,
    format: usize,
}

enum Digest {
    Spelt(Short),
    Announced(Trailer),
}

impl Sealed {
    pub(crate) fn write(&self, protocol: &dyn Protocol, key: &Key, head: HeadMut<'_>) -> Result<(), SignError> {
        let stamp = Stamp { format: self.format, ..self.dated.stamp(key) };
        let trailer = match &self.digest {
            None => return protocol.write(head, &stamp, &[], &self.tag),
            Some(Digest::Spelt(digest)) => return protocol.write(head, &stamp, digest.as_str().as_bytes(), &self.tag),
            Some(Digest::Announced(trailer)) => trailer,
        };
        let HeadMut { headers, uri } = head;
        protocol.write(HeadMut { headers, uri }, &stamp, trailer.announced.as_bytes(), &self.tag)?;
        // A body that ends in trailers has no length that could be declared.
        headers.remove(CONTENT_LENGTH);
        headers.append(TRAILER, HeaderValue::from(trailer.name.clone()));
        Ok(())
    }
}

/// Whether this message has its digest in the head, in a format that could also have its MAC behind the body.
pub(super) fn can_announce(scheme: &Scheme, key: &Key, message: &Message<'_>, now: u64) -> bool {
    let protocol = scheme.protocol();
    let digest = matches!(protocol.entry(message, None), Ok(Entry::Digest(_)));
    // What it says does not matter, only in which format.
    let claim = || {
        let nonce = || Short::new(protocol.nonce_encoding().spell(&[0; 16]).as_str());
        let dated = Dated { now, time: protocol.time().spell(now)?, nonce: message.is_request().then(nonce) };
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
