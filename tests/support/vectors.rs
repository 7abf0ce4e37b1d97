//! The vectors of native.json, with every field as raw bytes so that any of them can be changed.

use http::header::HOST;
use http::uri::{self, Authority, PathAndQuery, Scheme as UriScheme};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request, response};
use serde_json::Value;
use tower_hmac::replay::MemoryReplayGuard;
use tower_hmac::verify::{RequestVerifier, ResponseVerifier};
use tower_hmac::{Exchange, Key, Keys, Rejection, RejectionKind, Scheme, SignedHeaders, Verified};

use super::wire::{Wire, unhex};

type Headers = Vec<(String, Vec<u8>)>;

/// A field's name and its bytes.
pub type Field<'m> = (&'m str, &'m mut Vec<u8>);

#[derive(Clone, Default)]
pub struct Asked {
    pub name: String,
    pub key_hex: String,
    pub method: Vec<u8>,
    pub authority: Vec<u8>,
    pub target: Vec<u8>,
    /// The five of the scheme last.
    pub headers: Headers,
    /// Names of the extra signed headers.
    pub extra: Vec<String>,
    pub body: Vec<u8>,
    pub now: u64,
    pub string_to_sign: String,
    pub answer: Option<Answered>,
}

#[derive(Clone, Default)]
pub struct Answered {
    pub status: u16,
    /// The three of the scheme last.
    pub headers: Headers,
    pub body: Vec<u8>,
    pub string_to_sign: String,
}

/// All vectors, streaming ones included.
pub fn all() -> Vec<Asked> {
    json().as_array().unwrap().iter().map(Asked::parse).collect()
}

/// The vectors whose digest is in the head, in both directions.
pub fn whole() -> Vec<Asked> {
    all().into_iter().filter(|asked| !asked.streams()).collect()
}

/// The vectors as they stand in the file.
pub fn json() -> Value {
    let file: Value = serde_json::from_str(include_str!("../vectors/native.json")).unwrap();
    file["vectors"].clone()
}

impl Asked {
    fn parse(vector: &Value) -> Self {
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let answer = vector.get("response").map(|answer| Answered {
            status: answer["status"].as_u64().unwrap().try_into().unwrap(),
            headers: pairs(&[&answer["headers"], &answer["response_headers"]]),
            body: unhex(answer["body_hex"].as_str().unwrap()),
            string_to_sign: answer["string_to_sign"].as_str().unwrap().into(),
        });
        let extra = vector["signed_headers"].as_array().unwrap();
        Self {
            name: text("name"),
            key_hex: text("key_hex"),
            method: text("method").into(),
            authority: text("authority").into(),
            target: text("target").into(),
            headers: pairs(&[&vector["headers"], &vector["request_headers"]]),
            extra: extra.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            body: unhex(&text("body_hex")),
            now: vector["now"].as_u64().unwrap(),
            string_to_sign: text("string_to_sign"),
            answer,
        }
    }

    pub fn streams(&self) -> bool {
        self.header("x-hmac-content-sha256") == b"trailer"
    }

    pub fn header(&self, name: &str) -> &[u8] {
        &self.headers.iter().find(|(n, _)| n == name).unwrap().1
    }

    pub fn scheme(&self) -> Scheme {
        let extra = SignedHeaders::new(self.extra.iter().map(String::as_str)).unwrap();
        Scheme::native_with_headers(extra, SignedHeaders::none())
    }

