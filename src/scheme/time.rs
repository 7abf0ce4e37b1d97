//! How a point in time is spelt.

use jiff::Timestamp as Date;
use jiff::fmt::rfc2822;

use super::short::Short;

/// How a point in time is spelt in a message. What is signed is always the text that was sent.
///
/// ```
/// use tower_hmac::scheme::TimeFormat;
///
/// assert_eq!(TimeFormat::Seconds.parse("1795303445"), Some(1_795_303_445));
/// assert_eq!(TimeFormat::Milliseconds.parse("1795303445999"), Some(1_795_303_445));
/// assert_eq!(TimeFormat::Rfc3339.parse("2026-11-21T23:24:05Z"), Some(1_795_303_445));
/// assert_eq!(TimeFormat::Seconds.parse("+1795303445"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeFormat {
    /// Unix time in seconds: up to 12 decimal digits, and no zero in front.
    Seconds,
    /// Unix time in seconds with an optional fraction of up to nine digits.
    Fraction,
    /// Unix time in milliseconds: up to 15 decimal digits, and no zero in front.
    Milliseconds,
    /// RFC 3339, such as `2026-11-21T23:24:05Z`.
    Rfc3339,
    /// The date of RFC 9110 section 5.6.7, such as `Sat, 21 Nov 2026 23:24:05 GMT`.
    HttpDate,
}

impl TimeFormat {
    /// The whole seconds (Unix time) of a text, rounded down. `None` when it is spelt otherwise, or before 1970.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<u64> {
        match self {
            Self::Seconds => digits(text, 12),
            Self::Milliseconds => digits(text, 15).map(|ms| ms / 1000),
            Self::Fraction => match text.split_once('.') {
                None => digits(text, 12),
                Some((whole, fraction)) if is_fraction(fraction) => digits(whole, 12),
                Some(_) => None,
            },
            Self::Rfc3339 => text.parse::<Date>().ok().and_then(seconds).filter(|_| is_rfc3339(text)),
            Self::HttpDate => {
                let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok().and_then(seconds)?;
                (self.spell(date)?.as_str() == text).then_some(date)
            }
        }
    }

    /// The text for a time. `None` when it has no spelling.
    pub(crate) fn spell(self, now: u64) -> Option<Short> {
        let date = || Date::from_second(i64::try_from(now).ok()?).ok();
        Some(match self {
            Self::Seconds | Self::Fraction => Short::new(itoa::Buffer::new().format(now)),
            Self::Milliseconds => Short::new(itoa::Buffer::new().format(now.checked_mul(1000)?)),
            Self::Rfc3339 => Short::new(&date()?.to_string()),
            Self::HttpDate => Short::new(&rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date()?).ok()?),
        })
    }
}

fn seconds(date: Date) -> Option<u64> {
    u64::try_from(date.as_nanosecond().div_euclid(1_000_000_000)).ok()
}

/// A number in its one spelling.
fn digits(text: &str, most: usize) -> Option<u64> {
    let one_spelling = (1..=most).contains(&text.len()) && (text == "0" || !text.starts_with('0'));
    let digits = text.bytes().fold(true, |all, b| all & b.is_ascii_digit());
    // So few digits do not overflow.
    let add = |sum: u64, b: u8| sum.wrapping_mul(10).wrapping_add(u64::from(b.wrapping_sub(b'0')));
    (one_spelling && digits).then(|| text.bytes().fold(0, add))
}

fn is_fraction(digits: &str) -> bool {
    (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// `YYYY-MM-DDThh:mm:ss`, a fraction or none, and `Z` or an offset of less than a day: the parser takes more than RFC 3339
/// has. No such text begins or ends with another.
fn is_rfc3339(text: &str) -> bool {
    let pattern = |text: &str, pattern: &str| {
        let fits = |(b, p): (u8, u8)| if p == b'0' { b.is_ascii_digit() } else { b == p };
        text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
    };
    let Some((date, rest)) = text.split_at_checked(19) else { return false };
    let zone = rest.find(['Z', '+', '-']).and_then(|at| rest.split_at_checked(at));
    let Some((fraction, zone)) = zone else { return false };
    let offset = |zone: &str| (pattern(zone, "+00:00") || pattern(zone, "-00:00")) && zone.get(1..3) < Some("24");
    pattern(date, "0000-00-00T00:00:00")
        && (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(is_fraction))
        && (zone == "Z" || offset(zone))
}
