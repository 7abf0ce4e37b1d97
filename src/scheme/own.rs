//! What only the signer of a message may set: gone before anything is signed, since it will not be sent.

use http::header::{Entry, HeaderMap, HeaderName};

use super::protocol::Protocol;

impl dyn Protocol {
    /// The fields that a response has from its signer alone.
    pub(crate) fn response_fields(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields().iter().filter(|name| self.owns_in_responses(name))
    }

    /// Whether something is there that only the signer of a request may set. As a rule there is nothing.
    pub(crate) fn owns_any_of_request(&self, headers: &HeaderMap) -> bool {
        headers.keys().any(|name| self.fields().contains(name) && self.owns_in_requests(name))
    }

    /// Whether something is there that only the signer of a response may set.
    pub(crate) fn owns_any_of_response(&self, headers: &HeaderMap) -> bool {
        headers.keys().any(|name| self.fields().contains(name) && self.owns_in_responses(name))
    }

    /// Takes out what only the signer of a request may set.
    pub(crate) fn strip_request(&self, headers: &mut HeaderMap) -> HeaderMap {
        match self.owns_any_of_request(headers) {
            true => take(headers, self.fields().iter().filter(|name| self.owns_in_requests(name))),
            false => HeaderMap::new(),
        }
    }

    /// Takes out what only the signer of a response may set.
    pub(crate) fn strip_response(&self, headers: &mut HeaderMap) -> HeaderMap {
        match self.owns_any_of_response(headers) {
            true => take(headers, self.response_fields()),
            false => HeaderMap::new(),
        }
    }
}

fn take<'n>(headers: &mut HeaderMap, names: impl Iterator<Item = &'n HeaderName>) -> HeaderMap {
    let mut taken = HeaderMap::new();
    for name in names {
        if let Entry::Occupied(found) = headers.entry(name) {
            taken.extend(found.remove_entry_mult().1.map(|value| (name.clone(), value)));
        }
    }
    taken
}
