//! What the scheduler can be told, what it asks for and what must be durable before it happens.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use health_core::{Outcome, ProbeNumber};
use marathon_time::Timestamp;
use substrate_core::protocol::{
    FrameworkId, TaskId,
    scheduler::{Call, Event as MasterEvent},
};

use crate::{
    deployment::{Deployment, Step},
    event::Record,
    id::{DeploymentId, InstanceId, PathId},
    instance::Instance,
    spec::{App, AppSpec},
    state::{Group, TaskFailure},
};

/// Names a command until it is answered; numbered by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Everything that the scheduler can be told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A user wants something; answered once by [`Effect::Reply`]. Boxed: much larger than the other variants.
    Command(Ticket, Box<Command>),
    /// The master said something. Boxed likewise.
    Master(Box<MasterEvent>),
    /// The stream of the master's events ended, or a subscription could not be opened.
    MasterLost,
    /// A probe asked for by [`Effect::Probe`] was answered.
    Probed {
        /// As asked.
        probe: Probe,
        /// The answer.
        outcome: Outcome,
    },
    /// The moment of [`super::Scheduler::next_wakeup`] has come. Harmless at any other moment.
    Wakeup,
}

/// What a user can want.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A change of the group tree, carried out by a deployment. Answer: [`Accepted::Deployment`], or [`Accepted::Steps`] of a dry run.
    Change {
        /// What.
        change: TreeChange,
        /// Cancel deployments that lock an affected app.
        force: bool,
        /// Only tell what would be done.
        dry_run: bool,
        /// Set for single-app POST, PUT and PATCH: who asked, for `api_post_event`.
        origin: Option<Origin>,
    },
    /// Kill the present tasks of these instances; goals stay, so they are relaunched. Unknown instances are skipped. With
    /// `wipe` the instances are expunged and replaced by new ones. Answer: [`Accepted::Killed`].
    KillInstances {
        /// Which.
        instances: BTreeSet<InstanceId>,
        /// Forget them, too.
        wipe: bool,
    },
    /// Undo a deployment by another one, or with `force` just stop it. Answers: `Deployment`, or `Done` with `force`.
    CancelDeployment {
        /// Which.
        id: DeploymentId,
        /// Leave everything as it is now.
        force: bool,
    },
    /// Forget the back-off of an app. Answer: `Done`.
    ResetDelay(PathId),
    /// Somebody opened the event stream. Answer: [`Accepted::Attached`].
    Attach {
        /// Address of the subscriber.
        remote_address: String,
    },
    /// Somebody left the event stream. Answer: `Done`.
    Detach {
        /// Address of the subscriber.
        remote_address: String,
    },
}

/// Who asked for a change of a single app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Address of the TCP peer.
    pub client_ip: String,
    /// Request path.
    pub uri: String,
}

/// A change of the group tree.
#[derive(Clone, Debug, PartialEq)]
pub enum TreeChange {
    /// One app that must not exist yet.
    CreateApp(Arc<AppSpec>),
    /// Create or replace apps, all in one deployment.
    PutApps(Vec<AppPut>),
    /// Remove an app.
    DeleteApp(PathId),
    /// Replace all instances of an app by new ones of the same definition.
    RestartApp(PathId),
    /// A group that must not exist yet.
    CreateGroup(GroupUpdate),
    /// Create a group or replace the lists given in the update.
    PutGroup(GroupUpdate),
    /// Multiply the instances of every app below a group, rounding up.
    ScaleGroup {
        /// Which.
        id: PathId,
        /// At least 0, finite.
        factor: f64,
    },
    /// Bring back everything below a group as it was in this version of the tree.
    RollbackGroup {
        /// Which.
        id: PathId,
        /// Version of the tree.
        version: Timestamp,
    },
    /// Remove a group and everything below.
    DeleteGroup(PathId),
    /// Reduce apps by these instances and kill exactly them. Unknown instances are skipped.
    KillAndScale(BTreeSet<InstanceId>),
}

