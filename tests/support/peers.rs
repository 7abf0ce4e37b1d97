//! Programs of `tests/peers`: callers and servers of formats that are not ours, and libraries of webhook providers.
//! `.ci/peers` installs what they need.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::tools;

/// Where `.ci/peers` puts them.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}

/// The interpreter that has the packages.
pub fn python() -> PathBuf {
    directory().join("venv/bin/python")
}

/// Whether the packages are there: see [`tools::found`].
#[track_caller]
pub fn installed() -> bool {
    let there = directory().join("stamp").exists();
    assert!(there || std::env::var_os("CI").is_none(), "not installed: run .ci/peers");
    if !there {
        println!("skipped: not installed: run .ci/peers");
    }
    there && tools::found(&[python().to_str().unwrap(), "node"])
}

/// With standard input and output piped.
fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

pub fn path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script)
}

/// A server in Python, which prints its port when it listens; stopped when it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(script: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(python());
        command.arg(path(script)).envs(environment.iter().copied()).env("TZ", "UTC").stderr(Stdio::null());
        let mut child = spawn(&mut command);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().expect("a port");
        Self { child, address: ([127, 0, 0, 1], port).into() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One process that answers a line of JSON with a line of JSON; it ends when its standard input does.
pub struct Library {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Library {
    pub fn python() -> Self {
        Self::new(spawn(Command::new(python()).arg(path("libraries.py"))))
    }

    pub fn node() -> Self {
        let script = std::fs::read_to_string(path("libraries.mjs")).unwrap();
        let mut command = Command::new("node");
        command.args(["--input-type=module", "--eval", &script]).current_dir(directory());
        Self::new(spawn(&mut command))
    }

    fn new(mut child: Child) -> Self {
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    pub fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("an answer: see what the process wrote")
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
