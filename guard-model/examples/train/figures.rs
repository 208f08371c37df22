//! Figures: average precision and shares.

/// Area under the precision and recall curve (average precision) of scores against labels.
pub(crate) fn average_precision(scored: &[(f32, bool)]) -> f64 {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let positives = sorted.iter().filter(|(_, bad)| *bad).count() as f64;
    let (mut found, mut sum) = (0.0, 0.0);
    for (rank, (_, bad)) in (1..).zip(&sorted) {
        if *bad {
            found += 1.0;
            sum += found / f64::from(rank);
        }
    }
    sum / positives.max(1.0)
}

/// The score that at most `share` of `scores` reach, kept within `least` and `most`.
pub(crate) fn threshold(scores: &mut [f32], share: f64, least: f32, most: f32) -> f32 {
    scores.sort_by(|a, b| b.total_cmp(a));
    let at = (scores.len() as f64 * share).floor() as usize;
    // Just above the first score that must not be reached.
    scores.get(at).map_or(least, |score| score + 1e-4).clamp(least, most)
}

/// `12.3 % (45 of 366)`, with a Wilson interval of 95 %.
pub(crate) fn share(hits: usize, all: usize) -> String {
    if all == 0 {
        return "none".into();
    }
    let (n, z) = (all as f64, 1.96_f64);
    let p = hits as f64 / n;
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
    format!(
        "{:.1} % ({:.1} to {:.1}, n = {all})",
        100.0 * p,
        100.0 * (middle - half).max(0.0),
        100.0 * (middle + half).min(1.0)
    )
}

/// Area under the curve of true against false alarms: how often a harmful row scores above a harmless one.
pub(crate) fn area(scored: &[(f32, bool)]) -> f64 {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut sum) = (0.0, 0.0);
    for (_, bad) in &sorted {
        if *bad {
            sum += below;
        } else {
            below += 1.0;
        }
    }
    sum / (below * (sorted.len() as f64 - below)).max(1.0)
}
