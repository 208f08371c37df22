//! Every kernel of this machine against the portable one, and the portable one against arithmetic anybody can check.

use super::activations::Activations;
use super::kernels::{self, LINES, Level, Output, Strip};
use super::matrix::{Matrix, Workspace};
use super::{Columns, GROUP, Line, STRIP};
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
        rows in 1_usize..20, groups in 1_usize..13, kind in 0_usize..4, least in any::<bool>(), add in any::<bool>(), seed in any::<u64>(),
    ) {
        let (zero, most) = [(8, 15), (0, 15), (32, 63), (128, 255)][kind];
        let values: Vec<Line> =
            bytes(seed, groups * LINES * 64, most).as_chunks::<64>().0.iter().map(|line| Line(*line)).collect();
        let columns = |seed, count: usize| -> Vec<Columns> {
            numbers(seed, count * STRIP).as_chunks::<STRIP>().0.iter().map(|columns| Columns(*columns)).collect()
        };
        let (scales, lowest) = (columns(seed ^ 1, groups), columns(seed ^ 2, groups));
        let strip = Strip { values: &values, scales: &scales, least: least.then_some(&lowest), zero };
        let bias = columns(seed ^ 3, 1)[0];
        let mut input = Activations::default();
        input.quantize(Level::available()[0], &numbers(seed ^ 4, rows * groups * GROUP), groups * GROUP);
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
    fn every_level_rounds_alike(groups in 1_usize..40, seed in any::<u64>(), size in -20_i32..20) {
        let input: Vec<f32> = numbers(seed, groups * GROUP).into_iter().map(|value| value * 2.0_f32.powi(size)).collect();
        for level in Level::available() {
            let mut found = Activations::default();
            found.quantize(level, &input, groups * GROUP);
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
            let mut output = vec![7.0; rows * 2 * STRIP];
            kernels::small_product(level, &left, tokens, &right, &scales, &mut output, 2 * STRIP);
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
    }
}

/// `Q4_0` rows whose weights are known, through the whole of a product.
#[test]
fn a_matrix_multiplies_as_its_file_says() {
    let (inputs, outputs) = (96, 64);
    let blocks: Vec<Vec<u8>> = (0..outputs)
        .map(|row| {
            (0..inputs / GROUP)
                .flat_map(|group| {
                    let scale = 0x2c00 + (row * 7 + group * 3) as u16; // a little above 1/16
                    [scale.to_le_bytes().to_vec(), bytes((row * 31 + group) as u64, 16, 255)].concat()
                })
                .collect()
        })
        .collect();
    let weight = |row: usize, at: usize| {
        let block = &blocks[row][at / GROUP * 18..][..18];
        let byte = block[2 + at % 16];
        let nibble = if at % GROUP < 16 { byte & 15 } else { byte >> 4 };
        super::half(u16::from_le_bytes([block[0], block[1]])) * (f32::from(nibble) - 8.0)
    };
    let bias = numbers(1, outputs);
    let rows: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
    let matrix = Matrix::from_q4_0(&rows, inputs, &bias).unwrap();
    let input = numbers(2, 5 * inputs);
    for level in Level::available() {
        let mut rounded = Activations::default();
        rounded.quantize(level, &input, inputs);
        let mut output = vec![0.0; 5 * outputs];
        matrix.multiply(level, &rounded, &mut output, false, &mut Workspace::default());
        for (input, output) in input.chunks_exact(inputs).zip(output.chunks_exact(outputs)) {
            for (row, found) in output.iter().enumerate() {
                let expected = bias[row] + (0..inputs).map(|at| weight(row, at) * input[at]).sum::<f32>();
                assert!((expected - found).abs() < 0.03, "row {row}: {expected} and {found}");
            }
        }
    }
    assert!(Matrix::from_q4_0(&rows[1..], inputs, &bias).is_err());
    assert!(Matrix::from_q4_0(&rows, inputs + 1, &bias).is_err());
    let mut broken = blocks.clone();
    broken[3][1] = 0x7c;
    let broken: Vec<&[u8]> = broken.iter().map(Vec::as_slice).collect();
    assert!(Matrix::from_q4_0(&broken, inputs, &bias).is_err());
}

#[test]
fn a_matrix_of_floats_multiplies_like_its_floats() {
    let (inputs, outputs) = (96, 64);
    let (weights, bias, input) = (numbers(3, inputs * outputs), numbers(1, outputs), numbers(2, 5 * inputs));
    let matrix = Matrix::from_floats(&weights, inputs, &bias).unwrap();
    for level in Level::available() {
        let mut rounded = Activations::default();
        rounded.quantize(level, &input, inputs);
        let mut output = vec![0.0; 5 * outputs];
        matrix.multiply(level, &rounded, &mut output, false, &mut Workspace::default());
        for (input, output) in input.chunks_exact(inputs).zip(output.chunks_exact(outputs)) {
            for ((row, bias), found) in weights.chunks_exact(inputs).zip(&bias).zip(output) {
                let expected = bias + row.iter().zip(input).map(|(weight, value)| weight * value).sum::<f32>();
                assert!((expected - found).abs() < 0.2, "{expected} and {found}");
            }
        }
    }
    assert!(Matrix::from_floats(&weights[1..], inputs, &bias).is_err());
    assert!(Matrix::from_floats(&weights, inputs + 1, &bias).is_err());
    let mut broken = weights.clone();
    broken[70] = f32::NAN;
    assert!(Matrix::from_floats(&broken, inputs, &bias).is_err());
}
