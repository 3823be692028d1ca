//! Configurations at a start and at a reload: what is refused, and that a refusal changes nothing.

use super::lab::{Gateway, Lab, until};
use super::signing;
use nix::sys::signal::Signal;
use rais_core::notification::Notification;
use std::fs;
use std::path::Path;

#[test]
fn raisd_says_why_it_does_not_start_and_exits_with_its_own_code() {
    let mut lab = Lab::new(1);
    let good = lab.gateway(1).configuration();
    let mut started = |text: &str| {
        lab.gateway(1).write_configuration(text);
        let output = lab.gateway(1).command().output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = started(&good.replace("port = 7077", "port = 70777\nfrobnicate = 1"));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("port") && said.contains("frobnicate"), "{said}");
    let (code, said) = started(&good.replace("kernel_name = \"lan\"", "kernel_name = \"none\""));
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("none"), "{said}");
    // Without --insecure-unsigned nothing that nobody signed is run.
    lab.gateway(1).write_configuration(&good);
    let mut signed_only = lab.gateway(1).signed_command();
    let output = signed_only.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    // A second raisd at the same socket is refused, and the first is not harmed.
    lab.start();
    let second = lab.gateway(1).command().output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(5), "{said}");
    assert!(said.contains("another raisd"), "{said}");
    lab.settle();
}

#[test]
fn a_bad_reload_changes_nothing_and_says_why_everywhere() {
    let mut lab = Lab::new(2);
    lab.start();
    let before = lab.gateway(1).status().unwrap().0.about.digest.clone();
    let good = lab.gateway(1).configuration();
    let three_faults = good
        .replace("name = \"box-1\"", "nmae = \"box-1\"")
        .replace("beat = \"100ms\"", "beat = \"1ms\"")
        .replace("port = 7077", "port = 70777");
    let table: [(&str, String, &[&str]); 4] = [
        ("an unknown key", good.replace("[snmp]", "frobnicate = true\n[snmp]"), &["frobnicate"]),
        ("three faults at once", three_faults, &["nmae", "beat", "port"]),
        ("a flipped bit", good.replace("version = 1", "version = 3"), &["version"]),
        ("a NIC that is not there", good.replace("kernel_name = \"control\"", "kernel_name = \"none\""), &["none"]),
    ];
    for (what, text, reasons) in table {
        lab.gateway(1).write_configuration(&text);
        let output = lab.gateway(1).raisctl("reload");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        let (snapshot, _) = until("the status tells of it", || {
            let status = lab.gateways()[0].status()?;
            if status.0.about.last_reload.is_some() { Ok(status) } else { Err(String::from("it does not")) }
        });
        let shown = snapshot.about.last_reload.clone().unwrap().unwrap_err();
        for reason in reasons {
            assert!(said.contains(reason), "{what}: raisctl said {said}");
            assert!(shown.contains(reason), "{what}: the status shows {shown}");
        }
        assert_eq!(snapshot.about.digest, before, "{what}");
        lab.settle();
    }
    assert!(lab.gateway(1).log().contains("the running one stays"));
    // And a good one clears it; that it was the signal this time makes no difference.
    lab.gateway(1).write_configuration(&good.replace("lease = \"1000ms\"", "lease = \"2s\""));
    lab.gateway(1).signal(Signal::SIGHUP);
    until("the good one is in force", || {
        let (snapshot, _) = lab.gateways()[0].status()?;
        let reloaded = snapshot.about.digest != before && matches!(snapshot.about.last_reload, Some(Ok(_)));
        if reloaded { Ok(()) } else { Err(format!("{:?}", snapshot.about.last_reload)) }
    });
    lab.settle();
}

