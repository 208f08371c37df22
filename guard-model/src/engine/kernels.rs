//! The kernels, and the choice among them: the only module of the crate with `unsafe` code.
//!
//! `unsafe` is needed for two things. A function compiled for AVX-512 or AVX2 may only run where those exist: a
//! [`Level`] can only be had from [`Level::available`], which asks the processor. And vector loads and stores take
//! pointers: each kernel checks the lengths of all slices before its first load.
#![expect(unsafe_code, reason = "vector instructions; see the module's first lines, and the tests against `portable`")]

use super::activations::Activations;
use super::spans::Source;
use super::{Columns, GROUP, Line, STRIP, portable};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod spans2;
#[cfg(target_arch = "x86_64")]
mod spans512;

/// The instructions a computation uses. There is a value only for what this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// All levels of this machine, the fastest last; the first is portable Rust.
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            let all = [(true, Instructions::Portable), (avx2, Instructions::Avx2), (avx512, Instructions::Avx512)];
            all.into_iter().filter(|(has, _)| *has).map(|(_, level)| Self(level)).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![Self(Instructions::Portable)]
    }

    /// Whether [`product`] reads four-bit values two in a byte, which for few rows is quicker than unpacking them.
    pub(crate) fn reads_packed(self, rows: usize) -> bool {
        match self.0 {
            Instructions::Portable => false,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => false,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => rows <= 3,
        }
    }

    /// The fastest level of this machine.
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self(Instructions::Portable))
    }
}

/// 32 columns of a weight matrix, ready for the kernels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strip<'a> {
    /// For each group of 32 rows 16 lines: of every column four values that follow each other, first the columns 0 to
    /// 15, then 16 to 31. A weight is `scale * (value - zero) + least`.
    pub(crate) values: &'a [Line],
    /// Whether there are only half as many lines, as [`unpack_nibbles`] takes them; see [`Level::reads_packed`].
    pub(crate) packed: bool,
    /// A scale for each group and column, or two when every half group has its own.
    pub(crate) scales: &'a [Columns],
    /// Whether every half group has a scale of its own.
    pub(crate) fine: bool,
    /// What is added to each weight of a group and column; may be left out.
    pub(crate) least: Option<&'a [Columns]>,
    /// Which value stands for zero.
    pub(crate) zero: u8,
    /// What the sums of products begin with, for each row of the input and group, or half group: less as many times the
    /// zero as the input's values add up to.
    pub(crate) starts: &'a [i32],
    /// The weights, as they are, of the inputs that [`Activations`] keep apart.
    pub(crate) apart: &'a [Columns],
}

/// Where a product goes.
pub(crate) struct Output<'a> {
    /// Rows of `stride` values; the strip's columns begin at `column`.
    pub(crate) values: &'a mut [f32],
    pub(crate) stride: usize,
    pub(crate) column: usize,
    /// Whether the product is added to what is there.
    pub(crate) add: bool,
}

/// The product of all rows of `input` with the columns of a strip, plus `bias`.
pub(crate) fn product(level: Level, input: &Activations, strip: &Strip<'_>, bias: &Columns, output: &mut Output<'_>) {
    let groups = input.groups();
    let lines = if strip.packed { LINES / 2 } else { LINES };
    let parts = 1 + usize::from(strip.fine);
    assert!(!strip.packed || level.reads_packed(input.rows()), "these kernels read unpacked values");
    assert!(!(strip.packed && strip.fine), "packed values have one scale for each group");
    assert!(strip.values.len() == groups * lines && strip.scales.len() == groups * parts, "the strip has other groups");
    assert!(strip.starts.len() == input.rows() * groups * parts, "the sums begin elsewhere");
    assert!(strip.least.is_none_or(|least| least.len() == groups), "the strip has other groups");
    assert!(input.apart().len() == input.rows() * strip.apart.len(), "other columns are kept apart");
    assert!(output.column + STRIP <= output.stride, "the columns do not fit the output");
    assert!(output.values.len() >= input.rows() * output.stride, "the rows do not fit the output");
    match level.0 {
        Instructions::Portable => portable::product(input, strip, bias, output),
        // SAFETY: the level says that the instructions exist, and the lengths were checked above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe { avx2::product(input, strip, bias, output) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { avx512::product(input, strip, bias, output) },
    }
}

