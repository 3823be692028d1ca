//! `good/*.toml` are taken; `bad/*.toml` are refused in exactly the words of `bad/*.expected`.
//!
//! `RAIS_BLESS=1 cargo test` writes the `.expected` files anew: read the difference before you commit it.

use crate::fixture::{bundle, repository};
use rais::config::model::ReceiverSecurity;
use rais::config::{Configuration, Faults, Rejected, Trust, load};
use rais::snmp::v3::Level;
use rais_core::params::{Choice, Failback, MAX_ADDRESSES, MAX_GROUPS, Partition};
use rais_core::quantity::{Generation, Incarnation};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

fn parse(source: &str) -> Result<Configuration, Rejected> {
    load(&bundle(source.as_bytes()), &Trust::InsecureUnsigned)
}

fn faults(source: &str) -> Faults {
    match parse(source) {
        Err(Rejected::Faulty(faults)) => faults,
        other => panic!("should be faulty, is {other:?}"),
    }
}

fn toml_files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository(directory)).unwrap_or_else(|why| panic!("{directory}: {why}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(!files.is_empty(), "{directory} holds no TOML");
    files
}

#[test]
fn the_documentation_the_examples_and_the_good_files_are_taken() {
    let files = ["config", "config/examples", "tests/config/good"].into_iter().flat_map(toml_files);
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        if let Err(rejected) = parse(&source) {
            panic!("{}:\n{rejected}", file.display());
        }
    }
}

