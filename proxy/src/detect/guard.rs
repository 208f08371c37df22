//! The guard model: is this a hazard?

mod memory;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use guard_model::{Assessment, Conversation, Guard as Model, GuardError, Role, Taxonomy, Turn};
use policies::{Finding, FindingId, Provenance, Severity, Stage};
use tokio::sync::Semaphore;

use self::memory::{Key, Memory};
use super::{Detector, DetectorError, Findings, Located, blocking, ids};
use crate::{
    chat::Chat,
    normalise::views,
    segment::{Kind, Part, Segment},
};

/// Scores below this are not reported.
const REPORTED: f32 = 0.2;
/// How much of an answer is judged with each of its segments, in bytes; what came before was judged with earlier ones.
const ANSWER_WINDOW: usize = 512;
/// So many words may be a sentence, which is judged alone: beside others it would be diluted.
const SENTENCE: usize = 4;
/// So much new text is judged in one segment, in bytes; what lies beyond is reported as unreadable, never left out in
/// silence. It is what the guard reads well within its usual deadline.
const LONGEST: usize = 256 << 10;
/// What is reported of a text beyond that.
const TOO_LONG: &str = "unreadable.long";
/// Verdicts computed at once; more only share the same cores.
const AT_ONCE: usize = 2;

/// Asks the guard model that runs in this process.
pub struct Guard {
    model: Arc<Model>,
    deadline: Duration,
    places: Arc<Semaphore>,
    memory: Arc<Memory>,
}

impl Guard {
    /// A detector that asks `model` and waits for at most `deadline`.
    pub fn new(model: Arc<Model>, deadline: Duration) -> Self {
        Self { model, deadline, places: Arc::new(Semaphore::new(AT_ONCE)), memory: Arc::default() }
    }

    /// The detector's name.
    pub const NAME: &str = "guard";

    /// What a guard with this taxonomy can report.
    pub fn catalog_of(taxonomy: &Taxonomy) -> Vec<FindingId> {
        let names: Vec<String> = taxonomy.hazards.iter().map(|hazard| format!("guard.{}", hazard.code)).collect();
        ids(names.iter().map(String::as_str).chain([TOO_LONG]))
    }
}

impl Detector for Guard {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn catalog(&self) -> Vec<FindingId> {
        Self::catalog_of(self.model.taxonomy())
    }

    fn detect(&self, chat: &Arc<Chat>, segment: &Arc<Segment>) -> Findings {
        let deadline = Instant::now() + self.deadline;
        let (model, places) = (Arc::clone(&self.model), Arc::clone(&self.places));
        let memory = Arc::clone(&self.memory);
        let (chat, segment) = (Arc::clone(chat), Arc::clone(segment));
        let wait = self.deadline;
        Box::pin(async move {
            let work = async {
                let _place = places.acquire_owned().await.map_err(|error| DetectorError::Failed(error.to_string()))?;
                blocking(move || judge(&model, &memory, &chat, &segment, deadline)).await
            };
            tokio::time::timeout(wait, work).await.unwrap_or(Err(DetectorError::Late))
        })
    }
}

