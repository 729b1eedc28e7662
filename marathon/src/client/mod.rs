//! The command-line client of the REST API.

mod app;
mod change;
mod deployment;
mod event;
mod group;
mod http;
mod queue;
mod sse;
mod table;
mod task;

use clap::{Args, Subcommand};
use marathon_openapi::error::{ErrorBody, ErrorDetails};

use self::http::Client;

/// What the client can ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Apps: what should run
    App {
        /// Whom to ask.
        #[command(flatten)]
        connection: Connection,
        /// What.
        #[command(subcommand)]
        command: app::Command,
    },
    /// Groups: the tree that apps live in
    Group {
        /// Whom to ask.
        #[command(flatten)]
        connection: Connection,
        /// What.
        #[command(subcommand)]
        command: group::Command,
    },
    /// Deployments: changes on their way
    Deployment {
        /// Whom to ask.
        #[command(flatten)]
        connection: Connection,
        /// What.
        #[command(subcommand)]
        command: deployment::Command,
    },
    /// Tasks: what runs
    Task {
        /// Whom to ask.
        #[command(flatten)]
        connection: Connection,
        /// What.
        #[command(subcommand)]
        command: task::Command,
    },
    /// The launch queue: what waits, and why
    Queue {
        /// Whom to ask.
        #[command(flatten)]
        connection: Connection,
        /// What.
        #[command(subcommand)]
        command: queue::Command,
    },
    /// Events: what happened and what happens
    Event {
        /// Whom to ask.
        #[command(flatten)]
        connection: Connection,
        /// Which.
        #[command(flatten)]
        flags: event::EventFlags,
    },
}

/// Whom to ask, and how to print the answer.
#[derive(Debug, Args)]
pub struct Connection {
    /// Where the scheduler answers
    #[arg(
        long,
        env = "MARATHON_URL",
        default_value = "http://127.0.0.1:8080",
        global = true,
        help_heading = "Connection"
    )]
    url: reqwest::Url,
    /// Print the answer as JSON
    #[arg(long, global = true, help_heading = "Connection")]
    json: bool,
}

/// Asks, and prints the answer.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::App { connection, command } => app::run(&Client::new(connection), command).await?,
        Command::Group { connection, command } => group::run(&Client::new(connection), command).await?,
        Command::Deployment { connection, command } => deployment::run(&Client::new(connection), command).await?,
        Command::Task { connection, command } => task::run(&Client::new(connection), command).await?,
        Command::Queue { connection, command } => queue::run(&Client::new(connection), command).await?,
        Command::Event { connection, flags } => event::run(&Client::new(connection), flags).await?,
    }
    Ok(())
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers, or not to the end.
    #[error("no answer from {url}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server says no.
    #[error("{}", refusal(*status, body))]
    Refused {
        /// HTTP status.
        status: u16,
        /// The server's own words.
        body: Box<ErrorBody>,
    },
    /// The answer is not what this client understands.
    #[error("the answer of {url} is not understood")]
    NotUnderstood {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A file with a body cannot be read.
    #[error("cannot read '{path}'")]
    File {
        /// As it was given.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A body is not what the command needs.
    #[error("'{path}': {reason}")]
    Body {
        /// As it was given.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// What was waited for failed.
    #[error("deployment {id} failed{}{}", if reason.is_empty() { "" } else { ": " }, reason)]
    DeploymentFailed {
        /// Which.
        id: String,
        /// Why, if that is known.
        reason: String,
    },
    /// The connection broke, and meanwhile the deployment ended.
    #[error("deployment {id} ended while the connection was broken, and how is not known")]
    OutcomeUnknown {
        /// Which.
        id: String,
    },
    /// A line of an event stream is longer than anything that belongs there.
    #[error("the event stream of {url} has a line of more than {limit} bytes")]
    EndlessLine {
        /// What was asked.
        url: String,
        /// The limit.
        limit: usize,
    },
}

/// The server's message, then what is wrong with which member, then the deployments that are in the way.
fn refusal(status: u16, body: &ErrorBody) -> String {
    let mut text = format!("{} (status {status})", body.message);
    match &body.details {
        Some(ErrorDetails::Text(details)) => text.push_str(&format!("\n  {details}")),
        Some(ErrorDetails::Fields(fields)) => {
            for field in fields {
                text.push_str(&format!("\n  {}: {}", field.path, field.errors.join("; ")));
            }
        }
        None => {}
    }
    for deployment in body.deployments.iter().flatten() {
        text.push_str(&format!("\n  deployment {}", deployment.id));
    }
    text
}

#[cfg(test)]
mod tests {
    use marathon_openapi::error::{DeploymentRef, FieldErrors};

    use super::*;

    #[test]
    fn a_refusal_shows_the_servers_words_and_every_detail() {
        let mut body = ErrorBody::new("Object is not valid");
        body.details = Some(ErrorDetails::Fields(vec![
            FieldErrors { path: "/cpus".into(), errors: vec!["must be positive".into(), "error.min".into()] },
            FieldErrors { path: "/id".into(), errors: vec!["error.path.missing".into()] },
        ]));
        body.deployments = Some(vec![DeploymentRef { id: "d-1".into() }]);
        let error = ClientError::Refused { status: 422, body: Box::new(body) };
        let lines = [
            "Object is not valid (status 422)",
            "  /cpus: must be positive; error.min",
            "  /id: error.path.missing",
            "  deployment d-1",
        ];
        assert_eq!(error.to_string(), lines.join("\n"));
    }
}