/// Up to eight groups of 32 columns, as a matrix keeps them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'a> {
    /// As in a [`Strip`], two four-bit values in a byte.
    pub(crate) values: &'a [Line],
    /// A scale for each group and column, or two when every half group has its own.
    pub(crate) scales: &'a [Columns],
    /// Whether every half group has a scale of its own.
    pub(crate) fine: bool,
    /// What is added to each weight of a group and column.
    pub(crate) least: Option<&'a [Columns]>,
    /// Which value stands for zero.
    pub(crate) zero: u8,
    /// The greatest value there can be.
    pub(crate) most: u8,
}

/// Rows of a product of many, rounded to eight bits with one scale for each; see [`super::Rounded`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) values: &'a [i8],
    pub(crate) scales: &'a [f32],
    /// What the sums of products begin with: less 128 times the sum of a row's values.
    pub(crate) starts: &'a [i32],
}

/// Writes the weights of a span as bytes round 128, with one scale for each column. They lose at most half a 239th of
/// the span that the column's weights have in both directions.
pub(crate) fn settle(level: Level, span: &Span<'_>, bytes: &mut [Line], scale: &mut Columns) {
    let groups = bytes.len() / LINES;
    let lines = if span.most == 15 { LINES / 2 } else { LINES };
    assert!(bytes.len() == groups * LINES && span.values.len() == groups * lines, "the span has other groups");
    assert!(span.scales.len() == groups * (1 + usize::from(span.fine)), "the span has other scales");
    assert!(span.least.is_none_or(|least| least.len() == groups), "the span has other groups");
    assert!(span.zero <= span.most && !(span.fine && span.most == 15), "there are no such values");
    assert!(span.most != 255 || (span.least.is_none() && span.zero == 128 && !span.fine), "bytes have no offset");
    match level.0 {
        // SAFETY: the level says that the instructions exist, and the lengths were checked above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { spans512::settle(span, bytes, scale) },
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => settle_plainly(level, span, bytes, scale),
        Instructions::Portable => settle_plainly(level, span, bytes, scale),
    }
}

/// Adds the products of all rows of `input` with the columns of a span to `totals`.
pub(crate) fn add_products(level: Level, bytes: &[Line], scale: &Columns, input: &Input<'_>, totals: &mut [Columns]) {
    let rows = totals.len();
    assert!(bytes.len() <= 8 * LINES && bytes.len().is_multiple_of(LINES), "more than a span");
    assert!(input.values.len() == rows * bytes.len() * 2, "the rows have another length");
    assert!(input.scales.len() == rows && input.starts.len() == rows, "there are other rows");
    match level.0 {
        Instructions::Portable => portable::add_products(bytes, scale, input, totals),
        // SAFETY: the level says that the instructions exist, and the lengths were checked above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe { spans2::add_products(bytes, scale, input, totals) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { spans512::add_products(bytes, scale, input, totals) },
    }
}

/// What a thread does in eight-bit products, once for every round: two operations for each of so many pairs of bytes.
/// None where the level has no such instruction.
pub(crate) fn eight_bit_rounds(level: Level, rounds: usize) -> Option<usize> {
    match level.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level says that the instructions exist.
        Instructions::Avx512 => Some(unsafe { spans512::rounds(rounds) }),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => None,
        Instructions::Portable => None,
    }
}

/// The values of all columns, one strip after the other.
pub(crate) fn flat(columns: &[Columns]) -> &[f32] {
    // SAFETY: columns are made of 32 numbers each, without gaps.
    unsafe { std::slice::from_raw_parts(columns.as_ptr().cast(), columns.len() * STRIP) }
}

/// As [`flat`], to be written.
pub(crate) fn flat_mut(columns: &mut [Columns]) -> &mut [f32] {
    // SAFETY: columns are made of 32 numbers each, without gaps.
    unsafe { std::slice::from_raw_parts_mut(columns.as_mut_ptr().cast(), columns.len() * STRIP) }
}

/// Rounds `input`, whose length is a multiple of 32, to eight bits; for each group of 32 a scale, and for each 16 the sum.
pub(crate) fn quantize(level: Level, input: &[f32], values: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
    let groups = input.len() / GROUP;
    assert!(values.len() == groups * GROUP && scales.len() == groups && sums.len() == groups * 2, "other lengths");
    match level.0 {
        // SAFETY: the level says that the instructions exist, and the lengths were checked above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { avx512::quantize(input, values, scales, sums) },
        // SAFETY: the level says that the instructions exist.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe { avx2::quantize(input, values, scales, sums) },
        Instructions::Portable => portable::quantize::<false>(input, values, scales, sums),
    }
}

