//! One term of leadership: from loading the state to losing the right to change it.

use std::{collections::BTreeMap, time::Duration};

use marathon_core::scheduler::{Accepted, Effect, Input, Output, Scheduler, Seeds, Ticket};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinError,
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    AskError, Inbox, Service,
    clock::now,
    committer::{Batch, Committer, Done, Failure, Reply, Unsettled},
    handle::Message,
};
use crate::{
    driver::DriverEvent,
    store::{StoreError, Term},
};

/// Inputs stepped before what they led to is committed together.
const AT_ONCE: usize = 512;
/// Who waits so long for the lead waits for another scheduler, not for an answer.
const SOMEBODY_ELSE_LEADS: Duration = Duration::from_secs(5);

/// How a term ended without a fault.
pub(super) enum Ended {
    /// The process is to stop.
    Stopped,
    /// The right to lead may be lost.
    Deposed,
    /// The core asked for the end, saying why.
    Halted(String),
}

/// Leads until the store fails, the lease is lost or the service is stopped.
///
/// `unsettled` is what a former term could not answer: its commit failed, but may have happened.
pub(super) async fn lead(
    service: &Service,
    inbox: &mut Inbox,
    unsettled: &mut Option<Box<Unsettled>>,
    stop: &CancellationToken,
) -> Result<Ended, Failure> {
    let term = take_the_lead(service, inbox).await?;
    let recovered = service.store.load().await?;
    // Whoever began a term before cannot commit any more, so what is not there now never will be.
    if let Some(unsettled) = unsettled.take() {
        unsettled.settle(service.store.as_ref()).await?;
    }
    info!(
        leader.term = term.0,
        apps.count = recovered.versions.len(),
        instances.count = recovered.instances.len(),
        deployments.count = recovered.deployments.len(),
        "leading"
    );
    inbox.events.begin(recovered.last_event);
    let core = Scheduler::new(service.config.clone(), recovered, seeds(), now());
    let (batches, received) = mpsc::channel(1);
    let committer = Committer {
        term,
        generation: term.0.unsigned_abs(),
        store: service.store.clone(),
        driver: service.driver.clone(),
        prober: service.prober.clone(),
        view: inbox.view.clone(),
        events: inbox.events.clone(),
        inbox: inbox.sender.clone(),
    };
    let mut committer = tokio::spawn(committer.run(received));
    let events = forward_driver_events(service, inbox, term);
    let mut stepping =
        Stepping { core, batches, generation: term.0.unsigned_abs(), tickets: 0, waiting: BTreeMap::new() };
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(Ended::Stopped),
        () = service.store.deposed() => Ok(Ended::Deposed),
        // It found the committer gone, which says why.
        () = stepping.run(&mut inbox.receiver) => conclude((&mut committer).await),
        done = &mut committer => conclude(done),
    };
    events.abort();
    // Dropping the loop ends the stream of batches: what was stepped is still committed, what was not is not answered.
    drop(stepping);
    if !committer.is_finished() && ended.is_ok() {
        let _ = committer.await;
    }
    ended
}

/// What the committer's end means for the term.
fn conclude(done: Result<Result<Done, Failure>, JoinError>) -> Result<Ended, Failure> {
    match done {
        Ok(Ok(Done::Halted(message))) => Ok(Ended::Halted(message)),
        Ok(Ok(Done::Drained)) => Ok(Ended::Deposed),
        Ok(Err(failure)) => Err(failure),
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => Ok(Ended::Stopped),
        },
    }
}

/// A store that is out of reach fails; one that makes wait says that somebody else leads. What this scheduler knew from an earlier
/// term is then shown no longer.
async fn take_the_lead(service: &Service, inbox: &Inbox) -> Result<Term, StoreError> {
    let leading = service.store.lead(&service.leader);
    tokio::pin!(leading);
    tokio::select! {
        term = &mut leading => return term,
        () = tokio::time::sleep(SOMEBODY_ELSE_LEADS) => inbox.view.disown(),
    }
    leading.await
}

/// The loop that owns the core.
struct Stepping {
    core: Scheduler,
    batches: mpsc::Sender<Batch>,
    generation: u64,
    tickets: u64,
    waiting: BTreeMap<Ticket, oneshot::Sender<Result<Accepted, AskError>>>,
}

impl Stepping {
    /// Steps until the committer is gone. (The inbox stays open: the service holds a sender itself.)
    async fn run(&mut self, inbox: &mut mpsc::Receiver<Message>) {
        // Nothing has happened yet, but the core may want to begin, and readers want to see what was loaded.
        let mut out = Output::default();
        self.core.step(now(), Input::Wakeup, &mut out);
        let mut is_first = true;
        let mut messages = Vec::with_capacity(AT_ONCE);
        loop {
            let is_news = is_first || !out.changes.is_empty() || !out.effects.is_empty();
            if is_news && self.hand_over(std::mem::take(&mut out)).await.is_none() {
                return;
            }
            is_first = false;
            let wait = self.core.next_wakeup().map(|at| at.since(now()));
            tokio::select! {
                _ = inbox.recv_many(&mut messages, AT_ONCE) => {}
                () = sleep(wait) => self.core.step(now(), Input::Wakeup, &mut out),
            }
            for message in messages.drain(..) {
                self.step(message, &mut out);
            }
        }
    }

    fn step(&mut self, message: Message, out: &mut Output) {
        let input = match message {
            Message::Command(command, reply) => {
                self.tickets += 1;
                let ticket = Ticket(self.tickets);
                self.waiting.insert(ticket, reply);
                Input::Command(ticket, command)
            }
            Message::Input(generation, input) if generation == self.generation => input,
            Message::Input(..) => return,
        };
        self.core.step(now(), input, out);
    }

    /// Gives a batch to the committer. `None`: the committer is gone.
    async fn hand_over(&mut self, out: Output) -> Option<()> {
        let (mut effects, mut replies) = (Vec::with_capacity(out.effects.len()), Vec::new());
        for effect in out.effects {
            match effect {
                Effect::Reply(ticket, answer) => {
                    let to = self.waiting.remove(&ticket);
                    replies.extend(to.map(|to| Reply { to, answer: answer.map_err(AskError::from) }));
                }
                other @ (Effect::Call(_) | Effect::Probe { .. } | Effect::Halt { .. }) => effects.push(other),
            }
        }
        let batch = Batch { changes: out.changes, effects, replies, state: self.core.snapshot() };
        self.batches.send(batch).await.ok()
    }
}

/// Brings what the master says into the inbox.
fn forward_driver_events(service: &Service, inbox: &Inbox, term: Term) -> tokio::task::JoinHandle<()> {
    let (driver, sender, generation) = (service.driver.clone(), inbox.sender.clone(), term.0.unsigned_abs());
    // Before the first call of this term, which the reset would otherwise undo.
    driver.reset();
    tokio::spawn(async move {
        loop {
            let input = match driver.next().await {
                DriverEvent::Master(event) => Input::Master(event),
                DriverEvent::Lost => Input::MasterLost,
            };
            if sender.send(Message::Input(generation, input)).await.is_err() {
                return;
            }
        }
    })
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Fresh random bits for a core's generators.
fn seeds() -> Seeds {
    Seeds { instances: random(), deployments: random(), ports: random() }
}

fn random() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}
