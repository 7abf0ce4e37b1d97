//! Programs that a machine may lack.

use std::process::{Command, Stdio};

/// Whether all of these programs are there. Where `CI` is set one that is missing is a failure, elsewhere the test
/// says that it was skipped.
#[track_caller]
pub fn found(programs: &[&str]) -> bool {
    let starts = |program: &str| {
        let mut command = Command::new(program);
        let child = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        child.and_then(|mut child| child.wait()).is_ok()
    };
    let missing: Vec<_> = programs.iter().filter(|program| !starts(program)).collect();
    assert!(missing.is_empty() || std::env::var_os("CI").is_none(), "not installed: {missing:?}");
    if !missing.is_empty() {
        println!("skipped: not installed: {missing:?}");
    }
    missing.is_empty()
}
