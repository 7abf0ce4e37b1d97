//! Two instances of a service, one Redis, and one signed request sent to both at once: one of them serves it.
//!
//! `cargo run --example redis --features redis,axum`
//!
//! Uses the Redis of `REDIS_URL`, or starts a `redis-server` of its own.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Uri};
use axum::routing::post;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_hmac::replay::RedisReplayGuard;
use tower_hmac::sign::RequestSigner;
use tower_hmac::{HmacLayer, Key, Scheme, Target, Verified};

type Failure = Box<dyn Error + Send + Sync>;

/// Both instances serve under one name, as behind a load balancer.
const PUBLIC: &str = "api.example.com";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (_server, url) = redis()?.ok_or("missing: set REDIS_URL, or install redis-server")?;
    let (key, _) = Key::generate("svc-a")?;
    let one = serve(&url, key.clone()).await?;
    let other = serve(&url, key.clone()).await?;

    let request = Request::post(format!("http://{PUBLIC}/pay")).body("{\"amount\":10}")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let (signed, _) = RequestSigner::new(Scheme::native(), key)?.sign(request, now)?;
    let (head, body) = signed.into_parts();

    let client = Client::builder(TokioExecutor::new()).build_http();
    let send = async |server: SocketAddr| -> Result<u16, Failure> {
        let mut request = Request::from_parts(head.clone(), Body::from(body));
        *request.uri_mut() = Uri::try_from(format!("http://{server}/pay"))?;
        Ok(client.request(request).await?.status().as_u16())
    };
    let (first, second) = tokio::try_join!(send(one), send(other))?;
    println!("{one} answers {first}, {other} answers {second}");
    match (first, second) {
        (200, 401) | (401, 200) => Ok(()),
        _ => Err("exactly one of them should have served it".into()),
    }
}

async fn serve(redis: &str, key: Key) -> Result<SocketAddr, Failure> {
    let layer = HmacLayer::new(Scheme::native(), key)?
        .target(Target::fixed(PUBLIC)?)
        .replay_guard(RedisReplayGuard::connect(redis).await?);
    let pay = async |who: Verified| format!("paid by {}", who.key_id());
    let app = Router::new().route("/pay", post(pay)).layer(layer);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// Ends with the program.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn redis() -> Result<Option<(Option<Server>, String)>, Failure> {
    if let Ok(url) = std::env::var("REDIS_URL") {
        return Ok(Some((None, url)));
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).stdout(Stdio::null());
    let Ok(child) = command.spawn() else { return Ok(None) };
    Ok(Some((Some(Server(child)), format!("redis://127.0.0.1:{port}/"))))
}
