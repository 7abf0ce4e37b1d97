//! Which key signs which request: one, one for each host, one that the caller chose, one that is looked up. Without a
//! key nothing is sent.

mod support;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt;
use support::KEY_HEX;
use support::body::Script;
use support::peer::{accept_under, answer};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{
    Algorithm, Answer, AsyncKeys, ClientErrorKind, HmacBody, HmacClientLayer, HostKeys, Key, KeyQuery, KeyRing,
    KeyStore, Keys, Lookup, Scheme,
};

const OTHER_HEX: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn other() -> Key {
    Key::from_hex("svc-b", OTHER_HEX).unwrap()
}

/// The authority and key id under which a request arrived, or why it did not leave.
async fn sent(keys: impl KeyStore, request: Request<Script>) -> Result<(String, String), ClientErrorKind> {
    let layer = HmacClientLayer::new(Scheme::native(), keys).unwrap().clock(support::clock());
    let arrived = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&arrived);
    let server = service_fn(move |request: Request<HmacBody<Script>>| {
        let keep = Arc::clone(&keep);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let secret = if head.headers["x-hmac-key-id"] == "svc-a" { KEY_HEX } else { OTHER_HEX };
            let wire = accept_under(secret, &head, &body).unwrap();
            *keep.lock().unwrap() = Some((wire.authority.clone(), wire.key_id.clone()));
            Ok::<Response<Script>, Infallible>(answer(&wire, "{}"))
        }
    });
    let outcome = layer.layer(server).oneshot(request).await;
    let arrived = arrived.lock().unwrap().take();
    match outcome {
        Ok(_) => Ok(arrived.unwrap()),
        Err(error) => {
            assert!(arrived.is_none() && !error.may_have_been_sent(), "sent without a key");
            Err(error.kind())
        }
    }
}

fn get(uri: &str) -> Request<Script> {
    Request::get(uri).body(Script::bytes("")).unwrap()
}

fn pair(authority: &str, id: &str) -> Result<(String, String), ClientErrorKind> {
    Ok((authority.into(), id.into()))
}

#[tokio::test]
async fn a_key_bound_to_hosts_signs_for_no_other() {
    let keys = HostKeys::new([
        ("api.example.com", support::key()),
        ("Partner.Example.org:8443", other()),
        ("[::1]:3000", support::key()),
    ])
    .unwrap();
    for (uri, wanted) in [
        ("https://api.example.com/x", pair("api.example.com", "svc-a")),
        ("https://api.example.com:443/x", pair("api.example.com", "svc-a")),
        ("https://api.example.com:0443/x", pair("api.example.com", "svc-a")),
        ("wss://api.example.com:443/x", pair("api.example.com", "svc-a")),
        ("http://api.example.com:443/x", Err(ClientErrorKind::NoKey)),
        ("https://API.example.com/x", pair("API.example.com", "svc-a")),
        ("https://partner.example.org:8443/x", pair("partner.example.org:8443", "svc-b")),
        ("http://[::1]:3000/", pair("[::1]:3000", "svc-a")),
        ("https://api.example.com:8443/x", Err(ClientErrorKind::NoKey)),
        ("https://partner.example.org/x", Err(ClientErrorKind::NoKey)),
        ("https://evil.example.com/x", Err(ClientErrorKind::NoKey)),
        ("https://api.example.com.evil.com/x", Err(ClientErrorKind::NoKey)),
        ("https://evil.com/api.example.com", Err(ClientErrorKind::NoKey)),
        ("https://api.example.com@evil.com/x", Err(ClientErrorKind::NoKey)),
        ("https://me@api.example.com/x", Err(ClientErrorKind::NoKey)),
        ("/x", Err(ClientErrorKind::NoKey)),
    ] {
        assert_eq!(sent(keys.clone(), get(uri)).await, wanted, "{uri}");
    }
}

/// A redirect from `https` to `http` leads nowhere either.
#[tokio::test]
async fn a_key_may_be_bound_to_the_scheme_too() {
    let keys = HostKeys::new([
        ("https://API.example.com:443", support::key()),
        ("http://[::1]:3000", other()),
        ("http://plain.example:80", other()),
    ])
    .unwrap();
    let hosted = Request::get("/x").header("host", "api.example.com").body(Script::bytes("")).unwrap();
    for (request, wanted) in [
        (get("https://api.example.com/x"), pair("api.example.com", "svc-a")),
        (get("https://api.example.com:443/x"), pair("api.example.com", "svc-a")),
        (get("http://[::1]:3000/x"), pair("[::1]:3000", "svc-b")),
        (get("http://plain.example/x"), pair("plain.example", "svc-b")),
        (get("http://api.example.com/x"), Err(ClientErrorKind::NoKey)),
        (get("http://api.example.com:443/x"), Err(ClientErrorKind::NoKey)),
        (get("https://[::1]:3000/x"), Err(ClientErrorKind::NoKey)),
        (hosted, Err(ClientErrorKind::NoKey)),
    ] {
        let uri = request.uri().to_string();
        assert_eq!(sent(keys.clone(), request).await, wanted, "{uri}");
    }
}

