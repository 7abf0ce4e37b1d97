//! Simple programs read the refusal of a 60 KB upload.

mod support;

use std::process::Stdio;

use axum::Router;
use axum::routing::post;
use support::{net, tools};
use tokio::process::Command;
use tower_hmac::{HmacLayer, Scheme};

const ROUNDS: usize = 20;

const HTTP_CLIENT: &str = r#"
import http.client, sys
for _ in range(int(sys.argv[2])):
    c = http.client.HTTPConnection(sys.argv[1], timeout=10)
    try:
        c.request("POST", "/pay", b"x" * 60000, {"content-type": "application/json"})
        r = c.getresponse()
        print(r.status, len(r.read()))
    except Exception as e:
        print(repr(e))
"#;

const URLLIB: &str = r#"
import sys, urllib.error, urllib.request
for _ in range(int(sys.argv[2])):
    try:
        urllib.request.urlopen("http://" + sys.argv[1] + "/pay", b"x" * 60000, timeout=10)
        print("accepted")
    except urllib.error.HTTPError as e:
        print(e.code, len(e.read()))
    except Exception as e:
        print(repr(e))
"#;

const NODE_HTTP: &str = r#"
const http = require('node:http');
const [host, port] = process.argv[1].split(':');
const once = () => new Promise(done => {
    const headers = { 'content-type': 'application/json', 'content-length': 60000 };
    const request = http.request({ host, port, path: '/pay', method: 'POST', headers, agent: false }, response => {
        let length = 0;
        response.on('data', data => length += data.length);
        response.on('end', () => done(`${response.statusCode} ${length}`));
    });
    request.on('error', error => done(String(error)));
    request.end(Buffer.alloc(60000, 'x'));
});
(async () => { for (let i = 0; i < +process.argv[2]; i++) console.log(await once()); })();
"#;

const NODE_FETCH: &str = r#"
(async () => {
    for (let i = 0; i < +process.argv[2]; i++) {
        try {
            const body = Buffer.alloc(60000, 'x');
            const response = await fetch(`http://${process.argv[1]}/pay`, { method: 'POST', body });
            console.log(response.status, (await response.text()).length);
        } catch (error) { console.log(String(error), String(error.cause)); }
    }
})();
"#;

async fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = net::patient(command.output()).await.unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

async fn server() -> String {
    let layer = HmacLayer::new(Scheme::native(), support::key()).unwrap();
    net::start_axum(Router::new().route("/pay", post(async || ())).layer(layer)).await.to_string()
}

async fn reads_the_refusal(program: &str, flag: &str, script: &str) {
    if tools::found(&[program]) {
        let printed = run(program, &[flag, script, &server().await, &ROUNDS.to_string()]).await;
        assert_eq!(printed, "401 0\n".repeat(ROUNDS));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl() {
    if !tools::found(&["curl"]) {
        return;
    }
    let url = format!("http://{}/pay", server().await);
    let body = "x".repeat(60_000);
    for _ in 0..ROUNDS {
        let shape = "%{http_code} %{size_download}\n";
        let arguments = ["--silent", "--show-error", "--write-out", shape, "--data-raw", &body, &url];
        assert_eq!(run("curl", &arguments).await, "401 0\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_http_client() {
    reads_the_refusal("python3", "-c", HTTP_CLIENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_urllib() {
    reads_the_refusal("python3", "-c", URLLIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_http() {
    reads_the_refusal("node", "-e", NODE_HTTP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_fetch() {
    reads_the_refusal("node", "-e", NODE_FETCH).await;
}
