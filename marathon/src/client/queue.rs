//! `marathon queue`.

use clap::Subcommand;
use marathon_openapi::queue::{Queue, QueueItem};
use reqwest::Method;

use super::{
    ClientError,
    http::{Client, Request, print},
    table::{list, table},
};

/// What about the launch queue.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what waits for offers, and why
    List,
    /// Forget the back-off of an app: launch now
    Reset {
        /// Path of the app
        id: String,
    },
}

/// Does it.
pub async fn run(client: &Client, command: Command) -> Result<(), ClientError> {
    match command {
        Command::List => {
            let render = |queue: &Queue| queue_table(&queue.queue);
            client.show(Request::new(Method::GET, &["v2", "queue"]), render).await
        }
        Command::Reset { id } => {
            client.send(Request::new(Method::DELETE, &["v2", "queue", &id, "delay"])).await?;
            print(&format!("{id} is launched as soon as an offer fits"));
            Ok(())
        }
    }
}

fn queue_table(items: &[QueueItem]) -> String {
    let heads = ["APP", "COUNT", "SINCE", "DELAY", "OFFERS", "UNUSED", "REASONS"];
    table(
        heads,
        items.iter().map(|item| {
            let summary = &item.processed_offers_summary;
            [
                item.app.id.clone(),
                item.count.to_string(),
                item.since.to_string(),
                if item.delay.overdue { "-".to_owned() } else { format!("{}s", item.delay.time_left_seconds) },
                summary.processed_offers_count.to_string(),
                summary.unused_offers_count.to_string(),
                reasons(item),
            ]
        }),
    )
}

/// Why the last offers were not taken, with how many.
fn reasons(item: &QueueItem) -> String {
    let rows = item.processed_offers_summary.reject_summary_last_offers.iter().filter(|row| row.declined > 0);
    list(rows.map(|row| format!("{:?}:{}/{}", row.reason, row.declined, row.processed)))
}

#[cfg(test)]
mod tests {
    use marathon_openapi::queue::{ProcessedOffersSummary, QueueDelay, RejectReason};

    use super::*;

    #[test]
    fn what_waits_is_shown_with_why() {
        let app = serde_json::from_value(serde_json::json!({
            "id": "/a", "cmd": "x", "instances": 3, "cpus": 1, "mem": 64.0, "disk": 0.0, "gpus": 0, "executor": "",
            "portDefinitions": [], "requirePorts": false, "networks": [], "backoffSeconds": 1, "backoffFactor": 1.15,
            "maxLaunchDelaySeconds": 300, "labels": {}, "role": "*", "killSelection": "YOUNGEST_FIRST",
            "upgradeStrategy": { "minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0 },
            "unreachableStrategy": "disabled"
        }));
        let summary = ProcessedOffersSummary {
            processed_offers_count: 9,
            unused_offers_count: 8,
            reject_summary_last_offers: RejectReason::funnel(3, |reason| {
                3 * u64::from(reason == RejectReason::InsufficientCpus)
            }),
            ..ProcessedOffersSummary::default()
        };
        let item = QueueItem {
            count: 2,
            delay: QueueDelay { time_left_seconds: 7, overdue: false },
            since: "2020-03-01T12:00:00.000Z".parse().unwrap(),
            processed_offers_summary: summary,
            last_unused_offers: None,
            app: app.unwrap(),
            role: None,
        };
        let text = queue_table(&[item]);
        let row: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["/a", "2", "2020-03-01T12:00:00.000Z", "7s", "9", "8", "InsufficientCpus:3/3"]);
    }
}
