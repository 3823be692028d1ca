//! Signed bundles: what is taken, and what is refused.

use crate::fixture::{bundle, keyring_line, private_key, repository};
use rais::config::bundle::MANIFEST_FILE;
use rais::config::keyring::SignatureFault;
use rais::config::manifest::{FileFault, ImageVersion, Manifest, describe};
use rais::config::{BundleFiles, Configuration, Digest, Floor, Keyring, Rejected, Trust, load, signing};
use rais_core::address::HostName;
use rais_core::quantity::Generation;
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const NOC: u8 = 1;
const OPS: u8 = 2;
const STRANGER: u8 = 3;

fn manifest(files: &BundleFiles, generation: u64) -> Manifest {
    Manifest {
        device: HostName::new("edge-1").unwrap(),
        renames: None,
        generation: Generation(generation),
        parent: None,
        min_image: None,
        author: "noc".to_owned(),
        comment: String::new(),
        files: describe(files),
    }
}

fn put(files: &mut BundleFiles, path: &str, content: impl Into<Vec<u8>>) {
    files.0.extend(BundleFiles::from_iter([(path.to_owned(), content.into(), 0o644)]).0);
}

/// A bundle of the documented configuration with this manifest, signed by these keys.
fn signed_as(manifest: impl Fn(&BundleFiles) -> Manifest, signers: &[u8]) -> BundleFiles {
    let mut files = bundle(&fs::read(repository("config/rais.toml")).unwrap());
    let manifest = manifest(&files).to_toml();
    for (number, seed) in signers.iter().enumerate() {
        let name = if number == 0 { "manifest.toml.sig".to_owned() } else { format!("manifest.toml.sig.{number}") };
        put(&mut files, &name, signing::sign(manifest.as_bytes(), &private_key(*seed)).unwrap());
    }
    put(&mut files, MANIFEST_FILE, manifest);
    files
}

fn signed(generation: u64, signers: &[u8]) -> BundleFiles {
    signed_as(|files| manifest(files, generation), signers)
}

fn keyring() -> Keyring {
    let lines =
        keyring_line("noc@example.net", &private_key(NOC)) + &keyring_line("ops@example.net", &private_key(OPS));
    Keyring::parse("keyring", lines.as_bytes()).unwrap()
}

fn trust(floor: u64) -> Trust {
    let floor = Floor { generation: Generation(floor), digest: None };
    Trust::Signed { keyring: keyring(), signers_needed: 1, floor, device: None }
}

fn words(result: Result<Configuration, Rejected>) -> String {
    result.expect_err("is refused").to_string()
}

#[test]
fn a_bundle_signed_by_a_trusted_signer_is_taken_and_says_where_it_comes_from() {
    let files = signed(7, &[NOC]);
    let provenance = load(&files, &trust(6)).unwrap().provenance;
    assert_eq!((provenance.generation, provenance.signer().as_deref()), (Generation(7), Some("noc@example.net")));
    assert_eq!(provenance.digest, Digest::of(&files.0[MANIFEST_FILE].content));
}

#[test]
fn a_flipped_bit_in_any_file_is_found() {
    let good = signed(7, &[NOC]);
    for path in good.0.keys() {
        let mut files = good.clone();
        let content = &mut files.0.get_mut(path).unwrap().content;
        let middle = content.len() / 2;
        content[middle] ^= 1;
        let rejected = load(&files, &trust(0)).expect_err(path);
        let expected = match path.as_str() {
            "manifest.toml" | "manifest.toml.sig" => matches!(rejected, Rejected::Untrusted { .. }),
            _ => rejected == Rejected::Files(vec![FileFault::Changed(path.clone())]),
        };
        assert!(expected, "{path}: {rejected:?}");
    }
}

#[test]
fn no_octet_of_the_manifest_can_be_changed() {
    let good = signed(7, &[NOC]);
    for octet in 0..good.0[MANIFEST_FILE].content.len() {
        let mut files = good.clone();
        files.0.get_mut(MANIFEST_FILE).unwrap().content[octet] ^= 1 << (octet % 8);
        assert!(matches!(load(&files, &trust(0)), Err(Rejected::Untrusted { .. })), "octet {octet}");
    }
}

#[test]
fn extra_missing_and_changed_files_are_told_together() {
    let mut files = signed(7, &[NOC]);
    files.0.remove("secrets/http.key");
    put(&mut files, "scripts/acquire", "#!/bin/sh\nrm -rf /\n");
    put(&mut files, "scripts/more", "");
    put(&mut files, "manifest.toml.sig.x", "");
    assert_eq!(
        words(load(&files, &trust(0))),
        "scripts/acquire was changed after the bundle was signed; secrets/http.key is missing; \
         manifest.toml.sig.x is not in the manifest; scripts/more is not in the manifest"
    );
}

