//! Putting the house together: detectors, policies and rules from a configuration.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use code_shield::{RuleSet, text::TextRules};
use guard_model::Taxonomy;
use policies::{Catalog, Policy, PolicySet};

use crate::{
    config::{Config, DetectorName},
    detect::{Code, Detector, Guard, Shape, Text, guard_tiers},
    enforce,
};

/// Who looks and who decides.
pub struct House {
    /// The detectors.
    pub detectors: Vec<Box<dyn Detector>>,
    /// The policies.
    pub policies: Arc<PolicySet>,
    /// The text rules, for holding text that may become a match; none if they are switched off.
    pub text_rules: Option<Arc<TextRules>>,
    /// The guard's name and version, or `none`.
    pub guard: String,
    /// How many code rules there are.
    pub code_rules: usize,
    /// The longest a detector may take.
    pub detector_deadline: Duration,
}

impl House {
    /// Loads everything a configuration names.
    ///
    /// # Errors
    /// A rule, a policy or the guard cannot be loaded; nothing is half loaded.
    pub fn build(config: &Config) -> anyhow::Result<Self> {
        let mut detectors: Vec<Box<dyn Detector>> = Vec::new();
        let (mut text_rules, mut guard, mut rule_count) = (None, "none".to_owned(), 0);
        for name in DetectorName::ALL.into_iter().filter(|name| config.detectors.contains(name)) {
            match name {
                DetectorName::Shape => detectors.push(Box::new(Shape)),
                DetectorName::Text => {
                    let rules = Arc::new(TextRules::built_in()?);
                    text_rules = Some(Arc::clone(&rules));
                    detectors.push(Box::new(Text::new(rules)));
                }
                DetectorName::Code => {
                    let rules = code_rules(config)?;
                    rule_count = rules.ids().count();
                    detectors.push(Box::new(Code::new(Arc::new(rules))));
                }
                DetectorName::Guard => {
                    let models = guard_tiers(&config.guard)?;
                    guard = models.iter().map(|model| model.version()).collect::<Vec<_>>().join(" + ");
                    detectors.push(Box::new(Guard::new(models, Duration::from_millis(config.guard.deadline_ms))));
                }
            }
        }
        let catalog = Catalog::new(enforce::catalog(&detectors));
        let policies = policies(config, &catalog)?;
        let detector_deadline = Duration::from_millis(config.guard.deadline_ms.max(10_000));
        Ok(Self {
            detectors,
            policies: Arc::new(policies),
            text_rules,
            guard,
            code_rules: rule_count,
            detector_deadline,
        })
    }
}

/// The policies of a configuration, parsed against what all detectors can report: a policy may name a detector that is off.
fn policies(config: &Config, catalog: &Catalog) -> anyhow::Result<PolicySet> {
    let everything = if config.detectors.len() == DetectorName::ALL.len() { None } else { Some(everything(config)?) };
    let names = if config.policies.is_empty() { vec!["pack:default".to_owned()] } else { config.policies.clone() };
    let mut parsed = Vec::new();
    for name in &names {
        let text = match name.strip_prefix("pack:") {
            Some(pack) => {
                let found = policies::packs().iter().find(|(known, _)| *known == pack);
                let known: Vec<&str> = policies::packs().iter().map(|(known, _)| *known).collect();
                let missing = || anyhow::anyhow!("there is no pack `{pack}`; the packs are {}", known.join(", "));
                found.ok_or_else(missing)?.1.to_owned()
            }
            None => std::fs::read_to_string(name).map_err(|error| anyhow::anyhow!("policy file {name}: {error}"))?,
        };
        parsed.push(Policy::parse(name, &text, everything.as_ref().unwrap_or(catalog))?);
    }
    Ok(PolicySet::new(parsed, catalog)?)
}

/// What all detectors could report if they were on; the guard's weights are not needed to know that.
fn everything(config: &Config) -> anyhow::Result<Catalog> {
    let rules = code_rules(config)?;
    let detectors: Vec<Box<dyn Detector>> = vec![
        Box::new(Shape),
        Box::new(Text::new(Arc::new(TextRules::built_in()?))),
        Box::new(Code::new(Arc::new(rules))),
    ];
    let guard = Guard::catalog_of([&Taxonomy::embedded()?]).into_iter().chain(enforce::failures(Guard::NAME));
    Ok(Catalog::new(enforce::catalog(&detectors).into_iter().chain(guard)))
}

fn code_rules(config: &Config) -> anyhow::Result<RuleSet> {
    Ok(match &config.rules {
        Some(directory) => RuleSet::with_documents(&documents(directory)?)?,
        None => RuleSet::built_in()?,
    })
}

/// The rule documents below a directory, as `<language>/<rule>.md` and text.
///
/// # Errors
/// The directory, or a file in it, cannot be read.
pub fn documents(directory: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let entries = |path: &Path| -> anyhow::Result<Vec<PathBuf>> {
        let read = std::fs::read_dir(path).map_err(|error| anyhow::anyhow!("rules in {}: {error}", path.display()))?;
        let mut paths: Vec<PathBuf> = read.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths)
    };
    let mut documents = Vec::new();
    for folder in entries(directory)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "md")) {
            let text =
                std::fs::read_to_string(&file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
            let name = file.strip_prefix(directory).unwrap_or(&file).display().to_string();
            documents.push((name, text));
        }
    }
    Ok(documents)
}
