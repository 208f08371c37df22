//! How far a rule is in force: wholly, for a part of the callers, or only to be watched; and what it is spared.

use serde::{Deserialize, Serialize};

use crate::{Action, Day, Situation};

/// Whether what a rule asks for is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is done.
    #[default]
    Enforce,
    /// It is only recorded.
    Monitor,
}

impl Mode {
    pub(crate) const ALL: [(&'static str, Self); 2] = [("enforce", Self::Enforce), ("monitor", Self::Monitor)];
}

/// A part of all callers, in hundredths of a percent.
///
/// Callers stand in one line, the same for every rule: whoever is within a share is within every larger one, so that
/// widening a roll-out never takes a rule away from anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// Everybody.
    pub const ALL: Self = Self(10_000);

    /// Reads `25%` or `0.5%`; none when it is not from 0% to 100%, or finer than a hundredth.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.strip_suffix('%')?.split_once('.').unwrap_or((text.strip_suffix('%')?, "0"));
        let digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole, 3) || !digits(part, 2) {
            return None;
        }
        let hundredths = part.parse::<u16>().ok()? * if part.len() == 1 { 10 } else { 1 };
        let share = whole.parse::<u16>().ok()? * 100 + hundredths;
        (share <= Self::ALL.0).then_some(Self(share))
    }

    /// The place in the line at which this share ends, as a roll-out key: the first caller who is not within it.
    pub(crate) fn key(self) -> u64 {
        u64::from(self.0)
    }

    /// Whether the caller with this key is within it.
    pub fn covers(self, roll_out_key: u64) -> bool {
        roll_out_key % Self::ALL.key() < self.key()
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// How far a rule is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Force {
    /// Whether what it asks for is done.
    pub mode: Mode,
    /// For whom.
    pub share: Share,
}

impl Force {
    /// Why the rule costs nothing in this situation; none if it is in force.
    pub(crate) fn spares(self, situation: &Situation) -> Option<Spared> {
        match self.mode {
            Mode::Monitor => Some(Spared::Monitor),
            Mode::Enforce => (!self.share.covers(situation.roll_out_key)).then_some(Spared::RollOut),
        }
    }

    /// Whether it is in force for everybody.
    pub(crate) fn is_whole(self) -> bool {
        self.mode == Mode::Enforce && self.share == Share::ALL
    }
}

/// What a rule would have asked for, had it not been spared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Would {
    /// What it would have asked for.
    pub action: Action,
    /// Why it did not.
    pub because: Spared,
}

/// Why a rule that matched costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spared {
    /// It is only watched.
    Monitor,
    /// It is not rolled out to this caller yet.
    RollOut,
    /// Somebody answers for an exception.
    Exception {
        /// Who.
        owner: String,
        /// The last day.
        until: Day,
    },
}

impl std::fmt::Display for Spared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Monitor => f.write_str("it is only monitored"),
            Self::RollOut => f.write_str("it is not rolled out to this caller yet"),
            Self::Exception { owner, until } => write!(f, "{owner} answers for an exception until {until}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;
    use proptest::prelude::*;

    #[test]
    fn a_share_is_read_and_written() {
        for text in ["0%", "25%", "0.5%", "99.99%", "100%", "3.05%"] {
            assert_eq!(Share::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "%", "25", "101%", "100.01%", "1.234%", "-1%", "+1%", "1.%", ".5%", "1e1%"] {
            assert_eq!(Share::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn nobody_and_everybody() {
        for key in [0, 1, 9_999, 10_000, u64::MAX] {
            assert!(!Share::parse("0%").unwrap().covers(key) && Share::ALL.covers(key));
        }
    }

    proptest! {
        #[test]
        fn a_larger_share_covers_all_of_a_smaller_one(one in 0..=10_000_u16, other in 0..=10_000_u16, key: u64) {
            prop_assert!(!Share(one.min(other)).covers(key) || Share(one.max(other)).covers(key));
        }
    }
}