#[test]
fn without_a_good_signature_nothing_is_taken() {
    let mut unsigned = signed(7, &[]);
    assert_eq!(load(&unsigned, &trust(0)), Err(Rejected::NoSignature));
    unsigned.0.remove(MANIFEST_FILE);
    assert_eq!(load(&unsigned, &trust(0)), Err(Rejected::NoManifest));

    let fingerprint = private_key(STRANGER).fingerprint(HashAlg::Sha256);
    assert_eq!(
        words(load(&signed(7, &[STRANGER]), &trust(0))),
        format!("0 of 1 trusted signatures; manifest.toml.sig: its key {fingerprint} is not in the keyring")
    );

    let mut files = signed(7, &[NOC]);
    put(&mut files, "manifest.toml.sig", "-----BEGIN SSH SIGNATURE-----\nnonsense\n-----END SSH SIGNATURE-----\n");
    assert!(words(load(&files, &trust(0))).contains("it is not an OpenSSH signature that can be read"));
}

#[test]
fn a_signature_for_something_else_does_not_count() {
    let mut files = signed(7, &[]);
    let other = private_key(NOC).sign("file", HashAlg::Sha512, &files.0[MANIFEST_FILE].content).unwrap();
    put(&mut files, "manifest.toml.sig", other.to_pem(LineEnding::LF).unwrap());
    assert!(words(load(&files, &trust(0))).contains("it is for namespace \"file\", and not for \"rais-config@v1\""));

    // A trusted key, but in another role.
    let line = keyring_line("noc@example.net", &private_key(NOC)).replace("rais-config@v1", "rais-image@v1");
    let keyring = Keyring::parse("keyring", line.as_bytes()).unwrap();
    let signature = &signed(7, &[NOC]).0["manifest.toml.sig"].content;
    let refused = keyring.verify(&files.0[MANIFEST_FILE].content, signature).unwrap_err();
    assert_eq!(refused, SignatureFault::NotAllowed("noc@example.net".to_owned()));
}

#[test]
fn a_signature_of_another_bundle_does_not_fit() {
    let mut files = signed(8, &[]);
    files.0.insert("manifest.toml.sig".to_owned(), signed(7, &[NOC]).0["manifest.toml.sig"].clone());
    assert!(words(load(&files, &trust(0))).contains("it is by noc@example.net, but does not fit the manifest"));
}

#[test]
fn several_signatures_may_be_there_and_several_may_be_needed() {
    // A key is rolled over: the box does not know the new one yet.
    let provenance = load(&signed(7, &[STRANGER, NOC]), &trust(0)).unwrap().provenance;
    assert_eq!(provenance.signers, ["noc@example.net"]);

    let Trust::Signed { keyring, floor, device, .. } = trust(0) else { unreachable!() };
    let two = Trust::Signed { keyring, signers_needed: 2, floor, device };
    let provenance = load(&signed(7, &[OPS, STRANGER, NOC]), &two).unwrap().provenance;
    assert_eq!(provenance.signer().as_deref(), Some("noc@example.net, ops@example.net"));
    let refused = load(&signed(7, &[NOC, STRANGER]), &two).unwrap_err();
    assert!(matches!(refused, Rejected::Untrusted { good: 1, needed: 2, .. }), "{refused:?}");
    let twice = load(&signed(7, &[NOC, NOC]), &two).unwrap_err();
    assert!(matches!(twice, Rejected::Untrusted { good: 1, needed: 2, .. }), "one signer counts once: {twice:?}");
}

#[test]
fn an_older_generation_is_refused_and_the_confirmed_one_may_be_loaded_again() {
    let files = signed(7, &[NOC]);
    assert!(load(&files, &trust(6)).is_ok());
    assert_eq!(words(load(&files, &trust(8))), "generation 7 is not newer than 8, the highest confirmed one");
    assert!(matches!(load(&files, &trust(7)), Err(Rejected::Older { .. })), "the same number, unknown content");
    let with_digest = |digest| Trust::Signed {
        keyring: keyring(),
        signers_needed: 1,
        floor: Floor { generation: Generation(7), digest: Some(digest) },
        device: None,
    };
    assert!(load(&files, &with_digest(Digest::of(&files.0[MANIFEST_FILE].content))).is_ok());
    let other = load(&files, &with_digest(Digest::of(b"other"))).unwrap_err();
    assert!(matches!(other, Rejected::Older { .. }), "{other:?}");
}

