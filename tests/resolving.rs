//! Behind a proxy or below a router, the target that a signature covers is the one that the layer was told.

mod support;

use http::header::HOST;
use http::{HeaderValue, Request, Uri, Version};
use support::AUTHORITY;
use support::body::Script;
use support::service::send;
use support::wire::Wire;
use tower_hmac::RejectionKind::{AmbiguousTarget, BadMac};
use tower_hmac::{HmacLayer, SignedTarget, Target};

const PUBLIC: &str = "pay.example.com:8443";

fn layer(target: Target) -> HmacLayer {
    support::layer().target(target).drain_limit(0)
}

/// A request that was signed for `signed`, as it looks with this URI and these `Host` lines.
fn seen(signed: &Wire, uri: &str, hosts: &[&str]) -> Request<Script> {
    let mut request = signed.request(Script::bytes(signed.body.clone()));
    *request.uri_mut() = uri.parse().unwrap();
    request.headers_mut().remove(HOST);
    for host in hosts {
        request.headers_mut().append(HOST, HeaderValue::from_str(host).unwrap());
    }
    request
}

/// What a router leaves behind when it strips a prefix.
#[derive(Clone)]
struct Original(Uri);

fn original() -> Target {
    Target::resolver(|head| match head.extensions.get::<Original>() {
        Some(original) => SignedTarget::received().path_and_query_of(&original.0),
        None => SignedTarget::received(),
    })
}

#[tokio::test]
async fn d_04_one_mount_does_not_accept_what_was_signed_for_another() {
    let mounted = |signed: &str, sent: &str| {
        let mut request = Wire::post(signed, "{}").request(Script::bytes("{}"));
        // Both mounts see the same stripped path.
        *request.uri_mut() = "/pay?now".parse().unwrap();
        request.extensions_mut().insert(Original(sent.parse().unwrap()));
        request
    };
    let (a, b) = ("/tenant-a/pay?now", "/tenant-b/pay?now");
    for (signed, sent) in [(a, a), (b, b)] {
        send(layer(original()), mounted(signed, sent)).await.accepted();
    }
    for (signed, sent) in [(a, b), (b, a), ("/pay?now", a), (a, "/pay?now"), (a, "/tenant-a/pay")] {
        send(layer(original()), mounted(signed, sent)).await.refused_unread(BadMac);
    }
    // What the resolver is there for: as received, one signature fits both mounts.
    for mount in [a, b] {
        send(layer(Target::received()), mounted("/pay?now", mount)).await.accepted();
    }
}

#[tokio::test]
async fn d_04_a_resolver_that_leaves_all_as_received() {
    let wire = Wire::get("/pay");
    send(layer(original()), seen(&wire, "/pay", &[AUTHORITY])).await.accepted();
    send(layer(original()), seen(&wire, "/other", &[AUTHORITY])).await.refused_unread(BadMac);
    send(layer(original()), seen(&wire, "/pay", &["evil"])).await.refused_unread(BadMac);
    send(layer(original()), seen(&wire, "/pay", &[])).await.refused_unread(AmbiguousTarget);
    send(layer(original()), seen(&wire, "http://evil/pay", &[AUTHORITY])).await.refused_unread(AmbiguousTarget);
}

#[tokio::test]
async fn a_fixed_authority_is_what_was_signed_whatever_the_request_says() {
    let target = || Target::fixed("Pay.Example.com:8443").unwrap();
    let wire = Wire::get("/a?b").authority(PUBLIC);
    for (uri, hosts) in [
        ("/a?b", &["10.0.0.7:3000"][..]),
        ("/a?b", &[PUBLIC]),
        ("/a?b", &[]),
        ("/a?b", &[""]),
        ("/a?b", &["user:pw@h"]),
        ("http://evil/a?b", &["10.0.0.7:3000"]),
        ("http://user:pw@evil/a?b", &[]),
    ] {
        send(layer(target()), seen(&wire, uri, hosts)).await.accepted();
        let other = Wire::get("/a?b").authority("10.0.0.7:3000");
        send(layer(target()), seen(&other, uri, hosts)).await.refused_unread(BadMac);
        send(layer(target()), seen(&wire, &uri.replace("b", "c"), hosts)).await.refused_unread(BadMac);
    }
    let mut old = seen(&wire, "/a?b", &[]);
    *old.version_mut() = Version::HTTP_10;
    send(layer(target()), old).await.accepted();
}

#[tokio::test]
async fn two_host_lines_are_refused_whatever_the_target() {
    let wire = Wire::get("/").authority(PUBLIC);
    let resolver = || Target::resolver(|_| SignedTarget::received().authority(PUBLIC).path_and_query("/"));
    for target in
        [Target::fixed(PUBLIC).unwrap(), Target::one_of([PUBLIC, AUTHORITY]).unwrap(), resolver(), Target::received()]
    {
        send(layer(target.clone()), seen(&wire, "/", &[PUBLIC])).await.accepted();
        for hosts in [[PUBLIC, PUBLIC], [PUBLIC, "evil"], ["evil", PUBLIC]] {
            send(layer(target.clone()), seen(&wire, "/", &hosts)).await.refused_unread(AmbiguousTarget);
        }
    }
}

