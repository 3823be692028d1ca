//! Who is told where a service address lives now (G-60, G-61).

use super::capture::{Arp, Capture};
use super::lab::{Lab, run, until};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

fn mac_of(namespace: &str) -> [u8; 6] {
    let shown = run(&format!("ip -n {namespace} -o link show dev lan"));
    let mac = shown.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap();
    let octets: Vec<u8> = mac.split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    octets.try_into().unwrap()
}

#[test]
fn a_neighbour_is_told_in_person_who_serves_an_address_that_moved_and_everybody_at_least_twice() {
    const BROADCAST: [u8; 6] = [0xff; 6];
    let mut lab = Lab::new(2);
    for gateway in lab.gateways() {
        let keys = "announce_every = \"1s\"\nneighbours = [\"10.99.0.254\"]\nbeat = ";
        gateway.write_configuration(&gateway.configuration().replace("beat = ", keys));
    }
    lab.start();
    let (router, keeper) = (mac_of(&lab.client()), mac_of(&lab.gateway(1).namespace.clone()));
    let capture = Capture::start(&lab.client());
    assert!(lab.gateway(2).raisctl("drain").status.success());
    until("both are told by box 1", || {
        let moved = |arp: &Arp| arp.address.to_string() == "10.99.0.102" && arp.mac == keeper;
        let told: Vec<Arp> = capture.frames().iter().filter_map(|frame| frame.arp()).filter(moved).collect();
        // Nobody talks to the address: what its kernel might ask of its own accord it would not ask in its name.
        let to = |mac| told.iter().filter(|arp| arp.to == mac).count();
        if to(router) >= 1 && to(BROADCAST) >= 2 { Ok(()) } else { Err(format!("{told:?}")) }
    });
}

#[test]
fn more_addresses_than_a_few_are_all_announced_in_every_form_and_asked_after() {
    const COUNT: u8 = 150;
    let mut lab = Lab::new(1);
    let pool: BTreeSet<Ipv4Addr> = (1..=COUNT).map(|last| Ipv4Addr::new(10, 97, 0, last)).collect();
    let listed: Vec<String> = pool.iter().map(|address| format!("\"{address}\"")).collect();
    let listed = format!("pool_addresses = [{}]", listed.join(", "));
    let text = lab.gateway(1).configuration();
    lab.gateway(1).write_configuration(&text.replace("pool_addresses = [\"10.99.0.150\", \"fd00:99::150\"]", &listed));
    let capture = Capture::start(&lab.client());
    lab.gateway(1).start();
    let requests = |arp: &Arp| arp.operation == 1 && arp.address == arp.target;
    let replies = |arp: &Arp| arp.operation == 2 && arp.address == arp.target;
    let questions = |arp: &Arp| arp.operation == 1 && arp.address.is_unspecified();
    until("all are announced and asked after", || {
        let frames: Vec<Arp> = capture.frames().iter().filter_map(|frame| frame.arp()).collect();
        let told = |form: &dyn Fn(&Arp) -> bool| {
            let of_pool = frames.iter().filter(|arp| form(arp) && pool.contains(&arp.target));
            of_pool.map(|arp| arp.target).collect::<BTreeSet<_>>().len()
        };
        let told = [told(&requests), told(&replies), told(&questions)];
        if told == [usize::from(COUNT); 3] { Ok(()) } else { Err(format!("{told:?}")) }
    });
}
