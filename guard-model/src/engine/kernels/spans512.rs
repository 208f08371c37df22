//! The products of many rows for AVX-512 VNNI.

use super::{Columns, Input, LINES, Line, REACH, Span};
use std::arch::x86_64::{
    __m512, __m512i, _mm512_abs_ps, _mm512_add_epi16, _mm512_and_si512, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps,
    _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_load_ps, _mm512_load_si512,
    _mm512_maskz_div_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_mulhrs_epi16, _mm512_mullo_epi16, _mm512_or_si512,
    _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi16, _mm512_slli_epi32,
    _mm512_srli_epi16, _mm512_store_ps, _mm512_store_si512, _mm512_ternarylogic_epi32, _mm512_xor_si512,
};

/// # Safety
/// The lengths must be those that [`super::settle`] checks.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
pub(super) unsafe fn settle(span: &Span<'_>, bytes: &mut [Line], scale: &mut Columns) {
    for half in 0..2 {
        // SAFETY: `half` is one of two.
        unsafe {
            let (inverse, own) = reach(span, half);
            _mm512_store_ps(scale.0.as_mut_ptr().add(16 * half), own);
            match span.most {
                15 => four_bits(span, half, inverse, bytes),
                255 => eight_bits(span, half, inverse, bytes),
                _ => some_bits(span, half, inverse, bytes),
            }
        }
    }
}

/// What brings the largest weight of each column to [`REACH`], and the scale that undoes it.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn reach(span: &Span<'_>, half: usize) -> (__m512, __m512) {
    let parts = 1 + usize::from(span.fine);
    let (above, below) = (_mm512_set1_ps(f32::from(span.most - span.zero)), _mm512_set1_ps(f32::from(span.zero)));
    let mut most = _mm512_setzero_ps();
    for (at, scale) in span.scales.iter().enumerate() {
        // SAFETY: there is a least for each group when there are any.
        unsafe {
            let scale = _mm512_load_ps(scale.0.as_ptr().add(16 * half));
            let least = least(span, at / parts, half);
            let ends = [_mm512_fmadd_ps(scale, above, least), _mm512_fnmadd_ps(scale, below, least)];
            most = _mm512_max_ps(most, _mm512_max_ps(_mm512_abs_ps(ends[0]), _mm512_abs_ps(ends[1])));
        }
    }
    let some = _mm512_cmp_ps_mask::<30>(most, _mm512_setzero_ps());
    let inverse = _mm512_maskz_div_ps(some, _mm512_set1_ps(REACH), most);
    (inverse, _mm512_mul_ps(most, _mm512_set1_ps(1.0 / REACH)))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn least(span: &Span<'_>, group: usize, half: usize) -> __m512 {
    match span.least {
        // SAFETY: there is one for each group.
        Some(least) => unsafe { _mm512_load_ps(least.as_ptr().add(group).cast::<f32>().add(16 * half)) },
        None => _mm512_setzero_ps(),
    }
}

/// Factor and summand of a part of a group, in units of 1/256, twice in each 32 bits.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn line(span: &Span<'_>, part: usize, half: usize, inverse: __m512) -> (__m512i, __m512i) {
    let parts = 1 + usize::from(span.fine);
    // SAFETY: `part` is less than the number of scales.
    unsafe {
        let scale = _mm512_load_ps(span.scales.as_ptr().add(part).cast::<f32>().add(16 * half));
        let unit = _mm512_mul_ps(inverse, _mm512_set1_ps(256.0));
        let first = _mm512_fnmadd_ps(scale, _mm512_set1_ps(f32::from(span.zero)), least(span, part / parts, half));
        // Half a unit more, since what is below the byte is cut off.
        let first = _mm512_fmadd_ps(first, unit, _mm512_set1_ps(128.5 * 256.0));
        (twice(_mm512_cvtps_epi32(_mm512_mul_ps(scale, unit))), twice(_mm512_cvtps_epi32(first)))
    }
}

/// The low 16 bits of each 32, twice.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
fn twice(values: __m512i) -> __m512i {
    _mm512_or_si512(_mm512_and_si512(values, _mm512_set1_epi32(0xffff)), _mm512_slli_epi32::<16>(values))
}