#[tokio::test]
async fn several_authorities_accept_the_one_that_the_request_names() {
    let target = || Target::one_of([AUTHORITY, "Pay.Example.com:8443", "h2"]).unwrap();
    for name in [AUTHORITY, PUBLIC, "h2"] {
        let wire = Wire::get("/").authority(name);
        send(layer(target()), seen(&wire, "/", &[name])).await.accepted();
        send(layer(target()), seen(&wire, "/", &[&name.to_uppercase()])).await.accepted();
        send(layer(target()), seen(&wire, &format!("http://{name}/"), &[])).await.accepted();
        // Rewritten in one place only.
        send(layer(target()), seen(&wire, &format!("http://{name}/"), &["10.0.0.7"])).await.accepted();
        send(layer(target()), seen(&wire, "http://10.0.0.7/", &[name])).await.accepted();
        for other in [AUTHORITY, PUBLIC, "h2"].into_iter().filter(|other| *other != name) {
            send(layer(target()), seen(&wire, "/", &[other])).await.refused_unread(BadMac);
            let both = seen(&wire, &format!("http://{name}/"), &[other]);
            send(layer(target()), both).await.refused_unread(AmbiguousTarget);
        }
    }
    for name in ["evil", "api.example.com:443", "user@api.example.com", ""] {
        let wire = Wire::get("/").authority(name);
        send(layer(target()), seen(&wire, "/", &[name])).await.refused_unread(AmbiguousTarget);
    }
    send(layer(target()), seen(&Wire::get("/"), "/", &[])).await.refused_unread(AmbiguousTarget);
}

#[tokio::test]
async fn a_resolver_decides_authority_and_path() {
    let forwarded = || {
        Target::resolver(|head| {
            let value = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
            let mut target = SignedTarget::received();
            if let Some(host) = value("x-forwarded-host") {
                target = target.authority(host);
            }
            if let Some(prefix) = value("x-forwarded-prefix") {
                target = target.path_and_query(format!("{prefix}{}", head.uri.path()));
            }
            target
        })
    };
    let through = |signed: &Wire, host: &str, prefix: &str| {
        let mut request = seen(signed, "/pay", &["10.0.0.7"]);
        for (name, value) in [("x-forwarded-host", host), ("x-forwarded-prefix", prefix)] {
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        request
    };
    let wire = Wire::get("/v1/pay").authority(PUBLIC);
    send(layer(forwarded()), through(&wire, PUBLIC, "/v1")).await.accepted();
    send(layer(forwarded()), through(&wire, &PUBLIC.to_uppercase(), "/v1")).await.accepted();
    send(layer(forwarded()), through(&wire, "evil", "/v1")).await.refused_unread(BadMac);
    send(layer(forwarded()), through(&wire, PUBLIC, "/v2")).await.refused_unread(BadMac);
    // Without a resolver nobody asks these headers.
    let direct = Wire::get("/pay").authority("10.0.0.7");
    send(layer(Target::received()), through(&direct, PUBLIC, "/v1")).await.accepted();
    send(layer(Target::received()), through(&wire, PUBLIC, "/v1")).await.refused_unread(BadMac);
    for host in ["", "user@h", "a b", "a,b", "h/path"] {
        send(layer(forwarded()), through(&wire, host, "/v1")).await.refused_unread(AmbiguousTarget);
    }
    for prefix in ["/a b", "/a#b", "/a\tb"] {
        send(layer(forwarded()), through(&wire, PUBLIC, prefix)).await.refused_unread(AmbiguousTarget);
    }
}

#[tokio::test]
async fn a_path_that_a_resolver_leaves_empty_is_a_slash() {
    let empty = || Target::resolver(|_| SignedTarget::received().path_and_query(""));
    send(layer(empty()), seen(&Wire::get("/"), "/pay", &[AUTHORITY])).await.accepted();
    send(layer(empty()), seen(&Wire::get("/pay"), "/pay", &[AUTHORITY])).await.refused_unread(BadMac);
    let feed = Target::resolver(|_| SignedTarget::received().path_and_query("/a\nPOST"));
    send(layer(feed), seen(&Wire::get("/a"), "/a", &[AUTHORITY])).await.refused_unread(AmbiguousTarget);
}

#[test]
fn an_authority_that_no_client_sends_is_a_mistake() {
    for text in [
        "",
        " ",
        "https://pay.example.com",
        "pay.example.com/",
        "user@h",
        "a b",
        "h\n",
        "h\u{e9}st",
        ":443",
        "h:",
        "[",
        "a:b:c",
        "h:99999",
        "h:80a",
    ] {
        assert!(Target::fixed(text).is_err(), "{text:?}");
        assert!(Target::one_of([AUTHORITY, text]).is_err(), "{text:?}");
    }
    for text in ["h", "H:1", "127.0.0.1:3000", "[::1]", "[::1]:8443", "a-b.example.com"] {
        assert!(Target::fixed(text).is_ok(), "{text:?}");
    }
    assert!(Target::one_of([]).is_err());
}
