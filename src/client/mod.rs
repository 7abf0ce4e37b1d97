//! The client side: [`HmacClientLayer`] signs requests and verifies responses.

mod config;
mod error;
mod excerpt;
mod future;
mod hosts;
mod layer;
mod receiving;
mod sending;
mod service;

pub use self::error::{ClientError, ClientErrorKind};
pub use self::future::ClientFuture;
pub use self::hosts::HostKeys;
pub use self::layer::HmacClientLayer;
pub use self::receiving::VerifiedResponse;
pub use self::service::HmacClient;
