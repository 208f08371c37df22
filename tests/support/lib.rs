//! What the end-to-end tests share: the real binary, a scripted upstream, and a client that sends bytes as they are.

pub mod bypass;
pub mod client;
pub mod document;
pub mod proxy;
pub mod upstream;
