//! The products of many rows, and what comes before and after them, in portable Rust.

#![expect(clippy::inline_always, reason = "only inside its caller is a loop compiled for the caller's instructions")]

use super::super::kernels::{Input, LINES, REACH, Span};
use super::super::spans::{SPAN, Source};
use super::super::{Columns, GROUP, Line, STRIP};
use super::{ROUND, exponential, half, mul_add, sum};

/// See [`super::super::kernels::settle`].
#[inline(always)]
pub(in super::super) fn settle_plainly<const FUSED: bool>(span: &Span<'_>, bytes: &mut [Line], scale: &mut Columns) {
    let parts = 1 + usize::from(span.fine);
    let (zero, above) = (f32::from(span.zero), f32::from(span.most - span.zero));
    let least = |group: usize| span.least.and_then(|least| least.get(group)).map_or(&[0.0; STRIP], |least| &least.0);
    let mut most = [0.0_f32; STRIP];
    for (part, scales) in span.scales.iter().enumerate() {
        for ((most, scale), least) in most.iter_mut().zip(&scales.0).zip(least(part / parts)) {
            *most = most.max((scale * above + least).abs()).max((least - scale * zero).abs());
        }
    }
    scale.0 = most.map(|most| most / REACH);
    let inverse = most.map(|most| if most > 0.0 { REACH / most } else { 0.0 });
    let four = span.most == 15;
    let values = span.values.chunks_exact(if four { LINES / 2 } else { LINES });
    for (group, (values, bytes)) in values.zip(bytes.chunks_exact_mut(LINES)).enumerate() {
        for (at, to) in bytes.iter_mut().enumerate() {
            let (half, scales) = (at % 2 * 16, span.scales.get(group * parts + at / 8 * (parts - 1)));
            let (from, shift) = if four { (values.get(at % 8), at / 8 * 4) } else { (values.get(at), 0) };
            let (Some(from), Some(scales)) = (from, scales) else { return };
            let columns = scales.0.iter().zip(least(group)).zip(&inverse).skip(half);
            let fours = to.0.as_chunks_mut::<4>().0.iter_mut().zip(from.0.as_chunks::<4>().0);
            for ((to, from), ((scale, least), inverse)) in fours.zip(columns) {
                for (to, from) in to.iter_mut().zip(from) {
                    let value = if four { from >> shift & 15 } else { *from };
                    let weight = mul_add::<FUSED>(scale * inverse, f32::from(value) - zero, least * inverse);
                    *to = (weight + 128.5) as u8;
                }
            }
        }
    }
}

/// See [`super::super::kernels::add_products`].
pub(in super::super) fn add_products(bytes: &[Line], scale: &Columns, input: &Input<'_>, totals: &mut [Columns]) {
    let rows = input.values.chunks_exact((bytes.len() * 2).max(1)).zip(input.scales);
    for ((values, own), total) in rows.zip(totals) {
        let mut sum = [0_i32; STRIP];
        for ([left, right], four) in bytes.as_chunks::<2>().0.iter().zip(values.as_chunks::<4>().0) {
            let columns = left.0.as_chunks::<4>().0.iter().chain(right.0.as_chunks::<4>().0);
            for (sum, weights) in sum.iter_mut().zip(columns) {
                for (weight, value) in weights.iter().zip(four) {
                    *sum += (i32::from(*weight) - 128) * i32::from(*value);
                }
            }
        }
        for ((total, sum), scale) in total.0.iter_mut().zip(sum).zip(scale.0) {
            *total += sum as f32 * (scale * own);
        }
    }
}

