//! `raisctl snmp user`: what it prints, what it writes, and what it refuses.

use crate::fixture::{KEY, repository};
use clap::{CommandFactory, Parser};
use rais::config::{Trust, load};
use rais::ctl::config_command::read_bundle;
use rais::ctl::snmp_command::{Phrases, SnmpArgs, SnmpCommandError, execute};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use zeroize::Zeroizing;

#[derive(Debug, Parser)]
#[command(name = "raisctl snmp")]
struct Cli {
    #[command(flatten)]
    snmp: SnmpArgs,
}

/// Whoever sits at the terminal.
struct Person(Vec<&'static str>);

impl Phrases for Person {
    fn ask(&mut self, what: &'static str) -> Result<Zeroizing<String>, SnmpCommandError> {
        if self.0.is_empty() {
            return Err(SnmpCommandError::NoPassPhrase(what));
        }
        Ok(Zeroizing::new(self.0.remove(0).to_owned()))
    }
}

struct Workplace(tempfile::TempDir);

const ENGINE: &str = "80007ed90511223344556677889900aabb";
const SNMP: &str = "\n# Who may ask.\n[snmp]\nlisten = [\"127.0.0.1:161\"] # only here\n";

impl Workplace {
    fn new() -> Self {
        let workplace = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(workplace.path("secrets")).unwrap();
        let minimal = fs::read_to_string(repository("config/examples/minimal.toml")).unwrap();
        let before_snmp = minimal.split("[snmp]").next().unwrap().trim_end().to_owned() + "\n";
        fs::write(workplace.path("rais.toml"), before_snmp + SNMP + &format!("engine_id = \"{ENGINE}\"\n")).unwrap();
        fs::write(workplace.path("secrets/http.key"), KEY).unwrap();
        fs::set_permissions(workplace.path("secrets/http.key"), fs::Permissions::from_mode(0o600)).unwrap();
        workplace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn toml(&self) -> String {
        fs::read_to_string(self.path("rais.toml")).unwrap()
    }

    fn run(&self, phrases: &[&'static str], words: &[&str]) -> Result<String, String> {
        let directory = self.0.path().to_str().unwrap();
        let words = words.iter().map(|word| if *word == "DIR" { directory } else { word });
        let cli = Cli::try_parse_from(["raisctl snmp"].into_iter().chain(words)).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        let done = execute(cli.snmp, &mut Person(phrases.to_vec()), &mut out).map_err(|error| error.to_string());
        done.map(|()| String::from_utf8(out).unwrap())
    }

    fn add(&self, phrases: &[&'static str], options: &[&str]) -> Result<String, String> {
        self.run(phrases, &[&["user", "add", "DIR"], options].concat())
    }

    fn is_good(&self) -> bool {
        load(&read_bundle(self.0.path()).unwrap(), &Trust::InsecureUnsigned).is_ok()
    }
}

#[test]
fn a_user_is_an_entry_and_a_private_file_of_keys_and_every_comment_stays() {
    let workplace = Workplace::new();
    let before = workplace.toml();
    let said = workplace.add(&["authentication phrase", "privacy phrase!"], &["noc", "--group", "operators"]).unwrap();
    assert_eq!(
        said,
        "User noc of group operators: SHA-256, AES-128; its keys are in secrets/snmp-noc.keys.\n\
         Sign the bundle: raisctl config sign\n"
    );
    let expected = "\n[[snmp.user]]\nname = \"noc\"\ngroup = \"operators\"\nauthentication = \"SHA-256\"\n\
                    privacy = \"AES-128\"\nfile = \"secrets/snmp-noc.keys\"\n";
    assert_eq!(workplace.toml(), before + expected);
    let file = workplace.path("secrets/snmp-noc.keys");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&file).unwrap(), std::str::from_utf8(crate::fixture::USER_KEYS).unwrap());
    assert!(workplace.is_good());
}

#[test]
fn the_first_user_brings_an_engine_id() {
    let workplace = Workplace::new();
    fs::write(workplace.path("rais.toml"), workplace.toml().replace(&format!("engine_id = \"{ENGINE}\"\n"), ""))
        .unwrap();
    let said = workplace.add(&["authentication phrase", "privacy phrase!"], &["noc"]).unwrap();
    let drawn = said.lines().find_map(|line| line.strip_prefix("New engine id, written to [snmp]: ")).unwrap();
    assert!(drawn.starts_with("80007ed905") && drawn.len() == 34, "{drawn}");
    assert!(workplace.toml().contains(&format!("engine_id = \"{drawn}\"\n")) && workplace.is_good());
}

#[test]
fn pass_phrases_come_from_a_file_too_and_are_kept_nowhere() {
    let workplace = Workplace::new();
    let phrases = tempfile::NamedTempFile::new().unwrap();
    fs::write(phrases.path(), "authentication phrase\nprivacy phrase!\n").unwrap();
    workplace.add(&[], &["noc", "--passphrase-file", phrases.path().to_str().unwrap()]).unwrap();
    let keys = fs::read_to_string(workplace.path("secrets/snmp-noc.keys")).unwrap();
    assert!(!(keys + &workplace.toml()).contains("phrase"));
    fs::write(phrases.path(), "authentication phrase\n").unwrap();
    let refused = workplace.add(&[], &["ann", "--passphrase-file", phrases.path().to_str().unwrap()]).unwrap_err();
    assert_eq!(refused, "there is no pass phrase for privacy: give a line for each");
}

#[test]
fn what_is_refused_changes_nothing() {
    let workplace = Workplace::new();
    workplace.add(&["authentication phrase", "privacy phrase!"], &["noc"]).unwrap();
    let before = workplace.toml();
    let good = &["authentication phrase", "privacy phrase!"];
    let table: [(&[&'static str], &[&str], &str); 6] = [
        (good, &["noc"], "there is a user noc already; --replace takes its place"),
        (&["1234567"], &["ann"], "a pass phrase has at least 8 characters"),
        (&["authentication phrase", "short"], &["ann"], "a pass phrase has at least 8 characters"),
        (good, &["two words"], "is not 1 to 32 ASCII characters without blanks"),
        (good, &["ann", "--group", "unheard-of"], "no [[snmp.access]] is for group \"unheard-of\""),
        (good, &["ann", "--authentication", "SHA-224", "--privacy", "AES-256"], "AES-256 needs SHA-256 or longer"),
    ];
    for (phrases, options, expected) in table {
        let refused = workplace.add(phrases, options).unwrap_err();
        assert!(refused.contains(expected), "{options:?}: {refused}");
        assert!(!refused.contains("phrase!") && !refused.contains("1234567"), "{refused}");
    }
    assert_eq!(workplace.toml(), before);
    assert_eq!(fs::read_dir(workplace.path("secrets")).unwrap().count(), 2);
    let sha1 = workplace.add(good, &["ann", "--authentication", "SHA-1"]).unwrap_err();
    assert!(sha1.contains("snmp.allow_sha1"), "{sha1}");
}

#[test]
fn a_user_is_replaced_listed_and_removed() {
    let workplace = Workplace::new();
    let before = workplace.toml();
    let good = &["authentication phrase", "privacy phrase!"];
    workplace.add(good, &["noc"]).unwrap();
    workplace.add(good, &["noc", "--replace", "--authentication", "SHA-512", "--privacy", "AES-256"]).unwrap();
    workplace.add(good, &["traps", "--engine-id", "80001f8804deadbeef", "--privacy", "none"]).unwrap();
    let listed = workplace.run(&[], &["user", "list", "DIR"]).unwrap();
    let expected = "\
engine id 80007ed90511223344556677889900aabb
USER   GROUP      AUTHENTICATION  PRIVACY  ENGINE
noc    read-only  SHA-512         AES-256  this box
traps  read-only  SHA-256         -        80001f8804deadbeef
";
    assert_eq!(listed, expected);
    let json = workplace.run(&[], &["user", "list", "DIR", "--json"]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["engine_id"], ENGINE);
    assert_eq!(json["users"][0]["authentication"], "SHA-512");
    assert_eq!(json["users"][1]["engine_id"], "80001f8804deadbeef");
    assert!(workplace.is_good());
    assert_eq!(workplace.run(&[], &["user", "remove", "DIR", "eve"]).unwrap_err(), "there is no user eve");
    let said = workplace.run(&[], &["user", "remove", "DIR", "noc"]).unwrap();
    assert!(said.starts_with("User noc is removed, and secrets/snmp-noc.keys with its keys.\n"), "{said}");
    workplace.run(&[], &["user", "remove", "DIR", "traps", "--engine-id", "80001f8804deadbeef"]).unwrap();
    assert_eq!(workplace.toml(), before);
    assert_eq!(fs::read_dir(workplace.path("secrets")).unwrap().count(), 1);
}

#[test]
fn after_the_engine_id_changed_users_are_added_again_one_by_one() {
    let workplace = Workplace::new();
    let good = &["authentication phrase", "privacy phrase!"];
    workplace.add(good, &["ann"]).unwrap();
    workplace.add(good, &["bob"]).unwrap();
    fs::write(workplace.path("rais.toml"), workplace.toml().replace("1122334455", "9988776655")).unwrap();
    assert!(!workplace.is_good());
    let said = workplace.add(good, &["ann", "--replace"]).unwrap();
    assert!(said.contains("still has faults") && said.contains("bob"), "{said}");
    workplace.add(good, &["bob", "--replace"]).unwrap();
    assert!(workplace.is_good());
}

#[test]
fn help_tells_a_stranger_what_to_do_and_no_phrase_is_an_argument() {
    let mut command = Cli::command();
    let add = command.find_subcommand_mut("user").unwrap().find_subcommand_mut("add").unwrap();
    let help = add.render_long_help().to_string();
    for needed in ["at least 8 characters", "--passphrase-file", "raisctl config sign", "SHA-256", "AES-128", "engine"]
    {
        assert!(help.contains(needed), "{needed}: {help}");
    }
    let arguments: Vec<_> = add.get_arguments().map(|argument| argument.get_id().as_str().to_owned()).collect();
    assert!(!arguments.iter().any(|name| name == "passphrase" || name == "password"), "{arguments:?}");
}
