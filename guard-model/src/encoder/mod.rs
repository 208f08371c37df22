//! The text encoder: a small multilingual BERT that turns a window of text into a vector.
//!
//! The vector is the mean over the window's pieces of the hidden states after two thirds and after all of the layers,
//! and the largest of each state after all of them, which a harmless sentence beside a harmful one does not dilute.
//! Earlier layers keep the words, the last ones the sense; the first third was measured and did harm.

mod file;
mod layer;
mod tokenizer;
mod trie;
mod words;

pub use file::WeightsFile;
pub use tokenizer::{Piece, Pieces, SPACE, Tokenizer};

use crate::GuardError;
use crate::engine::{GROUP, Level};
use layer::{Layer, Norm, Scratch, Shape};
use rayon::prelude::{IntoParallelRefIterator as _, ParallelIterator as _};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use words::Words;

/// Most pieces a window may have, the encoder's own frame included.
pub const LONGEST_WINDOW: usize = 256;

/// Groups the layers are loaded in.
const GROUPS: usize = 3;

/// How many of the last groups give the mean of their output to the vector.
const POOLED: usize = 2;

/// Parts of the vector: the means, and the maximum of the last output.
const PARTS: usize = POOLED + 1;

/// Most rows that go through the layers at once, so that what they need stays in a core's own cache; more are divided
/// among threads.
const MOST_ROWS: usize = LONGEST_WINDOW;

/// The encoder with its tokenizer. Any number of threads may use it at the same time.
pub struct Encoder {
    tokenizer: Tokenizer,
    words: Words,
    /// A vector for each place in a window, that of the first kind of token added.
    places: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    /// Columns of the hidden states that are not rounded.
    apart: Vec<usize>,
    shape: Shape,
    begin: u32,
    end: u32,
    level: Level,
    /// Memory of computations that are done.
    scratch: Mutex<Vec<Scratch>>,
}

impl Encoder {
    /// Reads the encoder's part of a weights file. Weights of layers stay blocks of the file's types, in another order; the
    /// table of pieces is copied.
    ///
    /// # Errors
    /// [`GuardError::Weights`] naming what is missing or malformed.
    pub fn load(file: &mut WeightsFile<'_>) -> Result<Self, GuardError> {
        let shape = shape(file)?;
        let words = Words::load(file, shape.width)?;
        Self::with_words(file, shape, words)
    }

    /// As [`Encoder::load`], from a file that is part of the program: the table of pieces stays where it is.
    ///
    /// # Errors
    /// As [`Encoder::load`].
    pub fn load_static(file: &mut WeightsFile<'static>) -> Result<Self, GuardError> {
        let shape = shape(file)?;
        let words = Words::borrow(file, shape.width)?;
        Self::with_words(file, shape, words)
    }

    /// The same encoder on other instructions than the fastest of this machine.
    #[must_use]
    pub fn on(self, level: Level) -> Self {
        Self { level, ..self }
    }

    fn with_words(file: &mut WeightsFile<'_>, shape: Shape, words: Words) -> Result<Self, GuardError> {
        let apart = layer::outstanding(file, shape)?;
        let layers = (0..shape.layers).map(|at| Layer::load(file, shape, &apart, at)).collect::<Result<_, _>>()?;
        let kind = file.floats("token_types.weight")?;
        let mut places = file.floats("position_embd.weight")?;
        if kind.len() < shape.width || places.len() != shape.places * shape.width || shape.places < LONGEST_WINDOW {
            return Err(GuardError::Weights("the vectors of places or kinds are of another size".into()));
        }
        for place in places.chunks_exact_mut(shape.width) {
            place.iter_mut().zip(&kind).for_each(|(place, kind)| *place += kind);
        }
        let norm = Norm::load(file, "token_embd_norm", shape.width)?;
        let (begin, end) = (file.number("tokenizer.ggml.bos_token_id")?, file.number("tokenizer.ggml.eos_token_id")?);
        let (level, scratch) = (Level::best(), Mutex::default());
        let tokenizer = load_tokenizer(file)?;
        Ok(Self { tokenizer, words, places, norm, layers, apart, shape, begin, end, level, scratch })
    }

    /// Cuts a text into the encoder's pieces.
    pub fn cut(&self, text: &str) -> Pieces {
        self.tokenizer.cut(text)
    }

    /// Length of the vector that [`Encoder::encode`] gives for a window.
    pub fn features(&self) -> usize {
        self.shape.width * PARTS
    }

