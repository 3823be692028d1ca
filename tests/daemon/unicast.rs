//! A group whose network carries no multicast: boxes tell each other one by one, and learn who joined.

use super::lab::{Gateway, Lab, run, until};
use rais_core::notification::{HostState, Notification};

/// Takes the group's multicast away from a box, and counts what it would have sent or heard.
fn drop_multicast(gateway: &Gateway) {
    let nft = |command: &str| run(&format!("ip netns exec {} nft {command}", gateway.namespace));
    nft("add table inet no_multicast");
    for hook in ["input", "output"] {
        nft(&format!("add chain inet no_multicast {hook} {{ type filter hook {hook} priority 0 ; }}"));
        nft(&format!("add rule inet no_multicast {hook} ip daddr 239.0.0.0/8 counter drop"));
    }
}

fn dropped_multicast(gateway: &Gateway) -> Vec<u64> {
    let listed = run(&format!("ip netns exec {} nft list table inet no_multicast", gateway.namespace));
    let after = |line: &str| line.split("packets ").nth(1)?.split_whitespace().next()?.parse().ok();
    listed.lines().filter_map(after).collect()
}

/// A slow beat: what is looked for is who hears whom, and not how fast.
fn configuration(gateway: &Gateway, peers: &str) -> String {
    let text = gateway.configuration();
    let text = text
        .replace("beat = \"100ms\"\ndead_after = \"300ms\"\nlease = \"1000ms\"", "beat = \"500ms\"\nlease = \"3s\"");
    assert!(text.contains("500ms"), "{text}");
    text.replace("port = 7077\n", &format!("port = 7077\npeers = {peers}\n"))
}

/// Waits until this is the last that a box has to tell of another.
fn notices(lab: &Lab, number: usize, other: &str, expected: HostState) {
    let state = |event: rais::event::Event| match event.notification {
        Notification::HostStateChange { host, state, .. } if host.to_string() == other => Some(state),
        _ => None,
    };
    until(&format!("box {number} tells that {other} is {expected:?}"), || {
        let states: Vec<HostState> = lab.gateways()[number - 1].events().into_iter().filter_map(state).collect();
        if states.last() == Some(&expected) { Ok(()) } else { Err(format!("{states:?}")) }
    });
}

#[test]
fn boxes_without_multicast_form_a_group_lose_one_and_take_in_one_that_nobody_lists() {
    let mut lab = Lab::new(3);
    // Nobody lists box 3, and it lists box 1 alone: box 2 and box 3 learn of each other.
    let peers = [r#"["10.99.0.2", "10.99.1.2"]"#, r#"["10.99.0.1", "10.99.1.1"]"#, r#"["10.99.0.1", "10.99.1.1"]"#];
    for (gateway, peers) in lab.gateways().iter().zip(peers) {
        drop_multicast(gateway);
        gateway.write_configuration(&configuration(gateway, peers));
    }
    lab.gateway(1).start();
    lab.gateway(2).start();
    until("boxes 1 and 2 are one group", || {
        let leaders: Vec<_> = (0..2).map(|n| lab.gateways()[n].group().map(|group| group.leader)).collect();
        let one = |leader: &Result<_, String>| matches!(leader, Ok(Some(id)) if format!("{id}") == "10.99.0.1");
        if leaders.iter().all(one) { Ok(()) } else { Err(format!("{leaders:?}")) }
    });
    lab.gateway(3).start();
    lab.settle();
    // Whom it tells, and where it has that from.
    until("box 3 shows box 1 as configured and box 2 as learnt", || {
        let status = String::from_utf8(lab.gateways()[2].raisctl("status").stdout).unwrap();
        let line = "tells 10.99.0.1 (box-1), 10.99.1.1 (box-1); learnt: 10.99.0.2 (box-2), 10.99.1.2 (box-2)";
        // The terminal may be narrow.
        let flat = status.split_whitespace().collect::<Vec<_>>().join(" ");
        if flat.contains(line) { Ok(()) } else { Err(status) }
    });
    let json = String::from_utf8(lab.gateways()[2].raisctl("status --json").stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json.to_string().contains(r#""peers":["10.99.0.1","10.99.1.1"]"#), "{json}");
    assert!(json.to_string().contains(r#""learnt":{"http":["#), "{json}");

    lab.gateway(3).kill_with_guardian();
    notices(&lab, 1, "10.99.0.3", HostState::Dead);
    lab.settle();
    lab.gateway(3).start();
    notices(&lab, 1, "10.99.0.3", HostState::Up);
    lab.settle();

    // Its guardian says goodbye to the box that it was never told of as well: it need not find out by silence.
    lab.gateway(1).kill();
    for witness in 2..=3 {
        notices(&lab, witness, "10.99.0.1", HostState::Left);
    }
    lab.settle();
    for gateway in lab.gateways() {
        assert_eq!(dropped_multicast(gateway), [0, 0], "box {}", gateway.number);
    }
}

#[test]
fn a_group_that_leaves_multicast_by_a_reload_is_one_group_without_it() {
    let mut lab = Lab::new(2);
    lab.start();
    for (n, other) in [(1, 2), (2, 1)] {
        let gateway = lab.gateway(n);
        gateway.write_configuration(&configuration(gateway, &format!(r#"["10.99.0.{other}", "10.99.1.{other}"]"#)));
    }
    for n in 1..=2 {
        let output = lab.gateway(n).raisctl("reload");
        assert!(output.status.success(), "{output:?}");
    }
    for gateway in lab.gateways() {
        drop_multicast(gateway);
    }
    lab.settle();
    // One is taken in anew that the other heard by multicast at first.
    lab.gateway(2).kill_with_guardian();
    notices(&lab, 1, "10.99.0.2", HostState::Dead);
    lab.gateway(2).start();
    notices(&lab, 1, "10.99.0.2", HostState::Up);
    lab.settle();
}
