//! The webhook providers, and their vectors.

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use http::{Request, request};
use serde_json::Value;
use tower_hmac::clock::{Clock, ManualClock};
use tower_hmac::replay::Claimed;
use tower_hmac::sign::RequestSigner;
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{Algorithm, Key, Keys, RejectionKind, Scheme, Verified, webhook};

/// A provider: its vectors, its scheme for a delivery, its algorithm, the header with the signature, the other headers
/// that are signed, and for how many seconds in both directions a message is fresh.
pub struct Provider {
    pub name: &'static str,
    file: &'static str,
    pub scheme: fn(&Delivery) -> Scheme,
    pub algorithm: Algorithm,
    pub header: &'static str,
    pub prefix: &'static str,
    pub covers: &'static [&'static str],
    pub window: Option<u64>,
}

macro_rules! provider {
    ($name:literal, $header:literal, $prefix:literal, $covers:expr, $window:expr, $scheme:expr) => {
        provider!($name, $header, $prefix, $covers, $window, $scheme, HmacSha256)
    };
    ($name:literal, $header:literal, $prefix:literal, $covers:expr, $window:expr, $scheme:expr, $algorithm:ident) => {
        Provider {
            name: $name,
            file: include_str!(concat!("../vectors/", $name, ".json")),
            scheme: $scheme,
            algorithm: Algorithm::$algorithm,
            header: $header,
            prefix: $prefix,
            covers: &$covers,
            window: $window,
        }
    };
}

pub const PROVIDERS: &[Provider] = &[
    provider!("standard-webhooks", "webhook-signature", "v1,", ["webhook-id", "webhook-timestamp"], Some(300), |_| {
        webhook::standard()
    }),
    provider!("svix", "svix-signature", "v1,", ["svix-id", "svix-timestamp"], Some(300), |_| webhook::svix()),
    provider!("github", "x-hub-signature-256", "sha256=", [], None, |_| webhook::github()),
    provider!("stripe", "stripe-signature", "v1=", [], Some(300), |_| webhook::stripe()),
    provider!("slack", "x-slack-signature", "v0=", ["x-slack-request-timestamp"], Some(300), |_| webhook::slack()),
    provider!("shopify", "x-shopify-hmac-sha256", "", [], None, |_| webhook::shopify()),
    provider!("zoom", "x-zm-signature", "v0=", ["x-zm-request-timestamp"], Some(300), |_| webhook::zoom()),
    provider!("twilio", "x-twilio-signature", "", [], None, |it| webhook::twilio(&it.origin()).unwrap(), HmacSha1),
    provider!("square", "x-square-hmacsha256-signature", "", [], None, |it| webhook::square(&it.uri).unwrap()),
    provider!("linear", "linear-signature", "", [], Some(60), |_| webhook::linear()),
    provider!("paddle", "paddle-signature", "h1=", [], Some(5), |_| webhook::paddle()),
    provider!("razorpay", "x-razorpay-signature", "", [], None, |_| webhook::razorpay()),
    provider!("bitbucket", "x-hub-signature", "sha256=", [], None, |_| webhook::bitbucket()),
    provider!("box", "box-signature-primary", "", ["box-delivery-timestamp"], Some(600), |_| webhook::boxcom()),
    provider!("line", "x-line-signature", "", [], None, |_| webhook::line()),
    provider!("dropbox", "x-dropbox-signature", "", [], None, |_| webhook::dropbox()),
    provider!("intercom", "x-hub-signature", "sha1=", [], None, |_| webhook::intercom(), HmacSha1),
    provider!(
        "zendesk",
        "x-zendesk-webhook-signature",
        "",
        ["x-zendesk-webhook-signature-timestamp"],
        Some(300),
        |_| webhook::zendesk()
    ),
];

/// One delivery.
#[derive(Clone)]
pub struct Delivery {
    pub provider: &'static Provider,
    pub name: String,
    pub valid: bool,
    pub why: String,
    pub category: String,
    pub secret: Vec<u8>,
    pub method: String,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub now: u64,
    pub signature: String,
    pub timestamp: Option<String>,
    /// The seconds of the timestamp.
    pub signed_at: Option<u64>,
}

impl Provider {
    pub fn vectors(&'static self) -> Vec<Delivery> {
        let file: Value = serde_json::from_str(self.file).unwrap();
        let vectors = file["vectors"].as_array().unwrap().iter();
        // Signatures of other kinds than webhooks, and the one header that the rest of the file does not look at.
        let webhooks = vectors.filter(|v| !v["uri"].is_null());
        webhooks.map(|v| Delivery::new(self, v)).collect()
    }
}

