//! The guards of a configuration.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use guard_model::{
    Classifier, Guard, LlamaGuard, LlamaGuardOptions,
    prompt::{Categories, Template},
    vocabulary::Vocabulary,
};

use super::remote::{Remote, RemoteOptions};
use crate::{
    config::{self, GuardConfig, GuardServer, GuardTier},
    models::{ModelStore, Progress},
};

/// The guards a configuration names, in the order they are asked.
///
/// # Errors
/// One of them cannot be had or does not load; the sentence says which.
pub fn tiers(config: &GuardConfig) -> anyhow::Result<Vec<Arc<dyn Classifier>>> {
    if config.tiers.is_empty() {
        bail!("`guard.tiers` is empty; name at least one guard, or leave `guard` out of `detectors`");
    }
    config.tiers.iter().map(|tier| tier_of(tier).with_context(|| format!("guard `{}`", tier.told()))).collect()
}

/// What the command line says about a guard beside its name.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The template's name.
    pub template: Option<String>,
    /// The tokenizer's file.
    pub tokenizer: Option<std::path::PathBuf>,
    /// The file of categories.
    pub taxonomy: Option<std::path::PathBuf>,
}

/// The guard of a name: `embedded`, a model's name or file, or a server's URL.
///
/// # Errors
/// As [`tiers`].
pub fn classifier(name: &str, overrides: Overrides) -> anyhow::Result<Arc<dyn Classifier>> {
    let Overrides { template, tokenizer, taxonomy } = overrides;
    tier_of(&GuardTier { template, tokenizer, taxonomy, ..GuardTier::named(name) })
}

fn tier_of(tier: &GuardTier) -> anyhow::Result<Arc<dyn Classifier>> {
    let categories = tier.taxonomy.as_deref().map(Categories::open).transpose()?;
    match (&tier.model, tier.urls.as_slice()) {
        (Some(name), []) if name == GuardTier::EMBEDDED => {
            if tier.template.is_some() || categories.is_some() || tier.tokenizer.is_some() {
                bail!("the embedded guard has neither a template nor a tokenizer nor categories of one's own");
            }
            Ok(Arc::new(Guard::embedded()?))
        }
        (Some(model), []) => {
            let path = if Path::new(model).exists() {
                model.into()
            } else {
                ModelStore::new(&config::models_environment())?.pull(model, &Progress::stderr())?
            };
            let options = LlamaGuardOptions {
                template: tier.template.clone(),
                tokenizer: tier.tokenizer.clone(),
                categories,
                excluded: tier.exclude.clone(),
            };
            Ok(Arc::new(LlamaGuard::open(&path, &options)?))
        }
        (name, [_, ..]) => {
            let template = Template::named(tier.template.as_deref().unwrap_or("lg3_8b_canonical"))?;
            if !template.asks_a_guard() {
                bail!("template `{}` asks no guard for a verdict", template.name());
            }
            let categories = match categories {
                Some(categories) => categories,
                None => Categories::named(template.taxonomy())?,
            };
            let options = RemoteOptions {
                urls: tier.urls.clone(),
                server: tier.server.unwrap_or(GuardServer::Auto),
                model: name.clone(),
                template,
                categories: categories.without(&tier.exclude)?,
                vocabulary: tier.tokenizer.as_deref().map(Vocabulary::open).transpose()?,
                timeout: tier.timeout(),
                hedge: tier.hedge(),
            };
            Ok(Arc::new(Remote::new(options)?))
        }
        (None, []) => bail!("it has neither a `model` nor `urls`"),
    }
}
