//! The socket as hyper sees it: bytes that broke a rule are not there.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::{
    Rules,
    http1::{self, Reader},
    http2::{Counter, Watch},
    line::Line,
    violation::{Fault, Violation, Within},
};

/// The most that is read at once.
const PIECE: usize = 8 << 10;
/// What a body must bring within the time a head has.
const PROGRESS: usize = 1 << 10;
/// How long, and how much, a connection that is over is still read from: closing at once would make the answer disappear.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// Who looks at the bytes.
pub(super) enum Inspect {
    /// HTTP/1.
    One(Box<Reader>),
    /// HTTP/2, both ways.
    Two(Box<Counter>, Watch),
}

impl Inspect {
    fn within(&self) -> Within {
        match self {
            Self::One(reader) => reader.within(),
            Self::Two(counter, _) => counter.within(),
        }
    }

    fn marks(&self) -> u64 {
        match self {
            Self::One(reader) => reader.marks(),
            Self::Two(counter, _) => counter.marks(),
        }
    }
}

/// A stream between a client and hyper.
pub(super) struct Fence<S> {
    stream: S,
    line: Arc<Line>,
    rules: Arc<Rules>,
    inspect: Inspect,
    /// What may pass, from `taken` on.
    out: Vec<u8>,
    taken: usize,
    end: End,
    /// When what the client is in the middle of must have gone on.
    deadline: Option<Instant>,
    progress: usize,
    sleep: Pin<Box<Sleep>>,
    /// When the client must have read something.
    stall: Option<Instant>,
    stall_sleep: Pin<Box<Sleep>>,
    lingered: Option<usize>,
}

