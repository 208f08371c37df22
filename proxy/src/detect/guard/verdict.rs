//! What guards say of a text, together.

use guard_model::{Assessment, Classifier, HazardId, Role};

/// Each hazard with its score, and whether it counts as found.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Verdict(pub(super) Vec<(HazardId, f32, bool)>);

impl Verdict {
    /// Hears one guard more: of each hazard the highest score counts, and one that finds it is enough.
    pub(super) fn hear(&mut self, guard: &dyn Classifier, judged: Role, assessment: &Assessment) {
        for (hazard, score) in &assessment.hazards {
            let found = *score >= guard.threshold(hazard, judged);
            match self.0.iter_mut().find(|(known, ..)| known == hazard) {
                Some((_, known, over)) => {
                    *known = known.max(*score);
                    *over |= found;
                }
                None => self.0.push((hazard.clone(), *score, found)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guard_model::{Conversation, GuardError, Taxonomy};
    use std::time::Instant;

    struct Half(Taxonomy);

    impl Classifier for Half {
        fn version(&self) -> &'static str {
            "half"
        }

        fn taxonomy(&self) -> &Taxonomy {
            &self.0
        }

        fn threshold(&self, _: &HazardId, _: Role) -> f32 {
            0.5
        }

        fn assess(&self, _: &[Conversation<'_>], _: Instant) -> Vec<Result<Assessment, GuardError>> {
            Vec::new()
        }
    }

    #[test]
    fn the_highest_score_of_each_hazard_counts() {
        let guard = Half(Taxonomy { hazards: Vec::new() });
        let says = |hazards: &[(&str, f32)]| Assessment {
            unsafe_score: 0.0,
            hazards: hazards.iter().map(|(code, score)| (HazardId::new(code), *score)).collect(),
        };
        let mut verdict = Verdict::default();
        verdict.hear(&guard, Role::User, &says(&[("S1", 0.6), ("S2", 0.1)]));
        verdict.hear(&guard, Role::User, &says(&[("S1", 0.2), ("S2", 0.4), ("S9", 0.5)]));
        let id = HazardId::new;
        assert_eq!(verdict.0, [(id("S1"), 0.6, true), (id("S2"), 0.4, false), (id("S9"), 0.5, true)]);
    }
}
