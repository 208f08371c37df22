//! The products of many rows for AVX2.

use super::{Columns, Input, Line};
use std::arch::x86_64::{
    __m256i, _mm256_abs_epi8, _mm256_add_epi32, _mm256_add_ps, _mm256_cvtepi32_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_sign_epi8, _mm256_storeu_ps, _mm256_xor_si256,
};

/// # Safety
/// The lengths must be those that [`super::add_products`] checks.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn add_products(bytes: &[Line], scale: &Columns, input: &Input<'_>, totals: &mut [Columns]) {
    for eighth in 0..4 {
        let mut row = 0;
        while row < totals.len() {
            // SAFETY: at most as many rows as are left, and four times eight columns.
            row += unsafe {
                match totals.len() - row {
                    1 => tile::<1>(bytes, scale, input, (row, eighth), totals),
                    2 | 3 => tile::<2>(bytes, scale, input, (row, eighth), totals),
                    _ => tile::<4>(bytes, scale, input, (row, eighth), totals),
                }
            };
        }
    }
}

/// `ROWS` rows by the eight columns from `8 * eighth`.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const ROWS: usize>(
    bytes: &[Line],
    scale: &Columns,
    input: &Input<'_>,
    (row, eighth): (usize, usize),
    totals: &mut [Columns],
) -> usize {
    let length = bytes.len() * 2;
    // SAFETY: row + ROWS is at most the number of rows; each has `length` values and one scale.
    unsafe {
        let values = input.values.as_ptr().add(row * length);
        let (ones, top) = (_mm256_set1_epi16(1), _mm256_set1_epi8(i8::MIN));
        let mut sum: [__m256i; ROWS] = [_mm256_set1_epi32(0); ROWS];
        for step in 0..length / 4 {
            // Products of whole bytes overflow the 16 bits they are added in, unless their signs are moved to one side.
            let weights = bytes.as_ptr().add(2 * step).cast::<u8>().add(32 * eighth);
            let weights = _mm256_xor_si256(_mm256_loadu_si256(weights.cast()), top);
            for (r, sum) in sum.iter_mut().enumerate() {
                let four = _mm256_set1_epi32(values.add(r * length + step * 4).cast::<i32>().read_unaligned());
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(four, weights));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        let scale = _mm256_loadu_ps(scale.0.as_ptr().add(8 * eighth));
        for (r, sum) in sum.into_iter().enumerate() {
            let both = _mm256_mul_ps(scale, _mm256_set1_ps(*input.scales.as_ptr().add(row + r)));
            let to = totals.as_mut_ptr().add(row + r).cast::<f32>().add(8 * eighth);
            _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), _mm256_mul_ps(_mm256_cvtepi32_ps(sum), both)));
        }
    }
    ROWS
}
