//! Every claim under every key.

use std::sync::LazyLock;

use bytes::Bytes;

use crate::encoding::Encoding;
use crate::key::{Data, Key, Keys};
use crate::mac::{self, Algorithm, Mac, Tag};
use crate::rejection::RejectionKind;
use crate::scheme::{Claim, Claims, Entry, Intake, MAX_MACS, Message, Scheme, Seen, Timestamp};

/// The claim that is right, for a scheme whose head says it all; its key and tag, and those of the first key.
pub(super) fn head_only<'k, 'c, 'm>(
    scheme: &Scheme,
    message: &Message<'m>,
    claims: &'c Claims<'m>,
    keys: Option<&'k Keys>,
) -> Result<(Signer<&'k Key>, Signer<&'k Key>, &'c Claim<'m>), RejectionKind> {
    let protocol = scheme.protocol();
    let mut matched = None;
    let mut firsts = Firsts::default();
    let mut known = false;
    for key in keys.into_iter().flat_map(Keys::iter) {
        known = true;
        for (index, claim) in claims.iter().enumerate() {
            let mut mac = protocol.start(key, claim)?;
            protocol.feed_head(message, claim, &mut mac)?;
            let tag = mac.finish();
            let first = firsts.of(index, (key, tag));
            if signs(protocol.encoding(claim), &tag, claim) {
                matched = Some(((key, tag), first, claim));
            }
        }
    }
    if !known {
        let mut mac = stand_in(protocol.algorithm())?;
        protocol.feed_head(message, claims.first(), &mut mac)?;
        // Whatever comes out is refused.
        std::hint::black_box(signs(protocol.encoding(claims.first()), &mac.finish(), claims.first()));
        return Err(RejectionKind::UnknownKey);
    }
    matched.ok_or(RejectionKind::BadMac)
}

/// A key and what it makes of a text.
pub(super) type Signer<K> = (K, Tag);

/// For each claim, what the first key makes of it. Whoever removes one of several right signatures does not change that.
struct Firsts<K>([Option<Signer<K>>; MAX_MACS]);

impl<K> Default for Firsts<K> {
    fn default() -> Self {
        Self([const { None }; MAX_MACS])
    }
}

impl<K: Clone> Firsts<K> {
    fn of(&mut self, claim: usize, signer: Signer<K>) -> Signer<K> {
        match self.0.get_mut(claim) {
            Some(first) => first.get_or_insert(signer).clone(),
            None => signer,
        }
    }
}

/// Whether the tag is one of the signatures that the claim carries. All are looked at.
pub(super) fn signs(encoding: Encoding, tag: &Tag, claim: &Claim<'_>) -> bool {
    let spelt = tag.spell(encoding);
    claim.signatures.iter().fold(false, |found, text| found | mac::equal(text, spelt.as_bytes()))
}

/// A MAC under a secret that nobody knows.
fn stand_in(algorithm: Algorithm) -> Result<Mac, RejectionKind> {
    static SECRET: LazyLock<Option<[u8; 32]>> = LazyLock::new(|| {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).ok()?;
        Some(secret)
    });
    let secret = SECRET.as_ref().ok_or(RejectionKind::UnknownKey)?;
    Mac::new(algorithm, secret).ok_or(RejectionKind::UnknownKey)
}

/// MACs that wait for the body.
pub(super) struct Attempts {
    each: Vec<Attempt>,
    intake: Intake,
    data: Option<Data>,
}

struct Attempt {
    /// `None` for the stand-in.
    key: Option<Key>,
    claim: usize,
    mac: Mac,
}

/// The claim that turned out right.
pub(super) struct Matched<'m> {
    pub(super) signer: Signer<Key>,
    pub(super) first: Signer<Key>,
    pub(super) claim: Claim<'m>,
    pub(super) data: Option<Data>,
}

impl Attempts {
    pub(super) fn begin(
        scheme: &Scheme,
        entry: Entry,
        message: &Message<'_>,
        claims: &Claims<'_>,
        keys: Option<&Keys>,
    ) -> Result<Self, RejectionKind> {
        let protocol = scheme.protocol();
        let mut each = Vec::with_capacity(1);
        let mut refused = None;
        for key in keys.into_iter().flat_map(Keys::iter) {
            for (index, claim) in claims.iter().enumerate() {
                let begun = protocol.start(key, claim).and_then(|mut mac| {
                    protocol.feed_head(message, claim, &mut mac)?;
                    Ok(Attempt { key: Some(key.clone()), claim: index, mac })
                });
                // What one format cannot be made of may be right in another.
                match begun {
                    Ok(attempt) => each.push(attempt),
                    Err(kind) => refused = Some(kind),
                }
            }
        }
        if each.is_empty() {
            if let Some(kind) = refused {
                return Err(kind);
            }
            let mut mac = stand_in(protocol.algorithm())?;
            protocol.feed_head(message, claims.first(), &mut mac)?;
            each.push(Attempt { key: None, claim: 0, mac });
        }
        Ok(Self { each, intake: Intake::new(entry), data: keys.and_then(Keys::data).cloned() })
    }

    pub(super) fn take(&mut self, bytes: &[u8], shared: impl FnOnce(&[u8]) -> Bytes) {
        self.intake.take(bytes, self.each.iter_mut().map(|attempt| &mut attempt.mac), shared);
    }

    /// `claims` are read from the same head again: they borrow it, and it had to move while the body came.
    pub(super) fn end<'m>(
        &mut self,
        scheme: &Scheme,
        message: &Message<'_>,
        claims: &Claims<'m>,
    ) -> Result<Matched<'m>, RejectionKind> {
        let Self { each, intake, data } = self;
        let protocol = scheme.protocol();
        intake.end(|seen: &Seen<'_>| {
            let mut matched = None;
            let mut firsts = Firsts::default();
            let known = each.iter().any(|attempt| attempt.key.is_some());
            let mut wrong = if known { RejectionKind::BadMac } else { RejectionKind::UnknownKey };
            for Attempt { key, claim: index, mac } in each.drain(..) {
                let claim = claims.get(index).ok_or(RejectionKind::Malformed)?;
                match protocol.feed_rest(message, claim, seen, mac) {
                    Ok(tag) => {
                        let signed = signs(protocol.encoding(claim), &tag, claim);
                        let first = key.map(|key| (firsts.of(index, (key.clone(), tag)), (key, tag)));
                        matched = first.filter(|_| signed).map(|(first, signer)| (signer, first, claim)).or(matched);
                    }
                    Err(kind) => wrong = kind,
                }
            }
            let (signer, first, claim) = matched.ok_or(wrong)?;
            let inside = protocol.inside(claim, seen)?.map(|seconds| Timestamp { text: "", seconds: Some(seconds) });
            let claim = Claim { timestamp: inside.or(claim.timestamp), ..claim.clone() };
            Ok(Matched { signer, first, claim, data: data.take() })
        })
    }
}
