//! A small framework: it wants so many tasks, and believes what it is told.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use substrate_core::{
    master::StreamId,
    protocol::{
        AgentId, FrameworkId, TaskId,
        offer::Offer,
        scheduler::{Call, Event, Filters, FrameworkInfo, Operation},
        task::{CommandInfo, Run, TaskInfo, TaskState, TaskStatus},
    },
    resources::{Ranges, Resources, Scalar},
};

/// What it believes of its tasks.
pub struct Framework {
    pub id: Option<FrameworkId>,
    pub stream: Option<StreamId>,
    /// On their way to it.
    pub events: VecDeque<Event>,
    /// On their way to the master.
    pub calls: VecDeque<Call>,
    pub wanted: usize,
    pub tasks: BTreeMap<TaskId, (TaskState, AgentId)>,
    /// Tasks of which it was told that they are over.
    pub over: BTreeMap<TaskId, TaskStatus>,
    launched: u64,
}

impl Framework {
    pub fn new(wanted: usize) -> Self {
        Self {
            id: None,
            stream: None,
            events: VecDeque::new(),
            calls: VecDeque::new(),
            wanted,
            tasks: BTreeMap::new(),
            over: BTreeMap::new(),
            launched: 0,
        }
    }

    pub fn subscribe(&mut self, stream: StreamId) {
        self.stream = Some(stream);
        self.events.clear();
        self.calls.clear();
        let framework = FrameworkInfo {
            id: self.id.clone(),
            name: "storm".into(),
            user: "nobody".into(),
            hostname: "scheduler".into(),
            webui_url: String::new(),
            failover_timeout: Duration::from_secs(7 * 24 * 3600),
            roles: vec!["*".into()],
            partition_aware: true,
        };
        self.calls.push_back(Call::Subscribe { framework, suppressed_roles: vec![] });
    }

    pub fn lose_stream(&mut self) {
        self.stream = None;
        self.events.clear();
        self.calls.clear();
    }

    /// Asks for everything that it knows, and for everything that it does not.
    pub fn reconcile(&mut self) {
        let tasks: Vec<_> = self.tasks.iter().map(|(id, (_, agent))| (id.clone(), Some(agent.clone()))).collect();
        if !tasks.is_empty() {
            self.calls.push_back(Call::Reconcile { tasks });
        }
        self.calls.push_back(Call::Reconcile { tasks: vec![] });
    }

    pub fn kill(&mut self, task: TaskId, grace: Option<Duration>) {
        self.calls.push_back(Call::Kill { task, agent: None, grace });
    }

    pub fn hear(&mut self, event: Event) {
        match event {
            Event::Subscribed { framework_id, .. } => {
                self.id = Some(framework_id);
                self.reconcile();
                self.calls.push_back(Call::Revive { roles: vec![] });
            }
            Event::Offers(offers) => {
                for offer in offers {
                    self.use_offer(offer);
                }
            }
            Event::Update(status) => self.update(status),
            Event::Error { message } => panic!("the framework is refused: {message}"),
            Event::Rescind(_) | Event::Failure { .. } | Event::Heartbeat => {}
        }
    }

    fn use_offer(&mut self, offer: Offer) {
        let filters = Filters { refuse: Duration::from_secs(5) };
        let mut left = offer.resources.clone();
        let mut tasks = Vec::new();
        while self.tasks.len() < self.wanted {
            let Some(task) = self.next_task(&offer, &left) else { break };
            left = left.try_subtract(&task.resources).expect("it was made to fit");
            self.tasks.insert(task.id.clone(), (TaskState::TaskStaging, offer.agent_id.clone()));
            tasks.push(task);
        }
        let operations = if tasks.is_empty() { vec![] } else { vec![Operation::Launch { tasks }] };
        self.calls.push_back(Call::Accept { offers: vec![offer.id], operations, filters });
    }

    fn next_task(&mut self, offer: &Offer, left: &Resources) -> Option<TaskInfo> {
        let port = left.ports().nth(self.launched % 3)?;
        let resources =
            Resources::new().with_scalar("cpus", Scalar::from_units(1)).with_ports(Ranges::from_values([port]));
        if !left.contains(&resources) {
            return None;
        }
        self.launched += 1;
        let id = TaskId::new(format!("t{}", self.launched));
        Some(TaskInfo {
            name: "t".into(),
            id,
            agent_id: offer.agent_id.clone(),
            resources,
            command: CommandInfo {
                run: Run::Shell("x".into()),
                environment: BTreeMap::new(),
                user: None,
                uris: vec![],
            },
            kill_grace: None,
            health_check: None,
            discovery: None,
            labels: BTreeMap::new(),
        })
    }

    fn update(&mut self, status: TaskStatus) {
        let id = status.task_id.clone();
        if let (Some(uuid), Some(agent)) = (status.uuid, status.agent_id.clone()) {
            self.calls.push_back(Call::Acknowledge { agent, task: id.clone(), uuid });
        }
        if status.state.is_terminal() || status.state == TaskState::TaskUnknown {
            self.tasks.remove(&id);
            self.over.insert(id, status);
            return;
        }
        match self.tasks.get_mut(&id) {
            Some(task) => task.0 = status.state,
            None => self.kill(id, Some(Duration::ZERO)), // an earlier life of this scheduler launched it, or it was believed to be over
        }
    }
}
