//! A response of unknown length: what is there at once is signed in the head, the rest in a trailer.

use std::task::{Context, Poll, ready};

use http::Response;
use http::response::Parts;
use http_body::Body;

use super::answering::{now, unsignable};
use super::config::Config;
use super::receives::Receives;
use crate::body::{Gather, Gathered, HmacBody};
use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::Exchange;

/// A response whose body is read as far as it is there.
pub(super) struct Gathering<RB> {
    head: Option<Parts>,
    body: Gather<RB>,
    exchange: Exchange,
    receives: Receives,
}

impl<RB> Gathering<RB>
where
    RB: Body,
    RB::Error: Into<BoxError>,
{
    pub(super) fn new(config: &Config, head: Parts, body: RB, exchange: Exchange, receives: Receives) -> Self {
        Self { head: Some(head), body: Gather::new(body, &config.budget), exchange, receives }
    }

    /// Ready as soon as the head can go out.
    pub(super) fn poll(
        &mut self,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<HmacBody<RB>>, Rejection>> {
        let gathered = ready!(self.body.poll(cx));
        let gathered = gathered.map_err(|error| Rejection::caused(RejectionKind::ResponseError, error.into()))?;
        let (Some(mut head), exchange) = (self.head.take(), &self.exchange) else { return Poll::Pending };
        let body = match gathered {
            Gathered::Whole(hashed, frames) => {
                let mut signing = config.signer.open(&head, exchange, now(config)?).map_err(unsignable)?;
                signing.hashed(hashed);
                config.signer.seal(&mut signing, &mut head, exchange).map_err(unsignable)?;
                HmacBody::buffered(frames)
            }
            Gathered::Part(hashed, part) => {
                let ending = config.signer.announce(&mut head, exchange, now(config)?, hashed).map_err(unsignable)?;
                part.sign(ending, (self.receives == Receives::Announced).then_some(&head.headers))?
            }
        };
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}