/// Bytes from 16-bit numbers in units of 1/256: `even` for the low byte, `odd` for the high one.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
fn merge(even: __m512i, odd: __m512i) -> __m512i {
    // Every bit of the first, and those of the second where the mask has one.
    _mm512_ternarylogic_epi32::<0xf8>(_mm512_srli_epi16::<8>(even), odd, _mm512_set1_epi16(0xff00_u16.cast_signed()))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn four_bits(span: &Span<'_>, half: usize, inverse: __m512, bytes: &mut [Line]) {
    let low = _mm512_set1_epi16(15);
    for group in 0..bytes.len() / LINES {
        // SAFETY: each group has 8 lines of values and 16 of bytes.
        unsafe {
            let (factor, first) = line(span, group, half, inverse);
            let apply = |value| _mm512_add_epi16(_mm512_mullo_epi16(value, factor), first);
            let from = span.values.as_ptr().add(group * LINES / 2 + half);
            let to = bytes.as_mut_ptr().add(group * LINES + half);
            for step in 0..4 {
                let packed = _mm512_load_si512(from.add(2 * step).cast());
                let even = apply(_mm512_and_si512(packed, low));
                let odd = apply(_mm512_and_si512(_mm512_srli_epi16::<8>(packed), low));
                _mm512_store_si512(to.add(2 * step).cast(), merge(even, odd));
                let even = apply(_mm512_and_si512(_mm512_srli_epi16::<4>(packed), low));
                let odd = apply(_mm512_srli_epi16::<12>(packed));
                _mm512_store_si512(to.add(2 * step + 8).cast(), merge(even, odd));
            }
        }
    }
}

/// Values of five or six bits.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn some_bits(span: &Span<'_>, half: usize, inverse: __m512, bytes: &mut [Line]) {
    let parts = 1 + usize::from(span.fine);
    for part in 0..bytes.len() / LINES * parts {
        // SAFETY: each part has as many lines of values as of bytes.
        unsafe {
            let (factor, first) = line(span, part, half, inverse);
            let apply = |value| _mm512_add_epi16(_mm512_mullo_epi16(value, factor), first);
            let at = part * (LINES / parts) + half;
            let (from, to) = (span.values.as_ptr().add(at), bytes.as_mut_ptr().add(at));
            for step in 0..8 / parts {
                let values = _mm512_load_si512(from.add(2 * step).cast());
                let even = apply(_mm512_and_si512(values, _mm512_set1_epi16(0xff)));
                let odd = apply(_mm512_srli_epi16::<8>(values));
                _mm512_store_si512(to.add(2 * step).cast(), merge(even, odd));
            }
        }
    }
}

/// Whole bytes: the factor is at most one, so it keeps 15 bits.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn eight_bits(span: &Span<'_>, half: usize, inverse: __m512, bytes: &mut [Line]) {
    let (first, flip) = (_mm512_set1_epi16((128 * 256 + 128_u16).cast_signed()), _mm512_set1_epi16(0x80));
    let (top, all) = (_mm512_set1_epi16(0xff00_u16.cast_signed()), _mm512_set1_ps(32768.0));
    for group in 0..bytes.len() / LINES {
        // SAFETY: each group has as many lines of values as of bytes.
        unsafe {
            let scale = _mm512_load_ps(span.scales.as_ptr().add(group).cast::<f32>().add(16 * half));
            let factor = twice(_mm512_cvtps_epi32(_mm512_mul_ps(scale, _mm512_mul_ps(inverse, all))));
            let apply = |value| _mm512_add_epi16(_mm512_mulhrs_epi16(value, factor), first);
            let at = group * LINES + half;
            let (from, to) = (span.values.as_ptr().add(at), bytes.as_mut_ptr().add(at));
            for step in 0..8 {
                // With the sign bit turned the values are as far from zero as they stand for.
                let values = _mm512_load_si512(from.add(2 * step).cast());
                let even = apply(_mm512_slli_epi16::<8>(_mm512_xor_si512(values, flip)));
                let odd = apply(_mm512_and_si512(_mm512_xor_si512(values, _mm512_slli_epi16::<8>(flip)), top));
                _mm512_store_si512(to.add(2 * step).cast(), merge(even, odd));
            }
        }
    }
}

