//! The wire: what a connection's bytes must be before anybody reads them as requests.
//!
//! hyper is lenient where leniency is safe for a server that trusts its clients; here a byte that two readers could
//! understand in two ways is a refusal. A [`Fence`](fence::Fence) stands between the socket and hyper. Of HTTP/1 it hands over
//! only heads that are beyond doubt, and knows where each body ends; of HTTP/2 it counts frames, because the framing itself is
//! read strictly by hyper's own reader, and [`request`] looks at what that made of a head.
//!
//! What is refused is answered in order, recorded once, and ends the connection: the fence replaces an offending head by one
//! that no client can send ([`http1::REFUSED`]), so hyper writes the answer after those that are still due.
//!
//! Limits: at most one record for each connection that breaks the rules; at most 40 KiB are held for one (a head of 24 KiB, two
//! pieces of 8 KiB); every byte is looked at once.

mod chunks;
mod connection;
mod fence;
mod fields;
mod frames;
mod hosts;
mod http1;
mod http2;
mod line;
mod refuse;
mod request;
mod violation;

pub(super) use connection::{Place, serve};
pub use hosts::{HostError, Hosts};

use std::time::Duration;

use super::Service;

/// What the fence measures by.
#[derive(Debug)]
pub(super) struct Rules {
    /// The names this server answers to.
    pub(super) hosts: Hosts,
    /// The longest body, in bytes.
    pub(super) body_bytes: u64,
    /// How long a head may take, and each further KiB of a body.
    pub(super) slow: Duration,
    /// How long a connection may be open with nothing to do.
    pub(super) idle: Duration,
    /// How long a client may read nothing of what waits for it.
    pub(super) stall: Duration,
}

impl Rules {
    /// The rules of a listener.
    pub(super) fn new(service: &Service) -> Self {
        let limits = &service.limits;
        Self {
            hosts: service.hosts.clone(),
            body_bytes: limits.body_bytes as u64,
            slow: Duration::from_millis(limits.head_ms),
            idle: Duration::from_millis(limits.idle_ms),
            stall: Duration::from_millis(limits.stall_ms),
        }
    }
}
