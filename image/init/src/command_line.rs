//! The kernel's command line: what the loader tells us.

use std::fs;

/// What the loader said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// Slot we were booted from: "a", "b", or "direct" without a loader.
    pub(crate) slot: Option<String>,
    /// PARTUUID of that slot: it tells our disk from others.
    pub(crate) part: Option<String>,
}

impl CommandLine {
    /// Reads the running kernel's.
    pub(crate) fn read() -> Self {
        Self::parse(&fs::read_to_string("/proc/cmdline").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let mut line = Self::default();
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(("rais.slot", value)) => line.slot = Some(value.to_owned()),
                Some(("rais.part", value)) => line.part = Some(value.to_ascii_lowercase()),
                _ => {}
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_kind_wins_and_others_are_ignored() {
        let line = CommandLine::parse("quiet rais.slot=a console=ttyS0 rais.slot=b rais.part=AB-1\n");
        assert_eq!(line, CommandLine { slot: Some("b".into()), part: Some("ab-1".into()) });
        assert_eq!(CommandLine::parse(""), CommandLine::default());
    }
}
