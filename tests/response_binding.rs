//! A signed response answers one request, once, as it was sent; what is spelt otherwise is refused.

mod support;

use http::{HeaderMap, HeaderValue, Method, Version, response};
use support::vectors::{self, Answered, Asked};
use support::wire::Wire;
use tower_hmac::sign::ResponseSigner;
use tower_hmac::verify::{RequestVerifier, ResponseVerifier};
use tower_hmac::{Exchange, Keys, RejectionKind, Scheme};

const OURS: [&str; 3] = ["x-hmac-timestamp", "x-hmac-content-sha256", "x-hmac-signature"];

fn vector(name: &str) -> (Asked, Answered, Exchange) {
    let asked = vectors::whole().into_iter().find(|asked| asked.name == name).unwrap();
    (asked.clone(), asked.answer.clone().unwrap(), asked.exchange())
}

/// What the server knows of a request by the independent signer.
fn exchange(wire: &Wire) -> Exchange {
    let (head, ()) = wire.request(()).into_parts();
    let verifier = RequestVerifier::new(Scheme::native());
    let credentials = verifier.read(&head).unwrap();
    let keys = Keys::from(tower_hmac::Key::from_hex(&wire.key_id, &wire.key_hex).unwrap());
    let mut checked = verifier.check(&credentials, Some(&keys), support::NOW).unwrap();
    checked.update(&wire.body);
    let authentic = checked.finish(&head).unwrap();
    authentic.admit(tower_hmac::replay::Claimed::Fresh).unwrap().exchange().clone()
}

/// A 200 with this body and a content type, signed for `exchange`.
fn signed(body: &[u8], exchange: &Exchange) -> response::Parts {
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.headers.insert("content-type", HeaderValue::from_static("application/json"));
    let signer = ResponseSigner::new(Scheme::native());
    let mut signing = signer.begin(&head, exchange, support::NOW).unwrap();
    signing.update(body);
    signing.finish(&mut head).unwrap();
    head
}

fn check(head: &response::Parts, body: &[u8], exchange: &Exchange) -> Result<(), RejectionKind> {
    let mut checked = ResponseVerifier::new(Scheme::native()).check(head, exchange).map_err(|r| r.kind())?;
    checked.update(body);
    checked.finish(head).map_err(|r| r.kind())
}

#[test]
fn m_01_the_answer_to_one_request_is_none_to_another() {
    let body = b"{\"ok\":true}";
    let one = Wire::post("/v1/payments", "{\"a\":1}");
    let head = signed(body, &exchange(&one));
    one.accepts(&http::Response::from_parts(head.clone(), ()), body).unwrap();
    assert_eq!(check(&head, body, &exchange(&one)), Ok(()));

    let later = support::NOW + 1;
    let others = [
        Wire { nonce: "another-nonce-000".into(), ..one.clone() },
        Wire { method: Method::PUT, ..one.clone() },
        Wire { target: "/v1/payments?".into(), ..one.clone() },
        Wire { body: b"{\"a\":2}".to_vec(), ..one.clone() },
        one.clone().authority("other.example.com"),
        one.clone().timestamp(later),
        one.clone().key("svc-b", support::KEY_HEX),
        one.clone().key(support::KEY_ID, &support::KEY_HEX.replace("00", "ff")),
    ];
    for other in &others {
        assert_eq!(check(&head, body, &exchange(other)), Err(RejectionKind::BadMac), "{:?}", other.fields());
    }
}

#[test]
fn m_01_answers_of_the_vectors_cannot_be_exchanged() {
    let mut swapped = 0;
    let all: Vec<_> = vectors::whole().into_iter().filter(|asked| asked.answer.is_some()).collect();
    for (i, one) in all.iter().enumerate() {
        for (j, other) in all.iter().enumerate() {
            let answer = other.answer.as_ref().unwrap();
            let wanted = if i == j { Ok(()) } else { Err(RejectionKind::BadMac) };
            assert_eq!(answer.check(&answer.head().unwrap(), &one.exchange()), wanted, "{}", one.name);
            swapped += usize::from(i != j);
        }
    }
    assert_eq!(swapped, 4 * 3);
}

#[test]
fn m_02_status_and_location_are_signed() {
    let (_, answer, exchange) = vector("extra-signed-headers");
    let wanted = Err(RejectionKind::BadMac);
    assert_eq!(answer.check(&answer.head().unwrap(), &exchange), Ok(()));
    for status in [200, 302, 307, 403] {
        let twin = Answered { status, ..answer.clone() };
        assert_eq!(twin.check(&twin.head().unwrap(), &exchange), wanted, "{status}");
    }
    for location in ["/v1/items/8", "/v1/items/7/", "/V1/items/7", "//evil.example.com/v1/items/7"] {
        let mut head = answer.head().unwrap();
        head.headers.insert("location", HeaderValue::from_static(location));
        assert_eq!(answer.check(&head, &exchange), wanted, "{location}");
    }
    let mut head = answer.head().unwrap();
    head.headers.remove("location");
    assert_eq!(answer.check(&head, &exchange), wanted);
}

#[test]
fn m_03_a_requests_own_signature_is_no_answer() {
    for asked in vectors::whole() {
        let mut head = http::Response::new(()).into_parts().0;
        // Everything of the request comes back, the body as well.
        head.headers = asked.head(Version::HTTP_11).unwrap().headers;
        assert_eq!(check(&head, &asked.body, &asked.exchange()), Err(RejectionKind::BadMac), "{}", asked.name);
        for name in ["x-hmac-key-id", "x-hmac-nonce"] {
            head.headers.remove(name);
        }
        assert_eq!(check(&head, &asked.body, &asked.exchange()), Err(RejectionKind::BadMac), "{}", asked.name);
    }
}

