//! A day of the calendar, the last on which something holds.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A day in UTC, from 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    year: u16,
    month: u8,
    number: u8,
}

impl Day {
    /// Reads `2026-12-31`; none when there is no such day.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let shaped = fits && parts.next().is_none() && (year.len(), month.len(), day.len()) == (4, 2, 2);
        let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        let exists = (1970..=9999).contains(&year) && (1..=days_in(year, month)).contains(&day);
        (shaped && exists).then_some(Self { year, month, number: day })
    }

    /// When it begins, in seconds since the Unix epoch.
    pub fn begin(self) -> u64 {
        let years = (1970..self.year).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<u64>();
        let months = (1..self.month).map(|month| u64::from(days_in(self.year, month))).sum::<u64>();
        (years + months + u64::from(self.number) - 1) * SECONDS
    }

    /// When it is over, in seconds since the Unix epoch.
    pub fn end(self) -> u64 {
        self.begin() + SECONDS
    }
}

const SECONDS: u64 = 86_400;

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// The days of a month; 0 for a month that does not exist.
fn days_in(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 0,
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.number)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a day such as 2026-12-31")))
    }
}

#[cfg(test)]
mod tests {
    use super::Day;

    #[test]
    fn a_day_has_a_beginning_and_an_end() {
        assert_eq!(Day::parse("1970-01-01").unwrap().begin(), 0);
        assert_eq!(Day::parse("1970-01-01").unwrap().end(), 86_400);
        assert_eq!(Day::parse("2000-03-01").unwrap().begin(), 951_868_800);
        assert_eq!(Day::parse("2026-11-24").unwrap().begin(), 1_795_478_400);
        assert_eq!(Day::parse("2026-11-24").unwrap().to_string(), "2026-11-24");
    }

    #[test]
    fn a_day_that_does_not_exist_is_none() {
        for bad in ["2026-02-29", "2026-13-01", "2026-00-10", "2026-1-1", "1969-12-31", "2026-04-31", "20261231xx", ""]
        {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
        assert!(Day::parse("2028-02-29").is_some() && Day::parse("2100-02-29").is_none());
    }
}
