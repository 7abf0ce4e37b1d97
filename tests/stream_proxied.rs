//! A proxy that takes messages apart: it sends well-formed HTTP, but other frames, trailers or lengths. What it hands on is
//! accepted if and only if bytes and trailers are those that were signed.
//!
//! The long run: `cargo test --release --all-features --test stream_proxied -- --ignored --nocapture`.

mod support;

use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::Body;
use http_body_util::BodyExt;
use support::body::{Script, Step};
use support::dice::Dice;
use support::net::patient;
use support::peer::{client_layer, post};
use support::trailers::{NAME, map};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{ClientError, HmacBody};

/// A message as it is between two hops.
#[derive(Clone, Debug, PartialEq)]
struct Flow {
    frames: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    breaks: bool,
    declares: bool,
    announces: bool,
}

impl Flow {
    /// `None` when it ended in an error.
    async fn of<B: Body<Data = Bytes> + Unpin>(headers: &HeaderMap, mut body: B) -> Option<Self> {
        let (mut frames, mut trailers) = (Vec::new(), None);
        while let Some(frame) = body.frame().await {
            match frame.ok()?.into_data() {
                Ok(data) => frames.push(data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        let announces = headers.contains_key("trailer");
        Some(Self { frames, trailers, breaks: false, declares: false, announces })
    }

    fn carries(&self) -> (Vec<u8>, Option<&HeaderMap>, bool) {
        (self.frames.concat(), self.trailers.as_ref(), self.breaks)
    }

    fn body(self, headers: &mut HeaderMap) -> Script {
        if !self.announces {
            headers.remove("trailer");
        }
        let length: usize = self.frames.iter().map(Bytes::len).sum();
        let data = self.frames.into_iter().flat_map(|data| [Step::Yield, Step::Data(data)]);
        let broken = self.breaks.then_some(Step::Error);
        let script = Script::new(data.chain(broken).chain(self.trailers.map(Step::Trailers)));
        if self.declares { script.declaring(length as u64) } else { script }
    }

    /// One thing that a proxy may do.
    fn mangle(&mut self, dice: &mut Dice) {
        let (place, other) = (dice.below(self.frames.len()), dice.below(self.frames.len()));
        let value = HeaderValue::from_static("1");
        match (dice.below(16), self.frames.get(place).cloned(), &mut self.trailers) {
            // The same in other words.
            (0, Some(frame), _) => {
                let at = dice.below(frame.len());
                self.frames.splice(place..=place, [frame.slice(..at), Bytes::new(), frame.slice(at..)]);
            }
            (1, ..) => {
                self.frames = vec![self.frames.concat().into()];
                self.declares = true;
            }
            (2, ..) => self.announces = false,
            // Something else.
            (3, Some(_), _) => self.frames.truncate(place),
            (4, Some(_), _) => drop(self.frames.remove(place)),
            (5, Some(frame), _) => self.frames.insert(other, frame),
            (6, Some(_), _) => self.frames.swap(place, other),
            (7, Some(frame), _) => {
                let mut turned = frame.to_vec();
                let at = dice.below(turned.len());
                if let Some(byte) = turned.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
                self.frames[place] = turned.into();
            }
            (8, Some(frame), _) => self.frames[place] = frame.slice(..dice.below(frame.len())),
            (9, ..) => {
                self.frames.truncate(place);
                self.breaks = true;
            }
            (10, ..) => self.trailers = None,
            (11, _, Some(all)) => drop(all.remove(NAME)),
            (12, _, Some(all)) => drop(all.insert("grpc-status", value)),
            (13, _, Some(all)) => drop(all.append(NAME, value)),
            (14, _, Some(all)) => drop(all.remove("x-sum")),
            (_, _, all) => drop(all.get_or_insert_default().append("x-more", value)),
        }
    }
}

struct Plan {
    asked: Vec<u8>,
    answered: Vec<u8>,
    announced: bool,
    flows: bool,
    up: bool,
    times: usize,
    dice: Dice,
}

impl Plan {
    fn of(up: bool, seed: u64) -> Self {
        let mut dice = Dice::of(seed);
        let mut body = || (0..[1, 9, 60, 700][dice.below(4)]).map(|_| b'a' + dice.below(26) as u8).collect();
        let (asked, answered) = (body(), body());
        // Every tenth is left alone.
        let times = if seed.is_multiple_of(10) { 0 } else { dice.below(3) + 1 };
        Self { asked, answered, announced: dice.below(3) > 0, flows: dice.below(4) > 0, up, times, dice }
    }

    fn script(&self, body: &[u8]) -> Script {
        let mut dice = self.dice.clone();
        let pieces = body.chunks(dice.below(body.len()) + 1).map(|piece| Step::Data(Bytes::copy_from_slice(piece)));
        let pieces = pieces.flat_map(|piece| [Step::Yield, piece]);
        if !self.announced {
            return Script::new(pieces).declaring(body.len() as u64);
        }
        Script::new(pieces.chain([Step::Trailers(map(&[("grpc-status", "0"), ("x-sum", "1"), ("x-sum", "2")]))]))
    }

    fn mangled(&self, flow: Flow) -> Flow {
        let (mut dice, mut flow) = (self.dice.clone(), flow);
        (0..self.times).for_each(|_| flow.mangle(&mut dice));
        flow
    }
}

/// What came of one exchange.
#[derive(Default)]
struct Outcome {
    /// Whether the proxy handed on what it had got.
    same: bool,
    /// What the service read to its end.
    got: Option<(Vec<u8>, Option<HeaderMap>)>,
}

async fn exchange(plan: &Arc<Plan>) -> (Outcome, Result<Vec<u8>, String>) {
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let (seen, answering) = (Arc::clone(&outcome), Arc::clone(plan));
    let service = service_fn(move |request: Request<HmacBody<Script>>| {
        let (seen, plan) = (Arc::clone(&seen), Arc::clone(&answering));
        async move {
            if let Ok(all) = request.into_body().collect().await {
                let trailers = all.trailers().cloned();
                seen.lock().unwrap().got = Some((all.to_bytes().to_vec(), trailers));
            }
            Ok::<_, Infallible>(Response::new(plan.script(&plan.answered)))
        }
    });
    let flows = plan.flows;
    let server = support::layer().stream_requests(move |_| flows).unwrap().layer(service);
    let (told, proxying) = (Arc::clone(&outcome), Arc::clone(plan));
    let proxy = service_fn(move |request: Request<HmacBody<Script>>| {
        let (told, plan, server) = (Arc::clone(&told), Arc::clone(&proxying), server.clone());
        async move {
            let (mut head, body) = request.into_parts();
            let asked = Flow::of(&head.headers, body).await.unwrap();
            let sent = if plan.up { plan.mangled(asked.clone()) } else { asked.clone() };
            let same = asked.carries() == sent.carries();
            let body = sent.body(&mut head.headers);
            let (mut head, body) = server.oneshot(Request::from_parts(head, body)).await.unwrap().into_parts();
            let answered = Flow::of(&head.headers, body).await.unwrap();
            let sent = if plan.up { answered.clone() } else { plan.mangled(answered.clone()) };
            told.lock().unwrap().same = same && answered.carries() == sent.carries();
            let body = sent.body(&mut head.headers);
            Ok::<_, Infallible>(Response::from_parts(head, body))
        }
    });
    let layer = client_layer().stream_requests(|_| true).stream_responses(move |_| flows);
    let mut request = post("/pay", "").map(|_| plan.script(&plan.asked));
    // HTTP/1.1 sends no trailer that the head does not name.
    *request.version_mut() = Version::HTTP_2;
    let answer: Result<Response<_>, ClientError> = patient(layer.layer(proxy).oneshot(request)).await;
    let answer = match answer {
        Ok(response) => patient(response.into_body().collect()).await.map_err(|error| format!("{error:?}")),
        Err(error) => Err(format!("{error:?}")),
    };
    let outcome = std::mem::take(&mut *outcome.lock().unwrap());
    (outcome, answer.map(|all| all.to_bytes().to_vec()))
}

fn run(up: bool, seeds: Range<u64>) {
    // When all wait, the clock jumps: nobody waits in vain.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (mut alone, mut same, mut mangled) = (0, 0, 0);
    for seed in seeds {
        let plan = Arc::new(Plan::of(up, seed));
        let (outcome, answer) = runtime.block_on(exchange(&plan));
        assert_eq!(answer.is_ok(), outcome.same, "seed {seed}: {answer:?}");
        if !up || outcome.same {
            let (bytes, trailers) = outcome.got.unwrap_or_else(|| panic!("seed {seed}: not read"));
            assert_eq!(bytes, plan.asked, "seed {seed}");
            let own = [("grpc-status", "0"), ("x-sum", "1"), ("x-sum", "2")];
            assert_eq!(trailers, plan.announced.then(|| map(&own)), "seed {seed}");
        } else {
            assert_eq!(outcome.got, None, "seed {seed}: read as if it were right");
        }
        if let Ok(answer) = answer {
            assert_eq!(answer, plan.answered, "seed {seed}");
        }
        if plan.times == 0 {
            assert!(outcome.same, "seed {seed}");
            alone += 1;
        } else {
            mangled += 1;
            same += u64::from(outcome.same);
        }
    }
    println!("{alone} left alone, {mangled} taken apart, {same} of them in other words only");
    assert!(alone * 10 == alone + mangled && same * 20 > mangled && same * 2 < mangled);
}

#[test]
fn x_15_five_thousand_requests() {
    run(true, 0..5_000);
}

#[test]
fn x_15_five_thousand_responses() {
    run(false, 0..5_000);
}

#[test]
#[ignore = "long"]
fn x_15_twenty_thousand_of_each() {
    run(true, 5_000..25_000);
    run(false, 5_000..25_000);
}
