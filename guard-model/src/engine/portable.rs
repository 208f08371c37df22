//! The kernels in portable Rust: what the vector kernels are tested against, and what runs where there are none.
//!
//! The loops work on whole groups of fixed length and are always inlined, so that the compiler turns them into vector
//! instructions where [`super::kernels`] compiles them for a level that has some. `FUSED` says whether the level
//! multiplies and adds in one instruction; without one, `mul_add` would be a slow call.

#![expect(clippy::inline_always, reason = "only inside its caller is a loop compiled for the caller's instructions")]

mod spans;

pub(super) use spans::{add_products, root_means, round_span, settle_plainly, softmax_on, widen};

use super::activations::Activations;
use super::kernels::{LINES, Output, Strip};
use super::{Columns, GROUP, Line, STRIP};

/// See [`super::kernels::product`].
pub(super) fn product(input: &Activations, strip: &Strip<'_>, bias: &Columns, output: &mut Output<'_>) {
    let groups = input.groups();
    let outputs = output.values.chunks_exact_mut(output.stride);
    let rows = input.values().chunks_exact(groups * GROUP).zip(input.scales().chunks_exact(groups)).zip(outputs);
    for (row, ((values, scales), to)) in rows.enumerate() {
        let mut total = bias.0;
        for (weights, value) in strip.apart.iter().zip(input.apart().iter().skip(row * strip.apart.len())) {
            total.iter_mut().zip(weights.0).for_each(|(total, weight)| *total += weight * value);
        }
        let parts = 1 + usize::from(strip.fine);
        let lines = strip.values.chunks_exact(LINES).zip(strip.scales.chunks_exact(parts)).enumerate();
        for ((values, own), (at, (lines, scales))) in values.as_chunks::<GROUP>().0.iter().zip(scales).zip(lines) {
            let sides = lines.chunks_exact(LINES / parts).zip(values.chunks_exact(GROUP / parts)).zip(scales);
            for ((lines, values), scale) in sides {
                let mut sum = [0_i32; STRIP];
                let steps = lines.as_chunks::<2>().0.iter().zip(values.as_chunks::<4>().0);
                for ([left, right], four) in steps {
                    let columns = left.0.as_chunks::<4>().0.iter().chain(right.0.as_chunks::<4>().0);
                    for (sum, weights) in sum.iter_mut().zip(columns) {
                        for (weight, value) in weights.iter().zip(four) {
                            *sum += (i32::from(*weight) - i32::from(strip.zero)) * i32::from(*value);
                        }
                    }
                }
                for ((total, sum), scale) in total.iter_mut().zip(sum).zip(scale.0) {
                    *total += sum as f32 * (scale * own);
                }
            }
            if let Some(least) = strip.least.and_then(|least| least.get(at)) {
                let all = own * values.iter().map(|value| i32::from(*value)).sum::<i32>() as f32;
                total.iter_mut().zip(least.0).for_each(|(total, least)| *total += least * all);
            }
        }
        for (to, total) in to.iter_mut().skip(output.column).zip(total) {
            *to = if output.add { *to + total } else { total };
        }
    }
}

/// See [`super::kernels::quantize`].
#[inline(always)]
pub(super) fn quantize<const FUSED: bool>(input: &[f32], values: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
    let groups = input.as_chunks::<GROUP>().0.iter().zip(values.as_chunks_mut::<GROUP>().0);
    for ((input, values), (scale, sums)) in groups.zip(scales.iter_mut().zip(sums.as_chunks_mut::<2>().0)) {
        let most = greatest(input);
        *scale = most / 127.0;
        let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
        // Adding this number leaves the value, rounded, in the lowest bits.
        let mut whole = [0_i32; GROUP];
        for (whole, value) in whole.iter_mut().zip(input) {
            *whole = mul_add::<FUSED>(*value, inverse, ROUND).to_bits().cast_signed() - ROUND.to_bits().cast_signed();
        }
        for (value, whole) in values.iter_mut().zip(whole) {
            *value = whole as i8;
        }
        for (sum, whole) in sums.iter_mut().zip(whole.as_chunks::<16>().0) {
            *sum = whole.iter().sum();
        }
    }
}

/// One and a half times two to the 23rd: from here on single floats are whole numbers.
const ROUND: f32 = 12_582_912.0;

/// See [`super::kernels::layer_norm`].
#[inline(always)]
pub(super) fn layer_norm<const FUSED: bool>(
    rows: &mut [f32],
    width: usize,
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
) {
    for row in rows.chunks_exact_mut(width) {
        let mean = sum::<FUSED>(row, |value| value) / width as f32;
        let variance = sum::<FUSED>(row, |value| (value - mean) * (value - mean)) / width as f32;
        let scale = 1.0 / (variance + epsilon).sqrt();
        for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
            *value = mul_add::<FUSED>((*value - mean) * scale, *weight, *bias);
        }
    }
}

