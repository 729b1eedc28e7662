//! How many instances of an app answer, seen from outside every 20 ms.
//!
//! Every instance that the task list ever shows is asked again and again by a prober of its own. Afterwards the probes tell when it
//! answered. Where that is uncertain, between two probes, the instance gets the benefit of the doubt; so a number that is too low
//! is a true one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

use super::{
    api::Api,
    apps::{endpoint, task_id},
};

const CADENCE: Duration = Duration::from_millis(20);
/// A server that is only slow still answers.
const SLOW: Duration = Duration::from_secs(15);

struct Probe {
    began: Instant,
    ended: Instant,
    answered: bool,
}

/// One task: when it was certainly not known yet, and its probes.
type Observed = (Instant, Vec<Probe>);

#[derive(Clone, Default)]
struct Shared {
    stopped: Arc<AtomicBool>,
    probes: Arc<Mutex<BTreeMap<String, Observed>>>,
}

/// An observation that goes on until it is ended.
pub struct Watch {
    shared: Shared,
    lister: JoinHandle<()>,
    began: Instant,
}

impl Watch {
    pub fn begin(api: &Api, app: &str) -> Self {
        let shared = Shared::default();
        let lister = tokio::spawn(list(api.clone(), app.to_owned(), shared.clone()));
        Self { shared, lister, began: Instant::now() }
    }

    /// Whether at least `count` instances answered their latest probe.
    pub fn sees(&self, count: usize) -> bool {
        let probes = self.shared.probes.lock().unwrap();
        probes.values().filter(|(_, probes)| probes.last().is_some_and(|probe| probe.answered)).count() >= count
    }

    /// From here on counts; what was before was preparation.
    pub fn count_from_now(&mut self) {
        self.began = Instant::now();
    }

    /// Ends the observation: the lowest number of instances that answered at the same time, and for how long.
    pub async fn lowest(self) -> (usize, Duration) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.lister.await.unwrap();
        let end = Instant::now();
        let probes = self.shared.probes.lock().unwrap();
        lowest(probes.values().flat_map(|(known, probes)| spans(*known, probes, end)), self.began, end)
    }
}

async fn list(api: Api, app: String, shared: Shared) {
    let mut probers = Vec::new();
    let mut before = Instant::now();
    while !shared.stopped.load(Ordering::Relaxed) {
        let now = Instant::now();
        let answer = api.try_send(reqwest::Method::GET, &format!("/v2/apps{app}/tasks"), None).await;
        // The server may be down in between: that is what some tests are about.
        if let Ok(answer) = answer
            && answer.status == 200
        {
            for task in answer.json()["tasks"].as_array().unwrap() {
                if task["ports"][0].is_null() {
                    continue;
                }
                let id = task_id(task);
                let is_new = !shared.probes.lock().unwrap().contains_key(&id);
                if is_new {
                    shared.probes.lock().unwrap().insert(id.clone(), (before, Vec::new()));
                    probers.push(tokio::spawn(probe(endpoint(task), id, shared.clone())));
                }
            }
            before = now;
        }
        tokio::time::sleep(CADENCE).await;
    }
    for prober in probers {
        prober.await.unwrap();
    }
}

async fn probe(endpoint: (String, u16), id: String, shared: Shared) {
    while !shared.stopped.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answered = timeout(SLOW, answers(&endpoint, &id)).await.unwrap_or(false);
        let ended = Instant::now();
        shared.probes.lock().unwrap().get_mut(&id).unwrap().1.push(Probe { began, ended, answered });
        tokio::time::sleep(CADENCE).await;
    }
}

/// Whether the server at an endpoint answers 200, and is this very task (the port may have been given to another since).
async fn answers((host, port): &(String, u16), id: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    ask.await
        .is_ok_and(|answer| answer.lines().next().is_some_and(|line| line.contains(" 200 ")) && answer.contains(id))
}

/// Whether the task `id` answers at `host:port`.
pub async fn answers_as(host: &str, port: u16, id: &str) -> bool {
    timeout(SLOW, answers(&(host.to_owned(), port), id)).await.unwrap_or(false)
}

/// When an instance answered, as long as it can have been.
fn spans(known: Instant, probes: &[Probe], end: Instant) -> Vec<(Instant, Instant)> {
    let mut spans = Vec::new();
    let mut open: Option<Instant> = None;
    let mut doubt = known;
    for probe in probes {
        match (probe.answered, open) {
            (true, None) => open = Some(doubt),
            (false, Some(start)) => {
                spans.push((start, probe.ended));
                open = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        if !probe.answered {
            doubt = probe.began;
        }
    }
    spans.extend(open.map(|start| (start, end)));
    spans
}

fn lowest(spans: impl Iterator<Item = (Instant, Instant)>, began: Instant, end: Instant) -> (usize, Duration) {
    let mut changes: Vec<(Instant, i64)> = vec![(began, 0), (end, 0)];
    for (from, to) in spans {
        changes.extend([(from, 1), (to, -1)]);
    }
    // At the same moment those that come are counted before those that go.
    changes.sort_by_key(|(at, change)| (*at, -change));
    let (mut count, mut lowest, mut duration) = (0, i64::MAX, Duration::ZERO);
    for window in changes.windows(2) {
        count += window[0].1;
        let (from, to) = (window[0].0.max(began), window[1].0.min(end));
        if from >= to {
            continue;
        }
        if count < lowest {
            (lowest, duration) = (count, to - from);
        } else if count == lowest {
            duration += to - from;
        }
    }
    (usize::try_from(lowest).unwrap(), duration)
}
