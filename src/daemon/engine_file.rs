//! Who this box is to SNMP managers, and how often it started: `snmp-engine` in the state directory (RFC 3414 §2.2).
//!
//! The number of starts is raised and on disk before a socket opens. What can not be read latches it: managers then
//! believe nothing that is recorded, and neither do we. A state directory that came from another machine makes another
//! engine: two boxes with one engine id and the same keys would each take for true what was said to the other.

use crate::os::store::{Store, StoreError};
use crate::snmp::v3::{EngineId, MAX_BOOTS};

/// The file of the state directory.
const NAME: &str = "snmp-engine";
/// Sixteen engines' lines, and more.
const MAX_FILE: u64 = 4096;
/// Engine ids that are remembered, so that going back to one does not begin its starts anew.
const MAX_RECORDS: usize = 16;

/// An engine as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// Its id.
    pub(super) id: EngineId,
    /// Which start this is; [`MAX_BOOTS`]: latched.
    pub(super) boots: u32,
    /// What the operator should know, if anything.
    pub(super) warning: Option<String>,
}

/// An engine id, and how often it started; `ours` is false if that was another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    id: EngineId,
    boots: u32,
    ours: bool,
}

/// What the file holds: the machine, and its engines, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Memory {
    machine: String,
    records: Vec<Record>,
}

impl Memory {
    fn parse(text: &str) -> Option<Self> {
        let (first, rest) = text.strip_suffix("end\n")?.split_once('\n')?;
        let machine = first.strip_prefix("machine ")?.to_owned();
        let record = |line: &str| {
            let mut words = line.split(' ');
            let ours = match words.next()? {
                "own" => true,
                "foreign" => false,
                _ => return None,
            };
            let record = Record { ours, id: words.next()?.parse().ok()?, boots: words.next()?.parse().ok()? };
            (words.next().is_none() && record.boots <= MAX_BOOTS).then_some(record)
        };
        Some(Self { machine, records: rest.lines().map(record).collect::<Option<_>>()? })
    }

    fn to_text(&self) -> String {
        let line = |record: &Record| {
            format!("{} {} {}\n", if record.ours { "own" } else { "foreign" }, record.id, record.boots)
        };
        let lines: String = self.records.iter().take(MAX_RECORDS).map(line).collect();
        format!("machine {}\n{lines}end\n", self.machine)
    }
}

/// Begins a start of this box's engine. `configured` is the id that the configuration asks for, `machine` what the
/// machine is known by, `random` an id to take if there is none.
pub(super) fn begin(store: &Store, configured: Option<EngineId>, machine: &str, random: EngineId) -> Begun {
    let read = store
        .read(NAME, MAX_FILE)
        .map(|content| content.map(|content| std::str::from_utf8(&content).ok().and_then(Memory::parse)));
    let (mut memory, mut warning, lost) = match read {
        Ok(None) => (None, None, false),
        Ok(Some(Some(memory))) => (Some(memory), None, false),
        Ok(Some(None)) => (None, Some("snmp-engine is damaged".to_owned()), true),
        Err(error) => (None, Some(error.to_string()), true),
    };
    if let Some(memory) = memory.as_mut().filter(|memory| memory.machine != machine) {
        memory.records.iter_mut().for_each(|record| record.ours = false);
        warning = Some(
            "the state directory was copied from another machine: this is another SNMP engine from now on".to_owned(),
        );
    }
    let mut records = memory.map_or_else(Vec::new, |memory| memory.records);
    let foreign = |id: &EngineId| records.iter().any(|record| record.id == *id && !record.ours);
    let id = match configured {
        Some(id) if !foreign(&id) => id,
        _ => records.iter().find(|record| record.ours).map_or(random, |record| record.id),
    };
    if let Some(configured) = configured.filter(|configured| *configured != id) {
        warning = Some(format!(
            "snmp.engine_id {configured} is another machine's, from which the state directory was copied; this is engine \
             {id}, and users are to be added for it: `raisctl snmp user add --help`"
        ));
    }
    let before = records.iter().find(|record| record.id == id).map(|record| record.boots);
    let boots = match before {
        Some(boots) => boots.saturating_add(1).min(MAX_BOOTS),
        // What an id of chance did before can not be: nobody had it.
        None if lost && configured.is_some() => MAX_BOOTS,
        None => 1,
    };
    records.retain(|record| record.id != id);
    records.insert(0, Record { id, boots, ours: true });
    let written = store.write(NAME, Memory { machine: machine.to_owned(), records }.to_text().as_bytes());
    conclude(id, boots, warning, written)
}