/// What comes after `out`.
#[derive(Debug)]
enum End {
    /// More.
    Open,
    /// The end.
    Closed,
    /// Nothing, not even the end: hyper would take that for the client's leaving, and not answer.
    Mute,
    /// An error, which is told to the line when hyper comes to it, for it belongs to the request whose body that ends.
    Broken(Option<Fault>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Fence<S> {
    /// A fence around a stream, of which `read` has already come.
    pub(super) fn new(stream: S, read: &[u8], inspect: Inspect, line: Arc<Line>, rules: Arc<Rules>) -> Self {
        let now = Instant::now();
        let mut fence = Self {
            stream,
            line,
            rules,
            inspect,
            out: Vec::new(),
            taken: 0,
            end: End::Open,
            deadline: None,
            progress: 0,
            sleep: Box::pin(tokio::time::sleep_until(now)),
            stall: None,
            stall_sleep: Box::pin(tokio::time::sleep_until(now)),
            lingered: None,
        };
        fence.came(read);
        fence
    }

    /// Bytes came.
    fn came(&mut self, bytes: &[u8]) {
        let before = self.inspect.marks();
        let fed = match &mut self.inspect {
            Inspect::One(reader) => {
                self.line.touch();
                reader.feed(bytes, &mut self.out)
            }
            Inspect::Two(counter, _) => counter.feed(bytes, Instant::now().into_std(), &mut self.out),
        };
        self.progress += bytes.len();
        let goes_on = match self.inspect.within() {
            Within::Pause => true,
            Within::Head => self.inspect.marks() != before,
            Within::Body => self.inspect.marks() != before || self.progress >= PROGRESS,
        };
        if goes_on {
            (self.deadline, self.progress) = (None, 0);
        }
        if let Err(fault) = fed {
            self.fail(fault);
        }
    }

    /// The client sends no more.
    fn ended(&mut self) {
        let fault = match &mut self.inspect {
            Inspect::One(reader) => reader.end(),
            Inspect::Two(..) => None,
        };
        match fault {
            // While an answer is under way the end means that nobody waits for it.
            Some(fault) if self.line.busy() => {
                self.line.fail(fault);
                self.end = End::Closed;
            }
            Some(fault) => self.fail(fault),
            None => self.end = End::Closed,
        }
    }

    /// The client did not go on in time.
    fn late(&mut self) {
        let fault = match &mut self.inspect {
            Inspect::One(reader) => match reader.within() {
                Within::Body => reader.fail(Violation::BodySlow),
                Within::Head | Within::Pause => reader.fail(Violation::HeadSlow),
            },
            // There is no place for a stand-in within a frame, so this ends without a goodbye.
            Inspect::Two(..) => Fault { within: Within::Body, ..Fault::of_connection(Violation::HeadSlow) },
        };
        self.fail(fault);
    }

    fn fail(&mut self, fault: Fault) {
        tracing::debug!(violation = fault.violation.words().0, "a connection broke a rule");
        if fault.within == Within::Body {
            self.end = End::Broken(Some(fault));
            return;
        }
        if matches!(self.inspect, Inspect::One(_)) {
            self.out.extend_from_slice(http1::STAND_IN);
        }
        self.line.fail(fault);
        self.end = End::Mute;
    }

    /// Whether the client has had its time, which runs while it is waited for.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        if self.inspect.within() == Within::Pause {
            self.deadline = None;
            return false;
        }
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + self.rules.slow);
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx).is_ready()
    }

    /// What a write came to: one that waits too long is an error.
    fn written<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall = None;
            return polled;
        }
        let deadline = *self.stall.get_or_insert_with(|| Instant::now() + self.rules.stall);
        if self.stall_sleep.deadline() != deadline {
            self.stall_sleep.as_mut().reset(deadline);
        }
        ready!(self.stall_sleep.as_mut().poll(cx));
        self.line.fail(Fault::of_connection(Violation::Stalled));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn sent(&mut self, bytes: &[u8]) {
        if let Inspect::Two(_, watch) = &mut self.inspect
            && watch.sent(bytes)
        {
            self.line.fail(Fault::of_connection(Violation::Http2));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Fence<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let ready = this.out.get(this.taken..).unwrap_or_default();
            if !ready.is_empty() {
                let some = ready.len().min(buf.remaining());
                buf.put_slice(ready.get(..some).unwrap_or_default());
                this.taken += some;
                if this.taken == this.out.len() {
                    // Kept no longer than needed: most connections are idle most of the time.
                    (this.out, this.taken) = (Vec::new(), 0);
                }
                return Poll::Ready(Ok(()));
            }
            match &mut this.end {
                End::Open => {}
                End::Closed => return Poll::Ready(Ok(())),
                End::Mute => return Poll::Pending,
                End::Broken(fault) => {
                    if let Some(fault) = fault.take() {
                        this.line.fail(fault);
                    }
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
            }
            let mut piece = [0; PIECE];
            let mut read = ReadBuf::new(&mut piece);
            if Pin::new(&mut this.stream).poll_read(cx, &mut read)?.is_pending() {
                if !this.is_late(cx) {
                    return Poll::Pending;
                }
                this.late();
            } else if read.filled().is_empty() {
                this.ended();
            } else {
                this.came(read.filled());
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Fence<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        let count = ready!(this.written(polled, cx))?;
        this.sent(bytes.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.written(polled, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingered.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.lingered = Some(0);
            this.sleep.as_mut().reset(Instant::now() + LINGER);
        }
        // Between requests nothing is on its way.
        if matches!(this.end, End::Open) && this.inspect.within() == Within::Pause {
            return Poll::Ready(Ok(()));
        }
        while this.lingered.is_some_and(|lingered| lingered < LINGER_BYTES) {
            if this.sleep.as_mut().poll(cx).is_ready() {
                break;
            }
            let mut piece = [0; PIECE];
            let mut read = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {
                    this.lingered = this.lingered.map(|lingered| lingered + read.filled().len());
                }
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        let count = ready!(this.written(polled, cx))?;
        let mut left = count;
        for slice in slices {
            let some = left.min(slice.len());
            this.sent(slice.get(..some).unwrap_or_default());
            left -= some;
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl<S> Drop for Fence<S> {
    fn drop(&mut self) {
        if let End::Broken(fault) = &mut self.end
            && let Some(fault) = fault.take()
        {
            self.line.fail(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::{Arc, Counter, Duration, Fence, Inspect, Line, Reader, Rules, Violation, Watch, io};
    use crate::serve::wire::hosts::Hosts;

    fn fence(http2: bool) -> (Fence<DuplexStream>, DuplexStream, Arc<Line>) {
        let hosts = Hosts::new("127.0.0.1:1".parse().unwrap(), &[]).unwrap();
        let time = Duration::from_millis(50);
        let rules = Arc::new(Rules { hosts, body_bytes: 1 << 20, slow: time, idle: time, stall: time });
        let (near, far) = duplex(64);
        let line = Line::new();
        let inspect = if http2 {
            Inspect::Two(Box::new(Counter::new()), Watch::default())
        } else {
            Inspect::One(Box::new(Reader::new(Arc::clone(&rules))))
        };
        (Fence::new(near, b"", inspect, Arc::clone(&line), rules), far, line)
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_left() {
        let (mut silent, _far, line) = fence(false);
        silent.write_all(&[b'a'; 64]).await.unwrap();
        assert_eq!(silent.write_all(b"a").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(line.take().unwrap().violation, Violation::Stalled);
        // One that reads a little now and then is waited for again.
        let (mut slow, mut far, line) = fence(false);
        let writing = async { slow.write_all(&[b'a'; 256]).await };
        let reading = async {
            let mut some = [0; 32];
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                far.read_exact(&mut some).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(writing, reading);
        assert!(written.is_ok() && line.take().is_none());
    }

    #[tokio::test]
    async fn a_fault_of_a_body_is_told_when_hyper_comes_to_it_or_never_does() {
        let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx!";
        for comes in [true, false] {
            let (mut fence, mut far, line) = fence(false);
            let sent = async { far.write_all(head).await.unwrap() };
            let mut read = vec![0; head.len() - 1];
            let (taken, ()) = tokio::join!(fence.read_exact(&mut read), sent);
            taken.unwrap();
            assert_eq!(read, head.get(..head.len() - 1).unwrap());
            assert_eq!(line.take(), None);
            if comes {
                assert!(fence.read(&mut read).await.is_err());
            } else {
                drop(fence);
            }
            assert_eq!(line.take().unwrap().violation, Violation::ChunkEnd);
        }
    }

    #[tokio::test]
    async fn what_hyper_refuses_in_http2_is_known() {
        let (mut fence, _far, line) = fence(true);
        fence.write_all(b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x01").await.unwrap();
        assert_eq!(line.take().unwrap().violation, Violation::Http2);
    }

    #[tokio::test]
    async fn what_comes_behind_an_answer_is_read_for_a_while() {
        let (mut fence, mut far, _line) = fence(false);
        let client = async {
            far.write_all(&[0; 1]).await.unwrap();
            // More than the pipe holds: it would be stuck if nobody read.
            far.write_all(&[b'a'; 4096]).await.unwrap();
            far.shutdown().await.unwrap();
        };
        let server = async {
            let mut read = [0; 128];
            let count = fence.read(&mut read).await.unwrap();
            assert!(read.get(..count).unwrap().starts_with(b"REFUSED "));
            fence.shutdown().await.unwrap();
        };
        tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(client, server) }).await.unwrap();
    }
}
