//! The native scheme speaks the streaming vectors byte for byte, in both directions.

mod support;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::BodyExt;
use serde_json::Value;
use support::body::{Script, Step};
use support::service::CountingGuard;
use support::trailers::NAME;
use support::vectors::{self, Asked, Field};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::ManualClock;
use tower_hmac::verify::{RequestVerifier, ResponseVerifier};
use tower_hmac::{HmacBody, HmacLayer, Key, Keys, RejectionKind, Scheme};

/// The streaming vectors, each beside its text.
fn streams() -> Vec<(Asked, Value)> {
    let texts = vectors::json().as_array().unwrap().clone();
    let both: Vec<_> = vectors::all().into_iter().zip(texts).filter(|(asked, _)| asked.streams()).collect();
    assert_eq!(both.len(), 2);
    both
}

fn fields(list: &Value) -> HeaderMap {
    let field = |pair: &Value| {
        let text = |index: usize| pair[index].as_str().unwrap().to_owned();
        (HeaderName::try_from(text(0)).unwrap(), HeaderValue::try_from(text(1)).unwrap())
    };
    list.as_array().unwrap().iter().map(field).collect()
}

fn key(asked: &Asked) -> Key {
    Key::from_hex("svc-a", &asked.key_hex).unwrap()
}

fn verify(asked: &Asked, trailers: &mut HeaderMap) -> Result<(), RejectionKind> {
    let head = asked.head(Version::HTTP_2).unwrap();
    let verifier = RequestVerifier::new(Scheme::native());
    let kind = |rejection: tower_hmac::Rejection| rejection.kind();
    let credentials = verifier.read(&head).map_err(kind)?;
    let keys = Keys::from(key(asked));
    let mut checked = verifier.check(&credentials, Some(&keys), asked.now).map_err(kind)?;
    checked.update(&asked.body);
    checked.finish_with_trailers(&head, trailers).map_err(kind).map(drop)
}

#[test]
fn requests_are_accepted_with_their_trailer_and_no_other_end() {
    for (asked, text) in streams() {
        let all = fields(&text["trailers"]);
        let mut trailers = all.clone();
        assert_eq!(verify(&asked, &mut trailers), Ok(()), "{}", asked.name);
        assert!(trailers.is_empty(), "the signature is removed");

        assert_eq!(verify(&asked, &mut HeaderMap::new()), Err(RejectionKind::Missing));
        let mut twice = all.clone();
        twice.append(NAME, all[NAME].clone());
        assert_eq!(verify(&asked, &mut twice), Err(RejectionKind::Malformed));
        let mut more = all.clone();
        more.insert("x-more", HeaderValue::from_static(""));
        assert_eq!(verify(&asked, &mut more), Err(RejectionKind::BodyMismatch));
        let body = |asked: &mut Asked| verify(asked, &mut all.clone());
        let longer = Asked { body: [&asked.body[..], b"\0"].concat(), ..asked.clone() };
        let shorter = Asked { body: asked.body[1..].to_vec(), ..asked.clone() };
        for mut twin in [longer, shorter] {
            assert_eq!(body(&mut twin), Err(RejectionKind::BodyMismatch));
        }
        for bit in 0..8 * all[NAME].len() {
            let mut bytes = all[NAME].as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
            let mut turned = HeaderMap::new();
            turned.insert(NAME, value);
            let kind = if bit < 24 { RejectionKind::Malformed } else { RejectionKind::BodyMismatch };
            assert_eq!(verify(&asked, &mut turned), Err(kind), "bit {bit}");
        }
    }
}

/// Every bit of the head, too: nothing of the announcement can be changed.
#[test]
fn no_bit_of_a_streaming_request_can_be_turned() {
    let all: fn(&mut Asked) -> Vec<Field<'_>> = Asked::fields;
    for (asked, text) in streams() {
        let trailers = fields(&text["trailers"]);
        for (name, bytes, twin) in vectors::flips(&asked, all) {
            let caseless = ["authority"].contains(&&*name) && bytes.eq_ignore_ascii_case(&asked.authority);
            if twin.head(Version::HTTP_2).is_none() || caseless {
                continue;
            }
            assert!(verify(&twin, &mut trailers.clone()).is_err(), "{name} {}", bytes.escape_ascii());
        }
    }
}

#[tokio::test]
async fn the_layer_accepts_them_and_answers_byte_for_byte() {
    for (asked, text) in streams() {
        let answer = &text["response"];
        let (plain, body) = (fields(&answer["headers"]), asked.answer.clone().unwrap().body);
        let inner = fields(&answer["inner_trailers"]);
        let service = service_fn(move |request: Request<HmacBody<Script>>| {
            let (plain, body, inner) = (plain.clone(), body.clone(), inner.clone());
            async move {
                request.into_body().collect().await.unwrap();
                let steps = [Step::Data(Bytes::from(body)), Step::Yield, Step::Trailers(inner)];
                let mut response = Response::new(Script::new(steps));
                *response.headers_mut() = plain;
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let guard = CountingGuard::default();
        let layer = HmacLayer::new(Scheme::native(), key(&asked)).unwrap().clock(ManualClock::at(asked.now + 1));
        let layer = layer.replay_guard(guard.clone());
        let steps = [Step::Data(Bytes::from(asked.body.clone())), Step::Trailers(fields(&text["trailers"]))];
        let request = Request::from_parts(asked.head(Version::HTTP_2).unwrap(), Script::new(steps));
        let response = layer.layer(service).oneshot(request).await.unwrap();

        assert_eq!((response.status().as_u16(), guard.claims()), (200, 1));
        for (name, value) in &fields(&answer["response_headers"]) {
            assert_eq!(response.headers()[name], *value, "{}", asked.name);
        }
        assert_eq!(response.headers()["trailer"], NAME);
        let (mut head, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let mut trailers = collected.trailers().unwrap().clone();
        let signature = trailers.get(NAME).unwrap().clone();
        assert_eq!(signature, fields(&answer["trailers"])[NAME], "{}", asked.name);

        // And the mirror image of it.
        head.headers.remove("cache-control");
        let exchange = {
            let credentials_head = asked.head(Version::HTTP_2).unwrap();
            let verifier = RequestVerifier::new(Scheme::native());
            let keys = Keys::from(key(&asked));
            let mut checked =
                verifier.check(&verifier.read(&credentials_head).unwrap(), Some(&keys), asked.now).unwrap();
            checked.update(&asked.body);
            let authentic = checked.finish_with_trailers(&credentials_head, &mut fields(&text["trailers"])).unwrap();
            authentic.admit(tower_hmac::replay::Claimed::Fresh).unwrap().exchange().clone()
        };
        let mut checked = ResponseVerifier::new(Scheme::native()).check(&head, &exchange).unwrap();
        checked.update(&collected.to_bytes());
        checked.finish_with_trailers(&head, &mut trailers).unwrap();
        assert_eq!(trailers, fields(&answer["inner_trailers"]));
    }
}