impl Delivery {
    fn new(provider: &'static Provider, vector: &Value) -> Self {
        let text = |name: &str| vector[name].as_str().unwrap_or_default().to_owned();
        let secret = text("secret");
        let secret = match vector["secret_encoding"].as_str().unwrap() {
            "utf8" => secret.into_bytes(),
            "whsec" => {
                let base64 = secret.strip_prefix("whsec_").unwrap_or(&secret).trim_end_matches('=');
                Base64Unpadded::decode_vec(base64).unwrap()
            }
            other => panic!("{other}"),
        };
        let body = match vector["body_encoding"].as_str() {
            Some("base64") => Base64::decode_vec(&text("body")).unwrap(),
            _ => text("body").into_bytes(),
        };
        let pair = |pair: &Value| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned());
        let timestamp = vector["timestamp"].as_str().map(str::to_owned);
        let parsed = timestamp.as_deref().and_then(|text| {
            text.parse().ok().or_else(|| text.parse::<jiff::Timestamp>().ok()?.as_second().try_into().ok())
        });
        Self {
            provider,
            name: text("name"),
            valid: vector["valid"].as_bool().unwrap(),
            why: text("why"),
            category: text("category"),
            secret,
            method: text("method"),
            uri: text("uri"),
            headers: vector["headers"].as_array().unwrap().iter().map(pair).collect(),
            body,
            now: vector["now"].as_u64().or(parsed).unwrap_or(1_700_000_000),
            signature: text("signature"),
            timestamp,
            signed_at: parsed,
        }
    }

    pub fn origin(&self) -> String {
        let (scheme, rest) = self.uri.split_once("://").unwrap();
        format!("{scheme}://{}", rest.split(['/', '?']).next().unwrap())
    }

    pub fn key(&self) -> Key {
        Key::from_bytes("endpoint", self.secret.clone()).unwrap().with_algorithm(self.provider.algorithm)
    }

    pub fn scheme(&self) -> Scheme {
        (self.provider.scheme)(self)
    }

    /// As a server over HTTP/1.1 hands it on. `None` when `http` cannot hold it.
    pub fn head(&self) -> Option<request::Parts> {
        let (_, rest) = self.uri.split_once("://").unwrap();
        let path = &rest[rest.find(['/', '?']).unwrap_or(rest.len())..];
        let mut request = Request::builder().method(&*self.method).uri(if path.is_empty() { "/" } else { path });
        for (name, value) in &self.headers {
            request = request.header(name, value.as_bytes());
        }
        Some(request.body(()).ok()?.into_parts().0)
    }

    pub fn verify(&self) -> Result<Verified, RejectionKind> {
        // What cannot be held never reaches a verifier.
        let head = self.head().ok_or(RejectionKind::Malformed)?;
        let verifier = RequestVerifier::new(self.scheme());
        let credentials = verifier.read(&head).map_err(|r| r.kind())?;
        let mut verifying =
            verifier.check(&credentials, Some(&Keys::from(self.key())), self.now).map_err(|r| r.kind())?;
        self.body.chunks(7).for_each(|chunk| verifying.update(chunk));
        let authentic = verifying.finish(&head).map_err(|r| r.kind())?;
        authentic.replay_claim(self.now).map_err(|r| r.kind())?;
        authentic.admit(Claimed::Fresh).map_err(|r| r.kind())
    }

    /// Whether a signer that knows the time and the delivery id would make the very same message.
    pub fn is_plain(&self) -> bool {
        let spelling = self.timestamp.as_deref().is_none_or(|time| time.parse() == Ok(self.now));
        let one = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(self.provider.header)).count() == 1;
        // Signed for the URL with another port than it was received with.
        let port = ["library-port-added-https", "library-port-added-http", "port443-signed-with"];
        let other = port.contains(&&*self.name) || ["rotation", "whitespace"].contains(&&*self.category);
        spelling && one && !other
    }

    /// Whether it carries one signature, where the provider's table says.
    pub fn has_one_signature(&self) -> bool {
        let mut here = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(self.provider.header));
        let (first, second) = (here.next(), here.next());
        let once = first.is_some_and(|(_, value)| value.matches(&*self.signature).count() == 1);
        once && second.is_none() && !["rotation", "whitespace"].contains(&&*self.category)
    }

    /// The signature that our signer makes for this message.
    pub fn signed_again(&self) -> Option<String> {
        let time = self.timestamp.as_deref().map_or(self.now, |time| time.parse().unwrap());
        let mut head = self.head()?;
        head.headers.remove(self.provider.header).unwrap();
        let signer = RequestSigner::new(self.scheme(), self.key()).unwrap();
        let clock = ManualClock::at(time);
        let mut signing = signer.begin(&head, clock.now()?).unwrap();
        signing.update(&self.body);
        signing.finish(&mut head).unwrap();
        let new = head.headers[self.provider.header].to_str().unwrap();
        let text = if self.provider.prefix.is_empty() { new } else { new.rsplit_once(self.provider.prefix)?.1 };
        Some(text.to_owned())
    }
}
