//! A Redis that says what it is told to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_hmac::KeyId;
use tower_hmac::replay::{Claimed, RedisReplayGuard, ReplayClaim, ReplayGuard};

use super::{KEY_ID, NOW};

/// What it does with a command.
#[derive(Clone, Debug)]
pub enum Play {
    /// Answers these bytes.
    Say(Vec<u8>),
    /// Answers these bytes and closes the connection.
    SayAndClose(Vec<u8>),
    /// Never answers.
    Silence,
}

/// Accepts connections and commands, and counts both.
#[derive(Clone)]
pub struct Scripted {
    address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    commands: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Scripted {
    /// `play` gets the words of each command but those of a handshake, which are all answered with OK.
    pub async fn start(play: impl Fn(&[String]) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = Self { address, connections: Arc::default(), commands: Arc::default() };
        let (server, play) = (this.clone(), Arc::new(play));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                server.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(server.clone().serve(stream, Arc::clone(&play)));
            }
        });
        this
    }

    pub async fn saying(answer: &str) -> Self {
        let answer = answer.as_bytes().to_vec();
        Self::start(move |_| Play::Say(answer.clone())).await
    }

    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// A patient guard in it.
    pub fn guard(&self) -> RedisReplayGuard {
        RedisReplayGuard::lazy(&self.url()).unwrap().deadline(Duration::from_secs(5))
    }

    /// All commands but the handshakes'.
    pub fn commands(&self) -> Vec<Vec<String>> {
        self.commands.lock().unwrap().clone()
    }

    async fn serve(self, mut stream: TcpStream, play: Arc<impl Fn(&[String]) -> Play>) {
        let mut buffer = Vec::new();
        loop {
            while let Some((words, len)) = parse(&buffer) {
                buffer.drain(..len);
                if ["CLIENT", "HELLO", "SELECT"].contains(&&*words[0]) {
                    let _ = stream.write_all(b"+OK\r\n").await;
                    continue;
                }
                let play = play(&words);
                self.commands.lock().unwrap().push(words);
                match play {
                    Play::Say(bytes) => stream.write_all(&bytes).await.unwrap_or_default(),
                    Play::SayAndClose(bytes) => return stream.write_all(&bytes).await.unwrap_or_default(),
                    Play::Silence => {}
                }
            }
            match stream.read_buf(&mut buffer).await {
                Ok(read) if read > 0 => {}
                _ => return,
            }
        }
    }
}

/// One command, an array of bulk strings, and its length, once it is whole.
fn parse(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let (count, mut at) = number(bytes, 0)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (len, start) = number(bytes, at)?;
        words.push(String::from_utf8_lossy(bytes.get(start..start + len)?).into_owned());
        at = start + len + 2;
    }
    (bytes.len() >= at).then_some((words, at))
}

/// The number in the line that begins there with a mark, and where the next line begins.
fn number(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = bytes.get(at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    Some((std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap(), at + end + 2))
}

pub async fn claim(guard: &RedisReplayGuard, nonce: &str) -> Claimed {
    let key_id = KeyId::new(KEY_ID).unwrap();
    guard.claim(&ReplayClaim { key_id: &key_id, nonce, valid_until: NOW + 360, now: NOW }).await
}
