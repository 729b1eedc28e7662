//! `/v2/events`: the event log as it grows, as server-sent events or over a WebSocket.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::{StatusCode, header},
    web::{Bytes, Data, Payload},
};
use actix_ws::{CloseCode, CloseReason, Message};
use futures::StreamExt;
use marathon_core::scheduler::{Accepted, Command};
use marathon_openapi::event::Event;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Scheduler, error::ApiError, params::Params};
use crate::{
    service::{Handle, Subscription},
    store::{EventRow, StoreError},
};

/// An empty line goes out this often, so that dead peers are noticed, and that readers which drop a stream of less than one byte
/// per second (libcurl's low speed limit, as load balancers set it) keep theirs.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// A WebSocket is pinged this often.
const PING: Duration = Duration::from_secs(10);
/// Chunks that may wait for a slow reader. It loses nothing: what is not sent stays in the log, and is read from there later.
const AHEAD: usize = 64;
/// The header that browsers send when they reconnect.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// The endpoint.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(events);
}

/// Events as they happen: `text/event-stream`, or JSON messages over a WebSocket if the request is an upgrade. `Last-Event-ID`
/// (a header, or `lastEventId` in the query) resumes after that event.
#[utoipa::path(
    tag = "events",
    params(
        ("event_type" = Option<Vec<String>>, Query, description = "Only events of these types"),
        ("lastEventId" = Option<u64>, Query, description = "Like the header, for clients that cannot set it"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Position after which to go on"),
    ),
    responses(
        (status = 200, description = "Events, without end", body = Event, content_type = "text/event-stream"),
        (status = 101, description = "The same over a WebSocket: one JSON object per message, with its position in `seq`"),
        (status = 405, description = "The request accepts no event stream"),
        ApiError
    )
)]
#[get("/v2/events")]
async fn events(
    scheduler: Scheduler,
    closing: Data<CancellationToken>,
    request: HttpRequest,
    params: Params,
    payload: Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let wanted = Wanted(params.all("event_type").map(str::to_owned).collect());
    let resume = resume_position(&request, &params)?;
    if wants_web_socket(&request) {
        let (response, session, messages) = actix_ws::handle(&request, payload)?;
        let reader = Reader::attach(&scheduler, &request, wanted, resume).await?;
        actix_web::rt::spawn(over_web_socket(reader, session, messages, closing));
        return Ok(response);
    }
    if !accepts_stream(&request) {
        let message = "This is an event stream: ask for it with Accept: text/event-stream";
        return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message).into());
    }
    let reader = Reader::attach(&scheduler, &request, wanted, resume).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream;charset=utf-8")
        // Tells the compressing middleware to leave the stream alone.
        .insert_header(header::ContentEncoding::Identity)
        .streaming(over_http(reader, closing)))
}

fn accepts_stream(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream")))
}

fn wants_web_socket(request: &HttpRequest) -> bool {
    let upgrade = request.headers().get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

fn resume_position(request: &HttpRequest, params: &Params) -> Result<Option<u64>, ApiError> {
    let Some(value) = request.headers().get(LAST_EVENT_ID) else { return params.number("lastEventId") };
    let position = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || ApiError::unprocessable(format!("{LAST_EVENT_ID} must be the id of an event: a whole number"));
    position.map(Some).ok_or_else(wrong)
}

/// Event types asked for; none: all.
struct Wanted(BTreeSet<String>);

impl Wanted {
    fn has(&self, row: &EventRow) -> bool {
        self.0.is_empty() || self.0.contains(&*row.kind)
    }
}

/// One subscriber's way through the log. Its end is told to the others.
struct Reader {
    subscription: Subscription,
    wanted: Wanted,
    /// First and last event that the subscriber asked for and that are no longer kept.
    lost: Option<(u64, u64)>,
    _attachment: Attachment,
}

impl Reader {
    /// Attaches a subscriber: everybody is told, itself included, and that is the first thing it hears unless it resumes.
    async fn attach(
        scheduler: &Scheduler,
        request: &HttpRequest,
        wanted: Wanted,
        resume: Option<u64>,
    ) -> Result<Self, ApiError> {
        let remote_address = request.peer_addr().map(|address| address.ip().to_string()).unwrap_or_default();
        let attached = scheduler.ask(Command::Attach { remote_address: remote_address.clone() }).await?;
        let attachment = Attachment { scheduler: scheduler.clone().into_inner(), remote_address };
        let own = match attached {
            Accepted::Attached { seq } => seq.saturating_sub(1),
            Accepted::Deployment { .. } | Accepted::Steps(_) | Accepted::Killed(_) | Accepted::Done => {
                scheduler.events().newest()
            }
        };
        // A position that the log has not reached was not ours: begin with what is new.
        let after = resume.filter(|position| *position <= own).unwrap_or(own);
        let lost = if after < own { lost_after(scheduler, after).await? } else { None };
        let subscription = scheduler.events().subscribe(after);
        Ok(Self { subscription, wanted, lost, _attachment: attachment })
    }

    /// The next events that are wanted, at least one. `None`: they cannot be read.
    async fn next(&mut self) -> Option<Vec<EventRow>> {
        loop {
            let mut rows = match self.subscription.next().await? {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a subscriber's events cannot be read");
                    return None;
                }
            };
            rows.retain(|row| self.wanted.has(row));
            if !rows.is_empty() {
                return Some(rows);
            }
        }
    }
}

