//! The server's half of the native scheme for tests of the client, from the format alone: checks requests, signs
//! responses.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{ClientError, ClientErrorKind, HmacBody, HmacClientLayer, Scheme};

use super::KEY_HEX;
use super::body::{Broken, Script};
use super::wire::Wire;

/// The native scheme with the tests' key, on a clock that stands.
pub fn client_layer() -> HmacClientLayer {
    HmacClientLayer::new(Scheme::native(), super::key()).unwrap().clock(super::clock())
}

/// What a request says of itself, under this secret.
fn claimed(key_hex: &str, head: &Parts, body: &[u8]) -> Result<Wire, String> {
    let field = |name: &str| one(&head.headers, name);
    let authority = match head.uri.authority() {
        Some(authority) => authority.to_string(),
        None => one(&head.headers, HOST.as_str())?,
    };
    let target = head.uri.path_and_query().map(|target| target.as_str()).ok_or("no target")?;
    let mut wire = Wire::new(head.method.clone(), target, body)
        .key(&field("x-hmac-key-id")?, key_hex)
        .timestamp(field("x-hmac-timestamp")?)
        .nonce(&field("x-hmac-nonce")?)
        .authority(&authority);
    for name in ["content-type", "content-encoding"] {
        if head.headers.contains_key(name) {
            wire = wire.header(name, field(name)?);
        }
    }
    Ok(wire)
}

fn checked(wire: Wire, head: &Parts) -> Result<Wire, String> {
    for (name, wanted) in wire.fields() {
        if one(&head.headers, name)? != wanted {
            return Err(format!("{name} differs"));
        }
    }
    Ok(wire)
}

/// A request as it came, if its signature is right under this secret.
pub fn accept_under(key_hex: &str, head: &Parts, body: &[u8]) -> Result<Wire, String> {
    checked(claimed(key_hex, head, body)?, head)
}

/// The same for one whose MAC follows its body, beside other trailers.
pub fn accept_streamed(head: &Parts, body: &[u8], trailers: &HeaderMap) -> Result<Wire, String> {
    let wire = checked(claimed(KEY_HEX, head, body)?.streamed(), head)?;
    match wire.trailers_beside(trailers) == *trailers {
        true => Ok(wire),
        false => Err("the trailers differ".into()),
    }
}

pub fn accept(head: &Parts, body: &[u8]) -> Result<Wire, String> {
    accept_under(KEY_HEX, head, body)
}

fn one(headers: &HeaderMap, name: &str) -> Result<String, String> {
    let all: Vec<_> = headers.get_all(name).iter().collect();
    match all[..] {
        [value] => value.to_str().map(str::to_owned).map_err(|_| format!("{name} is not text")),
        _ => Err(format!("{name} stands {} times", all.len())),
    }
}

/// Signs a response to this request, whose body bytes are `body`.
pub fn sign<B>(wire: &Wire, response: &mut Response<B>, body: &[u8]) {
    let digest = Wire { body: body.to_vec(), content: None, ..wire.clone() }.digest();
    let signature = wire.answer_signature(response, &wire.timestamp, &digest);
    for (name, value) in
        [("x-hmac-timestamp", &wire.timestamp), ("x-hmac-content-sha256", &digest), ("x-hmac-signature", &signature)]
    {
        response.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
}

/// A signed JSON answer.
pub fn answer(wire: &Wire, body: &str) -> Response<Script> {
    let mut response = Response::new(Script::bytes(body.to_owned()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    sign(wire, &mut response, body.as_bytes());
    response
}

/// What a server in this process saw.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Wire>>>);

impl Seen {
    pub fn all(&self) -> Vec<Wire> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn nonces(&self) -> Vec<String> {
        self.all().into_iter().map(|wire| wire.nonce).collect()
    }
}

pub type Server<B> = BoxCloneSyncService<Request<HmacBody<B>>, Response<Script>, Infallible>;

/// A server that lets no request pass that is not signed right, and answers as told.
pub fn server<B>(seen: &Seen, respond: impl Fn(&Wire) -> Response<Script> + Clone + Send + Sync + 'static) -> Server<B>
where
    B: Body<Data: Send, Error = Broken> + Send + 'static,
{
    let seen = seen.clone();
    let service = service_fn(move |request: Request<HmacBody<B>>| {
        let (seen, respond) = (seen.clone(), respond.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let wire = accept(&head, &body).expect("a request that is signed right");
            seen.0.lock().unwrap().push(wire.clone());
            Ok::<_, Infallible>(respond(&wire))
        }
    });
    BoxCloneSyncService::new(service)
}

/// A response that was handed on, whole.
#[derive(Debug)]
pub struct Got {
    pub head: Response<()>,
    pub body: Bytes,
}

pub type Outcome = Result<Got, ClientError>;

/// Calls such a server through a client layer.
pub async fn call(layer: HmacClientLayer, request: Request<Script>, server: Server<Script>) -> Outcome {
    let (head, body) = layer.layer(server).oneshot(request).await?.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Ok(Got { head: Response::from_parts(head, ()), body })
}

/// Posts to a server that answers so.
pub async fn ask(respond: impl Fn(&Wire) -> Response<Script> + Clone + Send + Sync + 'static) -> Outcome {
    call(client_layer(), post("/pay", "{\"a\":1}"), server(&Seen::default(), respond)).await
}

pub fn kind(outcome: &Outcome) -> Option<ClientErrorKind> {
    outcome.as_ref().err().map(ClientError::kind)
}

pub fn post(target: &str, body: &str) -> Request<Script> {
    Request::post(format!("http://{}{target}", super::AUTHORITY))
        .header(CONTENT_TYPE, "application/json")
        .body(Script::bytes(body.to_owned()))
        .unwrap()
}

pub fn full(target: &str, body: &str) -> Request<Full<Bytes>> {
    post(target, body).map(|_| Full::from(body.to_owned()))
}
