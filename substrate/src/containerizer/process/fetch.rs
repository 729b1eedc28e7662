//! Gets the files that a task needs into its sandbox before it starts.
//!
//! Source of the rules: Mesos documentation, "fetcher". What differs: copying and unpacking are done by the programs `cp`, `tar`,
//! `unzip` and `gunzip`, as the task's user, so that nobody reads or overwrites more through an agent than directly.

use std::{
    io,
    path::{Component, Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    time::Duration,
};

use futures::StreamExt;
use reqwest::Url;
use substrate_core::protocol::task::Artifact;
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStderr, Command},
    time::timeout,
};

use super::user::Credentials;

/// Larger files are refused: 16 GiB.
const MAX_BYTES: u64 = 16 << 30;
/// A server that sends nothing for this long is given up, as in Mesos.
const STALL_LIMIT: Duration = Duration::from_secs(60);
/// No file may take longer, and neither may its unpacking.
const TIME_LIMIT: Duration = Duration::from_secs(3600);
/// What is told of a program's complaints.
const MAX_COMPLAINT_BYTES: usize = 512;
/// Endings of the archives that `tar` unpacks.
const TAR_ENDINGS: [&str; 8] = [".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".tar.zst"];

/// Fetches every artifact, in order. The error says which one failed, and why.
pub(crate) async fn fetch(artifacts: &[Artifact], sandbox: &Path, user: Option<&Credentials>) -> Result<(), String> {
    for artifact in artifacts {
        let fetched = timeout(TIME_LIMIT, fetch_one(artifact, sandbox, user)).await;
        let fetched = fetched.unwrap_or_else(|_| Err(format!("not done within {} s", TIME_LIMIT.as_secs())));
        fetched.map_err(|error| format!("cannot fetch '{}': {error}", without_secrets(&artifact.uri)))?;
    }
    Ok(())
}

async fn fetch_one(artifact: &Artifact, sandbox: &Path, user: Option<&Credentials>) -> Result<(), String> {
    let source = Source::parse(&artifact.uri)?;
    let relative = match &artifact.destination {
        Some(destination) => inside(destination)?,
        None => {
            PathBuf::from(source.file_name().ok_or("the URI does not end in a file name; a destination is needed")?)
        }
    };
    let destination = make_place(sandbox, &relative, user).await?;
    match source {
        Source::File(path) => copy(&path, &destination, user).await?,
        Source::Http(url) => download(url, &destination, user).await?,
    }
    if artifact.executable {
        return run("chmod", &["a+x".as_ref(), "--".as_ref(), destination.as_os_str()], sandbox, user).await;
    }
    if artifact.extract {
        return extract(&destination, sandbox, user).await;
    }
    Ok(())
}

/// A URI may carry a password or a signed query; messages travel far.
fn without_secrets(uri: &str) -> String {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let uri = &uri[..end];
    match (uri.find("://"), uri.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => format!("{}{}", &uri[..scheme + 3], &uri[at + 1..]),
        _ => uri.to_owned(),
    }
}

enum Source {
    File(PathBuf),
    Http(Url),
}

impl Source {
    fn parse(uri: &str) -> Result<Self, String> {
        if uri.starts_with('/') {
            return Ok(Self::File(PathBuf::from(uri)));
        }
        let url = Url::parse(uri).map_err(|error| format!("not a URI: {error}"))?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Http(url)),
            "file" => url.to_file_path().map(Self::File).map_err(|()| "not the path of a local file".to_owned()),
            other => Err(format!("the scheme '{other}' is not supported; http, https, file and absolute paths are")),
        }
    }

    fn file_name(&self) -> Option<String> {
        let name = match self {
            Self::File(path) => path.file_name()?.to_str()?.to_owned(),
            Self::Http(url) => url.path_segments()?.next_back()?.to_owned(),
        };
        super::sandbox::is_segment(&name).then_some(name)
    }
}

/// A relative path that does not lead out of where it starts.
fn inside(path: &str) -> Result<PathBuf, String> {
    let relative: PathBuf = Path::new(path).components().filter(|part| *part != Component::CurDir).collect();
    let is_inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_inside || relative.as_os_str().is_empty() || path.contains('\0') {
        return Err(format!("the destination {path:?} is not a path below the sandbox"));
    }
    Ok(relative)
}

/// The full path for `relative`, its directories made. An archive fetched earlier may have put links anywhere: none is followed.
async fn make_place(sandbox: &Path, relative: &Path, user: Option<&Credentials>) -> Result<PathBuf, String> {
    let mut place = sandbox.to_owned();
    let mut parts = relative.components().peekable();
    while let Some(part) = parts.next() {
        place.push(part);
        if parts.peek().is_none() {
            break;
        }
        let fail = |error: io::Error| format!("cannot make the directory '{}': {error}", relative.display());
        match fs::symlink_metadata(&place).await {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(format!("'{}' leads through something that is no directory", relative.display())),
            Err(_) => {
                fs::create_dir(&place).await.map_err(fail)?;
                if let Some(user) = user {
                    user.own(&place).map_err(fail)?;
                }
            }
        }
    }
    if fs::symlink_metadata(&place).await.is_ok_and(|found| found.is_dir()) {
        return Err(format!("'{}' is a directory already", relative.display()));
    }
    Ok(place)
}

