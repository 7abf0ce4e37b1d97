//! A Redis cluster.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crc16::{State, XMODEM};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use redis::aio::ConnectionLike;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::PATIENCE;
use super::health::{PARTS, SILENCE};
use super::link::Link;

pub(super) struct Cluster {
    client: ClusterClient,
    live: Arc<Mutex<Live>>,
}

struct Live {
    connection: ClusterConnection,
    since: Instant,
    renewing: bool,
}

impl Cluster {
    pub(super) async fn connect(urls: &[&str]) -> RedisResult<Self> {
        // A command that is tried again may have been heard the first time. After a redirection the slots are read anew.
        let client = ClusterClient::builder(urls.iter().copied()).retries(0).build()?;
        let connection = client.get_async_connection().await?;
        let live = Live { connection, since: Instant::now(), renewing: false };
        Ok(Self { client, live: Arc::new(Mutex::new(live)) })
    }

    fn connection(&self) -> ClusterConnection {
        lock(&self.live).connection.clone()
    }
}

fn lock(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link for Cluster {
    fn send(&self, command: Cmd) -> BoxFuture<'static, RedisResult<Value>> {
        let mut connection = self.connection();
        async move { connection.req_packed_command(&command).await?.extract_error() }.boxed()
    }

    fn send_together(&self, commands: Pipeline) -> BoxFuture<'static, RedisResult<Vec<Value>>> {
        let mut connection = self.connection();
        async move { connection.req_packed_commands(&commands, 0, commands.len()).await }.boxed()
    }

    fn send_to_all(&self, command: Cmd) -> BoxFuture<'static, RedisResult<Value>> {
        let mut connection = self.connection();
        let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        async move { connection.route_command(command, all).await?.extract_error() }.boxed()
    }

    /// A node that is silent says nothing about the others. Nodes hold ranges of slots; where a prefix has braces, all
    /// names are in one slot, and its node has all parts.
    fn part(&self, name: &str) -> usize {
        usize::from(State::<XMODEM>::calculate(name.as_bytes())) % SLOTS / (SLOTS / PARTS)
    }

    /// Connects and reads the slots anew, in the background: a replica may have taken the place of whoever is silent.
    fn renew(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut live = lock(&self.live);
        if live.renewing || live.since.elapsed() < SILENCE {
            return;
        }
        live.renewing = true;
        let (client, here) = (self.client.clone(), Arc::clone(&self.live));
        runtime.spawn(async move {
            let new = timeout(PATIENCE, client.get_async_connection()).await;
            let mut live = lock(&here);
            (live.renewing, live.since) = (false, Instant::now());
            if let Ok(Ok(connection)) = new {
                live.connection = connection;
            }
        });
    }
}

const SLOTS: usize = 1 << 14;
