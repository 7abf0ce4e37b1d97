//! A Redis cluster.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use redis::aio::ConnectionLike;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, Pipeline, RedisResult, Value};

use super::link::Link;

pub(super) struct Cluster(ClusterConnection);

impl Cluster {
    pub(super) async fn connect(urls: &[&str]) -> RedisResult<Self> {
        // A command that is tried again may have been heard the first time. After a redirection the slots are read anew.
        let client = ClusterClient::builder(urls.iter().copied()).retries(0).build()?;
        client.get_async_connection().await.map(Self)
    }
}

impl Link for Cluster {
    fn send(&self, command: Cmd) -> BoxFuture<'static, RedisResult<Value>> {
        let mut connection = self.0.clone();
        async move { connection.req_packed_command(&command).await?.extract_error() }.boxed()
    }

    fn send_together(&self, commands: Pipeline) -> BoxFuture<'static, RedisResult<Vec<Value>>> {
        let mut connection = self.0.clone();
        async move { connection.req_packed_commands(&commands, 0, commands.len()).await }.boxed()
    }

    fn send_to_all(&self, command: Cmd) -> BoxFuture<'static, RedisResult<Value>> {
        let mut connection = self.0.clone();
        let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        async move { connection.route_command(command, all).await?.extract_error() }.boxed()
    }

    /// A node that is silent says nothing about the others.
    fn is_single(&self) -> bool {
        false
    }
}
