//! Refusals as problem details.

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::rejecting::{Refusal, Renderer};

/// Refuses with problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)): the standard answer with a body of
/// type `application/problem+json`, which says what its status says and nothing more. All 401s are equal in every byte.
///
/// A gRPC call gets the standard answer.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, ProblemJson, Scheme};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// # let (key, _) = Key::generate("svc-a")?;
/// let layer = HmacLayer::new(Scheme::native(), key)?.render_refusals(ProblemJson);
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ProblemJson;

impl Renderer for ProblemJson {
    fn render(&self, refusal: &Refusal<'_>) -> Response<Bytes> {
        let mut response = refusal.standard();
        if !refusal.is_grpc() {
            let status = response.status();
            let title = status.canonical_reason().unwrap_or("Refused");
            let text = format!("{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{}}}", status.as_u16());
            *response.body_mut() = Bytes::from(text);
            let json = HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(CONTENT_TYPE, json);
        }
        response
    }
}
