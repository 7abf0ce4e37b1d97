//! The MAC that follows a body, in a trailer.

use http::header::{HeaderMap, HeaderName};

use crate::encoding::Encoding;
use crate::mac::Tag;
use crate::scheme::entry::{Seen, Trailer};
use crate::scheme::feed::Feed;
use crate::scheme::trim;

/// What the head says in the place of the digest.
pub(super) const ANNOUNCED: &[u8] = b"trailer";

pub(super) fn trailer() -> Trailer {
    Trailer { name: super::TRAILER, announced: "trailer", prefix: "v1=" }
}

/// `trailers` are all others. They are sorted, since the order of names is not kept on the way.
pub(super) fn feed(head: &Tag, seen: &Seen<'_>, trailers: &HeaderMap, feed: &mut Feed<'_>) {
    feed.push(b"HMAC-SHA256-V1-TRAILER\n");
    feed.line(head.spell(Encoding::Hex).as_bytes());
    feed.line(seen.len.to_string().as_bytes());
    feed.line(Encoding::Hex.spell(&seen.sha256).as_bytes());
    feed.push(trailers.len().to_string().as_bytes());
    let mut names: Vec<&HeaderName> = trailers.keys().collect();
    names.sort_unstable_by_key(|name| name.as_str());
    for name in names {
        for value in trailers.get_all(name) {
            super::extra_line(feed, name, trim(value.as_bytes()));
        }
    }
}
