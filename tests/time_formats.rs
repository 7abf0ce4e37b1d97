//! A point in time has the spellings of its format, and no other.

use proptest::prelude::*;
use tower_hmac::scheme::TimeFormat::{self, Fraction, HttpDate, Milliseconds, Rfc3339, Seconds};

const NOW: u64 = 1_795_303_445;

#[test]
fn every_format_reads_its_own() {
    for (format, text, expected) in [
        (Seconds, "0", 0),
        (Seconds, "1795303445", NOW),
        (Seconds, "999999999999", 999_999_999_999),
        (Fraction, "1795303445", NOW),
        (Fraction, "1795303445.0", NOW),
        (Fraction, "1795303445.999999999", NOW),
        (Fraction, "0.5", 0),
        (Milliseconds, "0", 0),
        (Milliseconds, "999", 0),
        (Milliseconds, "1795303445999", NOW),
        (Milliseconds, "999999999999999", 999_999_999_999),
        (Rfc3339, "1970-01-01T00:00:00Z", 0),
        (Rfc3339, "2026-11-21T23:24:05Z", NOW),
        (Rfc3339, "2026-11-21T23:24:05.999999999Z", NOW),
        (Rfc3339, "2026-11-21T23:24:05+00:00", NOW),
        (Rfc3339, "2026-11-22T08:24:05.1+09:00", NOW),
        (Rfc3339, "2026-11-21T16:24:05-07:00", NOW),
        (Rfc3339, "9999-12-30T22:00:00Z", 253_402_207_200),
        (HttpDate, "Sat, 21 Nov 2026 23:24:05 GMT", NOW),
        (HttpDate, "Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ] {
        assert_eq!(format.parse(text), Some(expected), "{format:?} {text}");
    }
}

/// G-01 to G-04.
#[test]
fn and_nothing_else() {
    let everywhere = [
        "",
        " ",
        "abc",
        "NaN",
        "inf",
        "-1",
        "-0",
        "+1795303445",
        " 1795303445",
        "1795303445 ",
        "1795303445\t",
        "01795303445",
        "00",
        "0x6b02",
        "1e9",
        "1_795_303_445",
        "1,795",
        "١٧٩٥٣٠٣٤٤٥",
        "１７９５",
        "1795303445Z",
        "18446744073709551616",
        "-9223372036854775808",
        "1795303445..5",
        "1795303445.",
        ".5",
        "1795303445.1234567890",
        "1795303445.5.5",
        "1.-5",
        "null",
    ];
    let long = "1".repeat(309);
    for format in [Seconds, Fraction, Milliseconds, Rfc3339, HttpDate] {
        for text in everywhere.iter().copied().chain([&*long]) {
            assert_eq!(format.parse(text), None, "{format:?} {text:?}");
        }
    }
    for (format, text) in [
        (Seconds, "1795303445.0"),
        (Seconds, "1795303445999"),
        (Milliseconds, "1795303445999.0"),
        (Milliseconds, "1795303445999000"),
        (Fraction, "1795303445999"),
        (Fraction, "01.5"),
    ] {
        assert_eq!(format.parse(text), None, "{format:?} {text:?}");
    }
    for text in [
        "2026-11-21",
        "2026-11-21T23:24:05",
        "2026-11-21 23:24:05Z",
        "2026-11-21t23:24:05Z",
        "2026-11-21T23:24:05z",
        "2026-11-21T23:24Z",
        "2026-11-21T23Z",
        "2026-11-21T232405Z",
        "20261121T232405Z",
        "2026-11-21T23:24:05+0000",
        "2026-11-21T23:24:05+00",
        "2026-11-21T23:24:05+00:00:00",
        "2026-11-21T23:24:05+24:00",
        "2026-11-21T23:24:05+25:00",
        "2026-11-21T23:24:05,5Z",
        "2026-11-21T23:24:05.Z",
        "2026-11-21T23:24:05.1234567890Z",
        "2026-11-21T23:24:05ZZ",
        "2026-11-21T23:24:05Z[UTC]",
        "2026-11-21T23:24:05+09:00[Asia/Tokyo]",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T23:60:05Z",
        "+002026-11-21T23:24:05Z",
        "1969-12-31T23:59:59Z",
        "2026-W47-6T23:24:05Z",
        "2026-11-21T23:24:05−07:00",
        "2026-325T23:24:05Z",
    ] {
        assert_eq!(Rfc3339.parse(text), None, "{text}");
    }
    for text in [
        "Sun, 21 Nov 2026 23:24:05 GMT",
        "Sat, 21 Nov 2026 23:24:05 UTC",
        "Sat, 21 Nov 2026 23:24:05 +0000",
        "Saturday, 21-Nov-26 23:24:05 GMT",
        "Sat Nov 21 23:24:05 2026",
        "sat, 21 nov 2026 23:24:05 gmt",
        "21 Nov 2026 23:24:05 GMT",
        "Sat, 21 Nov 2026 23:24 GMT",
        "Sat,  21 Nov 2026 23:24:05 GMT",
        "Sun, 1 Nov 2026 23:24:05 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sat, 21 Nov 2026 23:24:05 GMT (x)",
    ] {
        assert_eq!(HttpDate.parse(text), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A text next to another, with nothing between them, ends or begins where its spelling says.
    #[test]
    fn no_rfc_3339_time_begins_or_ends_with_another(seconds in 0..253_402_207_200i64, nanos in 0..1_000_000_000i32, cut in 1..30usize) {
        let time = jiff::Timestamp::new(seconds, nanos).unwrap().to_string();
        for text in [time.clone(), time.replace('Z', "+00:00")] {
            prop_assert_eq!(Rfc3339.parse(&text), u64::try_from(seconds).ok());
            prop_assert_eq!(text.get(cut..).and_then(|text| Rfc3339.parse(text)), None);
            prop_assert_eq!(text.get(..text.len().saturating_sub(cut)).and_then(|text| Rfc3339.parse(text)), None);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[0-9TZ:.+, GMTSatNov-]{0,40}|.{0,40}") {
        for format in [Seconds, Fraction, Milliseconds, Rfc3339, HttpDate] {
            let _: Option<u64> = TimeFormat::parse(format, &text);
        }
    }
}
