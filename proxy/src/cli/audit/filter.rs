//! Which records are asked for.

use std::time::Duration;

use clap::Args;
use policies::{Action, FindingId, Stage};
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error};
use uuid::Uuid;

use crate::audit::{Event, Record, Timestamp};

/// The options that choose records; those not given match all.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Filter {
    /// Not before this time: `2026-11-24T08:46:00Z`, or so long ago: `90s`, `30m`, `1h`, `7d`
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) until: Option<Timestamp>,
    /// Whose traffic
    #[arg(long)]
    pub(super) tenant: Option<String>,
    /// What was done: allow, flag, redact or block
    #[arg(long, value_parser = word::<Action>)]
    pub(super) decision: Option<Action>,
    /// A rule that matched, as `RULE` or `POLICY/RULE`
    #[arg(long)]
    pub(super) rule: Option<String>,
    /// A finding that a rule matched, or what it lies below: `code`, `guard.S1`
    #[arg(long, value_parser = FindingId::parse)]
    pub(super) finding: Option<FindingId>,
    /// The model the client asked for
    #[arg(long)]
    pub(super) model: Option<String>,
    /// The direction of the text: input or output
    #[arg(long, value_parser = word::<Stage>)]
    pub(super) stage: Option<Stage>,
    /// The kind of record, such as decision or route-refused
    #[arg(long, value_parser = word::<Event>)]
    pub(super) event: Option<Event>,
    /// The exchange's id
    #[arg(long, value_name = "ID")]
    pub(super) exchange: Option<Uuid>,
    /// Words that occur in the content or the note, in upper or lower case
    #[arg(long, value_name = "WORDS")]
    pub(super) text: Option<String>,
}

impl Filter {
    /// Whether all given options match.
    pub(super) fn matches(&self, record: &Record) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, has: Option<&T>) -> bool {
            wanted.is_none() || wanted == has
        }
        let draft = &record.draft;
        self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
            && is(self.tenant.as_ref(), Some(&draft.tenant))
            && is(self.decision.as_ref(), Some(&draft.decision))
            && is(self.model.as_ref(), draft.model.as_ref())
            && is(self.stage.as_ref(), draft.stage.as_ref())
            && is(self.event.as_ref(), Some(&draft.event))
            && is(self.exchange.as_ref(), Some(&draft.exchange))
            && self.rule.as_ref().is_none_or(|rule| {
                draft.reasons.iter().any(|reason| {
                    reason.rule == *rule
                        || rule
                            .split_once('/')
                            .is_some_and(|(policy, rule)| reason.policy == policy && reason.rule == rule)
                })
            })
            && self
                .finding
                .as_ref()
                .is_none_or(|above| draft.reasons.iter().any(|reason| reason.finding.is_within(above)))
            && self.text.as_ref().is_none_or(|words| {
                let words = words.to_lowercase();
                let has = |text: &str| text.to_lowercase().contains(&words);
                draft.content.as_ref().and_then(|content| content.text()).is_some_and(has)
                    || draft.note.as_deref().is_some_and(has)
            })
    }
}

/// A point in time, or how long ago it was.
fn time(text: &str) -> Result<Timestamp, String> {
    ago(text)
        .map(|ago| Timestamp::now().before(ago))
        .map_or_else(|| Timestamp::parse(text), Ok)
        .map_err(|error| format!("{error}, or so long ago: `90s`, `30m`, `1h`, `7d`"))
}

fn ago(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
    Some(Duration::from_secs(count.checked_mul(seconds)?))
}

/// One word of a closed set, as records write it; the error lists them all.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    T::deserialize(text.into_deserializer())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use policies::Action;

    use super::{ago, time, word};

    #[test]
    fn times_are_read_and_so_is_how_long_ago() {
        assert_eq!(ago("90s"), Some(Duration::from_secs(90)));
        assert_eq!(ago("7d"), Some(Duration::from_hours(168)));
        assert_eq!(time("2026-11-24T08:46:00Z").unwrap().to_string(), "2026-11-24T08:46:00.000Z");
        assert!(time("1h").unwrap() < time("1m").unwrap());
        for bad in ["h", "-1h", "1w", "é", "", "99999999999999999999d", "18446744073709551615d"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_right_ones() {
        assert_eq!(word::<Action>("block").unwrap(), Action::Block);
        let error = word::<Action>("deny").unwrap_err().to_string();
        assert!(error.contains("`deny`") && error.contains("`redact`"), "{error}");
    }
}
