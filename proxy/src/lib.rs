//! The enforcement point: the only crate with async, HTTP, files and clocks.
//!
//! *Invariant: nothing passes the door without a decision, and no decision without a record.*
//!
//! Read it along the life of a request: [`serve`], [`dialect`], [`chat`], [`segment`], [`detect`], [`enforce`] (the
//! door), [`upstream`], [`exchange`], [`hold`], and back through [`dialect`]. [`audit`] remembers, [`review`] shows.
//!
//! # What an attacker tries
//!
//! | attempt | what stops it |
//! |---|---|
//! | an answer or a request that skips the door | [`enforce::Cleared`] has no constructor outside [`enforce`] (`compile_fail` tests there) |
//! | duplicate keys, keys in another case, two documents | [`json`], the `dialect` readers (`what_is_wrong_is_named`) |
//! | a field nobody scans | every string left in the body is a part (`every_string_that_is_forwarded_is_a_part_in_every_format`) |
//! | harm split over parts or turns | they are also read together (`Kind::Joined`; `split-over-turns.md` in `tests/exchanges`) |
//! | images, audio, token ids | the findings `unreadable.*`, which the shipped policies block |
//! | `stream: true`, odd chunks, a second choice | one path for all ([`exchange`]); cuts depend on the text alone (`pieces_depend_on_the_text_alone`) |
//! | tool arguments in pieces | held until complete (`tool_arguments_wait_until_they_are_complete`) |
//! | a key cut in two | text that may become a match is held (`an_open_key_block_is_held`) |
//! | two lengths, bare line feeds, two hosts, upgrades, trailers | the wire's fence in front of hyper ([`serve`]); `tests/wire`, `tests/http2` |
//! | a foreign name that was made to point here (DNS rebinding) | [`serve::Hosts`], on both ports |
//! | slow heads and bodies, floods of frames, windows that stay shut | the fence's times and budgets; `tests/limits.rs` |
//! | another path, method or encoding | [`dialect::route`] is an exact list; `tests/exchanges` |
//! | making the guard late or crash | a failure is a finding, and the shipped policies block it |
//! | script in a prompt, shown to a reviewer | every text is escaped, strict CSP ([`review`]) |
#![forbid(unsafe_code)]

pub mod audit;
pub mod chat;
pub mod cli;
pub mod config;
pub mod detect;
pub mod dialect;
pub mod enforce;
pub mod exchange;
pub mod hold;
pub mod house;
pub mod json;
pub mod lines;
pub mod models;
pub mod normalise;
pub mod review;
pub mod segment;
pub mod serve;
pub mod sse;
pub mod telemetry;
pub mod upstream;