/// So a secret is replaced without a new client, and a host may ask a database.
#[tokio::test]
async fn a_host_may_have_any_store() {
    let ring = KeyRing::new([support::key().into()]).unwrap();
    let looked_up = AsyncKeys::new(|_| async { Ok(Some(Keys::from(other()))) });
    let keys = HostKeys::new([
        ("api.example.com", Arc::new(ring.clone()) as Arc<dyn KeyStore>),
        ("partner.example.org", Arc::new(looked_up)),
    ])
    .unwrap();
    assert_eq!(sent(keys.clone(), get("https://api.example.com/x")).await, pair("api.example.com", "svc-a"));
    assert_eq!(sent(keys.clone(), get("https://partner.example.org/x")).await, pair("partner.example.org", "svc-b"));
    ring.replace([other().into()]).unwrap();
    assert_eq!(sent(keys.clone(), get("https://api.example.com/x")).await, pair("api.example.com", "svc-b"));
    ring.replace([]).unwrap();
    assert_eq!(sent(keys.clone(), get("https://api.example.com/x")).await, Err(ClientErrorKind::NoKey));
    assert_eq!(sent(keys, get("https://evil.example.com/x")).await, Err(ClientErrorKind::NoKey));

    let unfit = KeyRing::new([support::key().with_algorithm(Algorithm::HmacSha1).into()]).unwrap();
    assert!(HmacClientLayer::new(Scheme::native(), HostKeys::new([("h", unfit)]).unwrap()).is_err());
}

/// The layers below may follow either.
#[tokio::test]
async fn a_host_line_does_not_free_a_bound_key() {
    let keys = || HostKeys::new([("api.example.com", support::key())]).unwrap();
    let hosts = |uri: &str, hosts: &[&str]| {
        let mut request = get(uri);
        for host in hosts {
            request.headers_mut().append("host", host.parse().unwrap());
        }
        request
    };
    assert_eq!(sent(keys(), hosts("/x", &["api.example.com"])).await, pair("api.example.com", "svc-a"));
    let same = hosts("http://api.example.com/x", &["API.example.com"]);
    assert_eq!(sent(keys(), same).await, pair("api.example.com", "svc-a"));
    for (uri, lines) in [
        ("http://evil.example.com/x", &["api.example.com"][..]),
        ("http://api.example.com/x", &["evil.example.com"]),
        ("/x", &["evil.example.com"]),
        ("/x", &["api.example.com", "evil.example.com"]),
        ("/x", &["api.example.com", "api.example.com"]),
    ] {
        assert_eq!(sent(keys(), hosts(uri, lines)).await, Err(ClientErrorKind::NoKey), "{uri} {lines:?}");
    }
}

#[tokio::test]
async fn the_caller_chooses_the_key_of_each_request() {
    let chosen = |query: &KeyQuery<'_>| -> Lookup {
        assert_eq!(query.key_id(), None);
        query.head().extensions.get::<Key>().cloned().into()
    };
    for key in [support::key(), other()] {
        let mut request = get("http://h/x");
        let id = key.id().to_string();
        request.extensions_mut().insert(key);
        assert_eq!(sent(chosen, request).await, pair("h", &id));
    }
    assert_eq!(sent(chosen, get("http://h/x")).await, Err(ClientErrorKind::NoKey));
}

#[tokio::test]
async fn a_key_may_be_looked_up() {
    let subscribers = Arc::new(HashMap::from([("/a", support::key()), ("/b", other())]));
    let database = move |query: &KeyQuery<'_>| -> Lookup {
        let (all, path) = (Arc::clone(&subscribers), query.head().uri.path().to_owned());
        Answer::later(async move {
            tokio::task::yield_now().await;
            match &*path {
                "/down" => Err("the database is down".into()),
                path => Ok(all.get(path).cloned().map(Keys::from)),
            }
        })
    };
    assert_eq!(sent(database.clone(), get("http://h/a")).await, pair("h", "svc-a"));
    assert_eq!(sent(database.clone(), get("http://h/b")).await, pair("h", "svc-b"));
    assert_eq!(sent(database.clone(), get("http://h/c")).await, Err(ClientErrorKind::NoKey));
    assert_eq!(sent(database, get("http://h/down")).await, Err(ClientErrorKind::KeysUnavailable));
}

#[tokio::test]
async fn a_key_that_does_not_fit_signs_nothing() {
    let unfit = || support::key().with_algorithm(Algorithm::HmacSha1);
    let store = move |_: &KeyQuery<'_>| -> Lookup { Some(unfit()).into() };
    assert_eq!(sent(store, get("http://h/x")).await, Err(ClientErrorKind::KeysUnavailable));
    let none = |_: &KeyQuery<'_>| -> Lookup { Keys::new([]).ok().into() };
    assert_eq!(sent(none, get("http://h/x")).await, Err(ClientErrorKind::NoKey));
}

/// Where one secret replaces another, the first signs.
#[tokio::test]
async fn of_several_keys_the_first_signs() {
    let both = |_: &KeyQuery<'_>| -> Lookup { Keys::new([other(), support::key()]).ok().into() };
    assert_eq!(sent(both, get("http://h/x")).await, pair("h", "svc-b"));
}

#[test]
fn what_is_no_authority_is_refused_when_the_keys_are_bound() {
    let refused =
        |names: &[&str]| HostKeys::new(names.iter().map(|name| (*name, support::key()))).unwrap_err().to_string();
    for name in [
        "",
        "ftp://api.example.com",
        "https://",
        "https://api.example.com/",
        "api.example.com/",
        "me@api.example.com",
        "a b",
        "a,b",
    ] {
        assert!(refused(&[name]).contains("is not an authority"), "{name:?}");
    }
    assert!(refused(&["a.example", "A.example"]).contains("twice"));
    assert!(refused(&["https://a.example:443", "a.example"]).contains("twice"));
    assert!(refused(&[]).contains("empty"));
    let unfit = HostKeys::new([("h", support::key().with_algorithm(Algorithm::HmacSha1))]).unwrap();
    assert!(!format!("{unfit:?}").contains("000102"));
    assert!(HmacClientLayer::new(Scheme::native(), unfit).is_err());
}
