//! The table for a terminal of 80 columns, and the words for its cells.

use super::figures::{Figures, Line, Outcome, Row, Shown, Summary, Target, Verdict};
use super::scenarios::Scenario;
use crate::report::{bad, faint, good};

/// The table, and under it what else was seen.
pub fn text(figures: &Figures) -> String {
    let mut text = String::new();
    let head = format!("{:<29}{:>15}{:>15}{:>7}{:>8}", "median / worst", "keepalived", "ours", "ratio", "target");
    text.push_str(&crate::report::strong(&head));
    for row in figures.rows() {
        let line = format!(
            "{:<29}{:>15}{:>15}{:>7}{:>8}",
            what(&row.line),
            cell(row.theirs, row.line.shown),
            cell(row.ours, row.line.shown),
            ratio(&row),
            target(&row.line),
        );
        let verdict = match row.verdict() {
            Verdict::Met => good(verdict(Verdict::Met)),
            Verdict::Missed => bad(verdict(Verdict::Missed)),
            other => faint(verdict(other)),
        };
        text.push_str(&format!("\n{line}  {verdict}"));
    }
    for (scenario, subject, note) in figures.notes() {
        text.push_str(&format!("\n{}", faint(&format!("{scenario}, {}: {note}", subject.name()))));
    }
    text
}

/// What was measured, with its unit.
pub fn what(line: &Line) -> String {
    if line.unit.is_empty() { line.what.to_owned() } else { format!("{}, {}", line.what, line.unit) }
}

/// What a line's samples come to.
pub fn cell(summary: Option<Summary>, shown: Shown) -> String {
    let Some(summary) = summary else { return String::from("–") };
    match shown {
        Shown::MedianWorst => format!("{} / {}", number(summary.median), number(summary.worst)),
        Shown::Above(_) => format!("{} of {}", summary.above, summary.count),
        Shown::Mean => number(summary.mean),
    }
}

/// Ours in shares of theirs.
pub fn ratio(row: &Row) -> String {
    row.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default()
}

/// What must be reached.
pub fn target(line: &Line) -> String {
    match line.target {
        Target::None => String::new(),
        Target::Ratio(ratio) => format!("≤ {ratio} ×"),
        Target::AtMost(0.0) => String::from("0"),
        Target::AtMost(limit) => format!("≤ {limit}"),
    }
}

/// Whether it was.
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::Open => "open",
        Verdict::Untold => "",
    }
}

/// One subject's part of a scenario in a line.
pub fn in_short(scenario: &Scenario, outcome: &Outcome) -> String {
    if let Some(error) = &outcome.error {
        return error.lines().next().unwrap_or_default().to_owned();
    }
    let cells = scenario.lines.iter().zip(&outcome.lines).map(|(line, samples)| {
        format!("{} {}", cell(Summary::of(samples, line.shown), line.shown), line.unit).trim_end().to_owned()
    });
    cells.collect::<Vec<_>>().join("; ")
}

/// With a precision that suits it: a tenth is noise in hundreds.
fn number(value: f64) -> String {
    match value {
        value if value.is_infinite() => String::from("for ever"),
        value if value >= 100.0 || value == value.trunc() => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_precision_that_suits_it() {
        for (value, text) in
            [(0.0, "0"), (0.031, "0.03"), (12.34, "12.3"), (7.0, "7"), (315.4, "315"), (f64::INFINITY, "for ever")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_its_column() {
        for line in super::super::scenarios::SCENARIOS.iter().flat_map(|scenario| scenario.lines) {
            assert!(what(line).chars().count() <= 29, "{}", what(line));
        }
    }
}
