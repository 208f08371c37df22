//! The kernels for AVX-512 VNNI.

use super::{Activations, Columns, LINES, Output, Strip};
use std::arch::x86_64::{
    __m512, __m512i, _mm_storeu_si128, _mm512_abs_ps, _mm512_add_ps, _mm512_and_si512, _mm512_cvtepi32_epi8,
    _mm512_cvtepi32_ps, _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_ps, _mm512_load_si512,
    _mm512_loadu_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_reduce_max_ps, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_srli_epi16, _mm512_storeu_ps,
};

/// # Safety
/// The lengths must be those that [`super::product`] checks.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
pub(super) unsafe fn product(input: &Activations, strip: &Strip<'_>, bias: &Columns, output: &mut Output<'_>) {
    // SAFETY: as asked for by this function.
    unsafe {
        if strip.packed {
            few_rows(input, strip, bias, output);
        } else if strip.fine {
            rows::<2>(input, strip, bias, output);
        } else {
            rows::<1>(input, strip, bias, output);
        }
    }
}

/// At most three rows, from four-bit values with one scale for each group.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn few_rows(input: &Activations, strip: &Strip<'_>, bias: &Columns, output: &mut Output<'_>) {
    // SAFETY: as many rows as there are.
    unsafe {
        match input.rows() {
            0 => 0,
            1 => tile::<1, 1, true>(input, 0, strip, bias, output),
            2 => tile::<2, 1, true>(input, 0, strip, bias, output),
            _ => tile::<3, 1, true>(input, 0, strip, bias, output),
        };
    }
}

/// All rows of a product with one or two scales for each group.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn rows<const PARTS: usize>(input: &Activations, strip: &Strip<'_>, bias: &Columns, output: &mut Output<'_>) {
    let mut row = 0;
    while row < input.rows() {
        // SAFETY: at most as many rows as are left.
        row += unsafe {
            // Seven rows are better done as four and three than as six and one.
            let left = input.rows() - row;
            match if (7..12).contains(&left) { left.div_ceil(2) } else { left } {
                1 => tile::<1, PARTS, false>(input, row, strip, bias, output),
                2 => tile::<2, PARTS, false>(input, row, strip, bias, output),
                3 => tile::<3, PARTS, false>(input, row, strip, bias, output),
                4 => tile::<4, PARTS, false>(input, row, strip, bias, output),
                5 => tile::<5, PARTS, false>(input, row, strip, bias, output),
                _ => tile::<6, PARTS, false>(input, row, strip, bias, output),
            }
        };
    }
}

/// `ROWS` rows by 32 columns; the sums stay in registers from the first group to the last.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn tile<const ROWS: usize, const PARTS: usize, const PACKED: bool>(
    input: &Activations,
    row: usize,
    strip: &Strip<'_>,
    bias: &Columns,
    output: &mut Output<'_>,
) -> usize {
    let groups = input.groups();
    // SAFETY: row + ROWS is at most the number of rows, and all arrays have the lengths checked by the caller:
    // `values` 32, `scales` and `totals` 1 and `starts` `PARTS` for each row and group; the strip 16 lines and 32 scales a group.
    unsafe {
        let values = input.values().as_ptr().add(row * groups * 32);
        let scales = input.scales().as_ptr().add(row * groups);
        let starts = strip.starts.as_ptr().add(row * groups * PARTS);
        let totals = input.totals().as_ptr().add(row * groups);
        let low = _mm512_set1_epi8(15);
        let start = [_mm512_load_ps(bias.0.as_ptr()), _mm512_load_ps(bias.0.as_ptr().add(16))];
        let mut total: [[__m512; 2]; ROWS] = [start; ROWS];
        let apart = input.apart().as_ptr().add(row * strip.apart.len());
        for (at, weights) in strip.apart.iter().enumerate() {
            let weights = [_mm512_load_ps(weights.0.as_ptr()), _mm512_load_ps(weights.0.as_ptr().add(16))];
            for (r, total) in total.iter_mut().enumerate() {
                let value = _mm512_set1_ps(*apart.add(r * strip.apart.len() + at));
                total[0] = _mm512_fmadd_ps(weights[0], value, total[0]);
                total[1] = _mm512_fmadd_ps(weights[1], value, total[1]);
            }
        }
        for group in 0..groups {
            for part in 0..PARTS {
                let mut sum: [[__m512i; 2]; ROWS] = [[_mm512_set1_epi32(0); 2]; ROWS];
                if strip.zero != 0 {
                    for (r, sum) in sum.iter_mut().enumerate() {
                        *sum = [_mm512_set1_epi32(*starts.add((r * groups + group) * PARTS + part)); 2];
                    }
                }
                let lines = if PACKED { LINES / 2 } else { LINES };
                let lines = strip.values.as_ptr().add(group * lines).cast::<i32>();
                for step in part * 8 / PARTS..(part + 1) * 8 / PARTS {
                    let line = if PACKED { step % 4 } else { step };
                    let mut left = _mm512_load_si512(lines.add(line * 32).cast());
                    let mut right = _mm512_load_si512(lines.add(line * 32 + 16).cast());
                    if PACKED {
                        if step >= 4 {
                            left = _mm512_srli_epi16::<4>(left);
                            right = _mm512_srli_epi16::<4>(right);
                        }
                        left = _mm512_and_si512(left, low);
                        right = _mm512_and_si512(right, low);
                    }
                    for (r, sum) in sum.iter_mut().enumerate() {
                        let four = values.add((r * groups + group) * 32 + step * 4).cast::<i32>().read_unaligned();
                        let four = _mm512_set1_epi32(four);
                        sum[0] = _mm512_dpbusd_epi32(sum[0], left, four);
                        sum[1] = _mm512_dpbusd_epi32(sum[1], right, four);
                    }
                }
                let scale = strip.scales.as_ptr().add(group * PARTS + part).cast::<f32>();
                let scale = [_mm512_load_ps(scale), _mm512_load_ps(scale.add(16))];
                for (r, (total, sum)) in total.iter_mut().zip(sum).enumerate() {
                    let own = _mm512_set1_ps(*scales.add(r * groups + group));
                    let both = [_mm512_mul_ps(scale[0], own), _mm512_mul_ps(scale[1], own)];
                    total[0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[0]), both[0], total[0]);
                    total[1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[1]), both[1], total[1]);
                }
            }
            if let Some(least) = strip.least {
                let least = least.as_ptr().add(group).cast::<f32>();
                let least = [_mm512_load_ps(least), _mm512_load_ps(least.add(16))];
                for (r, total) in total.iter_mut().enumerate() {
                    let own = _mm512_set1_ps(*totals.add(r * groups + group));
                    total[0] = _mm512_fmadd_ps(least[0], own, total[0]);
                    total[1] = _mm512_fmadd_ps(least[1], own, total[1]);
                }
            }
        }
        for (r, mut total) in total.into_iter().enumerate() {
            let to = output.values.as_mut_ptr().add((row + r) * output.stride + output.column);
            if output.add {
                total[0] = _mm512_add_ps(total[0], _mm512_loadu_ps(to));
                total[1] = _mm512_add_ps(total[1], _mm512_loadu_ps(to.add(16)));
            }
            _mm512_storeu_ps(to, total[0]);
            _mm512_storeu_ps(to.add(16), total[1]);
        }
    }
    ROWS
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn quantize(input: &[f32], values: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
    for ((group, scale), sums) in scales.iter_mut().enumerate().zip(sums.as_chunks_mut::<2>().0) {
        // SAFETY: there are as many groups of 32 in `input` and `values` as scales.
        unsafe {
            let from = input.as_ptr().add(group * 32);
            let halves = [_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(16))];
            let most = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(halves[0]), _mm512_abs_ps(halves[1])));
            *scale = most / 127.0;
            let inverse = _mm512_set1_ps(if most > 0.0 { 127.0 / most } else { 0.0 });
            for (at, (half, sum)) in halves.into_iter().zip(sums).enumerate() {
                let whole = _mm512_cvtps_epi32(_mm512_mul_ps(half, inverse));
                *sum = _mm512_reduce_add_epi32(whole);
                _mm_storeu_si128(values.as_mut_ptr().add(group * 32 + at * 16).cast(), _mm512_cvtepi32_epi8(whole));
            }
        }
    }
}

