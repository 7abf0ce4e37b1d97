//! Callers of the formats of `examples/legacy`, in Python with requests, Ruby with net/http and sh with curl and
//! openssl, against the example's server; and each of them with something else sent than was signed.

#[allow(dead_code, reason = "the formats are for other tests")]
#[path = "../examples/legacy/main.rs"]
mod legacy;
mod support;

use axum::Router;
use axum::body::Body;
use axum::middleware::map_response;
use axum::response::Response;
use support::net::{patient, start_axum};
use support::{peers, tools};
use tokio::process::Command;

const REPORTS: &str = "/example/users?user=a%20b&institution=9";

/// A caller on its way to a server with this app: what it prints, line by line.
struct Caller {
    program: String,
    script: &'static str,
    app: fn() -> Router,
}

impl Caller {
    async fn call(&self, format: &str, target: &str, altered: bool) -> Vec<String> {
        let server = start_axum((self.app)()).await;
        let secret = match format {
            "members" | "raw-body" => "secret-key",
            "suffix" => "your_secret_key",
            "lines" => "your-chosen-secret-key",
            _ => "ZXhhbXBsZS1wcml2YXRlLWtleQ==",
        };
        let mut command = Command::new(&self.program);
        command.arg(peers::path(self.script)).args([format, &format!("http://{server}{target}")]);
        command.env("SECRET", secret).env("KEY_ID", "example-public-key").env("TZ", "UTC").env_remove("ALTER");
        if altered {
            command.env("ALTER", "1");
        }
        let output = patient(command.output()).await.unwrap();
        assert!(output.status.success(), "{format}: {output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    async fn expect(&self, format: &str, target: &str, honest: &[&str], altered: &[&str]) {
        assert_eq!(self.call(format, target, false).await, honest, "{} {format} {target}", self.script);
        assert_eq!(self.call(format, target, true).await, altered, "{} {format} {target}, altered", self.script);
    }
}

fn app() -> Router {
    legacy::app().unwrap()
}

/// Where somebody changes the answers on their way.
fn altering() -> Router {
    app().layer(map_response(async |response: Response| response.map(|_| Body::from(r#"{"result":"no"}"#))))
}

#[tokio::test]
async fn python() {
    if !peers::installed() {
        return;
    }
    let caller = Caller { program: peers::python().to_str().unwrap().to_owned(), script: "client.py", app };
    let (genuine, refused) = (r#"200 {"result":"ok"}"#, r#"400 {"error":"Invalid request or timestamp"}"#);
    caller.expect("suffix", REPORTS, &[genuine, "response signature valid"], &[refused]).await;
    let (accepted, refused) = (r#"200 {"accepted":"lines"}"#, r#"403 {"message":"Forbidden. Invalid signature."}"#);
    caller.expect("lines", "/api/v1/payment", &[accepted], &[refused]).await;
    caller.expect("lines", "/api/v1/payment?dry_run=1", &[accepted], &[refused]).await;
    // Each token is sent twice.
    let token = r#"200 {"accepted":"token"}"#;
    caller.expect("token", "/identity/v1/hmac/management", &[token, "401"], &["401", "401"]).await;
    caller.expect("token", "/identity/v1/hmac/management?body", &[token, "401"], &["401", "401"]).await;
    // The check of the answers can fail.
    let lied = Caller { app: altering, ..caller }.call("suffix", REPORTS, false).await;
    assert_eq!(lied, [r#"200 {"result":"no"}"#, "response signature invalid"]);
}

#[tokio::test]
async fn ruby() {
    if !tools::found(&["ruby"]) {
        return;
    }
    let caller = Caller { program: "ruby".into(), script: "client.rb", app };
    let (accepted, refused) = (r#"200 {"status":"Verified"}"#, r#"403 {"detail":"Invalid signature"}"#);
    caller.expect("members", "/verify", &[accepted], &[refused]).await;
    caller.expect("token", "/identity/v1/hmac/management", &[r#"200 {"accepted":"token"}"#], &["401"]).await;
}

#[tokio::test]
async fn sh() {
    if !tools::found(&["sh", "openssl", "curl", "awk"]) {
        return;
    }
    let caller = Caller { program: "sh".into(), script: "client.sh", app };
    let (accepted, refused) = (r#"200 {"status":"Verified"}"#, r#"403 {"detail":"Invalid signature"}"#);
    caller.expect("members", "/verify", &[accepted], &[refused]).await;
    caller.expect("raw-body", "/verify", &[accepted], &[refused]).await;
    let (accepted, refused) = (r#"200 {"accepted":"lines"}"#, r#"403 {"message":"Forbidden. Invalid signature."}"#);
    caller.expect("lines", "/api/v1/payment?dry_run=1", &[accepted], &[refused]).await;
}
