//! A whole request is signed in one line, for tests of services: as the format says, and for any body.

mod support;

use http::{Method, Request, Response};
use support::peer::{accept, sign};
use tower_hmac::sign::RequestSigner;
use tower_hmac::verify::ResponseVerifier;
use tower_hmac::{Scheme, SignError};

fn signer() -> RequestSigner {
    RequestSigner::new(Scheme::native(), support::key()).unwrap()
}

#[test]
fn a_whole_request_is_signed_as_the_format_says() {
    for body in [&b""[..], b"{\"a\":1}", &[0xff; 100_000]] {
        let request = Request::put("/pay?x=1").header("host", support::AUTHORITY).header("content-type", "text/plain");
        let (request, exchange) = signer().sign(request.body(body.to_vec()).unwrap(), support::NOW).unwrap();
        let (head, kept) = request.into_parts();
        assert_eq!(kept, body);
        let wire = accept(&head, body).unwrap();
        accept(&head, &[body, b"x"].concat()).unwrap_err();

        let mut response = Response::new(());
        sign(&wire, &mut response, b"done");
        let verify = |body: &[u8]| {
            let head = response.clone().into_parts().0;
            let mut verifying = ResponseVerifier::new(Scheme::native()).check(&head, &exchange)?;
            verifying.update(body);
            verifying.finish(&head)
        };
        verify(b"done").unwrap();
        verify(b"gone").unwrap_err();
    }
}

#[test]
fn two_requests_have_two_nonces() {
    let nonce = || {
        let request = Request::get("http://h/").body("").unwrap();
        signer().sign(request, support::NOW).unwrap().0.headers()["x-hmac-nonce"].clone()
    };
    assert_ne!(nonce(), nonce());
}

#[test]
fn what_cannot_be_signed_is_an_error() {
    let fails = |request: Request<&'static str>, now| signer().sign(request, now).unwrap_err();
    assert_eq!(fails(Request::get("/pay").body("").unwrap(), support::NOW), SignError::Target);
    assert_eq!(fails(Request::get("http://h/").body("").unwrap(), 99), SignError::Clock);
    let tunnel = Request::builder().method(Method::CONNECT).uri("http://h").body("").unwrap();
    assert_eq!(fails(tunnel, support::NOW), SignError::Method);
}
