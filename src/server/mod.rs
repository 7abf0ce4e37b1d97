//! The server side: [`HmacLayer`] verifies requests and signs responses.

mod admission;
mod answering;
mod config;
mod drain;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod gathering;
mod layer;
mod problem;
mod receives;
mod rejecting;
mod service;

#[cfg(feature = "axum")]
pub use self::extract::NotVerified;
pub use self::future::ResponseFuture;
pub use self::layer::HmacLayer;
pub use self::problem::ProblemJson;
pub use self::rejecting::{Refusal, Renderer};
pub use self::service::HmacService;
