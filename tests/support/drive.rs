//! Futures that are polled by hand, so that they can be dropped between any two polls.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Pending once, and woken at once.
pub async fn yields() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls up to `polls` times; every pause must come with a wake-up. How many polls it took, and what came out.
pub fn drive<F: Future + ?Sized>(future: &mut Pin<Box<F>>, polls: usize) -> (usize, Option<F::Output>) {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    for poll in 0..polls {
        let before = woken.0.load(Ordering::SeqCst);
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return (poll + 1, Some(outcome)),
            Poll::Pending => assert!(woken.0.load(Ordering::SeqCst) > before, "poll {poll} was forgotten"),
        }
    }
    (polls, None)
}
