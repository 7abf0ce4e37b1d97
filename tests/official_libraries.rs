//! Webhook providers' own libraries: what they sign is accepted over HTTP, and they accept what is signed here.

mod support;

use std::net::SocketAddr;
use std::time::SystemTime;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::net::{http1, start_axum};
use support::peers::{self, Library};
use support::wire::hex;
use tower_hmac::sign::RequestSigner;
use tower_hmac::{Algorithm, HmacLayer, Key, Scheme, webhook};

const EVENT: &str = r#"{"id":"evt_1","object":"event","note":"é"}"#;
const FORM: &str = "CallSid=CA1&From=%2B14158675309&Note=a+b&evt_1=";
const ORIGIN: &str = "https://hooks.example.com";
const WHSEC: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A provider, and what it sends.
struct Peer {
    library: &'static str,
    scheme: Scheme,
    secret: &'static str,
    content_type: &'static str,
    body: &'static str,
    /// What the sender's URL has beyond the provider's name.
    query: String,
}

impl Peer {
    fn new(library: &'static str, scheme: Scheme, secret: &'static str) -> Self {
        Self { library, scheme, secret, content_type: "application/json", body: EVENT, query: String::new() }
    }

    fn key(&self) -> Key {
        match self.library {
            "standard" | "svix" => Key::from_whsec("endpoint", self.secret).unwrap(),
            "twilio" => Key::from_text("endpoint", self.secret).unwrap().with_algorithm(Algorithm::HmacSha1),
            _ => Key::from_text("endpoint", self.secret).unwrap(),
        }
    }

    fn question(&self, sign: bool, target: &str, body: &str) -> Value {
        let (secret, url) = (self.secret, format!("{ORIGIN}{target}"));
        json!({ "library": self.library, "sign": sign, "secret": secret, "body": body, "url": url })
    }

    /// Another body of the same kind.
    fn altered(&self) -> String {
        self.body.replace("evt_1", "evt_2")
    }

    fn request(&self, target: &str, body: &str) -> Request<Full<Bytes>> {
        let request = Request::post(target).header(HOST, "hooks.example.com").header(CONTENT_TYPE, self.content_type);
        request.body(Full::from(body.to_owned())).unwrap()
    }

    /// The library signs.
    async fn is_accepted(&self, library: &mut Library, server: SocketAddr) {
        let target = format!("/{}{}", self.library, self.query);
        let mut question = self.question(true, &target, self.body);
        (question["id"], question["time"]) = ("msg_1".into(), now().into());
        let headers = pairs(&library.ask(&question)["headers"]);
        for (body, status) in [(self.body.to_owned(), 200), (self.altered(), 401)] {
            let mut request = self.request(&target, &body);
            request.headers_mut().extend(headers.clone());
            assert_eq!(http1(server, request).await.status(), status, "{} {headers:?} {body}", self.library);
        }
    }

    /// The library judges.
    fn accepts(&self, library: &mut Library) {
        let (mut head, _) = self.request(&format!("/{}", self.library), "").into_parts();
        let before: Vec<_> = head.headers.keys().cloned().collect();
        let signer = RequestSigner::new(self.scheme.clone(), self.key()).unwrap();
        let mut signing = signer.begin(&head, now()).unwrap();
        signing.update(self.body.as_bytes());
        signing.finish(&mut head).unwrap();
        let made = head.headers.iter().filter(|(name, _)| !before.contains(name));
        let made: Value = made.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        for (body, accepts) in [(self.body.to_owned(), true), (self.altered(), false)] {
            let mut question = self.question(false, &head.uri.to_string(), &body);
            question["headers"] = made.clone();
            assert_eq!(library.ask(&question), json!({ "accepts": accepts }), "{question}");
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn pairs(json: &Value) -> HeaderMap {
    let pairs = json.as_object().unwrap().iter();
    pairs.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap())).collect()
}

async fn drive(mut library: Library, peers: &[Peer]) {
    let mut app = Router::new();
    let mut mounted = Vec::new();
    for peer in peers.iter().filter(|peer| peer.query.is_empty()) {
        let layer = HmacLayer::new(peer.scheme.clone(), peer.key()).unwrap();
        app = app.route(&format!("/{}", peer.library), post(async || "taken").layer(layer));
        mounted.push(peer.library);
    }
    assert!(peers.iter().all(|peer| mounted.contains(&peer.library)), "{mounted:?}");
    let server = start_axum(app).await;
    for peer in peers {
        peer.is_accepted(&mut library, server).await;
        peer.accepts(&mut library);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python() {
    if !peers::installed() {
        return;
    }
    let twilio = || Peer::new("twilio", webhook::twilio(ORIGIN).unwrap(), "12345");
    let form = Peer { content_type: "application/x-www-form-urlencoded", body: FORM, ..twilio() };
    // Text that is no form is signed through its hash in the URL.
    let json = Peer { query: format!("?a=1&bodySHA256={}", hex(&Sha256::digest(EVENT))), ..twilio() };
    let peers = [
        Peer::new("stripe", webhook::stripe(), "whsec_test_secret"),
        Peer::new("slack", webhook::slack(), "8f742231b10e8888abcd99yyyzzz85a5"),
        Peer::new("standard", webhook::standard(), WHSEC),
        Peer::new("svix", webhook::svix(), WHSEC),
        form,
        json,
    ];
    drive(Library::python(), &peers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node() {
    if peers::installed() {
        drive(Library::node(), &[Peer::new("github", webhook::github(), "It's a Secret to Everybody")]).await;
    }
}
