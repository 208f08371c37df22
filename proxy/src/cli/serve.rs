//! `ringfence serve`: the main job.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use guard_model::generator::Generator;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    audit::{AuditLog, Options},
    config::{self, Config, UpstreamDialect},
    dialect::Family,
    enforce::Enforcer,
    house::House,
    models::{MODELS, ModelStore, Progress},
    review::{self, Review},
    serve::{Hosts, Service, serve},
    telemetry::Telemetry,
    upstream::{Found, HttpUpstream, InProcess, Upstream, discover, probe},
};

/// The arguments of `ringfence serve`; they win over the configuration file.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where chat apps connect [default: 127.0.0.1:8700]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where operators connect [default: 127.0.0.1:8701]
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// The generator: a server's root URL, or a model to run in this process (a name or a GGUF file)
    #[arg(long, value_name = "URL|MODEL")]
    upstream: Option<String>,
    /// A policy file, or `pack:NAME`; may be repeated
    #[arg(long, value_name = "FILE")]
    policy: Vec<String>,
    /// The directory of the audit log
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
}

/// Serves until it is told to stop.
///
/// # Errors
/// Something that is needed cannot be had: a port, the model, the log, a policy.
pub fn run(arguments: ServeArgs) -> anyhow::Result<ExitCode> {
    let config = merged(arguments)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(start(config))?;
    Ok(ExitCode::SUCCESS)
}

fn merged(arguments: ServeArgs) -> anyhow::Result<Config> {
    let mut config = arguments.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    config.listen = arguments.listen.unwrap_or(config.listen);
    config.admin = arguments.admin.unwrap_or(config.admin);
    if let Some(upstream) = arguments.upstream {
        let is_url = upstream.starts_with("http://") || upstream.starts_with("https://");
        config.upstream.url = is_url.then(|| upstream.clone());
        config.upstream.model = (!is_url).then_some(upstream);
    }
    if !arguments.policy.is_empty() {
        config.policies = arguments.policy;
    }
    if arguments.audit.is_some() {
        config.audit.directory = arguments.audit;
    }
    Ok(config)
}

async fn start(config: Config) -> anyhow::Result<()> {
    let telemetry = Telemetry::start(config.telemetry.otlp.as_deref(), &config.telemetry.log)?;
    // The ports first: what cannot listen should say so before it loads a model.
    let listener = bind(config.listen, "--listen").await?;
    let admin = bind(config.admin, "--admin").await?;
    let (proxy_address, admin_address) = (listener.local_addr()?, admin.local_addr()?);
    let (hosts, admin_hosts) = (Hosts::new(proxy_address, &config.hosts)?, Hosts::new(admin_address, &config.hosts)?);
    let directory = config.audit.directory.clone().or_else(config::default_audit_directory);
    let directory =
        directory.ok_or_else(|| anyhow!("no home directory to keep the audit log in; give one with --audit"))?;
    let audit = Arc::new(AuditLog::open(&directory, Options::default()).context("the audit log cannot be opened")?);
    let house = {
        let config = config.clone();
        tokio::task::spawn_blocking(move || House::build(&config)).await??
    };
    let (upstream, model) = upstream(&config).await?;
    let enforcer = Arc::new(Enforcer {
        detectors: house.detectors,
        policies: Arc::clone(&house.policies),
        audit: Arc::clone(&audit),
        keep: config.audit.content,
        guard: house.guard.clone(),
        detector_deadline: house.detector_deadline,
        record_deadline: Duration::from_secs(10),
        metrics: telemetry.metrics(),
    });
    let place = upstream.place();
    let service = Arc::new(Service {
        enforcer,
        upstream,
        text_rules: house.text_rules.clone(),
        refusal: config.refusal,
        unknown_fields: config.unknown_fields,
        hosts,
        limits: config.limits.clone(),
    });
    let text_rules = house.text_rules.as_ref().map_or(0, |rules| rules.ids().count());
    let in_force = vec![
        ("proxy", format!("http://{proxy_address}/v1")),
        ("admin", format!("http://{admin_address}")),
        ("upstream", place),
        ("guard", house.guard),
        ("rules", format!("{} for code, {text_rules} for text", house.code_rules)),
        ("policies", house.policies.names().collect::<Vec<_>>().join(", ")),
        ("audit", directory.display().to_string()),
    ];
    let review = Arc::new(Review {
        registry: telemetry.registry().clone(),
        audit: Arc::clone(&audit),
        directory: directory.clone(),
        upstream: Arc::clone(&service),
        hosts: admin_hosts,
        in_force: in_force.clone(),
    });
    banner(&in_force, &model)?;
    let (stop, stopped) = watch::channel(false);
    let ended = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let admin = axum::serve(admin, review::router(review)).with_graceful_shutdown(ended(stopped.clone()));
    let admin = async { admin.await };
    let signals = async move {
        signal().await;
        tracing::info!("stopping");
        let _ = stop.send(true);
    };
    let ((), _, ()) = tokio::join!(serve(listener, service, ended(stopped)), admin, signals);
    telemetry.stop();
    Ok(())
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow!("{address} is taken by another program; choose another address with {flag}")
        }
        _ => anyhow!("cannot listen on {address}: {error}; choose another address with {flag}"),
    })
}

