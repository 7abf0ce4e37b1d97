//! The server side: [`HmacLayer`] verifies requests and signs responses.

mod admission;
mod answering;
mod config;
mod drain;
mod future;
mod layer;
mod rejecting;
mod service;

pub use self::future::ResponseFuture;
pub use self::layer::HmacLayer;
pub use self::rejecting::{Refusal, Renderer};
pub use self::service::HmacService;
