//! From a Llama Guard's judgement to scores of our hazards.

use crate::prompt::{Categories, Category};
use crate::{Assessment, GuardError, Hazard, HazardId, Taxonomy};

/// What a Llama Guard says of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// How likely it calls the text unsafe.
    pub harm: f32,
    /// How likely it then names each category first, in the order of the categories; together 1.
    pub shares: Vec<f32>,
}

impl Judgement {
    /// The worse of two judgements about parts of one text, category by category.
    #[must_use]
    pub fn worse(&self, other: &Self) -> Self {
        let weighed = |one: &Self, at: usize| one.harm * one.shares.get(at).copied().unwrap_or(0.0);
        let worst: Vec<f32> = (0..self.shares.len()).map(|at| weighed(self, at).max(weighed(other, at))).collect();
        let sum = worst.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        Self { harm: self.harm.max(other.harm), shares: worst.iter().map(|share| share / sum).collect() }
    }
}

/// Categories, and the hazards of ours they are.
#[derive(Debug, Clone)]
pub struct Scale {
    categories: Categories,
    taxonomy: Taxonomy,
}

impl Scale {
    /// The score from which a hazard counts as found: a Llama Guard's own.
    pub const THRESHOLD: f32 = 0.5;

    /// The scale of a list of categories. A category that names no hazard is one of its own, under its own code.
    ///
    /// # Errors
    /// [`GuardError::Taxonomy`] when a category names a hazard that is not in our taxonomy.
    pub fn new(categories: Categories) -> Result<Self, GuardError> {
        let ours = Taxonomy::embedded()?;
        let mut taxonomy = Taxonomy { hazards: Vec::new() };
        for category in &categories.categories {
            for id in hazards(category) {
                let known = ours.hazard(id.as_str()).cloned();
                let own = category.hazards.is_empty().then(|| Hazard {
                    code: id.clone(),
                    name: category.name.clone(),
                    definition: category.description.clone().unwrap_or_else(|| category.name.clone()),
                });
                let reason = || format!("category `{}` is hazard `{id}`, which is not one of ours", category.code);
                let unknown = || GuardError::Taxonomy { name: categories.taxonomy.clone(), reason: reason() };
                let hazard = known.or(own).ok_or_else(unknown)?;
                if taxonomy.hazard(id.as_str()).is_none() {
                    taxonomy.hazards.push(hazard);
                }
            }
        }
        Ok(Self { categories, taxonomy })
    }

    /// The categories.
    pub fn categories(&self) -> &Categories {
        &self.categories
    }

    /// The hazards they are.
    pub fn taxonomy(&self) -> &Taxonomy {
        &self.taxonomy
    }

    /// The scores of a judgement: the likeliest category's hazards have the whole likelihood of harm, so that what the
    /// model calls unsafe is never lost between categories; the others have less as they are less likely.
    pub fn assessment(&self, judgement: &Judgement) -> Assessment {
        let most = judgement.shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let mut scores: Vec<(HazardId, f32)> =
            self.taxonomy.hazards.iter().map(|hazard| (hazard.code.clone(), 0.0)).collect();
        for (category, share) in self.categories.categories.iter().zip(&judgement.shares) {
            let score = judgement.harm * share / most;
            for id in hazards(category) {
                for (_, known) in scores.iter_mut().filter(|(known, _)| *known == id) {
                    *known = known.max(score);
                }
            }
        }
        Assessment { unsafe_score: judgement.harm, hazards: scores }
    }
}

fn hazards(category: &Category) -> Vec<HazardId> {
    if category.hazards.is_empty() { vec![HazardId::new(&category.code)] } else { category.hazards.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_of_another_model_is_the_hazard_it_means() {
        let scale = Scale::new(Categories::named("llama-guard-2").unwrap()).unwrap();
        let mut shares = vec![0.0; 11];
        (shares[4], shares[0]) = (0.8, 0.2);
        let assessment = scale.assessment(&Judgement { harm: 0.9, shares });
        let score = |code: &str| assessment.score(&HazardId::new(code));
        assert_eq!((score("S6"), score("S5"), score("S2")), (0.9, 0.0, 0.0));
        assert!((score("S1") - 0.225).abs() < 1e-6 && (assessment.unsafe_score - 0.9).abs() < 1e-6);
    }

    #[test]
    fn a_category_of_two_hazards_scores_both_and_a_new_one_its_own() {
        let text = "taxonomy: mine\ncategories:\n  - {code: O1, name: Violence, hazards: [S1, S10]}\n  - {code: X9, name: Spoilers}\n";
        let scale = Scale::new(Categories::parse("mine", text).unwrap()).unwrap();
        let codes: Vec<&str> = scale.taxonomy().hazards.iter().map(|hazard| hazard.code.as_str()).collect();
        assert_eq!(codes, ["S1", "S10", "X9"]);
        let assessment = scale.assessment(&Judgement { harm: 0.5, shares: vec![0.5, 0.5] });
        assert_eq!(assessment.hazards.iter().map(|(_, score)| *score).collect::<Vec<_>>(), [0.5, 0.5, 0.5]);
        let wrong = text.replace("S10", "S99");
        assert!(Scale::new(Categories::parse("mine", &wrong).unwrap()).unwrap_err().to_string().contains("`S99`"));
    }

    #[test]
    fn the_worse_of_two_parts_keeps_what_either_found() {
        let one = Judgement { harm: 0.9, shares: vec![1.0, 0.0] };
        let other = Judgement { harm: 0.6, shares: vec![0.0, 1.0] };
        let both = one.worse(&other);
        assert!((both.harm - 0.9).abs() < 1e-6);
        assert!((both.shares[0] - 0.6).abs() < 1e-6 && (both.shares[1] - 0.4).abs() < 1e-6);
    }
}
