//! The arithmetic of the models: products of eight-bit numbers, and the few functions around them.
//!
//! Weights stay in the blocks their file has: whole numbers of four to eight bits, with a scale for every 32 of them
//! along a row (`Matrix`). Inputs are rounded to eight bits with a scale for every 32 values (`Activations`), so that
//! one large value costs its neighbours nothing. Sums over 32 products are exact; the rest is 32-bit floating point.
//!
//! A product of many rows is computed with one scale for 256 values on both sides (`Rounded`): weights are brought to
//! eight bits once for all rows, which costs a fraction of a percent of their exactness and saves a third of the time.
//!
//! Every kernel exists three times, for AVX-512 VNNI, for AVX2, and in portable Rust, which is what the other two are
//! tested against; [`Level`] says which of them this machine runs.

mod activations;
mod attention;
mod blocks;
mod kernels;
mod linear;
mod matrix;
mod peak;
mod portable;
mod spans;

pub use kernels::Level;

pub(crate) use activations::Activations;
pub(crate) use attention::Attention;
pub(crate) use blocks::Kind;
pub(crate) use kernels::{
    flat, flat_mut, gelu, layer_norm, rms_norm, root_means, small_product, softmax_on, swiglu, widen,
};
pub(crate) use linear::Linear;
pub(crate) use matrix::{Matrix, Workspace};
pub(crate) use peak::eight_bit_peak;
pub(crate) use portable::{half, half_bits};
pub(crate) use spans::{Rounded, Source};

/// Values that share a scale.
pub(crate) const GROUP: usize = 32;

/// Columns of a product that are computed side by side.
pub(crate) const STRIP: usize = 32;

/// Bytes on a boundary of a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u8; 64]);

/// One value for each column of a strip.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Columns(pub(crate) [f32; STRIP]);

#[cfg(test)]
mod tests;
