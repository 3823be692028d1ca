//! Somebody else removes what the box has configured: it is back at once, and two managers do not fight at full speed.

use super::lab::{Gateway, Lab, run, until};
use rais_core::view::{AddressError, AddressState, AddressView};
use std::process::Command;
use std::time::{Duration, Instant};

/// Renewals come every 40 s, longer than anything here is waited for: what is back sooner was put back.
const LONG_LEASE: &str = "lease = \"120s\"";

const ROUTES: &str = r#"
[[route]]
to = "10.98.0.0/16"
via = "10.99.0.254"
interface = "lan"

[[route]]
to = "fd00:98::/64"
via = "fd00:99::254"
interface = "lan"

[snmp]
"#;

fn boxes(count: u8) -> Lab {
    let mut lab = Lab::new(count);
    for number in 1..=count {
        let text = lab.gateway(number).configuration().replace("lease = \"1000ms\"", LONG_LEASE);
        let text = text.replace("\n[snmp]\n", ROUTES);
        assert!(text.contains(LONG_LEASE) && text.contains("10.98.0.0"), "{text}");
        lab.gateway(number).write_configuration(&text);
    }
    lab.start();
    lab
}

fn ip(gateway: &Gateway, what: &str) -> String {
    run(&format!("ip -n {} {what}", gateway.namespace))
}

fn repairs(gateway: &Gateway) -> u64 {
    gateway.group().unwrap().counters.repairs
}

fn said(gateway: &Gateway, what: &str) -> usize {
    gateway.log().lines().filter(|line| line.contains(what)).count()
}

fn present(gateway: &Gateway, what: &str, shown: &str, with: &str) {
    until(&format!("{with} is back"), || {
        let shown = ip(gateway, shown);
        if shown.contains(with) { Ok(()) } else { Err(format!("after {what}: {shown}")) }
    });
}

#[test]
fn a_service_address_that_somebody_removes_is_back_at_once_announced_counted_and_told_of_once() {
    let lab = boxes(2);
    let moves: usize = lab.gateways().iter().map(Gateway::moves).sum();
    let serves = |address: &str| lab.gateways().iter().find(|gateway| gateway.has(address)).unwrap();
    let mut expected = [0, 0];
    for address in ["10.99.0.102/32", "fd00:99::150/128"] {
        let (plain, _) = address.split_once('/').unwrap();
        let gateway = serves(plain);
        let since = Instant::now();
        ip(gateway, &format!("addr del {address} dev lan"));
        expected[usize::from(gateway.number) - 1] += 1;
        until("it was put back", || match repairs(gateway) {
            count if count == expected[usize::from(gateway.number) - 1] => Ok(()),
            count => Err(count.to_string()),
        });
        println!("{address} was put back and counted within {:?}", since.elapsed());
        assert!(gateway.has(plain));
        let shown = ip(gateway, &format!("-d addr show to {address}"));
        assert!(!shown.contains("forever"), "it has a lease again: {shown}");
        let row = gateway.group().unwrap().addresses.into_iter().find(|row| row.address.to_string() == plain).unwrap();
        assert_eq!(row.last_error, Some(AddressError::PutBack { times: 1 }));
        let told = gateway
            .log()
            .lines()
            .filter(|line| line.contains("removed a service address"))
            .filter(|line| line.contains(plain))
            .count();
        assert_eq!(told, 1);
    }
    let status = String::from_utf8(serves("10.99.0.102").raisctl("status").stdout).unwrap();
    assert!(status.contains("removed by somebody else and put back"), "{status}");
    assert!(status.contains("Somebody else removed service addresses here"), "{status}");
    // To the group nothing happened.
    assert_eq!(lab.gateways().iter().map(Gateway::moves).sum::<usize>(), moves);
    lab.each_on_one_kernel().unwrap();
}

