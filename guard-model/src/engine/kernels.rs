//! The kernels, and the choice among them: the only file of the crate with `unsafe` code.
//!
//! `unsafe` is needed for two things. A function compiled for AVX-512 or AVX2 may only run where those exist: a
//! [`Level`] can only be had from [`Level::available`], which asks the processor. And vector loads and stores take
//! pointers: each kernel checks the lengths of all slices before its first load.
#![expect(unsafe_code, reason = "vector instructions; see the module's first lines, and the tests against `portable`")]

use super::activations::Activations;
use super::{Columns, GROUP, Line, STRIP, portable};

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
    /// Replaces scores by their exponentials less the greatest, and leaves one over their sum in `share`.
    softmax(scores: &mut [f32], share: &mut f32);
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Activations, Columns, LINES, Output, Strip};
    use std::arch::x86_64::{
        __m512, __m512i, _mm_storeu_si128, _mm512_abs_ps, _mm512_add_ps, _mm512_and_si512, _mm512_cvtepi32_epi8,
        _mm512_cvtepi32_ps, _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_ps,
        _mm512_load_si512, _mm512_loadu_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_reduce_add_epi32,
        _mm512_reduce_max_ps, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_srli_epi16, _mm512_storeu_ps,
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
    unsafe fn rows<const PARTS: usize>(
        input: &Activations,
        strip: &Strip<'_>,
        bias: &Columns,
        output: &mut Output<'_>,
    ) {
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
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Activations, Columns, LINES, Output, Strip, portable};
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
}
