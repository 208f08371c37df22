//! Where a rule applies.

use crate::{
    Provenance, Situation, Stage,
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
    /// Patterns for the path of the request.
    pub routes: Vec<Glob>,
    /// Patterns for the wire format.
    pub dialects: Vec<Glob>,
    /// Patterns for the model that the client asked for.
    pub models: Vec<Glob>,
}

impl Scope {
    /// The names of the fields that [`Scope::read`] takes.
    pub(crate) const FIELDS: [&str; 6] = ["stage", "provenance", "tenant", "route", "dialect", "model"];

    pub(crate) fn read(fields: &mut Fields, reader: &mut Reader<'_>) -> Self {
        let [stage, provenance, tenant, route, dialect, model] = Self::FIELDS;
        let mut globs = |field| {
            let node = fields.take(field);
            node.map_or_else(Vec::new, |node| reader.one_or_more(&node, field, |reader, node| reader.glob(node, field)))
        };
        let (tenants, routes, dialects, models) = (globs(tenant), globs(route), globs(dialect), globs(model));
        Self {
            stages: fields.take(stage).map_or_else(Vec::new, |node| reader.one_or_more(&node, stage, Reader::stage)),
            provenances: fields
                .take(provenance)
                .map_or_else(Vec::new, |node| reader.one_or_more(&node, provenance, Reader::provenance)),
            tenants,
            routes,
            dialects,
            models,
        }
    }

    /// Whether the situation is one of these.
    pub(crate) fn covers(&self, situation: &Situation) -> bool {
        is_any_of(&self.stages, situation.stage)
            && is_any_of(&self.provenances, situation.provenance)
            && matches_any(&self.tenants, &situation.tenant)
            && matches_any(&self.routes, &situation.route)
            && matches_any(&self.dialects, &situation.dialect)
            && matches_any(&self.models, &situation.model)
    }

    /// Whether every situation of a stage is one of these.
    pub(crate) fn covers_all_of(&self, stage: Stage) -> bool {
        let everything = |globs: &[Glob]| globs.is_empty() || globs.iter().any(Glob::is_everything);
        is_any_of(&self.stages, stage)
            && Reader::PROVENANCES.iter().all(|(_, provenance)| is_any_of(&self.provenances, *provenance))
            && [&self.tenants, &self.routes, &self.dialects, &self.models].into_iter().all(|globs| everything(globs))
    }
}

impl Reader<'_> {
    const STAGES: [(&'static str, Stage); 2] = [("input", Stage::Input), ("output", Stage::Output)];
    const PROVENANCES: [(&'static str, Provenance); 4] = [
        ("system", Provenance::System),
        ("user", Provenance::User),
        ("assistant", Provenance::Assistant),
        ("tool", Provenance::Tool),
    ];

    /// A direction.
    pub(crate) fn stage(&mut self, node: &crate::yaml::Node) -> Option<Stage> {
        self.word(node, "stage", "a stage", &Self::STAGES)
    }

    /// The writer of a text.
    pub(crate) fn provenance(&mut self, node: &crate::yaml::Node) -> Option<Provenance> {
        self.word(node, "provenance", "a provenance", &Self::PROVENANCES)
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
