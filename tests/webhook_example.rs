//! The webhook example does what it says, as a process.

mod support;

use std::process::Command;

use support::quickstart::example;

#[test]
fn each_route_accepts_its_provider_and_no_stranger() {
    let output = Command::new(example("webhooks")).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, (route, scheme)) in
        lines.iter().zip([("/github", "github"), ("/stripe", "stripe"), ("/standard", "standard-webhooks")])
    {
        assert!(line.starts_with(&format!("{route}: 200 OK, {scheme} sent 13 bytes")), "{line}");
        assert!(line.ends_with("from a stranger: 401 Unauthorized"), "{line}");
    }
}
