//! B, the claims. 2 to 4 and 14 to 16 are the name server's own (round robin among what the zone holds); 6, 7, 10 (and 18,
//! 19, 22, 26, 27) are in `b_figure_3_service_monitor`; 8, 9, 20, 21, 28 and 30, the update interval, are the daemon's
//! clock: `tests/daemon`.

use crate::bench::{BEAT, DEAD_AFTER, address, id, params};
use crate::cluster::Cluster;
use rais::dns::{Zone, ZoneParams};
use rais_core::address::ServiceAddress;
use rais_core::dns_table::{DnsTable, Rules};
use std::collections::BTreeSet;

const HEADER: &str = "$TTL 3600\n@ IN SOA ns hostmaster 1 3600 900 604800 60\n@ IN NS ns\nns IN A 192.0.2.53\n";

fn rules() -> Rules {
    Rules { minimum: 1, maximum: 28, exclude: Vec::new() }
}

/// The addresses that a zone file advertises.
fn advertised(text: &str) -> BTreeSet<ServiceAddress> {
    let record =
        |line: &str| line.strip_prefix("www.example.net.\t10\tIN\tA\t").map(|address| address.parse().unwrap());
    text.lines().filter_map(record).collect()
}

/// Claims 1, 13 and 25: a host sends a message with its workload and addresses, another receives it, and a zone file is
/// updated with what it says: from the nodes' own messages to the octets of the file.
#[test]
fn claims_1_13_25_what_hosts_broadcast_becomes_a_zone_file() {
    let mut cluster = Cluster::new(&[(1, &[1]), (2, &[2]), (9, &[])]);
    let mut zone = Zone::new(ZoneParams { name: "www.example.net", record: "@", ttl: 10, header: HEADER }).unwrap();
    let mut table = DnsTable::new(rules(), []);
    let mut file = |cluster: &Cluster| {
        let text = zone.update(table.update(&cluster.view(9)).unwrap(), 1_000).unwrap();
        zone.written(&text);
        advertised(&text.text)
    };
    cluster.converge();
    assert_eq!(file(&cluster), [address(1), address(2)].into());
    cluster.start(3, &[3]);
    cluster.converge();
    assert_eq!(file(&cluster), [address(1), address(2), address(3)].into(), "a new server, and nobody was told of it");
    cluster.cut_power(2);
    cluster.converge();
    assert_eq!(file(&cluster), [address(1), address(3)].into(), "a failed one");
    cluster.unwell.insert(1);
    cluster.converge();
    assert_eq!(file(&cluster), [address(3)].into(), "one whose service is not available");
}

/// Claims 11 and 23: the list of the service is found, and an address that is not in it is added; column 3: who does not
/// broadcast within the interval is no longer available.
#[test]
fn claims_11_23_the_current_list_gains_who_speaks_and_loses_who_does_not() {
    let mut cluster = Cluster::new(&[(9, &[])]);
    cluster.converge();
    assert_eq!(DnsTable::new(rules(), []).update(&cluster.view(9)), None);
    cluster.start(1, &[1]);
    cluster.converge();
    assert_eq!(DnsTable::new(rules(), []).update(&cluster.view(9)), Some(&[address(1)].into()));
    cluster.cut_power(1);
    cluster.pass(DEAD_AFTER + BEAT);
    assert!(cluster.view(9).hosts.iter().any(|host| host.id == id(1) && host.served == 0));
    assert_eq!(DnsTable::new(rules(), []).update(&cluster.view(9)), None);
}

/// Claims 12 and 24: the zone file is updated when the current list and the previous one are not the same.
#[test]
fn claims_12_24_the_zone_is_left_alone_while_the_lists_are_the_same() {
    let mut cluster = Cluster::new(&[(1, &[1]), (9, &[])]);
    let mut zone = Zone::new(ZoneParams { name: "www.example.net", record: "@", ttl: 10, header: HEADER }).unwrap();
    let mut table = DnsTable::new(rules(), []);
    cluster.converge();
    let text = zone.update(table.update(&cluster.view(9)).unwrap(), 1_000).unwrap();
    zone.written(&text);
    cluster.converge();
    assert_eq!(zone.update(table.update(&cluster.view(9)).unwrap(), 2_000), None);
    cluster.start_as(2, params(2, &[2]));
    cluster.converge();
    assert!(zone.update(table.update(&cluster.view(9)).unwrap(), 2_000).is_some());
}
