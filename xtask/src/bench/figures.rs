//! The figures: samples, what is shown of them, what they must reach, and whether they do. Pure arithmetic.

use super::Conduct;
use super::machine::Surroundings;
use super::scenarios::Scenario;
use super::subject::Subject;
use serde_json::{Value, json};

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// What was measured.
    pub what: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What is shown of the samples.
    pub shown: Shown,
    /// What ours must reach.
    pub target: Target,
}

/// What is shown of samples, and judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shown {
    /// The median and the worst.
    MedianWorst,
    /// How many of them are above this, and the worst.
    Above(f64),
    /// Their mean.
    Mean,
}

/// What ours must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Nothing: it explains another line.
    None,
    /// Median and worst are at most this share of the other's.
    Ratio(f64),
    /// The worst, the count or the mean is at most this.
    AtMost(f64),
}

/// Whether it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Met,
    /// No.
    Missed,
    /// It can not be said: a side is missing.
    Open,
    /// There is no target.
    Untold,
}

/// What one subject's part of a scenario gave.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The samples of each line.
    pub lines: Vec<Vec<f64>>,
    /// What else was seen and belongs to the figures.
    pub notes: Vec<String>,
    /// Why there are none.
    pub error: Option<String>,
}

/// The samples of one line, condensed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The median; the mean of the middle two.
    pub median: f64,
    /// The greatest.
    pub worst: f64,
    /// The mean.
    pub mean: f64,
    /// How many are above the line's limit.
    pub above: usize,
    /// How many there are.
    pub count: usize,
}

/// A line with both sides.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The scenario.
    pub scenario: &'static Scenario,
    /// The line.
    pub line: Line,
    /// keepalived's.
    pub theirs: Option<Summary>,
    /// Ours.
    pub ours: Option<Summary>,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Figures {
    measured: Vec<(&'static Scenario, Vec<(Subject, Outcome)>)>,
}

impl Outcome {
    /// It could not be measured.
    pub fn failed(error: &anyhow::Error) -> Self {
        Self { error: Some(format!("{error:#}")), ..Self::default() }
    }
}

impl Summary {
    /// Condenses samples; `None` of none.
    pub fn of(samples: &[f64], shown: Shown) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        let limit = if let Shown::Above(limit) = shown { limit } else { f64::INFINITY };
        Some(Self {
            // Of two that never end, the mean would be none.
            median: if lower == upper { upper } else { f64::midpoint(lower, upper) },
            worst: *sorted.last()?,
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            above: sorted.iter().filter(|sample| **sample > limit).count(),
            count: sorted.len(),
        })
    }
}

impl Row {
    /// Ours in shares of theirs, by the median or what is shown instead; `None` where that means nothing.
    pub fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (self.ours?, self.theirs?);
        let (ours, theirs) = match self.line.shown {
            Shown::MedianWorst => (ours.median, theirs.median),
            Shown::Mean => (ours.mean, theirs.mean),
            Shown::Above(_) => return None,
        };
        (theirs > 0.0 && theirs.is_finite()).then_some(ours / theirs)
    }

    /// Whether ours reached its target.
    pub fn verdict(&self) -> Verdict {
        let Some(ours) = self.ours else {
            return if self.line.target == Target::None { Verdict::Untold } else { Verdict::Open };
        };
        let met = match (self.line.target, self.line.shown) {
            (Target::None, _) => return Verdict::Untold,
            (Target::Ratio(ratio), _) => {
                let Some(theirs) = self.theirs else { return Verdict::Open };
                ours.median <= ratio * theirs.median && ours.worst <= ratio * theirs.worst
            }
            (Target::AtMost(limit), Shown::MedianWorst) => ours.worst <= limit,
            (Target::AtMost(limit), Shown::Above(_)) => ours.above as f64 <= limit,
            (Target::AtMost(limit), Shown::Mean) => ours.mean <= limit,
        };
        if met { Verdict::Met } else { Verdict::Missed }
    }
}

impl Figures {
    /// Adds what one subject's part of a scenario gave.
    pub fn add(&mut self, scenario: &'static Scenario, subject: Subject, outcome: Outcome) {
        match self.measured.last_mut() {
            Some((last, outcomes)) if last.name == scenario.name => outcomes.push((subject, outcome)),
            _ => self.measured.push((scenario, vec![(subject, outcome)])),
        }
    }

    /// The lines of the table.
    pub fn rows(&self) -> Vec<Row> {
        let of = |outcomes: &[(Subject, Outcome)], who, index: usize, line: &Line| {
            let (_, outcome) = outcomes.iter().find(|(subject, _)| *subject == who)?;
            Summary::of(outcome.lines.get(index)?, line.shown)
        };
        let rows = self.measured.iter().flat_map(|(scenario, outcomes)| {
            scenario.lines.iter().enumerate().map(move |(index, line)| Row {
                scenario,
                line: *line,
                theirs: of(outcomes, Subject::Keepalived, index, line),
                ours: of(outcomes, Subject::Ours, index, line),
            })
        });
        rows.collect()
    }

