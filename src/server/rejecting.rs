//! What a refusal looks like.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Response, StatusCode};

use super::config::Config;
use crate::key::Key;
use crate::observe;
use crate::rejection::{Rejection, RejectionKind};

/// A request that is refused, or a response that cannot be sent.
#[derive(Debug)]
pub struct Refusal<'a> {
    rejection: &'a Rejection,
    head: Option<&'a Parts>,
    grpc: bool,
    challenge: HeaderValue,
}

impl<'a> Refusal<'a> {
    /// Why.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.rejection.kind()
    }

    /// The head of the request. `None` once the service has it, that is when its response cannot be signed, or when the
    /// body of a [streamed](crate::HmacLayer::stream_requests) request was wrong.
    #[must_use]
    pub fn head(&self) -> Option<&'a Parts> {
        self.head
    }

    /// Whether the request is a gRPC call: content type `application/grpc` or `application/grpc+…`.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// The key that signed, when the signature was right. `None` once the service has the request.
    #[must_use]
    pub fn key(&self) -> Option<&'a Key> {
        self.rejection.key()
    }

    /// The standard answer: the [status](RejectionKind::status) of the kind, no body, and `WWW-Authenticate` on a 401.
    /// All 401s are equal in every byte.
    ///
    /// For gRPC: status 200, no body, and `grpc-status` 16 for 401, 8 for 413 and 429, 13 for 400 and 500, 14 for 408
    /// and 503.
    #[must_use]
    pub fn standard(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let status = self.kind().status();
        if self.grpc {
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static(grpc_status(status)));
            return response;
        }
        *response.status_mut() = status;
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, self.challenge.clone());
        }
        response
    }
}

/// The answer of the layer, with its kind.
pub(super) fn answer(config: &Config, rejection: &Rejection, head: Option<&Parts>, grpc: bool) -> Response<Bytes> {
    observe::refused(rejection);
    let challenge = config.verifier.scheme().protocol().challenge();
    let mut response = config.renderer.render(&Refusal { rejection, head, grpc, challenge });
    response.extensions_mut().insert(rejection.kind());
    response
}

/// Makes the answer to a refused request. A closure is a renderer.
///
/// The answer is not signed. A renderer that tells reasons apart tells them to strangers too.
///
/// ```
/// use bytes::Bytes;
/// use http::Response;
/// use tower_hmac::{HmacLayer, Key, Refusal, Scheme};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// # let (key, _) = Key::generate("svc-a")?;
/// let layer = HmacLayer::new(Scheme::native(), key)?.render_refusals(|refusal: &Refusal<'_>| {
///     let mut response = refusal.standard();
///     *response.body_mut() = Bytes::from_static(b"{\"error\":\"refused\"}");
///     response
/// });
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
pub trait Renderer: Send + Sync + 'static {
    /// Makes the answer.
    fn render(&self, refusal: &Refusal<'_>) -> Response<Bytes>;
}

impl<F> Renderer for F
where
    F: Fn(&Refusal<'_>) -> Response<Bytes> + Send + Sync + 'static,
{
    fn render(&self, refusal: &Refusal<'_>) -> Response<Bytes> {
        self(refusal)
    }
}

/// [`Refusal::standard`].
pub(super) struct Standard;

impl Renderer for Standard {
    fn render(&self, refusal: &Refusal<'_>) -> Response<Bytes> {
        refusal.standard()
    }
}

/// Whether the content type is `application/grpc` or `application/grpc+…`, in any case.
pub(super) fn is_grpc(content_type: &HeaderValue) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    match content_type.as_bytes().split_at_checked(GRPC.len()) {
        Some((essence, rest)) if essence.eq_ignore_ascii_case(GRPC) => {
            matches!(rest.first(), None | Some(b'+' | b';' | b' '))
        }
        _ => false,
    }
}

fn grpc_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "16",
        413 | 429 => "8",
        408 | 503 => "14",
        _ => "13",
    }
}
