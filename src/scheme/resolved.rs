//! Path and query, apart.

use std::borrow::Cow;

use http::Uri;

/// The target that a signature covers, as the request and [`Target`](crate::Target) give it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Resolved<'a> {
    /// The scheme of the URI; `https` when the request has none.
    pub scheme: Cow<'a, str>,
    /// The authority, not yet in lower case. `None` when there is none, or several that differ.
    pub authority: Option<Cow<'a, [u8]>>,
    /// The path, never empty.
    pub path: Cow<'a, str>,
    /// What follows the question mark, if there is one.
    pub query: Option<Cow<'a, str>>,
}

/// The path is never empty.
pub(super) type PathAndQuery<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);

pub(super) fn path_and_query(uri: &Uri) -> PathAndQuery<'_> {
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    (Cow::Borrowed(path), uri.query().map(Cow::Borrowed))
}

/// Cuts a text at its question mark. `None` when it is neither empty nor a path.
pub(super) fn cut(text: Cow<'_, str>) -> Option<PathAndQuery<'_>> {
    if text.is_empty() {
        return Some((Cow::Borrowed("/"), None));
    }
    let begins = text.starts_with('/') || *text == *"*";
    if !begins || !text.bytes().all(|b| b > b' ' && b != 0x7f && b != b'#') {
        return None;
    }
    Some(match text {
        Cow::Borrowed(text) => match text.split_once('?') {
            Some((path, query)) => (Cow::Borrowed(path), Some(Cow::Borrowed(query))),
            None => (Cow::Borrowed(text), None),
        },
        Cow::Owned(text) => match text.split_once('?') {
            Some((path, query)) => (Cow::Owned(path.to_owned()), Some(Cow::Owned(query.to_owned()))),
            None => (Cow::Owned(text), None),
        },
    })
}
