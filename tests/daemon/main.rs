//! Real `raisd` and `raisctl` processes in network namespaces: what is promised of a box is looked for from outside, in
//! its kernel, on its wire and on its sockets. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fuzz;
mod lab;
mod prober;
mod signing;
mod snmp;
mod terminal;

use lab::{LEASE, Lab, until};
use nix::sys::signal::Signal;
use prober::Prober;
use rais::ctl::protocol::{Request, Response};
use rais_core::notification::{HostState, Notification};
use rais_core::view::AddressState;
use std::fs;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// The dead interval of the lab's configuration.
const DEAD_AFTER: Duration = Duration::from_millis(300);

#[test]
fn three_boxes_serve_every_address_once_and_each_preferred_one_at_home() {
    let mut lab = Lab::new(3);
    lab.start();
    let group = lab.gateway(1).group().unwrap();
    assert!(group.leads(), "the lowest id leads: {:?}", group.leader);
    for row in &group.addresses {
        assert!(!row.orphan, "{} is away from home", row.address);
    }
    // The other control network is used, and its duplicates are told from what is dropped for a reason.
    let drops = &group.counters.drops;
    assert!(drops.of(rais_core::counters::DropCause::Duplicate) > 0);
    assert_eq!(drops.total(), drops.of(rais_core::counters::DropCause::Duplicate), "{drops:?}");
}

