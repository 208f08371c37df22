//! Points in time, as records write them.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch; written as `2026-11-24T08:46:00.123Z` (RFC 3339, UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The wall clock now.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(since_epoch.as_millis() as u64)
    }

    /// Seconds since the Unix epoch.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The point in time that lies `ago` before this one.
    #[must_use]
    pub fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Reads RFC 3339 such as `2026-11-24T08:46:00Z` or `2026-11-24T09:46:00.5+01:00`; a bare date is its midnight in UTC.
    ///
    /// # Errors
    /// The text is not of that form, names no day of the calendar, or lies before 1970.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        parse(text).map(Self).ok_or_else(|| TimestampError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / DAY);
        let (hour, minute, second, ms) = (self.0 / HOUR % 24, self.0 / MINUTE % 60, self.0 / 1000 % 60, self.0 % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A text that is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: write `2026-11-24T08:46:00Z`")]
pub struct TimestampError(String);

/// The day of the calendar that lies `days` after 1970-01-01. Years are counted from March, so that the leap day is last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_EPOCH;
    let (era, of_era) = (days / ERA, days % ERA);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The inverse of [`civil`]; nothing before 1970.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day.checked_sub(1)?;
    (era * ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year).checked_sub(DAYS_TO_EPOCH)
}

fn parse(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let days = days(year, month, day)?;
    if parts.next().is_some() || civil(days) != (year, month, day) {
        return None;
    }
    let Some(time) = time else { return Some(days * DAY) };
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    digits(fraction, fraction.len())?;
    let ms: u64 = fraction.bytes().chain([b'0'; 3]).take(3).fold(0, |ms, b| ms * 10 + u64::from(b - b'0'));
    let local = days * DAY + hour * HOUR + minute * MINUTE + second * 1000 + ms;
    if zone.eq_ignore_ascii_case("z") {
        return Some(local);
    }
    let (sign, offset) = zone.split_at_checked(1)?;
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    let offset = hours * HOUR + minutes * MINUTE;
    if hours > 23 || minutes > 59 {
        return None;
    }
    if sign == "+" { local.checked_sub(offset) } else { Some(local + offset) }
}

/// The number that exactly `length` ASCII digits write; more than 18 are no number.
fn digits(text: &str, length: usize) -> Option<u64> {
    let plain = text.len() == length && (1..=18).contains(&length) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Days in 400 years.
const ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::{DAY, Timestamp, civil, days};

    #[test]
    fn known_moments_are_written_as_the_calendar_says() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
            (1_795_509_960_123, "2026-11-24T08:46:00.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp(ms).to_string(), text);
            assert_eq!(Timestamp::parse(text), Ok(Timestamp(ms)));
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut expected = (1970, 1, 1);
        for day in 0..super::ERA {
            assert_eq!(civil(day), expected);
            assert_eq!(days(expected.0, expected.1, expected.2), Some(day));
            let (year, month, of_month) = expected;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (of_month < length, month < 12) {
                (true, _) => (year, month, of_month + 1),
                (false, true) => (year, month + 1, 1),
                (false, false) => (year + 1, 1, 1),
            };
        }
    }

    #[test]
    fn offsets_fractions_and_bare_dates_are_read() {
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(at("1970-01-01T02:00:00+02:00"), Timestamp(0));
        assert_eq!(at("1970-01-01T00:00:00.25-01:00"), Timestamp(3_600_250));
        assert_eq!(at("1970-01-02"), Timestamp(DAY));
        assert_eq!(at("1970-01-01t00:00:00.123456z"), Timestamp(123));
    }

    #[test]
    fn what_is_no_time_is_refused_by_its_own_words() {
        for bad in [
            "",
            "now",
            "2026-02-30",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-1-1",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.Z",
            "1960-01-01",
            "2026-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00+00:01",
            "٢٠٢٦-01-01",
            "2026-01-01T00:00:00+00:00:00",
        ] {
            let error = Timestamp::parse(bad).expect_err(bad).to_string();
            assert!(error.contains(bad), "{error}");
        }
    }
}
