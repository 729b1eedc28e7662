//! Offers: resources of one agent, lent until accepted, declined or rescinded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AgentId, FrameworkId, OfferId};
use crate::resources::{Resources, Scalar};

/// Resources of one agent, offered to one framework in one role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// Used once, to accept or decline.
    pub id: OfferId,
    /// Whom it was made to.
    pub framework_id: FrameworkId,
    /// Whose resources they are.
    pub agent_id: AgentId,
    /// Host name of the agent: what its tasks are reached by.
    pub hostname: String,
    /// Where the agent answers HTTP (sandbox files): host name or address, and port.
    pub agent_address: AgentAddress,
    /// Region and zone of the agent.
    pub domain: Option<Domain>,
    /// The role that the resources are allocated to.
    pub role: String,
    /// What is offered.
    pub resources: Resources,
    /// Attributes of the agent, in the order in which they were declared.
    pub attributes: Vec<Attribute>,
}

/// Where an agent answers HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentAddress {
    /// Numeric address, as text.
    pub ip: String,
    /// TCP port.
    pub port: u16,
}

/// Fault domain of an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Domain {
    /// Region: far apart, slow links between.
    pub region: String,
    /// Zone within the region: fails as one.
    pub zone: String,
}

/// A named property of an agent. Names may repeat; readers take the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Name, as given.
    pub name: String,
    /// Value.
    pub value: AttributeValue,
}

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// A text.
    Text(String),
    /// A number, three decimals.
    Scalar(Scalar),
    /// Inclusive ranges of integers.
    Ranges(Vec<(u64, u64)>),
    /// A set of texts.
    Set(Vec<String>),
}

/// Free-form names and values.
pub type Labels = BTreeMap<String, String>;