/// An app to be stored.
#[derive(Clone, Debug, PartialEq)]
pub enum AppPut {
    /// This definition.
    Spec {
        /// Complete.
        spec: Arc<AppSpec>,
        /// What it was derived from; anything else means that somebody was faster.
        expect: Expect,
    },
    /// The definition as of an earlier version.
    Version {
        /// Which app.
        id: PathId,
        /// Which version.
        version: Timestamp,
    },
}

/// What must be there for a change to make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Whatever.
    Any,
    /// No such app.
    Absent,
    /// The app in this version.
    Version(Timestamp),
}

/// A group as a user wants it. `None` keeps what is there, `Some` replaces it completely.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupUpdate {
    /// Which.
    pub id: PathId,
    /// Apps directly in it.
    pub apps: Option<Vec<Arc<AppSpec>>>,
    /// Groups directly in it.
    pub groups: Option<Vec<GroupUpdate>>,
    /// What must be up before it.
    pub dependencies: Option<BTreeSet<PathId>>,
}

/// What an accepted command led to.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// A deployment was stored and started.
    Deployment {
        /// Its id.
        id: DeploymentId,
        /// Version of the change.
        version: Timestamp,
    },
    /// A dry run would take these steps.
    Steps(Vec<Step>),
    /// Instances as they were when their tasks were told to stop.
    Killed(Vec<Arc<Instance>>),
    /// The subscriber's own `event_stream_attached` has this position.
    Attached {
        /// Position in the log.
        seq: u64,
    },
    /// Done; there is nothing to say.
    Done,
}

/// Why a command was refused. Nothing was changed. The texts are Marathon's: clients match on them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such app.
    #[error("App '{0}' does not exist")]
    UnknownApp(PathId),
    /// The app has no such version.
    #[error("App '{0}' does not exist in version {1}")]
    UnknownAppVersion(PathId, Timestamp),
    /// No such group.
    #[error("Group '{0}' does not exist")]
    UnknownGroup(PathId),
    /// The tree has no such version.
    #[error("Group {0} not available in version {1}")]
    UnknownGroupVersion(PathId, Timestamp),
    /// No such deployment.
    #[error("DeploymentPlan {0} does not exist")]
    UnknownDeployment(DeploymentId),
    /// Nothing of the app waits for a launch.
    #[error("Application {0} not found in tasks queue.")]
    NotQueued(PathId),
    /// Created twice.
    #[error("An app with id [{0}] already exists.")]
    AppExists(PathId),
    /// Created twice.
    #[error("Group {0} is already created. Use PUT to change this group.")]
    GroupExists(PathId),
    /// A group cannot take the place of an app.
    #[error("An app with the path {0} already exists.")]
    AppInPlaceOfGroup(PathId),
    /// Affected apps are being deployed.
    #[error(
        "App is locked by one or more deployments. Override with the option '?force=true'. View details at \
         '/v2/deployments/<DEPLOYMENT_ID>'."
    )]
    Locked {
        /// By these.
        by: BTreeSet<DeploymentId>,
    },
    /// Another change came between reading and writing: read again and retry.
    #[error("App '{0}' was changed by somebody else meanwhile")]
    Overtaken(PathId),
    /// Too many deployments on their way.
    #[error(
        "Max number ({0}) of running deployments is achieved. Wait for existing deployments to complete or cancel one \
         using force=true parameter."
    )]
    TooManyDeployments(usize),
    /// The change would make the tree invalid.
    #[error("Object is not valid")]
    Invalid(Vec<Violation>),
    /// No service port is left.
    #[error("All ports in the range [{0}-{1}) are already in use")]
    NoServicePortLeft(u16, u16),
}

/// A rule that was broken, with the path of the member that broke it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// As `details[].path` prints it.
    pub path: String,
    /// As `details[].errors[]` prints it.
    pub message: String,
}

