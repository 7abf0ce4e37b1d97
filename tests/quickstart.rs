//! The quickstart example shows what it says, and its server can be called by others.

mod support;

use std::process::{Command, Output};

use http::{Method, StatusCode};
use support::quickstart::{Server, binary};
use support::tools::found;
use support::wire::Wire;

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn seven_requests_are_answered_as_they_should_be() {
    let Output { status, stdout, stderr } = Command::new(binary()).output().unwrap();
    assert!(status.success(), "{}{}", text(&stdout), text(&stderr));
    let rows: Vec<Vec<_>> = text(&stdout)
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    let expected = [
        ["signed request", "200", "valid"],
        ["body changed", "401", "none"],
        ["path changed", "401", "none"],
        ["an hour ago", "401", "none"],
        ["sent again", "401", "none"],
        ["key id nobody knows", "401", "none"],
        ["another key", "401", "none"],
    ];
    assert_eq!(rows.len(), expected.len(), "{}", text(&stdout));
    for (row, [sent, status, signature]) in rows.iter().zip(expected) {
        assert!(row[0].contains(sent), "{row:?}");
        assert_eq!(row[1..3], [status, signature], "{row:?}");
    }
}

#[test]
fn an_unknown_argument_is_an_error() {
    let Output { status, stderr, .. } = Command::new(binary()).arg("--sevre").output().unwrap();
    assert!(!status.success());
    assert!(text(&stderr).contains("usage"));
}

#[test]
fn the_server_prints_the_documented_key() {
    let server = Server::start();
    assert_eq!(server.key, (support::KEY_ID.into(), support::KEY_HEX.into()));
    assert!(server.address.starts_with("127.0.0.1:"));
}

#[test]
fn echo_returns_body_and_content_type_for_any_method() {
    let server = Server::start();
    for method in [Method::POST, Method::PUT, Method::GET, Method::DELETE] {
        let wire = Wire::new(method, "/echo?a=1&b=%2F", b"\x00\xff\r\n".to_vec()).header("content-type", "text/x-odd");
        let wire = server.wire(wire);
        let response = server.send(&wire);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), &wire.body);
        assert_eq!(response.headers()["content-type"], "text/x-odd");
        wire.accepts(&response, response.body()).unwrap();
    }
    let wire = server.wire(Wire::get("/echo"));
    let response = server.send(&wire);
    assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 0));
    assert!(!response.headers().contains_key("content-type"));
    wire.accepts(&response, b"").unwrap();
}

#[test]
fn status_answers_with_the_code_asked_for() {
    let server = Server::start();
    for (path, status) in [("/status/418", 418), ("/status/204", 204), ("/status/500", 500), ("/status/101", 400)] {
        let wire = server.wire(Wire::get(path));
        let response = server.send(&wire);
        assert_eq!(response.status(), status, "{path}");
        wire.accepts(&response, response.body()).unwrap();
    }
}

#[test]
fn stats_count_what_got_past_the_layer() {
    let server = Server::start();
    assert_eq!(server.stats(), (0, 0));
    let wire = server.wire(Wire::post("/echo", "{}"));
    assert_eq!(server.send(&wire).status(), StatusCode::OK);
    assert_eq!(server.stats(), (1, 1));

    let replayed = wire.request(wire.body.clone());
    let mut unsigned = replayed.clone();
    unsigned.headers_mut().remove("x-hmac-signature");
    let mut changed = server.wire(Wire::post("/echo", "{}")).request(b"{}".to_vec());
    *changed.uri_mut() = "/status/200".parse().unwrap();
    for request in [replayed, unsigned, changed] {
        let response = server.send_unsigned(&request);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!response.headers().contains_key("x-hmac-signature"));
        assert!(response.body().is_empty());
    }
    assert_eq!(server.stats(), (1, 1));
    server.send(&server.wire(Wire::get("/status/204")));
    assert_eq!(server.stats(), (2, 2));
}

#[test]
fn the_printed_line_can_be_pasted_into_a_shell() {
    if !found(&["sh", "openssl", "curl"]) {
        return;
    }
    let server = Server::start();
    for accepted in 1..=2 {
        let Output { status, stdout, stderr } = Command::new("sh").args(["-c", &server.curl]).output().unwrap();
        assert!(status.success(), "{}", text(&stderr));
        assert!(text(&stdout).starts_with("HTTP/1.1 200 OK\r\n"), "{}", text(&stdout));
        assert!(text(&stdout).ends_with("\r\n\r\n{\"amount\":10}"), "{}", text(&stdout));
        assert_eq!(server.stats(), (accepted, accepted));
    }
    let spoilt = server.curl.replace("--data-raw \"$body\"", "--data-raw '{\"amount\":99}'");
    assert_ne!(spoilt, server.curl);
    let Output { stdout, stderr, .. } = Command::new("sh").args(["-c", &spoilt]).output().unwrap();
    assert!(text(&stdout).starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{}{}", text(&stdout), text(&stderr));
}

#[test]
fn the_recipe_of_the_readme_is_accepted() {
    if !found(&["sh", "openssl", "curl"]) {
        return;
    }
    let readme = include_str!("../README.md");
    let recipe =
        readme.split("```").find(|block| block.starts_with("sh\nbody=")).unwrap().strip_prefix("sh\n").unwrap();
    let server = Server::start();
    let here = recipe.replace("127.0.0.1:3000", &server.address);
    assert_ne!(here, recipe);
    for (key, start) in [(&*server.key.1, "HTTP/1.1 200 OK\r\n"), (&"07".repeat(32), "HTTP/1.1 401 Unauthorized\r\n")] {
        let Output { stdout, stderr, .. } =
            Command::new("sh").args(["-c", &here]).env("KEY_HEX", key).env("no_proxy", "*").output().unwrap();
        assert!(text(&stdout).starts_with(start), "{}{}", text(&stdout), text(&stderr));
    }
}
