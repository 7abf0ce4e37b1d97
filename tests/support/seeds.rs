//! Messages of the four formats of `examples/legacy`, as the original servers and clients sent and judged them.

#[allow(dead_code, reason = "the server is for other tests")]
#[path = "../../examples/legacy/main.rs"]
mod legacy;

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use serde_json::Value;
use tower::{Layer, ServiceExt};
use tower_hmac::clock::ManualClock;
use tower_hmac::{Algorithm, HmacLayer, Key, Refusal, RejectionKind, Scheme};

use crate::support::body::Script;
use crate::support::service::{Inner, split};
use crate::support::wire::unhex;

/// One message.
#[derive(Clone)]
pub struct Vector {
    pub json: Value,
    pub profile: String,
    pub name: String,
    pub secret: Vec<u8>,
    pub body: Vec<u8>,
    pub now: u64,
}

pub fn vectors(direction: &str) -> Vec<Vector> {
    let file: Value = serde_json::from_str(include_str!("../vectors/seeds.json")).unwrap();
    let all = file["vectors"].as_array().unwrap().iter();
    all.filter(|vector| vector["direction"] == direction).map(Vector::new).collect()
}

impl Vector {
    fn new(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let secret = match &*text("secret_encoding") {
            "utf8" => text("secret").into_bytes(),
            "base64" => Base64::decode_vec(&text("secret")).unwrap(),
            other => panic!("{other}"),
        };
        let body = json["body_hex"].as_str().map_or_else(|| text("body").into_bytes(), unhex);
        let mut vector =
            Self { json: json.clone(), profile: text("profile"), name: text("name"), secret, body, now: 1_700_000_000 };
        if let Some(now) = json["now"].as_f64() {
            vector.now = now as u64;
        } else if vector.profile == "newline-canonical-query" {
            let time: jiff::Timestamp = vector.headers()["x-timestamp"].to_str().unwrap().parse().unwrap();
            vector.now = time.as_second().try_into().unwrap();
        }
        vector
    }

    pub fn scheme(&self) -> Scheme {
        let scheme = match &*self.profile {
            "fastapi-fields" => legacy::members::members(),
            "fastapi-raw-body" => legacy::members::raw_body(),
            "flask-suffix-key" => legacy::suffix::scheme(),
            "newline-canonical" => legacy::lines::server(),
            "newline-canonical-query" => legacy::lines::callers(),
            "authorization-token" => legacy::token::scheme(),
            other => panic!("{other}"),
        };
        scheme.unwrap()
    }

    pub fn key(&self) -> Key {
        let key = Key::from_bytes("example-public-key", self.secret.clone()).unwrap();
        if self.profile == "flask-suffix-key" { key.with_algorithm(Algorithm::LegacySuffixSha256) } else { key }
    }

    pub fn layer(&self) -> HmacLayer {
        let layer = HmacLayer::new(self.scheme(), self.key()).unwrap();
        match &*self.profile {
            "fastapi-fields" | "fastapi-raw-body" => layer.render_refusals(legacy::members::refusal),
            "flask-suffix-key" => layer.render_refusals(legacy::suffix::refusal),
            "newline-canonical" | "newline-canonical-query" => layer.render_refusals(legacy::lines::refusal),
            _ => layer.render_refusals(|refusal: &Refusal<'_>| refusal.standard()),
        }
    }

    pub fn headers(&self) -> HeaderMap {
        let pairs = self.json["headers"].as_array().unwrap().iter();
        let pairs = pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
        let parse = |(name, value): (&str, &str)| (name.parse::<HeaderName>().unwrap(), value.as_bytes().to_vec());
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.map(parse) {
            headers.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
        headers
    }

    pub fn request(&self) -> Request<Script> {
        let (method, uri) = (self.json["method"].as_str().unwrap(), self.json["uri"].as_str().unwrap());
        let mut request = Request::builder().method(method).uri(uri).body(Script::bytes(self.body.clone())).unwrap();
        *request.headers_mut() = self.headers();
        request
    }

    /// What the layer says, and its answer.
    pub async fn send(&self, layer: HmacLayer, clock: ManualClock) -> (Option<RejectionKind>, Response<Bytes>) {
        let inner = Inner::ok();
        let response = layer.clock(clock).layer(inner.clone()).oneshot(self.request()).await.unwrap();
        let (head, body) = split(response).await;
        let kind = head.extensions().get().copied();
        assert_eq!(inner.calls(), usize::from(kind.is_none()), "{}", self.name);
        (kind, head.map(|()| body))
    }

    pub async fn send_alone(&self) -> Option<RejectionKind> {
        self.send(self.layer(), ManualClock::at(self.now)).await.0
    }

    pub fn is_accepted(&self) -> bool {
        self.json["layer_expect"] == "accept"
    }

    /// The header that holds the signature, alone or among other things.
    pub fn signature_header(&self) -> &'static str {
        match &*self.profile {
            "fastapi-fields" | "fastapi-raw-body" => "x-hmac-signature",
            "flask-suffix-key" => "x-authorization-content-hmac",
            "newline-canonical" | "newline-canonical-query" => "me-noway-signature",
            _ => "authorization",
        }
    }
}
