//! What the parts of one connection tell each other: the fence, the requests under way, and the task that owns them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

use super::violation::{Fault, Within};
use crate::serve::Body;

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    state: Mutex<State>,
    next: AtomicU64,
    broken: Notify,
    closing: Notify,
}

#[derive(Debug)]
struct State {
    fault: Option<Fault>,
    failed: bool,
    /// When something last began, came or ended.
    touched: Instant,
    /// The exchanges under way; each with the moment since when a piece of its answer waits for the client, if one does.
    under_way: BTreeMap<u64, Option<Instant>>,
}

impl Line {
    /// A new connection.
    pub(super) fn new() -> Arc<Self> {
        let state = State { fault: None, failed: false, touched: Instant::now(), under_way: BTreeMap::new() };
        let (broken, closing) = (Notify::new(), Notify::new());
        Arc::new(Self { state: Mutex::new(state), next: AtomicU64::new(0), broken, closing })
    }

    /// Notes what is wrong; only the first counts, for it ends the connection.
    pub(super) fn fail(&self, fault: Fault) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.failed, true) {
            state.fault = Some(fault);
            self.broken.notify_one();
        }
    }

    /// What was wrong, for whoever asks first: so it is recorded once.
    pub(super) fn take(&self) -> Option<Fault> {
        self.state().fault.take()
    }

    /// Resolves when the body that is being read is wrong.
    pub(super) async fn broken(&self) -> Fault {
        loop {
            if let Some(fault) = self.state().fault.take_if(|fault| fault.within == Within::Body) {
                return fault;
            }
            self.broken.notified().await;
        }
    }

    /// Lets what is under way end, and then the connection.
    pub(super) fn close(&self) {
        self.closing.notify_one();
    }

    /// Resolves when the connection should end.
    pub(super) async fn closing(&self) {
        self.closing.notified().await;
    }

    /// Something came.
    pub(super) fn touch(&self) {
        self.state().touched = Instant::now();
    }

    /// Whether an exchange is under way.
    pub(super) fn busy(&self) -> bool {
        !self.state().under_way.is_empty()
    }

    /// How long nothing has been under way.
    pub(super) fn idle(&self) -> Duration {
        let state = self.state();
        if state.under_way.is_empty() { state.touched.elapsed() } else { Duration::ZERO }
    }

    /// How long the client has read nothing of an answer that waits for it.
    pub(super) fn stalled(&self) -> Duration {
        let state = self.state();
        state.under_way.values().flatten().map(Instant::elapsed).max().unwrap_or_default()
    }

    /// An exchange begins; it ends when what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        state.under_way.insert(id, None);
        state.touched = Instant::now();
        UnderWay { line: Arc::clone(self), id }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; and what it guards is right after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    line: Arc<Line>,
    id: u64,
}

impl UnderWay {
    /// An answer's body, watched until its end.
    pub(super) fn watch(self, body: Body) -> Body {
        // Its head waits for the client too.
        self.waits(Some(Instant::now()));
        Watched { body, under_way: self }.boxed_unsync()
    }

    fn waits(&self, since: Option<Instant>) {
        self.line.state().under_way.insert(self.id, since);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.line.state();
        state.under_way.remove(&self.id);
        state.touched = Instant::now();
    }
}

struct Watched {
    body: Body,
    under_way: UnderWay,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = std::pin::Pin::new(&mut self.body).poll_frame(cx);
        // A piece that was handed over waits for the client until the next one is asked for.
        self.under_way.waits(matches!(polled, Poll::Ready(Some(_))).then(Instant::now));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};

    use super::Line;
    use crate::serve::wire::violation::{Fault, Violation};

    #[test]
    fn a_fault_is_taken_once_and_stays_known() {
        let line = Line::new();
        let fault = Fault::of_connection;
        line.fail(fault(Violation::BareLf));
        line.fail(fault(Violation::BareCr));
        assert_eq!(line.take(), Some(fault(Violation::BareLf)));
        assert_eq!(line.take(), None);
        line.fail(fault(Violation::BareCr));
        assert_eq!(line.take(), None);
    }

    #[tokio::test]
    async fn an_answer_that_waits_for_its_client_is_known() {
        let line = Line::new();
        let mut body = line.begin().watch(Full::new(Bytes::from_static(b"x")).boxed_unsync());
        assert_eq!((line.busy(), line.idle()), (true, Duration::ZERO));
        // Its head may wait too: nobody has asked for the body yet.
        std::thread::sleep(Duration::from_millis(2));
        assert!(line.stalled() >= Duration::from_millis(2));
        body.frame().await.unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(2));
        assert!(line.stalled() >= Duration::from_millis(2));
        assert!(body.frame().await.is_none());
        assert_eq!(line.stalled(), Duration::ZERO);
        drop(body);
        assert!(!line.busy());
    }
}