/// Signs a box's bundle.
fn sign(gateway: &Gateway, key: &Path, options: &str) {
    let directory = gateway.configuration_directory();
    let arguments = format!("config sign {} --key {} {options}", directory.display(), key.display());
    let output = gateway.raisctl(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Starts a box that takes only what is signed.
fn start_signed(gateway: &mut Gateway, keyring: &Path) {
    let log = gateway.append_to_log();
    let mut command = gateway.signed_command();
    command.arg("--keyring").arg(keyring).stderr(log);
    gateway.start_as(command);
}

fn refuses(gateway: &Gateway, reason: &str) {
    let output = gateway.raisctl("reload");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains(reason), "{reason}: {said}");
}

#[test]
fn only_a_signed_configuration_that_is_no_older_is_taken_by_a_reload_or_a_restart() {
    let mut lab = Lab::new(1);
    let gateway = lab.gateway(1);
    let directory = gateway.configuration_directory();
    let (key, keyring) = signing::key_and_keyring(&gateway.state().with_file_name("signing"));
    sign(gateway, &key, "--generation 5");
    start_signed(gateway, &keyring);
    let (snapshot, _) = gateway.status().unwrap();
    assert_eq!(snapshot.about.signer.as_deref(), Some("noc@example.net"));
    assert_eq!(snapshot.view.generation.0, 5);
    // A flipped bit in the text, in a secret, in the manifest.
    for name in ["rais.toml", "secrets/http.key", "manifest.toml"] {
        let file = directory.join(name);
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        bad[10] ^= 1;
        fs::write(&file, bad).unwrap();
        refuses(gateway, if name == "manifest.toml" { "0 of 1 trusted signatures" } else { name });
        fs::write(&file, good).unwrap();
    }
    gateway.write_configuration(
        &gateway.configuration().replace("name = \"box-1\"", "name = \"box-1\"\ncontact = \"noc\""),
    );
    sign(gateway, &key, "--generation 7");
    assert!(gateway.raisctl("reload").status.success());
    assert_eq!(gateway.status().unwrap().0.view.generation.0, 7);
    // raisctl itself would not sign an older one over a newer one.
    fs::remove_file(directory.join("manifest.toml")).unwrap();
    sign(gateway, &key, "--generation 6");
    refuses(gateway, "generation 6");
    assert_eq!(gateway.status().unwrap().0.about.contact, "noc");
    // Nor does a restart bring the old one back.
    gateway.signal(Signal::SIGTERM);
    gateway.wait();
    let output = gateway.signed_command().arg("--keyring").arg(&keyring).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("generation 6"), "{said}");
    sign(gateway, &key, "--generation 8");
    start_signed(gateway, &keyring);
}

#[test]
fn a_box_is_renamed_by_a_bundle_that_is_signed_to_rename_it_and_by_no_other() {
    let mut lab = Lab::new(2);
    lab.gateway(2).start();
    let gateway = lab.gateway(1);
    let (key, keyring) = signing::key_and_keyring(&gateway.state().with_file_name("signing"));
    sign(gateway, &key, "");
    start_signed(gateway, &keyring);
    lab.settle();
    let moves: Vec<usize> = lab.gateways().iter().map(Gateway::moves).collect();
    let gateway = lab.gateway(1);
    let renamed = gateway.configuration().replace("name = \"box-1\"", "name = \"gate-1\"");
    gateway.write_configuration(&renamed);
    sign(gateway, &key, "");
    refuses(gateway, "for box gate-1, and this is box-1; to rename this box, sign it with `--renames box-1`");
    sign(gateway, &key, "--renames box-3");
    refuses(gateway, "this is box-1");
    assert_eq!(gateway.status().unwrap().0.view.name.as_str(), "box-1");
    sign(gateway, &key, "--renames box-1");
    let output = gateway.raisctl("reload");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(gateway.log().contains("this box is renamed"), "{}", gateway.log());
    until("both boxes know the new name", || {
        let names = lab.gateways().iter().map(|gateway| Ok(gateway.group()?.hosts[0].name.to_string()));
        let names: Vec<String> = names.collect::<Result<_, String>>()?;
        if names == ["gate-1", "gate-1"] { Ok(()) } else { Err(format!("{names:?}")) }
    });
    // It is the same box: nothing moved.
    assert_eq!(lab.gateways().iter().map(Gateway::moves).collect::<Vec<_>>(), moves);
    // It is what it is after a restart, with this bundle and with the next one, and is no more what it was.
    let gateway = lab.gateway(1);
    gateway.kill();
    start_signed(gateway, &keyring);
    sign(gateway, &key, "");
    assert!(gateway.raisctl("reload").status.success());
    assert_eq!(gateway.status().unwrap().0.view.name.as_str(), "gate-1");
    gateway.write_configuration(&gateway.configuration());
    sign(gateway, &key, "");
    refuses(gateway, "for box box-1, and this is gate-1");
}

