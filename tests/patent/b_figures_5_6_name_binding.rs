//! B, figures 5, 6 and 8 to 10: the name binding modifier, which makes zone files of what it hears. Its lists are the
//! host information database and the set advertised last; the node keeps the one, `dns_table` the other.

use crate::bench::{BEAT, Bench, address, id};
use rais::dns::{Zone, ZoneParams, ZoneText};
use rais_core::address::ServiceAddress;
use rais_core::dns_table::{DnsTable, Rules, Standing};
use rais_core::quantity::Utilisation;
use std::collections::BTreeSet;

const HEADER: &str = "$TTL 3600\n@ IN SOA ns hostmaster 1 3600 900 604800 60\n@ IN NS ns\nns IN A 192.0.2.53\n";

fn zone(name: &str) -> Zone {
    Zone::new(ZoneParams { name, record: "@", ttl: 10, header: HEADER }).unwrap()
}

fn table(minimum: usize) -> DnsTable {
    DnsTable::new(Rules { minimum, maximum: 28, exclude: Vec::new() }, [])
}

fn set(numbers: &[u8]) -> BTreeSet<ServiceAddress> {
    numbers.iter().map(|number| address(*number)).collect()
}

/// A box with a name server hears hosts with these workloads, in per cent; its group's desired load index is 60 %.
fn hearing(loads: &[(u8, u32)]) -> Bench {
    let mut params = crate::bench::params(9, &[]);
    let group = params.groups.values_mut().next().unwrap();
    (group.high_water_mark, group.low_water_mark) = (Utilisation(600), Utilisation(600));
    let mut bench = Bench::with(9, params);
    for (number, per_cent) in loads {
        bench.join(*number, &[*number], &[*number]).load = per_cent * 10;
    }
    bench.settle();
    bench
}

fn written(zone: &mut Zone, table: &mut DnsTable, bench: &Bench, at: u64) -> Option<ZoneText> {
    let text = zone.update(table.update(&bench.view())?, at)?;
    zone.written(&text);
    Some(text)
}

/// Figure 5, steps 502 to 512: an address that is not found in the list is added with its workload.
#[test]
fn figure_5_steps_502_510_512_an_address_that_is_not_in_the_list_is_added() {
    let mut bench = hearing(&[(1, 10)]);
    assert_eq!(bench.row(2), None);
    bench.join(2, &[2, 12], &[2, 12]).load = 440;
    bench.say(2);
    let host = bench.view().hosts.into_iter().find(|host| host.id == id(2)).unwrap();
    assert_eq!((host.utilisation, host.preferred), (Utilisation(440), vec![address(2), address(12)]));
    assert_eq!(table(1).update(&bench.view()), Some(&set(&[1, 2, 12])), "every address of the message (506, 516)");
}

/// Figure 5, steps 510 and 514: the workload of one that is found is updated.
#[test]
fn figure_5_steps_510_514_the_workload_of_an_address_in_the_list_is_updated() {
    let mut bench = hearing(&[(1, 10), (2, 10)]);
    let mut table = table(1);
    assert_eq!(table.update(&bench.view()), Some(&set(&[1, 2])));
    bench.peer(2).load = 610;
    bench.say(2);
    assert_eq!(table.update(&bench.view()), Some(&set(&[1])));
}

/// Figure 6(a), steps 606 to 614: the worked example of column 6: four news servers at 10, 65, 70 and 80 %, at most 60 %,
/// at least two. "Only entries for news3 and news4 are removed."
#[test]
fn figure_6a_steps_606_to_614_the_worked_example_of_four_news_servers() {
    let bench = hearing(&[(1, 10), (2, 65), (3, 70), (4, 80)]);
    let mut news = table(2);
    assert_eq!(news.update(&bench.view()), Some(&set(&[1, 2])));
    let standings: Vec<_> = news.decisions().iter().map(|decision| decision.standing).collect();
    assert_eq!(standings, [Standing::Room, Standing::Minimum, Standing::Full, Standing::Full]);
}

/// Figure 6(a), steps 608 to 612: more than the minimum are below the index, so all above it go, and those below it stay.
#[test]
fn figure_6a_steps_610_612_all_above_the_load_index_are_pruned_when_enough_are_below() {
    let bench = hearing(&[(1, 10), (2, 59), (3, 60), (4, 61)]);
    assert_eq!(table(2).update(&bench.view()), Some(&set(&[1, 2, 3])));
}

/// Figure 6(b), steps 620 and 624: when the lists differ, the header and the address records make the zone file.
#[test]
fn figure_6b_steps_620_624_the_zone_file_is_the_header_and_the_address_records() {
    let bench = hearing(&[(1, 10), (2, 20)]);
    let text = written(&mut zone("news.example.net"), &mut table(1), &bench, 1_000).unwrap().text;
    assert!(text.contains("@ IN NS ns\nns IN A 192.0.2.53\n"), "{text}");
    let records: Vec<_> = text.lines().filter(|line| line.contains("10.9.0.")).collect();
    assert_eq!(records, ["news.example.net.\t10\tIN\tA\t10.9.0.1", "news.example.net.\t10\tIN\tA\t10.9.0.2"]);
}

/// Figure 6(b), steps 620 and 626: when the lists are the same, nothing is written; the current list becomes the previous
/// one, so what is compared is always the last.
#[test]
fn figure_6b_steps_620_626_nothing_is_written_while_the_lists_are_the_same() {
    let mut bench = hearing(&[(1, 10), (2, 20)]);
    let (mut zone, mut table) = (zone("news.example.net"), table(1));
    let first = written(&mut zone, &mut table, &bench, 1_000).unwrap();
    bench.peer(1).load = 310;
    bench.pass(BEAT * 2);
    assert_eq!(written(&mut zone, &mut table, &bench, 2_000), None, "another workload is not another list");
    for (load, records) in [(990, 1), (100, 2)] {
        bench.peer(2).load = load;
        bench.pass(BEAT * 2);
        let next = written(&mut zone, &mut table, &bench, 3_000).unwrap();
        assert_eq!(next.records, records);
        assert!(next.serial > first.serial, "the name server sees that it is another");
    }
}

/// Column 4: "a DNS name server per service": each service has its own header, list and file; claims 5 and 17.
#[test]
fn figure_8_each_service_has_its_own_minimum_and_load_index() {
    let bench = hearing(&[(1, 70), (2, 65)]);
    assert_eq!(table(1).update(&bench.view()), Some(&set(&[2])));
    assert_eq!(table(2).update(&bench.view()), Some(&set(&[1, 2])));
}
