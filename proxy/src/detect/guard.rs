//! The guard model: is this a hazard?

mod memory;
mod question;
mod remote;
mod tiers;
mod verdict;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use guard_model::{Classifier, Conversation, GuardError, Taxonomy};
use policies::{Finding, FindingId, Severity};
use tokio::sync::Semaphore;

use self::{
    memory::Memory,
    question::{Question, questions},
    verdict::Verdict,
};
use super::{Detector, DetectorError, Findings, Located, blocking, ids};
use crate::{chat::Chat, segment::Segment};

pub use tiers::{Overrides, classifier, tiers};

/// Scores below this are not reported.
const REPORTED: f32 = 0.2;
/// So much new text is judged in one segment, in bytes; what lies beyond is reported as unreadable, never left out in
/// silence. It is what the guard reads well within its usual deadline.
const LONGEST: usize = 256 << 10;
/// What is reported of a text beyond that.
const TOO_LONG: &str = "unreadable.long";
/// Verdicts computed at once; more only share the same cores.
const AT_ONCE: usize = 2;

/// Asks guard models, in this process or on servers: all of them, one after the other, each of a text's hazards by the
/// one that scores it highest.
pub struct Guard {
    models: Arc<Vec<Arc<dyn Classifier>>>,
    deadline: Duration,
    places: Arc<Semaphore>,
    memory: Arc<Memory>,
}

impl Guard {
    /// A detector that asks `models` and waits for at most `deadline`.
    pub fn new(models: Vec<Arc<dyn Classifier>>, deadline: Duration) -> Self {
        let (places, memory) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::default());
        Self { models: Arc::new(models), deadline, places, memory }
    }

    /// The detector's name.
    pub const NAME: &str = "guard";

    /// What a guard with these taxonomies can report.
    pub fn catalog_of<'a>(taxonomies: impl IntoIterator<Item = &'a Taxonomy>) -> Vec<FindingId> {
        let mut names: Vec<String> = taxonomies
            .into_iter()
            .flat_map(|taxonomy| taxonomy.hazards.iter().map(|hazard| format!("guard.{}", hazard.code)))
            .collect();
        names.sort_unstable();
        names.dedup();
        ids(names.iter().map(String::as_str).chain([TOO_LONG]))
    }
}

impl Detector for Guard {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn catalog(&self) -> Vec<FindingId> {
        Self::catalog_of(self.models.iter().map(|model| model.taxonomy()))
    }

    fn detect(&self, chat: &Arc<Chat>, segment: &Arc<Segment>) -> Findings {
        let deadline = Instant::now() + self.deadline;
        let (models, places) = (Arc::clone(&self.models), Arc::clone(&self.places));
        let memory = Arc::clone(&self.memory);
        let (chat, segment) = (Arc::clone(chat), Arc::clone(segment));
        let wait = self.deadline;
        Box::pin(async move {
            let work = async {
                let _place = places.acquire_owned().await.map_err(|error| DetectorError::Failed(error.to_string()))?;
                blocking(move || judge(&models, &memory, &chat, &segment, deadline)).await
            };
            tokio::time::timeout(wait, work).await.unwrap_or(Err(DetectorError::Late))
        })
    }
}

fn judge(
    models: &[Arc<dyn Classifier>],
    memory: &Memory,
    chat: &Chat,
    segment: &Segment,
    deadline: Instant,
) -> Result<Vec<Located>, DetectorError> {
    let mut found = Vec::new();
    let mut new = Vec::new();
    for question in questions(chat, segment) {
        match memory.recall(&question.key(&chat.tenant)) {
            Some(verdict) => report(&question, &verdict, &mut found)?,
            None => new.push(question),
        }
    }
    let beyond = new.split_off(within_budget(&new));
    for question in &beyond {
        found.push(too_long(question)?);
    }
    let conversations: Vec<Conversation<'_>> = new.iter().map(Question::conversation).collect();
    let mut verdicts = vec![Verdict::default(); new.len()];
    for model in models.iter().filter(|_| !new.is_empty()) {
        let mut answers = model.assess(&conversations, deadline).into_iter();
        for (question, verdict) in new.iter().zip(&mut verdicts) {
            let missing = || Err(GuardError::Failed("it gave no answer".to_owned()));
            let assessment = answers.next().unwrap_or_else(missing).map_err(|error| match error {
                GuardError::Late { .. } => DetectorError::Late,
                other => DetectorError::Failed(format!("{}: {other}", model.version())),
            })?;
            verdict.hear(model.as_ref(), question.role, &assessment);
        }
    }
    for (question, verdict) in new.iter().zip(verdicts) {
        report(question, &verdict, &mut found)?;
        memory.keep(question.key(&chat.tenant), verdict);
    }
    if Instant::now() >= deadline { Err(DetectorError::Late) } else { Ok(found) }
}

/// How many of the questions, from the first on, are short enough to be judged together.
fn within_budget(questions: &[Question]) -> usize {
    let mut total = 0_usize;
    let fits = |question: &&Question| {
        total = total.saturating_add(question.text.len());
        total <= LONGEST
    };
    questions.iter().take_while(fits).count()
}

fn too_long(question: &Question) -> Result<Located, DetectorError> {
    let id = FindingId::parse(TOO_LONG).map_err(|error| DetectorError::Failed(error.to_string()))?;
    let finding = Finding {
        id,
        severity: Severity::Error,
        score: 1.0,
        span: 0..question.length,
        message: format!("there is more text here than the guard reads at once ({LONGEST} bytes)"),
        language: None,
        cwe: None,
    };
    Ok(Located { part: question.part, finding })
}

fn report(question: &Question, verdict: &Verdict, found: &mut Vec<Located>) -> Result<(), DetectorError> {
    for (hazard, score, over) in &verdict.0 {
        if !over && *score < REPORTED {
            continue;
        }
        let id =
            FindingId::parse(&format!("guard.{hazard}")).map_err(|error| DetectorError::Failed(error.to_string()))?;
        let known = found.iter_mut().find(|known| known.part == question.part && known.finding.id == id);
        let severity = if *over { Severity::Error } else { Severity::Advice };
        if let Some(known) = known {
            known.finding.score = known.finding.score.max(*score);
            known.finding.severity = known.finding.severity.max(severity);
            continue;
        }
        found.push(Located {
            part: question.part,
            finding: Finding {
                id,
                severity,
                score: *score,
                span: 0..question.length,
                message: format!("the guard scores hazard {hazard} at {score:.2}"),
                language: None,
                cwe: None,
            },
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Question, too_long, within_budget};
    use guard_model::Role;

    fn question(length: usize) -> Question {
        Question { part: 3, role: Role::User, before: None, text: "x".repeat(length), length }
    }

    #[test]
    fn what_is_too_long_is_reported_and_not_left_out() {
        assert_eq!(within_budget(&[question(LONGEST)]), 1);
        assert_eq!(within_budget(&[question(LONGEST + 1)]), 0);
        assert_eq!(within_budget(&[question(LONGEST), question(1), question(0)]), 1);
        let located = too_long(&question(LONGEST + 1)).unwrap();
        assert_eq!((located.part, located.finding.id.as_str()), (3, "unreadable.long"));
        assert_eq!(located.finding.span, 0..LONGEST + 1);
    }
}