#[test]
fn a_reload_that_changes_nothing_moves_nothing() {
    let mut lab = Lab::new(2);
    lab.start();
    let newest = |lab: &Lab| lab.gateways().iter().map(|gateway| gateway.moves()).collect::<Vec<_>>();
    let before = newest(&lab);
    for _ in 0..5 {
        let output = lab.gateway(1).raisctl("reload");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    lab.settle();
    assert_eq!(newest(&lab), before);
}

#[test]
fn a_reload_adds_and_removes_addresses_and_groups() {
    let mut lab = Lab::new(2);
    lab.start();
    let text = lab.gateway(1).configuration();
    let group = text[text.find("[[group]]").unwrap()..text.find("[snmp]").unwrap()].to_owned();
    let second = group.replace("\"http\"", "\"dns\"").replace("7077", "7078").replace("10.99.0.101", "10.99.0.111");
    let second = second.replace("pool_addresses = [\"10.99.0.150\", \"fd00:99::150\"]", "pool_addresses = []");
    lab.gateway(1).write_configuration(&text.replace("[snmp]", &format!("{second}\n[snmp]")).replace("0.101", "0.121"));
    let output = lab.gateway(1).raisctl("reload");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let serves = |lab: &Lab, wanted: &[(&str, bool)]| {
        let wrong = wanted.iter().find(|(address, there)| lab.gateways()[0].has(address) != *there);
        wrong.map_or(Ok(()), |(address, there)| Err(format!("{address} is there: {}", !there)))
    };
    until("the new addresses are served, the old one is not", || {
        serves(&lab, &[("10.99.0.111", true), ("10.99.0.121", true), ("10.99.0.101", false)])
    });
    lab.gateway(1).write_configuration(&text);
    assert!(lab.gateway(1).raisctl("reload").status.success());
    until("all is as it was", || {
        serves(&lab, &[("10.99.0.111", false), ("10.99.0.121", false), ("10.99.0.101", true)])
    });
    until("the group is forgotten", || {
        let (snapshot, _) = lab.gateways()[0].status()?;
        if snapshot.view.groups.len() == 1 { Ok(()) } else { Err(format!("{} groups", snapshot.view.groups.len())) }
    });
}

/// Has a box run a script of this text for each acquire and release.
fn script(gateway: &Gateway, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = gateway.configuration_directory().join("script");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let keys = "acquire_script = \"script\"\nrelease_script = \"script\"\nscript_timeout = \"2s\"\n";
    gateway.write_configuration(&gateway.configuration().replace("beat =", &format!("{keys}beat =")));
}

/// A, figure 5C, steps 564, 566 and 570, on real interfaces (G-31).
#[test]
fn a_release_script_that_fails_is_told_of_and_keeps_no_address() {
    let mut lab = Lab::new(2);
    script(lab.gateway(2), "#!/bin/sh\n[ $RAIS_ACTION = acquire ] || { echo no good >&2; exit 7; }\n");
    lab.start();
    assert!(lab.gateway(2).raisctl("drain").status.success());
    until("box 1 serves everything", || match lab.service_addresses().iter().all(|a| lab.gateways()[0].has(a)) {
        true => lab.each_on_one_kernel(),
        false => Err(String::from("not yet")),
    });
    let told: Vec<_> = lab.gateway(2).events().into_iter().map(|event| event.notification).collect();
    let failed = told.iter().find_map(|told| match told {
        Notification::ReleaseFailed { error, .. } => Some(error),
        _ => None,
    });
    assert!(failed.is_some_and(|error| error.contains("exit status 7") && error.contains("no good")), "{told:?}");
    assert!(told.iter().any(|told| matches!(told, Notification::Release { .. })), "{told:?}");
}

/// A, figures 5B and 5C, steps 530, 532, 560 and 562, on real interfaces.
#[test]
fn scripts_run_with_the_documented_environment_and_a_failing_one_keeps_the_address_away() {
    let mut lab = Lab::new(2);
    let note = lab.gateway(1).state().with_file_name("scripts-ran");
    let note_path = note.display();
    let text = format!("#!/bin/sh\nexec /usr/bin/env >> {note_path}\n");
    script(lab.gateway(1), &text);
    // Box 2 can not serve 10.99.0.102: box 1 has to.
    script(lab.gateway(2), "#!/bin/sh\n[ $RAIS_ACTION = release ] || { echo no good >&2; exit 7; }\n");
    for number in 1..=2 {
        lab.gateway(number).start();
    }
    until("box 1 serves everything", || match lab.service_addresses().iter().all(|a| lab.gateways()[0].has(a)) {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    // On a busy machine box 1 may lead before it hears box 2, and has box 2 try when it does.
    let failed = until("box 2 tried its own address", || {
        let failed = lab.gateways()[1].events().into_iter().find_map(|event| match event.notification {
            Notification::AcquireFailed { error, .. } => Some(error),
            _ => None,
        });
        failed.ok_or_else(|| String::from("no attempt"))
    });
    assert!(failed.contains("exit status 7") && failed.contains("no good"), "{failed}");
    assert!(!lab.gateway(2).has("10.99.0.102"));
    assert!(lab.gateway(1).raisctl("release 10.99.0.101").status.success());
    until("it was released and acquired again", || {
        let ran = fs::read_to_string(&note).unwrap();
        if ran.contains("RAIS_ACTION=release") { Ok(()) } else { Err(ran) }
    });
    let ran = fs::read_to_string(&note).unwrap();
    for line in ["RAIS_ACTION=acquire", "RAIS_GROUP=http", "RAIS_ADDRESS=10.99.0.101", "RAIS_INTERFACE=lan"] {
        assert!(ran.lines().any(|found| found == line), "{line} in {ran}");
    }
    assert!(ran.contains("RAIS_HOST=box-1") && !ran.contains("HOME="), "{ran}");
}
