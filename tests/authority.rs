//! The authority that is signed is the one that the request was sent to, and there is never a second one.

mod support;

use http::header::HOST;
use http::{HeaderValue, Request, Uri, Version};
use support::AUTHORITY;
use support::body::Script;
use support::change::{changed, layer, request, set_uri};
use support::service::send;
use support::wire::Wire;
use tower_hmac::RejectionKind::{self, AmbiguousTarget, BadMac};

fn set_host(value: &str) -> impl FnOnce(&mut Request<Script>) {
    let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
    move |request| drop(request.headers_mut().insert(HOST, value))
}

#[tokio::test]
async fn d_08_absolute_form_that_contradicts_host() {
    for (uri, host) in [("http://evil.example.com/abs", AUTHORITY), ("http://api.example.com/abs", "evil.example.com")]
    {
        for signed_for in [AUTHORITY, "evil.example.com"] {
            let wire = Wire::get("/abs").authority(signed_for);
            let mut request = request(&wire);
            set_uri(uri)(&mut request);
            set_host(host)(&mut request);
            send(layer(), request).await.refused_unread(AmbiguousTarget);
        }
    }
    changed(&Wire::get("/abs"), set_uri("http://api.example.com/abs")).await.accepted();
    changed(&Wire::get("/abs"), set_uri("http://api.example.com:80/abs")).await.refused_unread(AmbiguousTarget);
}

#[tokio::test]
async fn d_09_http2_authority_that_contradicts_host() {
    let http2 = |host: Option<&str>| {
        let mut request = request(&Wire::get("/abs"));
        *request.version_mut() = Version::HTTP_2;
        set_uri("https://api.example.com/abs")(&mut request);
        request.headers_mut().remove(HOST);
        host.into_iter().for_each(|host| set_host(host)(&mut request));
        request
    };
    send(layer(), http2(None)).await.accepted();
    send(layer(), http2(Some("API.example.com"))).await.accepted();
    for host in ["evil.example.com", "api.example.com:443", "api.example.com.", ""] {
        send(layer(), http2(Some(host))).await.refused_unread(AmbiguousTarget);
    }
}

#[tokio::test]
async fn d_10_host_twice_or_not_at_all() {
    let wire = Wire::get("/");
    for second in [AUTHORITY, "evil.example.com", ""] {
        let outcome = changed(&wire, |request| {
            request.headers_mut().append(HOST, second.parse().unwrap());
        });
        outcome.await.refused_unread(AmbiguousTarget);
    }
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
        let outcome = changed(&wire, |request| {
            *request.version_mut() = version;
            request.headers_mut().remove(HOST);
        });
        outcome.await.refused_unread(AmbiguousTarget);
        changed(&wire, |request| *request.version_mut() = version).await.accepted();
    }
    for host in ["", " ", "\t"] {
        let wire = Wire::get("/").authority(host);
        send(layer(), request(&wire)).await.refused_unread(AmbiguousTarget);
    }
}

#[tokio::test]
async fn d_10_is_found_before_the_credentials_are_looked_at() {
    let mut request = Request::new(Script::bytes("body"));
    send(layer(), request).await.refused_unread(AmbiguousTarget);
    request = Request::new(Script::bytes("body"));
    request.headers_mut().insert(HOST, HeaderValue::from_static(AUTHORITY));
    send(layer(), request).await.refused_unread(RejectionKind::Missing);
}

#[tokio::test]
async fn d_11_letters_of_the_authority_are_lowered_and_no_port_is_guessed() {
    let wire = Wire::get("/");
    for same in ["API.Example.COM", "api.example.com", "API.EXAMPLE.COM", " api.example.com ", "\tapi.example.com"] {
        changed(&wire, set_host(same)).await.accepted();
    }
    changed(&wire, set_uri("http://API.Example.COM/")).await.accepted();
    for other in
        ["api.example.com:443", "api.example.com:80", "api.example.com.", "api.example.com:", "xapi.example.com"]
    {
        changed(&wire, set_host(other)).await.refused_unread(BadMac);
        send(layer(), request(&Wire::get("/").authority(other))).await.accepted();
    }
    for (signed, sent) in
        [("h:443", "h"), ("h:80", "h"), ("h:443", "h:0443"), ("[::1]", "[0::1]"), ("127.1", "127.0.0.1")]
    {
        let wire = Wire::get("/").authority(signed);
        changed(&wire, set_host(sent)).await.refused_unread(BadMac);
        changed(&wire, set_host(signed)).await.accepted();
    }
    let long = format!("{}.EXAMPLE.com:8443", "A-long-Label".repeat(12));
    changed(&Wire::get("/").authority(&long), set_host(&long.to_lowercase())).await.accepted();
    changed(&Wire::get("/").authority(&long), set_host(&long[1..])).await.refused_unread(BadMac);
}

#[tokio::test]
async fn d_12_user_information_in_the_authority() {
    for authority in ["user:pw@api.example.com", "user@api.example.com", "@api.example.com", "api.example.com@evil"] {
        let wire = Wire::get("/").authority(authority);
        changed(&wire, set_host(authority)).await.refused_unread(AmbiguousTarget);
        if let Ok(uri) = format!("http://{authority}/").parse::<Uri>() {
            let outcome = changed(&wire, |request| {
                *request.uri_mut() = uri;
                request.headers_mut().remove(HOST);
            });
            outcome.await.refused_unread(AmbiguousTarget);
        }
    }
    for odd in ["a b", "a,b", "a/b", "a?b", "a#b", "a\"b", "a\\b", "a\tb", "h\u{e9}st"] {
        changed(&Wire::get("/").authority(AUTHORITY), set_host(odd)).await.refused_unread(AmbiguousTarget);
    }
}

#[tokio::test]
async fn a_bare_authority_is_a_target_for_connect_alone() {
    let wire = Wire::get("/");
    changed(&wire, |_| {}).await.accepted();
    changed(&wire, |request| *request.uri_mut() = AUTHORITY.parse().unwrap()).await.refused_unread(AmbiguousTarget);
}
