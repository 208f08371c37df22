//! Scans files and says what was found and how long it took.
//!
//! `measure find FILE…` writes a line for each issue: file, lines of the file, rule, severity, line, steps.
//! `measure time FILE…` writes the milliseconds of each scan; every file is scanned several times.

use std::path::Path;
use std::time::Instant;

use code_shield::{Language, RuleSet, scan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let rules = RuleSet::built_in()?;
    for file in arguments {
        let extension = Path::new(&file).extension().and_then(|end| end.to_str()).unwrap_or_default();
        let Some(language) = Language::from_tag(extension) else { continue };
        let text = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
        let lines = text.lines().count();
        if mode == "time" {
            let mut times: Vec<f64> = (0..ROUNDS)
                .map(|_| {
                    let start = Instant::now();
                    std::hint::black_box(scan(&text, language, &rules));
                    start.elapsed().as_secs_f64() * 1000.0
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
            let least = times.first().copied().unwrap_or_default();
            println!("{file}\t{lines} lines\tleast {least:.3} ms\tp50 {:.3} ms\tp99 {:.3} ms", at(50), at(99));
            continue;
        }
        println!("{file}\t{lines}");
        for issue in scan(&text, language, &rules) {
            let flow = issue.path.len();
            println!("{file}\t{lines}\t{}\t{:?}\t{}\t{flow}", issue.rule, issue.severity, issue.line);
        }
    }
    Ok(())
}

const ROUNDS: usize = 200;
