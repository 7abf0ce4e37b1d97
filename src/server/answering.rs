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
use super::gathering::Gathering;
use super::receives::Receives;
use crate::body::{Collector, Fault, HmacBody};
use crate::error::{BoxError, SignError};
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::Exchange;
use crate::sign::Signing;

/// What one state of the way leads to.
pub(super) enum Step<RB> {
    Continue,
    Refuse(Rejection),
    Send(Response<HmacBody<RB>>),
}

/// What to do with a response.
#[expect(clippy::large_enum_variant, reason = "a box would cost every response an allocation")]
pub(super) enum Plan<RB> {
    /// It can go out as it is.
    Send(Response<HmacBody<RB>>),
    /// It is signed once its body is known, or so much of it that the rest must follow.
    Read(Answering<RB>),
}

pin_project! {
    /// A response whose body is being read.
    #[project = AnsweringProj]
    pub(super) enum Answering<RB> {
        // To its end.
        Whole { head: Option<Parts>, #[pin] body: RB, reading: Option<Reading> },
        // As far as it is there.
        Gathered { gathering: Gathering<RB> },
    }
}

pub(super) struct Reading {
    collector: Collector,
    signing: Signing,
    exchange: Exchange,
    receives: Receives,
}

pub(super) fn plan<RB>(
    config: &Config,
    response: Response<RB>,
    exchange: Exchange,
    receives: Receives,
) -> Result<Plan<RB>, Rejection>
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
    let can_announce = |receives| config.trailers && receives != Receives::Nothing;
    let receives = match can_announce(receives) && config.signer.can_announce(&head, &exchange, now(config)?) {
        true => receives,
        false => Receives::Nothing,
    };
    let short = body.size_hint().exact().is_some_and(|length| length <= config.response.size);
    if receives != Receives::Nothing && !short {
        let gathering = Gathering::new(config, head, body, exchange, receives);
        return Ok(Plan::Read(Answering::Gathered { gathering }));
    }
    if is_event_stream(&head.headers) && receives == Receives::Nothing {
        return Err(RejectionKind::ResponseEndless.into());
    }
    let collector = Collector::new(&body, config.response, &config.budget, &*config.clock).map_err(fault)?;
    let signing = open(config, &head, &exchange)?;
    let reading = Some(Reading { collector, signing, exchange, receives });
    Ok(Plan::Read(Answering::Whole { head: Some(head), body, reading }))
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
        let (head, body, reading) = match self.project() {
            AnsweringProj::Whole { head, body, reading } => (head, body, reading),
            AnsweringProj::Gathered { gathering } => return gathering.poll(config, cx),
        };
        let Some(Reading { collector, signing, .. }) = reading else { return Poll::Pending };
        let take = &mut |frame: &Bytes, step: &[u8]| signing.take(step, |step| frame.slice_ref(step));
        let mut frames = ready!(collector.poll(body, cx, &*config.clock, take)).map_err(fault)?;
        let (Some(mut head), Some(reading)) = (head.take(), reading.take()) else { return Poll::Pending };
        let Reading { mut signing, exchange, receives, .. } = reading;
        match frames.take_trailers() {
            None => seal(config, &mut signing, &mut head, &exchange)?,
            Some(trailers) => frames.set_trailers(announce(config, signing, &mut head, &exchange, receives, trailers)?),
        }
        Poll::Ready(Ok(Response::from_parts(head, HmacBody::buffered(frames))))
    }
}

/// Signs a body that is there as a whole together with its trailers.
fn announce(
    config: &Config,
    signing: Signing,
    head: &mut Parts,
    exchange: &Exchange,
    receives: Receives,
    mut trailers: HeaderMap,
) -> Result<HeaderMap, Rejection> {
    let hashed = signing.into_hashed().filter(|_| receives == Receives::All).ok_or(RejectionKind::Unsignable)?;
    let ending = config.signer.announce(head, exchange, now(config)?, hashed).map_err(unsignable)?;
    ending.sign(&mut trailers)?;
    Ok(trailers)
}

fn open(config: &Config, head: &Parts, exchange: &Exchange) -> Result<Signing, Rejection> {
    config.signer.open(head, exchange, now(config)?).map_err(unsignable)
}

fn seal(config: &Config, signing: &mut Signing, head: &mut Parts, exchange: &Exchange) -> Result<(), Rejection> {
    signing.redate(now(config)?);
    config.signer.seal(signing, head, exchange).map_err(unsignable)
}

pub(super) fn now(config: &Config) -> Result<u64, Rejection> {
    config.clock.now().ok_or(RejectionKind::Clock.into())
}

pub(super) fn unsignable(error: SignError) -> Rejection {
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
