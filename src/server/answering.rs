//! From the service's response to a signed one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::response::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use super::config::Config;
use crate::body::{Collector, Fault, HmacBody};
use crate::error::{BoxError, SignError};
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::Exchange;
use crate::sign::Signing;

/// What to do with a response.
#[expect(clippy::large_enum_variant, reason = "a box would cost every response an allocation")]
pub(super) enum Plan<RB> {
    /// It can go out as it is.
    Send(Response<HmacBody<RB>>),
    /// It is signed once its body is known.
    Buffer(Answering<RB>),
}

pin_project! {
    /// A response whose body is being buffered.
    pub(super) struct Answering<RB> {
        head: Option<Parts>,
        #[pin]
        body: RB,
        collector: Collector,
        signing: Signing,
        exchange: Exchange,
    }
}

pub(super) fn plan<RB>(config: &Config, response: Response<RB>, exchange: Exchange) -> Result<Plan<RB>, Rejection>
where
    RB: Body,
    RB::Error: Into<BoxError>,
{
    let (mut head, body) = response.into_parts();
    if !config.signs_responses || config.passes_unsigned.as_ref().is_some_and(|passes| passes(&head)) {
        config.signer.strip(&mut head.headers);
        return Ok(Plan::Send(Response::from_parts(head, HmacBody::passed(body))));
    }
    if exchange.bodiless(head.status) {
        let mut signing = open(config, &head, &exchange)?;
        seal(config, &mut signing, &mut head, &exchange)?;
        let body = if head.status.is_informational() {
            HmacBody::passed(body)
        } else {
            keep_length(&mut head, &body);
            HmacBody::default()
        };
        return Ok(Plan::Send(Response::from_parts(head, body)));
    }
    if is_event_stream(&head.headers) {
        return Err(RejectionKind::ResponseEndless.into());
    }
    let collector = Collector::new(&body, config.response, &config.budget, &*config.clock).map_err(fault)?;
    let signing = open(config, &head, &exchange)?;
    let head = Some(head);
    Ok(Plan::Buffer(Answering { head, body, collector, signing, exchange }))
}

impl<RB> Answering<RB>
where
    RB: Body,
    RB::Error: Into<BoxError>,
{
    pub(super) fn poll(
        self: Pin<&mut Self>,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<HmacBody<RB>>, Rejection>> {
        let this = self.project();
        let signing = this.signing;
        let take = &mut |frame: &Bytes, step: &[u8]| signing.take(step, |step| frame.slice_ref(step));
        let frames = ready!(this.collector.poll(this.body, cx, &*config.clock, take)).map_err(fault)?;
        let Some(mut head) = this.head.take() else { return Poll::Pending };
        seal(config, signing, &mut head, this.exchange)?;
        Poll::Ready(Ok(Response::from_parts(head, HmacBody::buffered(frames))))
    }
}

fn open(config: &Config, head: &Parts, exchange: &Exchange) -> Result<Signing, Rejection> {
    let now = config.clock.now().ok_or(RejectionKind::Clock)?;
    config.signer.open(head, exchange, now).map_err(unsignable)
}

fn seal(config: &Config, signing: &mut Signing, head: &mut Parts, exchange: &Exchange) -> Result<(), Rejection> {
    signing.redate(config.clock.now().ok_or(RejectionKind::Clock)?);
    config.signer.seal(signing, head, exchange).map_err(unsignable)
}

fn unsignable(error: SignError) -> Rejection {
    match error {
        SignError::Clock => RejectionKind::Clock.into(),
        error => Rejection::caused(RejectionKind::Unsignable, error.into()),
    }
}

/// The answer to `HEAD` says how long the answer to `GET` would be; 204 and 205 have no length to speak of.
fn keep_length(head: &mut Parts, body: &impl Body) {
    match head.status {
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => {
            head.headers.remove(CONTENT_LENGTH);
        }
        StatusCode::NOT_MODIFIED => {}
        _ => {
            if let Some(length) = body.size_hint().exact() {
                head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
            }
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = content_type.split(|b| *b == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

fn fault(fault: Fault) -> Rejection {
    match fault {
        Fault::TooLarge => RejectionKind::ResponseTooLarge.into(),
        Fault::Late => RejectionKind::ResponseTimeout.into(),
        Fault::OverBudget => RejectionKind::Budget.into(),
        Fault::Trailers => RejectionKind::Unsignable.into(),
        Fault::Broken(error) => Rejection::caused(RejectionKind::ResponseError, error),
    }
}
