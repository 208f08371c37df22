//! Keys and values of the tokens a model has read, in blocks that several conversations can share.

use crate::engine::{Columns, GROUP};
use std::sync::Arc;

/// What one conversation's tokens left behind in every layer. A clone is a fork: both share all blocks, and whoever
/// writes to one that is shared copies it first.
#[derive(Clone)]
pub struct Cache {
    layers: Vec<Vec<Arc<Block>>>,
    length: usize,
    heads: usize,
    width: usize,
}

/// Keys and values of 32 tokens in one layer, laid out for products: of a head's keys a row for each dimension, a column
/// for each token; of its values a row for each token, 32 dimensions wide, and so often as the head is wide.
#[derive(Clone)]
pub(super) struct Block {
    keys: Vec<Columns>,
    values: Vec<Columns>,
}

impl Cache {
    /// An empty cache for a model of so many layers, heads of keys, and dimensions of a head.
    pub(super) fn new(layers: usize, heads: usize, width: usize) -> Self {
        Self { layers: vec![Vec::new(); layers], length: 0, heads, width }
    }

    /// Tokens that all layers have read.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Says that all layers have read `tokens` more.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.length += tokens;
    }

    /// Writes key and value of the token at `position` in a layer, each of all heads one after the other.
    pub(super) fn write(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let Some(blocks) = self.layers.get_mut(layer) else { return };
        let (block, column) = (position / GROUP, position % GROUP);
        let wide = self.width.div_ceil(GROUP);
        while blocks.len() <= block {
            let zeros = |count| vec![Columns([0.0; GROUP]); count];
            blocks.push(Arc::new(Block {
                keys: zeros(self.heads * self.width),
                values: zeros(self.heads * wide * GROUP),
            }));
        }
        let Some(block) = blocks.get_mut(block).map(Arc::make_mut) else { return };
        for (key, to) in keys.iter().zip(&mut block.keys) {
            if let Some(to) = to.0.get_mut(column) {
                *to = *key;
            }
        }
        for (head, values) in values.chunks_exact(self.width).enumerate() {
            for (part, values) in values.chunks(GROUP).enumerate() {
                if let Some(to) = block.values.get_mut((head * wide + part) * GROUP + column) {
                    to.0.iter_mut().zip(values).for_each(|(to, value)| *to = *value);
                }
            }
        }
    }

    /// The blocks of a layer, 32 tokens each; the last one may be filled in part.
    pub(super) fn blocks(&self, layer: usize) -> &[Arc<Block>] {
        self.layers.get(layer).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Block {
    /// Keys of a head: `width` rows of 32 tokens.
    pub(super) fn keys(&self, head: usize, width: usize) -> &[Columns] {
        self.keys.get(head * width..(head + 1) * width).unwrap_or_default()
    }

    /// Values of a head: 32 tokens' rows of the dimensions from `32 * part`.
    pub(super) fn values(&self, head: usize, width: usize, part: usize) -> &[Columns] {
        let first = (head * width.div_ceil(GROUP) + part) * GROUP;
        self.values.get(first..first + GROUP).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_does_not_see_what_the_other_writes() {
        let mut cache = Cache::new(1, 1, 32);
        for position in 0..40 {
            cache.write(0, position, &[position as f32; 32], &[1.0; 32]);
        }
        let mut fork = cache.clone();
        assert!(Arc::ptr_eq(&cache.blocks(0)[1], &fork.blocks(0)[1]));
        fork.write(0, 40, &[-1.0; 32], &[-1.0; 32]);
        assert!(Arc::ptr_eq(&cache.blocks(0)[0], &fork.blocks(0)[0]));
        let row = |cache: &Cache| cache.blocks(0)[1].keys(0, 32)[5].0.map(|key| key as i32);
        assert_eq!((row(&cache)[7], row(&cache)[8]), (39, 0));
        assert_eq!((row(&fork)[7], row(&fork)[8]), (39, -1));
        assert_eq!(fork.blocks(0)[1].values(0, 32, 0)[8].0.map(|value| value as i32), [-1; 32]);
    }
}
