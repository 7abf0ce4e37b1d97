//! The independent signer's trailers.

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use sha2::{Digest, Sha256};

use super::body::{Script, Step};
use super::peer::sign;
use super::wire::{Wire, hex, mac};

pub const NAME: &str = "x-hmac-trailer-signature";

/// What is signed of a body and its other trailers, below the signature of the head.
pub fn string_to_sign(head: &str, body: &[u8], others: &HeaderMap) -> Vec<u8> {
    let mut lines: Vec<(&str, Vec<u8>)> =
        others.iter().map(|(name, value)| (name.as_str(), value.as_bytes().trim_ascii().to_vec())).collect();
    // Stable: the values of one name keep their order.
    lines.sort_by_key(|(name, _)| *name);
    let digest = hex(&Sha256::digest(body));
    let mut text = format!("HMAC-SHA256-V1-TRAILER\n{head}\n{}\n{digest}\n{}", body.len(), lines.len()).into_bytes();
    for (name, value) in lines {
        text.extend_from_slice(&[b"\n", name.as_bytes(), b":", &value].concat());
    }
    text
}

pub fn signature(key_hex: &str, head: &str, body: &[u8], others: &HeaderMap) -> String {
    format!("v1={}", hex(&mac(key_hex, &string_to_sign(head, body, others))))
}

pub fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    fields.iter().map(field).collect()
}

impl Wire {
    /// The same request, whose body's MAC follows.
    pub fn streamed(self) -> Self {
        Self { content: Some("trailer".into()), ..self }
    }

    /// The trailers of this request, these among them.
    pub fn trailers(&self, others: &[(&'static str, &str)]) -> HeaderMap {
        self.trailers_beside(&map(others))
    }

    pub fn trailers_beside(&self, others: &HeaderMap) -> HeaderMap {
        let mut all = others.clone();
        all.remove(NAME);
        let signature = signature(&self.key_hex, &self.signature(), &self.body, &all);
        all.insert(NAME, HeaderValue::try_from(signature).unwrap());
        all
    }

    /// Whether a response that announced a trailer is signed for this request, with this body and these trailers.
    pub fn accepts_streamed<B>(&self, response: &Response<B>, body: &[u8], all: &HeaderMap) -> Result<(), String> {
        let one = |headers: &HeaderMap, name: &str| match headers.get_all(name).iter().collect::<Vec<_>>()[..] {
            [value] => Ok(value.to_str().unwrap().to_owned()),
            _ => Err(format!("{name} is not there once")),
        };
        let headers = response.headers();
        if one(headers, "x-hmac-content-sha256")? != "trailer" || headers.contains_key("content-length") {
            return Err("no trailer is announced, or a length".into());
        }
        if !headers.get_all("trailer").iter().any(|value| value == NAME) {
            return Err("the trailer is not announced".into());
        }
        let signed = one(headers, "x-hmac-signature")?;
        if signed != self.answer_signature(response, &one(headers, "x-hmac-timestamp")?, "trailer") {
            return Err("signature differs".into());
        }
        let mut others = all.clone();
        others.remove(NAME);
        match one(all, NAME)? == signature(&self.key_hex, &signed["v1=".len()..], body, &others) {
            true => Ok(()),
            false => Err("trailer signature differs".into()),
        }
    }
}

/// The head of an answer to this request whose MAC follows, and its trailers: these, and the MAC.
pub fn announced(wire: &Wire, body: &[u8], mut all: HeaderMap) -> (Response<()>, HeaderMap) {
    let mut response = Response::new(());
    sign(wire, &mut response, b"");
    let signed = wire.answer_signature(&response, &wire.timestamp, "trailer");
    let names = all.keys().map(HeaderName::as_str).chain([NAME]).collect::<Vec<_>>().join(", ");
    let headers = response.headers_mut();
    headers.insert("trailer", names.parse().unwrap());
    headers.insert("x-hmac-content-sha256", "trailer".parse().unwrap());
    headers.insert("x-hmac-signature", signed.parse().unwrap());
    let mac = signature(&wire.key_hex, &signed["v1=".len()..], body, &all);
    all.insert(NAME, mac.parse().unwrap());
    (response, all)
}

/// An answer in these frames, signed in a trailer over `body`, with these trailers made of the right ones.
pub fn streaming(
    wire: &Wire,
    body: &[u8],
    steps: Vec<Step>,
    end: impl Fn(HeaderMap) -> Option<HeaderMap>,
) -> Response<Script> {
    let (response, all) = announced(wire, body, map(&[("x-sum", "1")]));
    let steps = steps.into_iter().chain(end(all).map(Step::Trailers));
    response.map(|()| Script::new(steps))
}

pub type End = fn(HeaderMap) -> Option<HeaderMap>;

/// What can happen to trailers on the way.
pub fn ends() -> [(&'static str, End); 6] {
    fn with(act: impl Fn(&mut HeaderMap)) -> impl Fn(HeaderMap) -> Option<HeaderMap> {
        move |mut all| {
            act(&mut all);
            Some(all)
        }
    }
    [
        ("stripped", |_| None),
        ("without the MAC", |all| with(|all| drop(all.remove(NAME)))(all)),
        ("repeated", |all| with(|all| assert!(all.append(NAME, all[NAME].clone())))(all)),
        ("wrong", |all| with(|all| drop(all.insert(NAME, "v1=00".parse().unwrap())))(all)),
        ("changed", |all| with(|all| drop(all.insert("x-sum", "2".parse().unwrap())))(all)),
        ("removed", |all| with(|all| drop(all.remove("x-sum")))(all)),
    ]
}