#[test]
fn a_killed_box_loses_its_addresses_to_others_and_its_kernel_drops_them_within_the_lease() {
    let mut lab = Lab::new(3);
    lab.start();
    let probe = Prober::start(&lab.client(), Ipv4Addr::new(10, 99, 0, 103));
    let killed = Instant::now();
    lab.gateway(3).kill();
    until("the others serve 10.99.0.103", || {
        let group = lab.gateways()[0].group()?;
        let row = group.addresses.iter().find(|row| row.address.to_string() == "10.99.0.103").unwrap();
        let moved = row.state == AddressState::Online && row.server != row.preferred;
        if moved { Ok(()) } else { Err(format!("{row:?}")) }
    });
    until("the dead box's kernel has dropped everything", || {
        let left: Vec<String> = lab.service_addresses().into_iter().filter(|a| lab.gateways()[2].has(a)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    let dropped = killed.elapsed();
    lab.each_on_one_kernel().unwrap();
    let trace = probe.stop();
    let silence = trace.longest_silence();
    println!(
        "killed: silent for {silence:?}, answered by boxes {:?}; kernel dropped after {dropped:?}",
        trace.servers()
    );
    // The kernel counts whole seconds and looks at its list about as often.
    assert!(dropped < LEASE + Duration::from_secs(2), "{dropped:?}");
    assert_eq!(trace.servers().last(), lab.gateways().iter().find(|g| g.has("10.99.0.103")).map(|g| &g.number));
    // Generous: the promise is dead interval + 100 ms, and this machine runs other things.
    assert!(silence < DEAD_AFTER + Duration::from_millis(700), "{silence:?}");
    let died = |event: &rais::event::Event| {
        matches!(event.notification, Notification::HostStateChange { state: HostState::Dead, .. })
    };
    assert!(lab.gateway(1).events().iter().any(died));
}

#[test]
fn a_box_that_comes_back_gets_its_address_back() {
    let mut lab = Lab::new(2);
    lab.start();
    lab.gateway(2).kill();
    until("box 1 serves everything", || match lab.service_addresses().iter().all(|a| lab.gateways()[0].has(a)) {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.gateway(2).start();
    lab.settle();
    until("10.99.0.102 is at home", || match lab.gateways()[1].has("10.99.0.102") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.settle();
}

#[test]
fn a_box_told_to_stop_is_replaced_before_a_client_notices() {
    let mut lab = Lab::new(3);
    lab.start();
    let probe = Prober::start(&lab.client(), Ipv4Addr::new(10, 99, 0, 103));
    lab.gateway(3).signal(Signal::SIGTERM);
    let stopped = Instant::now();
    let code = lab.gateway(3).wait();
    println!("SIGTERM: ended after {:?}", stopped.elapsed());
    assert_eq!(code, Some(0), "{}", lab.gateway(3).log());
    until("somebody else serves", || lab.each_on_one_kernel());
    let trace = probe.stop();
    let silence = trace.longest_silence();
    println!("SIGTERM: silent for {silence:?}, answered by boxes {:?}", trace.servers());
    assert_eq!(trace.servers().len(), 2, "{:?}", trace.servers());
    // The promise is 50 ms; on this machine other tests run at the same time.
    assert!(silence < Duration::from_millis(200), "{silence:?}");
    assert!(!lab.gateway(3).socket().exists());
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

#[test]
fn only_a_signed_configuration_that_is_no_older_is_taken_by_a_reload_or_a_restart() {
    let mut lab = Lab::new(1);
    let gateway = lab.gateway(1);
    let directory = gateway.configuration_directory();
    let (key, keyring) = signing::key_and_keyring(&gateway.state().with_file_name("signing"));
    let sign = |gateway: &lab::Gateway, generation: u64| {
        let arguments =
            format!("config sign {} --key {} --generation {generation}", directory.display(), key.display());
        let output = gateway.raisctl(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let start = |gateway: &mut lab::Gateway| {
        let log = fs::OpenOptions::new().create(true).append(true).open(gateway.log_path()).unwrap();
        let mut command = gateway.signed_command();
        command.arg("--keyring").arg(&keyring).stderr(log);
        gateway.start_as(command);
    };
    let refused = |gateway: &lab::Gateway, reason: &str| {
        let output = gateway.raisctl("reload");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(reason), "{reason}: {said}");
    };
    sign(gateway, 5);
    start(gateway);
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
        refused(gateway, if name == "manifest.toml" { "0 of 1 trusted signatures" } else { name });
        fs::write(&file, good).unwrap();
    }
    gateway.write_configuration(
        &gateway.configuration().replace("name = \"box-1\"", "name = \"box-1\"\ncontact = \"noc\""),
    );
    sign(gateway, 7);
    assert!(gateway.raisctl("reload").status.success());
    assert_eq!(gateway.status().unwrap().0.view.generation.0, 7);
    // raisctl itself would not sign an older one over a newer one.
    fs::remove_file(directory.join("manifest.toml")).unwrap();
    sign(gateway, 6);
    refused(gateway, "generation 6");
    assert_eq!(gateway.status().unwrap().0.about.contact, "noc");
    // Nor does a restart bring the old one back.
    gateway.signal(Signal::SIGTERM);
    gateway.wait();
    let output = gateway.signed_command().arg("--keyring").arg(&keyring).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("generation 6"), "{said}");
    sign(gateway, 8);
    start(gateway);
}

#[test]
fn a_reload_that_changes_nothing_moves_nothing() {
    let mut lab = Lab::new(2);
    lab.start();
    let newest = |lab: &Lab| lab.gateways().iter().map(|gateway| gateway.events().len()).collect::<Vec<_>>();
    let before = newest(&lab);
    for _ in 0..5 {
        let output = lab.gateway(1).raisctl("reload");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    lab.settle();
    assert_eq!(newest(&lab), before);
}

#[test]
fn a_quiesced_box_takes_nothing_new_and_a_drained_one_gives_everything_away() {
    let mut lab = Lab::new(2);
    lab.start();
    let output = lab.gateway(2).raisctl("quiesce --group http");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    until("box 1 knows", || {
        let group = lab.gateways()[0].group()?;
        if group.hosts[1].quiesced { Ok(()) } else { Err(format!("{:?}", group.hosts[1])) }
    });
    assert!(lab.gateway(2).has("10.99.0.102"), "what is served stays");
    assert!(lab.gateway(2).raisctl("drain").status.success());
    until("box 2 serves nothing", || {
        let left: Vec<String> = lab.service_addresses().into_iter().filter(|a| lab.gateways()[1].has(a)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    lab.settle();
    assert!(lab.gateway(2).raisctl("unquiesce").status.success());
    until("10.99.0.102 goes home", || match lab.gateways()[1].has("10.99.0.102") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.settle();
}

#[test]
fn raisctl_moves_an_address_on_the_leader_and_names_the_leader_elsewhere() {
    let mut lab = Lab::new(2);
    lab.start();
    let refused = lab.gateway(2).raisctl("acquire 10.99.0.150 --host box-2");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("10.99.0.1") && said.contains("box-1"), "{said}");
    let home = if lab.gateway(2).has("10.99.0.150") { 1 } else { 2 };
    let output = lab.gateway(1).raisctl(&format!("acquire 10.99.0.150 --host box-{home}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    until("it moved", || match lab.gateways()[home - 1].has("10.99.0.150") {
        true => lab.each_on_one_kernel(),
        false => Err(String::from("not yet")),
    });
    lab.settle();
}

#[test]
fn raisctl_shows_a_group_and_tells_failures_apart_by_their_exit_code() {
    let mut lab = Lab::new(1);
    let nobody = lab.gateway(1).raisctl("status");
    assert_eq!(nobody.status.code(), Some(3), "{}", String::from_utf8_lossy(&nobody.stderr));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("is it running?"));
    lab.start();
    let shown = lab.gateway(1).raisctl("status");
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("* box-1") && text.contains("10.99.0.150"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains('\x1b'), "no colour into a pipe");
    println!("{text}");
    let json = lab.gateway(1).raisctl("status --json").stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["snapshot"]["view"]["name"], "box-1");
    let events = String::from_utf8(lab.gateway(1).raisctl("events").stdout).unwrap();
    assert!(events.contains("LeaderChange") && events.contains("Acquire"), "{events}");
    assert_eq!(lab.gateway(1).raisctl("frobnicate").status.code(), Some(2));
    assert_eq!(lab.gateway(1).raisctl("quiesce --group nosuch").status.code(), Some(1));
    assert_eq!(lab.gateway(1).raisctl("release 192.0.2.1").status.code(), Some(1));
    let version = lab.gateway(1).raisctl("version");
    assert!(String::from_utf8_lossy(&version.stdout).contains("raisd"));
}

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
fn scripts_run_with_the_documented_environment_and_a_failing_one_keeps_the_address_away() {
    use std::os::unix::fs::PermissionsExt;
    let mut lab = Lab::new(2);
    let note = lab.gateway(1).state().with_file_name("scripts-ran");
    let script = |gateway: &lab::Gateway, text: &str| {
        let path = gateway.configuration_directory().join("script");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let keys = "acquire_script = \"script\"\nrelease_script = \"script\"\nscript_timeout = \"2s\"\n";
        gateway.write_configuration(&gateway.configuration().replace("beat =", &format!("{keys}beat =")));
    };
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
    let failed = lab.gateway(2).events().into_iter().find_map(|event| match event.notification {
        Notification::AcquireFailed { error, .. } => Some(error),
        _ => None,
    });
    let failed = failed.expect("box 2 tried its own address first");
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

#[test]
fn addresses_of_an_earlier_life_are_removed_at_the_start_and_nothing_foreign_is_touched() {
    let mut lab = Lab::new(1);
    let lease = "6s";
    let text = lab.gateway(1).configuration().replace("lease = \"1000ms\"", &format!("lease = \"{lease}\""));
    lab.gateway(1).write_configuration(&text);
    lab.start();
    let namespace = lab.gateway(1).namespace.clone();
    lab::run(&format!("ip -n {namespace} addr add 10.99.0.77/32 dev lan"));
    lab.gateway(1).kill();
    assert!(lab.gateway(1).has("10.99.0.150"), "the kernel keeps it for the lease");
    lab.gateway(1).write_configuration(&text.replace("\"10.99.0.150\", ", ""));
    lab.gateway(1).start();
    // At this moment the daemon answers, so its start is over.
    assert!(!lab.gateway(1).has("10.99.0.150"));
    assert!(lab.gateway(1).has("10.99.0.77"));
    assert!(lab.gateway(1).log().contains("earlier life"));
}

#[test]
fn ten_thousand_bad_datagrams_at_either_port_are_counted_and_harm_nothing() {
    let mut lab = Lab::new(2);
    lab.start();
    let before = lab.gateway(1).group().unwrap().counters.drops.total();
    let moves = lab.gateway(1).events().len();
    let sent = fuzz::group_port(&lab.client(), 10_000);
    let group = until("every datagram at the group port was counted", || {
        let group = lab.gateways()[0].group()?;
        // Duplicates go on meanwhile: at least as many as were sent.
        let counted = group.counters.drops.total() - before;
        if counted >= sent { Ok(group) } else { Err(format!("{counted} of {sent}: {:?}", group.counters.drops)) }
    });
    let causes: Vec<_> = group.counters.drops.iter().filter(|(_, count)| *count > 0).collect();
    println!("group port: {sent} sent, dropped {causes:?}");
    let total: u64 = causes.iter().map(|(_, count)| count).sum();
    assert_eq!(total, group.counters.drops.total());
    let (asked, answered) = fuzz::snmp_port(&lab.client(), "10.99.0.1:161", b"lab-community", 10_000);
    let runtime = until("every datagram at the SNMP port was counted", || {
        let (_, runtime) = lab.gateways()[0].status()?;
        let counted = runtime.snmp_out + runtime.snmp_dropped;
        if counted >= asked { Ok(runtime) } else { Err(format!("{counted} of {asked}: {runtime:?}")) }
    });
    println!("SNMP port: {asked} sent, {answered} answered, {runtime:?}");
    assert_eq!(runtime.snmp_in, runtime.snmp_out + runtime.snmp_dropped);
    assert_eq!(runtime.snmp_in, asked);
    assert!(lab.gateway(1).runs() && lab.gateway(2).runs());
    lab.settle();
    assert_eq!(lab.gateway(1).events().len(), moves, "nothing moved: {:?}", lab.gateway(1).events());
}

#[test]
fn a_power_cut_is_silent_for_about_the_dead_interval() {
    let mut lab = Lab::new(3);
    lab.start();
    let probe = Prober::start(&lab.client(), Ipv4Addr::new(10, 99, 0, 103));
    lab.cut_power(3);
    until("the others serve 10.99.0.103", || match (1..=2).any(|n| lab.gateways()[n - 1].has("10.99.0.103")) {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    let served = probe.stop_after_answer();
    let silence = served.longest_silence();
    println!("power cut: silent for {silence:?}, answered by boxes {:?}", served.servers());
    assert_eq!(served.servers().len(), 2, "{:?}", served.servers());
    // The promise is at most the dead interval + 100 ms; less than it would mean that nothing was cut.
    assert!(silence > DEAD_AFTER - Duration::from_millis(110), "{silence:?}");
    assert!(silence < DEAD_AFTER + Duration::from_millis(700), "{silence:?}");
}

#[test]
fn a_box_that_was_frozen_longer_than_its_lease_serves_nothing_when_it_thaws() {
    let mut lab = Lab::new(3);
    lab.start();
    lab.gateway(3).signal(Signal::SIGSTOP);
    until("the frozen box's kernel has dropped everything, and others serve it", || {
        let left: Vec<String> = lab.service_addresses().into_iter().filter(|a| lab.gateways()[2].has(a)).collect();
        if left.is_empty() { lab.each_on_one_kernel() } else { Err(format!("{left:?}")) }
    });
    lab.gateway(3).signal(Signal::SIGCONT);
    lab.settle();
    until("it has its own address back", || match lab.gateways()[2].has("10.99.0.103") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.settle();
    let overslept = lab.gateway(3).log().contains("late for a deadline");
    assert!(overslept, "it says that it was late");
}

#[test]
fn a_box_that_loses_the_carrier_of_its_service_interface_gives_its_addresses_to_others_at_once() {
    let mut lab = Lab::new(3);
    lab.start();
    let probe = Prober::start(&lab.client(), Ipv4Addr::new(10, 99, 0, 103));
    lab.set_port(3, "lan", "down");
    until("others serve everything", || match lab.gateways()[2].has("10.99.0.103") {
        true => Err(String::from("it is still there")),
        false => lab.each_on_one_kernel(),
    });
    let trace = probe.stop_after_answer();
    println!("carrier lost: silent for {:?}, answered by boxes {:?}", trace.longest_silence(), trace.servers());
    assert_eq!(trace.servers().len(), 2, "{:?}", trace.servers());
    assert!(trace.longest_silence() < DEAD_AFTER, "it is told over the control network: {:?}", trace.longest_silence());
    lab.set_port(3, "lan", "up");
    until("10.99.0.103 is at home again", || match lab.gateways()[2].has("10.99.0.103") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.settle();
}

#[test]
fn traps_come_at_once_from_the_box_s_own_address_and_the_agent_answers_from_the_address_that_was_asked() {
    let mut lab = Lab::new(2);
    let receiver = snmp::Receiver::start(&lab.client(), "10.99.0.254:162");
    lab.start();
    lab.cut_power(2);
    until("box 1 serves everything", || match lab.service_addresses().iter().all(|a| lab.gateways()[0].has(a)) {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    let events = lab.gateway(1).events();
    let traps = until("a trap for every event of box 1, and one for its start", || {
        let traps = receiver.from("10.99.0.1");
        if traps.len() > events.len() { Ok(traps) } else { Err(format!("{} of {}", traps.len(), events.len() + 1)) }
    });
    assert_eq!(traps.len(), events.len() + 1);
    let sources = receiver.sources();
    assert!(sources.iter().all(|source| ["10.99.0.1", "10.99.0.2"].contains(&source.as_str())), "{sources:?}");
    // One clock on this machine. A millisecond is lost to rounding.
    let delays = traps.iter().skip(1).zip(&events).map(|(at, event)| at.saturating_sub(event.unix_ms));
    let slowest = delays.max().unwrap();
    println!("traps: {} of box 1, the slowest {slowest} ms after its event", traps.len());
    assert!(slowest < 200, "{slowest} ms");
    for address in ["10.99.0.1", "10.99.0.150", "10.99.0.102", "10.99.1.1"] {
        if address == "10.99.1.1" {
            lab::run(&format!("ip -n {} route add 10.99.1.0/24 via 10.99.0.1", lab.client()));
        }
        // A connected socket hears nobody but the address it asked.
        let answer = snmp::get_next(&lab.client(), address, b"lab-community");
        assert!(answer.is_some(), "no answer from {address}");
    }
    assert!(snmp::get_next(&lab.client(), "10.99.0.1", b"another").is_none());
}

#[test]
fn a_zone_follows_its_group_and_is_written_only_when_it_changes() {
    let mut lab = Lab::new(2);
    let header = "$TTL 60\n@ IN SOA ns.example.net. noc.example.net. 1 60 60 600 5\n@ IN NS ns.example.net.\n";
    let zone = r#"
[[zone]]
name = "www.example.net"
group = "http"
header = "www.header"
update_interval = "200ms"
file = "zones/www.zone"
"#;
    for number in 1..=2 {
        let gateway = lab.gateway(number);
        fs::write(gateway.configuration_directory().join("www.header"), header).unwrap();
        gateway.write_configuration(&(gateway.configuration() + zone));
    }
    lab.start();
    let file = lab.gateway(1).state().join("zones/www.zone");
    let says = |wanted: &[&str]| {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let found: Vec<&str> =
            text.lines().filter(|l| l.contains("\tA")).filter_map(|l| l.split('\t').last()).collect();
        if found == wanted { Ok(()) } else { Err(text) }
    };
    let all = ["10.99.0.101", "10.99.0.102", "10.99.0.150", "fd00:99::150"];
    until("the zone advertises everything", || says(&all));
    let written = |lab: &Lab| lab.gateways()[0].status().unwrap().0.zones[0].clone();
    let settled = written(&lab);
    assert!(settled.last_error.is_none() && settled.records == 4, "{settled:?}");
    lab.cut_power(2);
    // Box 1 serves it now, but away from home: it is to fade away.
    until("10.99.0.102 is not advertised", || says(&["10.99.0.101", "10.99.0.150", "fd00:99::150"]));
    until("the status tells of it", || {
        let now = written(&lab);
        let follows = now.records == 3 && now.updates > settled.updates && now.serial > settled.serial;
        if follows { Ok(()) } else { Err(format!("{now:?}")) }
    });
    let before = written(&lab);
    let output = lab.gateway(1).raisctl("reload");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    until("some update intervals pass", || {
        let (snapshot, _) = lab.gateways()[0].status()?;
        let zone = &snapshot.zones[0];
        let old = zone.last_update.is_some_and(|at| snapshot.view.at.since(at) > Duration::from_secs(1));
        if old { Ok(()) } else { Err(format!("{zone:?}")) }
    });
    assert_eq!(written(&lab).updates, before.updates);
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

#[test]
fn the_control_protocol_runs_over_a_character_device_too() {
    let mut lab = Lab::new(1);
    let terminal = terminal::Terminal::open();
    let gateway = lab.gateway(1);
    let log = fs::OpenOptions::new().create(true).append(true).open(gateway.log_path()).unwrap();
    let mut command = gateway.command();
    command.arg("--control-port").arg(&terminal.path).stderr(log);
    gateway.start_as(command);
    // Somebody left half a request behind.
    terminal.write(b"{\"protocol\":1,\"requ");
    for id in 1..=3 {
        let answer = terminal.ask(id, Request::Version);
        assert!(matches!(answer, Response::Version { .. }), "{answer:?}");
    }
}

#[test]
fn a_log_that_nobody_reads_and_silent_control_clients_delay_no_heartbeat() {
    let mut lab = Lab::new(2);
    lab.gateway(2).start();
    let mut command = lab.gateway(1).command();
    // The reading end stays open and is never read.
    let (reader, writer) = std::io::pipe().unwrap();
    command.env("RAIS_LOG", "trace").stderr(writer);
    lab.gateway(1).start_as(command);
    lab.settle();
    // Connects and never says a word, more often than are served at once, but for one place.
    let silent: Vec<_> = (0..31).map(|_| std::os::unix::net::UnixStream::connect(lab.gateway(1).socket())).collect();
    let moves = lab.gateway(2).events().len();
    fuzz::group_port(&lab.client(), 30_000);
    until("the log's queue is full and lines are dropped", || {
        let (_, runtime) = lab.gateways()[0].status()?;
        if runtime.log_lines_dropped > 0 { Ok(()) } else { Err(format!("{runtime:?}")) }
    });
    let until_then = Instant::now() + 3 * DEAD_AFTER;
    until("three dead intervals pass", || match Instant::now() >= until_then {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    assert_eq!(lab.gateway(2).events().len(), moves, "box 2 noticed: {:?}", lab.gateway(2).events());
    let (_, runtime) = lab.gateway(1).status().unwrap();
    println!("{} log lines dropped, latest deadline {} µs late", runtime.log_lines_dropped, runtime.worst_lateness_us);
    drop((silent, reader));
}
