//! What to answer to a question.

use std::{collections::BTreeSet, net::IpAddr};

use hickory_proto::{
    op::{Query, ResponseCode},
    rr::{
        Name as WireName, RData, Record, RecordType,
        rdata::{A, AAAA, NS, SOA, SRV},
    },
};

use crate::{
    forward::Forwarded,
    name::Name,
    records::{Data, Records},
    settings::Settings,
    zone::{Found, Zone},
};

/// An answer, before it is encoded.
pub(super) struct Reply {
    pub(super) code: ResponseCode,
    pub(super) authoritative: bool,
    pub(super) truncated: bool,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) additionals: Vec<Record>,
}

impl Reply {
    /// An answer without records.
    pub(super) fn error(code: ResponseCode) -> Self {
        Self {
            code,
            authoritative: false,
            truncated: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
        }
    }

    /// What others said.
    pub(super) fn forwarded(forwarded: Forwarded) -> Self {
        let authorities = forwarded.soa.into_iter().collect();
        Self { answers: forwarded.answers, authorities, ..Self::error(forwarded.code) }
    }

    /// The zone's answer to `query`; none if the name is outside the domain. The records come in random order, as many as there
    /// is room for.
    pub(super) fn from_zone(zone: &Zone, query: &Query, room: Room) -> Option<Self> {
        let name = lookup_name(query.name());
        let found = name.as_deref().map_or(Found::Nothing, |name| zone.look_up(name));
        if name.is_none() && !is_below(query.name(), &zone.settings().domain) {
            return None;
        }
        let at_apex = name.as_deref() == Some(zone.settings().domain.as_str());
        match found {
            Found::Outside => None,
            Found::Nothing => Some(Self::negative(zone, ResponseCode::NXDomain)),
            Found::Records(_) if at_apex && query.query_type() == RecordType::SOA => Some(Self::apex(soa_record(zone))),
            Found::Records(_) if at_apex && query.query_type() == RecordType::NS => {
                let mut reply = Self::apex(ns_record(zone)?);
                reply.add_glue(zone, BTreeSet::from([&zone.settings().soa_mname]), room);
                Some(reply)
            }
            Found::Records(records) => Some(Self::positive(zone, query, records, room)),
        }
    }

    fn apex(record: Record) -> Self {
        Self { authoritative: true, answers: vec![record], ..Self::error(ResponseCode::NoError) }
    }

    /// The name, or records of that type, do not exist; caches may keep that for the time of the SOA record's minimum.
    fn negative(zone: &Zone, code: ResponseCode) -> Self {
        Self { authoritative: true, authorities: vec![soa_record(zone)], ..Self::error(code) }
    }

    fn positive(zone: &Zone, query: &Query, records: &Records, mut room: Room) -> Self {
        let mut wanted: Vec<&Data> = records.iter().filter(|data| is_wanted(data, query.query_type())).collect();
        if wanted.is_empty() {
            return Self::negative(zone, ResponseCode::NoError);
        }
        fastrand::shuffle(&mut wanted);
        let mut reply = Self { authoritative: true, ..Self::error(ResponseCode::NoError) };
        let mut targets = BTreeSet::new();
        for data in wanted {
            let Some(record) = record(query.name(), data, zone.settings()) else {
                continue;
            };
            if !room.take(query.name(), data) {
                reply.truncated = true;
                break;
            }
            if let Data::Service { target, .. } = data {
                targets.insert(target);
            }
            reply.answers.push(record);
        }
        if !reply.truncated {
            reply.add_glue(zone, targets, room);
        }
        reply
    }

    /// Addresses of `targets`, one of each family, while there is room: leaving them out costs the client one more question.
    fn add_glue(&mut self, zone: &Zone, targets: BTreeSet<&Name>, mut room: Room) {
        for target in targets {
            let (Found::Records(records), Some(owner)) = (zone.look_up(target.as_str()), wire_name(target)) else {
                continue;
            };
            for family in [RecordType::A, RecordType::AAAA] {
                let Some(data) = records.iter().find(|data| is_wanted(data, family)) else {
                    continue;
                };
                if !room.take_in_full(&owner, data) {
                    return;
                }
                self.additionals.extend(record(&owner, data, zone.settings()));
            }
        }
    }
}

