//! Reads sandboxes for people and user interfaces: the virtual file system of a Mesos agent.
//!
//! Paths: `/frameworks/<framework>/executors/<task>/runs/<container or latest>[/…]`, also below `/slaves/<agent>` and `/slave(1)`,
//! and the true path of a sandbox. Whatever a task puts into its sandbox, nothing outside can be read through it: the kernel
//! resolves the rest of the path with `RESOLVE_BENEATH`.

use std::{
    ffi::OsStr,
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
};
use serde::Serialize;

use crate::containerizer::sandbox::{is_segment, sandboxes};

/// Most that one read answers: 16 pages, as in Mesos.
pub(super) const MAX_READ: u64 = 64 * 1024;
/// Most entries that are listed of a directory.
const MAX_ENTRIES: usize = 10_000;

/// Why a path cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    #[error("No such file or directory: {0}")]
    NotFound(String),
    #[error("Not a regular file: {0}")]
    NotAFile(String),
    #[error("Not a directory: {0}")]
    NotADirectory(String),
    #[error("cannot read '{path}'")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// Answer of `/files/read`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Chunk {
    /// As text; bytes that are no UTF-8 are replaced.
    pub(super) data: String,
    /// Where `data` begins, or the size of the file if only that was asked for.
    pub(super) offset: u64,
}

/// One entry of `/files/browse`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    /// What to browse or read next: the path asked for and the entry's name.
    path: String,
    nlink: u64,
    size: u64,
    /// Seconds since the Unix epoch.
    mtime: i64,
    /// As `ls -l` shows it.
    mode: String,
    uid: String,
    gid: String,
}

/// The sandboxes of one agent.
#[derive(Clone, Debug)]
pub(super) struct Files {
    root: PathBuf,
}

/// A place in a sandbox.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    sandbox: PathBuf,
    /// Below the sandbox; empty: the sandbox itself.
    inside: PathBuf,
}

impl Files {
    pub(super) fn below(work_dir: &Path) -> Self {
        Self { root: sandboxes(work_dir) }
    }

    /// At most `length` and at most [`MAX_READ`] bytes from `offset`; without an offset, the size alone.
    ///
    /// A character that the end of the chunk cuts in two is left for the next one.
    pub(super) fn read(&self, path: &str, offset: Option<u64>, length: Option<u64>) -> Result<Chunk, FilesError> {
        let fail = |source| FilesError::Io { path: path.to_owned(), source };
        let (mut file, size) = self.open_file(path)?;
        let Some(offset) = offset else {
            return Ok(Chunk { data: String::new(), offset: size });
        };
        let length = length.unwrap_or(MAX_READ).min(MAX_READ);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset)).map_err(fail)?;
        file.take(length).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 == length {
            bytes.truncate(whole_characters(&bytes));
        }
        let data = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Chunk { data, offset })
    }

    /// A regular file, and its size.
    pub(super) fn open_file(&self, path: &str) -> Result<(File, u64), FilesError> {
        let (file, metadata) = self.open(path)?;
        if !metadata.is_file() {
            return Err(FilesError::NotAFile(path.to_owned()));
        }
        Ok((file, metadata.len()))
    }

    /// The entries of a directory, by name. At most [`MAX_ENTRIES`].
    pub(super) fn browse(&self, path: &str) -> Result<Vec<Entry>, FilesError> {
        let (directory, metadata) = self.open(path)?;
        if !metadata.is_dir() {
            return Err(FilesError::NotADirectory(path.to_owned()));
        }
        use std::os::fd::AsRawFd;
        // The open directory itself, whatever its path means by now.
        let listed = fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        let listed = listed.map_err(|source| FilesError::Io { path: path.to_owned(), source })?;
        let mut entries: Vec<Entry> = listed
            .flatten()
            .take(MAX_ENTRIES)
            .filter_map(|entry| Some(Entry::new(path, &entry.file_name(), &entry.metadata().ok()?)))
            .collect();
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(entries)
    }

    fn open(&self, path: &str) -> Result<(File, Metadata), FilesError> {
        let not_found = || FilesError::NotFound(path.to_owned());
        let fail = |source| FilesError::Io { path: path.to_owned(), source };
        let place = self.resolve(path).ok_or_else(not_found)?;
        let sandbox = match File::open(&place.sandbox) {
            Ok(sandbox) => sandbox,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_found()),
            Err(error) => return Err(fail(error)),
        };
        let inside = if place.inside.as_os_str().is_empty() { Path::new(".") } else { &place.inside };
        // Not to hang on a FIFO, not to take over a terminal.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let how =
            OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let file = match openat2(&sandbox, inside, how) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENXIO | Errno::EXDEV | Errno::ELOOP) => return Err(not_found()),
            Err(error) => return Err(fail(error.into())),
        };
        let metadata = file.metadata().map_err(fail)?;
        Ok((file, metadata))
    }

    /// Which place a path means; `None` if it means none.
    fn resolve(&self, path: &str) -> Option<Place> {
        let root = self.root.to_str()?;
        let segments = match path.strip_prefix(root) {
            Some(rest) if rest.starts_with('/') => split(rest)?,
            Some(_) | None => from_virtual(&split(path)?)?,
        };
        let (sandbox, inside) = segments.split_at_checked(3)?;
        Some(Place {
            sandbox: sandbox.iter().fold(self.root.clone(), |path, segment| path.join(segment)),
            inside: inside.iter().collect(),
        })
    }
}

