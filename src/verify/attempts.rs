//! Every claim under every key.

use std::sync::LazyLock;

use bytes::Bytes;

use crate::encoding::Encoding;
use crate::key::{Data, Key, Keys};
use crate::mac::{self, Algorithm, Mac, Tag};
use crate::rejection::RejectionKind;
use crate::scheme::{Claim, Claims, Entry, Exchange, Intake, MAX_MACS, Message, Protocol, Scheme, Seen, Timestamp};

/// The claim that is right, for a scheme whose head says it all, and what is known by it.
pub(super) fn head_only<'c, 'm>(
    scheme: &Scheme,
    message: &Message<'m>,
    claims: &'c Claims<'m>,
    keys: Option<&Keys>,
    named: bool,
) -> Result<(Exchange, &'c Claim<'m>), RejectionKind> {
    let protocol = scheme.protocol();
    let (mut matched, mut first, mut right) = (None, None, [false; MAX_MACS]);
    for key in keys.into_iter().flat_map(Keys::iter) {
        let first = *first.get_or_insert(key);
        for (claim, right) in claims.iter().zip(&mut right) {
            let tag = tag(protocol, message, claim, protocol.start(key, claim)?)?;
            if signs(protocol.encoding(claim), &tag, claim) {
                (matched, *right) = (Some((key, tag, first, claim)), true);
            }
        }
    }
    if first.is_none() {
        let tag = tag(protocol, message, claims.first(), stand_in(protocol.algorithm())?)?;
        // Whatever comes out is refused.
        std::hint::black_box(signs(protocol.encoding(claims.first()), &tag, claims.first()));
        return Err(RejectionKind::UnknownKey);
    }
    let (key, signature, first, claim) = matched.as_ref().ok_or(RejectionKind::BadMac)?;
    let mut names = [const { None }; MAX_MACS];
    for ((claim, right), name) in claims.iter().zip(right).zip(&mut names) {
        if right && named && claim.nonce.is_none() {
            *name = Some(tag(protocol, message, claim, naming(protocol)?)?);
        }
    }
    let name = if named { only_name(claims, &right, &names)? } else { None };
    let (signer, first) = ((*key, signature), (*first, name.unwrap_or(signature)));
    let data = keys.and_then(Keys::data);
    Ok((Exchange::new(signer, first, protocol.name_for(claim), message, claim, data), claim))
}

/// What a message without a nonce is known by. Claims that are right know it by one nonce, or one name: with another
/// one beside it, the message could come a second time without this one.
fn only_name<'t>(
    claims: &Claims<'_>,
    right: &[bool; MAX_MACS],
    names: &'t [Option<Tag>; MAX_MACS],
) -> Result<Option<&'t Tag>, RejectionKind> {
    let known = claims.iter().zip(names).map(|(claim, name)| (claim.nonce, name.as_ref()));
    let mut others = known.zip(right).filter_map(|(known, right)| right.then_some(known));
    let (nonce, name) = others.next().ok_or(RejectionKind::BadMac)?;
    let bytes = |name: Option<&'t Tag>| name.map(Tag::as_bytes);
    let known = nonce.is_some() || name.is_some();
    let one = known && others.all(|(other, another)| other == nonce && bytes(another) == bytes(name));
    one.then_some(name).ok_or(RejectionKind::Malformed)
}