async fn copy(source: &Path, destination: &Path, user: Option<&Credentials>) -> Result<(), String> {
    let found = fs::metadata(source).await.map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("not a regular file".to_owned());
    }
    if found.len() > MAX_BYTES {
        return Err(format!("larger than {MAX_BYTES} bytes"));
    }
    let directory = destination.parent().unwrap_or(destination);
    let arguments = ["--remove-destination".as_ref(), "--".as_ref(), source.as_os_str(), destination.as_os_str()];
    run("cp", &arguments, directory, user).await
}

/// To a file beside the destination, moved there when it is complete.
async fn download(url: Url, destination: &Path, user: Option<&Credentials>) -> Result<(), String> {
    let mut name = destination.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = destination.with_file_name(name);
    let written = write_body(url, &part).await;
    let moved = match written {
        Ok(()) => place(&part, destination, user).await.map_err(|error| format!("cannot move it into place: {error}")),
        Err(error) => Err(error),
    };
    if moved.is_err() {
        let _ = fs::remove_file(&part).await; // the sandbox is of no more use
    }
    moved
}

async fn place(part: &Path, destination: &Path, user: Option<&Credentials>) -> io::Result<()> {
    if let Some(user) = user {
        user.own(part)?;
    }
    fs::rename(part, destination).await
}

async fn write_body(url: Url, part: &Path) -> Result<(), String> {
    let answer = http_client().get(url).send().await.map_err(|error| describe(&error))?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("the server answered {}", answer.status()));
    }
    let create = fs::OpenOptions::new().write(true).create_new(true).open(part).await;
    let mut file = create.map_err(|error| format!("cannot write to the sandbox: {error}"))?;
    let mut body = answer.bytes_stream();
    let mut bytes = 0_u64;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| describe(&error))?;
        bytes = bytes.saturating_add(chunk.len() as u64);
        if bytes > MAX_BYTES {
            return Err(format!("larger than {MAX_BYTES} bytes"));
        }
        file.write_all(&chunk).await.map_err(|error| format!("cannot write to the sandbox: {error}"))?;
    }
    file.flush().await.map_err(|error| format!("cannot write to the sandbox: {error}"))
}

/// The whole chain of causes, without the URL.
fn describe(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    if texts.is_empty() { "the request failed".to_owned() } else { texts.join(": ") }
}

fn http_client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default(); // somebody was first: as good
        let client = reqwest::Client::builder().connect_timeout(STALL_LIMIT).read_timeout(STALL_LIMIT);
        client.build().expect("nothing is configured that could be wrong, and a crypto provider is installed")
    })
}

/// Unpacks into the sandbox if the name says that this is an archive; the archive stays.
async fn extract(archive: &Path, sandbox: &Path, user: Option<&Credentials>) -> Result<(), String> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let path = archive.as_os_str();
    if TAR_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return run("tar", &["-x".as_ref(), "-f".as_ref(), path], sandbox, user).await;
    }
    if name.ends_with(".zip") {
        return run("unzip", &["-o".as_ref(), "-q".as_ref(), path], sandbox, user).await;
    }
    if name.ends_with(".gz") {
        return run("gunzip", &["-k".as_ref(), "-f".as_ref(), "--".as_ref(), path], sandbox, user).await;
    }
    Ok(())
}