/// # Safety
/// The lengths must be those that [`super::small_product`] checks.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn small_product(
    left: &[f32],
    left_stride: usize,
    right: &[Columns],
    scales: &[f32],
    output: &mut [f32],
    stride: usize,
    add: bool,
) {
    let mut row = 0;
    while row < scales.len() {
        // SAFETY: at most as many rows as are left.
        row += unsafe {
            let (left, output) = (left.as_ptr().add(row * left_stride), output.as_mut_ptr().add(row * stride));
            let scale = scales.as_ptr().add(row);
            match scales.len() - row {
                1 => small_tile::<1>(left, left_stride, right, scale, output, stride, add),
                2 | 3 => small_tile::<2>(left, left_stride, right, scale, output, stride, add),
                4 | 5 => small_tile::<4>(left, left_stride, right, scale, output, stride, add),
                6..12 => small_tile::<6>(left, left_stride, right, scale, output, stride, add),
                _ => small_tile::<12>(left, left_stride, right, scale, output, stride, add),
            }
        };
    }
}

/// `ROWS` rows by 32 columns, from pointers to the first of each.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn small_tile<const ROWS: usize>(
    left: *const f32,
    left_stride: usize,
    right: &[Columns],
    scales: *const f32,
    output: *mut f32,
    stride: usize,
    add: bool,
) -> usize {
    // SAFETY: `ROWS` rows are left, of `right.len()` values on the left side and 32 in the output.
    unsafe {
        let mut total: [[__m512; 2]; ROWS] = [[_mm512_set1_ps(0.0); 2]; ROWS];
        for (k, right) in right.iter().enumerate() {
            let right = right.0.as_ptr();
            let right = [_mm512_load_ps(right), _mm512_load_ps(right.add(16))];
            for (r, total) in total.iter_mut().enumerate() {
                let value = _mm512_set1_ps(*left.add(r * left_stride + k));
                total[0] = _mm512_fmadd_ps(right[0], value, total[0]);
                total[1] = _mm512_fmadd_ps(right[1], value, total[1]);
            }
        }
        for (r, total) in total.into_iter().enumerate() {
            let (scale, to) = (_mm512_set1_ps(*scales.add(r)), output.add(r * stride));
            let mut total = [_mm512_mul_ps(total[0], scale), _mm512_mul_ps(total[1], scale)];
            if add {
                total[0] = _mm512_add_ps(total[0], _mm512_loadu_ps(to));
                total[1] = _mm512_add_ps(total[1], _mm512_loadu_ps(to.add(16)));
            }
            _mm512_storeu_ps(to, total[0]);
            _mm512_storeu_ps(to.add(16), total[1]);
        }
    }
    ROWS
}
