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

pin_project! {
    /// A response whose body is being read. Filled in place: what it holds is large.
    pub(super) struct Answering<RB> {
        head: Option<Parts>,
        #[pin]
        body: Option<RB>,
        exchange: Option<Exchange>,
        receives: Receives,
        // To its end.
        whole: Option<(Collector, Signing)>,
        // As far as it is there.
        gathering: Option<Box<Gathering<RB>>>,
    }
}

/// What becomes of a response.
enum Plan {
    /// It goes out as it is.
    Pass,
    /// Its head alone is signed.
    Bare,
    /// It is read to its end.
    Read,
    /// It is read as far as it is there.
    Gather,
}

fn plan(
    config: &Config,
    head: &Parts,
    body: &impl Body,
    exchange: &Exchange,
    receives: &mut Receives,
) -> Result<Plan, Rejection> {
    if !config.signs_responses || config.passes_unsigned.as_ref().is_some_and(|passes| passes(head)) {
        return Ok(Plan::Pass);
    }
    if exchange.bodiless(head.status) {
        return Ok(Plan::Bare);
    }
    let could_announce = config.trailers && *receives != Receives::Nothing;
    if !could_announce || !config.signer.can_announce(head, exchange, now(config)?) {
        *receives = Receives::Nothing;
    }
    let short = body.size_hint().exact().is_some_and(|length| length <= config.response.size);
    match *receives {
        Receives::Nothing if is_event_stream(&head.headers) => Err(RejectionKind::ResponseEndless.into()),
        Receives::Announced | Receives::All if !short => Ok(Plan::Gather),
        _ => Ok(Plan::Read),
    }
}

fn bare<RB: Body>(
    config: &Config,
    mut head: Parts,
    body: RB,
    exchange: &Exchange,
) -> Result<Response<HmacBody<RB>>, Rejection> {
    let mut signing = open(config, &head, exchange)?;
    seal(config, &mut signing, &mut head, exchange)?;
    if head.status.is_informational() {
        return Ok(Response::from_parts(head, HmacBody::passed(body)));
    }
    let known = keep_length(&mut head, &body);
    Ok(Response::from_parts(head, if known { HmacBody::default() } else { HmacBody::absent() }))
}

impl<RB> Answering<RB>
where
    RB: Body,
    RB::Error: Into<BoxError>,
{
    pub(super) fn new(receives: Receives) -> Self {
        Self { head: None, body: None, exchange: None, receives, whole: None, gathering: None }
    }

    /// Begins, or answers at once.
    pub(super) fn begin(
        self: Pin<&mut Self>,
        config: &Config,
        response: Response<RB>,
        exchange: Exchange,
    ) -> Result<Option<Response<HmacBody<RB>>>, Rejection> {
        let (mut this, (mut head, body)) = (self.project(), response.into_parts());
        config.signer.strip(&mut head);
        match plan(config, &head, &body, &exchange, this.receives)? {
            Plan::Pass => return Ok(Some(Response::from_parts(head, HmacBody::passed(body)))),
            Plan::Bare => return bare(config, head, body, &exchange).map(Some),
            Plan::Gather => {
                let gathering = Gathering::new(config, head, body, exchange, *this.receives);
                *this.gathering = Some(Box::new(gathering));
            }
            Plan::Read => {
                let collector = Collector::new(&body, config.response, &config.budget).map_err(fault)?;
                *this.whole = Some((collector, open(config, &head, &exchange)?));
                (*this.head, *this.exchange) = (Some(head), Some(exchange));
                this.body.set(Some(body));
            }
        }
        Ok(None)
    }

    pub(super) fn poll(
        self: Pin<&mut Self>,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<HmacBody<RB>>, Rejection>> {
        let mut this = self.project();
        if let Some(gathering) = this.gathering {
            return gathering.poll(config, cx);
        }
        let (Some((collector, signing)), Some(body)) = (this.whole.as_mut(), this.body.as_mut().as_pin_mut()) else {
            return Poll::Pending;
        };
        let take = &mut |frame: &Bytes, step: &[u8]| signing.take(step, |step| frame.slice_ref(step));
        let mut frames = ready!(collector.poll(body, cx, &*config.clock, take)).map_err(fault)?;
        this.body.set(None);
        let (Some(head), Some(exchange)) = (this.head.as_mut(), &*this.exchange) else { return Poll::Pending };
        match frames.take_trailers() {
            None => seal(config, signing, head, exchange)?,
            Some(trailers) => {
                frames.set_trailers(Some(announce(config, signing, head, exchange, *this.receives, trailers)?));
            }
        }
        let Some(head) = this.head.take() else { return Poll::Pending };
        *this.whole = None;
        Poll::Ready(Ok(Response::from_parts(head, HmacBody::buffered(frames))))
    }
}

/// Signs a body that is there as a whole together with its trailers.
fn announce(
    config: &Config,
    signing: &mut Signing,
    head: &mut Parts,
    exchange: &Exchange,
    receives: Receives,
    mut trailers: HeaderMap,
) -> Result<HeaderMap, Rejection> {
    let hashed = signing.take_hashed().filter(|_| receives == Receives::All).ok_or(RejectionKind::Unsignable)?;
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

/// The answer to `HEAD` says how long the answer to `GET` would be, if that is known; 204 and 205 have no length to speak
/// of.
fn keep_length(head: &mut Parts, body: &impl Body) -> bool {
    let length = body.size_hint().exact();
    match head.status {
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => {
            head.headers.remove(CONTENT_LENGTH);
            return true;
        }
        StatusCode::NOT_MODIFIED => {}
        _ => {
            if let Some(length) = length {
                head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
            }
        }
    }
    length.is_some()
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
