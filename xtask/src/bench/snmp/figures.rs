//! What was measured, what it must reach, and how it is told: on the terminal, on the page, to a program.

use super::super::machine::Surroundings;
use super::HOW;
use crate::report::{bad, faint, good, strong};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A line of the table: a figure of ours beside another, taken by turns.
#[derive(Debug)]
pub struct Line {
    pub what: &'static str,
    pub unit: &'static str,
    /// What ours is compared with.
    pub beside: Vec<f64>,
    pub ours: Vec<f64>,
    pub target: Target,
}

/// What ours must reach.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// A share of the other's: the median over all pairs that were taken one after the other.
    Ratio(f64),
    /// The median is at most this.
    AtMost(f64),
    /// Nothing: it is told because it explains others.
    None,
}

impl Line {
    /// Nothing measured yet.
    pub const fn new(what: &'static str, unit: &'static str, target: Target) -> Self {
        Self { what, unit, beside: Vec::new(), ours: Vec::new(), target }
    }

    /// The median of the ratios of all pairs.
    pub fn ratio(&self) -> Option<f64> {
        median(self.ours.iter().zip(&self.beside).map(|(ours, beside)| ours / beside).collect())
    }

    fn met(&self) -> Option<bool> {
        Some(match self.target {
            Target::Ratio(ratio) => self.ratio()? <= ratio,
            Target::AtMost(limit) => median(self.ours.clone())? <= limit,
            Target::None => return None,
        })
    }

    fn cells(&self) -> [String; 5] {
        let number = |samples: &Vec<f64>| {
            median(samples.clone()).map_or_else(
                || String::from("–"),
                |median| if median < 100.0 { format!("{median:.2}") } else { format!("{median:.0}") },
            )
        };
        [
            format!("{}, {}", self.what, self.unit),
            number(&self.beside),
            number(&self.ours),
            self.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            match self.target {
                Target::Ratio(ratio) => format!("≤ {ratio:.2} ×"),
                Target::AtMost(limit) => format!("≤ {limit:.0}"),
                Target::None => String::new(),
            },
        ]
    }

    /// What came of it, short.
    pub fn in_short(&self) -> String {
        let [_, beside, ours, ratio, _] = self.cells();
        let ratio = if ratio.is_empty() { ratio } else { format!(" ({ratio} ×)") };
        let verdict = self.verdict();
        format!("{ours} beside {beside} {}{ratio}{}{verdict}", self.unit, if verdict.is_empty() { "" } else { ", " })
    }

    fn verdict(&self) -> &'static str {
        match (self.met(), self.target) {
            (Some(true), _) => "met",
            (Some(false), _) => "MISSED",
            (None, Target::None) => "",
            (None, _) => "open",
        }
    }
}

/// All of it: lines beside snmpd, and beside ourselves when nobody polls.
#[derive(Debug, Default)]
pub struct Figures {
    pub beside_snmpd: Vec<Line>,
    pub beside_silence: Vec<Line>,
    pub notes: Vec<String>,
}

impl Figures {
    fn tables(&self) -> impl Iterator<Item = ([&'static str; 2], &Vec<Line>)> {
        [(["snmpd", "ours"], &self.beside_snmpd), (["silence", "polled"], &self.beside_silence)]
            .into_iter()
            .filter(|(_, lines)| !lines.is_empty())
    }

    /// How many targets are met.
    pub fn summary(&self) -> String {
        let lines = || self.tables().flat_map(|(_, lines)| lines).filter(|line| !matches!(line.target, Target::None));
        let met = lines().filter(|line| line.met() == Some(true)).count();
        format!("{met} of {} targets met", lines().count())
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for ([beside, ours], lines) in self.tables() {
            let head = format!("{:<44}{beside:>9}{ours:>9}{:>7}{:>9}", "median", "ratio", "target");
            let _ = writeln!(text, "{}", strong(&head));
            for line in lines {
                let [what, beside, ours, ratio, target] = line.cells();
                let verdict = if line.met() == Some(false) { bad(line.verdict()) } else { good(line.verdict()) };
                let _ = writeln!(text, "{what:<44}{beside:>9}{ours:>9}{ratio:>7}{target:>9}  {verdict}");
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "{}", faint(note));
        }
        text
    }

    /// For people who were not there.
    pub fn page(&self, surroundings: &Surroundings, calm: &str, rounds: u32) -> String {
        let mut text = String::from(
            "# The agent, measured\n\nWritten by `cargo xtask bench snmp --write`; every figure is from the same run.\n\n\
             | | |\n| --- | --- |\n",
        );
        let _ = writeln!(text, "{}", surroundings.in_rows());
        let _ = writeln!(text, "| rounds | {rounds} |\n| other work | {calm} |\n");
        for ([beside, ours], lines) in self.tables() {
            let _ = writeln!(
                text,
                "| median | {beside} | {ours} | ratio | target | |\n| --- | --- | --- | --- | --- | --- |"
            );
            for line in lines {
                let verdict = if line.met() == Some(false) { "**MISSED**" } else { line.verdict() };
                let _ = writeln!(text, "| {} | {verdict} |", line.cells().join(" | "));
            }
            text.push('\n');
        }
        let _ = write!(text, "{}.\n\n## How\n\n{HOW}", self.summary());
        if !self.notes.is_empty() {
            text.push_str("\n## Seen besides\n\n");
            self.notes.iter().for_each(|note| text.push_str(&format!("- {note}\n")));
        }
        text
    }

    /// For a program.
    pub fn to_json(&self, surroundings: &Surroundings, calm: &str, rounds: u32) -> Value {
        let lines = self.tables().flat_map(|([beside, _], lines)| {
            lines.iter().map(move |line| {
                let [.., target] = line.cells();
                json!({"what": line.what, "unit": line.unit, "beside": {"who": beside, "samples": line.beside},
                       "ours": line.ours, "ratio": line.ratio(), "target": target, "verdict": line.verdict()})
            })
        });
        json!({"surroundings": surroundings.facts(), "calm": calm, "rounds": rounds, "notes": self.notes,
               "lines": lines.collect::<Vec<_>>()})
    }
}

/// The one in the middle, or between the two there.
pub fn median(mut samples: Vec<f64>) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    let high = samples.get(middle)?;
    Some(if samples.len().is_multiple_of(2) { (samples.get(middle - 1)? + high) / 2.0 } else { *high })
}

/// The sample that so many of a thousand do not exceed.
pub fn per_mille(mut samples: Vec<f64>, rank: usize) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    let at = (samples.len() * rank).div_ceil(1000).saturating_sub(1);
    samples.get(at.min(samples.len().saturating_sub(1))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_999th_of_a_thousand_is_that() {
        assert_eq!(per_mille((1..=1000).map(f64::from).collect(), 999), Some(999.0));
        assert_eq!(per_mille(Vec::new(), 999), None);
    }

    #[test]
    fn the_ratio_is_the_median_over_pairs_and_not_that_of_medians() {
        let mut line = Line::new("", "", Target::Ratio(0.5));
        (line.beside, line.ours) = (vec![10.0, 100.0, 1000.0], vec![6.0, 20.0, 100.0]);
        assert_eq!((line.ratio(), line.met()), (Some(0.2), Some(true)));
        assert_eq!(median(vec![1.0, 4.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(Line::new("", "", Target::AtMost(5.0)).met(), None);
    }
}
