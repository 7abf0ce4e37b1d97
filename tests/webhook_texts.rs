//! What the providers' texts keep apart, and what they do not, as their pages say.

mod support;

use http::{Request, request};
use support::alloc::{Counting, measure};
use support::schemes::{mac, spell};
use support::{AUTHORITY, NOW};
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{Algorithm, Encoding, Key, Keys, RejectionKind, Scheme, webhook};

#[global_allocator]
static HEAP: Counting = Counting;

const SECRET: &[u8] = b"a secret of any length";

/// The signature over a text, made elsewhere.
fn signed(algorithm: Algorithm, encoding: Encoding, text: impl AsRef<[u8]>) -> String {
    spell(encoding, &mac(algorithm, SECRET, text.as_ref()))
}

fn head(target: &str, headers: &[(&str, &str)]) -> request::Parts {
    let request = Request::post(target).header("host", AUTHORITY);
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(())
        .unwrap()
        .into_parts()
        .0
}

fn verify(scheme: Scheme, head: &request::Parts, body: &[u8]) -> Result<(), RejectionKind> {
    let algorithm = if scheme.name() == "twilio" { Algorithm::HmacSha1 } else { Algorithm::HmacSha256 };
    let key = Key::from_bytes("k", SECRET).unwrap().with_algorithm(algorithm);
    let verifier = RequestVerifier::new(scheme);
    let credentials = verifier.read(head).map_err(|r| r.kind())?;
    let mut verifying = verifier.check(&credentials, Some(&Keys::from(key)), NOW).map_err(|r| r.kind())?;
    verifying.update(body);
    verifying.finish(head).map(drop).map_err(|r| r.kind())
}

/// Every way to cut `text` into a time and what stands before and after it, other than the right one.
fn is_cut_once(text: &str, right: usize, mut accepts: impl FnMut(&str, &str) -> bool) {
    for cut in 0..=text.len() {
        let (front, back) = text.split_at(cut);
        assert_eq!(accepts(front, back), cut == right, "{front:?} and {back:?}");
    }
}

#[test]
fn zendesk_and_box_tell_time_from_body_by_its_spelling() {
    for time in ["2026-11-21T23:24:05Z", "2026-11-21T23:24:05.5+00:00", "2026-11-21T23:24:05.25Z"] {
        for body in ["", "0", "Z", "00:00", "{}", ":00Z", "+00:00", "2026-11-21T23:24:05Z"] {
            let text = format!("{time}{body}");
            let signature = signed(Algorithm::HmacSha256, Encoding::Base64, &text);
            let names = ("x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp");
            is_cut_once(&text, time.len(), |time, body| {
                verify(webhook::zendesk(), &head("/", &[(names.0, &signature), (names.1, time)]), body.as_bytes())
                    .is_ok()
            });
            let text = format!("{body}{time}");
            let signature = signed(Algorithm::HmacSha256, Encoding::Base64, &text);
            let names = ("box-signature-primary", "box-delivery-timestamp");
            is_cut_once(&text, body.len(), |body, time| {
                verify(webhook::boxcom(), &head("/", &[(names.0, &signature), (names.1, time)]), body.as_bytes())
                    .is_ok()
            });
        }
    }
}

/// C-01, C-02.
#[test]
fn the_others_have_something_between() {
    let id = "msg_1";
    for body in ["", "1", ".", "..", ".1.", ":", "{}", "1795303446.{}", ":1795303446:{}"] {
        for (prefix, between, accepts) in [
            (
                "",
                ".",
                &(|time: &str, body: &str, signature: &str| {
                    let value = format!("t={time},v1={signature}");
                    verify(webhook::stripe(), &head("/", &[("stripe-signature", &value)]), body.as_bytes()).is_ok()
                }) as &dyn Fn(&str, &str, &str) -> bool,
            ),
            ("", ":", &|time, body, signature| {
                let value = format!("ts={time};h1={signature}");
                verify(webhook::paddle(), &head("/", &[("paddle-signature", &value)]), body.as_bytes()).is_ok()
            }),
            ("v0:", ":", &|time, body, signature| {
                let headers = [("x-slack-signature", &*format!("v0={signature}")), ("x-slack-request-timestamp", time)];
                verify(webhook::slack(), &head("/", &headers), body.as_bytes()).is_ok()
            }),
        ] {
            let text = format!("{NOW}{between}{body}");
            let signature = signed(Algorithm::HmacSha256, Encoding::Hex, format!("{prefix}{text}"));
            let cuts = text.match_indices(between).map(|(at, _)| (&text[..at], &text[at + 1..]));
            let accepted: Vec<_> = cuts.filter(|(time, body)| accepts(time, body, &signature)).collect();
            assert_eq!(accepted, [(&*NOW.to_string(), body)]);
            assert!(
                !accepts(&format!("{NOW}0"), body, &signature) && !accepts(&NOW.to_string()[1..], body, &signature)
            );
        }
        // Two things that end with a dot: every pair of dots.
        let text = format!("{id}.{NOW}.{body}");
        let value = format!("v1,{}", signed(Algorithm::HmacSha256, Encoding::Base64, &text));
        let dots: Vec<_> = text.match_indices('.').map(|(at, _)| at).collect();
        let pairs =
            dots.iter().flat_map(|one| dots.iter().filter(move |other| *other > one).map(move |other| (*one, *other)));
        let accepted = pairs.filter(|(one, other)| {
            let headers = [
                ("webhook-id", &text[..*one]),
                ("webhook-timestamp", &text[one + 1..*other]),
                ("webhook-signature", &value),
            ];
            verify(webhook::standard(), &head("/", &headers), &text.as_bytes()[other + 1..]).is_ok()
        });
        assert_eq!(accepted.collect::<Vec<_>>(), [(id.len(), id.len() + 11)]);
    }
}