/// Rows of a product of 32-bit numbers: `output[r] = scales[r] * sum over k of left[r][k] * right[k]`, 32 columns
/// wide; `add` keeps what is there and adds to it.
pub(crate) fn small_product(
    level: Level,
    (left, left_stride): (&[f32], usize),
    right: &[Columns],
    scales: &[f32],
    (output, stride): (&mut [f32], usize),
    add: bool,
) {
    let Some(before) = scales.len().checked_sub(1) else { return };
    assert!(left.len() >= before * left_stride + right.len(), "the rows are too short");
    assert!(output.len() >= before * stride + STRIP && stride >= STRIP, "the output is too short");
    match level.0 {
        // SAFETY: the level says that the instructions exist, and the lengths were checked above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { avx512::small_product(left, left_stride, right, scales, output, stride, add) },
        // SAFETY: the level says that the instructions exist.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe { avx2::small_product(left, left_stride, right, scales, output, stride, add) },
        Instructions::Portable => {
            portable::small_product::<false>(left, left_stride, right, scales, output, stride, add);
        }
    }
}

/// How far from 128 settled weights are at most: a factor from 15 to twice this fits 16 bits with eight behind the point.
pub(crate) const REACH: f32 = 119.5;

/// Lines of a group in a strip.
pub(crate) const LINES: usize = GROUP * STRIP / 64;

/// Compiles a portable function once for each level: its loops are plain, and the compiler uses what it may.
macro_rules! for_each_level {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),* $(,)?);)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name(level: Level, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($argument: $type),*) {
                portable::$name::<true>($($argument),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) {
                portable::$name::<true>($($argument),*);
            }
            match level.0 {
                Instructions::Portable => portable::$name::<false>($($argument),*),
                // SAFETY: the level says that the instructions exist.
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2 => unsafe { avx2($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx512 => unsafe { avx512($($argument),*) },
            }
        }
    )*};
}

for_each_level! {
    /// Brings each row of `width` values to mean 0 and variance 1, then scales and shifts it.
    layer_norm(rows: &mut [f32], width: usize, weight: &[f32], bias: &[f32], epsilon: f32);
    /// Divides each row of `width` values by the root of its mean square, scales it, and writes it to `output`.
    rms_norm(rows: &[f32], width: usize, weight: &[f32], epsilon: f32, output: &mut [f32]);
    /// Rows of gates and as many values, `width` each: `gate / (1 + e^-gate) * value`, one row of `width` for each.
    swiglu(rows: &[f32], width: usize, output: &mut [f32]);
    /// The Gaussian error linear unit of every value.
    gelu(values: &mut [f32]);
    /// Writes 32 four-bit columns as a strip: the low halves of 8 lines, then the high halves.
    unpack_nibbles(packed: &[Line], values: &mut [Line]);
    /// Half-precision scales as single, each for as many of the whole `steps` as its share; without steps as they are.
    unpack_scales(halves: &[[u16; STRIP]], steps: &[[i8; STRIP]], scales: &mut [Columns]);
    /// As [`settle`], for levels that have nothing of their own.
    settle_plainly(span: &Span<'_>, bytes: &mut [Line], scale: &mut Columns);
    /// Rounds the rows of a span to eight bits, with a scale and a start for each; see [`Input`].
    round_span(source: &Source<'_>, values: &mut [i8], scales: &mut [f32], starts: &mut [i32]);
    /// For each row of strips one over the root of its mean square, as many rows as there are factors; the rows of `of`
    /// begin at `first`, `all` to a strip.
    root_means(of: &[Columns], all: usize, first: usize, epsilon: f32, factors: &mut [f32]);
    /// Scores become exponentials less the greatest of them and of `most`; `most` and the `sum` of exponentials go on, and
    /// `kept` is what earlier exponentials are to be multiplied with.
    softmax_on(scores: &mut [f32], most: &mut f32, sum: &mut f32, kept: &mut f32);
    /// Half-precision numbers as single.
    widen(halves: &[[u16; STRIP]], values: &mut [Columns]);
    /// Replaces scores by their exponentials less the greatest, and leaves one over their sum in `share`.
    softmax(scores: &mut [f32], share: &mut f32);
}