    /// The vectors of several windows, in order. A window is the ids of its pieces; what is beyond
    /// [`LONGEST_WINDOW`] less two is the caller's error and is refused. A window's vector does not depend on the others.
    ///
    /// # Errors
    /// [`GuardError::Failed`] when a window is too long or names a piece that is not in the vocabulary.
    pub fn encode(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, GuardError> {
        let length = windows.iter().map(|ids| ids.len() + 2).max().unwrap_or(0);
        if length > LONGEST_WINDOW {
            return Err(GuardError::Failed(format!("a window has {length} pieces, at most {LONGEST_WINDOW} fit")));
        }
        let mut parts = Vec::new();
        let mut rest = windows;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(together(rest));
            parts.push(now);
            rest = later;
        }
        // One part is done where it is asked for; several are many rows, and worth a second thread.
        let vectors = match parts.as_slice() {
            [part] => vec![self.encode_part(part)],
            parts => parts.par_iter().map(|part| self.encode_part(part)).collect(),
        };
        Ok(vectors.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn encode_part(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, GuardError> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let vectors = self.encode_together(windows, &mut scratch);
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        vectors
    }

    fn encode_together(&self, windows: &[&[u32]], scratch: &mut Scratch) -> Result<Vec<Vec<f32>>, GuardError> {
        let width = self.shape.width;
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(windows.len());
        scratch.hidden.clear();
        for window in windows {
            let start = scratch.hidden.len() / width;
            let ids = std::iter::once(&self.begin).chain(*window).chain(std::iter::once(&self.end));
            scratch.hidden.resize((start + window.len() + 2) * width, 0.0);
            let rows = scratch.hidden.get_mut(start * width..).unwrap_or_default().chunks_exact_mut(width);
            for ((id, row), place) in ids.zip(rows).zip(self.places.chunks_exact(width)) {
                let read = self.words.read(*id, row);
                read.ok_or_else(|| GuardError::Failed(format!("there is no piece {id} in the vocabulary")))?;
                row.iter_mut().zip(place).for_each(|(row, place)| *row += place);
            }
            ranges.push(start..start + window.len() + 2);
        }
        self.norm.apply(self.level, &mut scratch.hidden);
        let mut vectors: Vec<Vec<f32>> = windows.iter().map(|_| Vec::with_capacity(self.features())).collect();
        for (layer, done) in self.layers.iter().zip(1..) {
            layer.forward(self.level, &ranges, &self.apart, scratch);
            let group = self.shape.layers / GROUPS;
            if done % group == 0 && done / group > GROUPS - POOLED {
                for (range, vector) in ranges.iter().zip(&mut vectors) {
                    let rows = scratch.hidden.get(range.start * width..range.end * width).unwrap_or_default();
                    vector.extend(mean(rows, width));
                    if done == self.shape.layers {
                        vector.extend(most(rows, width));
                    }
                }
            }
        }
        Ok(vectors)
    }
}

/// How many of the next windows go through the layers at once; at least one.
fn together(windows: &[&[u32]]) -> usize {
    let mut rows = 0;
    let fits = |ids: &&&[u32]| {
        rows += ids.len() + 2;
        rows <= MOST_ROWS
    };
    windows.iter().take_while(fits).count().clamp(1, windows.len())
}

fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
    }
    let count = (rows.len() / width) as f32;
    for mean in &mut mean {
        *mean /= count;
    }
    mean
}

/// The largest of each column.
fn most(rows: &[f32], width: usize) -> Vec<f32> {
    let mut most = vec![f32::MIN; width];
    for row in rows.chunks_exact(width) {
        most.iter_mut().zip(row).for_each(|(most, value)| *most = most.max(*value));
    }
    most
}

fn shape(file: &WeightsFile<'_>) -> Result<Shape, GuardError> {
    let number = |key: &str| Ok::<_, GuardError>(file.number(key)? as usize);
    let shape = Shape {
        layers: number("bert.block_count")?,
        width: number("bert.embedding_length")?,
        inner: number("bert.feed_forward_length")?,
        places: number("bert.context_length")?,
    };
    if shape.layers == 0 || !shape.layers.is_multiple_of(GROUPS) {
        let layers = shape.layers;
        return Err(GuardError::Weights(format!(
            "`bert.block_count` is {layers}, which is not a multiple of {GROUPS}"
        )));
    }
    let heads = number("bert.attention.head_count")?;
    if heads == 0 || shape.width != heads * GROUP || shape.inner == 0 || !shape.inner.is_multiple_of(GROUP) {
        let (width, inner) = (shape.width, shape.inner);
        return Err(GuardError::Weights(format!(
            "{heads} heads, width {width} and {inner} are not in steps of {GROUP}"
        )));
    }
    Ok(shape)
}

/// The reference implementation's names of a layer's parts, and the names in GGUF files.
pub const LAYER_NAMES: [(&str, &str); 8] = [
    ("attention.self.query", "attn_q"),
    ("attention.self.key", "attn_k"),
    ("attention.self.value", "attn_v"),
    ("attention.output.dense", "attn_output"),
    ("attention.output.LayerNorm", "attn_output_norm"),
    ("intermediate.dense", "ffn_up"),
    ("output.dense", "ffn_down"),
    ("output.LayerNorm", "layer_output_norm"),
];

fn load_tokenizer(file: &WeightsFile<'_>) -> Result<Tokenizer, GuardError> {
    let from = file.numbers("ringfence.normalise.from")?;
    let to = file.texts("ringfence.normalise.to")?;
    let normalise = from.iter().zip(to).filter_map(|(from, to)| Some((char::from_u32(*from)?, to.into_boxed_str())));
    let control = [
        file.number("tokenizer.ggml.bos_token_id")?,
        file.number("tokenizer.ggml.eos_token_id")?,
        file.number("tokenizer.ggml.padding_token_id")?,
    ];
    Ok(Tokenizer::new(
        &file.texts("tokenizer.ggml.tokens")?,
        &file.fractions("tokenizer.ggml.scores")?,
        &control,
        file.number("tokenizer.ggml.unknown_token_id")?,
        normalise.collect(),
    ))
}