#[test]
fn a_bundle_for_another_box_is_refused() {
    let for_edge_2 =
        signed_as(|files| Manifest { device: HostName::new("edge-2").unwrap(), ..manifest(files, 7) }, &[NOC]);
    assert_eq!(words(load(&for_edge_2, &trust(0))), "the manifest is for box edge-2, and rais.toml names edge-1");
    // The manifest and the TOML agree, but this is neither's box.
    let Trust::Signed { keyring, floor, .. } = trust(0) else { unreachable!() };
    let on = |name: &str| Trust::Signed {
        keyring: keyring.clone(),
        signers_needed: 1,
        floor,
        device: Some(HostName::new(name).unwrap()),
    };
    assert!(load(&signed(7, &[NOC]), &on("edge-1")).is_ok());
    let refused =
        "the manifest is for box edge-1, and this is edge-3; to rename this box, sign it with `--renames edge-3`";
    assert_eq!(words(load(&signed(7, &[NOC]), &on("edge-3"))), refused);
    // A bundle that says so renames the box that it names, and no other one.
    let renames = Some(HostName::new("edge-3").unwrap());
    let renaming = signed_as(|files| Manifest { renames: renames.clone(), ..manifest(files, 7) }, &[NOC]);
    for (name, taken) in [("edge-3", true), ("edge-1", true), ("edge-2", false)] {
        assert_eq!(load(&renaming, &on(name)).is_ok(), taken, "{name}");
    }
    // It says so under the signature.
    let mut forged = signed(7, &[NOC]);
    let content = String::from_utf8(forged.0[MANIFEST_FILE].content.to_vec()).unwrap();
    forged.0.get_mut(MANIFEST_FILE).unwrap().content =
        content.replacen("generation", "renames = \"edge-3\"\ngeneration", 1).into_bytes().into();
    assert!(matches!(load(&forged, &on("edge-3")), Err(Rejected::Untrusted { .. })));
}

#[test]
fn a_bundle_for_a_newer_image_is_refused() {
    let needing = |version| signed_as(move |files| Manifest { min_image: Some(version), ..manifest(files, 7) }, &[NOC]);
    assert!(load(&needing(ImageVersion::own()), &trust(0)).is_ok());
    let refused = words(load(&needing(ImageVersion([999, 0, 0])), &trust(0)));
    assert_eq!(refused, format!("it needs image 999.0.0 or newer, and this is {}", ImageVersion::own()));
}

#[test]
fn modes_are_those_that_were_signed() {
    // On a FAT partition every file has the same mode.
    let mut files = signed(7, &[NOC]);
    files.0.values_mut().for_each(|file| file.mode = 0o755);
    assert!(load(&files, &trust(0)).is_ok());

    let mut open = bundle(&fs::read(repository("config/rais.toml")).unwrap());
    open.0.get_mut("secrets/http.key").unwrap().mode = 0o644;
    let text = manifest(&open, 7).to_toml();
    put(&mut open, "manifest.toml.sig", signing::sign(text.as_bytes(), &private_key(NOC)).unwrap());
    put(&mut open, MANIFEST_FILE, text);
    open.0.get_mut("secrets/http.key").unwrap().mode = 0o600;
    assert!(words(load(&open, &trust(0))).contains("secrets/http.key is open to others (mode 0644)"));
}

#[test]
fn faults_of_a_signed_configuration_are_told_like_those_of_any_other() {
    let mut files = bundle(b"version = 1\n[box]\nname = \"edge-1\"\nx = 1\n");
    let text = manifest(&files, 7).to_toml();
    put(&mut files, "manifest.toml.sig", signing::sign(text.as_bytes(), &private_key(NOC)).unwrap());
    put(&mut files, MANIFEST_FILE, text);
    let expected = "rais.toml:4:1: box.x: unknown key; known here are `name`, `contact` and `location`";
    assert_eq!(words(load(&files, &trust(0))), expected);
}

#[test]
fn unsigned_means_without_signature_and_not_without_checks() {
    let mut files = signed(7, &[]);
    let provenance = load(&files, &Trust::InsecureUnsigned).unwrap().provenance;
    assert_eq!((provenance.generation, provenance.signer()), (Generation(7), None));
    put(&mut files, "scripts/acquire", "changed");
    assert!(matches!(load(&files, &Trust::InsecureUnsigned), Err(Rejected::Files(_))));
    files.0.remove(MANIFEST_FILE);
    let without_manifest = load(&files, &Trust::InsecureUnsigned);
    assert!(words(without_manifest).contains("scripts/acquire is not executable"));
}