/// Segments of a path; `None` if one of them could lead elsewhere.
fn split(path: &str) -> Option<Vec<&str>> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    segments.iter().all(|segment| is_segment(segment)).then_some(segments)
}

/// `frameworks/F/executors/T/runs/C/…` to `F/T/C/…`, whatever is told of the agent before.
fn from_virtual<'a>(segments: &[&'a str]) -> Option<Vec<&'a str>> {
    let segments = match segments {
        ["slave(1)", rest @ ..] | ["slaves", _, rest @ ..] => rest,
        all => all,
    };
    match segments {
        ["frameworks", framework, "executors", task, "runs", container, inside @ ..] => {
            Some([&[*framework, *task, *container], inside].concat())
        }
        _ => None,
    }
}

/// How many of `bytes` are not part of a character that continues after them.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        Ok(_) | Err(_) => bytes.len(),
    }
}

impl Entry {
    fn new(directory: &str, name: &OsStr, metadata: &Metadata) -> Self {
        Self {
            path: format!("{}/{}", directory.trim_end_matches('/'), name.to_string_lossy()),
            nlink: metadata.nlink(),
            size: metadata.len(),
            mtime: metadata.mtime(),
            mode: mode(metadata),
            uid: user_name(metadata.uid()),
            gid: group_name(metadata.gid()),
        }
    }
}

fn mode(metadata: &Metadata) -> String {
    let file_type = metadata.file_type();
    let kinds = [
        ('d', file_type.is_dir()),
        ('l', file_type.is_symlink()),
        ('p', file_type.is_fifo()),
        ('s', file_type.is_socket()),
        ('b', file_type.is_block_device()),
        ('c', file_type.is_char_device()),
    ];
    let kind = kinds.iter().find(|(_, is_it)| *is_it).map_or('-', |(kind, _)| *kind);
    let bits = metadata.mode();
    let permissions = (0..9).map(|index| if bits & (0o400 >> index) == 0 { '-' } else { ['r', 'w', 'x'][index % 3] });
    std::iter::once(kind).chain(permissions).collect()
}

