//! A weight matrix in the order the kernels read it.

use super::activations::Activations;
use super::blocks::{Group, Kind};
use super::kernels::{self, LINES, Level, Output, Span, Strip};
use super::spans::{Rounded, SPAN};
use super::{Columns, GROUP, Line, STRIP, half};
use rayon::prelude::{IntoParallelIterator as _, ParallelIterator as _};
use std::ops::Range;

/// The weights of `y = W x + b`, in strips of 32 outputs. It takes about the memory of the file's blocks.
pub(crate) struct Matrix {
    kind: Kind,
    outputs: usize,
    groups: usize,
    /// The lines of strips; of four-bit values half as many, see [`kernels::unpack_nibbles`].
    values: Vec<Line>,
    scales: Scales,
    least: Scales,
    bias: Vec<Columns>,
    /// For each strip the weights, as they are, of the inputs that are kept apart.
    apart: Vec<Columns>,
}

/// Numbers for every group of a strip: half-precision ones for each block, times whole ones when blocks have more groups.
#[derive(Default)]
struct Scales {
    halves: Vec<[u16; STRIP]>,
    steps: Vec<[i8; STRIP]>,
}

/// What a product needs besides its inputs; used again by the next one.
#[derive(Default)]
pub(crate) struct Workspace {
    values: Vec<Line>,
    scales: Vec<Columns>,
    least: Vec<Columns>,
    starts: Vec<i32>,
}

impl Matrix {
    /// Takes over blocks of a file's type, row after row, one row for each output. A number of outputs that is no multiple
    /// of 32 is filled up with rows of zeros. Inputs must keep the columns `apart`, see [`Activations::quantize`]; without
    /// a `bias` nothing is added.
    ///
    /// # Errors
    /// What is wrong, in a few words: sizes that do not fit together, or a scale that is not a number.
    pub(crate) fn pack(
        kind: Kind,
        blocks: &[u8],
        inputs: usize,
        bias: Option<&[f32]>,
        apart: &[usize],
    ) -> Result<Self, &'static str> {
        let row = row_bytes(kind, inputs)?;
        if blocks.is_empty() || !blocks.len().is_multiple_of(row) {
            return Err("its rows are not whole blocks");
        }
        let outputs = blocks.len() / row;
        if bias.is_some_and(|bias| bias.len() != outputs || bias.iter().any(|bias| !bias.is_finite())) {
            // A number in, a number out: what is rounded to eight bits could hide that it was none.
            return Err("its bias does not fit, or is not made of numbers");
        }
        let mut matrix = Self::zeros(kind, outputs, inputs, apart.len());
        for (to, from) in matrix.bias.iter_mut().flat_map(|bias| &mut bias.0).zip(bias.unwrap_or_default()) {
            *to = *from;
        }
        let strips: Vec<(&[u8], StripMut<'_>)> =
            blocks.chunks(row * STRIP).zip(matrix.strips_mut(apart.len())).collect();
        strips.into_par_iter().try_for_each(|(blocks, strip)| strip.fill(kind, blocks, row, apart))?;
        Ok(matrix)
    }

