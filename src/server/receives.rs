//! Which trailers the caller can receive.

use http::header::{HeaderMap, HeaderValue, TE};
use http::{Request, Version};

/// Which trailers the caller can receive, as far as its request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receives {
    /// None.
    Nothing,
    /// Those that the head of the response announces: servers for HTTP/1.1 drop others.
    Announced,
    /// All.
    All,
}

impl Receives {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        match request.version() {
            Version::HTTP_2 | Version::HTTP_3 => Self::All,
            Version::HTTP_11 if says_trailers(request.headers()) => Self::Announced,
            _ => Self::Nothing,
        }
    }
}

fn says_trailers(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(TE).into_iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|b| *b == b',')).any(|one| one.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}
