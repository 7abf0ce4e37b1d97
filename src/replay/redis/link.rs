//! The connection that all claims share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, Pipeline, RedisResult, Value};

/// Sends commands to whichever Redis there is.
pub(super) trait Link: Send + Sync + 'static {
    /// Sends a command once; an error that Redis answers is an error. The future may be dropped at any await: its answer is then thrown away when it comes.
    fn send(&self, command: Cmd) -> BoxFuture<'static, RedisResult<Value>>;

    /// Sends commands in one go to the node that the first is for. Each has an answer of its own, which may be an error.
    fn send_together(&self, commands: Pipeline) -> BoxFuture<'static, RedisResult<Vec<Value>>>;

    /// Sends a command to every node that may be given entries.
    fn send_to_all(&self, command: Cmd) -> BoxFuture<'static, RedisResult<Value>> {
        self.send(command)
    }

    /// The part of all names that this one belongs to, below [`PARTS`](super::health::PARTS): an answer to one claim says
    /// that the next in the same part will be answered.
    fn part(&self, _name: &str) -> usize {
        0
    }

    /// Gives a connection up that does not answer: a new one is made. Called inside a runtime.
    fn renew(&self);
}

/// One Redis.
pub(super) struct Single {
    client: Client,
    manager: Mutex<ConnectionManager>,
}

impl Single {
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        let client = Client::open(url)?;
        let manager = manager(&client)?;
        Ok(Self { client, manager: Mutex::new(manager) })
    }

    fn manager(&self) -> ConnectionManager {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Connects when it is used first, and by itself again when the connection is lost: soon, but not all nodes at once.
fn manager(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(250))
        .set_number_of_retries(20)
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(None);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

impl Link for Single {
    fn send(&self, command: Cmd) -> BoxFuture<'static, RedisResult<Value>> {
        let mut manager = self.manager();
        async move { manager.req_packed_command(&command).await?.extract_error() }.boxed()
    }

    fn send_together(&self, commands: Pipeline) -> BoxFuture<'static, RedisResult<Vec<Value>>> {
        let mut manager = self.manager();
        async move { manager.req_packed_commands(&commands, 0, commands.len()).await }.boxed()
    }

    fn renew(&self) {
        if let Ok(new) = manager(&self.client) {
            *self.manager.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }
}
