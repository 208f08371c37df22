//! Every kernel of this machine against the portable one, and the portable one against arithmetic anybody can check.

use super::activations::Activations;
use super::blocks::Kind;
use super::kernels::{self, Input, LINES, Level, Output, REACH, Span, Strip};
use super::matrix::{self, Matrix, Workspace};
use super::spans::{Rounded, Source};
use super::{Columns, GROUP, Line, STRIP};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use proptest::prelude::*;

/// Numbers from -1 to 1 that look drawn at random, the same for the same seed.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn bytes(seed: u64, count: usize, most: u8) -> Vec<u8> {
    numbers(seed, count)
        .into_iter()
        .map(|number| (f32::midpoint(number, 1.0) * f32::from(most)).round() as u8)
        .collect()
}

fn assert_close(expected: &[f32], found: &[f32], tolerance: f32) {
    assert_eq!(expected.len(), found.len());
    for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
        assert!((expected - found).abs() <= tolerance * (1.0 + expected.abs()), "{at}: {expected} and {found}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_level_multiplies_alike(
        rows in 1_usize..20, groups in 1_usize..13, kind in 0_usize..4, kept in 0_usize..3, least in any::<bool>(),
        fine in any::<bool>(), add in any::<bool>(), seed in any::<u64>(),
    ) {
        let (zero, most) = [(8, 15), (0, 15), (32, 63), (128, 255)][kind];
        let values: Vec<Line> =
            bytes(seed, groups * LINES * 64, most).as_chunks::<64>().0.iter().map(|line| Line(*line)).collect();
        let columns = |seed, count: usize| -> Vec<Columns> {
            numbers(seed, count * STRIP).as_chunks::<STRIP>().0.iter().map(|columns| Columns(*columns)).collect()
        };
        let (scales, lowest) = (columns(seed ^ 1, groups * (1 + usize::from(fine))), columns(seed ^ 2, groups));
        let apart = columns(seed ^ 6, kept);
        let bias = columns(seed ^ 3, 1)[0];
        let mut input = Activations::default();
        input.quantize(Level::available()[0], &mut numbers(seed ^ 4, rows * groups * GROUP), groups * GROUP, &[3, 20][..kept]);
        let mut starts = Vec::new();
        input.starts(zero, fine, &mut starts);
        let strip = Strip {
            values: &values,
            packed: false,
            scales: &scales,
            fine,
            least: least.then_some(&lowest),
            zero,
            starts: &starts,
            apart: &apart,
        };
        // Two strips wide, so that the kernel's neighbours are seen to be left alone.
        let before = numbers(seed ^ 5, rows * 2 * STRIP);
        let product = |level| {
            let mut values = before.clone();
            let mut output = Output { values: &mut values, stride: 2 * STRIP, column: STRIP, add };
            kernels::product(level, &input, &strip, &bias, &mut output);
            values
        };
        let expected = product(Level::available()[0]);
        for level in Level::available() {
            let found = product(level);
            let worst = f32::from(most) * 127.0 * GROUP as f32 * groups as f32 * 1e-7;
            assert_close(&expected, &found, worst);
            let left = |values: &[f32]| -> Vec<f32> { values.chunks(STRIP).step_by(2).flatten().copied().collect() };
            prop_assert_eq!(left(&found), left(&before));
        }
    }

    #[test]
    fn every_level_settles_and_multiplies_spans_alike(
        rows in 1_usize..40, groups in 1_usize..=8, kind in 0_usize..5, least in any::<bool>(), seed in any::<u64>(),
    ) {
        let (zero, most, fine) = [(8, 15, false), (0, 15, false), (0, 31, false), (32, 63, true), (128, 255, false)][kind];
        let four = most == 15;
        let count = groups * if four { LINES / 2 } else { LINES };
        let values: Vec<Line> = bytes(seed, count * 64, if four { 255 } else { most })
            .as_chunks::<64>().0.iter().map(|line| Line(*line)).collect();
        let columns = |seed, count: usize| -> Vec<Columns> {
            numbers(seed, count * STRIP).as_chunks::<STRIP>().0.iter().map(|columns| Columns(*columns)).collect()
        };
        let (mut scales, lowest) = (columns(seed ^ 1, groups * (1 + usize::from(fine))), columns(seed ^ 2, groups));
        // A column of zeros is one, too.
        for scales in &mut scales {
            scales.0[5] = 0.0;
        }
        let span = Span {
            values: &values, scales: &scales, fine, least: (least && zero == 0).then_some(&lowest), zero, most,
        };
        let mut rounded = Rounded::default();
        let source: Vec<Columns> = columns(seed ^ 4, rows * groups);
        rounded.round(Level::available()[0], &Source::Plain(&source), rows);
        let input: Input<'_> = rounded.span(0);
        for level in Level::available() {
            let mut settled = vec![Line([0; 64]); groups * LINES];
            let mut scale = Columns([0.0; STRIP]);
            kernels::settle(level, &span, &mut settled, &mut scale);
            // Every weight, from where it lies, against what it became.
            for group in 0..groups {
                for (step, column, byte) in (0..8).flat_map(|s| (0..STRIP).flat_map(move |c| (0..4).map(move |b| (s, c, b)))) {
                    let line = step * 2 + column / 16;
                    let at = column % 16 * 4 + byte;
                    let value = if four {
                        values[group * 8 + line % 8].0[at] >> (line / 8 * 4) & 15
                    } else {
                        values[group * LINES + line].0[at]
                    };
                    let scales = &scales[if fine { group * 2 + step / 4 } else { group }];
                    let offset = span.least.map_or(0.0, |least| least[group].0[column]);
                    let weight = scales.0[column] * (f32::from(value) - f32::from(zero)) + offset;
                    let found = (f32::from(settled[group * LINES + line].0[at]) - 128.0) * scale.0[column];
                    // Half a step, and what the factors lose behind their sixteenth bit.
                    prop_assert!((weight - found).abs() <= scale.0[column] * 0.7 + 1e-6, "{level:?}: {weight} and {found}");
                    prop_assert!((found / scale.0[column].max(1e-9)).abs() <= REACH + 1.0);
                }
            }
            let mut totals = source[..1].repeat(rows);
            kernels::add_products(level, &settled, &scale, &input, &mut totals);
            let mut expected = source[..1].repeat(rows);
            kernels::add_products(Level::available()[0], &settled, &scale, &input, &mut expected);
            assert_close(kernels::flat(&expected), kernels::flat(&totals), 1e-4);
        }
        // And the product of the plain numbers, within what rounding the rows costs.
        let mut settled = vec![Line([0; 64]); groups * LINES];
        let mut scale = Columns([0.0; STRIP]);
        kernels::settle(Level::best(), &span, &mut settled, &mut scale);
        let mut totals = vec![Columns([0.0; STRIP]); rows];
        kernels::add_products(Level::best(), &settled, &scale, &input, &mut totals);
        for (row, total) in totals.iter().enumerate() {
            for (column, total) in total.0.iter().enumerate() {
                let weight = |at: usize| {
                    let (line, byte) = (at / 32 * LINES + at % 32 / 4 * 2 + column / 16, column % 16 * 4 + at % 4);
                    (f32::from(settled[line].0[byte]) - 128.0) * scale.0[column]
                };
                let value = |at: usize| source[at / 32 * rows + row].0[at % 32];
                let expected: f32 = (0..groups * GROUP).map(|at| weight(at) * value(at)).sum();
                let size: f32 = (0..groups * GROUP).map(|at| weight(at).abs()).sum();
                prop_assert!((expected - total).abs() <= size / 240.0 + 1e-3, "{expected} and {total} of {size}");
            }
        }
    }

    #[test]
    fn every_level_rounds_every_source_alike(rows in 1_usize..9, groups in 1_usize..12, seed in any::<u64>()) {
        let columns = |seed, count: usize| -> Vec<Columns> {
            numbers(seed, count * STRIP).as_chunks::<STRIP>().0.iter().map(|columns| Columns(*columns)).collect()
        };
        let (values, gates, weight) = (columns(seed, rows * groups), columns(seed ^ 1, rows * groups), columns(seed ^ 2, groups));
        for level in Level::available() {
            let mut factors = vec![0.0; rows];
            kernels::root_means(level, &values, rows, 0, 1e-6, &mut factors);
            let row = |all: &[Columns], row: usize| -> Vec<f32> {
                all.iter().skip(row).step_by(rows).flat_map(|columns| columns.0).collect()
            };
            for (at, factor) in factors.iter().enumerate() {
                let own = row(&values, at);
                let mean = own.iter().map(|value| value * value).sum::<f32>() / own.len() as f32;
                assert_close(&[1.0 / (mean + 1e-6).sqrt()], &[*factor], 1e-5);
            }
            let sources = [
                Source::Plain(&values),
                Source::Normed { values: &values, weight: &weight, factors: &factors },
                Source::Gated { gates: &gates, values: &values },
            ];
            for (kind, source) in sources.iter().enumerate() {
                let mut rounded = Rounded::default();
                rounded.round(level, source, rows);
                for (at, factor) in factors.iter().enumerate() {
                    let (own, gate) = (row(&values, at), row(&gates, at));
                    let expected = (0..groups * GROUP).map(|index| match kind {
                        0 => own[index],
                        1 => own[index] * weight[index / GROUP].0[index % GROUP] * factor,
                        _ => gate[index] / (1.0 + (-gate[index]).exp()) * own[index],
                    });
                    for (index, expected) in expected.enumerate() {
                        let span = rounded.span(index / 256);
                        let length = span.values.len() / rows;
                        let found = f32::from(span.values[at * length + index % 256]) * span.scales[at];
                        prop_assert!((found - expected).abs() <= span.scales[at] * 0.51 + 1e-6);
                        let sum: i32 = span.values[at * length..][..length].iter().map(|value| i32::from(*value)).sum();
                        prop_assert_eq!(span.starts[at], -128 * sum);
                    }
                }
            }
        }
    }

    #[test]
    fn every_level_rounds_alike(groups in 1_usize..40, seed in any::<u64>(), size in -20_i32..20) {
        let input: Vec<f32> = numbers(seed, groups * GROUP).into_iter().map(|value| value * 2.0_f32.powi(size)).collect();
        for level in Level::available() {
            let mut found = Activations::default();
            found.quantize(level, &mut input.clone(), groups * GROUP, &[]);
            for ((values, input), (scale, sums)) in found.values().as_chunks::<GROUP>().0.iter()
                .zip(input.as_chunks::<GROUP>().0)
                .zip(found.scales().iter().zip(found.sums().as_chunks::<2>().0))
            {
                for (value, input) in values.iter().zip(input) {
                    prop_assert!((f32::from(*value) * scale - input).abs() <= scale * 0.501);
                }
                for (sum, values) in sums.iter().zip(values.as_chunks::<16>().0) {
                    prop_assert_eq!(*sum, values.iter().map(|value| i32::from(*value)).sum::<i32>());
                }
            }
        }
    }

    #[test]
    fn every_level_has_the_same_functions(rows in 1_usize..9, tokens in 1_usize..70, seed in any::<u64>()) {
        let input: Vec<f32> = numbers(seed, rows * 48).into_iter().map(|value| value * 9.0).collect();
        let (weight, bias) = (numbers(seed ^ 1, 48), numbers(seed ^ 2, 48));
        let right: Vec<Columns> =
            numbers(seed ^ 3, tokens * STRIP).as_chunks::<STRIP>().0.iter().map(|columns| Columns(*columns)).collect();
        let (left, scales) = (numbers(seed ^ 4, rows * tokens), numbers(seed ^ 5, rows));
        for level in Level::available() {
            let mut normed = input.clone();
            kernels::layer_norm(level, &mut normed, 48, &weight, &bias, 1e-6);
            for (row, normed) in input.chunks_exact(48).zip(normed.chunks_exact(48)) {
                let mean = row.iter().sum::<f32>() / 48.0;
                let deviation = (row.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 48.0 + 1e-6).sqrt();
                let expected: Vec<f32> =
                    row.iter().zip(&weight).zip(&bias).map(|((x, w), b)| (x - mean) / deviation * w + b).collect();
                assert_close(&expected, normed, 1e-5);
            }
            let mut soft = input.clone();
            let mut share = 0.0;
            kernels::softmax(level, &mut soft, &mut share);
            let most = input.iter().copied().fold(f32::MIN, f32::max);
            let expected: Vec<f32> = input.iter().map(|value| (value - most).exp()).collect();
            assert_close(&expected, &soft, 1e-6);
            assert_close(&[1.0 / expected.iter().sum::<f32>()], &[share], 1e-5);
            // In two parts, the greatest in either, it is the same.
            for middle in [0, 20, input.len()] {
                let (mut early, mut late) = (input[..middle].to_vec(), input[middle..].to_vec());
                let (mut most, mut sum, mut kept) = (f32::NEG_INFINITY, 0.0, 1.0);
                kernels::softmax_on(level, &mut early, &mut most, &mut sum, &mut kept);
                kernels::softmax_on(level, &mut late, &mut most, &mut sum, &mut kept);
                let whole: Vec<f32> = early.iter().map(|value| value * kept).chain(late).collect();
                assert_close(&expected, &whole, 1e-5);
                assert_close(&[expected.iter().sum::<f32>()], &[sum], 1e-5);
            }
            let mut output = vec![7.0; rows * 2 * STRIP];
            kernels::small_product(level, (&left, tokens), &right, &scales, (&mut output, 2 * STRIP), false);
            let mut twice = output.clone();
            kernels::small_product(level, (&left, tokens), &right, &scales, (&mut twice, 2 * STRIP), true);
            let doubled = output.chunks(STRIP).zip([2.0, 1.0].iter().cycle());
            let doubled: Vec<f32> = doubled.flat_map(|(all, by)| all.iter().map(move |value| value * by)).collect();
            assert_close(&doubled, &twice, 1e-5);
            let mut gated = vec![0.0; rows * 24];
            kernels::swiglu(level, &input, 24, &mut gated);
            let pairs = input.chunks_exact(48).flat_map(|row| row[..24].iter().zip(&row[24..]));
            let expected: Vec<f32> = pairs.map(|(gate, value)| gate / (1.0 + (-gate).exp()) * value).collect();
            assert_close(&expected, &gated, 1e-5);
            let mut rooted = vec![0.0; input.len()];
            kernels::rms_norm(level, &input, 48, &weight, 1e-6, &mut rooted);
            for (row, rooted) in input.chunks_exact(48).zip(rooted.chunks_exact(48)) {
                let root = (row.iter().map(|value| value * value).sum::<f32>() / 48.0 + 1e-6).sqrt();
                let expected: Vec<f32> = row.iter().zip(&weight).map(|(value, weight)| value / root * weight).collect();
                assert_close(&expected, rooted, 1e-5);
            }
            for ((row, scale), found) in left.chunks_exact(tokens).zip(&scales).zip(output.chunks_exact(2 * STRIP)) {
                let column = |at: usize| row.iter().zip(&right).map(|(a, b)| a * b.0[at]).sum::<f32>() * scale;
                assert_close(&(0..STRIP).map(column).collect::<Vec<_>>(), &found[..STRIP], 1e-4);
                assert_close(&[7.0; STRIP], &found[STRIP..], 0.0);
            }
        }
    }
}