#[test]
fn m_03_an_answers_signature_is_no_request() {
    let mut tried = 0;
    for mut asked in vectors::whole().into_iter().filter(|asked| asked.answer.is_some()) {
        let answer = asked.answer.take().unwrap();
        asked.headers.retain(|(name, _)| !OURS.contains(&name.as_str()));
        asked.headers.extend(answer.headers.into_iter().filter(|(name, _)| OURS.contains(&name.as_str())));
        asked.body = answer.body;
        let verdict = asked.verify(&asked.head(Version::HTTP_11).unwrap()).map(drop);
        assert_eq!(verdict, Err(RejectionKind::BadMac), "{}", asked.name);
        tried += 1;
    }
    assert_eq!(tried, 4);
}

/// Changes the fields of the first vector's answer.
#[track_caller]
fn refused<T>(kind: RejectionKind, change: impl FnOnce(&mut HeaderMap) -> T) {
    let (_, answer, exchange) = vector("post-json");
    let mut head = answer.head().unwrap();
    assert_eq!(answer.check(&head, &exchange), Ok(()));
    change(&mut head.headers);
    assert_eq!(answer.check(&head, &exchange), Err(kind));
}

#[test]
fn each_field_is_required_once() {
    for name in OURS {
        refused(RejectionKind::Missing, |headers| headers.remove(name));
        refused(RejectionKind::Malformed, |headers| headers.append(name, headers[name].clone()));
        refused(RejectionKind::Malformed, |headers| headers.insert(name, HeaderValue::from_static("")));
    }
    refused(RejectionKind::Missing, HeaderMap::clear);
    let trailer = HeaderValue::from_static("v1=00");
    refused(RejectionKind::Malformed, |headers| headers.insert("x-hmac-trailer-signature", trailer));
}

#[test]
fn each_field_has_one_spelling() {
    let (_, answer, _) = vector("post-json");
    let head = answer.head().unwrap();
    let [_, digest, signature] = OURS.map(|name| head.headers[name].to_str().unwrap().to_owned());
    let tag = signature.strip_prefix("v1=").unwrap();
    let wrong = [
        (
            "x-hmac-signature",
            vec![
                format!("v1={}", tag.to_uppercase()),
                format!("V1={tag}"),
                format!("v2={tag}"),
                format!("sha256={tag}"),
                tag.to_owned(),
                "v1=".to_owned(),
                format!("v1={}", &tag[..63]),
                format!("v1={}", &tag[..62]),
                format!("{signature}0"),
                format!("{signature}00"),
                format!(" {signature}"),
                format!("{signature}\t"),
                format!("{signature},{signature}"),
            ],
        ),
        (
            "x-hmac-content-sha256",
            vec![
                digest.to_uppercase(),
                digest[..62].to_owned(),
                format!("{digest}00"),
                format!("{digest} "),
                format!("sha256={digest}"),
                "Trailer".to_owned(),
                "trailer ".to_owned(),
            ],
        ),
        (
            "x-hmac-timestamp",
            vec![
                "179530344".to_owned(),
                "17953034460".to_owned(),
                "0795303446".to_owned(),
                "+179530344".to_owned(),
                "-179530344".to_owned(),
                "1795303446.0".to_owned(),
                " 1795303446".to_owned(),
                "1795303446 ".to_owned(),
                "1.795303e9".to_owned(),
            ],
        ),
    ];
    for (name, value) in wrong.into_iter().flat_map(|(name, values)| values.into_iter().map(move |v| (name, v))) {
        refused(RejectionKind::Malformed, |headers| headers.insert(name, value.parse().unwrap()));
    }
    // Well spelt, but not what was signed.
    refused(RejectionKind::BadMac, |headers| headers.insert("x-hmac-content-sha256", "trailer".parse().unwrap()));
}

#[test]
fn signed_headers_stand_once_and_are_not_empty() {
    for name in ["content-type", "content-encoding", "location"] {
        for empty in ["", " \t"] {
            refused(RejectionKind::Malformed, |headers| headers.insert(name, HeaderValue::from_static(empty)));
        }
        refused(RejectionKind::Malformed, |headers| {
            headers.append(name, HeaderValue::from_static("application/json"));
            headers.append(name, HeaderValue::from_static("application/json"));
        });
    }
    let (_, answer, exchange) = vector("grpc-trailers-only");
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        let mut head = answer.head().unwrap();
        let value = head.headers.get(name).cloned().unwrap_or(HeaderValue::from_static("AA"));
        head.headers.append(name, value.clone());
        head.headers.append(name, value);
        assert_eq!(answer.check(&head, &exchange), Err(RejectionKind::Malformed), "{name}");
    }
}

/// Blanks around a value mean nothing in HTTP, nor does an empty gRPC field.
#[test]
fn what_means_the_same_is_accepted() {
    let (_, answer, exchange) = vector("grpc-trailers-only");
    let mut head = answer.head().unwrap();
    head.headers.insert("content-type", HeaderValue::from_static("\t application/grpc \t"));
    head.headers.insert("grpc-message", HeaderValue::from_static(" no such echo"));
    head.headers.insert("grpc-status-details-bin", HeaderValue::from_static(""));
    assert_eq!(answer.check(&head, &exchange), Ok(()));
    head.headers.insert("grpc-status-details-bin", HeaderValue::from_static("AA"));
    assert_eq!(answer.check(&head, &exchange), Err(RejectionKind::BadMac));
}