/// The generator, and the name of a model to try.
async fn upstream(config: &Config) -> anyhow::Result<(Upstream, String)> {
    let wanted = &config.upstream;
    match (&wanted.url, &wanted.model) {
        (Some(_), Some(_)) => bail!("`upstream` has both a `url` and a `model`; give one of them"),
        (Some(url), None) => http_upstream(url, config).await,
        (None, Some(model)) => in_process(model).await,
        (None, None) => {
            if let Some((name, root, found)) = discover().await {
                writeln!(io::stdout(), "found {name} at {root}")?;
                let model = found.models.first().cloned().unwrap_or_default();
                let upstream = HttpUpstream::new(root, found.families, wanted.silence());
                return Ok((Upstream::Http(Box::new(upstream)), model));
            }
            let [smallest, ..] = MODELS else {
                bail!("no generator answers on the usual ports; name one with --upstream")
            };
            writeln!(io::stdout(), "no generator on the usual ports; running {} in this process", smallest.name)?;
            in_process(smallest.name).await
        }
    }
}

async fn http_upstream(url: &str, config: &Config) -> anyhow::Result<(Upstream, String)> {
    let parsed = url::Url::parse(url).map_err(|error| anyhow!("upstream `{url}` is not a URL: {error}"))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        bail!("upstream `{url}` must be a server's root URL, such as http://127.0.0.1:11434");
    }
    let dialect = config.upstream.dialect;
    let found = probe(url, dialect).await.unwrap_or_else(|| {
        let family = match dialect {
            UpstreamDialect::Auto | UpstreamDialect::OpenAi => Family::OpenAi,
            UpstreamDialect::Ollama => Family::Ollama,
            UpstreamDialect::Anthropic => Family::Anthropic,
        };
        if dialect == UpstreamDialect::Auto {
            eprintln!("warning: {url} does not say what it speaks; taking it for a server of OpenAI's formats");
        }
        Found { families: vec![family], models: Vec::new() }
    });
    let model = found.models.first().cloned().unwrap_or_else(|| "llama3".to_owned());
    let upstream = HttpUpstream::new(url, found.families, config.upstream.silence());
    Ok((Upstream::Http(Box::new(upstream)), model))
}

async fn in_process(model: &str) -> anyhow::Result<(Upstream, String)> {
    let store = ModelStore::new(&config::models_environment())?;
    let model = model.to_owned();
    tokio::task::spawn_blocking(move || {
        let path = match store.resolve(&model)? {
            Some(path) => path,
            None => store.pull(&model, &Progress::stderr())?,
        };
        let generator = Generator::open(&path).with_context(|| format!("{} cannot be loaded", path.display()))?;
        let name = served_name(&model, &path);
        Ok((Upstream::InProcess(InProcess::new(generator, name.clone())), name))
    })
    .await?
}

fn served_name(model: &str, path: &Path) -> String {
    if Path::new(model).exists() {
        path.file_stem().map_or_else(|| model.to_owned(), |stem| stem.to_string_lossy().into_owned())
    } else {
        model.to_owned()
    }
}

fn banner(in_force: &[(&'static str, String)], model: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "ringfence {}", env!("CARGO_PKG_VERSION"))?;
    for (name, value) in in_force {
        writeln!(out, "  {name:<9} {value}")?;
    }
    if let Some((_, proxy)) = in_force.first() {
        writeln!(out, "Point a client's base URL at {proxy}, or try:")?;
        writeln!(
            out,
            "  curl {proxy}/chat/completions -H 'content-type: application/json' \
             -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'"
        )?;
    }
    out.flush()
}

/// Waits for an interrupt, or for a request to terminate.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
