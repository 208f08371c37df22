//! The kernels for AVX2.

use super::super::portable;
use super::{Activations, Columns, LINES, Output, Strip};
use std::arch::x86_64::{
    __m256, __m256i, _mm256_abs_epi8, _mm256_add_epi32, _mm256_add_ps, _mm256_cvtepi32_ps, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_sign_epi8, _mm256_storeu_ps, _mm256_xor_si256,
};

/// # Safety
/// The lengths must be those that [`super::product`] checks.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn product(input: &Activations, strip: &Strip<'_>, bias: &Columns, output: &mut Output<'_>) {
    // Products of whole bytes overflow the 16 bits they are added in, unless their signs are moved to one side.
    let signed = strip.zero == 128;
    for eighth in 0..4 {
        let mut row = 0;
        while row < input.rows() {
            // SAFETY: at most as many rows as are left, and four times eight columns.
            row += unsafe {
                match (input.rows() - row, signed) {
                    (1, false) => tile::<1, false>(input, row, eighth, strip, bias, output),
                    (2 | 3, false) => tile::<2, false>(input, row, eighth, strip, bias, output),
                    (_, false) => tile::<4, false>(input, row, eighth, strip, bias, output),
                    (1, true) => tile::<1, true>(input, row, eighth, strip, bias, output),
                    (2 | 3, true) => tile::<2, true>(input, row, eighth, strip, bias, output),
                    (_, true) => tile::<4, true>(input, row, eighth, strip, bias, output),
                }
            };
        }
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn quantize(input: &[f32], values: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
    portable::quantize::<true>(input, values, scales, sums);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn small_product(
    left: &[f32],
    left_stride: usize,
    right: &[Columns],
    scales: &[f32],
    output: &mut [f32],
    stride: usize,
    add: bool,
) {
    portable::small_product::<true>(left, left_stride, right, scales, output, stride, add);
}

/// `ROWS` rows by the eight columns from `8 * eighth`.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const ROWS: usize, const SIGNED: bool>(
    input: &Activations,
    row: usize,
    eighth: usize,
    strip: &Strip<'_>,
    bias: &Columns,
    output: &mut Output<'_>,
) -> usize {
    let groups = input.groups();
    // SAFETY: as in the AVX-512 kernel; of each pair of lines the columns `8 * eighth..8 * eighth + 8` are read.
    unsafe {
        let values = input.values().as_ptr().add(row * groups * 32);
        let scales = input.scales().as_ptr().add(row * groups);
        let totals = input.totals().as_ptr().add(row * groups);
        let parts = 1 + usize::from(strip.fine);
        let starts = strip.starts.as_ptr().add(row * groups * parts);
        let ones = _mm256_set1_epi16(1);
        let top = _mm256_set1_epi8(i8::MIN);
        let mut total: [__m256; ROWS] = [_mm256_loadu_ps(bias.0.as_ptr().add(8 * eighth)); ROWS];
        let apart = input.apart().as_ptr().add(row * strip.apart.len());
        for (at, weights) in strip.apart.iter().enumerate() {
            let weights = _mm256_loadu_ps(weights.0.as_ptr().add(8 * eighth));
            for (r, total) in total.iter_mut().enumerate() {
                let value = _mm256_set1_ps(*apart.add(r * strip.apart.len() + at));
                *total = _mm256_fmadd_ps(weights, value, *total);
            }
        }
        for group in 0..groups {
            for part in 0..parts {
                let mut sum: [__m256i; ROWS] = [_mm256_set1_epi32(0); ROWS];
                for (r, sum) in sum.iter_mut().enumerate() {
                    if !SIGNED {
                        *sum = _mm256_set1_epi32(*starts.add((r * groups + group) * parts + part));
                    }
                }
                let lines = strip.values.as_ptr().add(group * LINES).cast::<i32>().add(8 * eighth);
                for step in part * 8 / parts..(part + 1) * 8 / parts {
                    let mut weights = _mm256_loadu_si256(lines.add(step * 32).cast());
                    if SIGNED {
                        weights = _mm256_xor_si256(weights, top);
                    }
                    for (r, sum) in sum.iter_mut().enumerate() {
                        let four = values.add((r * groups + group) * 32 + step * 4).cast::<i32>().read_unaligned();
                        let four = _mm256_set1_epi32(four);
                        let pairs = if SIGNED {
                            _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(four, weights))
                        } else {
                            _mm256_maddubs_epi16(weights, four)
                        };
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                    }
                }
                let scale = strip.scales.as_ptr().add(group * parts + part).cast::<f32>();
                let scale = _mm256_loadu_ps(scale.add(8 * eighth));
                for (r, (total, sum)) in total.iter_mut().zip(sum).enumerate() {
                    let both = _mm256_mul_ps(scale, _mm256_set1_ps(*scales.add(r * groups + group)));
                    *total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), both, *total);
                }
            }
            if let Some(least) = strip.least {
                let least = _mm256_loadu_ps(least.as_ptr().add(group).cast::<f32>().add(8 * eighth));
                for (r, total) in total.iter_mut().enumerate() {
                    let own = _mm256_set1_ps(*totals.add(r * groups + group));
                    *total = _mm256_fmadd_ps(least, own, *total);
                }
            }
        }
        for (r, mut total) in total.into_iter().enumerate() {
            let to = output.values.as_mut_ptr().add((row + r) * output.stride + output.column + 8 * eighth);
            if output.add {
                total = _mm256_add_ps(total, _mm256_loadu_ps(to));
            }
            _mm256_storeu_ps(to, total);
        }
    }
    ROWS
}
