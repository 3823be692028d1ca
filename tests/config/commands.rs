//! `raisctl config`: what it prints, what it writes, and what it refuses to do.

use crate::fixture::{KEY, keyring_line, private_key, repository};
use clap::{CommandFactory, Parser};
use rais::ctl::config_command::{ConfigArgs, ConfigCommandError, execute};
use ssh_key::LineEnding;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[derive(Debug, Parser)]
#[command(name = "raisctl config")]
struct Cli {
    #[command(flatten)]
    config: ConfigArgs,
}

fn raisctl(arguments: &[&str]) -> Result<(bool, String), ConfigCommandError> {
    let cli = Cli::try_parse_from([&["raisctl config"], arguments].concat()).unwrap();
    let mut out = Vec::new();
    let good = execute(cli.config, &mut out)?;
    Ok((good, String::from_utf8(out).unwrap()))
}

/// A directory with a bundle of the minimal example, and next to it two keys and a keyring.
struct Workplace(tempfile::TempDir);

impl Workplace {
    fn new() -> Self {
        let workplace = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(workplace.path("bundle/secrets")).unwrap();
        workplace.write(
            "bundle/rais.toml",
            &fs::read_to_string(repository("config/examples/minimal.toml")).unwrap(),
            0o644,
        );
        workplace.write("bundle/secrets/http.key", KEY, 0o600);
        let mut keyring = String::new();
        for (name, seed) in [("noc", 1), ("ops", 2)] {
            let key = private_key(seed);
            workplace.write(name, &key.to_openssh(LineEnding::LF).unwrap(), 0o600);
            workplace.write(&format!("{name}.pub"), &key.public_key().to_openssh().unwrap(), 0o644);
            keyring += &keyring_line(name, &key);
        }
        workplace.write("keyring", &keyring, 0o644);
        workplace
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &str, mode: u32) {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn exists(&self, name: &str) -> bool {
        Path::new(&self.path(name)).exists()
    }

    fn sign(&self, arguments: &[&str]) -> Result<(bool, String), ConfigCommandError> {
        raisctl(&[&["sign", &self.path("bundle")], arguments].concat())
    }

    fn verify(&self, arguments: &[&str]) -> (bool, String) {
        raisctl(&[&["verify", &self.path("bundle"), "--keyring", &self.path("keyring")], arguments].concat()).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let error = self.sign(arguments).expect_err("is refused").to_string();
        error.replace(self.0.path().to_str().unwrap(), "DIR")
    }
}

fn fits_80_columns(text: &str) {
    let digest = |line: &str| line.contains("digest");
    let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80 && !digest(line)).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn check_sums_up_a_good_configuration_as_a_directory_and_as_a_file() {
    let workplace = Workplace::new();
    for path in ["bundle", "bundle/rais.toml"] {
        let (good, text) = raisctl(&["check", &workplace.path(path)]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(good);
        assert_eq!(
            lines[..4],
            [
                "Good: a configuration for box edge-1.",
                "  group http at 239.77.0.1:7077: a server as 10.9.0.1, with 1 preferred address",
                "      and 0 pool addresses",
                "  1 interface, 0 routes, 0 tests, 0 load objects, 0 zones, 0 trap receivers",
            ]
        );
        fits_80_columns(&text);
    }
}

#[test]
fn check_lists_faults_and_counts_them() {
    let workplace = Workplace::new();
    let toml = fs::read_to_string(repository("tests/config/bad/three-faults-at-once.toml")).unwrap();
    workplace.write("bundle/rais.toml", &toml, 0o644);
    let (good, text) = raisctl(&["check", &workplace.path("bundle")]).unwrap();
    let expected = "\
rais.toml:17:1: group[0].prefered_addresses: unknown key; did you mean
    `preferred_addresses`?
rais.toml:18:8: group[0].beat: \"100\" is not a duration; write it as \"100ms\",
    \"3s\", \"5m\" or \"1h\"
rais.toml:19:10: group[0].tests[0]: no [[test]] is named \"web\"
3 faults.
";
    assert_eq!((good, text.as_str()), (false, expected));
    let (good, json) = raisctl(&["check", "--json", &workplace.path("bundle")]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(!good && json["good"] == false);
    assert_eq!(json["faults"][2]["path"], "group[0].tests[0]");
    assert_eq!(json["faults"][2]["line"], 19);
}

#[test]
fn a_bundle_renames_a_box_only_if_it_is_signed_so() {
    let workplace = Workplace::new();
    let noc = workplace.path("noc");
    workplace.sign(&["--key", &noc]).unwrap();
    let toml = fs::read_to_string(workplace.path("bundle/rais.toml")).unwrap();
    workplace.write("bundle/rais.toml", &toml.replacen("name = \"edge-1\"", "name = \"edge-7\"", 1), 0o644);
    let (_, text) = workplace.sign(&["--key", &noc]).unwrap();
    assert!(text.contains("refuses this one") && text.contains("`--renames edge-1`"), "{text}");
    assert!(!workplace.verify(&["--device", "edge-1"]).0);
    let (_, text) = workplace.sign(&["--key", &noc, "--renames", "edge-1"]).unwrap();
    assert!(text.contains("A box called edge-1 takes it, and is edge-7 from then on."), "{text}");
    for (name, good) in [("edge-1", true), ("edge-7", true), ("edge-2", false)] {
        assert_eq!(workplace.verify(&["--device", name]).0, good, "{name}");
    }
    // The next one is for the box under its new name alone.
    let (_, text) = workplace.sign(&["--key", &noc]).unwrap();
    assert!(!text.contains("edge-1"), "{text}");
    assert!(!workplace.verify(&["--device", "edge-1"]).0);
}

#[test]
fn check_tells_of_a_secret_that_others_can_read_and_of_a_file_that_is_not_there() {
    let workplace = Workplace::new();
    workplace.write("bundle/secrets/http.key", KEY, 0o644);
    let (good, text) = raisctl(&["check", &workplace.path("bundle/rais.toml")]).unwrap();
    assert!(!good && text.contains("is open to others (mode\n    0644)"), "{text}");
    fs::remove_file(workplace.path("bundle/secrets/http.key")).unwrap();
    let (good, text) = raisctl(&["check", &workplace.path("bundle")]).unwrap();
    assert!(!good && text.contains("secrets/http.key is not in the"), "{text}");
    let error = raisctl(&["check", &workplace.path("nowhere")]).unwrap_err();
    assert!(matches!(error, ConfigCommandError::NoFile(_)), "{error}");
}

#[test]
fn what_is_signed_is_verified_and_every_change_is_found() {
    let workplace = Workplace::new();
    let noc = workplace.path("noc");
    let (good, text) = workplace.sign(&["--key", &noc, "--comment", "first", "--author", "noc"]).unwrap();
    assert!(good);
    assert!(text.starts_with("Manifest of generation 1 for box edge-1, with 2 files.\nSigned with SHA256:"), "{text}");

    let (good, text) = workplace.verify(&["--device", "edge-1"]);
    assert!(good && text.starts_with("Good: generation 1 for box edge-1, signed by noc.\n"), "{text}");
    let (good, json) = workplace.verify(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(good && json["signers"] == serde_json::json!(["noc"]) && json["generation"] == 1, "{json}");

    for (arguments, why) in [
        (&["--floor", "1"][..], "Generation 1 is not newer than 1, the highest confirmed one.\n"),
        (
            &["--device", "edge-9"],
            "The manifest is for box edge-1, and this is edge-9; to rename this box, sign it\n    with `--renames edge-9`.\n",
        ),
        (&["--signers", "2"], "It has 1 of 2 trusted signatures.\n"),
    ] {
        assert_eq!(workplace.verify(arguments), (false, why.to_owned()));
    }
    let (good, text) = raisctl(&["check", &workplace.path("bundle")]).unwrap();
    assert!(good && text.contains("Its manifest is of generation 1;"), "{text}");
    workplace.write("bundle/more", "", 0o644);
    let (good, text) = raisctl(&["check", &workplace.path("bundle")]).unwrap();
    assert!(good && text.contains("no longer fits; sign it again: more is not in the\n    manifest."), "{text}");
    workplace.write("bundle/rais.toml", "version = 1\n", 0o644);
    let (good, text) = workplace.verify(&[]);
    let expected = "\
rais.toml was changed after the bundle was signed
more is not in the manifest
The bundle is not what was signed.
";
    assert_eq!((good, text.as_str()), (false, expected));
}

#[test]
fn signing_again_takes_the_next_generation_names_its_parent_and_drops_old_signatures() {
    let workplace = Workplace::new();
    let (noc, ops) = (workplace.path("noc"), workplace.path("ops"));
    workplace.sign(&["--key", &noc, "--generation", "7"]).unwrap();
    workplace.sign(&["--key", &ops, "--add-signature"]).unwrap();
    assert!(workplace.exists("bundle/manifest.toml.sig.1"));
    assert!(workplace.verify(&["--signers", "2"]).0);
    let refused = workplace.refused(&["--key", &noc, "--generation", "7"]);
    assert!(
        refused.contains("the bundle has generation 7 already") && refused.contains("take 8 or higher"),
        "{refused}"
    );
    assert!(workplace.verify(&["--signers", "2"]).0, "what was refused changed nothing");

    let digest = rais::config::Digest::of(&fs::read(workplace.path("bundle/manifest.toml")).unwrap());
    workplace.sign(&["--key", &noc]).unwrap();
    let manifest = fs::read_to_string(workplace.path("bundle/manifest.toml")).unwrap();
    assert!(
        manifest.contains("generation = 8\n") && manifest.contains(&format!("parent = \"{digest}\"")),
        "{manifest}"
    );
    assert!(!workplace.exists("bundle/manifest.toml.sig.1"));
    assert!(workplace.verify(&["--floor", "7"]).0);
}

#[test]
fn a_faulty_configuration_is_not_signed() {
    let workplace = Workplace::new();
    workplace.write("bundle/rais.toml", "version = 1\n", 0o644);
    let (good, text) = workplace.sign(&["--key", &workplace.path("noc")]).unwrap();
    assert_eq!((good, text.as_str()), (false, "rais.toml:1:1: box: is missing\n1 fault.\n"));
    assert!(!workplace.exists("bundle/manifest.toml"));
}

#[test]
fn a_key_that_only_openssh_can_use_leaves_a_manifest_and_the_command_to_sign_it() {
    let workplace = Workplace::new();
    let expected = "the manifest is written, but only OpenSSH can sign with this key here; let it sign with:\n  \
                    ssh-keygen -Y sign -n rais-config@v1 -f DIR/noc.pub < DIR/bundle/manifest.toml > \
                    DIR/bundle/manifest.toml.sig";
    assert_eq!(workplace.refused(&["--key", &workplace.path("noc.pub")]), expected);
    let (good, text) = workplace.sign(&["--manifest-only", "--key", &workplace.path("noc")]).unwrap();
    assert!(good);
    let command = text.lines().last().unwrap().trim();
    let shell = std::process::Command::new("sh").args(["-c", command]).stderr(std::process::Stdio::null()).status();
    assert!(shell.unwrap().success(), "{command}");
    let (good, text) = workplace.verify(&[]);
    assert!(good && text.contains("generation 2 for box edge-1, signed by noc"), "{text}");
}

#[test]
fn a_key_with_a_passphrase_is_asked_for_only_on_a_terminal() {
    let workplace = Workplace::new();
    let locked = workplace.path("locked");
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "secret", "-f", &locked]).status();
    assert!(made.unwrap().success());
    // Tests have no terminal on standard input in CI; with one, the question could not be answered.
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return;
    }
    let refused = workplace.refused(&["--key", &locked]);
    assert!(refused.contains("ssh-keygen -Y sign -n rais-config@v1 -f DIR/locked <"), "{refused}");
}

#[test]
fn what_can_not_be_signed_is_said_before_anything_is_written() {
    let workplace = Workplace::new();
    let noc = workplace.path("noc");
    assert_eq!(workplace.refused(&["--key", &workplace.path("nobody")]), "DIR/nobody: there is no such file");
    assert!(workplace.refused(&["--key", &workplace.path("keyring")]).contains("not a private key"));
    assert!(workplace.refused(&["--key", &noc, "--comment", "two\nlines"]).contains("comment: holds '\\n'"));
    assert!(workplace.refused(&["--key", &noc, "--add-signature"]).contains("there is no manifest.toml"));
    workplace.write("bundle/with space", "", 0o644);
    assert!(workplace.refused(&["--key", &noc]).contains("with space is not possible"));
    assert!(!workplace.exists("bundle/manifest.toml"));
}

#[test]
fn a_bad_keyring_is_refused_with_its_faults() {
    let workplace = Workplace::new();
    workplace.sign(&["--key", &workplace.path("noc")]).unwrap();
    workplace.write("keyring", "noc ssh-ed25519 AAAA\n", 0o644);
    let error = raisctl(&["verify", &workplace.path("bundle"), "--keyring", &workplace.path("keyring")]).unwrap_err();
    assert!(error.to_string().contains("keyring:1:1: say what noc may sign"), "{error}");
}

#[test]
fn help_fits_80_columns_and_the_command_line_is_sound() {
    let mut command = Cli::command();
    command.clone().debug_assert();
    for name in ["check", "sign", "verify"] {
        let help = command.find_subcommand_mut(name).unwrap().clone().term_width(80).render_long_help().to_string();
        fits_80_columns(&help);
    }
}