fn user_name(uid: u32) -> String {
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

fn group_name(gid: u32) -> String {
    let group = nix::unistd::Group::from_gid(gid.into()).ok().flatten();
    group.map_or_else(|| gid.to_string(), |group| group.name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const STDOUT: &str = "/frameworks/F/executors/t/runs/c/stdout";

    fn agent() -> (tempfile::TempDir, Files, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = dir.path().join("sandboxes/F/t/c");
        fs::create_dir_all(sandbox.join("sub")).unwrap();
        fs::write(sandbox.join("stdout"), "0123456789").unwrap();
        symlink("c", dir.path().join("sandboxes/F/t/latest")).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        let files = Files::below(dir.path());
        (dir, files, sandbox)
    }

    #[test]
    fn offsets_and_lengths_are_those_of_mesos() {
        let (_dir, files, _) = agent();
        for (offset, length, data, told) in [
            (None, None, "", 10),
            (None, Some(5), "", 10),
            (Some(0), None, "0123456789", 0),
            (Some(3), Some(4), "3456", 3),
            (Some(8), Some(100), "89", 8),
            (Some(10), None, "", 10),
            (Some(99), None, "", 99),
            (Some(0), Some(0), "", 0),
        ] {
            let expected = Chunk { data: data.to_owned(), offset: told };
            assert_eq!(files.read(STDOUT, offset, length).unwrap(), expected, "{offset:?} {length:?}");
        }
    }

    #[test]
    fn one_read_answers_64_kib_at_most() {
        let (_dir, files, sandbox) = agent();
        fs::write(sandbox.join("stdout"), "x".repeat(200_000)).unwrap();
        assert_eq!(files.read(STDOUT, Some(0), Some(u64::MAX)).unwrap().data.len(), 65_536);
    }

    #[test]
    fn a_character_is_not_cut_and_other_bytes_are_replaced() {
        let (_dir, files, sandbox) = agent();
        fs::write(sandbox.join("stdout"), "aé").unwrap();
        assert_eq!(files.read(STDOUT, Some(0), Some(2)).unwrap().data, "a");
        assert_eq!(files.read(STDOUT, Some(1), Some(2)).unwrap().data, "é");
        fs::write(sandbox.join("stdout"), b"a\xff\xfeb").unwrap();
        assert_eq!(files.read(STDOUT, Some(0), None).unwrap().data, "a\u{fffd}\u{fffd}b");
        assert_eq!(files.read(STDOUT, Some(1), Some(1)).unwrap().data, "\u{fffd}"); // or the reader would never get past it
    }

    #[test]
    fn every_spelling_of_a_path_leads_to_the_same_file() {
        let (dir, files, _) = agent();
        let real = format!("{}/sandboxes/F/t/c/stdout", dir.path().display());
        for path in [
            STDOUT,
            "frameworks/F/executors/t/runs/latest/stdout",
            "//frameworks/F//executors/t/runs/latest//stdout/",
            "/slaves/m-S1/frameworks/F/executors/t/runs/c/stdout",
            "/slave(1)/frameworks/F/executors/t/runs/latest/stdout",
            &real,
        ] {
            assert_eq!(files.read(path, Some(0), Some(1)).unwrap().data, "0", "{path}");
        }
    }

    #[test]
    fn nothing_outside_of_a_sandbox_can_be_read() {
        let (dir, files, sandbox) = agent();
        symlink("../../../../secret", sandbox.join("up")).unwrap();
        symlink(dir.path().join("secret"), sandbox.join("absolute")).unwrap();
        symlink(dir.path(), sandbox.join("dir")).unwrap();
        let run = "/frameworks/F/executors/t/runs/c";
        let real = dir.path().display();
        for path in [
            format!("{run}/up"),
            format!("{run}/absolute"),
            format!("{run}/dir/secret"),
            format!("{run}/../../../../secret"),
            format!("{run}/sub/../../../../../secret"),
            "/frameworks/../executors/t/runs/c/stdout".to_owned(),
            "/frameworks/F/executors/t/runs/..".to_owned(),
            "/frameworks/F/executors/t/runs/nothing/stdout".to_owned(),
            "/etc/passwd".to_owned(),
            "/".to_owned(),
            String::new(),
            format!("{real}/secret"),
            format!("{real}/sandboxes/../secret"),
            format!("{real}/sandboxes/F/t"),
            format!("{real}/sandboxesF/t/c/stdout"),
        ] {
            let refused = files.read(&path, Some(0), None).unwrap_err();
            assert!(matches!(refused, FilesError::NotFound(_)), "{path}: {refused:?}");
            assert!(files.browse(&path).is_err(), "{path}");
        }
    }

    #[test]
    fn links_within_a_sandbox_are_followed() {
        let (_dir, files, sandbox) = agent();
        symlink("../stdout", sandbox.join("sub/link")).unwrap();
        let path = "/frameworks/F/executors/t/runs/c/sub/link";
        assert_eq!(files.read(path, Some(9), None).unwrap().data, "9");
    }

    #[test]
    fn only_files_are_read_and_only_directories_listed() {
        let (_dir, files, sandbox) = agent();
        nix::unistd::mkfifo(&sandbox.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in ["/frameworks/F/executors/t/runs/c", "/frameworks/F/executors/t/runs/c/fifo"] {
            assert!(matches!(files.read(path, Some(0), None), Err(FilesError::NotAFile(_))), "{path}");
        }
        assert!(matches!(files.browse(STDOUT), Err(FilesError::NotADirectory(_))));
    }

    #[test]
    fn a_listing_tells_what_ls_tells() {
        let (_dir, files, sandbox) = agent();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(sandbox.join("stdout"), fs::Permissions::from_mode(0o640)).unwrap();
        let entries = files.browse("/frameworks/F/executors/t/runs/latest/").unwrap();
        let told: Vec<(&str, &str)> = entries.iter().map(|entry| (entry.path.as_str(), entry.mode.as_str())).collect();
        assert_eq!(told[0].0, "/frameworks/F/executors/t/runs/latest/stdout");
        assert_eq!((told[0].1, entries[0].size), ("-rw-r-----", 10));
        assert!(told[1].0.ends_with("/sub") && told[1].1.starts_with('d'), "{told:?}");
    }
}
