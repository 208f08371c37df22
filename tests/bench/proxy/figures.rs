//! What was measured, and what is said of it.

use std::time::Duration;

use serde_json::{Value, json};

/// One way to the upstream, as it is measured.
pub struct Way {
    name: &'static str,
    times: Vec<Duration>,
    rates: Vec<f64>,
}

/// What is said of a way.
pub struct Figures {
    /// The way.
    pub name: &'static str,
    /// The median time of a request, over all rounds.
    pub median: Duration,
    /// The time that one request in a hundred exceeds.
    pub p99: Duration,
    /// The median of the rounds' requests a second.
    pub per_second: f64,
    requests: usize,
}

impl Way {
    /// A way of which nothing is known.
    pub fn new(name: &'static str) -> Self {
        Self { name, times: Vec::new(), rates: Vec::new() }
    }

    /// Adds a round: the time of each request, and of all.
    pub fn add(&mut self, times: Vec<Duration>, took: Duration) {
        self.rates.push(times.len() as f64 / took.as_secs_f64());
        self.times.extend(times);
    }

    /// The figures of all rounds.
    pub fn figures(mut self) -> Figures {
        self.times.sort_unstable();
        self.rates.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| self.times[((self.times.len() - 1) as f64 * share).round() as usize];
        Figures {
            name: self.name,
            median: at(0.5),
            p99: at(0.99),
            per_second: self.rates[self.rates.len() / 2],
            requests: self.times.len(),
        }
    }
}

impl Figures {
    /// The figures for a program.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "requests": self.requests,
            "p50_us": self.median.as_micros() as u64,
            "p99_us": self.p99.as_micros() as u64,
            "requests_per_second": self.per_second,
        })
    }
}
