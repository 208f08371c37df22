//! The real binary, started for a test and ended with it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::Value;

/// A running `ringfence`, killed when dropped.
pub struct Ringfence {
    child: Child,
    /// Where chat apps connect.
    pub proxy: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// A directory of this test alone; the audit log is in `audit` below it.
    pub directory: PathBuf,
}

impl Ringfence {
    /// Starts it with a configuration, in front of an upstream (a URL or a model's name).
    pub fn start(config: &str, policies: &[String], upstream: &str) -> Self {
        Self::start_in(fresh_directory(), config, policies, upstream)
    }

    /// The same in a directory that may hold the log of an earlier run.
    pub fn start_in(directory: PathBuf, config: &str, policies: &[String], upstream: &str) -> Self {
        fs::write(directory.join("ringfence.yaml"), config).unwrap();
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", upstream]);
        command.arg("--config").arg(directory.join("ringfence.yaml"));
        command.arg("--audit").arg(directory.join("audit"));
        for (index, policy) in policies.iter().enumerate() {
            if policy.starts_with("pack:") {
                command.args(["--policy", policy]);
            } else {
                let file = directory.join(format!("policy-{index}.yaml"));
                fs::write(&file, policy).unwrap();
                command.arg("--policy").arg(file);
            }
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |name: &str| loop {
            let line = lines.next().expect("ringfence ended before it was ready").unwrap();
            if let Some(url) = line.trim().strip_prefix(name) {
                let url = url.trim().trim_start_matches("http://");
                break url.split('/').next().unwrap().parse().unwrap();
            }
        };
        let (proxy, admin) = (address("proxy "), address("admin "));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, proxy, admin, directory }
    }

    /// Every record of the audit log, oldest first.
    pub fn records(&self) -> Vec<Value> {
        records(&self.directory.join("audit"))
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Ringfence {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Every whole line of the log in a directory.
pub fn records(directory: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The binary, built once in the profile of the tests.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // target/<profile>/deps/<test> is where we are.
        let profile = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
        let mut build = Command::new(env!("CARGO"));
        // The whole workspace, as `tests/run` builds it: another choice of packages means other features and another build.
        build.args(["build", "-q", "--workspace", "--bins"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.arg("--target-dir").arg(profile.parent().unwrap()).status().unwrap();
        assert!(built.success(), "ringfence does not build");
        profile.join("ringfence")
    })
}

/// A new directory below the target folder.
pub fn fresh_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let profile = binary().parent().unwrap();
    let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let directory = profile.join("end-to-end").join(name);
    fs::create_dir_all(&directory).unwrap();
    directory
}