/// See [`super::kernels::rms_norm`].
#[inline(always)]
pub(super) fn rms_norm<const FUSED: bool>(
    rows: &[f32],
    width: usize,
    weight: &[f32],
    epsilon: f32,
    output: &mut [f32],
) {
    for (row, output) in rows.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
        let scale = 1.0 / (sum::<FUSED>(row, |value| value * value) / width as f32 + epsilon).sqrt();
        for ((value, weight), output) in row.iter().zip(weight).zip(output) {
            *output = value * scale * weight;
        }
    }
}

/// See [`super::kernels::swiglu`].
#[inline(always)]
pub(super) fn swiglu<const FUSED: bool>(rows: &[f32], width: usize, output: &mut [f32]) {
    for (row, output) in rows.chunks_exact(2 * width).zip(output.chunks_exact_mut(width)) {
        let (gates, values) = row.split_at(width);
        for ((gate, value), output) in gates.iter().zip(values).zip(output) {
            *output = gate / (1.0 + exponential::<FUSED>(-gate)) * value;
        }
    }
}

/// See [`super::kernels::gelu`].
#[inline(always)]
pub(super) fn gelu<const FUSED: bool>(values: &mut [f32]) {
    for value in values {
        // Abramowitz and Stegun 7.1.26: the error function within 1.5e-7.
        let x = value.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / mul_add::<FUSED>(x, 0.327_591_1, 1.0);
        let mut series = mul_add::<FUSED>(t, 1.061_405_4, -1.453_152_1);
        series = mul_add::<FUSED>(t, series, 1.421_413_8);
        series = mul_add::<FUSED>(t, series, -0.284_496_72);
        series = mul_add::<FUSED>(t, series, 0.254_829_6);
        let tail = series * t * exponential::<FUSED>(-x * x);
        // The tail is one less the error function of the absolute value.
        let below = 0.5 * tail;
        *value *= if *value < 0.0 { below } else { 1.0 - below };
    }
}

/// See [`super::kernels::unpack_nibbles`].
#[inline(always)]
pub(super) fn unpack_nibbles<const FUSED: bool>(packed: &[Line], values: &mut [Line]) {
    for (packed, values) in packed.chunks_exact(LINES / 2).zip(values.chunks_exact_mut(LINES)) {
        let (low, high) = values.split_at_mut(LINES / 2);
        for ((packed, low), high) in packed.iter().zip(low).zip(high) {
            for ((byte, low), high) in packed.0.iter().zip(&mut low.0).zip(&mut high.0) {
                *low = byte & 15;
                *high = byte >> 4;
            }
        }
    }
}

/// See [`super::kernels::unpack_scales`].
#[inline(always)]
pub(super) fn unpack_scales<const FUSED: bool>(halves: &[[u16; STRIP]], steps: &[[i8; STRIP]], scales: &mut [Columns]) {
    let share = scales.len() / halves.len().max(1);
    for (halves, scales) in halves.iter().zip(scales.chunks_exact_mut(share.max(1))) {
        for scales in scales {
            for (scale, bits) in scales.0.iter_mut().zip(halves) {
                *scale = half(*bits);
            }
        }
    }
    for (scales, steps) in scales.iter_mut().zip(steps) {
        for (scale, step) in scales.0.iter_mut().zip(steps) {
            *scale *= f32::from(*step);
        }
    }
}

/// A half-precision number, which must be finite: its bits moved, and the exponents' different zeros made equal.
#[inline(always)]
pub(crate) fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    f32::from_bits(rest.to_bits() | sign)
}

/// The half-precision number nearest to a number; what is too great for one becomes the greatest.
#[inline(always)]
pub(crate) fn half_bits(value: f32) -> u16 {
    let sign = (value.to_bits() >> 16 & 0x8000) as u16;
    let value = value.abs().min(65504.0);
    // As the other way round; adding a number 2^13 times the last place leaves what fits, rounded, also of small ones.
    let scaled = value * f32::from_bits(0x0780_0000);
    let bits = scaled.to_bits();
    let rounded = (bits + 0x0fff + (bits >> 13 & 1)) >> 13;
    sign | rounded as u16
}

