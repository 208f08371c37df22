//! What the environment says. The only place that reads it.

use std::path::PathBuf;

use crate::models::Environment;

/// What the environment says about models.
pub fn models_environment() -> Environment {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let text = |name| std::env::var(name).ok();
    Environment {
        models: path("RINGFENCE_MODELS"),
        cache_home: path("XDG_CACHE_HOME"),
        home: path("HOME"),
        hub_token: text("HF_TOKEN"),
        hub_home: path("HF_HOME"),
        hub_endpoint: text("HF_ENDPOINT"),
    }
}