/// A health check of an instance's task to be run once. `HTTP`, `HTTPS` and `TCP` only: agents run the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// Whose.
    pub instance: InstanceId,
    /// Which run of it: an answer about an earlier one is ignored.
    pub task: TaskId,
    /// Index into the app version's health checks.
    pub check: usize,
    /// Counts the probes of this check: an answer to a probe given up is ignored.
    pub number: ProbeNumber,
}

/// Where a probe goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeTarget {
    /// GET this.
    Http {
        /// Complete URL, `http` or `https`.
        url: String,
        /// Statuses 100 to 199 say nothing.
        ignore_http_1xx: bool,
    },
    /// Connect to this.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

/// Everything that the scheduler can ask its shell to do, in this order, after the changes of the same output are durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Call the master. `Call::Subscribe` opens the stream of events; others are dropped while there is none. Boxed: much
    /// larger than the other variants.
    Call(Box<Call>),
    /// Answer a command.
    Reply(Ticket, Result<Accepted, Rejection>),
    /// Run a health check once; comes back as [`Input::Probed`], at the latest after `timeout` and a little.
    Probe {
        /// What it is about.
        probe: Probe,
        /// Where it goes.
        target: ProbeTarget,
        /// How long it may take.
        timeout: Duration,
    },
    /// The master wants nothing to do with this framework any more: end the process, saying why.
    Halt {
        /// Why.
        message: String,
    },
}

/// Everything that must be durable, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Our id at the master.
    Framework(FrameworkId),
    /// A new version of an app.
    PutVersion(Arc<App>),
    /// A version of an app that nothing refers to any more.
    DropVersion(PathId, Timestamp),
    /// A new tree, by what differs from the one before.
    PutRoot {
        /// Of the new tree.
        version: Timestamp,
        /// New or changed apps by version (already put), `None` for those that are gone.
        apps: Vec<(PathId, Option<Timestamp>)>,
        /// New or changed groups, `None` for those that are gone.
        groups: Vec<(PathId, Option<Arc<Group>>)>,
    },
    /// Trees before this version are no longer asked for (the state as of this version must stay complete).
    DropRootsBefore(Timestamp),
    /// An instance, new or changed.
    PutInstance(Arc<Instance>),
    /// An instance that is forgotten.
    DropInstance(InstanceId),
    /// A deployment, new or one step further.
    PutDeployment(Arc<Deployment>),
    /// A deployment that ended.
    DropDeployment(DeploymentId),
    /// Last failure of an app.
    PutFailure(Arc<TaskFailure>),
    /// An app whose last failure is forgotten.
    DropFailure(PathId),
    /// An event. Boxed: much larger than the other variants.
    Event(Box<Record>),
    /// Events up to and including this position may be forgotten.
    DropEventsUpTo(u64),
}

/// What one or more steps led to.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Durable, all of them in one transaction, before any effect is performed.
    pub changes: Vec<Change>,
    /// Performed in this order.
    pub effects: Vec<Effect>,
}

/// What a store gives back at the start of a leader's term: the sum of all changes.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// See [`Change::Framework`].
    pub framework_id: Option<FrameworkId>,
    /// Every stored version of every app.
    pub versions: Vec<Arc<App>>,
    /// Every stored tree, oldest first: `(version, apps, groups)` as in [`Change::PutRoot`]. The oldest one is complete.
    #[allow(clippy::type_complexity, reason = "the same triple as in `Change::PutRoot`, read once")]
    pub roots: Vec<(Timestamp, Vec<(PathId, Option<Timestamp>)>, Vec<(PathId, Option<Arc<Group>>)>)>,
    /// Every instance.
    pub instances: Vec<Arc<Instance>>,
    /// Every deployment on its way.
    pub deployments: Vec<Arc<Deployment>>,
    /// Last failures.
    pub failures: Vec<Arc<TaskFailure>>,
    /// Position of the newest event; 0: none yet.
    pub last_event: u64,
}