    /// What else was seen: scenario, subject, and a sentence.
    pub fn notes(&self) -> Vec<(&'static str, Subject, String)> {
        let notes = self.measured.iter().flat_map(|(scenario, outcomes)| {
            outcomes.iter().flat_map(|(subject, outcome)| {
                let said = outcome.notes.iter().cloned().chain(outcome.error.clone());
                said.map(|note| (scenario.name, *subject, note))
            })
        });
        notes.collect()
    }

    /// How many targets were met.
    pub fn summary(&self) -> String {
        let rows = self.rows();
        let count = |verdict| rows.iter().filter(|row| row.verdict() == verdict).count();
        let (met, missed, open) = (count(Verdict::Met), count(Verdict::Missed), count(Verdict::Open));
        format!("{met} of {} targets met, {missed} missed, {open} open", met + missed + open)
    }

    /// Everything, every single sample too. What never ended is null.
    pub fn to_json(&self, surroundings: &Surroundings, calm: &str, conduct: Conduct) -> Value {
        let lines = self.rows().into_iter().map(|row| {
            json!({
                "scenario": row.scenario.name,
                "what": row.line.what,
                "unit": row.line.unit,
                "target": super::table::target(&row.line),
                "ratio": row.ratio(),
                "verdict": super::table::verdict(row.verdict()),
            })
        });
        let samples = self.measured.iter().flat_map(|(scenario, outcomes)| {
            outcomes.iter().map(|(subject, outcome)| {
                json!({
                    "scenario": scenario.name,
                    "subject": subject.name(),
                    "samples": outcome.lines,
                    "notes": outcome.notes,
                    "error": outcome.error,
                })
            })
        });
        json!({
            "machine": surroundings.facts(),
            "load": calm,
            "rounds": conduct.rounds,
            "lanes": conduct.lanes,
            "lines": lines.collect::<Vec<_>>(),
            "measured": samples.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenarios::SCENARIOS;
    use super::*;

    fn row(line: Line, theirs: &[f64], ours: &[f64]) -> Row {
        let of = |samples| Summary::of(samples, line.shown);
        Row { scenario: &SCENARIOS[0], line, theirs: of(theirs), ours: of(ours) }
    }

    #[test]
    fn a_target_is_met_by_the_worst_too() {
        use Shown::{Above, Mean, MedianWorst};
        use Target::{AtMost, Ratio};
        use Verdict::{Met, Missed, Open, Untold};
        // What is shown, the target, theirs, ours, the verdict.
        type Case = (Shown, Target, &'static [f64], &'static [f64], Verdict);
        let table: &[Case] = &[
            (MedianWorst, Ratio(0.5), &[300.0, 310.0, 360.0], &[150.0, 155.0, 180.0], Met),
            (MedianWorst, Ratio(0.5), &[300.0, 310.0, 360.0], &[10.0, 10.0, 181.0], Missed),
            (MedianWorst, Ratio(0.5), &[300.0, 310.0, 360.0], &[156.0, 156.0, 156.0], Missed),
            (MedianWorst, Ratio(0.5), &[], &[1.0], Open),
            (MedianWorst, AtMost(20.0), &[], &[1.0, 20.0], Met),
            (MedianWorst, AtMost(20.0), &[], &[1.0, f64::INFINITY], Missed),
            (MedianWorst, AtMost(20.0), &[1.0], &[], Open),
            (Above(1500.0), AtMost(0.0), &[9e3], &[1.0, 1500.0], Met),
            (Above(1500.0), AtMost(0.0), &[9e3], &[1.0, 1501.0], Missed),
            (Mean, AtMost(12.0), &[99.0], &[11.0, 13.0], Met),
            (Mean, Target::None, &[99.0], &[1.0], Untold),
        ];
        for (shown, target, theirs, ours, verdict) in table {
            let line = Line { what: "", unit: "ms", shown: *shown, target: *target };
            assert_eq!(row(line, theirs, ours).verdict(), *verdict, "{shown:?} {target:?} {theirs:?} {ours:?}");
        }
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        let summary = |samples: &[f64]| Summary::of(samples, Shown::MedianWorst).unwrap();
        assert_eq!((summary(&[4.0, 1.0, 3.0, 2.0]).median, summary(&[4.0, 1.0, 3.0]).median), (2.5, 3.0));
        assert_eq!(summary(&[f64::INFINITY; 2]).median, f64::INFINITY);
    }
}
