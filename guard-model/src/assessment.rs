//! What a guard says of a text.

use crate::{Classifier, HazardId, Role};

/// The scores of one judged turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// How harmful the text is, from 0 to 1: the worse of harm and cyber abuse. Injection is not part of it, because
    /// such a text may be harmless in itself.
    pub unsafe_score: f32,
    /// Each hazard of the guard's taxonomy with its score from 0 to 1, in the taxonomy's order.
    pub hazards: Vec<(HazardId, f32)>,
}

impl Assessment {
    /// The hazards whose score reaches the guard's threshold for text of the role that was judged, worst first.
    pub fn flagged(&self, guard: &dyn Classifier, judged: Role) -> Vec<HazardId> {
        let over = self.hazards.iter().filter(|(hazard, score)| *score >= guard.threshold(hazard, judged));
        let mut over: Vec<_> = over.collect();
        over.sort_by(|a, b| b.1.total_cmp(&a.1));
        over.into_iter().map(|(hazard, _)| hazard.clone()).collect()
    }

    /// The score of one hazard, 0 for a hazard the guard does not know.
    pub fn score(&self, hazard: &HazardId) -> f32 {
        self.hazards.iter().find(|(id, _)| id == hazard).map_or(0.0, |(_, score)| *score)
    }
}
