//! Where a rule applies.

use crate::{
    Provenance, Situation, Stage,
    fields::{Field, Shape, field, words},
    glob::Glob,
    reader::{Fields, Reader},
};

/// The situations in which a rule applies; an empty list asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The directions.
    pub stages: Vec<Stage>,
    /// The writers of the text.
    pub provenances: Vec<Provenance>,
    /// Patterns for the tenant.
    pub tenants: Vec<Glob>,
    /// Patterns for the groups of the caller's key; one group that fits is enough.
    pub groups: Vec<Glob>,
    /// Patterns for the path of the request.
    pub routes: Vec<Glob>,
    /// Patterns for the wire format.
    pub dialects: Vec<Glob>,
    /// Patterns for the model that the client asked for.
    pub models: Vec<Glob>,
}

/// The fields that say where something applies.
pub(crate) static SCOPE: [Field; 7] = [
    field("stage", Shape::Several(&Shape::Word(|| words(&STAGES))), "`input` (towards the model) or `output`"),
    field(
        "provenance",
        Shape::Several(&Shape::Word(|| words(&PROVENANCES))),
        "who wrote the text: `system`, `user`, `assistant` or `tool` (a tool's result, or a document)",
    ),
    field("tenant", Shape::Several(&Shape::Pattern), "whose traffic it is"),
    field("group", Shape::Several(&Shape::Pattern), "a group that the caller's key belongs to"),
    field("route", Shape::Several(&Shape::Pattern), "the path of the request, such as `/v1/*`"),
    field("dialect", Shape::Several(&Shape::Pattern), "the wire format, such as `openai-*`"),
    field("model", Shape::Several(&Shape::Pattern), "the model that the client asked for"),
];

impl Scope {
    pub(crate) fn read(fields: &mut Fields, reader: &mut Reader<'_>) -> Self {
        let mut globs = |field| {
            let node = fields.take(field);
            node.map_or_else(Vec::new, |node| reader.one_or_more(&node, field, |reader, node| reader.glob(node, field)))
        };
        let (tenants, groups, routes) = (globs("tenant"), globs("group"), globs("route"));
        let (dialects, models) = (globs("dialect"), globs("model"));
        let stages = fields.take("stage");
        let stages = stages.map_or_else(Vec::new, |node| reader.one_or_more(&node, "stage", Reader::stage));
        let writers = fields.take("provenance");
        let writers = writers.map_or_else(Vec::new, |node| reader.one_or_more(&node, "provenance", Reader::provenance));
        Self { stages, provenances: writers, tenants, groups, routes, dialects, models }
    }

    /// Whether the situation is one of these.
    pub(crate) fn covers(&self, situation: &Situation) -> bool {
        is_any_of(&self.stages, situation.stage)
            && is_any_of(&self.provenances, situation.provenance)
            && matches_any(&self.tenants, &situation.tenant)
            && (self.groups.is_empty() || situation.groups.iter().any(|group| matches_any(&self.groups, group)))
            && matches_any(&self.routes, &situation.route)
            && matches_any(&self.dialects, &situation.dialect)
            && matches_any(&self.models, &situation.model)
    }

    /// Whether every situation of a stage is one of these.
    pub(crate) fn covers_all_of(&self, stage: Stage) -> bool {
        let everything = |globs: &[Glob]| globs.is_empty() || globs.iter().any(Glob::is_everything);
        is_any_of(&self.stages, stage)
            && PROVENANCES.iter().all(|(_, provenance)| is_any_of(&self.provenances, *provenance))
            // Also `group: '*'` asks for one group at least.
            && self.groups.is_empty()
            && [&self.tenants, &self.routes, &self.dialects, &self.models].into_iter().all(|globs| everything(globs))
    }
}

pub(crate) static STAGES: [(&str, Stage); 2] = [("input", Stage::Input), ("output", Stage::Output)];
pub(crate) static PROVENANCES: [(&str, Provenance); 4] = [
    ("system", Provenance::System),
    ("user", Provenance::User),
    ("assistant", Provenance::Assistant),
    ("tool", Provenance::Tool),
];

impl Reader<'_> {
    /// A direction.
    pub(crate) fn stage(&mut self, node: &crate::yaml::Node) -> Option<Stage> {
        self.word(node, "stage", "a stage", &STAGES)
    }

    /// The writer of a text.
    pub(crate) fn provenance(&mut self, node: &crate::yaml::Node) -> Option<Provenance> {
        self.word(node, "provenance", "a provenance", &PROVENANCES)
    }
}

fn is_any_of<T: PartialEq + Copy>(asked: &[T], given: T) -> bool {
    asked.is_empty() || asked.contains(&given)
}

fn matches_any(globs: &[Glob], text: &str) -> bool {
    if globs.is_empty() {
        return true;
    }
    let lowercase = text.to_ascii_lowercase();
    globs.iter().any(|glob| glob.matches(&lowercase))
}