fn judge(
    model: &Model,
    memory: &Memory,
    chat: &Chat,
    segment: &Segment,
    deadline: Instant,
) -> Result<Vec<Located>, DetectorError> {
    let mut found = Vec::new();
    let mut new = Vec::new();
    for question in questions(chat, segment) {
        match memory.recall(&question.key(&chat.tenant)) {
            Some(assessment) => report(model, &question, &assessment, &mut found)?,
            None => new.push(question),
        }
    }
    let beyond = new.split_off(within_budget(&new));
    for question in &beyond {
        found.push(too_long(question)?);
    }
    let conversations: Vec<Conversation<'_>> = new.iter().map(Question::conversation).collect();
    for (question, verdict) in new.iter().zip(model.assess(&conversations, deadline)) {
        let assessment = verdict.map_err(|error| match error {
            GuardError::Late { .. } => DetectorError::Late,
            other => DetectorError::Failed(other.to_string()),
        })?;
        report(model, question, &assessment, &mut found)?;
        memory.keep(question.key(&chat.tenant), assessment);
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

/// One text to be judged, in the light of the turn before it.
struct Question {
    part: usize,
    role: Role,
    before: Option<String>,
    text: String,
    length: usize,
}

impl Question {
    fn key(&self, tenant: &str) -> Key {
        memory::key(tenant, self.role, self.before.as_deref(), &self.text)
    }

    fn conversation(&self) -> Conversation<'_> {
        let before = self.before.as_deref().map(|text| Turn { role: Role::User, text });
        let last = Turn { role: self.role, text: &self.text };
        Conversation { turns: before.into_iter().chain([last]).collect() }
    }
}

/// Every text as it stands, and as its disguise says; small strings together.
fn questions(chat: &Chat, segment: &Segment) -> Vec<Question> {
    let mut all = Vec::new();
    let mut details: Vec<(Provenance, usize, String)> = Vec::new();
    for (index, part) in segment.parts.iter().enumerate() {
        // An operator's orders read like an attack when they are taken for the user's.
        if part.kind == Kind::Joined && part.provenance == Provenance::System {
            continue;
        }
        if matches!(part.kind, Kind::Turn | Kind::Joined) || part.text().split_whitespace().nth(SENTENCE - 1).is_some()
        {
            ask(chat, segment, index, part, &mut all);
        } else {
            // A word may be a whole text in disguise.
            disguised(index, part, &mut all);
            match details.iter_mut().find(|(provenance, ..)| *provenance == part.provenance) {
                Some((_, _, text)) => {
                    text.push('\n');
                    text.push_str(part.text());
                }
                None => details.push((part.provenance, index, part.text().to_owned())),
            }
        }
    }
    for (provenance, part, text) in details {
        all.push(Question { part, role: role(provenance), before: None, text, length: 0 });
    }
    all.retain(|question| !question.text.trim().is_empty());
    all
}

fn ask(chat: &Chat, segment: &Segment, index: usize, part: &Part, all: &mut Vec<Question>) {
    let (text, before) = match segment.stage {
        Stage::Input => (part.text(), None),
        Stage::Output => (tail(part.with_before(), part.text().len() + ANSWER_WINDOW), chat.last_user_text()),
    };
    let question = |text: &str| Question {
        part: index,
        role: role(part.provenance),
        before: before.map(str::to_owned),
        text: text.to_owned(),
        length: part.text().len(),
    };
    all.push(question(text));
    all.extend(views(text).views.iter().map(|view| question(&view.text)));
}

fn disguised(index: usize, part: &Part, all: &mut Vec<Question>) {
    let role = role(part.provenance);
    let length = part.text().len();
    let views = views(part.text()).views.into_iter();
    all.extend(views.map(|view| Question { part: index, role, before: None, text: view.text, length }));
}

/// The last `length` bytes of a text, from a character's beginning on.
fn tail(text: &str, length: usize) -> &str {
    let from = (text.len().saturating_sub(length)..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(from..).unwrap_or(text)
}

fn role(provenance: Provenance) -> Role {
    match provenance {
        Provenance::System => Role::System,
        Provenance::User => Role::User,
        Provenance::Assistant => Role::Assistant,
        Provenance::Tool => Role::Tool,
    }
}

fn report(
    model: &Model,
    question: &Question,
    assessment: &Assessment,
    found: &mut Vec<Located>,
) -> Result<(), DetectorError> {
    for (hazard, score) in &assessment.hazards {
        let over = *score >= model.threshold(hazard, question.role);
        if !over && *score < REPORTED {
            continue;
        }
        let id =
            FindingId::parse(&format!("guard.{hazard}")).map_err(|error| DetectorError::Failed(error.to_string()))?;
        let known = found.iter_mut().find(|known| known.part == question.part && known.finding.id == id);
        let severity = if over { Severity::Error } else { Severity::Advice };
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
    use super::{LONGEST, Question, Role, too_long, within_budget};

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
