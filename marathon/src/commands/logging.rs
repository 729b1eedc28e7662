//! Log lines, on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{InvalidFlag, LogFlags, LogFormat};

/// What servers log. The libraries in the list tell of every query or start.
const OF_SERVERS: &str = "info,hickory_server=warn,actix_server=warn,actix_http=warn,sqlx=warn";
/// What the client logs.
const OF_CLIENT: &str = "warn";

/// Starts logging. The filter is `--log`, or else the variable `RUST_LOG`.
pub fn start(flags: &LogFlags, is_client: bool) -> anyhow::Result<()> {
    let default = if is_client { OF_CLIENT } else { OF_SERVERS };
    let from_environment = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| !text.is_empty());
    let text = flags.log.clone().or(from_environment).unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::builder().parse(&text).map_err(|error| InvalidFlag::new("log", &text, error))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // An error means that somebody else took the logs, which happens in tests only.
    let _ = match flags.log_format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_filters_are_valid_and_a_bad_one_is_named() {
        for text in [OF_SERVERS, OF_CLIENT] {
            assert!(EnvFilter::builder().parse(text).is_ok(), "{text}");
        }
        let flags = LogFlags { log: Some("marathon=loud".into()), log_format: LogFormat::Text };
        let text = start(&flags, false).unwrap_err().to_string();
        assert!(text.starts_with("invalid value 'marathon=loud' for '--log'"), "{text}");
    }
}