/// See [`super::super::kernels::round_span`].
#[inline(always)]
pub(in super::super) fn round_span<const FUSED: bool>(
    source: &Source<'_>,
    values: &mut [i8],
    scales: &mut [f32],
    starts: &mut [i32],
) {
    let rows = scales.len();
    let length = values.len() / rows.max(1);
    let mut held = [[0.0_f32; GROUP]; SPAN];
    for (row, ((values, scale), start)) in values.chunks_exact_mut(length.max(1)).zip(scales).zip(starts).enumerate() {
        let held = held.get_mut(..length / GROUP).unwrap_or_default();
        let factor = source.read::<FUSED>(row, rows, held);
        let mut most = [0.0_f32; GROUP];
        for group in held.iter() {
            most.iter_mut().zip(group).for_each(|(most, value)| *most = most.max(value.abs()));
        }
        let most = most.iter().copied().fold(0.0, f32::max);
        *scale = most / 127.0 * factor;
        let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
        let mut total = [0_i32; GROUP];
        for (group, values) in held.iter().zip(values.as_chunks_mut::<GROUP>().0) {
            let mut whole = [0_i32; GROUP];
            for (whole, value) in whole.iter_mut().zip(group) {
                // Adding this number leaves the value, rounded, in the lowest bits.
                let bits = mul_add::<FUSED>(*value, inverse, ROUND).to_bits();
                *whole = bits.cast_signed() - ROUND.to_bits().cast_signed();
            }
            values.iter_mut().zip(&whole).for_each(|(value, whole)| *value = *whole as i8);
            total.iter_mut().zip(&whole).for_each(|(total, whole)| *total += whole);
        }
        *start = -128 * total.iter().sum::<i32>();
    }
}

impl Source<'_> {
    /// Writes the values of a row of the span's strips, each of `rows`; what they are still to be multiplied with.
    #[inline(always)]
    fn read<const FUSED: bool>(&self, row: usize, rows: usize, held: &mut [[f32; GROUP]]) -> f32 {
        match self {
            Source::Plain(values) => {
                for (held, values) in held.iter_mut().zip(values.iter().skip(row).step_by(rows)) {
                    *held = values.0;
                }
                1.0
            }
            Source::Normed { values, weight, factors } => {
                let values = values.iter().skip(row).step_by(rows).zip(*weight);
                for (held, (values, weight)) in held.iter_mut().zip(values) {
                    for ((held, value), weight) in held.iter_mut().zip(&values.0).zip(&weight.0) {
                        *held = value * weight;
                    }
                }
                factors.get(row).copied().unwrap_or_default()
            }
            Source::Gated { gates, values } => {
                let pairs = gates.iter().zip(*values).skip(row).step_by(rows);
                for (held, (gates, values)) in held.iter_mut().zip(pairs) {
                    for ((held, gate), value) in held.iter_mut().zip(&gates.0).zip(&values.0) {
                        *held = gate / (1.0 + exponential::<FUSED>(-gate)) * value;
                    }
                }
                1.0
            }
        }
    }
}

/// See [`super::super::kernels::root_means`].
#[inline(always)]
pub(in super::super) fn root_means<const FUSED: bool>(
    of: &[Columns],
    all: usize,
    first: usize,
    epsilon: f32,
    factors: &mut [f32],
) {
    let width = of.len() / all.max(1) * STRIP;
    for (row, factor) in (first..).zip(factors) {
        let mut squares = [0.0_f32; STRIP];
        for columns in of.iter().skip(row).step_by(all.max(1)) {
            for (square, value) in squares.iter_mut().zip(&columns.0) {
                *square = mul_add::<FUSED>(*value, *value, *square);
            }
        }
        *factor = 1.0 / (squares.iter().sum::<f32>() / width as f32 + epsilon).sqrt();
    }
}

/// See [`super::super::kernels::softmax_on`].
#[inline(always)]
pub(in super::super) fn softmax_on<const FUSED: bool>(
    scores: &mut [f32],
    most: &mut f32,
    total: &mut f32,
    kept: &mut f32,
) {
    let (chunks, rest) = scores.as_chunks::<16>();
    let mut greatest = [*most; 16];
    for chunk in chunks {
        greatest.iter_mut().zip(chunk).for_each(|(most, score)| *most = most.max(*score));
    }
    let greatest = rest.iter().chain(&greatest).copied().fold(f32::NEG_INFINITY, f32::max);
    *kept = if greatest > *most { exponential::<FUSED>(*most - greatest) } else { 1.0 };
    *most = greatest;
    for score in scores.iter_mut() {
        *score = exponential::<FUSED>(*score - greatest);
    }
    *total = *total * *kept + sum::<FUSED>(scores, |score| score);
}

/// See [`super::super::kernels::widen`].
#[inline(always)]
pub(in super::super) fn widen<const FUSED: bool>(halves: &[[u16; STRIP]], values: &mut [Columns]) {
    for (halves, values) in halves.iter().zip(values) {
        for (value, bits) in values.0.iter_mut().zip(halves) {
            *value = half(*bits);
        }
    }
}
