//! How names of tasks, frameworks and ports become labels.
//!
//! The rules are those of Mesos-DNS, odd corner included: applications have the resulting names in their configuration.

use sha1::{Digest, Sha1};

/// Which of the two label rules holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelRule {
    /// At most 63 characters, may begin with a digit. The default.
    #[default]
    Rfc1123,
    /// At most 24 characters, begins with a letter (`enforceRFC952`).
    Rfc952,
}

impl LabelRule {
    fn max_len(self) -> usize {
        match self {
            Self::Rfc1123 => MAX_LABEL,
            Self::Rfc952 => 24,
        }
    }

    fn may_not_begin_with(self, char: char) -> bool {
        match self {
            Self::Rfc1123 => char == '-',
            Self::Rfc952 => char == '-' || char.is_ascii_digit(),
        }
    }
}

/// Longest label that DNS can carry.
pub(crate) const MAX_LABEL: usize = 63;

/// One label out of any text; empty if nothing usable is in it. Dots become hyphens.
///
/// Where cutting at the maximum leaves hyphens at the end, these are dropped and as many characters of what was cut off take
/// their place: that is how Mesos-DNS has always done it.
pub fn label(text: &str, rule: LabelRule) -> String {
    let mapped: String = text.chars().filter_map(mapped).collect();
    let trimmed = mapped.trim_start_matches(|char| rule.may_not_begin_with(char));
    let (kept, beyond) = trimmed.split_at(trimmed.len().min(rule.max_len()));
    let label = kept.trim_end_matches('-');
    let room = kept.len() - label.len();
    let appended = beyond.trim_start_matches('-');
    format!("{label}{}", &appended[..appended.len().min(room)])
}

/// A name of several labels: each piece between dots is made a label, empty ones are dropped.
pub fn dotted(text: &str, rule: LabelRule) -> String {
    let labels: Vec<String> =
        text.split('.').map(|piece| label(piece, rule)).filter(|label| !label.is_empty()).collect();
    labels.join(".")
}

/// The five characters that tell tasks of one name apart: the beginning of the z-base-32 form of the SHA-1 of the task id.
pub fn task_hash(task_id: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let digest = Sha1::digest(task_id.as_bytes());
    let bits = digest.iter().take(4).fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
    (0..5).map(|index| char::from(ALPHABET[(bits >> (27 - 5 * index) & 31) as usize])).collect()
}

/// What stands for the agent in the name of a task: the end of its id, as `s0`.
pub fn agent_suffix(agent_id: &str) -> String {
    agent_id.rsplit('-').next().unwrap_or_default().to_lowercase()
}

fn mapped(char: char) -> Option<char> {
    match char {
        'A'..='Z' => Some(char.to_ascii_lowercase()),
        'a'..='z' | '0'..='9' => Some(char),
        '-' | '.' | '_' => Some('-'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LabelRule::*, *};

    #[test]
    fn labels_are_made_as_mesos_dns_makes_them() {
        let long_gap = format!("hello{}f", "-".repeat(58));
        for (text, rfc1123, rfc952) in [
            ("api.web.prod", "api-web-prod", "api-web-prod"),
            ("Under_Score", "under-score", "under-score"),
            ("4abc123", "4abc123", "abc123"),
            ("---a---b", "a---b", "a---b"),
            ("fd%gsf---gs7-f$gs--d7fddg-123", "fdgsf---gs7-fgs--d7fddg-123", "fdgsf---gs7-fgs--d7fddg1"),
            (
                "chronos with a space AND MIXED CASE-2.0.1",
                "chronoswithaspaceandmixedcase-2-0-1",
                "chronoswithaspaceandmixe",
            ),
            (&long_gap, "hellof", "hellof"),
            ("HTTP Port", "httpport", "httpport"),
            ("tcp,udp", "tcpudp", "tcpudp"),
            ("trailing---", "trailing", "trailing"),
            ("äöü", "", ""),
            ("---", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(label(text, Rfc1123), rfc1123, "{text}");
            assert_eq!(label(text, Rfc952), rfc952, "{text}");
        }
    }

    #[test]
    fn dots_survive_in_dotted_names_only() {
        assert_eq!(dotted("Chronos 2.4_x", Rfc1123), "chronos2.4-x");
        assert_eq!(dotted("Chronos 2.4_x", Rfc952), "chronos2.x");
        assert_eq!(dotted("..a..%.b.", Rfc1123), "a.b");
    }

    #[test]
    fn the_hash_of_a_task_id_is_five_characters_of_z_base_32() {
        assert_eq!(task_hash("test"), "iffe9");
    }

    #[test]
    fn the_suffix_of_an_agent_is_the_end_of_its_id() {
        assert_eq!(agent_suffix("9b6b2f1c-3a5e-4a8e-b4d3-8a1f-S12"), "s12");
        assert_eq!(agent_suffix("Agent"), "agent");
    }

    proptest! {
        #[test]
        fn a_label_is_never_too_long_and_never_begins_badly(text in ".{0,100}") {
            for rule in [Rfc1123, Rfc952] {
                let label = label(&text, rule);
                prop_assert!(label.len() <= rule.max_len());
                prop_assert!(!label.starts_with(|char| rule.may_not_begin_with(char)) || label.is_empty());
                prop_assert!(label.chars().all(|char| matches!(char, 'a'..='z' | '0'..='9' | '-')));
            }
        }
    }
}
