//! Processes that claim the same messages in one Redis, and what each of them saw.
//!
//! A node is the test binary itself, started with `NODE` set: the ignored test [`run`] is its body.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tower_hmac::KeyId;
use tower_hmac::replay::{Claimed, RedisReplayGuard, ReplayClaim, ReplayGuard};

/// One claim, as the node saw it. Times in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub message: u64,
    pub start: u64,
    pub end: u64,
    pub outcome: char,
}

pub const ACCEPTED: char = 'F';
pub const SEEN: char = 'S';
pub const UNAVAILABLE: char = 'U';

/// What the nodes do.
#[derive(Clone, Copy)]
pub struct Plan {
    pub nodes: u64,
    /// How often each node claims a message.
    pub copies: u64,
    pub messages: u64,
    /// How many claims a node has in flight.
    pub at_once: u64,
    /// Claims in a second and node; zero is as many as it can.
    pub rate: u64,
    pub seed: u64,
}

/// How long, in seconds, a claim lives: longer than any run.
const LIFE: u64 = 3600;

pub fn micros() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64
}

pub fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or_else(|_| micros() | 1, |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    seed
}

/// The nodes at work. What they leave is removed with the value.
pub struct Nodes {
    children: Vec<Child>,
    folder: PathBuf,
}

impl Nodes {
    /// `test` is the name of the ignored test in this file that calls [`run`].
    pub fn start(test: &str, url: &str, plan: Plan) -> Self {
        let folder = std::env::temp_dir().join(format!("tower-hmac-nodes-{}-{test}-{}", std::process::id(), micros()));
        fs::create_dir_all(&folder).unwrap();
        let start = |node: u64| {
            let Plan { copies, messages, at_once, rate, seed, .. } = plan;
            let words = [node, copies, messages, at_once, rate, seed].map(|number| number.to_string()).join(" ");
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", test, "--ignored"]).env("NODE", words).env("URL", url).env("FOLDER", &folder);
            command.stdout(Stdio::null()).spawn().unwrap()
        };
        Self { children: (0..plan.nodes).map(start).collect(), folder }
    }

    /// Tells them that it is enough.
    pub fn stop(&self) {
        fs::File::create(self.folder.join(STOP)).unwrap();
    }

    /// Waits for all, and puts their histories together.
    pub fn history(&mut self) -> Vec<Event> {
        for child in &mut self.children {
            assert!(child.wait().unwrap().success(), "a node failed");
        }
        let read = |node| fs::read_to_string(self.folder.join(node_file(node))).unwrap();
        let text: String = (0..self.children.len() as u64).map(read).collect();
        text.lines().map(event).collect()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const STOP: &str = "stop";

fn node_file(node: u64) -> String {
    format!("node-{node}")
}

fn event(line: &str) -> Event {
    let mut words = line.split(' ');
    let mut number = || words.next().unwrap().parse().unwrap();
    let (message, start, end) = (number(), number(), number());
    Event { message, start, end, outcome: words.next().unwrap().chars().next().unwrap() }
}

/// The body of a node. Does nothing where it was not started as one.
pub async fn run() {
    let Ok(words) = std::env::var("NODE") else { return };
    let numbers: Vec<u64> = words.split(' ').map(|word| word.parse().unwrap()).collect();
    let [node, copies, messages, at_once, rate, seed] = numbers[..] else { panic!("{words}") };
    let guard = RedisReplayGuard::lazy(&std::env::var("URL").unwrap()).unwrap();
    let guard = if rate == 0 { guard.deadline(Duration::from_secs(10)) } else { guard };
    let history = Arc::new(Mutex::new(String::new()));
    let folder = PathBuf::from(std::env::var("FOLDER").unwrap());
    let stop = folder.join(STOP);
    let start = tokio::time::Instant::now();
    let tasks = (0..at_once).map(|task| {
        let (guard, history, stop) = (guard.clone(), Arc::clone(&history), stop.clone());
        tokio::spawn(async move {
            // The copies of a message are near each other, on all nodes, and in another order on each.
            let mut state = seed.wrapping_mul(node * 1000 + task + 1) | 1;
            for number in (task..messages.saturating_mul(copies)).step_by(at_once as usize) {
                if rate > 0 && stop.exists() {
                    break;
                }
                if let Some(due) = (number * 1_000_000).checked_div(rate) {
                    tokio::time::sleep_until(start + Duration::from_micros(due)).await;
                }
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let message = (number / copies).saturating_sub((state >> 33) % 4);
                let event = claim(&guard, seed, message).await;
                let line = format!("{} {} {} {}\n", event.message, event.start, event.end, event.outcome);
                history.lock().unwrap().push_str(&line);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    fs::File::create(folder.join(node_file(node))).unwrap().write_all(history.lock().unwrap().as_bytes()).unwrap();
}

pub async fn claim(guard: &RedisReplayGuard, seed: u64, message: u64) -> Event {
    let (key_id, nonce) = (KeyId::new("svc-a").unwrap(), format!("{seed}-{message}"));
    let start = micros();
    let now = start / 1_000_000;
    let answer = guard.claim(&ReplayClaim { key_id: &key_id, nonce: &nonce, valid_until: now + LIFE, now }).await;
    let outcome = match answer {
        Claimed::Fresh => ACCEPTED,
        Claimed::Seen => SEEN,
        Claimed::Unavailable => UNAVAILABLE,
        other => panic!("{other:?}"),
    };
    Event { message, start, end: micros(), outcome }
}

/// How often each message was accepted; fails if one was twice.
#[track_caller]
pub fn accepted(history: &[Event]) -> HashMap<u64, Event> {
    let mut accepted = HashMap::new();
    for event in history.iter().filter(|event| event.outcome == ACCEPTED) {
        if let Some(other) = accepted.insert(event.message, *event) {
            panic!("accepted twice: {event:?} and {other:?}");
        }
    }
    accepted
}

/// Every acceptance was acknowledged: Redis knows all of these messages.
pub async fn all_are_spent(url: &str, seed: u64, messages: impl IntoIterator<Item = u64>) {
    let guard = RedisReplayGuard::connect(url).await.unwrap().deadline(Duration::from_secs(10));
    for message in messages {
        let event = claim(&guard, seed, message).await;
        assert_eq!(event.outcome, SEEN, "{message} was accepted, and forgotten");
    }
}

pub fn count(history: &[Event], outcome: char) -> usize {
    history.iter().filter(|event| event.outcome == outcome).count()
}
