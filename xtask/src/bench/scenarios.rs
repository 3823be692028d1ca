//! The table's scenarios and lines, and what the issue says each must reach.

use super::figures::Shown::{Above, Mean, MedianWorst};
use super::figures::Target::{self, AtMost, Ratio};
use super::figures::{Line, Outcome, Shown};
use super::lanes::Company::{self, Any, Nobody, Peer};
use super::progress::Progress;
use super::subject::{Setup, Subject};
use super::{Kit, events, noise, standing, thousand};
use anyhow::Result;

/// One kind of thing done to a group.
#[derive(Debug)]
pub struct Scenario {
    /// As `--only` takes it.
    pub name: &'static str,
    /// In words.
    pub about: &'static str,
    /// Beside what it may be measured.
    pub company: Company,
    /// What it gives.
    pub lines: &'static [Line],
    /// Does it.
    pub run: fn(&Kit, Subject, &mut Progress) -> Result<Outcome>,
}

/// A black hole that a client notices: longer than any resolver or transport hides.
pub const BLACK_HOLE_MS: f64 = 1500.0;

/// All of them, in the order of the table.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "noise",
        about: "nothing happens, 100 ms beat",
        company: Any,
        lines: &[
            line("no event: longest silence", "ms", MedianWorst, Target::None),
            line("no event: probes lost", "%", Mean, Target::None),
        ],
        run: noise::quiet,
    },
    Scenario {
        name: "dead-box-100",
        about: "power cut, 100 ms beat",
        company: Any,
        lines: &[line("dead box, 100 ms beat", "ms", MedianWorst, Ratio(0.5))],
        run: |kit, who, progress| events::dead_box(kit, who, progress, Setup::new(100, 1)),
    },
    Scenario {
        name: "dead-box-10",
        about: "power cut, 10 ms beat",
        company: Any,
        lines: &[line("dead box, 10 ms beat", "ms", MedianWorst, Ratio(0.7))],
        run: |kit, who, progress| events::dead_box(kit, who, progress, Setup::new(10, 1)),
    },
    Scenario {
        name: "carrier-100",
        about: "the service NIC loses its carrier, a control network is left, 100 ms beat",
        company: Any,
        lines: &[line("carrier loss, 100 ms beat", "ms", MedianWorst, AtMost(20.0))],
        run: |kit, who, progress| events::carrier_loss(kit, who, progress, Setup::new(100, 1).control_network()),
    },
    Scenario {
        name: "carrier-1000",
        about: "the service NIC loses its carrier, a control network is left, 1 s beat",
        company: Any,
        lines: &[line("carrier loss, 1 s beat", "ms", MedianWorst, AtMost(20.0))],
        run: |kit, who, progress| events::carrier_loss(kit, who, progress, Setup::new(1000, 1).control_network()),
    },
    Scenario {
        name: "clean-stop-100",
        about: "SIGTERM, 100 ms beat",
        company: Any,
        lines: &[line("clean stop, 100 ms beat", "ms", MedianWorst, AtMost(5.0))],
        run: |kit, who, progress| events::clean_stop(kit, who, progress, Setup::new(100, 1)),
    },
    Scenario {
        name: "clean-stop-1000",
        about: "SIGTERM, 1 s beat",
        company: Any,
        lines: &[line("clean stop, 1 s beat", "ms", MedianWorst, AtMost(5.0))],
        run: |kit, who, progress| events::clean_stop(kit, who, progress, Setup::new(1000, 1)),
    },
    Scenario {
        name: "failback",
        about: "the preferred box is turned on again, 100 ms beat",
        company: Any,
        lines: &[line("failback: probes lost", "", MedianWorst, AtMost(0.0))],
        run: |kit, who, progress| events::failback(kit, who, progress, Setup::new(100, 1)),
    },
    Scenario {
        name: "heal",
        about: "a silent partition of the preferred box heals, 100 ms beat",
        company: Any,
        lines: &[line("healed: silent over 1.5 s", "ms", Above(BLACK_HOLE_MS), AtMost(0.0))],
        run: |kit, who, progress| events::healed_partition(kit, who, progress, Setup::new(100, 1)),
    },
    Scenario {
        name: "kill",
        about: "SIGKILL to the daemon alone, 100 ms beat",
        company: Any,
        lines: &[
            // The lease that is configured.
            line("kill -9: two boxes hold", "ms", MedianWorst, AtMost(3000.0)),
            line("kill -9: silence", "ms", MedianWorst, Target::None),
        ],
        run: |kit, who, progress| events::daemon_killed(kit, who, progress, Setup::new(100, 1)),
    },
    Scenario {
        name: "loss-10",
        about: "10 % of the protocol's packets are lost for a minute, 10 ms beat",
        company: Peer,
        lines: &[
            line("10 % loss: probes lost", "%", Mean, Target::None),
            line("10 % loss: takeovers", "/min", Mean, AtMost(0.0)),
        ],
        run: |kit, who, progress| noise::lossy(kit, who, progress, 10),
    },
    Scenario {
        name: "loss-30",
        about: "30 % of the protocol's packets are lost for a minute, 10 ms beat",
        company: Peer,
        lines: &[
            line("30 % loss: probes lost", "%", Mean, Target::None),
            line("30 % loss: takeovers", "/min", Mean, AtMost(1.0)),
        ],
        run: |kit, who, progress| noise::lossy(kit, who, progress, 30),
    },
    Scenario {
        name: "thousand-dead",
        about: "power cut of a box with 1,000 addresses, 100 ms beat",
        company: Nobody,
        lines: &[
            line("1,000 dead: all back", "ms", MedianWorst, Ratio(0.5)),
            line("1,000 dead: spread probed", "ms", MedianWorst, Target::None),
            line("1,000 dead: spread quiet", "ms", MedianWorst, AtMost(10.0)),
            line("1,000 dead: dark after 2 s", "", MedianWorst, AtMost(0.0)),
        ],
        run: thousand::dead_box,
    },
    Scenario {
        name: "thousand-failback",
        about: "1,000 addresses go home, 10 ms beat",
        company: Nobody,
        lines: &[line("1,000 failback: ended dark", "", Above(0.0), AtMost(0.0))],
        run: thousand::failback,
    },
    Scenario {
        name: "wire-1",
        about: "what a box sends at rest: 1 address, 100 ms beat",
        company: Peer,
        lines: WIRE,
        run: |kit, who, progress| standing::wire(kit, who, progress, 1),
    },
    Scenario {
        name: "wire-100",
        about: "what a box sends at rest: 100 addresses that move independently, 100 ms beat",
        company: Peer,
        lines: WIRE_100,
        run: |kit, who, progress| standing::wire(kit, who, progress, 100),
    },
    Scenario {
        name: "wire-1000",
        about: "what a box sends at rest: 1,000 addresses that move independently, 100 ms beat",
        company: Peer,
        lines: WIRE_1000,
        run: |kit, who, progress| standing::wire(kit, who, progress, 1000),
    },
    Scenario {
        name: "cpu-100",
        about: "what a box costs at rest: 100 addresses that move independently, 100 ms beat",
        company: Nobody,
        lines: &[
            line("100 addresses: processor", "%", Mean, AtMost(0.5)),
            line("100 addresses: memory", "MB", Mean, Target::None),
        ],
        run: |kit, who, progress| standing::cost(kit, who, progress, 100),
    },
    Scenario {
        name: "cpu-1000",
        about: "what a box costs at rest: 1,000 addresses that move independently, 100 ms beat",
        company: Nobody,
        lines: &[
            line("1,000 addresses: processor", "%", Mean, AtMost(1.0)),
            line("1,000 addresses: memory", "MB", Mean, AtMost(16.0)),
        ],
        run: |kit, who, progress| standing::cost(kit, who, progress, 1000),
    },
];

const WIRE: &[Line] =
    &[line("wire, 1 address", "pps", Mean, AtMost(12.0)), line("wire, 1 address", "kB/s", Mean, AtMost(4.0))];
const WIRE_100: &[Line] =
    &[line("wire, 100 addresses", "pps", Mean, AtMost(12.0)), line("wire, 100 addresses", "kB/s", Mean, AtMost(4.0))];
const WIRE_1000: &[Line] = &[
    line("wire, 1,000 addresses", "pps", Mean, AtMost(12.0)),
    line("wire, 1,000 addresses", "kB/s", Mean, AtMost(4.0)),
];

const fn line(what: &'static str, unit: &'static str, shown: Shown, target: Target) -> Line {
    Line { what, unit, shown, target }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_scenario_and_no_line_is_there_twice() {
        let names: BTreeSet<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), SCENARIOS.len());
        let lines = SCENARIOS.iter().flat_map(|scenario| scenario.lines).map(|line| (line.what, line.unit));
        assert_eq!(lines.clone().collect::<BTreeSet<_>>().len(), lines.count());
    }
}