/// What a MAC makes of a head.
fn tag(protocol: &dyn Protocol, message: &Message<'_>, claim: &Claim<'_>, mut mac: Mac) -> Result<Tag, RejectionKind> {
    protocol.feed_head(message, claim, &mut mac)?;
    Ok(mac.finish())
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

/// What a message without a nonce is known by: what is signed, under the name of the scheme, which is no secret. So it
/// stays the same message whichever key signed it, when one of several right signatures is removed, and when another
/// format signs the same text.
fn naming(protocol: &dyn Protocol) -> Result<Mac, RejectionKind> {
    Mac::new(protocol.algorithm(), protocol.name().as_bytes()).ok_or(RejectionKind::Malformed)
}

/// MACs that wait for the body.
pub(super) struct Attempts {
    each: Vec<Attempt>,
    intake: Intake,
    data: Option<Data>,
    named: bool,
}

struct Attempt {
    who: Who,
    claim: usize,
    mac: Mac,
}

enum Who {
    Key(Key),
    StandIn,
    /// Signs nothing: the message is known by it.
    Name,
}

impl Attempts {
    pub(super) fn begin(
        scheme: &Scheme,
        entry: Entry,
        message: &Message<'_>,
        claims: &Claims<'_>,
        keys: Option<&Keys>,
        named: bool,
    ) -> Result<Self, RejectionKind> {
        let protocol = scheme.protocol();
        let mut each = Vec::with_capacity(if named { 2 } else { 1 });
        let mut refused = None;
        for key in keys.into_iter().flat_map(Keys::iter) {
            for (index, claim) in claims.iter().enumerate() {
                let begun = protocol.start(key, claim).and_then(|mut mac| {
                    protocol.feed_head(message, claim, &mut mac)?;
                    Ok(Attempt { who: Who::Key(key.clone()), claim: index, mac })
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
            each.push(Attempt { who: Who::StandIn, claim: 0, mac });
        } else if named {
            for (index, claim) in claims.iter().enumerate().filter(|(_, claim)| claim.nonce.is_none()) {
                let mut mac = naming(protocol)?;
                // Where it cannot be made, no key has made one.
                if protocol.feed_head(message, claim, &mut mac).is_ok() {
                    each.push(Attempt { who: Who::Name, claim: index, mac });
                }
            }
        }
        Ok(Self { each, intake: Intake::new(entry), data: keys.and_then(Keys::data).cloned(), named })
    }

    pub(super) fn take(&mut self, bytes: &[u8], shared: impl FnOnce(&[u8]) -> Bytes) {
        self.intake.take(bytes, self.each.iter_mut().map(|attempt| &mut attempt.mac), shared);
    }

    /// What is known by the claim that is right. `claims` are read from the same head again: they borrow it, and it had to
    /// move while the body came.
    pub(super) fn end(
        &mut self,
        scheme: &Scheme,
        message: &Message<'_>,
        claims: &Claims<'_>,
    ) -> Result<Exchange, RejectionKind> {
        let Self { each, intake, data, named } = self;
        let protocol = scheme.protocol();
        intake.end(|seen: &Seen<'_>| {
            let (mut matched, mut first) = (None, None);
            let (mut right, mut names) = ([false; MAX_MACS], [const { None }; MAX_MACS]);
            let known = each.iter().any(|attempt| matches!(attempt.who, Who::Key(_)));
            let mut wrong = if known { RejectionKind::BadMac } else { RejectionKind::UnknownKey };
            for Attempt { who, claim: index, mut mac } in each.drain(..) {
                let found = (claims.get(index), right.get_mut(index), names.get_mut(index));
                let (Some(claim), Some(right), Some(name)) = found else { return Err(RejectionKind::Malformed) };
                if let Err(kind) = protocol.feed_rest(message, claim, seen, &mut mac) {
                    wrong = kind;
                    continue;
                }
                let tag = mac.finish();
                match who {
                    Who::Name => *name = Some(tag),
                    who => {
                        let signed = signs(protocol.encoding(claim), &tag, claim);
                        if let Who::Key(key) = who {
                            first.get_or_insert_with(|| key.clone());
                            if signed {
                                (matched, *right) = (Some((key, tag, claim)), true);
                            }
                        }
                    }
                }
            }
            let (key, signature, claim) = matched.as_ref().ok_or(wrong)?;
            let name = if *named { only_name(claims, &right, &names)? } else { None };
            let (signer, first) = ((key, signature), (first.as_ref().unwrap_or(key), name.unwrap_or(signature)));
            let dated = protocol.inside(claim, seen)?.map(|seconds| Claim {
                timestamp: Some(Timestamp { text: "", seconds: Some(seconds) }),
                ..Claim::clone(claim)
            });
            let claim = dated.as_ref().unwrap_or(claim);
            Ok(Exchange::new(signer, first, protocol.name_for(claim), message, claim, data.as_ref()))
        })
    }
}
