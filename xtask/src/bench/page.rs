//! The page that is kept: the table in Markdown, where and when, and how it was measured.

use super::Conduct;
use super::figures::{Figures, Shown, Verdict};
use super::machine::Surroundings;
use super::table::{cell, ratio, target, verdict, what};

const HOW: &str = "\
Three boxes as network namespaces, two bridges (the clients' segment, and a control network), one client. The first box
is the preferred one of every service address, and leads. keepalived is Debian's, VRRP version 3, with `-G` and no console
logging, all else as it comes; ours is built as boxes carry it, all else as it comes: dead after three beats, lease 3 s.

- The client sends an ICMP echo each millisecond and goes by its own kernel's neighbour cache; the MAC address of a reply
  names the box that gave it. A silence is the longest time between two replies that touches the time from the event to
  well after the takeover, the tail included. A reply or an announcement counts from when it reached the client's kernel,
  not from when the client's program came to read it.
- Small scenarios are measured side by side, in so many lanes: their groups hardly use the processor. What happens in one
  happens while all others rest: they take turns to make the kernel work. \"No event\" is what is left of each other's
  noise: it was measured with the lanes full. The lossy ones are measured beside nothing but the peer's, and those of 1,000
  addresses and of the processor alone.
- A box whose death is to be noticed has lived for sixty beats: boxes fail after days, and a detector that goes by what it
  measured trusts that after 48 messages. Before all else a group rests for twelve beats, or four seconds if that is less.
- Every event falls into a random phase of the beat; where somebody's death is to be noticed each round has its own part
  of the beat, in random order, so that the median is not that of a few phases. A power cut takes both switch ports down and kills every process of
  the box. A partition takes the ports out of the bridges, with the carrier left up. Loss is an nftables ingress hook at
  every box and on every network, for the protocol's own packets alone.
- For the loss of a carrier keepalived talks on the control network and tracks the segment's; for all else it talks on the
  segment. Ours always talks on both.
- A thousand addresses are watched by a client with a neighbour cache of its own, which only an ARP packet of the address
  changes. \"All back\" is when the last answered, each probed every 20 ms; \"spread\" is the time between the first and the
  last: of the answers (probed), or of the announcements, with the client silent (quiet).
- Addresses that move independently are one VRRP instance each; there are 255 router ids.
- What is sent is counted by the switch port, with Ethernet headers, at the network that carries the protocol: the
  segment for keepalived, the control network for ours. Processor time and memory are those of all processes of a box's
  daemon. Of several boxes the one that needs most counts.
";

/// The page.
pub fn text(figures: &Figures, surroundings: &Surroundings, calm: &str, conduct: Conduct) -> String {
    let mut text = String::from(
        "# Failover, measured\n\nWritten by `cargo xtask bench failover --write`; every figure of both is from the same \
         run.\n\n| | |\n| --- | --- |\n",
    );
    text.push_str(&surroundings.in_rows());
    let Conduct { rounds, lanes } = conduct;
    text.push_str(&format!("\n| rounds | {rounds} of each event |\n| lanes | {lanes} |\n| other work | {calm} |\n"));
    text.push_str("\nMedian / worst, where there are two.\n\n");
    text.push_str("| measured | keepalived | ours | ratio | target | |\n| --- | --- | --- | --- | --- | --- |\n");
    for row in figures.rows() {
        let worst = |summary: Option<super::figures::Summary>| match (summary, row.line.shown) {
            (Some(summary), Shown::Above(_)) => format!(", worst {:.0} {}", summary.worst, row.line.unit),
            _ => String::new(),
        };
        let verdict = match row.verdict() {
            Verdict::Missed => format!("**{}**", verdict(Verdict::Missed)),
            other => verdict(other).to_owned(),
        };
        text.push_str(&format!(
            "| {} | {}{} | {}{} | {} | {} | {verdict} |\n",
            what(&row.line),
            cell(row.theirs, row.line.shown),
            worst(row.theirs),
            cell(row.ours, row.line.shown),
            worst(row.ours),
            ratio(&row),
            target(&row.line),
        ));
    }
    text.push_str(&format!("\n{}.\n\n## How\n\n{HOW}", figures.summary()));
    let notes = figures.notes();
    if !notes.is_empty() {
        text.push_str("\n## Seen besides\n\n");
        for (scenario, subject, note) in notes {
            text.push_str(&format!("- {scenario}, {}: {note}\n", subject.name()));
        }
    }
    text
}
