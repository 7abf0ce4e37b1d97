//! The examples of the client side do what they say, as processes.

mod support;

use std::process::{Command, Output};

use support::quickstart::{Server, example};

fn run(name: &str, server: Option<&str>, key: &str) -> (bool, String) {
    let mut command = Command::new(example(name));
    command.env("KEY_HEX", key).args(server.map(|address| format!("http://{address}/echo?x=1")));
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn the_clients_call_the_quickstart_server() {
    let server = Server::start();
    for (name, calls) in [("client", 1), ("reqwest", 2)] {
        let (ok, text) = run(name, Some(&server.address), support::KEY_HEX);
        assert!(ok && text.starts_with("200 OK, verified") && text.contains("{\\\"amount\\\":10}"), "{text}");
        assert_eq!(server.stats(), (calls, calls));

        let (ok, text) = run(name, Some(&server.address), &"07".repeat(32));
        assert!(!ok && text.contains("401") && text.contains("Unsigned") && !text.contains("200 OK"), "{text}");
        assert_eq!(server.stats(), (calls, calls));
    }
}

#[test]
fn without_a_server_the_client_fails() {
    let (ok, text) = run("client", Some("127.0.0.1:1"), support::KEY_HEX);
    assert!(!ok && !text.contains("verified,"), "{text}");
}

#[test]
fn mutual_accepts_the_honest_answers_and_no_other() {
    let (ok, text) = run("mutual", None, "");
    assert!(ok, "{text}");
    let rows: Vec<_> = text.lines().map(|line| line.split_once("  ").unwrap()).collect();
    let names = ["delivered", "body", "status", "location", "answers", "signature", "all"];
    assert_eq!(rows.len(), 2 * names.len(), "{text}");
    for (row, name) in rows.iter().zip(names.iter().flat_map(|name| [name, name])) {
        assert!(row.0.starts_with(name), "{text}");
        let wanted = if *name == "delivered" { "accepted: paid by svc-a" } else { "error: " };
        assert!(row.1.trim().starts_with(wanted), "{text}");
    }
}