    /// As [`Matrix::pack`], of blocks that `read` writes for a range of rows: a few megabytes at a time.
    ///
    /// # Errors
    /// What is wrong, as above, or what `read` says.
    pub(crate) fn read(
        kind: Kind,
        outputs: usize,
        inputs: usize,
        mut read: impl FnMut(Range<usize>, &mut Vec<u8>) -> Result<(), String>,
    ) -> Result<Self, String> {
        let row = row_bytes(kind, inputs)?;
        let mut matrix = Self::zeros(kind, outputs, inputs, 0);
        let mut blocks = Vec::new();
        let at_once = (READ_AT_ONCE / (row * STRIP)).max(1);
        let mut strips = matrix.strips_mut(0);
        for first in (0..outputs).step_by(at_once * STRIP) {
            read(first..(first + at_once * STRIP).min(outputs), &mut blocks)?;
            let some: Vec<(&[u8], StripMut<'_>)> = blocks.chunks(row * STRIP).zip(strips.by_ref()).collect();
            some.into_par_iter().try_for_each(|(blocks, strip)| strip.fill(kind, blocks, row, &[]))?;
        }
        drop(strips);
        Ok(matrix)
    }

    fn zeros(kind: Kind, outputs: usize, inputs: usize, apart: usize) -> Self {
        let mut matrix = Self {
            kind,
            outputs,
            groups: inputs / GROUP,
            values: Vec::new(),
            scales: Scales::default(),
            least: Scales::default(),
            bias: vec![Columns([0.0; STRIP]); outputs.div_ceil(STRIP)],
            apart: Vec::new(),
        };
        matrix.make_room(apart);
        matrix
    }

    /// Length of an output row in memory.
    pub(crate) fn stride(&self) -> usize {
        self.bias.len() * STRIP
    }

    /// Number of outputs, without what fills up the last strip.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of strips of 32 outputs.
    pub(crate) fn strips(&self) -> usize {
        self.bias.len()
    }

    /// Writes the weights of an output, as the file has them; nothing when there is no such output.
    pub(crate) fn row(&self, output: usize, to: &mut [f32]) -> Option<()> {
        if output >= self.outputs {
            return None;
        }
        let (strip, column) = (output / STRIP, output % STRIP);
        let (side, four) = (column / 16, column % 16);
        let (lines, parts, zero) = (matrix_lines(self.kind), 1 + usize::from(self.kind.is_fine()), self.kind.zero());
        for (group, to) in to.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
            let at = strip * self.groups + group;
            let values = self.values.get(at * lines..(at + 1) * lines)?;
            let least = self.least.one(at, column).unwrap_or(0.0);
            let scales = [self.scales.one(at * parts, column)?, self.scales.one(at * parts + parts - 1, column)?];
            for (step, to) in to.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let packed = self.kind.is_four_bit();
                let line = values.get(if packed { step % 4 } else { step } * 2 + side)?;
                let shift = if packed { step / 4 * 4 } else { 0 };
                let [scale, late] = scales;
                let scale = if step < 4 { scale } else { late };
                for (to, value) in to.iter_mut().zip(line.0.as_chunks::<4>().0.get(four)?) {
                    let value = if packed { value >> shift & 15 } else { *value };
                    *to = scale * f32::from(i16::from(value) - i16::from(zero)) + least;
                }
            }
        }
        Some(())
    }

    /// The product with every row of `input` into rows of `stride` values of `output`, from `column` on; `add` keeps what
    /// is there and adds to it.
    pub(crate) fn multiply_strips(
        &self,
        level: Level,
        input: &Activations,
        strips: Range<usize>,
        (output, stride, column): (&mut [f32], usize, usize),
        add: bool,
        workspace: &mut Workspace,
    ) {
        let apart = self.apart.len() / self.strips().max(1);
        let lines = self.groups * matrix_lines(self.kind);
        input.starts(self.kind.zero(), self.kind.is_fine(), &mut workspace.starts);
        for (strip, at) in strips.zip(0..) {
            let values = self.values.get(strip * lines..(strip + 1) * lines).unwrap_or_default();
            let packed = self.kind.is_four_bit() && level.reads_packed(input.rows());
            let values = if self.kind.is_four_bit() && !packed {
                workspace.values.resize(self.groups * LINES, Line([0; 64]));
                kernels::unpack_nibbles(level, values, &mut workspace.values);
                &workspace.values
            } else {
                values
            };
            self.scales.unpack(level, strip, self.strips(), &mut workspace.scales);
            self.least.unpack(level, strip, self.strips(), &mut workspace.least);
            let strip_view = Strip {
                values,
                packed,
                scales: &workspace.scales,
                fine: self.kind.is_fine(),
                least: self.kind.has_least().then_some(workspace.least.as_slice()),
                zero: self.kind.zero(),
                starts: &workspace.starts,
                apart: self.apart.get(strip * apart..(strip + 1) * apart).unwrap_or_default(),
            };
            let Some(bias) = self.bias.get(strip) else { return };
            let mut output = Output { values: output, stride, column: column + at * STRIP, add };
            kernels::product(level, input, &strip_view, bias, &mut output);
        }
    }

    /// The products with every row of `input` into the strips of `output`, as many rows each; `add` keeps what is there
    /// and adds to it.
    pub(crate) fn multiply_rows(
        &self,
        level: Level,
        input: &Rounded,
        strips: Range<usize>,
        output: &mut [Columns],
        add: bool,
        workspace: &mut Workspace,
    ) {
        let (lines, parts) = (matrix_lines(self.kind), 1 + usize::from(self.kind.is_fine()));
        if self.groups != input.groups() || input.rows() == 0 {
            return;
        }
        let Workspace { values: bytes, scales, least, .. } = workspace;
        bytes.resize(SPAN * LINES, Line([0; 64]));
        for (strip, totals) in strips.zip(output.chunks_exact_mut(input.rows())) {
            let bias = self.bias.get(strip).copied().unwrap_or(Columns([0.0; STRIP]));
            for total in totals.iter_mut() {
                if add {
                    total.0.iter_mut().zip(bias.0).for_each(|(total, bias)| *total += bias);
                } else {
                    *total = bias;
                }
            }
            for (at, first) in (0..self.groups).step_by(SPAN).enumerate() {
                let groups = SPAN.min(self.groups - first);
                let from = strip * self.groups + first;
                self.scales.unpack_some(level, from * parts..(from + groups) * parts, scales);
                self.least.unpack_some(level, from..from + groups, least);
                let span = Span {
                    values: self.values.get(from * lines..(from + groups) * lines).unwrap_or_default(),
                    scales,
                    fine: self.kind.is_fine(),
                    least: self.kind.has_least().then_some(least.as_slice()),
                    zero: self.kind.zero(),
                    most: self.kind.most(),
                };
                let mut scale = Columns([0.0; STRIP]);
                let bytes = bytes.get_mut(..groups * LINES).unwrap_or_default();
                kernels::settle(level, &span, bytes, &mut scale);
                kernels::add_products(level, bytes, &scale, &input.span(at), totals);
            }
        }
    }

    /// As [`Matrix::multiply_strips`] for all of them, into rows of [`Matrix::stride`].
    pub(crate) fn multiply(
        &self,
        level: Level,
        input: &Activations,
        output: &mut [f32],
        add: bool,
        workspace: &mut Workspace,
    ) {
        self.multiply_strips(level, input, 0..self.strips(), (output, self.stride(), 0), add, workspace);
    }

    /// Makes the vectors as long as they will be.
    fn make_room(&mut self, apart: usize) {
        let (groups, strips, kind) = (self.groups * self.strips(), self.strips(), self.kind);
        let blocks = groups / kind.groups_in_block();
        let steps = if kind.groups_in_block() > 1 { groups } else { 0 };
        self.values = vec![Line([0; 64]); groups * matrix_lines(kind)];
        self.scales.halves = vec![[0; STRIP]; blocks];
        self.scales.steps = vec![[0; STRIP]; steps * (1 + usize::from(kind.is_fine()))];
        if kind.has_least() {
            self.least.halves = vec![[0; STRIP]; blocks];
            self.least.steps = vec![[0; STRIP]; steps];
        }
        self.apart = vec![Columns([0.0; STRIP]); strips * apart];
    }

    /// The parts of every strip, to be filled.
    fn strips_mut(&mut self, apart: usize) -> impl Iterator<Item = StripMut<'_>> {
        let strips = self.strips();
        let mut values = self.values.as_mut_slice();
        let mut scales = [self.scales.halves.as_mut_slice(), self.least.halves.as_mut_slice()];
        let mut steps = [self.scales.steps.as_mut_slice(), self.least.steps.as_mut_slice()];
        let mut kept = self.apart.as_mut_slice();
        (0..strips).rev().map(move |left| {
            // The first of equal parts, as many as are left.
            let part = |length: usize| ..length / (left + 1);
            StripMut {
                values: values.split_off_mut(part(values.len())).unwrap_or_default(),
                scales: scales.each_mut().map(|all| all.split_off_mut(part(all.len())).unwrap_or_default()),
                steps: steps.each_mut().map(|all| all.split_off_mut(part(all.len())).unwrap_or_default()),
                apart: kept.split_off_mut(..apart).unwrap_or_default(),
            }
        })
    }
}

