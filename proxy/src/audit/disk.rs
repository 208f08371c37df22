//! The files of a log.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::AuditError;

/// The file records are appended to.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    /// How many bytes are durable; the file is never longer outside [`Segment::append`].
    length: u64,
}

/// Why bytes were not appended, and so what may come next.
#[derive(Debug)]
pub(super) enum Failure {
    /// None of them are in the file: the next append may succeed.
    Undone(AuditError),
    /// Nobody knows what is on disk. A failed sync may have thrown the bytes away and must not be tried again.
    Unknown(AuditError),
}

impl Segment {
    /// A new, empty file of that number, durable as an entry of its directory.
    pub(super) fn create(directory: &Path, number: u64) -> Result<Self, Failure> {
        let path = directory.join(format!("{PREFIX}{number:06}{SUFFIX}"));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(AuditError::io("create", &path)).map_err(Failure::Undone)?;
        sync_directory(directory).map_err(Failure::Unknown)?;
        Ok(Self { path, file, length: 0 })
    }

    /// An existing file, cut to its first `length` bytes.
    pub(super) fn open(path: PathBuf, length: u64) -> Result<Self, AuditError> {
        let file = OpenOptions::new().append(true).open(&path).map_err(AuditError::io("open", &path))?;
        file.set_len(length).and_then(|()| file.sync_all()).map_err(AuditError::io("cut back", &path))?;
        Ok(Self { path, file, length })
    }

    /// Appends all of the bytes durably, or none of them.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if let Err(error) = self.file.write_all(bytes) {
            let error = AuditError::io("write to", &self.path)(error);
            return Err(match self.file.set_len(self.length) {
                Ok(()) => Failure::Undone(error),
                Err(_) => Failure::Unknown(error),
            });
        }
        self.file.sync_data().map_err(AuditError::io("sync", &self.path)).map_err(Failure::Unknown)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes it holds.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

/// The segment files of a log with their numbers, in order; what else lies in the directory is passed over.
pub(super) fn segments(directory: &Path) -> Result<Vec<(u64, PathBuf)>, AuditError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(AuditError::io("read", directory))? {
        let entry = entry.map_err(AuditError::io("read", directory))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
        let Some(number) = number else { continue };
        let path = entry.path();
        if !entry.file_type().map_err(AuditError::io("read", &path))?.is_file() {
            return Err(AuditError::NotAFile(path));
        }
        found.push((number, path));
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes the directory, and those above it, readable by nobody else; one that exists stays as it is.
pub(super) fn create_directory(directory: &Path) -> Result<(), AuditError> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(AuditError::io("create", directory))?;
    match directory.parent() {
        Some(parent) if parent != Path::new("") => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

/// Where the log is kept when nobody says otherwise: `ringfence/audit` in the user's state directory.
///
/// `state_home` is the value of `XDG_STATE_HOME`, `home` that of `HOME`; a path that is not absolute does not count.
pub fn default_directory(state_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    let absolute = |value: Option<&OsStr>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute(state_home).or_else(|| Some(absolute(home)?.join(".local/state")))?;
    Some(state.join("ringfence/audit"))
}

/// Takes the log for this process until the file is dropped.
pub(super) fn lock(directory: &Path) -> Result<File, AuditError> {
    let path = directory.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(AuditError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(AuditError::Locked(directory.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(AuditError::io("lock", &path)(error)),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), AuditError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(AuditError::io("sync", directory))
}

/// The most bytes a line may have, with its line break.
pub(super) const MAX_LINE: usize = 32 << 20;
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        fs::{self, OpenOptions},
        os::unix::fs::{PermissionsExt, symlink},
        path::{Path, PathBuf},
    };

    use super::{Failure, Segment, create_directory, segments};
    use crate::audit::AuditError;

    /// A directory of its own for each test, removed at its end.
    #[derive(Debug)]
    pub(crate) struct Scratch(PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Self {
            Self::within(&std::env::temp_dir())
        }

        /// One in memory, where there is one, for tests that would otherwise sync a thousand times.
        pub(in super::super) fn in_memory() -> Self {
            let memory = Path::new("/dev/shm");
            if memory.is_dir() { Self::within(memory) } else { Self::new() }
        }

        fn within(parent: &Path) -> Self {
            let path = parent.join(format!("ringfence-audit-{}", uuid::Uuid::now_v7()));
            create_directory(&path).unwrap();
            Self(path)
        }
    }

    impl std::ops::Deref for Scratch {
        type Target = Path;
        fn deref(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    /// A segment on a device that takes no bytes (`/dev/full`), or takes them but cannot sync (`/dev/null`).
    pub(in super::super) fn on_device(path: &str) -> Segment {
        Segment { path: path.into(), file: OpenOptions::new().append(true).open(path).unwrap(), length: 0 }
    }

    #[test]
    fn directories_and_files_are_for_the_owner_only() {
        let scratch = Scratch::new();
        let directory = scratch.join("a/b");
        create_directory(&directory).unwrap();
        drop(Segment::create(&directory, 1).unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join("audit-000001.jsonl")), 0o600);
    }

    #[test]
    fn segments_are_ordered_by_number_and_a_link_is_refused() {
        let scratch = Scratch::new();
        for name in
            ["audit-000002.jsonl", "audit-1000000.jsonl", "audit-999999.jsonl", "audit-000002.jsonl.9.torn", "lock"]
        {
            fs::write(scratch.join(name), "").unwrap();
        }
        let numbers: Vec<_> = segments(&scratch).unwrap().into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [2, 999_999, 1_000_000]);
        symlink("/dev/null", scratch.join("audit-000003.jsonl")).unwrap();
        assert!(matches!(segments(&scratch), Err(AuditError::NotAFile(_))));
    }

    #[test]
    fn the_log_is_kept_in_the_users_state_directory() {
        let of = |state: &str, home: &str| super::default_directory(Some(state.as_ref()), Some(home.as_ref()));
        assert_eq!(of("/s", "/h"), Some("/s/ringfence/audit".into()));
        assert_eq!(of("relative", "/h"), Some("/h/.local/state/ringfence/audit".into()));
        assert_eq!(of("", ""), None);
    }

    #[test]
    fn a_failed_sync_leaves_the_disk_unknown() {
        assert!(matches!(
            on_device("/dev/null").append(b"x\n"),
            Err(Failure::Unknown(AuditError::Io { action: "sync", .. }))
        ));
    }
}