#[test]
fn every_bad_file_is_refused_with_all_its_faults_in_these_words() {
    let mut differences = String::new();
    for file in toml_files("tests/config/bad") {
        let source = fs::read_to_string(&file).unwrap();
        let found = format!("{}\n", faults(&source));
        let expected_file = file.with_extension("expected");
        if std::env::var_os("RAIS_BLESS").is_some() {
            fs::write(&expected_file, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected_file).unwrap_or_default();
        if found != expected {
            let _ = write!(differences, "{}\n--- expected\n{expected}--- found\n{found}\n", file.display());
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn defaults_are_what_the_documentation_says_they_are() {
    let minimal = fs::read_to_string(repository("config/examples/minimal.toml")).unwrap();
    let written_out = fs::read_to_string(repository("tests/config/good/defaults-written-out.toml")).unwrap();
    let (mut minimal, written_out) = (parse(&minimal).unwrap(), parse(&written_out).unwrap());
    assert_ne!(minimal.provenance.digest, written_out.provenance.digest);
    minimal.provenance = written_out.provenance.clone();
    assert_eq!(minimal, written_out);
}

#[test]
fn every_value_of_the_documentation_arrives_where_it_belongs() {
    let source = fs::read_to_string(repository("config/rais.toml")).unwrap();
    let configuration = parse(&source).unwrap();
    let params = configuration.box_params(Incarnation(7));
    assert_eq!(
        (params.name.as_str(), params.incarnation, params.generation),
        ("edge-1", Incarnation(7), Generation(0))
    );
    let (name, group) = configuration.groups.first_key_value().unwrap();
    let core = &params.groups[name];
    assert_eq!(core, &group.params);
    assert_eq!(core.id.to_string(), "10.9.0.1");
    let control: Vec<_> = core.control.iter().map(|c| format!("{} {}", c.interface, c.address)).collect();
    assert_eq!(control, ["lan 10.9.0.1", "control 10.9.1.1"]);
    assert_eq!(
        core.preferred_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.9.0.101", "fd00:9::101"]
    );
    assert_eq!((core.beat, core.dead_after), (Duration::from_millis(100), Duration::from_millis(300)));
    assert_eq!((core.lease, core.announce_every), (Duration::from_secs(3), Some(Duration::from_secs(60))));
    assert_eq!(core.announce_again, [Duration::from_millis(100), Duration::from_millis(500)]);
    assert_eq!(group.neighbours.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.9.0.254"]);
    assert_eq!((core.orphan_timeout, core.failback, core.choice), (None, Failback::Immediate, Choice::Balanced));
    assert_eq!(core.load_moves, Some(Duration::from_secs(30)));
    assert!(matches!(&core.partition, Partition::Majority { voters } if voters.len() == 3));
    assert_eq!(group.address.to_string(), "239.77.0.1:7077");
    assert_eq!(group.script_timeout, Duration::from_secs(5));
    assert!(group.keys.contains_key(&group.send_key.unwrap()));
    assert_eq!(group.authentication.as_str(), "require");
    assert_eq!(params.tests.values().map(|test| test.timeout).collect::<Vec<_>>(), [Duration::from_millis(500)]);
    assert_eq!(configuration.zones[0].exclude[0].to_string(), "10.9.0.128/25");
    assert!(configuration.zones[0].header.starts_with("@ 5 SOA"));
    assert_eq!(configuration.routes[0].to.to_string(), "0.0.0.0/0");
    let [second, first] = &configuration.snmp.receivers[..] else { panic!("two receivers") };
    let ReceiverSecurity::Community(community) = &first.security else { panic!("version 2c") };
    assert_eq!((community.as_bytes(), community), (&b"rocommunity"[..], &configuration.snmp.communities[0].community));
    let ReceiverSecurity::User { user, level } = &second.security else { panic!("version 3") };
    assert_eq!((user, *level, second.inform), (&configuration.snmp.users[0], Level::AuthPriv, false));
}

/// Receivers by community and by user, and who each of them is to view-based access control.
const TOLD: &str = r#"
version = 1
[box]
name = "edge-1"
[snmp]
engine_id = "80007ed90511223344556677889900aabb"
[[snmp.view]]
name = "no-links"
include = ["1.3.6.1"]
exclude = ["1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"]
[[snmp.access]]
group = "graphs"
notify = "no-links"
[[snmp.user]]
name = "noc"
authentication = "SHA-256"
privacy = "AES-128"
file = "secrets/snmp-noc.keys"
[[snmp.user]]
name = "graphs"
group = "graphs"
authentication = "SHA-256"
privacy = "AES-128"
file = "secrets/snmp-noc.keys"
[[snmp.user]]
name = "there"
engine_id = "80001f8804deadbeef"
authentication = "SHA-256"
file = "secrets/snmp-noc-there.keys"
[[snmp.community]]
file = "secrets/snmp.community"
view = "no-links"
[[snmp.receiver]]
address = "10.9.0.254:162"
community_file = "secrets/same.community"
[[snmp.receiver]]
address = "10.9.0.254:163"
community_file = "secrets/traps.community"
[[snmp.receiver]]
address = "10.9.0.254:164"
user = "noc"
level = "authNoPriv"
[[snmp.receiver]]
address = "10.9.0.254:165"
user = "graphs"
[[snmp.receiver]]
address = "10.9.0.254:166"
user = "there"
inform = true
engine_id = "80001f8804deadbeef"
"#;

#[test]
fn a_receiver_is_told_what_access_control_decides_for_its_user_or_community() {
    use rais::snmp::SecurityModel::{Community, User};
    let snmp = parse(TOLD).unwrap().snmp;
    // What is told does not depend on what may be read: whoever wrote the receiver's entry wanted it told.
    let table = [
        (Community, "snmp", Level::NoAuthNoPriv, "all"),
        (Community, "10.9.0.254:163", Level::NoAuthNoPriv, "all"),
        (User, "noc", Level::AuthNoPriv, "all"),
        (User, "graphs", Level::AuthPriv, "no-links"),
        (User, "there", Level::AuthNoPriv, "all"),
    ];
    assert_eq!(snmp.receivers.len(), table.len());
    for (receiver, (model, name, level, view)) in snmp.receivers.iter().zip(table) {
        let rights = snmp.access.decide(model, name.as_bytes(), level, b"").unwrap();
        assert_eq!(rights.notify, snmp.access.view(view), "{name}");
        assert_eq!(Some(&receiver.view), rights.notify, "{name}");
    }
    // Who is only told something reads nothing.
    for (model, name, level, _) in [table[1], table[2], table[4]] {
        let rights = snmp.access.decide(model, name.as_bytes(), level, b"").unwrap();
        assert_eq!((rights.read, rights.write), (None, None), "{name}");
    }
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let source = fs::read_to_string(repository("config/rais.toml")).unwrap();
    let debug = format!("{:?} {:?}", parse(&source).unwrap(), bundle(source.as_bytes()));
    assert!(!debug.contains("rocommunity") && !debug.contains("00112233") && !debug.contains("0, 17, 34"), "{debug}");
    for file in toml_files("tests/config/bad") {
        let words = fs::read_to_string(file.with_extension("expected")).unwrap();
        assert!(!words.contains("rocommunity") && !words.contains("00112233"), "{}", file.display());
    }
}

#[test]
fn faults_are_given_as_json_with_place_path_and_words() {
    let json = serde_json::to_value(faults("version = 1\n[box]\nname = 'A'\n")).unwrap();
    let message = "\"A\" is not possible: a name has 1 to 32 characters out of a-z, 0-9, '-', '_' and '.', and starts \
                   with a letter or digit";
    let fault = serde_json::json!(
        { "file": "rais.toml", "line": 3, "column": 8, "path": "box.name", "message": message }
    );
    assert_eq!(json, serde_json::json!([fault]));
}

/// The digest of the only group of `minimal.toml` after some replacements in it.
fn digest(replacements: &[(&str, &str)]) -> u64 {
    let mut source = fs::read_to_string(repository("config/examples/minimal.toml")).unwrap();
    for (from, to) in replacements {
        assert!(source.contains(from), "{from}");
        source = source.replace(from, to);
    }
    parse(&source).unwrap().groups.values().next().unwrap().params.digest
}

#[test]
fn boxes_that_agree_on_a_group_have_the_same_digest_of_it_and_others_have_not() {
    let port = "port = 7077";
    let with = |line: &str| digest(&[(port, &format!("{port}\n{line}"))]);
    let same = digest(&[]);
    // Boxes of all releases must find the same: this number may change only with the first line of what is digested.
    assert_eq!(same, 0x9d53_3305_8f9f_f0aa, "{same:#x}");
    let per_box = [
        digest(&[("edge-1", "edge-2"), ("10.9.0.1/24", "10.9.0.2/24"), ("10.9.0.101", "10.9.0.102")]),
        digest(&[("id = 1", "id = 2")]),
        with("lease = \"5s\""),
        with("announce_every = \"5s\""),
        with("announce_again = []"),
        with("neighbours = [\"10.9.0.254\"]"),
        with("acquire_script = \"scripts/acquire\""),
        with("beat = \"100ms\""),
        with("pool_addresses = []"),
    ];
    assert_eq!(per_box, [same; 9]);
    let of_the_group = [
        digest(&[("\"http\"", "\"dns\"")]),
        digest(&[("239.77.0.1", "239.77.0.2")]),
        digest(&[("7077", "7078")]),
        with("pool_addresses = [\"10.9.0.150\", \"10.9.0.151\"]"),
        with("pool_addresses = [\"10.9.0.150\"]"),
        with("beat = \"200ms\"\ndead_after = \"400ms\""),
        with("dead_after = \"400ms\""),
        with("action_timeout = \"20s\""),
        with("orphan_timeout = \"20s\""),
        with("failback = \"manual\""),
        with("failback = \"30s\""),
        with("choice = \"random\""),
        with("high_water_mark = 700"),
        with("low_water_mark = 700"),
        with("load_moves = \"30s\""),
        with("partition = \"majority\"\nvoters = [\"10.9.0.1\", \"10.9.0.2\", \"10.9.0.3\"]"),
        with("partition = \"witness\"\nwitnesses = [\"10.9.0.254\"]"),
        with("partition = \"witness\"\nwitnesses = [\"10.9.0.254\"]\nwitness_interval = \"1s\""),
    ];
    let mut different = of_the_group.to_vec();
    different.push(same);
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), of_the_group.len() + 1);
    let swapped = with("pool_addresses = [\"10.9.0.151\", \"10.9.0.150\"]");
    assert_eq!(swapped, of_the_group[3], "the order of the pool means nothing");
}

#[test]
fn a_group_takes_ten_thousand_addresses_and_not_one_more() {
    let minimal = fs::read_to_string(repository("config/examples/minimal.toml")).unwrap();
    let list = |number: usize| {
        let address = |n: usize| format!("\"10.{}.{}.{}\"", 20 + n / 65536, n / 256 % 256, n % 256);
        (0..number).map(address).collect::<Vec<_>>().join(",")
    };
    let with = |preferred: usize, pool: &str| {
        let preferred = format!("preferred_addresses = [{}]\npool_addresses = [{pool}]", list(preferred));
        parse(&minimal.replace("preferred_addresses = [\"10.9.0.101\"]", &preferred))
    };
    let group = with(MAX_ADDRESSES - 1, "\"10.9.0.150\"").unwrap().groups.into_values().next().unwrap();
    assert_eq!(group.params.preferred_addresses.len(), MAX_ADDRESSES - 1);
    let words = with(MAX_ADDRESSES, "\"10.9.0.150\"").unwrap_err().to_string();
    assert!(words.contains("group[0]: has 10001 service addresses, at most 10000 are possible"), "{words}");
    let words = with(MAX_ADDRESSES + 1, "").unwrap_err().to_string();
    assert!(words.contains("group[0].preferred_addresses: has 10001 elements, at most 10000"), "{words}");
}

#[test]
fn there_is_an_end_to_groups_and_to_faults() {
    let groups = |number: usize| {
        let head = "version = 1\n[box]\nname = 'a'\n[[interface]]\nname = 'lan'\nkernel_name = 'eth0'\naddresses = ['10.0.0.1/8']\n";
        let group = |n: usize| {
            format!(
                "[[group]]\nname = 'g{n}'\naddress = '239.0.0.1'\nport = {}\ncontrol_interfaces = ['lan']\n\
                 service_interface = 'lan'\nkeys = [{{ id = 1, file = 'secrets/http.key' }}]\n",
                1000 + n
            )
        };
        head.to_owned() + &(0..number).map(group).collect::<String>()
    };
    assert_eq!(parse(&groups(MAX_GROUPS)).unwrap().groups.len(), MAX_GROUPS);
    let words = parse(&groups(MAX_GROUPS + 1)).unwrap_err().to_string();
    assert!(words.contains("group: there are 65, at most 64 are possible"), "{words}");

    let many = format!("version = 1\n[box]\nname = 'a'\n{}", "[[load]]\n".repeat(60) + "x = 1\n");
    assert_eq!(faults(&many).as_slice().len(), 121, "two keys are missing in each, and one is unknown");
    let many = format!("version = 1\n[box]\nname = 'a'\n[[zone]]\nexclude = [{}]", "'x',\n".repeat(1024));
    let faults = faults(&many);
    assert!(faults.as_slice().len() <= 501, "{}", faults.as_slice().len());
    assert!(faults.to_string().ends_with("more faults are not shown"), "{faults}");
}

#[test]
fn a_file_that_is_no_text_is_refused_where_the_text_ends() {
    let rejected = load(&bundle(b"version = 1\n# \xc3\xa9\xff\n"), &Trust::InsecureUnsigned).unwrap_err();
    assert_eq!(rejected.to_string(), "rais.toml:2:4: is not UTF-8 text from here on");
    let rejected = load(&[("x".to_owned(), Vec::new(), 0)].into_iter().collect(), &Trust::InsecureUnsigned);
    assert_eq!(rejected.unwrap_err().to_string(), "rais.toml is missing");
}

mod any_text {
    use super::*;
    use proptest::prelude::*;

    fn seeds() -> Vec<String> {
        let files = ["config", "config/examples", "tests/config/good", "tests/config/bad"].into_iter();
        files.flat_map(toml_files).map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    /// Taken, or refused with faults that stand in the file and say something.
    fn is_judged(source: &str) {
        if let Err(rejected) = parse(source) {
            let Rejected::Faulty(faults) = rejected else { panic!("{rejected:?}") };
            assert!(!faults.as_slice().is_empty());
            for fault in faults.as_slice() {
                let lines = source.bytes().filter(|octet| *octet == b'\n').count() + 1;
                assert!((1..=lines).contains(&fault.line) && fault.column >= 1, "{fault}");
                assert!(!fault.message.contains("a bug in rais"), "{source}\n{fault}");
            }
        }
    }

    #[test]
    fn every_beginning_of_every_file_is_judged() {
        for source in seeds() {
            for (end, _) in source.char_indices().step_by(13) {
                is_judged(&source[..end]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_file_with_lines_lost_doubled_swapped_and_octets_changed_is_judged(
            file in any::<prop::sample::Index>(),
            edits in prop::collection::vec((0_u8..5, any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<char>()), 1..8),
        ) {
            let seeds = seeds();
            let mut lines: Vec<String> = file.get(&seeds).lines().map(str::to_owned).collect();
            for (kind, at, other, letter) in edits {
                if lines.is_empty() {
                    break;
                }
                let (at, other) = (at.index(lines.len()), other.index(lines.len()));
                match kind {
                    0 => drop(lines.remove(at)),
                    1 => lines.insert(other, lines[at].clone()),
                    2 => lines.swap(at, other),
                    3 => lines[at] = lines[at].chars().rev().collect(),
                    _ => {
                        let place = lines[at].char_indices().nth(other).map_or(0, |(place, _)| place);
                        lines[at].insert(place, letter);
                    }
                }
            }
            is_judged(&lines.join("\n"));
        }
    }
}