/// The place of one strip in a matrix.
struct StripMut<'a> {
    values: &'a mut [Line],
    /// Of the scales, then of the offsets.
    scales: [&'a mut [[u16; STRIP]]; 2],
    steps: [&'a mut [[i8; STRIP]]; 2],
    apart: &'a mut [Columns],
}

impl StripMut<'_> {
    /// Fills the strip with up to 32 rows of blocks, `row` bytes each; what is left are zeros.
    fn fill(mut self, kind: Kind, blocks: &[u8], row: usize, apart: &[usize]) -> Result<(), &'static str> {
        let mut columns: Vec<Vec<Group>> = vec![Vec::new(); STRIP];
        for (groups, row) in columns.iter_mut().zip(blocks.chunks_exact(row)) {
            kind.read(row, groups);
        }
        let nothing = Group { values: [kind.zero(); GROUP], scale: 0, steps: [0; 2], least: 0, least_step: 0 };
        let (lines_each, parts) = (matrix_lines(kind), 1 + usize::from(kind.is_fine()));
        for (at, to) in self.values.chunks_exact_mut(lines_each).enumerate() {
            let own: [Group; STRIP] = std::array::from_fn(|column| {
                columns.get(column).and_then(|column| column.get(at)).copied().unwrap_or(nothing)
            });
            if own.iter().any(|group| is_strange(group.scale) || is_strange(group.least)) {
                return Err("a scale is not a number");
            }
            let lines = lines(&own);
            if kind.is_four_bit() {
                to.iter_mut().zip(fold(&lines)).for_each(|(to, line)| *to = line);
            } else {
                to.copy_from_slice(&lines);
            }
            let block = at / kind.groups_in_block();
            let [scales, least] = &mut self.scales;
            scales.get_mut(block).into_iter().for_each(|to| *to = own.map(|group| group.scale));
            least.get_mut(block).into_iter().for_each(|to| *to = own.map(|group| group.least));
            let [steps, least] = &mut self.steps;
            for (part, to) in steps.iter_mut().skip(at * parts).take(parts).enumerate() {
                *to = own.map(|group| if part == 0 { group.steps[0] } else { group.steps[1] });
            }
            least.get_mut(at).into_iter().for_each(|to| *to = own.map(|group| group.least_step.cast_signed()));
            for (column, to) in apart.iter().zip(self.apart.iter_mut()).filter(|(column, _)| **column / GROUP == at) {
                to.0 = own.map(|group| weight(&group, kind, column % GROUP));
            }
        }
        Ok(())
    }
}

