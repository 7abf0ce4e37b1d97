//! An independent signer and response checker for the native scheme.

use hmac::{Hmac, KeyInit, Mac};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version};
use sha2::{Digest, Sha256};

use super::{AUTHORITY, KEY_HEX, KEY_ID, NOW};

/// A request that is signed when it is built. Every field can be set to something wrong afterwards.
#[derive(Clone, Debug)]
pub struct Wire {
    pub key_hex: String,
    pub key_id: String,
    pub timestamp: String,
    pub nonce: String,
    pub method: Method,
    pub authority: String,
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub extra: Vec<String>,
    pub body: Vec<u8>,
    /// What stands in the place of the digest, if it is not the digest.
    pub content: Option<String>,
}

impl Wire {
    pub fn new(method: Method, target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            key_hex: KEY_HEX.into(),
            key_id: KEY_ID.into(),
            timestamp: NOW.to_string(),
            nonce: fresh_nonce(),
            method,
            authority: AUTHORITY.into(),
            target: target.into(),
            headers: Vec::new(),
            extra: Vec::new(),
            body: body.into(),
            content: None,
        }
    }

    pub fn get(target: &str) -> Self {
        Self::new(Method::GET, target, "")
    }

    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Method::POST, target, body).header("content-type", "application/json")
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    pub fn nonce(mut self, nonce: &str) -> Self {
        self.nonce = nonce.into();
        self
    }

    pub fn timestamp(mut self, timestamp: impl ToString) -> Self {
        self.timestamp = timestamp.to_string();
        self
    }

    pub fn key(mut self, id: &str, hex: &str) -> Self {
        (self.key_id, self.key_hex) = (id.into(), hex.into());
        self
    }

    pub fn authority(mut self, authority: &str) -> Self {
        self.authority = authority.into();
        self
    }

    /// Names of extra signed headers, in order.
    pub fn extra(mut self, names: &[&str]) -> Self {
        self.extra = names.iter().map(|name| name.to_string()).collect();
        self
    }

    pub fn digest(&self) -> String {
        self.content.clone().unwrap_or_else(|| hex(&Sha256::digest(&self.body)))
    }

    pub fn string_to_sign(&self) -> Vec<u8> {
        let value = |name: &str| {
            let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, v)| v.trim_ascii().to_vec()).unwrap_or_default()
        };
        let mut lines: Vec<Vec<u8>> = vec![
            b"HMAC-SHA256-V1-REQUEST".to_vec(),
            self.key_id.clone().into_bytes(),
            self.timestamp.clone().into_bytes(),
            self.nonce.clone().into_bytes(),
            self.method.as_str().into(),
            self.authority.to_ascii_lowercase().into_bytes(),
            self.target.clone().into_bytes(),
            value("content-type"),
            value("content-encoding"),
            self.digest().into_bytes(),
        ];
        lines.extend(self.extra.iter().map(|name| [name.as_bytes(), b":", &value(name)].concat()));
        lines.join(&b'\n')
    }

    pub fn signature(&self) -> String {
        hex(&mac(&self.key_hex, &self.string_to_sign()))
    }

    /// The five fields of the scheme.
    pub fn fields(&self) -> [(&'static str, String); 5] {
        [
            ("x-hmac-key-id", self.key_id.clone()),
            ("x-hmac-timestamp", self.timestamp.clone()),
            ("x-hmac-nonce", self.nonce.clone()),
            ("x-hmac-content-sha256", self.digest()),
            ("x-hmac-signature", format!("v1={}", self.signature())),
        ]
    }

    /// The signed request, as an HTTP/1.1 server would hand it on, around any body.
    pub fn request<B>(&self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.parse().unwrap();
        *request.version_mut() = Version::HTTP_11;
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.parse().unwrap());
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        for (name, value) in self.fields() {
            headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        request
    }

    /// Whether a response, whose body bytes are `body`, is signed for this request.
    pub fn accepts<B>(&self, response: &Response<B>, body: &[u8]) -> Result<(), String> {
        let headers = response.headers();
        let time = one(headers, "x-hmac-timestamp")?;
        let digest = one(headers, "x-hmac-content-sha256")?;
        if digest != hex(&Sha256::digest(body)) {
            return Err("digest differs".into());
        }
        let wanted = self.answer_signature(response, &time, &digest);
        match one(headers, "x-hmac-signature")? == wanted {
            true => Ok(()),
            false => Err("signature differs".into()),
        }
    }

    /// What the signature of a response to this request is made of.
    pub fn answer_to_sign<B>(&self, response: &Response<B>, time: &str, digest: &str) -> String {
        let headers = response.headers();
        let line = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().trim()).unwrap_or_default().to_string();
        let mut text = format!(
            "HMAC-SHA256-V1-RESPONSE\n{}\n{}\n{time}\n{}\n{}\n{}\n{}\n{digest}",
            self.key_id,
            self.signature(),
            response.status().as_u16(),
            line("content-type"),
            line("content-encoding"),
            line("location"),
        );
        if headers.contains_key("grpc-status") {
            for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
                text += &format!("\n{name}:{}", line(name));
            }
        }
        text
    }

    pub fn answer_signature<B>(&self, response: &Response<B>, time: &str, digest: &str) -> String {
        format!("v1={}", hex(&mac(&self.key_hex, self.answer_to_sign(response, time, digest).as_bytes())))
    }
}

pub fn fresh_nonce() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("nonce-{:016}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn mac(key_hex: &str, text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&unhex(key_hex)).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn one(headers: &HeaderMap, name: &str) -> Result<String, String> {
    let all: Vec<_> = headers.get_all(name).iter().collect();
    match all[..] {
        [value] => Ok(value.to_str().unwrap().into()),
        _ => Err(format!("{name} stands {} times", all.len())),
    }
}