#[test]
fn what_raisd_removes_itself_is_not_put_back() {
    let mut lab = boxes(2);
    assert!(lab.gateway(2).raisctl("drain").status.success());
    until("box 2 serves nothing", || {
        let left: Vec<String> = lab.service_addresses().into_iter().filter(|a| lab.gateways()[1].has(a)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    assert!(lab.gateway(2).raisctl("unquiesce").status.success());
    lab.settle();
    // A route that the configuration takes away stays away.
    let gateway = &lab.gateways()[0];
    let text = gateway.configuration();
    gateway.write_configuration(&text.replace("lease = \"1000ms\"", LONG_LEASE));
    assert!(gateway.raisctl("reload").status.success());
    assert!(!ip(gateway, "route").contains("10.98.0.0"));
    for gateway in lab.gateways() {
        assert_eq!(repairs(gateway), 0);
        assert_eq!(gateway.status().unwrap().0.about.network_repairs, 0, "{}", gateway.log());
    }
}

#[test]
fn two_managers_of_one_address_do_not_fight_at_full_speed() {
    let lab = boxes(1);
    let gateway = &lab.gateways()[0];
    let began = Instant::now();
    let mut removed = 0;
    while began.elapsed() < Duration::from_secs(3) {
        // It fails while the address is not there.
        let arguments = ["-n", &gateway.namespace, "addr", "del", "10.99.0.101/32", "dev", "lan"];
        removed += usize::from(Command::new("ip").args(arguments).output().unwrap().status.success());
    }
    let fought = began.elapsed();
    until("it is back for good", || if gateway.has("10.99.0.101") { Ok(()) } else { Err(String::from("not yet")) });
    let group = gateway.group().unwrap();
    let count = usize::try_from(group.counters.repairs).unwrap();
    println!("removed {removed} times in {fought:?}, put back {count} times");
    // After 0, 100, 200, 400 and 800 ms, then each second.
    let most = 5 + usize::try_from(fought.as_secs()).unwrap() + 1;
    assert!((2..=most).contains(&count), "{count} times in {fought:?}");
    assert_eq!(said(gateway, "somebody else removed a service address"), 1, "{}", gateway.log());
    let times = u32::try_from(count).unwrap();
    assert_eq!(group.addresses[0].last_error, Some(AddressError::PutBack { times }));
}

#[test]
fn the_box_s_own_addresses_and_routes_come_back_too() {
    let lab = boxes(1);
    let gateway = &lab.gateways()[0];
    // The route goes with the address that its next hop is reached by: the kernel tells of one of them alone.
    for (removal, shown, with) in [
        ("addr del 10.99.1.1/24 dev control", "addr show dev control", "10.99.1.1/24"),
        ("addr del fd00:99::1/64 dev lan", "addr show dev lan", "fd00:99::1/64"),
        ("route del 10.98.0.0/16", "route", "10.98.0.0/16 via 10.99.0.254"),
        ("-6 route del fd00:98::/64", "-6 route", "fd00:98::/64 via fd00:99::254"),
        ("addr flush dev lan to 10.99.0.1", "addr show dev lan", "10.99.0.1/24"),
    ] {
        ip(gateway, removal);
        present(gateway, removal, shown, with);
    }
    present(gateway, "all that", "route", "10.98.0.0/16 via 10.99.0.254");
    let told = || gateway.status().unwrap().0.about.network_repairs;
    until("each is counted", || if told() >= 5 { Ok(()) } else { Err(told().to_string()) });
    assert!(said(gateway, "it was gone, removed by somebody else or with its link") >= 5, "{}", gateway.log());
    let status = String::from_utf8(gateway.raisctl("status").stdout).unwrap();
    assert!(status.contains("addresses and routes were put back"), "{status}");
}

#[test]
fn a_link_that_somebody_sets_down_stays_down_and_has_all_it_had_when_it_is_up_again() {
    let mut lab = boxes(2);
    let namespace = lab.gateway(2).namespace.clone();
    run(&format!("ip -n {namespace} link set lan down"));
    until("box 1 serves everything", || match lab.service_addresses().iter().all(|a| lab.gateways()[0].has(a)) {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    let gateway = &lab.gateways()[1];
    let shown = ip(gateway, "link show dev lan");
    assert!(!shown.contains("state UP") && !shown.contains(",UP"), "{shown}");
    run(&format!("ip -n {namespace} link set lan up"));
    for (shown, with) in [
        ("addr show dev lan", "10.99.0.2/24"),
        ("addr show dev lan", "fd00:99::2/64"),
        ("route", "10.98.0.0/16 via 10.99.0.254"),
        ("-6 route", "fd00:98::/64 via fd00:99::254"),
    ] {
        present(gateway, "the link was down", shown, with);
    }
    lab.settle();
    assert_eq!(repairs(&lab.gateways()[1]), 0, "they were released");
}

#[test]
fn what_somebody_removes_in_one_go_is_back_in_one_piece() {
    const COUNT: usize = 500;
    let mut lab = Lab::new(1);
    let pool: Vec<String> = (0..COUNT).map(|n| format!("10.97.{}.{}", n / 250, n % 250 + 1)).collect();
    let removals: String = pool.iter().map(|address| format!("addr del {address}/32 dev lan\n")).collect();
    let batch = lab.directory().join("removals");
    std::fs::write(&batch, removals).unwrap();
    let pool = format!("pool_addresses = [\"{}\"]", pool.join("\", \""));
    let text = lab.gateway(1).configuration().replace("lease = \"1000ms\"", LONG_LEASE);
    let text = text.replace("pool_addresses = [\"10.99.0.150\", \"fd00:99::150\"]", &pool);
    lab.gateway(1).write_configuration(&text);
    lab.gateway(1).start();
    let gateway = &lab.gateways()[0];
    let there = || ip(gateway, "-o addr show dev lan").lines().filter(|line| line.contains(" 10.97.")).count();
    until("all are served", || if there() == COUNT { Ok(()) } else { Err(there().to_string()) });
    until("all are online", || {
        let online = |row: &&AddressView| row.state == AddressState::Online;
        let count = gateway.group()?.addresses.iter().filter(online).count();
        if count == COUNT + 1 { Ok(()) } else { Err(count.to_string()) }
    });
    // Not `ip addr flush`, which looks again, and removes what is back already.
    ip(gateway, &format!("-batch {}", batch.display()));
    let since = Instant::now();
    until("all are back", || if there() == COUNT { Ok(()) } else { Err(there().to_string()) });
    println!("{COUNT} addresses were back {:?} after they were removed", since.elapsed());
    until("all are counted", || {
        let count = repairs(gateway);
        if count == COUNT as u64 { Ok(()) } else { Err(count.to_string()) }
    });
    assert_eq!(gateway.status().unwrap().0.about.network_repairs, 0);
}