impl Scales {
    /// The numbers of a strip, one of `strips`, for every group, or half group, and column.
    fn unpack(&self, level: Level, strip: usize, strips: usize, to: &mut Vec<Columns>) {
        let part = |all: usize| strip * (all / strips.max(1))..(strip + 1) * (all / strips.max(1));
        let halves = self.halves.get(part(self.halves.len())).unwrap_or_default();
        let steps = self.steps.get(part(self.steps.len())).unwrap_or_default();
        to.resize(halves.len().max(steps.len()), Columns([0.0; STRIP]));
        kernels::unpack_scales(level, halves, steps, to);
    }

    /// The numbers of some groups, or half groups: of whole blocks.
    fn unpack_some(&self, level: Level, of: Range<usize>, to: &mut Vec<Columns>) {
        to.resize(if self.halves.is_empty() { 0 } else { of.len() }, Columns([0.0; STRIP]));
        let share = if self.steps.is_empty() { 1 } else { self.steps.len() / self.halves.len().max(1) };
        let halves = self.halves.get(of.start / share.max(1)..of.end / share.max(1)).unwrap_or_default();
        let steps = self.steps.get(of).unwrap_or_default();
        kernels::unpack_scales(level, halves, steps, to);
    }

    fn one(&self, at: usize, column: usize) -> Option<f32> {
        if self.steps.is_empty() {
            return self.halves.get(at)?.get(column).map(|bits| half(*bits));
        }
        let share = self.steps.len() / self.halves.len().max(1);
        let scale = half(*self.halves.get(at / share.max(1))?.get(column)?);
        Some(scale * f32::from(*self.steps.get(at)?.get(column)?))
    }
}

/// A weight of a group, as candle computes it.
pub(crate) fn weight(group: &Group, kind: Kind, at: usize) -> f32 {
    let [first, second] = group.steps;
    let scale = half(group.scale) * f32::from(if at < GROUP / 2 { first } else { second });
    let value = i16::from(group.values.get(at).copied().unwrap_or_default()) - i16::from(kind.zero());
    let least = half(group.least) * f32::from(group.least_step);
    scale * f32::from(value) + if kind.has_least() { least } else { 0.0 }
}

/// Bytes of a row of blocks.
fn row_bytes(kind: Kind, inputs: usize) -> Result<usize, &'static str> {
    let whole = inputs > 0 && inputs.is_multiple_of(GROUP * kind.groups_in_block());
    let blocks = inputs / GROUP / kind.groups_in_block();
    if whole { Ok(blocks * kind.block_bytes()) } else { Err("its rows are not whole blocks") }
}

/// Bytes of a file that are read at once.
const READ_AT_ONCE: usize = 4 << 20;

/// Lines of a group in memory.
fn matrix_lines(kind: Kind) -> usize {
    if kind.is_four_bit() { LINES / 2 } else { LINES }
}

/// Whether a half-precision number is infinite or none.
fn is_strange(bits: u16) -> bool {
    bits & 0x7c00 == 0x7c00
}

/// The values of a group of 32 columns in the order of a [`Strip`].
fn lines(columns: &[Group; STRIP]) -> [Line; LINES] {
    let mut lines = [Line([0; 64]); LINES];
    for (column, group) in columns.iter().enumerate() {
        let sides = lines.iter_mut().skip(column / 16).step_by(2);
        for (line, four) in sides.zip(group.values.as_chunks::<4>().0) {
            if let Some(place) = line.0.as_chunks_mut::<4>().0.get_mut(column % 16) {
                *place = *four;
            }
        }
    }
    lines
}

/// Four-bit lines two in one: the first half of them in the low halves of the bytes.
fn fold(lines: &[Line; LINES]) -> impl Iterator<Item = Line> {
    let (low, high) = lines.split_at(LINES / 2);
    low.iter().zip(high).map(|(low, high)| {
        let mut line = *low;
        line.0.iter_mut().zip(high.0).for_each(|(low, high)| *low |= high << 4);
        line
    })
}
