//! The agent's HTTP server.

use std::{
    fs::File,
    io::{self, Read},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    body::SizedStream,
    dev::{Server, ServerHandle},
    http::header::{ContentDisposition, DispositionParam, DispositionType},
    middleware::{Compress, NormalizePath},
    web::{self, Bytes, Data, Query, ServiceConfig},
};
use marathon_time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use tracing::warn;

use super::{
    AgentConfig,
    files::{Files, FilesError},
    service::{Inbox, View},
    state,
};
use crate::{
    clock,
    http::{Jsonp, json_or_jsonp, version},
};

/// How long the loop may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Of a download, held at once.
const BLOCK: usize = 64 * 1024;

/// What the handlers know.
pub(super) struct Context {
    pub(super) config: AgentConfig,
    pub(super) work_dir: PathBuf,
    pub(super) address: SocketAddr,
    pub(super) started: Timestamp,
    files: Files,
    inbox: mpsc::Sender<Inbox>,
}

impl Context {
    pub(super) fn new(config: &AgentConfig, work_dir: &Path, address: SocketAddr, inbox: mpsc::Sender<Inbox>) -> Self {
        Self {
            config: config.clone(),
            work_dir: work_dir.to_owned(),
            address,
            started: clock::now(),
            files: Files::below(work_dir),
            inbox,
        }
    }

    async fn view(&self) -> Option<View> {
        let (question, answer) = oneshot::channel();
        let asked = async {
            self.inbox.send(Inbox::View(question)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER_LIMIT, asked).await.ok().flatten()
    }
}

/// Starts the server on a socket that is bound already.
pub(super) fn start(listener: TcpListener, context: Context) -> io::Result<ServerHandle> {
    let context = Data::from(Arc::new(context));
    let server: Server = HttpServer::new(move || {
        App::new().app_data(context.clone()).wrap(NormalizePath::trim()).wrap(Compress::default()).configure(routes)
    })
    .workers(1)
    .h1_allow_half_closed(false)
    .shutdown_timeout(2)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

fn routes(config: &mut ServiceConfig) {
    for prefix in ["", "/slave(1)"] {
        config
            .route(&format!("{prefix}/health"), web::get().to(health))
            .route(&format!("{prefix}/version"), web::get().to(get_version))
            .route(&format!("{prefix}/metrics/snapshot"), web::get().to(get_metrics))
            .route(&format!("{prefix}/state"), web::get().to(get_state))
            .route(&format!("{prefix}/state.json"), web::get().to(get_state))
            .route(&format!("{prefix}/files/read"), web::get().to(read))
            .route(&format!("{prefix}/files/browse"), web::get().to(browse))
            .route(&format!("{prefix}/files/download"), web::get().to(download));
    }
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn get_version(jsonp: Query<Jsonp>) -> HttpResponse {
    json_or_jsonp(&version(), &jsonp)
}

async fn get_state(context: Data<Context>, jsonp: Query<Jsonp>) -> HttpResponse {
    answer(&context, &jsonp, state::state).await
}

async fn get_metrics(context: Data<Context>, jsonp: Query<Jsonp>) -> HttpResponse {
    answer(&context, &jsonp, state::metrics).await
}

async fn answer(context: &Context, jsonp: &Jsonp, render: fn(&Context, &View) -> Value) -> HttpResponse {
    match context.view().await {
        Some(view) => json_or_jsonp(&render(context, &view), jsonp),
        None => HttpResponse::ServiceUnavailable().body("the agent is busy"),
    }
}

#[derive(Debug, Deserialize)]
struct FileQuery {
    path: Option<String>,
    offset: Option<String>,
    length: Option<String>,
    jsonp: Option<String>,
}

impl FileQuery {
    fn path(&self) -> Result<String, String> {
        let path = self.path.as_deref().filter(|path| !path.is_empty());
        path.map(str::to_owned).ok_or_else(|| "Expecting 'path=value' in query.\n".to_owned())
    }

    /// Path, offset and length.
    fn range(&self) -> Result<(String, Option<u64>, Option<u64>), String> {
        let offset = number("offset", self.offset.as_deref())?;
        Ok((self.path()?, offset, number("length", self.length.as_deref())?))
    }

    fn jsonp(&self) -> Jsonp {
        Jsonp { jsonp: self.jsonp.clone() }
    }
}

/// A number that may be −1 for "not said"; what is no number is refused.
fn number(name: &str, text: Option<&str>) -> Result<Option<u64>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(number) if number >= 0 => Ok(Some(number.unsigned_abs())),
        Ok(_) => Err(format!("Negative {name} provided: {text}.\n")),
        Err(_) => Err(format!("Failed to parse {name}: {text} is not a number.\n")),
    }
}

async fn read(context: Data<Context>, query: Query<FileQuery>) -> HttpResponse {
    let (path, offset, length) = match query.range() {
        Ok(range) => range,
        Err(message) => return HttpResponse::BadRequest().body(message),
    };
    let files = context.files.clone();
    blocking(move || files.read(&path, offset, length), |chunk| json_or_jsonp(&chunk, &query.jsonp())).await
}

async fn browse(context: Data<Context>, query: Query<FileQuery>) -> HttpResponse {
    let path = match query.path() {
        Ok(path) => path,
        Err(message) => return HttpResponse::BadRequest().body(message),
    };
    let files = context.files.clone();
    blocking(move || files.browse(&path), |entries| json_or_jsonp(&entries, &query.jsonp())).await
}

async fn download(context: Data<Context>, query: Query<FileQuery>) -> HttpResponse {
    let path = match query.path() {
        Ok(path) => path,
        Err(message) => return HttpResponse::BadRequest().body(message),
    };
    let name = path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or("file").to_owned();
    let files = context.files.clone();
    blocking(move || files.open_file(&path), |(file, size)| attachment(name, file, size)).await
}

fn attachment(name: String, file: File, size: u64) -> HttpResponse {
    let parameters = vec![DispositionParam::Filename(name)];
    let disposition = ContentDisposition { disposition: DispositionType::Attachment, parameters };
    let body = SizedStream::new(size, blocks(file, size));
    HttpResponse::Ok().insert_header(disposition).content_type("application/octet-stream").body(body)
}

/// The first `size` bytes of a file, a block at a time; a file that shrinks meanwhile ends the answer early.
fn blocks(file: File, size: u64) -> impl futures::Stream<Item = io::Result<Bytes>> {
    futures::stream::try_unfold(file.take(size), |mut file| async move {
        let read = spawn_blocking(move || {
            let mut block = Vec::with_capacity(BLOCK);
            file.by_ref().take(BLOCK as u64).read_to_end(&mut block).map(|_| (block, file))
        });
        let (block, file) = read.await.map_err(io::Error::other)??;
        Ok((!block.is_empty()).then(|| (Bytes::from(block), file)))
    })
}

/// Does what waits for the disk where nobody else waits for it, and answers with what comes of it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FilesError> + Send + 'static,
    answer: impl FnOnce(T) -> HttpResponse,
) -> HttpResponse {
    match spawn_blocking(work).await {
        Ok(Ok(value)) => answer(value),
        Ok(Err(error)) => refusal(&error),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

fn refusal(error: &FilesError) -> HttpResponse {
    match error {
        FilesError::NotFound(_) => HttpResponse::NotFound().finish(),
        FilesError::NotAFile(_) | FilesError::NotADirectory(_) => HttpResponse::BadRequest().body(error.to_string()),
        FilesError::Io { path, source } => {
            warn!(path, error = %source, "cannot read from a sandbox");
            HttpResponse::InternalServerError().body(error.to_string())
        }
    }
}