/// Runs OpenSSH's own tool in a directory.
fn ssh_keygen(directory: &Path, arguments: &[&str], input: Option<&str>) {
    let stdin = input.map_or_else(Stdio::null, |name| fs::File::open(directory.join(name)).unwrap().into());
    let output = Command::new("ssh-keygen").args(arguments).current_dir(directory).stdin(stdin).output();
    let output = output.expect("ssh-keygen is installed (package openssh-client)");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn openssh_signs_what_we_verify_with_every_kind_of_key() {
    for arguments in [&["-t", "ed25519"][..], &["-t", "ecdsa", "-b", "256"], &["-t", "rsa", "-b", "2048"]] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        ssh_keygen(path, &[arguments, &["-q", "-N", "", "-f", "key"]].concat(), None);
        let mut files = signed(7, &[]);
        fs::write(path.join("manifest.toml"), &files.0[MANIFEST_FILE].content).unwrap();
        ssh_keygen(path, &["-q", "-Y", "sign", "-n", "rais-config@v1", "-f", "key", "manifest.toml"], None);
        put(&mut files, "manifest.toml.sig", fs::read(path.join("manifest.toml.sig")).unwrap());

        let public = fs::read_to_string(path.join("key.pub")).unwrap();
        let line = format!("noc namespaces=\"rais-config@v1\" {public}");
        let keyring = Keyring::parse("keyring", line.as_bytes()).unwrap();
        let trust = Trust::Signed { keyring, signers_needed: 1, floor: Floor::default(), device: None };
        let provenance = load(&files, &trust).unwrap_or_else(|why| panic!("{arguments:?}: {why}")).provenance;
        assert_eq!(provenance.signers, ["noc"], "{arguments:?}");
        files.0.get_mut(MANIFEST_FILE).unwrap().content[3] ^= 1;
        assert!(matches!(load(&files, &trust), Err(Rejected::Untrusted { .. })), "{arguments:?}");
    }
}

#[test]
fn openssh_verifies_what_we_sign_with_the_same_keyring() {
    for arguments in [&["-t", "ed25519"][..], &["-t", "ecdsa", "-b", "256"]] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        ssh_keygen(path, &[arguments, &["-q", "-N", "", "-f", "key"]].concat(), None);
        let key = PrivateKey::read_openssh_file(&path.join("key")).unwrap();
        let manifest = signed(7, &[]).0[MANIFEST_FILE].content.clone();
        fs::write(path.join("manifest.toml"), &manifest).unwrap();
        fs::write(path.join("manifest.toml.sig"), signing::sign(&manifest, &key).unwrap()).unwrap();
        fs::write(path.join("keyring"), keyring_line("noc", &key)).unwrap();
        let verify = ["-Y", "verify", "-f", "keyring", "-I", "noc", "-n", "rais-config@v1", "-s", "manifest.toml.sig"];
        ssh_keygen(path, &verify, Some("manifest.toml"));
    }
}

/// `ssh-key` 0.6 can not sign with RSA keys (it hands the same prime twice to `rsa`): OpenSSH has to.
#[test]
fn rsa_keys_verify_but_sign_only_with_openssh() {
    let directory = tempfile::tempdir().unwrap();
    ssh_keygen(directory.path(), &["-t", "rsa", "-b", "2048", "-q", "-N", "", "-f", "key"], None);
    let key = PrivateKey::read_openssh_file(&directory.path().join("key")).unwrap();
    assert_eq!(signing::sign(b"manifest", &key), Err(signing::SigningError::Kind("ssh-rsa".to_owned())));
}

#[test]
fn keys_that_are_too_weak_or_unknown_are_no_part_of_a_keyring() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (arguments, why) in [
        (&["-t", "rsa", "-b", "1024"][..], "an RSA key of 1024 bits, at least 2048 are needed"),
        (&["-t", "ecdsa", "-b", "521"], "ecdsa-sha2-nistp521 is not understood"),
        (&["-t", "dsa"], "ssh-dss is not understood"),
    ] {
        let name = arguments.concat();
        ssh_keygen(path, &[arguments, &["-q", "-N", "", "-f", &name]].concat(), None);
        let public = fs::read_to_string(path.join(format!("{name}.pub"))).unwrap();
        let faults = Keyring::parse("keyring", format!("noc namespaces=\"rais-config@v1\" {public}").as_bytes());
        let faults = faults.expect_err(&name).to_string();
        assert!(faults.contains(why), "{faults}");
    }
}
