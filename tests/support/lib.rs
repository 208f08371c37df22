//! What the end-to-end tests share: the real binary, a scripted upstream, and a client that sends bytes as they are.

pub mod bypass;
pub mod client;
pub mod document;
pub mod generator;
pub mod http2;
pub mod proxy;
pub mod raw;
pub mod stock;
pub mod table;
pub mod upstream;
