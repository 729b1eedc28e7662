//! What the master can be told and what it asks for.

use std::fmt;

use crate::protocol::{
    FrameworkId,
    agent::{FromAgent, Numbered, ToAgent},
    scheduler::{Call, Event},
};

/// A framework's open stream of events; numbered by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// An agent's open connection; numbered by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Everything that a master can be told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A call. `Call::Subscribe` opens `stream`; every other call belongs to the framework that subscribed on it.
    Call {
        /// The caller's stream.
        stream: StreamId,
        /// What it wants. Boxed: much larger than the other variants.
        call: Box<Call>,
    },
    /// A framework's stream ended.
    StreamClosed(StreamId),
    /// An agent said something.
    Agent {
        /// Its connection.
        link: LinkId,
        /// What it said. Boxed: much larger than the other variants.
        message: Box<Numbered<FromAgent>>,
    },
    /// An agent's connection ended.
    LinkClosed(LinkId),
    /// The moment of [`super::Master::next_wakeup`] has come. Harmless at any other moment.
    Wakeup,
}

/// Everything that a master can ask its shell to do, in this order. Nothing of it is durable: a master learns again what runs
/// where from its agents and frameworks.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell a framework. Boxed: much larger than the other variants.
    Tell(StreamId, Box<Event>),
    /// End a framework's stream after what was told.
    CloseStream(StreamId),
    /// Tell an agent.
    Send(LinkId, Numbered<ToAgent>),
    /// End an agent's connection after what was sent.
    CloseLink(LinkId),
    /// The framework is known and subscribed under this id (for the shell's logs and `/state`).
    Subscribed(StreamId, FrameworkId),
}

/// What one or more steps led to.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Performed in this order.
    pub effects: Vec<Effect>,
}