/// # Safety
/// The lengths must be those that [`super::add_products`] checks.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
pub(super) unsafe fn add_products(bytes: &[Line], scale: &Columns, input: &Input<'_>, totals: &mut [Columns]) {
    let mut row = 0;
    while row < totals.len() {
        // SAFETY: at most as many rows as are left.
        row += unsafe {
            // Thirteen rows are better done as seven and six than as twelve and one.
            let left = totals.len() - row;
            match if (13..24).contains(&left) { left.div_ceil(2) } else { left } {
                1 => tile::<1>(bytes, scale, input, row, totals),
                2 => tile::<2>(bytes, scale, input, row, totals),
                3 => tile::<3>(bytes, scale, input, row, totals),
                4 => tile::<4>(bytes, scale, input, row, totals),
                5 => tile::<5>(bytes, scale, input, row, totals),
                6 => tile::<6>(bytes, scale, input, row, totals),
                7 => tile::<7>(bytes, scale, input, row, totals),
                8 => tile::<8>(bytes, scale, input, row, totals),
                9 => tile::<9>(bytes, scale, input, row, totals),
                10 => tile::<10>(bytes, scale, input, row, totals),
                11 => tile::<11>(bytes, scale, input, row, totals),
                _ => tile::<12>(bytes, scale, input, row, totals),
            }
        };
    }
}

/// `ROWS` rows by 32 columns; the sums stay in registers over the whole span.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn tile<const ROWS: usize>(
    bytes: &[Line],
    scale: &Columns,
    input: &Input<'_>,
    row: usize,
    totals: &mut [Columns],
) -> usize {
    let length = bytes.len() * 2;
    // SAFETY: row + ROWS is at most the number of rows; each has `length` values, one scale and one start.
    unsafe {
        let values = input.values.as_ptr().add(row * length);
        let mut sum: [[__m512i; 2]; ROWS] = [[_mm512_set1_epi32(0); 2]; ROWS];
        for (r, sum) in sum.iter_mut().enumerate() {
            *sum = [_mm512_set1_epi32(*input.starts.as_ptr().add(row + r)); 2];
        }
        for step in 0..length / 4 {
            let lines = bytes.as_ptr().add(2 * step);
            let (left, right) = (_mm512_load_si512(lines.cast()), _mm512_load_si512(lines.add(1).cast()));
            for (r, sum) in sum.iter_mut().enumerate() {
                let four = _mm512_set1_epi32(values.add(r * length + step * 4).cast::<i32>().read_unaligned());
                sum[0] = _mm512_dpbusd_epi32(sum[0], left, four);
                sum[1] = _mm512_dpbusd_epi32(sum[1], right, four);
            }
        }
        let scale = [_mm512_load_ps(scale.0.as_ptr()), _mm512_load_ps(scale.0.as_ptr().add(16))];
        for (r, sum) in sum.into_iter().enumerate() {
            let own = _mm512_set1_ps(*input.scales.as_ptr().add(row + r));
            let to = totals.as_mut_ptr().add(row + r).cast::<f32>();
            for (half, (sum, scale)) in sum.into_iter().zip(scale).enumerate() {
                let to = to.add(16 * half);
                let total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scale, own), _mm512_load_ps(to));
                _mm512_store_ps(to, total);
            }
        }
    }
    ROWS
}

/// Products that stay in registers, as many as there are accumulators in each round; the number of operations.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
pub(super) fn rounds(rounds: usize) -> usize {
    let (left, right) = (_mm512_set1_epi32(std::hint::black_box(3)), _mm512_set1_epi32(std::hint::black_box(5)));
    let mut sums = [_mm512_set1_epi32(0); 24];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, left, right);
        }
    }
    std::hint::black_box(sums);
    rounds * sums.len() * 64 * 2
}