#[test]
fn the_gaussian_unit_is_exact_to_six_digits() {
    let cases = [
        (0.0, 0.0),
        (1.0, 0.841_344_7),
        (-1.0, -0.158_655_25),
        (3.0, 2.995_950_2),
        (-3.0, -0.004_049_694),
        (0.5, 0.345_731_23),
        (-30.0, 0.0),
        (30.0, 30.0),
    ];
    for level in Level::available() {
        let mut values = cases.map(|(value, _)| value);
        kernels::gelu(level, &mut values);
        assert_close(&cases.map(|(_, expected)| expected), &values, 1e-6);
    }
}

#[test]
fn half_precision_is_read_exactly() {
    let cases = [
        (0x3c00, 1.0),
        (0xc000, -2.0),
        (0x7bff, 65504.0),
        (0x0001, 5.960_464_5e-8),
        (0x83ff, -6.097_555e-5),
        (0x8000, -0.0),
    ];
    for (bits, expected) in cases {
        assert_eq!(super::half(bits).to_bits(), f32::to_bits(expected), "{bits:x}");
        assert_eq!(super::half_bits(expected), bits, "{expected}");
    }
    // To the nearest, ties to even; what is too great is the greatest.
    let rounded =
        [(1.000_48, 0x3c00), (1.000_49, 0x3c01), (2049.0, 0x6800), (2051.0, 0x6802), (7e4, 0x7bff), (2e-8, 0)];
    for (value, expected) in rounded {
        assert_eq!(super::half_bits(value), expected, "{value}");
    }
}

