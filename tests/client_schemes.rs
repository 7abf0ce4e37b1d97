//! Every scheme there is signs a request, whole or in the client's layer, so that the server's layer takes it.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use support::body::Script;
use support::schemes::{Sample, one_each};
use support::service::send;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::ManualClock;
use tower_hmac::sign::RequestSigner;
use tower_hmac::{HmacBody, HmacClientLayer, RejectionKind, VerifiedResponse};

/// The message as it was before somebody signed it.
fn unsigned(sample: &Sample) -> Request<Bytes> {
    let mut request = Request::from_parts(sample.head.clone(), Bytes::from(sample.body.clone()));
    request.headers_mut().remove(sample.header).unwrap();
    request
}

#[tokio::test]
async fn a_whole_request_is_accepted_and_with_another_body_refused() {
    for sample in one_each() {
        send(sample.layer(), unsigned(&sample).map(Script::bytes)).await.refused_unread(RejectionKind::Missing);
        let signer = RequestSigner::new(sample.scheme.clone(), sample.key.clone()).unwrap();
        let (request, _) = signer.sign(unsigned(&sample), sample.now).unwrap();
        let (head, _) = request.into_parts();
        let signed = Sample { head, ..sample };
        send(signed.layer(), signed.request()).await.accepted();
        let altered = Sample { body: [&signed.body[..], b"x"].concat(), ..signed };
        match altered.covers_body {
            true => altered.refused("another body").await,
            false => send(altered.layer(), altered.request()).await.accepted(),
        }
    }
}

/// The bytes arrive as they were, and the answer comes back, verified where the scheme signs answers.
#[tokio::test]
async fn the_clients_layer_is_served_by_the_servers() {
    let echo = service_fn(|request: Request<HmacBody<HmacBody<Full<Bytes>>>>| async {
        Ok::<_, Infallible>(Response::new(Full::new(request.into_body().collect().await.unwrap().to_bytes())))
    });
    let mut verified = Vec::new();
    for sample in one_each() {
        let layer = HmacClientLayer::new(sample.scheme.clone(), sample.key.clone()).unwrap();
        let client = layer.clock(ManualClock::at(sample.now)).layer(sample.layer().layer(echo));
        let response = client.oneshot(unsigned(&sample).map(Full::new)).await.unwrap();
        assert_eq!(response.status(), 200, "{}", sample.name);
        if response.extensions().get::<VerifiedResponse>().is_some() {
            verified.push(sample.name.clone());
        }
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), sample.body, "{}", sample.name);
    }
    assert_eq!(verified, ["native", "answered"]);
}
