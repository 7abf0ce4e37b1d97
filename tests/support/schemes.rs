//! One message for every scheme there is, made without the crate: native, described ones, and all webhook providers.

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, Request, request};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use tower_hmac::clock::ManualClock;
use tower_hmac::replay::Claimed;
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{Algorithm, Encoding, HmacLayer, Key, Keys, RejectionKind, Scheme, Verified};

use super::body::Script;
use super::described::described;
use super::service::send;
use super::webhooks::{Delivery, PROVIDERS};
use super::wire::{hex, unhex};

/// A message that is right, and what is known of its scheme.
#[derive(Clone)]
pub struct Sample {
    pub name: String,
    pub scheme: Scheme,
    pub key: Key,
    pub head: request::Parts,
    pub body: Vec<u8>,
    pub now: u64,
    pub signed_at: Option<u64>,
    /// How many seconds old, and how many ahead, a message may be.
    pub window: (u64, u64),
    /// The header with the signature, what stands right before it, and the signature itself.
    pub header: &'static str,
    pub prefix: &'static str,
    pub signature: String,
    /// The other headers that are signed.
    pub covers: Vec<&'static str>,
    pub covers_method: bool,
    pub covers_target: bool,
    pub covers_authority: bool,
    pub covers_body: bool,
}

/// Every scheme with every message that is known to be right, the first of each scheme first.
pub fn samples() -> Vec<Sample> {
    let webhooks = PROVIDERS.iter().flat_map(|provider| provider.vectors());
    let plain = webhooks.filter(|delivery| delivery.valid && delivery.has_one_signature());
    described().into_iter().chain(plain.map(Sample::delivered)).collect()
}

/// One message for each scheme.
pub fn one_each() -> Vec<Sample> {
    let mut each = samples();
    each.dedup_by_key(|sample| sample.name.split(' ').next().unwrap().to_owned());
    each
}

impl Sample {
    fn delivered(it: Delivery) -> Self {
        let window = it.provider.window.unwrap_or_default();
        Self {
            name: format!("{} {}", it.provider.name, it.name),
            scheme: it.scheme(),
            key: it.key(),
            head: it.head().unwrap(),
            now: it.now,
            signed_at: it.provider.window.and(it.signed_at),
            window: (window, window),
            header: it.provider.header,
            prefix: it.provider.prefix,
            signature: it.signature.clone(),
            covers: it.provider.covers.to_vec(),
            covers_method: false,
            covers_target: it.provider.name == "twilio",
            covers_authority: false,
            covers_body: true,
            body: it.body,
        }
    }

    pub fn layer(&self) -> HmacLayer {
        HmacLayer::new(self.scheme.clone(), self.key.clone()).unwrap().clock(ManualClock::at(self.now))
    }

    pub fn request(&self) -> Request<Script> {
        Request::from_parts(self.head.clone(), Script::chunks(&self.body, 7))
    }

    pub fn verify(&self) -> Result<Verified, RejectionKind> {
        let verifier = RequestVerifier::new(self.scheme.clone());
        let credentials = verifier.read(&self.head).map_err(|r| r.kind())?;
        let known = credentials.key_id().is_none_or(|id| id == self.key.id().as_str());
        let keys = known.then(|| Keys::from(self.key.clone()));
        let mut verifying = verifier.check(&credentials, keys.as_ref(), self.now).map_err(|r| r.kind())?;
        verifying.update(&self.body);
        let authentic = verifying.finish(&self.head).map_err(|r| r.kind())?;
        authentic.replay_claim(self.now).map_err(|r| r.kind())?;
        authentic.admit(Claimed::Fresh).map_err(|r| r.kind())
    }

    pub fn value(&self) -> String {
        self.head.headers[self.header].to_str().unwrap().to_owned()
    }

    /// With another value in the header with the signature; `None` when it is no value, or the one that is there.
    pub fn with_value(&self, value: &str) -> Option<Self> {
        let mut twin = self.clone();
        let value = HeaderValue::from_bytes(value.as_bytes()).ok().filter(|_| value != self.value())?;
        twin.head.headers.insert(self.header, value);
        Some(twin)
    }

    /// With another signature.
    pub fn with_signature(&self, signature: &str) -> Option<Self> {
        self.with_value(&self.value().replace(&self.signature, signature))
    }

    /// Refused with 401, without the service, and before the guard.
    pub async fn refused(&self, what: &str) {
        let outcome = send(self.layer(), self.request()).await;
        let told = format!("{}: {what}: {:?}", self.name, self.head.headers);
        assert_eq!(outcome.status().as_u16(), 401, "{told}");
        assert_eq!((outcome.calls, outcome.claims), (0, 0), "{told}");
    }

    pub fn encoding(&self) -> Encoding {
        match self.signature.len() {
            // The tags are of 20, 32, 48 and 64 bytes.
            40 | 64 | 96 | 128 => match self.signature.bytes().all(|b| b.is_ascii_hexdigit()) {
                true => Encoding::Hex,
                false => Encoding::Base64Url,
            },
            _ => Encoding::Base64,
        }
    }

    /// The bytes of the signature.
    pub fn tag(&self) -> Vec<u8> {
        match self.encoding() {
            Encoding::Hex => unhex(&self.signature),
            Encoding::Base64 => Base64::decode_vec(&self.signature).unwrap(),
            _ => Base64UrlUnpadded::decode_vec(&self.signature).unwrap(),
        }
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.head.headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        self
    }
}

/// The MAC, by other crates.
pub fn mac(algorithm: Algorithm, secret: &[u8], text: &[u8]) -> Vec<u8> {
    fn of<M: Mac + KeyInit>(secret: &[u8], text: &[u8]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(secret).unwrap();
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::HmacSha1 => of::<Hmac<Sha1>>(secret, text),
        Algorithm::HmacSha256 => of::<Hmac<Sha256>>(secret, text),
        Algorithm::HmacSha384 => of::<Hmac<Sha384>>(secret, text),
        Algorithm::HmacSha512 => of::<Hmac<Sha512>>(secret, text),
        _ => Sha256::digest([text, secret].concat()).to_vec(),
    }
}

pub fn spell(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Hex => hex(bytes),
        Encoding::Base64 => Base64::encode_string(bytes),
        _ => Base64UrlUnpadded::encode_string(bytes),
    }
}
