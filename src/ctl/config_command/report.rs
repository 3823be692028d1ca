//! What was found, in words for 80 columns or as JSON.

use super::ConfigCommandError;
use crate::config::model::Group;
use crate::config::{Configuration, Faults, Rejected};
use rais_core::address::GroupName;
use serde_json::json;
use std::io::Write;

/// Columns of the narrowest terminal anybody has.
const COLUMNS: usize = 80;

/// What was found.
pub(super) enum Report {
    /// A configuration that can be used.
    Good(GoodConfiguration),
    /// One that can not.
    Rejected(Rejected),
}

/// A configuration that can be used.
pub(super) struct GoodConfiguration {
    pub(super) configuration: Box<Configuration>,
    /// What else is to be said.
    pub(super) note: Option<String>,
}

impl Report {
    /// Writes it; says whether the configuration is good.
    pub(super) fn write(&self, as_json: bool, out: &mut impl Write) -> Result<bool, ConfigCommandError> {
        let good = matches!(self, Self::Good(_));
        if as_json {
            serde_json::to_writer_pretty(&mut *out, &self.to_json()).map_err(std::io::Error::from)?;
            writeln!(out)?;
            return Ok(good);
        }
        let text = match self {
            Self::Good(good) => summary(&good.configuration) + &good.note.as_deref().map_or_else(String::new, wrap),
            Self::Rejected(Rejected::Faulty(faults) | Rejected::Manifest(faults)) => list(faults),
            Self::Rejected(Rejected::Files(faults)) => {
                let lines: String = faults.iter().map(|fault| wrap(&fault.to_string())).collect();
                lines + "The bundle is not what was signed.\n"
            }
            Self::Rejected(Rejected::Untrusted { good, needed, bad }) => {
                let lines: String = bad.iter().map(|why| wrap(why)).collect();
                lines + &wrap(&format!("It has {good} of {needed} trusted signatures."))
            }
            Self::Rejected(other) => wrap(&sentence(&other.to_string())),
        };
        out.write_all(text.as_bytes())?;
        Ok(good)
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Good(GoodConfiguration { configuration, note }) => json!({
                "good": true,
                "box": configuration.name,
                "generation": configuration.provenance.generation,
                "digest": configuration.provenance.digest.to_string(),
                "signers": configuration.provenance.signers,
                "note": note,
                "warnings": configuration.groups.iter().filter_map(|(name, group)| warning(name, group)).collect::<Vec<_>>(),
            }),
            Self::Rejected(rejected) => {
                let faults = match rejected {
                    Rejected::Faulty(faults) | Rejected::Manifest(faults) => faults.as_slice(),
                    _ => &[],
                };
                json!({ "good": false, "reason": rejected.to_string(), "faults": faults })
            }
        }
    }
}

fn list(faults: &Faults) -> String {
    let faults = faults.as_slice();
    let lines: String = faults.iter().map(|fault| wrap(&fault.to_string())).collect();
    lines + &format!("{}.\n", count(faults.len(), "fault"))
}

fn summary(configuration: &Configuration) -> String {
    let mut text = wrap(&match configuration.provenance.signer() {
        Some(signer) => {
            let generation = configuration.provenance.generation;
            format!("Good: generation {generation} for box {}, signed by {signer}.", configuration.name)
        }
        None => format!("Good: a configuration for box {}.", configuration.name),
    });
    for (name, group) in &configuration.groups {
        let params = &group.params;
        let role = if params.preferred_addresses.is_empty() { "a hot spare" } else { "a server" };
        text.push_str(&wrap(&format!(
            "  group {name} at {}: {role} as {}, with {} and {}",
            group.address,
            params.id,
            count(params.preferred_addresses.len(), "preferred address"),
            count(params.pool_addresses.len(), "pool address"),
        )));
        if let Some(warning) = warning(name, group) {
            text.push_str(&wrap(&format!("  WARNING: {warning}")));
        }
    }
    let parts = [
        count(configuration.interfaces.len(), "interface"),
        count(configuration.routes.len(), "route"),
        count(configuration.tests.len(), "test"),
        count(configuration.loads.len(), "load object"),
        count(configuration.zones.len(), "zone"),
        count(configuration.snmp.receivers.len(), "trap receiver"),
    ];
    text + &wrap(&format!("  {}", parts.join(", "))) + &format!("  digest {}\n", configuration.provenance.digest)
}

/// What is possible and should not stay so.
fn warning(name: &GroupName, group: &Group) -> Option<String> {
    group.authentication.takes_unsigned().then(|| {
        let step = group.authentication.as_str();
        format!("group {name} takes messages that nobody signed, as authentication is \"{step}\" and not \"require\"")
    })
}

/// "1 fault", "2 faults", "2 addresses".
pub(super) fn count(number: usize, what: &str) -> String {
    let plural = match (number, what.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {what}{plural}")
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A line, broken between words so that none is wider than a terminal; the rest is indented by four more.
pub(super) fn wrap(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let mut text = " ".repeat(indent);
    let mut column = indent;
    for (index, word) in line.split_whitespace().enumerate() {
        let width = word.chars().count();
        if index > 0 && column + 1 + width > COLUMNS {
            text.push('\n');
            text.push_str(&" ".repeat(indent + 4));
            column = indent + 4;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let words = "word ".repeat(30);
        let wrapped = wrap(&format!("  {words}"));
        assert!(wrapped.lines().all(|line| line.len() <= COLUMNS), "{wrapped}");
        assert!(wrapped.starts_with("  word") && wrapped.contains("\n      word"), "{wrapped}");
        assert_eq!(wrap(&"x".repeat(100)), "x".repeat(100) + "\n");
        assert_eq!(wrap(""), "\n");
    }

    #[test]
    fn counts_have_a_plural() {
        assert_eq!(
            [count(0, "route"), count(1, "address"), count(2, "address")],
            ["0 routes", "1 address", "2 addresses"]
        );
    }
}
