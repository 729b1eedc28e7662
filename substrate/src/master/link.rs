//! The master's end of an agent's WebSocket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session};
use futures::StreamExt;
use substrate_core::{
    master::LinkId,
    protocol::agent::{FromAgent, Numbered, ToAgent},
};
use tokio::{sync::mpsc, time::timeout};
use tracing::{info, warn};

use super::service::Inbox;

/// Messages that wait for one agent; with one more its connection is closed, and it registers again.
const OUTBOUND: usize = 16 * 1024;
/// Largest message of an agent. One that registers with ten thousand ordinary tasks sends some ten megabytes; with definitions of
/// the largest size (a megabyte), sixty fit.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// A connection that takes nothing for this long is closed.
const WRITE_LIMIT: Duration = Duration::from_secs(15);
/// What is told in the reason of a close frame, which has 123 bytes.
const MAX_REASON_BYTES: usize = 120;

/// What the handler needs.
#[derive(Clone, Debug)]
pub(super) struct Links {
    pub(super) inbox: mpsc::Sender<Inbox>,
    pub(super) next: Arc<AtomicU64>,
}

/// `GET /api/v1/agent`: becomes a WebSocket.
pub(super) async fn open(
    links: web::Data<Links>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let (response, session, stream) = actix_ws::handle(&request, body)?;
    let stream = stream.max_frame_size(MAX_MESSAGE_BYTES).aggregate_continuations();
    let stream = stream.max_continuation_size(MAX_MESSAGE_BYTES);
    let link = LinkId(links.next.fetch_add(1, Ordering::Relaxed));
    let peer = request.peer_addr().map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    let inbox = links.inbox.clone();
    actix_web::rt::spawn(async move {
        let (messages, outbound) = mpsc::channel(OUTBOUND);
        if inbox.send(Inbox::LinkOpened(link, messages)).await.is_err() {
            return; // the master has stopped
        }
        info!(link.id = %link, peer.address = peer, "an agent connected");
        let reason = pass(session.clone(), stream, outbound, link, &inbox).await;
        info!(link.id = %link, peer.address = peer, reason = reason.description.as_deref().unwrap_or(""), "an agent's connection ends");
        let _ = inbox.send(Inbox::LinkClosed(link)).await; // the master has stopped
        let _ = timeout(WRITE_LIMIT, session.close(Some(reason))).await; // it may be closed already
    });
    Ok(response)
}

/// Passes messages in both directions until one of them ends; says why.
async fn pass(
    session: Session,
    stream: AggregatedMessageStream,
    outbound: mpsc::Receiver<Numbered<ToAgent>>,
    link: LinkId,
    inbox: &mpsc::Sender<Inbox>,
) -> CloseReason {
    tokio::select! {
        reason = read(session.clone(), stream, link, inbox) => reason,
        reason = write(session, outbound) => reason,
    }
}

async fn write(mut session: Session, mut outbound: mpsc::Receiver<Numbered<ToAgent>>) -> CloseReason {
    while let Some(message) = outbound.recv().await {
        let text = match serde_json::to_string(&message) {
            Ok(text) => text,
            Err(error) => return reason(CloseCode::Error, &error.to_string()),
        };
        match timeout(WRITE_LIMIT, session.text(text)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return reason(CloseCode::Abnormal, "gone"),
            Err(_) => return reason(CloseCode::Away, "nothing was taken for too long"),
        }
    }
    reason(CloseCode::Normal, "closed by the master")
}

async fn read(
    mut session: Session,
    mut stream: AggregatedMessageStream,
    link: LinkId,
    inbox: &mpsc::Sender<Inbox>,
) -> CloseReason {
    while let Some(frame) = stream.next().await {
        let text = match frame {
            Ok(AggregatedMessage::Text(text)) => text,
            Ok(AggregatedMessage::Ping(bytes)) => match session.pong(&bytes).await {
                Ok(()) => continue,
                Err(_) => return reason(CloseCode::Abnormal, "gone"),
            },
            Ok(AggregatedMessage::Pong(_)) => continue,
            Ok(AggregatedMessage::Close(_)) => return reason(CloseCode::Normal, "closed by the agent"),
            Ok(AggregatedMessage::Binary(_)) => {
                return reason(CloseCode::Unsupported, "a binary frame; messages are text");
            }
            Err(error) => return broken(&error),
        };
        let message = match serde_json::from_str::<Numbered<FromAgent>>(&text) {
            Ok(message) => message,
            Err(error) => {
                warn!(link.id = %link, error = %error, "an agent sent something else than a message");
                return reason(CloseCode::Invalid, &format!("not a message: {error}"));
            }
        };
        if inbox.send(Inbox::Agent(link, Box::new(message))).await.is_err() {
            return reason(CloseCode::Away, "the master has stopped");
        }
    }
    reason(CloseCode::Abnormal, "gone")
}

fn broken(error: &ProtocolError) -> CloseReason {
    let is_too_large = matches!(error, ProtocolError::Overflow);
    let code = if is_too_large { CloseCode::Size } else { CloseCode::Protocol };
    reason(code, &error.to_string())
}

fn reason(code: CloseCode, text: &str) -> CloseReason {
    CloseReason { code, description: Some(text[..text.floor_char_boundary(MAX_REASON_BYTES)].to_owned()) }
}
