//! A signature holds for one method, path and query, byte by byte, and for nothing else.

mod support;

use http::header::HOST;
use http::{HeaderValue, Method, Uri};
use support::KEY_HEX;
use support::change::{changed, layer, request, set_uri};
use support::service::send;
use support::wire::Wire;
use tower_hmac::RejectionKind::{self, BadMac, UncoveredOverride};
use tower_hmac::{HmacLayer, Scheme, SignedHeaders};

#[tokio::test]
async fn d_01_another_method() {
    let methods =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "Get", "PURGE", "M-SEARCH"];
    let methods = methods.map(|name| Method::from_bytes(name.as_bytes()).unwrap());
    for signed in &methods {
        let wire = Wire::new(signed.clone(), "/accounts/7", "");
        for sent in &methods {
            let outcome = changed(&wire, |request| *request.method_mut() = sent.clone()).await;
            match sent == signed {
                true => outcome.accepted(),
                false => outcome.refused_unread(BadMac),
            }
        }
    }
}

#[tokio::test]
async fn d_02_query_added_changed_or_removed() {
    let queries =
        ["", "?", "?a=1", "?a=2", "?a=1&b=2", "?b=2&a=1", "?a=1&a=1", "?A=1", "?a=1&", "?a=+", "?a=%20", "?a"];
    every_pair(&queries.map(|query| format!("/list{query}"))).await;
}

/// Each target signed is accepted as it is and refused as every other one.
async fn every_pair(targets: &[String]) {
    for signed in targets {
        let wire = Wire::get(signed);
        for sent in targets {
            let outcome = changed(&wire, set_uri(sent)).await;
            match sent == signed {
                true => outcome.accepted(),
                false => outcome.refused_unread(BadMac),
            }
        }
    }
}

#[tokio::test]
async fn d_03_another_endpoint_with_the_same_body() {
    let wire = Wire::post("/transfers/preview", "{\"amount\":10}");
    send(layer(), request(&wire)).await.accepted();
    for other in ["/transfers", "/transfers/preview/", "/transfers/Preview", "/", "/transfers/execute"] {
        changed(&wire, set_uri(other)).await.refused_unread(BadMac);
    }
}

#[tokio::test]
async fn d_05_spellings_of_one_path() {
    let paths = [
        "/a/b",
        "/a%2Fb",
        "/a%2fb",
        "/a//b",
        "//a/b",
        "/a/./b",
        "/a/x/../b",
        "/a/%2e/b",
        "/a/%2E/b",
        "/a/b;x",
        "/a/b/",
        "/a/b%20",
        "/a/b+",
        "/%61/b",
        "/a/b%",
        "/a/b?",
        "/a/b%3F",
        "/A/b",
        "/a\\b",
        "/a/b%00",
    ];
    every_pair(&paths.map(String::from)).await;
}

#[tokio::test]
async fn a_path_that_is_left_out_is_a_slash() {
    let wire = Wire::get("/");
    changed(&wire, set_uri("http://api.example.com")).await.accepted();
    changed(&wire, set_uri("http://api.example.com/?")).await.refused_unread(BadMac);
    let wire = Wire { target: "/?a=1".into(), ..Wire::get("/") };
    changed(&wire, set_uri("http://api.example.com?a=1")).await.accepted();
    changed(&wire, set_uri("http://api.example.com?a=2")).await.refused_unread(BadMac);
}

const OVERRIDES: [&str; 4] = ["x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

#[tokio::test]
async fn d_15_headers_that_override_method_or_target() {
    for name in OVERRIDES {
        let wire = Wire::post("/", "{}");
        send(layer(), request(&wire)).await.accepted();
        for value in ["DELETE", "/admin", ""] {
            let added = wire.clone().header(name, value);
            send(layer(), request(&added)).await.refused_unread(UncoveredOverride);
            send(layer(), request(&added.key("stranger", KEY_HEX))).await.refused_unread(UncoveredOverride);
        }

        let names = SignedHeaders::new([name]).unwrap();
        let scheme = Scheme::native_with_headers(names, SignedHeaders::none());
        let covering = HmacLayer::new(scheme, support::key()).unwrap().clock(support::clock()).drain_limit(0);
        let wire = Wire::post("/", "{}").header(name, "PUT").extra(&[name]);
        send(covering.clone(), request(&wire)).await.accepted();
        let mut other = request(&wire);
        other.headers_mut().insert(name, HeaderValue::from_static("DELETE"));
        send(covering.clone(), other).await.refused_unread(BadMac);
        for uncovered in OVERRIDES.into_iter().filter(|other| *other != name) {
            let wire = wire.clone().header(uncovered, "x");
            send(covering.clone(), request(&wire)).await.refused_unread(UncoveredOverride);
        }
    }
}

#[tokio::test]
async fn connect_is_refused_and_options_star_is_signed_as_a_star() {
    for uri in ["api.example.com:443", "http://api.example.com/"] {
        let mut connect = request(&Wire::new(Method::CONNECT, "/", ""));
        *connect.uri_mut() = uri.parse().unwrap();
        connect.headers_mut().insert(HOST, uri.parse::<Uri>().unwrap().authority().unwrap().as_str().parse().unwrap());
        send(layer(), connect).await.refused_unread(RejectionKind::Method);
    }
    let star = Wire::new(Method::OPTIONS, "*", "");
    send(layer(), request(&star)).await.accepted();
    changed(&star, set_uri("/")).await.refused_unread(BadMac);
    changed(&star, set_uri("/*")).await.refused_unread(BadMac);
    changed(&Wire::new(Method::OPTIONS, "/", ""), set_uri("*")).await.refused_unread(BadMac);
}