    /// Everything that the signature covers, and the signature.
    pub fn fields(&mut self) -> Vec<Field<'_>> {
        let start = [("method", &mut self.method), ("authority", &mut self.authority), ("target", &mut self.target)];
        let headers = self.headers.iter_mut().map(|(name, value)| (name.as_str(), value));
        start.into_iter().chain(headers).chain([("body", &mut self.body)]).collect()
    }

    /// The head as a server of this HTTP version would hand it on; `None` when `http` cannot hold it.
    pub fn head(&self, version: Version) -> Option<request::Parts> {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = Method::from_bytes(&self.method).ok()?;
        head.version = version;
        if version == Version::HTTP_2 {
            let mut parts = uri::Parts::default();
            parts.scheme = Some(UriScheme::HTTPS);
            parts.authority = Some(Authority::try_from(&*self.authority).ok()?);
            parts.path_and_query = Some(PathAndQuery::try_from(&*self.target).ok()?);
            head.uri = Uri::from_parts(parts).ok()?;
        } else {
            head.uri = Uri::try_from(&*self.target).ok()?;
            head.headers.append(HOST, HeaderValue::from_bytes(&self.authority).ok()?);
        }
        append(&mut head.headers, &self.headers)?;
        Some(head)
    }

    /// The whole way through the sans-IO verifier, with a guard of its own. The key store knows the secret under any id,
    /// so that a changed key id is left to the MAC.
    pub fn verify(&self, head: &request::Parts) -> Result<Verified, RejectionKind> {
        let kind = |rejection: Rejection| rejection.kind();
        let verifier = RequestVerifier::new(self.scheme());
        let credentials = verifier.read(head).map_err(kind)?;
        let key = Key::from_hex(credentials.key_id().unwrap(), &self.key_hex).unwrap();
        let mut checked = verifier.check(&credentials, Some(&Keys::from(key)), self.now).map_err(kind)?;
        checked.update(&self.body);
        let authentic = checked.finish(head).map_err(kind)?;
        let claimed = MemoryReplayGuard::new().spend(&authentic.replay_claim(self.now).map_err(kind)?);
        authentic.admit(claimed).map_err(kind)
    }

    /// What a response to this request is bound to.
    pub fn exchange(&self) -> Exchange {
        self.verify(&self.head(Version::HTTP_11).unwrap()).unwrap().exchange().clone()
    }

    /// The same request for the independent signer; `None` when a field is not text.
    pub fn wire(&self) -> Option<Wire> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let foreign = |(name, _): &&(String, Vec<u8>)| !name.starts_with("x-hmac-");
        Some(Wire {
            key_hex: self.key_hex.clone(),
            key_id: text(self.header("x-hmac-key-id"))?,
            timestamp: text(self.header("x-hmac-timestamp"))?,
            nonce: text(self.header("x-hmac-nonce"))?,
            method: Method::from_bytes(&self.method).ok()?,
            authority: text(&self.authority)?,
            target: text(&self.target)?,
            headers: self.headers.iter().filter(foreign).cloned().collect(),
            extra: self.extra.clone(),
            body: self.body.clone(),
            content: None,
        })
    }
}

impl Answered {
    /// Every field that is bytes: all but the status.
    pub fn fields(&mut self) -> Vec<Field<'_>> {
        let headers = self.headers.iter_mut().map(|(name, value)| (name.as_str(), value));
        headers.chain([("body", &mut self.body)]).collect()
    }

    pub fn head(&self) -> Option<response::Parts> {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = StatusCode::from_u16(self.status).ok()?;
        append(&mut head.headers, &self.headers)?;
        Some(head)
    }

    pub fn check(&self, head: &response::Parts, exchange: &Exchange) -> Result<(), RejectionKind> {
        let checked = ResponseVerifier::new(Scheme::native()).check(head, exchange);
        let mut checked = checked.map_err(|rejection| rejection.kind())?;
        checked.update(&self.body);
        checked.finish(head).map_err(|rejection| rejection.kind())
    }
}

/// Every copy of a message in which one bit of one field is flipped, with the field's name and its bytes now.
pub fn flips<M: Clone>(
    message: &M,
    fields: fn(&mut M) -> Vec<Field<'_>>,
) -> impl Iterator<Item = (String, Vec<u8>, M)> {
    let mut lengths = message.clone();
    let lengths: Vec<_> = fields(&mut lengths).iter().map(|(_, bytes)| bytes.len()).collect();
    let places = lengths.into_iter().enumerate().flat_map(|(field, len)| (0..8 * len).map(move |bit| (field, bit)));
    places.map(move |(field, bit)| {
        let mut twin = message.clone();
        let mut all = fields(&mut twin);
        let (name, bytes) = &mut all[field];
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (name, bytes) = (name.to_string(), bytes.clone());
        (name, bytes, twin)
    })
}

fn append(headers: &mut http::HeaderMap, from: &Headers) -> Option<()> {
    for (name, value) in from {
        headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value).ok()?);
    }
    Some(())
}

fn pairs(lists: &[&Value]) -> Headers {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = lists.iter().flat_map(|list| list.as_array().unwrap());
    all.map(|pair| (text(&pair[0]), text(&pair[1]).into())).collect()
}