fn conclude(id: EngineId, boots: u32, warning: Option<String>, written: Result<(), StoreError>) -> Begun {
    let way_out =
        "authenticated SNMP is refused until it is given another snmp.engine_id and its users are added again";
    match written {
        // Not on disk: after the next start what is said now could be said again.
        Err(error) => Begun {
            id,
            boots: MAX_BOOTS,
            warning: Some(format!("the SNMP engine's starts can not be kept: {error}; {way_out}")),
        },
        Ok(()) if boots == MAX_BOOTS => {
            let why = warning.unwrap_or_else(|| "the SNMP engine has started too often to count".to_owned());
            Begun { id, boots, warning: Some(format!("{why}; {way_out}")) }
        }
        Ok(()) => Begun { id, boots, warning },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(last: u8) -> EngineId {
        EngineId::from_random([last; 12])
    }

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        (directory, store)
    }

    fn life(store: &Store, configured: Option<EngineId>, machine: &str, random: u8) -> (EngineId, u32) {
        let begun = begin(store, configured, machine, id(random));
        (begun.id, begun.boots)
    }

    #[test]
    fn rfc_3414_2_2_2_every_start_is_one_more_and_on_disk_before_it_is_used() {
        let (_directory, store) = store();
        assert_eq!(life(&store, None, "here", 1), (id(1), 1));
        let file = String::from_utf8(store.read(NAME, MAX_FILE).unwrap().unwrap()).unwrap();
        assert_eq!(file, format!("machine here\nown {} 1\nend\n", id(1)));
        assert_eq!(life(&store, None, "here", 2), (id(1), 2), "an engine id of chance is kept");
        assert_eq!(life(&store, None, "here", 3), (id(1), 3));
    }

    #[test]
    fn a_configured_engine_id_is_taken_and_going_back_to_one_does_not_begin_anew() {
        let (_directory, store) = store();
        assert_eq!(life(&store, None, "here", 1), (id(1), 1));
        assert_eq!(life(&store, Some(id(9)), "here", 2), (id(9), 1));
        assert_eq!(life(&store, Some(id(9)), "here", 2), (id(9), 2));
        assert_eq!(life(&store, Some(id(8)), "here", 2), (id(8), 1));
        assert_eq!(life(&store, Some(id(9)), "here", 2), (id(9), 3));
        assert_eq!(life(&store, None, "here", 2), (id(9), 4), "the last one is kept");
    }

    #[test]
    fn rfc_3414_2_2_2_what_can_not_be_read_latches_a_configured_engine_until_it_has_another_id() {
        let damages = [&b""[..], b"rubbish", b"machine here\nown ", b"machine here\nown 80007ed905 1\n", &[0xff; 9]];
        for damage in damages.into_iter().chain([&[b'x'; 5000][..], b"machine here\nown 80007ed905 9999999999\nend\n"])
        {
            let (_directory, store) = store();
            life(&store, Some(id(9)), "here", 1);
            store.write(NAME, damage).unwrap();
            let begun = begin(&store, Some(id(9)), "here", id(1));
            assert_eq!((begun.id, begun.boots), (id(9), MAX_BOOTS), "{damage:?}");
            assert!(begun.warning.unwrap().contains("another snmp.engine_id"));
            assert_eq!(life(&store, Some(id(9)), "here", 1), (id(9), MAX_BOOTS), "it stays latched");
            assert_eq!(life(&store, Some(id(8)), "here", 1), (id(8), 1), "and this is the way out");
        }
    }

    #[test]
    fn a_lost_engine_id_of_chance_is_another_one() {
        let (_directory, store) = store();
        life(&store, None, "here", 1);
        store.write(NAME, b"rubbish").unwrap();
        assert_eq!(life(&store, None, "here", 2), (id(2), 1));
    }

    #[test]
    fn rfc_3414_2_2_2_the_count_of_starts_does_not_wrap() {
        let (_directory, store) = store();
        store.write(NAME, format!("machine here\nown {} {}\nend\n", id(1), MAX_BOOTS - 1).as_bytes()).unwrap();
        assert_eq!(life(&store, None, "here", 2), (id(1), MAX_BOOTS));
        assert_eq!(life(&store, None, "here", 2), (id(1), MAX_BOOTS));
    }

    #[test]
    fn a_copied_state_directory_makes_another_engine_for_good_whatever_is_configured() {
        for configured in [None, Some(id(9))] {
            let (_directory, store) = store();
            let (original, _) = life(&store, configured, "here", 1);
            let begun = begin(&store, configured, "there", id(2));
            assert_eq!((begun.id, begun.boots), (id(2), 1));
            assert!(begun.warning.unwrap().contains("copied"));
            assert_eq!(life(&store, configured, "there", 3), (id(2), 2), "it stays another one");
            assert_eq!(life(&store, Some(id(7)), "there", 3), (id(7), 1), "an id of its own is taken");
            assert_ne!(original, id(2));
        }
    }

    #[test]
    fn what_can_not_be_written_is_latched_for_this_start() {
        let (_directory, store) = store();
        life(&store, None, "here", 1);
        std::fs::create_dir_all(store.path("snmp-engine.tmp/in-the-way")).unwrap();
        let begun = begin(&store, None, "here", id(2));
        assert_eq!((begun.id, begun.boots), (id(1), MAX_BOOTS));
        assert!(begun.warning.unwrap().contains("can not be kept"));
    }
}
