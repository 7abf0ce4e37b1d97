//! A service that reads a body which flows, and tells what it saw.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{BodyError, HmacBody, HmacLayer, RejectionKind, StreamedBody};

use super::body::{Polls, Script};
use super::service::CountingGuard;

/// What the service saw of one request, and what came out.
pub struct Seen {
    pub frames: Vec<Bytes>,
    pub trailers: Vec<String>,
    pub end: Option<Result<(), Option<RejectionKind>>>,
    pub flag: Option<StreamedBody>,
    pub status: u16,
    pub kind: Option<RejectionKind>,
    pub answered: Option<StreamedBody>,
    pub claims: usize,
    pub polls: Polls,
}

pub fn layer() -> HmacLayer {
    super::layer().stream_requests(|_| true).unwrap()
}

/// Sends it to a service that reads `frames` frames, or all.
pub async fn send(layer: HmacLayer, request: Request<Script>, frames: usize) -> Seen {
    let polls = request.body().polls();
    let seen = Arc::new(Mutex::new((Vec::new(), Vec::new(), None, None)));
    let inner = Arc::clone(&seen);
    let service = service_fn(move |request: Request<HmacBody<Script>>| {
        let inner = Arc::clone(&inner);
        async move {
            inner.lock().unwrap().3 = request.extensions().get::<StreamedBody>().cloned();
            let mut body = request.into_body();
            for _ in 0..frames {
                assert!(
                    !body.is_end_stream() || inner.lock().unwrap().3.as_ref().is_none_or(StreamedBody::is_verified)
                );
                match body.frame().await {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => inner.lock().unwrap().0.push(data),
                        Err(frame) => {
                            let names = frame.into_trailers().unwrap().keys().map(ToString::to_string).collect();
                            inner.lock().unwrap().1 = names;
                        }
                    },
                    Some(Err(error)) => {
                        let error: BodyError = error;
                        inner.lock().unwrap().2 = Some(Err(error.kind()));
                        assert!(body.frame().await.is_none(), "nothing follows an error");
                        break;
                    }
                    None => {
                        inner.lock().unwrap().2 = Some(Ok(()));
                        break;
                    }
                }
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        }
    });
    let guard = CountingGuard::default();
    let response = layer.replay_guard(guard.clone()).layer(service).oneshot(request).await.unwrap();
    let (frames, trailers, end, flag) = std::mem::take(&mut *seen.lock().unwrap());
    let extensions = response.extensions();
    Seen {
        frames,
        trailers,
        end,
        flag,
        status: response.status().as_u16(),
        kind: extensions.get().copied(),
        answered: extensions.get().cloned(),
        claims: guard.claims(),
        polls,
    }
}

pub const ALL: usize = usize::MAX;
