//! Where a field of a scheme stands in a message, and how it is spelt there.

use std::fmt::Write as _;

use crate::rejection::RejectionKind;
use crate::scheme::headers::Once;

/// Where a field of a scheme stands in a message.
///
/// ```
/// use tower_hmac::scheme::Field;
///
/// let hub = Field::header("x-hub-signature-256").prefix("sha256="); //    x-hub-signature-256: sha256=…
/// let stripe = Field::member("stripe-signature", "v1"); //                stripe-signature: t=…,v1=…,v1=…
/// let paddle = Field::member("paddle-signature", "h1").separator(';'); // paddle-signature: ts=…;h1=…
/// let standard = Field::tokens("webhook-signature", "v1,"); //            webhook-signature: v1,… v1,…
/// let imburse = Field::authorization("Hmac", ':', 3); //                  authorization: Hmac id:nonce:time:signature
/// let partner = Field::part("x-partner-auth", ';', 2); //                 x-partner-auth: id;time;signature
/// # let _ = [hub, stripe, paddle, standard, imburse, partner];
/// ```
#[derive(Clone, Debug)]
pub struct Field {
    pub(super) name: &'static str,
    pub(super) place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The whole value, after a prefix.
    Whole { prefix: &'static str },
    /// `key=value` in a list.
    Member { key: &'static str, separator: char, open: bool },
    /// Every token with this prefix, between blanks.
    Tokens { prefix: &'static str },
    /// The nth of several parts, after an authentication scheme's name if there is one.
    Part { word: Option<&'static str>, separator: char, index: usize },
}

impl Field {
    /// The whole value of a header.
    #[must_use]
    pub const fn header(name: &'static str) -> Self {
        Self { name, place: Place::Whole { prefix: "" } }
    }

    /// `key=value` in a header that holds a list, separated by commas. A key that no field has is refused.
    #[must_use]
    pub const fn member(name: &'static str, key: &'static str) -> Self {
        Self { name, place: Place::Member { key, separator: ',', open: false } }
    }

    /// Every token with this prefix in a header whose tokens are separated by blanks. Other tokens are passed over.
    #[must_use]
    pub const fn tokens(name: &'static str, prefix: &'static str) -> Self {
        Self { name, place: Place::Tokens { prefix } }
    }

    /// The part with this index (from 0) in an `authorization` header: the name of the authentication scheme (in any
    /// case), a blank, and the parts with `separator` between them.
    #[must_use]
    pub const fn authorization(word: &'static str, separator: char, index: usize) -> Self {
        Self { name: "authorization", place: Place::Part { word: Some(word), separator, index } }
    }

    /// The part with this index (from 0) in a header whose parts have `separator` between them: `id;time;signature`.
    #[must_use]
    pub const fn part(name: &'static str, separator: char, index: usize) -> Self {
        Self { name, place: Place::Part { word: None, separator, index } }
    }

    /// What stands before the value of a [`header`](Self::header); without effect on other fields.
    #[must_use]
    pub fn prefix(self, prefix: &'static str) -> Self {
        match self.place {
            Place::Whole { .. } => Self { place: Place::Whole { prefix }, ..self },
            _ => self,
        }
    }

    /// What stands between the members of a [list](Self::member); without effect on other fields.
    #[must_use]
    pub fn separator(self, separator: char) -> Self {
        match self.place {
            Place::Member { key, open, .. } => Self { place: Place::Member { key, separator, open }, ..self },
            _ => self,
        }
    }

    /// Passes over the keys of the [list](Self::member) that no field has; without effect on other fields.
    #[must_use]
    pub fn among_others(self) -> Self {
        match self.place {
            Place::Member { key, separator, .. } => {
                Self { place: Place::Member { key, separator, open: true }, ..self }
            }
            _ => self,
        }
    }

    /// What no value of this field may contain.
    pub(super) fn between(&self) -> Option<char> {
        match self.place {
            Place::Member { separator, .. } | Place::Part { separator, .. } => Some(separator),
            Place::Tokens { .. } => Some(' '),
            Place::Whole { .. } => None,
        }
    }

    /// Shows each value of this field. `parts` is the number of parts that its header has, and `keys` are those that a list
    /// may have.
    pub(super) fn read<'m>(
        &self,
        line: Once<'m>,
        parts: usize,
        keys: &[&'static str],
        mut see: impl FnMut(&'m [u8]) -> Result<(), RejectionKind>,
    ) -> Result<(), RejectionKind> {
        let value = match line {
            Once::Absent => return Err(RejectionKind::Missing),
            Once::Repeated => return Err(RejectionKind::Malformed),
            Once::One(value) => value.as_bytes(),
        };
        match &self.place {
            Place::Whole { prefix } => see(value.strip_prefix(prefix.as_bytes()).ok_or(RejectionKind::Malformed)?),
            Place::Member { key, separator, open } => {
                for member in split(value, *separator) {
                    let equals = member.iter().position(|b| *b == b'=').ok_or(RejectionKind::Malformed)?;
                    let (name, value) = member.split_at_checked(equals).ok_or(RejectionKind::Malformed)?;
                    match name == key.as_bytes() {
                        true => see(value.get(1..).unwrap_or_default())?,
                        false if *open || keys.iter().any(|known| name == known.as_bytes()) => {}
                        false => return Err(RejectionKind::Malformed),
                    }
                }
                Ok(())
            }
            Place::Tokens { prefix } => {
                split(value, ' ').filter_map(|token| token.strip_prefix(prefix.as_bytes())).try_for_each(see)
            }
            Place::Part { word, separator, index } => {
                let all = match word {
                    Some(word) => after_word(value, word).ok_or(RejectionKind::Malformed)?,
                    None => value,
                };
                if split(all, *separator).count() != parts {
                    return Err(RejectionKind::Malformed);
                }
                see(split(all, *separator).nth(*index).ok_or(RejectionKind::Malformed)?)
            }
        }
    }
}

/// What follows the name of an authentication scheme and a blank.
fn after_word<'v>(value: &'v [u8], word: &str) -> Option<&'v [u8]> {
    let (scheme, rest) = value.split_at_checked(word.len())?;
    let rest = rest.strip_prefix(b" ")?;
    scheme.eq_ignore_ascii_case(word.as_bytes()).then_some(rest)
}

fn split(value: &[u8], separator: char) -> impl Iterator<Item = &[u8]> {
    value.split(move |b| char::from(*b) == separator)
}

/// The value of one header, put together from the fields that stand in it. The fields come in order.
pub(super) fn compose<'f>(fields: impl Iterator<Item = (&'f Field, &'f str)>) -> String {
    let mut text = String::new();
    for (field, value) in fields {
        // Writing to a string cannot fail.
        let _ = match &field.place {
            Place::Whole { prefix } | Place::Tokens { prefix } => write!(text, "{prefix}{value}"),
            Place::Member { key, .. } if text.is_empty() => write!(text, "{key}={value}"),
            Place::Member { key, separator, .. } => write!(text, "{separator}{key}={value}"),
            Place::Part { word: Some(word), .. } if text.is_empty() => write!(text, "{word} {value}"),
            Place::Part { .. } if text.is_empty() => write!(text, "{value}"),
            Place::Part { separator, .. } => write!(text, "{separator}{value}"),
        };
    }
    text
}