/// Bytes left in a message. A conservative count: what is taken does fit.
#[derive(Clone, Copy)]
pub(super) struct Room {
    left: usize,
    /// Owners that can still be written as a pointer to the question.
    pointers: usize,
}

impl Room {
    /// The encoder compresses at most 120 names of a message.
    const POINTERS: usize = 110;
    const HEADER: usize = 12;
    /// Type and class of the question.
    const QUESTION: usize = 4;
    /// Type, class, time to live and length of a record.
    const RECORD: usize = 10;
    const OPT: usize = 11;

    /// A message of at most `limit` bytes that repeats a question for `name`.
    pub(super) fn new(limit: usize, name: &WireName, with_edns: bool) -> Self {
        // A name is written in full before it is replaced by a pointer: the last record needs that much more.
        let fixed = Self::HEADER + Self::QUESTION + 2 * name.len() + if with_edns { Self::OPT } else { 0 };
        Self { left: limit.saturating_sub(fixed), pointers: Self::POINTERS }
    }

    /// Takes the bytes of a record whose owner is the name in the question; false if they are not there.
    fn take(&mut self, owner: &WireName, data: &Data) -> bool {
        if self.pointers == 0 {
            return self.take_in_full(owner, data);
        }
        self.pointers -= 1;
        self.take_bytes(2 + Self::RECORD + data_len(data))
    }

    fn take_in_full(&mut self, owner: &WireName, data: &Data) -> bool {
        self.take_bytes(owner.len() + Self::RECORD + data_len(data))
    }

    fn take_bytes(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

fn data_len(data: &Data) -> usize {
    match data {
        Data::Address(IpAddr::V4(_)) => 4,
        Data::Address(IpAddr::V6(_)) => 16,
        Data::Service { target, .. } => 6 + target.as_str().len() + 2, // the target is never compressed (RFC 2782)
    }
}

fn is_wanted(data: &Data, record_type: RecordType) -> bool {
    match data {
        Data::Address(IpAddr::V4(_)) => matches!(record_type, RecordType::A | RecordType::ANY),
        Data::Address(IpAddr::V6(_)) => matches!(record_type, RecordType::AAAA | RecordType::ANY),
        Data::Service { .. } => matches!(record_type, RecordType::SRV | RecordType::ANY),
    }
}

/// The name as the zone spells it; none if the zone can have no such name. Every `.*` in it is passed over: that is all that
/// Mesos-DNS knows of wildcards, and there are configurations that use it.
fn lookup_name(name: &WireName) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    for label in name.iter().filter(|label| !label.is_empty()) {
        let label = std::str::from_utf8(label)
            .ok()
            .filter(|label| label.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.'))?;
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(label);
    }
    text.make_ascii_lowercase();
    Some(text.replace(".*", ""))
}

fn is_below(name: &WireName, domain: &Name) -> bool {
    wire_name(domain).is_some_and(|domain| domain.zone_of(name))
}

fn wire_name(name: &Name) -> Option<WireName> {
    WireName::from_labels(name.as_str().split('.').map(str::as_bytes)).ok()
}

fn record(owner: &WireName, data: &Data, settings: &Settings) -> Option<Record> {
    let data = match data {
        Data::Address(IpAddr::V4(address)) => RData::A(A(*address)),
        Data::Address(IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
        Data::Service { target, port } => RData::SRV(SRV::new(0, settings.srv_weight, *port, wire_name(target)?)),
    };
    Some(Record::from_rdata(owner.clone(), settings.ttl, data))
}

fn soa_record(zone: &Zone) -> Record {
    let settings = zone.settings();
    let name = |name: &Name| wire_name(name).unwrap_or_default();
    let (refresh, retry, expire) = (settings.soa_refresh, settings.soa_retry, settings.soa_expire);
    let soa = SOA::new(
        name(&settings.soa_mname),
        name(&settings.soa_rname),
        zone.serial(),
        refresh,
        retry,
        expire,
        settings.ttl,
    );
    Record::from_rdata(name(&settings.domain), settings.ttl, RData::SOA(soa))
}

fn ns_record(zone: &Zone) -> Option<Record> {
    let settings = zone.settings();
    let data = RData::NS(NS(wire_name(&settings.soa_mname)?));
    Some(Record::from_rdata(wire_name(&settings.domain)?, settings.ttl, data))
}