/// Events after `after` that are no longer kept.
async fn lost_after(scheduler: &Scheduler, after: u64) -> Result<Option<(u64, u64)>, ApiError> {
    let unreadable = |error: StoreError| ApiError::unavailable(&error, "The event log cannot be read");
    let oldest = scheduler.events().oldest().await.map_err(unreadable)?;
    Ok(oldest.filter(|oldest| after + 1 < *oldest).map(|oldest| (after + 1, oldest - 1)))
}

/// Tells that a subscriber left, when it is dropped.
struct Attachment {
    scheduler: Arc<Handle>,
    remote_address: String,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let (scheduler, remote_address) = (self.scheduler.clone(), std::mem::take(&mut self.remote_address));
        actix_web::rt::spawn(async move {
            // If nobody leads, nobody is listening either.
            let _ = scheduler.ask(Command::Detach { remote_address }).await;
        });
    }
}

/// Server-sent events, one chunk each. The reader runs beside, so that a client that went away is noticed when it is written to.
fn over_http(
    mut reader: Reader,
    closing: Data<CancellationToken>,
) -> impl futures::Stream<Item = Result<Bytes, actix_web::Error>> {
    let (chunks, receiver) = mpsc::channel::<Bytes>(AHEAD);
    actix_web::rt::spawn(async move {
        if let Some((first, last)) = reader.lost {
            // A comment: clients that know nothing of it pass it over.
            let notice = format!(": events {first} to {last} are no longer kept\r\n\r\n");
            if chunks.send(notice.into()).await.is_err() {
                return;
            }
        }
        loop {
            let rows = tokio::select! {
                rows = while_kept_alive(reader.next(), &chunks) => rows,
                () = chunks.closed() => return,
                () = closing.cancelled() => return,
            };
            let Some(rows) = rows else { return };
            for row in rows {
                if chunks.send(frame(&row)).await.is_err() {
                    return;
                }
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver).map(Ok)
}

/// Waits for `rows`, which a slow store may keep, and sends an empty line from time to time meanwhile. `None`: nobody reads any more.
async fn while_kept_alive(
    rows: impl Future<Output = Option<Vec<EventRow>>>,
    chunks: &mpsc::Sender<Bytes>,
) -> Option<Vec<EventRow>> {
    let mut rows = std::pin::pin!(rows);
    loop {
        tokio::select! {
            rows = &mut rows => return rows,
            () = tokio::time::sleep(KEEP_ALIVE) => chunks.send(Bytes::from_static(b"\r\n")).await.ok()?,
        }
    }
}

fn frame(row: &EventRow) -> Bytes {
    format!("id: {}\r\nevent: {}\r\ndata: {}\r\n\r\n", row.seq, row.kind, row.body).into()
}

/// The same as text messages; the position is a member of the object.
async fn over_web_socket(
    mut reader: Reader,
    mut session: actix_ws::Session,
    mut messages: actix_ws::MessageStream,
    closing: Data<CancellationToken>,
) {
    loop {
        tokio::select! {
            () = closing.cancelled() => break,
            rows = reader.next() => {
                let Some(rows) = rows else { break };
                for row in rows {
                    if session.text(message(&row)).await.is_err() {
                        return;
                    }
                }
            }
            () = tokio::time::sleep(PING) => if session.ping(b"").await.is_err() { return },
            message = messages.next() => match message {
                Some(Ok(Message::Ping(bytes))) => if session.pong(&bytes).await.is_err() { return },
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Continuation(_) | Message::Pong(_) | Message::Nop)) => {}
            },
        }
    }
    let reason = CloseReason { code: CloseCode::Away, description: None };
    let _ = session.close(Some(reason)).await;
}

fn message(row: &EventRow) -> String {
    // The body is an object with members: put the position in front of them. Not as `id`, which is a member of some events.
    format!("{{\"seq\":{},{}", row.seq, row.body.strip_prefix('{').unwrap_or(&row.body))
}
