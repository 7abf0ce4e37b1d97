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

#[test]
fn an_upload_flows_in_bounded_memory_and_one_turned_bit_is_refused() {
    let Output { status, stdout, stderr } = Command::new(example("upload")).arg("96").output().unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert!(status.success(), "{text}");
    let bytes = 96 << 20;
    let (whole, turned) = text.split_once("one bit turned").unwrap();
    assert!(
        whole.contains(&format!("{bytes} bytes from svc-a, verified: true")) && whole.contains("right: true"),
        "{text}"
    );
    assert!(turned.contains(&format!("{bytes} bytes, then: ")) && turned.contains("BodyMismatch"), "{text}");
    assert!(turned.contains("not signed (status 401)") && !turned.contains("verified: true"), "{text}");
    if let Some((_, memory)) = turned.split_once("VmHWM:") {
        let kibibytes: u64 = memory.trim().split(' ').next().unwrap().parse().unwrap();
        assert!(kibibytes < 32 * 1024, "{text}");
    }
}