/// The page says so.
#[test]
fn square_does_not_tell_its_url_from_the_body() {
    let signature = signed(Algorithm::HmacSha256, Encoding::Base64, "https://example.com/a{}");
    let head = head("/a", &[("x-square-hmacsha256-signature", &signature)]);
    for (url, body) in [("https://example.com/a", "{}"), ("https://example.com/", "a{}")] {
        assert_eq!(verify(webhook::square(url).unwrap(), &head, body.as_bytes()), Ok(()));
    }
    assert_eq!(verify(webhook::square("https://example.com/b").unwrap(), &head, b"{}"), Err(RejectionKind::BadMac));
    // Whatever the request says of itself.
    assert_eq!(verify(webhook::square("https://example.com/a").unwrap(), &head, b"{ }"), Err(RejectionKind::BadMac));
}

fn twilio(target: &str, signature: &str, body: &[u8]) -> Result<(), RejectionKind> {
    let headers = [("x-twilio-signature", signature), ("content-type", "application/x-www-form-urlencoded")];
    verify(webhook::twilio("https://example.com").unwrap(), &head(target, &headers), body)
}

/// The page says so.
#[test]
fn twilio_signs_the_sum_of_the_parameters() {
    let signature = signed(Algorithm::HmacSha1, Encoding::Base64, "https://example.com/aabcd");
    for (target, body) in [
        ("/a", "ab=cd"),
        ("/a", "a=bcd"),
        ("/a", "abcd="),
        ("/a", "abcd"),
        ("/a", "ab=&cd="),
        ("/aabc", "d"),
        ("/aabcd", ""),
        ("/a", "cd=&ab="),
        ("/a", "ab=cd&ab=cd"),
        ("/a", "%61b=c%64"),
        ("/a", "&ab=cd&&"),
    ] {
        assert_eq!(twilio(target, &signature, body.as_bytes()), Ok(()), "{target} {body}");
    }
    for (target, body) in
        [("/a", "ab=ce"), ("/a", "ab=cd&e"), ("/a", ""), ("/", "ab=cd"), ("/a?", "ab=cd"), ("/a", "AB=cd")]
    {
        assert_eq!(twilio(target, &signature, body.as_bytes()), Err(RejectionKind::BadMac), "{target} {body}");
    }
}

#[test]
fn a_form_that_is_no_text_is_refused() {
    let text = format!("https://example.com/a{}", "a\u{fffd}");
    let signature = signed(Algorithm::HmacSha1, Encoding::Base64, text);
    assert_eq!(twilio("/a", &signature, b"a=%EF%BF%BD"), Ok(()), "the character itself");
    for body in [&b"a=%ff"[..], b"a=%fe", b"a=\xff", b"a=%c3", b"%ff=a"] {
        assert_eq!(twilio("/a", &signature, body), Err(RejectionKind::Malformed), "{body:?}");
    }
}

/// Strangers send them.
#[test]
fn a_form_of_many_parameters_costs_little() {
    let form = |count: usize| (0..count).map(|n| format!("{n:x}")).collect::<Vec<_>>().join("&");
    let text = |count: usize| {
        let mut names: Vec<_> = (0..count).map(|n| format!("{n:x}")).collect();
        names.sort_unstable();
        format!("https://example.com/{}", names.concat())
    };
    for (count, expected) in [(1000, Ok(())), (1001, Err(RejectionKind::Malformed))] {
        let signature = signed(Algorithm::HmacSha1, Encoding::Base64, text(count));
        assert_eq!(twilio("/", &signature, form(count).as_bytes()), expected);
    }
    let (large, signature) = (form(300_000), signed(Algorithm::HmacSha1, Encoding::Base64, ""));
    let (refused, heap) = measure(|| twilio("/", &signature, large.as_bytes()));
    assert_eq!(refused, Err(RejectionKind::Malformed));
    println!("{} bytes of form: {} bytes at the peak, {} allocations", large.len(), heap.peak, heap.allocations);
    assert!(heap.peak < 4 * large.len() as i64 && heap.allocations < 100, "{heap:?}");
}
