//! A body that may be read here, or moved on while nobody has polled it.

use std::pin::Pin;

use http::header::{CONTENT_LENGTH, HeaderMap};
use http_body::Body;
use pin_project_lite::pin_project;

/// The length that a message declares, in its head or by its body. Only ever used to refuse, and to hold back.
pub(crate) fn declared_length(headers: &HeaderMap, body: &impl Body) -> Option<u64> {
    let in_head = || str::from_utf8(headers.get(CONTENT_LENGTH)?.as_bytes()).ok()?.parse().ok();
    body.size_hint().exact().or_else(in_head)
}

pin_project! {
    #[project = SourceProj]
    #[project_ref = SourceRef]
    pub(crate) enum Source<B> {
        // Nobody has polled it: it may still move.
        Fresh { body: Option<B> },
        // It is read where it is.
        Pinned { #[pin] body: B },
    }
}

impl<B: Body> Source<B> {
    pub(crate) fn new(body: B) -> Self {
        Self::Fresh { body: Some(body) }
    }

    pub(crate) fn get(self: Pin<&Self>) -> Option<&B> {
        match self.project_ref() {
            SourceRef::Fresh { body } => body.as_ref(),
            SourceRef::Pinned { body } => Some(body.get_ref()),
        }
    }

    /// For reading it here.
    pub(crate) fn pinned(mut self: Pin<&mut Self>) -> Option<Pin<&mut B>> {
        if let Some(body) = self.as_mut().take() {
            self.set(Self::Pinned { body });
        }
        match self.project() {
            SourceProj::Fresh { .. } => None,
            SourceProj::Pinned { body } => Some(body),
        }
    }

    /// For moving it on.
    pub(crate) fn take(self: Pin<&mut Self>) -> Option<B> {
        match self.project() {
            SourceProj::Fresh { body } => body.take(),
            SourceProj::Pinned { .. } => None,
        }
    }

    /// Gives back what it holds.
    pub(crate) fn clear(mut self: Pin<&mut Self>) {
        self.set(Self::Fresh { body: None });
    }
}
