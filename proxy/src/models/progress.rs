//! How far a fetch has come, shown on the error stream: a bar for people, lines for logs.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Shows the steps of one fetch.
pub struct Progress {
    kind: Kind,
}

enum Kind {
    Bar(Mutex<ProgressBar>),
    Lines,
    Hidden,
}

impl Progress {
    /// A bar when the error stream is a terminal, plain lines when it is not.
    pub fn stderr() -> Progress {
        let bar = || Kind::Bar(Mutex::new(ProgressBar::hidden()));
        Progress { kind: if std::io::stderr().is_terminal() { bar() } else { Kind::Lines } }
    }

    /// Shows nothing.
    pub fn hidden() -> Progress {
        Progress { kind: Kind::Hidden }
    }

    /// Begins a step of unknown length.
    pub fn step(&self, what: &str) {
        self.begin(what, || {
            let spinner = ProgressBar::new_spinner().with_style(style("{spinner} {msg}"));
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
    }

    /// Begins a step of so many bytes.
    pub fn bytes(&self, what: &str, total: u64) {
        let bar = || ProgressBar::new(total).with_style(style("{msg} {wide_bar} {bytes}/{total_bytes} {eta}"));
        self.begin(what, bar);
    }

    /// So many bytes more.
    pub fn advance(&self, bytes: u64) {
        if let Kind::Bar(bar) = &self.kind {
            bar.lock().unwrap_or_else(PoisonError::into_inner).inc(bytes);
        }
    }

    /// The end of all steps.
    pub fn done(&self) {
        if let Kind::Bar(bar) = &self.kind {
            bar.lock().unwrap_or_else(PoisonError::into_inner).finish_and_clear();
        }
    }

    fn begin(&self, what: &str, next: impl FnOnce() -> ProgressBar) {
        match &self.kind {
            Kind::Bar(bar) => {
                let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
                bar.finish_and_clear();
                *bar = next().with_message(what.to_owned());
            }
            // A log that cannot be written is no reason not to fetch a model.
            Kind::Lines => drop(writeln!(std::io::stderr(), "{what}")),
            Kind::Hidden => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
