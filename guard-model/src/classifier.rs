//! What every guard in this process can do.

use crate::{Assessment, Conversation, Guard, GuardError, HazardId, Role, Taxonomy};
use std::time::Instant;

/// A guard: the embedded one, or a Llama Guard. It may be shared between threads.
pub trait Classifier: Send + Sync {
    /// Its name and version, for records.
    fn version(&self) -> &str;

    /// The hazards it reports.
    fn taxonomy(&self) -> &Taxonomy;

    /// The score from which a hazard counts as found in text of a role; [`crate::NEVER`] where it is not judged.
    fn threshold(&self, hazard: &HazardId, judged: Role) -> f32;

    /// Judges the last turn of each conversation; the answers are in the order of the batch.
    ///
    /// # Errors
    /// Per conversation: it could not be judged before the deadline, or at all.
    fn assess(&self, batch: &[Conversation<'_>], deadline: Instant) -> Vec<Result<Assessment, GuardError>>;
}

impl Classifier for Guard {
    fn version(&self) -> &str {
        Guard::version(self)
    }

    fn taxonomy(&self) -> &Taxonomy {
        Guard::taxonomy(self)
    }

    fn threshold(&self, hazard: &HazardId, judged: Role) -> f32 {
        Guard::threshold(self, hazard, judged)
    }

    fn assess(&self, batch: &[Conversation<'_>], deadline: Instant) -> Vec<Result<Assessment, GuardError>> {
        Guard::assess(self, batch, deadline)
    }
}