/// See [`super::kernels::softmax`].
#[inline(always)]
pub(super) fn softmax<const FUSED: bool>(scores: &mut [f32], share: &mut f32) {
    let (chunks, rest) = scores.as_chunks::<16>();
    let mut most = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        most.iter_mut().zip(chunk).for_each(|(most, score)| *most = most.max(*score));
    }
    let most = rest.iter().chain(&most).copied().fold(f32::NEG_INFINITY, f32::max);
    for score in scores.iter_mut() {
        *score = exponential::<FUSED>(*score - most);
    }
    *share = 1.0 / sum::<FUSED>(scores, |score| score);
}

/// See [`super::kernels::small_product`].
#[inline(always)]
pub(super) fn small_product<const FUSED: bool>(
    left: &[f32],
    left_stride: usize,
    right: &[Columns],
    scales: &[f32],
    output: &mut [f32],
    stride: usize,
    add: bool,
) {
    let rows = scales.len();
    let mut row = 0;
    while row < rows {
        let left = left.get(row * left_stride..).unwrap_or_default();
        let output = output.get_mut(row * stride..).unwrap_or_default();
        let scales = scales.get(row..).unwrap_or_default();
        if rows - row >= 4 {
            small_tile::<4, FUSED>(left, left_stride, right, scales, output, stride, add);
            row += 4;
        } else {
            small_tile::<1, FUSED>(left, left_stride, right, scales, output, stride, add);
            row += 1;
        }
    }
}

#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "the rows' lengths are checked first, and `get` would hide that from the compiler"
)]
fn small_tile<const ROWS: usize, const FUSED: bool>(
    left: &[f32],
    left_stride: usize,
    right: &[Columns],
    scales: &[f32],
    output: &mut [f32],
    stride: usize,
    add: bool,
) {
    let mut lefts: [&[f32]; ROWS] = [&[]; ROWS];
    for (r, row) in lefts.iter_mut().enumerate() {
        *row = left.get(r * left_stride..r * left_stride + right.len()).unwrap_or_default();
    }
    assert!(lefts.iter().all(|row| row.len() == right.len()), "the rows are too short");
    let mut total = [[0.0_f32; STRIP]; ROWS];
    for (k, right) in right.iter().enumerate() {
        for (row, total) in lefts.iter().zip(&mut total) {
            let value = row[k];
            for (total, right) in total.iter_mut().zip(&right.0) {
                *total = mul_add::<FUSED>(value, *right, *total);
            }
        }
    }
    for ((total, scale), output) in total.iter().zip(scales).zip(output.chunks_mut(stride)) {
        for (to, total) in output.iter_mut().zip(total) {
            *to = if add { mul_add::<FUSED>(*total, *scale, *to) } else { total * scale };
        }
    }
}

/// `e` to the power of a number that is not above zero by much; far below zero it is zero.
#[inline(always)]
fn exponential<const FUSED: bool>(value: f32) -> f32 {
    let value = value.clamp(-87.0, 88.0);
    let shifted = mul_add::<FUSED>(value, std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    // The logarithm of two in two parts, so that nothing is lost.
    let rest = mul_add::<FUSED>(whole, -0.693_359_4, value);
    let rest = mul_add::<FUSED>(whole, 2.121_944_4e-4, rest);
    let mut series = mul_add::<FUSED>(rest, 1.987_569_1e-4, 1.398_199_9e-3);
    series = mul_add::<FUSED>(rest, series, 8.333_452e-3);
    series = mul_add::<FUSED>(rest, series, 4.166_579_6e-2);
    series = mul_add::<FUSED>(rest, series, 0.166_666_65);
    series = mul_add::<FUSED>(rest, series, 0.5);
    series = mul_add::<FUSED>(rest * rest, series, rest + 1.0);
    let power = (shifted.to_bits().cast_signed() - ROUND.to_bits().cast_signed() + 127) << 23;
    series * f32::from_bits(power.cast_unsigned())
}

/// The sum of a function of all values, in 16 sums side by side.
#[inline(always)]
fn sum<const FUSED: bool>(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0_f32; 16];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += of(*value));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| of(*value)).sum::<f32>()
}

/// The greatest absolute value.
#[inline(always)]
fn greatest(values: &[f32; GROUP]) -> f32 {
    let (left, right) = values.split_at(16);
    let mut most = [0.0_f32; 16];
    for ((most, left), right) in most.iter_mut().zip(left).zip(right) {
        *most = left.abs().max(right.abs());
    }
    let mut width = 8;
    while width > 0 {
        let (low, high) = most.split_at_mut(width);
        for (low, high) in low.iter_mut().zip(high) {
            *low = low.max(*high);
        }
        width /= 2;
    }
    most.first().copied().unwrap_or_default()
}

#[inline(always)]
fn mul_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}