/// Runs a program as the task's user. It is killed if this future is dropped.
async fn run(
    program: &str,
    arguments: &[&std::ffi::OsStr],
    dir: &Path,
    user: Option<&Credentials>,
) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).kill_on_drop(true);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    let mut child = command.spawn().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return format!("the program '{program}' is needed for this and is not installed on the agent");
        }
        format!("cannot run '{program}': {error}")
    })?;
    let complaint = match child.stderr.take() {
        Some(stderr) => complaint(stderr).await,
        None => String::new(),
    };
    let status = child.wait().await.map_err(|error| format!("cannot wait for '{program}': {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("'{program}' failed ({status}): {complaint}")) }
}

/// The beginning of what a program complains about. An archive can make it complain without end: the rest is read, or the program
/// would wait for a reader, and not kept.
async fn complaint(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::with_capacity(MAX_COMPLAINT_BYTES);
    // What cannot be read is no complaint.
    let _ = (&mut stderr).take(MAX_COMPLAINT_BYTES as u64).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn artifact(uri: &str) -> Artifact {
        Artifact { uri: uri.to_owned(), extract: true, executable: false, cache: false, destination: None }
    }

    async fn fetch_into(sandbox: &Path, artifact: Artifact) -> Result<(), String> {
        fetch(&[artifact], sandbox, None).await
    }

    #[tokio::test]
    async fn of_endless_complaints_the_beginning_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let script = "head -c 4000000 /dev/zero | tr '\\0' x >&2; exit 3";
        let error = run("sh", &["-c".as_ref(), script.as_ref()], dir.path(), None).await.unwrap_err();
        assert!(error.contains("exit status: 3") && error.ends_with("xxx"), "{error}");
        assert!(error.len() < 2 * MAX_COMPLAINT_BYTES, "{}", error.len());
    }

    #[test]
    fn destinations_that_leave_the_sandbox_are_refused() {
        for good in ["a", "a/b", "./a/./b", "a..b/c"] {
            assert!(inside(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "/etc/passwd", "a/../../b", "a/..", "x\0"] {
            assert!(inside(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_and_queries_stay_out_of_messages() {
        for (uri, told) in [
            ("https://user:secret@host/a?sig=1#x", "https://host/a"),
            ("/srv/a@b", "/srv/a@b"),
            ("http://host/a", "http://host/a"),
        ] {
            assert_eq!(without_secrets(uri), told);
        }
    }

    #[tokio::test]
    async fn files_are_copied_made_executable_and_unpacked() {
        let (outside, sandbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("tool"), "#!/bin/sh\n").unwrap();
        let tarball = outside.path().join("all.tar.gz");
        let tar = std::process::Command::new("tar")
            .arg("-czf")
            .arg(&tarball)
            .arg("-C")
            .arg(outside.path())
            .arg("tool")
            .status();
        assert!(tar.unwrap().success());

        let uri = format!("file://{}", outside.path().join("tool").display());
        let executable = Artifact { executable: true, destination: Some("bin/run".into()), ..artifact(&uri) };
        fetch_into(sandbox.path(), executable).await.unwrap();
        let mode = std::fs::metadata(sandbox.path().join("bin/run")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);

        fetch_into(sandbox.path(), artifact(tarball.to_str().unwrap())).await.unwrap();
        assert!(sandbox.path().join("tool").is_file() && sandbox.path().join("all.tar.gz").is_file());
    }

    #[tokio::test]
    async fn failures_name_the_file_and_the_cause() {
        let sandbox = tempfile::tempdir().unwrap();
        std::fs::write(sandbox.path().join("broken.tar"), "no archive").unwrap();
        let broken = sandbox.path().join("broken.tar").display().to_string();
        for (uri, cause) in [
            ("/no/such/file".to_owned(), "cannot fetch '/no/such/file': No such file or directory (os error 2)"),
            (
                "hdfs://x/y".to_owned(),
                "cannot fetch 'hdfs://x/y': the scheme 'hdfs' is not supported; http, https, file and absolute paths are",
            ),
            ("/dev/zero".to_owned(), "cannot fetch '/dev/zero': not a regular file"),
            ("nothing".to_owned(), "cannot fetch 'nothing': not a URI: relative URL without a base"),
        ] {
            assert_eq!(fetch_into(sandbox.path(), artifact(&uri)).await.unwrap_err(), cause);
        }
        let other = tempfile::tempdir().unwrap();
        let error = fetch_into(other.path(), artifact(&broken)).await.unwrap_err();
        assert!(error.contains("'tar' failed"), "{error}");
    }

    #[tokio::test]
    async fn links_in_the_sandbox_lead_nothing_out_of_it() {
        let (outside, sandbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("victim"), "intact").unwrap();
        std::fs::write(outside.path().join("evil"), "evil").unwrap();
        symlink(outside.path(), sandbox.path().join("dir")).unwrap();
        symlink(outside.path().join("victim"), sandbox.path().join("file")).unwrap();
        let evil = outside.path().join("evil").display().to_string();
        let through_dir = Artifact { destination: Some("dir/victim".into()), ..artifact(&evil) };
        assert!(fetch_into(sandbox.path(), through_dir).await.is_err());
        let over_file = Artifact { destination: Some("file".into()), ..artifact(&evil) };
        fetch_into(sandbox.path(), over_file).await.unwrap();
        assert_eq!(std::fs::read_to_string(outside.path().join("victim")).unwrap(), "intact");
        assert_eq!(std::fs::read_to_string(sandbox.path().join("file")).unwrap(), "evil");
    }

    /// Answers one request with `answer`, and goes.
    async fn server(answer: &'static [u8]) -> String {
        use tokio::io::AsyncReadExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await.unwrap();
            stream.write_all(answer).await.unwrap();
        });
        format!("http://user:secret@{address}/dir/file.txt?signature=secret")
    }

    #[tokio::test]
    async fn files_come_by_http_whole_or_not_at_all() {
        let sandbox = tempfile::tempdir().unwrap();
        let good = server(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        fetch_into(sandbox.path(), artifact(&good)).await.unwrap();
        assert_eq!(std::fs::read_to_string(sandbox.path().join("file.txt")).unwrap(), "hello");

        let other = tempfile::tempdir().unwrap();
        for (answer, cause) in [
            (&b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"[..], "the server answered 404 Not Found"),
            (&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"[..], "end of file before message length reached"),
        ] {
            let error = fetch_into(other.path(), artifact(&server(answer).await)).await.unwrap_err();
            assert!(error.contains(cause) && error.contains("/dir/file.txt'"), "{error}");
            assert!(!error.contains("secret"), "{error}");
            assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
        }
    }
}
