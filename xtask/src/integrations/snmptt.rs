//! Texts and severities of every notification for SNMPTT. The sentence is in the notification: the format repeats it.

use super::mib::Mib;
use std::fmt::Write as _;

/// Alarms and their ends, in SNMPTT's words; everything else is `Normal`. The box sends its own severity with each.
const SEVERE: &[(&str, &str)] = &[
    ("raisAcquireFailed", "WARNING"),
    ("raisReleaseFailed", "WARNING"),
    ("raisTestFailed", "WARNING"),
    ("raisCannotAssign", "CRITICAL"),
    ("raisOrphanExpired", "CRITICAL"),
    ("raisAddressConflict", "CRITICAL"),
    ("raisConfigRejected", "WARNING"),
    ("raisConfigDiffers", "WARNING"),
];

/// The configuration file.
pub fn configuration(mib: &Mib) -> String {
    let mut out = String::from(
        "# Made by `cargo xtask integrations` from RAIS-MIB. Of the notifications that tell a state, raisNotifySeverity\n\
         # says how much it matters; the fifth variable binding from the front is it.\n#\n",
    );
    for notification in &mib.notifications {
        let severity = SEVERE.iter().find(|(name, _)| *name == notification.name).map_or("Normal", |(_, word)| *word);
        let about = notification.about.split_whitespace().collect::<Vec<_>>().join(" ");
        // $1 is the box's name, $4 the sentence, $5 the severity.
        let _ = write!(
            out,
            "EVENT {} .{} \"rais\" {severity}\nFORMAT $4 ($5)\nSDESC\n{about}\nEDESC\n#\n",
            notification.name, notification.oid
        );
    }
    out
}
