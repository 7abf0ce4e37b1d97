//! From the server's response to a verified one. The one place where the client meets the verifier.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http::response::Parts;
use http_body::Body;
use pin_project_lite::pin_project;

use super::config::{Config, Demand};
use super::error::{ClientError, ClientErrorKind};
use super::excerpt::Excerpt;
use crate::body::{Collector, Fault, HmacBody, Stream, StreamedBody, declared_length};
use crate::error::BoxError;
use crate::key::KeyId;
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::Exchange;
use crate::verify::VerifyingResponse;

/// The proof that a response was verified, in its extensions: it answers this request, and status and body are those
/// that the server signed.
///
/// One that is [handed on early](crate::HmacClientLayer::stream_responses) has it too: its body ends in an error unless it
/// is the signed one.
///
/// Where the scheme signs responses, with the default settings every response has it. It tells responses apart where a
/// setting lets others pass. A scheme whose description leaves the body of responses out says nothing about the body.
///
/// ```
/// use tower_hmac::VerifiedResponse;
///
/// fn is_genuine<B>(response: &http::Response<B>) -> bool {
///     response.extensions().get::<VerifiedResponse>().is_some()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct VerifiedResponse {
    key_id: KeyId,
    timestamp: Option<u64>,
}

impl VerifiedResponse {
    /// The key that signed both request and response.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// When the response was signed, in Unix seconds. `None` when the scheme signs no time.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        self.timestamp
    }
}

/// What to do with a response.
#[expect(clippy::large_enum_variant, reason = "a box would cost every response an allocation")]
pub(super) enum Plan<RB> {
    /// It can be handed on.
    Release(Response<HmacBody<RB>>),
    /// It can be handed on once its body is known to be right.
    Verify(Receiving<RB>),
    /// It cannot; a part of its body goes into the error.
    Refuse(Excerpt<RB>),
}

pin_project! {
    /// A response whose head is right and whose body is being read.
    pub(super) struct Receiving<RB> {
        head: Option<Parts>,
        #[pin]
        body: RB,
        checked: VerifyingResponse,
        collector: Collector,
        proof: Option<VerifiedResponse>,
    }
}

pub(super) fn plan<RB>(config: &Config, response: Response<RB>, exchange: &Exchange) -> Result<Plan<RB>, ClientError>
where
    RB: Body,
    RB::Error: Into<BoxError>,
{
    let (mut head, body) = response.into_parts();
    // Only what this layer verified has its proof.
    head.extensions.remove::<VerifiedResponse>();
    head.extensions.remove::<StreamedBody>();
    if passes(config, &head) {
        return Ok(Plan::Release(Response::from_parts(head, HmacBody::passed(body))));
    }
    let mut checked = match config.verifier.check(&head, exchange) {
        Ok(checked) => checked,
        Err(error) => return Ok(Plan::Refuse(Excerpt::new(config, error.into(), head, body))),
    };
    if let Err(error) = fresh(config, &checked) {
        return Ok(Plan::Refuse(Excerpt::new(config, error, head, body)));
    }
    config.scheme.conceal(&mut head.headers);
    let proof = VerifiedResponse { key_id: exchange.key_id().clone(), timestamp: checked.timestamp() };
    if checked.is_bodiless() {
        // Nothing was fed: the digest must be that of nothing, and nothing is handed on.
        return match checked.finish(&head) {
            Ok(()) => {
                head.extensions.insert(proof);
                Ok(Plan::Release(Response::from_parts(head, HmacBody::default())))
            }
            Err(rejection) => Err(ClientError::from(rejection).with_response(head, Bytes::new())),
        };
    }
    let declared = declared_length(&head.headers, &body);
    let ended = body.is_end_stream() || declared == Some(0);
    if !ended && config.streams_responses.as_ref().is_some_and(|predicate| predicate(&head)) {
        checked = match checked.into_stream() {
            Ok(check) => {
                let streamed = StreamedBody::default();
                head.extensions.insert(proof);
                head.extensions.insert(streamed.clone());
                let stream = Stream::verifying(body, check, u64::MAX, declared, streamed);
                return Ok(Plan::Release(Response::from_parts(head, HmacBody::streamed(stream))));
            }
            Err(checked) => checked,
        };
    }
    match Collector::new(&body, config.response, &config.budget) {
        Ok(collector) => Ok(Plan::Verify(Receiving { head: Some(head), body, checked, collector, proof: Some(proof) })),
        Err(error) => Err(fault(error).with_response(head, Bytes::new())),
    }
}

/// Whether a response is handed on as it is. Who signs must sign well: a response with any field of the scheme is
/// verified.
fn passes(config: &Config, head: &Parts) -> bool {
    let signed = || config.scheme.protocol().response_fields().any(|name| head.headers.contains_key(name));
    match config.demand {
        Demand::All => false,
        // An unsigned 101 would hand on an unverified connection.
        Demand::Successes => !head.status.is_success() && !head.status.is_informational() && !signed(),
        Demand::Nothing => true,
    }
}

fn fresh(config: &Config, checked: &VerifyingResponse) -> Result<(), ClientError> {
    let Some(tolerance) = config.tolerance else { return Ok(()) };
    let now = config.clock.now().ok_or(ClientErrorKind::Clock)?;
    let time = checked.timestamp().ok_or(ClientErrorKind::Stale)?;
    Ok(tolerance.check(time, now).map_err(Rejection::from)?)
}

impl<RB> Receiving<RB>
where
    RB: Body,
    RB::Error: Into<BoxError>,
{
    pub(super) fn poll(
        self: Pin<&mut Self>,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<HmacBody<RB>>, ClientError>> {
        let this = self.project();
        let (checked, collector) = (this.checked, this.collector);
        let take = &mut |frame: &Bytes, step: &[u8]| checked.take(step, |step| frame.slice_ref(step));
        let read = ready!(collector.poll(this.body, cx, &*config.clock, take));
        let (Some(mut head), Some(proof)) = (this.head.take(), this.proof.take()) else { return Poll::Pending };
        let verdict = read.map_err(fault).and_then(|mut frames| {
            let mut trailers = frames.take_trailers();
            checked.end(&head, trailers.as_mut()).map_err(at_the_end)?;
            frames.set_trailers(trailers);
            Ok(frames)
        });
        Poll::Ready(match verdict {
            Ok(frames) => {
                head.extensions.insert(proof);
                Ok(Response::from_parts(head, HmacBody::buffered(frames)))
            }
            Err(error) => Err(error.with_response(head, Bytes::new())),
        })
    }
}

/// The head was right: what is missing or malformed now is the MAC of the body.
fn at_the_end(rejection: Rejection) -> ClientError {
    match rejection.kind() {
        RejectionKind::ForbiddenTrailer => ClientErrorKind::ResponseTrailers.into(),
        RejectionKind::Missing | RejectionKind::Malformed => {
            ClientError::caused(ClientErrorKind::BodyMismatch, rejection.into())
        }
        _ => rejection.into(),
    }
}

fn fault(fault: Fault) -> ClientError {
    match fault {
        Fault::TooLarge => ClientErrorKind::ResponseTooLarge.into(),
        Fault::Late => ClientErrorKind::ResponseTimeout.into(),
        Fault::OverBudget => ClientErrorKind::Budget.into(),
        Fault::Trailers => ClientErrorKind::ResponseTrailers.into(),
        Fault::Broken(error) => ClientError::caused(ClientErrorKind::ResponseBody, error),
    }
}
