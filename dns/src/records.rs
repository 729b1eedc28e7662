//! The records of one name.

use std::{fmt, net::IpAddr, sync::Arc};

use imbl::OrdMap;

use crate::name::Name;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// SRV; priority and weight are the same for all.
    Service {
        /// Whose address to look up.
        target: Name,
        /// Port there.
        port: u16,
    },
}

impl Data {
    /// The name of the record type.
    pub fn record_type(&self) -> &'static str {
        match self {
            Self::Address(IpAddr::V4(_)) => "A",
            Self::Address(IpAddr::V6(_)) => "AAAA",
            Self::Service { .. } => "SRV",
        }
    }
}

/// `10.0.0.1`, or `target.:port`, as Mesos-DNS prints them.
impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Service { target, port } => write!(f, "{target}:{port}"),
        }
    }
}

/// The records of one name: a set, in which each is counted as often as somebody asks for it. Cheap to clone.
///
/// Nearly all names have a handful of records, and the name of a big app has thousands: hence two forms.
#[derive(Clone, Debug)]
pub struct Records(Form);

type Counted = (Data, u32);

#[derive(Clone, Debug)]
enum Form {
    /// In order; replaced as a whole.
    Few(Arc<[Counted]>),
    Many(OrdMap<Data, u32>),
}

impl Default for Records {
    fn default() -> Self {
        Self(Form::Few(Arc::new([])))
    }
}

impl Records {
    /// Up to this many records are kept in the small form.
    const FEW: usize = 16;

    /// How many different ones there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Few(few) => few.len(),
            Form::Many(many) => many.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records in order: A, AAAA, SRV.
    pub fn iter(&self) -> impl Iterator<Item = &Data> {
        let (few, many) = match &self.0 {
            Form::Few(few) => (Some(few.iter().map(|(data, _)| data)), None),
            Form::Many(many) => (None, Some(many.keys())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    pub(crate) fn add(&mut self, data: &Data) {
        match &mut self.0 {
            Form::Few(few) => {
                let mut list = few.to_vec();
                match list.binary_search_by(|(known, _)| known.cmp(data)) {
                    Ok(index) => list[index].1 += 1,
                    Err(index) => list.insert(index, (data.clone(), 1)),
                }
                self.0 = if list.len() > Self::FEW {
                    Form::Many(list.into_iter().collect())
                } else {
                    Form::Few(list.into())
                };
            }
            Form::Many(many) => match many.get_mut(data) {
                Some(count) => *count += 1,
                None => {
                    many.insert(data.clone(), 1);
                }
            },
        }
    }

    /// Takes back one `add` of the same.
    pub(crate) fn remove(&mut self, data: &Data) {
        match &mut self.0 {
            Form::Few(few) => {
                let mut list = few.to_vec();
                if let Ok(index) = list.binary_search_by(|(known, _)| known.cmp(data)) {
                    list[index].1 -= 1;
                    list.retain(|(_, count)| *count > 0);
                }
                self.0 = Form::Few(list.into());
            }
            Form::Many(many) => {
                match many.get_mut(data) {
                    Some(count) if *count > 1 => *count -= 1,
                    Some(_) | None => {
                        many.remove(data);
                    }
                }
                if many.len() <= Self::FEW / 2 {
                    self.0 = Form::Few(many.iter().map(|(data, count)| (data.clone(), *count)).collect());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_is_there_as_long_as_somebody_asks_for_it(steps in proptest::collection::vec((any::<bool>(), 0..40u8), 0..300)) {
            let mut records = Records::default();
            let mut counts: BTreeMap<Data, u32> = BTreeMap::new();
            for (add, last) in steps {
                let data = Data::Address(IpAddr::from([10, 0, 0, last]));
                let count = counts.entry(data.clone()).or_default();
                if add {
                    *count += 1;
                    records.add(&data);
                } else if *count > 0 {
                    *count -= 1;
                    records.remove(&data);
                }
                counts.retain(|_, count| *count > 0);
                prop_assert!(records.iter().eq(counts.keys()));
                prop_assert_eq!(records.len(), counts.len());
            }
        }
    }
}
