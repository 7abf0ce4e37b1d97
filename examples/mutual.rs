//! Both layers in one process, and somebody between them who cannot be trusted: `cargo run --example mutual`.
//!
//! It exits with 0 only if each answer is accepted or refused as it should be.

use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::sync::Barrier;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
use tower_hmac::ClientErrorKind::{self, BadSignature, BodyMismatch, Unsigned};
use tower_hmac::{HmacBody, HmacClientLayer, HmacLayer, Key, Scheme, Verified};

/// What the one in between does to an answer.
type Meddle = fn(&mut Response<Bytes>);

/// The service behind the server's layer: it knows who asked.
async fn pay(request: Request<HmacBody<HmacBody<Full<Bytes>>>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let who = request.extensions().get::<Verified>().map(|who| who.key_id().to_string()).unwrap_or_default();
    let mut response = Response::new(Full::from(format!("paid by {who}")));
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/payments/1"));
    Ok(response)
}

/// Two requests at the same time, and what comes of them. `swap` hands each the answer to the other.
async fn call(key: &Key, meddle: Meddle, swap: bool) -> Result<[Result<String, ClientErrorKind>; 2], BoxError> {
    let server = ServiceBuilder::new().layer(HmacLayer::new(Scheme::native(), key.clone())?).service_fn(pay);
    let (answers, both) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Barrier::new(2)));
    let between = service_fn(move |request| {
        let (server, answers, both) = (server.clone(), Arc::clone(&answers), Arc::clone(&both));
        async move {
            let (head, body) = server.oneshot(request).await?.into_parts();
            let mut answer = Response::from_parts(head, body.collect().await?.to_bytes());
            meddle(&mut answer);
            let mine = {
                let mut all = answers.lock().map_err(|_| "a panic")?;
                all.push(answer);
                all.len() - 1
            };
            both.wait().await;
            let all = answers.lock().map_err(|_| "a panic")?;
            Ok::<_, BoxError>(all[if swap { 1 - mine } else { mine }].clone().map(Full::new))
        }
    });
    let client = ServiceBuilder::new().layer(HmacClientLayer::new(Scheme::native(), key.clone())?).service(between);
    let ask = async || {
        let request = Request::post("http://api.example.com/payments").body(Full::from("{\"amount\":10}"))?;
        match client.clone().oneshot(request).await {
            Ok(response) => Ok::<_, BoxError>(Ok(String::from_utf8(response.collect().await?.to_bytes().into())?)),
            Err(error) => Ok(Err(error.kind())),
        }
    };
    let (one, other) = tokio::join!(ask(), ask());
    Ok([one?, other?])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (key, _) = Key::generate("svc-a")?;
    let cases: [(&str, Meddle, bool, Option<ClientErrorKind>); 7] = [
        ("delivered as it is", |_| {}, false, None),
        ("body changed", |answer| *answer.body_mut() = Bytes::from("paid by nobody"), false, Some(BodyMismatch)),
        ("status changed", |answer| *answer.status_mut() = StatusCode::OK, false, Some(BadSignature)),
        ("location removed", |answer| drop(answer.headers_mut().remove(LOCATION)), false, Some(BadSignature)),
        ("answers swapped", |_| {}, true, Some(BadSignature)),
        ("signature stripped", |a| drop(a.headers_mut().remove("x-hmac-signature")), false, Some(Unsigned)),
        ("all replaced", |answer| *answer = Response::new(Bytes::from("paid by svc-a")), false, Some(Unsigned)),
    ];
    let mut surprises = 0;
    for (name, meddle, swap, refusal) in cases {
        let expected = refusal.map_or(Ok("paid by svc-a".to_owned()), Err);
        for outcome in call(&key, meddle, swap).await? {
            let shown =
                outcome.as_ref().map_or_else(|kind| format!("error: {kind}"), |text| format!("accepted: {text}"));
            println!("{name:<20} {shown}");
            surprises += usize::from(outcome != expected);
        }
    }
    if surprises == 0 { Ok(()) } else { Err("not as it should be".into()) }
}