/// Every type of a file: taken apart as candle does, to the last bit, also once packed, and multiplied.
#[test]
fn every_type_is_read_as_candle_reads_it() {
    use GgmlDType::{Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
    let (inputs, outputs) = (512, 40);
    let source = Tensor::from_vec(numbers(3, inputs * outputs), (outputs, inputs), &Device::Cpu).unwrap();
    for dtype in [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4K, Q5K, Q6K] {
        let stored = QTensor::quantize(&source, dtype).unwrap();
        let expected: Vec<f32> = stored.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let kind = Kind::of(dtype).unwrap();
        let blocks = stored.data().unwrap();
        let mut groups = Vec::new();
        kind.read(&blocks, &mut groups);
        let read: Vec<f32> =
            groups.iter().flat_map(|group| (0..GROUP).map(|at| matrix::weight(group, kind, at))).collect();
        assert_eq!(read, expected, "{dtype:?}");

        let bias = numbers(1, outputs);
        let apart = [40, 7];
        let packed = Matrix::pack(kind, &blocks, inputs, Some(&bias), &apart).unwrap();
        assert_eq!((packed.outputs(), packed.stride()), (40, 64));
        let mut row = vec![0.0; inputs];
        for (output, expected) in expected.chunks_exact(inputs).enumerate() {
            packed.row(output, &mut row).unwrap();
            assert_eq!(row, expected, "{dtype:?}, row {output}");
        }
        assert!(packed.row(40, &mut row).is_none());

        let mut input = numbers(2, 7 * inputs);
        // Without being kept apart this one would drown its neighbours.
        input[inputs + 40] = 3e4;
        let before = input.clone();
        for level in Level::available() {
            let mut rounded = Activations::default();
            rounded.quantize(level, &mut input, inputs, &apart);
            assert_eq!(input, before);
            let mut output = vec![0.0; 7 * packed.stride()];
            packed.multiply(level, &rounded, &mut output, false, &mut Workspace::default());
            // One to three rows have a kernel of their own, which must not differ.
            for rows in 1..4 {
                let mut few = Activations::default();
                few.quantize(level, &mut input[..rows * inputs], inputs, &apart);
                let mut found = vec![0.0; rows * packed.stride()];
                packed.multiply(level, &few, &mut found, false, &mut Workspace::default());
                assert_close(&output[..found.len()], &found, 1e-5);
            }
            for (input, output) in input.chunks_exact(inputs).zip(output.chunks_exact(packed.stride())) {
                for (row, found) in output.iter().enumerate().take(outputs) {
                    let weights = &expected[row * inputs..][..inputs];
                    let expected = bias[row] + weights.iter().zip(input).map(|(a, b)| a * b).sum::<f32>();
                    let close = (expected - found).abs() < 0.15 + expected.abs() * 1e-6;
                    assert!(close, "{dtype:?} {level:?} row {row}: {expected} and {found}");
                }
                assert!(output[outputs..].iter().all(|value| *value == 0.0));
            }
        }
    }
}

#[test]
fn a_matrix_that_is_damaged_is_refused() {
    let mut blocks = vec![0x11; 32 * 3 * 18];
    let pack = |blocks: &[u8], inputs, bias| Matrix::pack(Kind::Q4Zero, blocks, inputs, bias, &[]).err();
    assert_eq!(pack(&blocks, 96, None), None);
    assert_eq!(pack(&blocks, 96, Some(&[0.0; 32])), None);
    assert!(pack(&blocks[1..], 96, None).is_some());
    assert!(pack(&blocks, 97, None).is_some());
    assert!(pack(&blocks, 0, None).is_some());
    assert!(pack(&blocks, 96, Some(&[0.0; 31])).is_some());
    assert!(pack(&blocks, 96, Some(&[f32::NAN; 32])).is_some());
    blocks[18 * 5 + 1] = 0x7c;
    assert_eq!(pack(&blocks, 96, None), Some("a scale is not a number"));
}
