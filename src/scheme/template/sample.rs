//! Whether what a signer writes can be read again.

use http::header::HeaderMap;

use super::Template;
use super::format::Format;
use crate::encoding::Encoding;
use crate::mac::Mac;
use crate::scheme::claim::{Stamp, Timestamp};
use crate::scheme::message::HeadMut;
use crate::scheme::protocol::Protocol;
use crate::scheme::short::Short;
use crate::scheme::trim;

/// 21 November 2026.
const TIME: u64 = 1_795_303_445;

impl Template {
    /// Writes the fields of a message, and reads them.
    pub(super) fn reads_what_it_writes(&self) -> Result<(), String> {
        let what = "what a signer writes into its fields cannot be read again: a prefix, key or separator occurs in a value, \
                    or is nothing that a header may hold";
        let uri = &mut http::Uri::default();
        let request = self.sample(&self.request, Some(uri)).then_some(()).ok_or(what.to_owned());
        let response = self.response.as_ref().is_none_or(|format| self.sample(format, None));
        request.and(response.then_some(()).ok_or(format!("in responses, {what}")))
    }

    fn sample(&self, format: &Format, uri: Option<&mut http::Uri>) -> bool {
        let text = |bytes: &[u8], encoding: Encoding| Short::new(encoding.spell(bytes).as_str());
        let (nonce, digest) = (text(&[0xa5; 16], self.nonce_encoding()), text(&[0xa5; 32], format.digest_encoding()));
        let (Some(time), Some(mac)) = (self.time_format().spell(TIME), Mac::new(self.algorithm, b"sample")) else {
            return false;
        };
        let timestamp = Timestamp { text: time.as_str(), seconds: Some(TIME) };
        let stamp = Stamp { key_id: "sample", timestamp, nonce: nonce.as_str(), format: 0 };
        let (mut headers, tag) = (HeaderMap::new(), mac.finish());
        let written = self.write(HeadMut { headers: &mut headers, uri }, &stamp, digest.as_str().as_bytes(), &tag);
        // Blanks at the ends are lost on the way.
        let kept = headers.values().all(|value| value.to_str().is_ok() && trim(value.as_bytes()) == value.as_bytes());
        written.is_ok() && kept && format.read(&headers, self.encoding, self.algorithm.tag_len()).is_ok()
    }
}
