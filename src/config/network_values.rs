//! Values of the configuration that name something of a network: addresses, prefixes, NICs, domain names.

use super::model::{InterfaceAddress, MacAddress, Selector};
use super::values::{Parsed, quote, text};
use rais_core::address::Prefix;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use toml::de::DeValue;

/// Room for a kernel's interface name: `IFNAMSIZ` less the final zero.
const MAX_KERNEL_NAME: usize = 15;

/// Any IP address.
pub(super) fn address(value: &DeValue) -> Parsed<IpAddr> {
    text(|text| text.parse().map_err(|_| format!("{} is not an IPv4 or IPv6 address", quote(text))))(value)
}

/// What is wrong with an address that one host is to have, if anything is.
fn check_unicast(address: IpAddr) -> Result<(), String> {
    let kind = if address.is_unspecified() {
        "the unspecified address"
    } else if address.is_loopback() {
        "a loopback address"
    } else if address.is_multicast() {
        "a multicast address"
    } else {
        match address {
            IpAddr::V4(v4) if v4.is_broadcast() => "the broadcast address",
            // 0/8 is "this network" (RFC 791), 240/4 reserved (RFC 1112): the kernel refuses both.
            IpAddr::V4(v4) if matches!(v4.octets(), [0, ..] | [240..=255, ..]) => "reserved",
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => "an IPv4 address mapped into IPv6",
            IpAddr::V4(_) | IpAddr::V6(_) => return Ok(()),
        }
    };
    Err(format!("{address} is {kind}; a box can not have it"))
}

/// Is it an IPv6 address that means something only on its link?
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// An address of the box itself, with its prefix length.
pub(super) fn interface_address(value: &DeValue) -> Parsed<InterfaceAddress> {
    text(|text| {
        let shape = || format!("{} is not an address with its prefix length, such as 10.9.0.1/24", quote(text));
        let (address, length) = text.split_once('/').ok_or_else(shape)?;
        let address: IpAddr = address.parse().map_err(|_| shape())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let digits = !length.is_empty() && length.bytes().all(|octet| octet.is_ascii_digit());
        let prefix_length = length.parse().ok().filter(|length| digits && (1..=longest).contains(length));
        let prefix_length = prefix_length.ok_or_else(|| format!("the prefix length must be 1 to {longest}"))?;
        check_unicast(address)?;
        let found = InterfaceAddress { address, prefix_length };
        match special_of(address, found) {
            Some(kind) => Err(format!("{address} is the {kind} of {text}, not of a host")),
            None => Ok(found),
        }
    })(value)
}

/// Says so if an address is the network address or the broadcast address of an IPv4 network.
pub(super) fn special_of(address: IpAddr, network: InterfaceAddress) -> Option<&'static str> {
    let (IpAddr::V4(address), IpAddr::V4(inside)) = (address, network.address) else { return None };
    if network.prefix_length > 30 {
        return None;
    }
    let host_bits = u32::MAX.checked_shr(u32::from(network.prefix_length)).unwrap_or(0);
    if address.to_bits() == inside.to_bits() & !host_bits {
        return Some("network address");
    }
    (address.to_bits() == inside.to_bits() | host_bits).then_some("broadcast address")
}

/// An address that clients use.
pub(super) fn service_address(value: &DeValue) -> Parsed<IpAddr> {
    text(|text| {
        let Ok(address) = text.parse() else {
            let bare = text.split_once('/').and_then(|(address, _)| address.parse::<IpAddr>().ok());
            return Err(match bare {
                Some(bare) => format!("a service address has no prefix length; write \"{bare}\""),
                None => format!("{} is not an IPv4 or IPv6 address", quote(text)),
            });
        };
        check_unicast(address)?;
        if is_link_local(address) {
            return Err(format!("{address} is link-local; clients beyond the link can not reach it"));
        }
        Ok(address)
    })(value)
}

/// An address of another box or a router, that is the same seen from everywhere.
pub(super) fn other_host(value: &DeValue) -> Parsed<IpAddr> {
    let address = address(value)?;
    check_unicast(address)?;
    if is_link_local(address) {
        return Err(format!("{address} is link-local; it may be somebody else's on another link"));
    }
    Ok(address)
}

/// The multicast address of a group.
pub(super) fn multicast_address(value: &DeValue) -> Parsed<IpAddr> {
    text(|text| {
        let address: IpAddr = text.parse().map_err(|_| format!("{} is not an IPv4 or IPv6 address", quote(text)))?;
        match address {
            IpAddr::V4(v4) if !v4.is_multicast() => {
                Err(format!("{v4} is not a multicast address (224.0.0.0/4); take one of 239.0.0.0/8"))
            }
            IpAddr::V6(v6) if !v6.is_multicast() => {
                Err(format!("{v6} is not a multicast address (ff00::/8); take one of ff02::/16"))
            }
            // What every host of the link hears anyway (RFC 1112), and what never leaves the box (RFC 4291).
            IpAddr::V4(v4) if v4 == Ipv4Addr::new(224, 0, 0, 1) => Err(format!("{v4} is reserved for all hosts")),
            IpAddr::V6(v6) if v6.segments()[0] & 0xf == 1 => Err(format!("{v6} does not leave the box")),
            IpAddr::V4(_) | IpAddr::V6(_) => Ok(address),
        }
    })(value)
}

/// An address and a port other than 0 to listen on; the address may be unspecified.
pub(super) fn listen_address(value: &DeValue) -> Parsed<SocketAddr> {
    text(|text| {
        let socket: SocketAddr = text.parse().map_err(|_| {
            format!("{} is not an address and port, such as \"10.9.0.1:161\" or \"[fd00::1]:161\"", quote(text))
        })?;
        if socket.port() == 0 {
            return Err("the port must be 1 to 65535, is 0".to_owned());
        }
        if socket.ip().is_multicast() {
            return Err(format!("{} is a multicast address", socket.ip()));
        }
        Ok(socket)
    })(value)
}

/// An address and a port to send to or to connect to.
pub(super) fn peer_address(value: &DeValue) -> Parsed<SocketAddr> {
    let socket = listen_address(value)?;
    if socket.ip().is_unspecified() {
        return Err(format!("{} is nobody's address", socket.ip()));
    }
    Ok(socket)
}

/// A prefix; a bare address is one that holds only it.
pub(super) fn prefix(value: &DeValue) -> Parsed<Prefix> {
    text(|text| text.parse().map_err(|why| format!("{} is not possible: {why}", quote(text))))(value)
}

/// A NIC by its MAC address.
pub(super) fn mac(value: &DeValue) -> Parsed<Selector> {
    text(|text| {
        let shape = || format!("{} is not a MAC address, such as 52:54:00:09:00:01", quote(text));
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()));
            *octet = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or_else(shape)?;
        }
        if parts.next().is_some() {
            return Err(shape());
        }
        let [first, ..] = octets;
        if first & 1 == 1 || octets == [0; 6] {
            return Err(format!("{text} is no single NIC's address"));
        }
        Ok(Selector::Mac(MacAddress(octets)))
    })(value)
}

/// A NIC by its PCI path.
pub(super) fn pci(value: &DeValue) -> Parsed<Selector> {
    text(|text| {
        let shape = || format!("{} is not a PCI path, such as 0000:00:03.0", quote(text));
        let hex = |part: &str, digits: usize| part.len() == digits && part.bytes().all(|c| c.is_ascii_hexdigit());
        let (domain, rest) = text.split_once(':').ok_or_else(shape)?;
        let (bus, rest) = rest.split_once(':').ok_or_else(shape)?;
        let (device, function) = rest.split_once('.').ok_or_else(shape)?;
        // Domains above ffff exist (VMD): five to eight digits.
        let domain_good = (4..=8).contains(&domain.len()) && hex(domain, domain.len());
        let function_good = matches!(function.as_bytes(), [b'0'..=b'7']);
        let device_good = hex(device, 2) && u8::from_str_radix(device, 16).is_ok_and(|device| device < 32);
        if !(domain_good && hex(bus, 2) && device_good && function_good) {
            return Err(shape());
        }
        Ok(Selector::Pci(text.to_ascii_lowercase()))
    })(value)
}

/// A NIC by the kernel's name.
pub(super) fn kernel_name(value: &DeValue) -> Parsed<Selector> {
    text(|text| {
        let good = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':');
        if text.is_empty() || text.len() > MAX_KERNEL_NAME || !text.chars().all(good) || matches!(text, "." | "..") {
            let rule = format!("1 to {MAX_KERNEL_NAME} printable characters other than '/' and ':'");
            return Err(format!("{} is not a kernel's interface name: {rule}", quote(text)));
        }
        Ok(Selector::KernelName(text.to_owned()))
    })(value)
}

/// A zone's origin: lower case, without the final dot.
pub(super) fn domain_name(value: &DeValue) -> Parsed<String> {
    text(|text| {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        check_labels(&name).map_err(|why| format!("{} is not a domain name: {why}", quote(text)))?;
        Ok(name)
    })(value)
}

/// An owner name relative to its zone: labels, or "@".
pub(super) fn record_name(value: &DeValue) -> Parsed<String> {
    text(|text| {
        if text == "@" {
            return Ok(text.to_owned());
        }
        if text.ends_with('.') {
            return Err(format!("{} is absolute; write it relative to the zone's name", quote(text)));
        }
        let name = text.to_ascii_lowercase();
        let (first, rest) = name.split_once('.').unwrap_or((&name, ""));
        let below = if first == "*" && !rest.is_empty() { rest } else { &name };
        if name != "*" {
            check_labels(below).map_err(|why| format!("{} is not an owner name: {why}", quote(text)))?;
        }
        Ok(name)
    })(value)
}

/// RFC 1035 §2.3.4, with the underscore of RFC 8552.
fn check_labels(name: &str) -> Result<(), String> {
    if name.len() > 253 {
        return Err(format!("it is {} octets long, at most 253 are possible", name.len()));
    }
    for label in name.split('.') {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if label.is_empty() || label.len() > 63 {
            return Err("a label has 1 to 63 characters".to_owned());
        }
        if !label.chars().all(good) || label.starts_with('-') || label.ends_with('-') {
            return Err(format!("{label:?} is not a label of a-z, 0-9, '_' and, inside, '-'"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parser<T> = fn(&DeValue) -> Parsed<T>;

    fn good<T>(parse: Parser<T>, texts: &[&str]) {
        for text in texts {
            assert!(parse(&DeValue::String((*text).into())).is_ok(), "{text}");
        }
    }

    fn bad<T>(parse: Parser<T>, texts: &[&str]) {
        for text in texts {
            assert!(parse(&DeValue::String((*text).into())).is_err(), "{text}");
        }
    }

    #[test]
    fn an_interface_address_is_a_hosts_and_has_a_prefix_length() {
        good(
            interface_address,
            &["10.9.0.1/24", "10.9.0.0/31", "10.9.0.1/32", "fd00::1/64", "fe80::1/64", "fd00::/127"],
        );
        bad(interface_address, &["10.9.0.1", "10.9.0.1/", "10.9.0.1/0", "10.9.0.1/33", "fd00::1/129", "10.9.0.1/+8"]);
        bad(interface_address, &["10.9.0.0/24", "10.9.0.255/24", "127.0.0.1/8", "239.1.1.1/8", "0.0.0.0/8", "::1/128"]);
        bad(interface_address, &["240.0.0.1/8", "0.1.2.3/8", "::ffff:10.0.0.1/96", "255.255.255.255/32"]);
    }

    #[test]
    fn a_service_address_is_one_that_clients_can_reach() {
        good(service_address, &["10.9.0.101", "fd00:9::101"]);
        bad(service_address, &["10.9.0.101/32", "fe80::1", "169.254.0.1", "127.0.0.1", "239.0.0.1", "::", "www", ""]);
    }

    #[test]
    fn a_group_address_is_multicast_and_leaves_the_box() {
        good(multicast_address, &["239.77.0.1", "224.0.0.77", "ff02::77", "ff08::1"]);
        bad(multicast_address, &["10.0.0.1", "fd00::1", "224.0.0.1", "ff01::77", "x"]);
    }

    #[test]
    fn a_nic_is_named_by_mac_or_pci_path_or_kernel_name() {
        good(mac, &["52:54:00:09:00:01", "52-54-00-AB-cd-01"]);
        bad(
            mac,
            &[
                "52:54:00:09:00",
                "52:54:00:09:00:01:02",
                "53:54:00:09:00:01",
                "00:00:00:00:00:00",
                "5:4:0:9:0:1",
                "+1:54:00:09:00:01",
            ],
        );
        good(pci, &["0000:00:03.0", "10000:e1:1F.7"]);
        bad(pci, &["00:03.0", "0000:00:20.0", "0000:00:03.8", "0000:0:03.0", "0000:00:03", "000g:00:03.0"]);
        good(kernel_name, &["eth0", "enp0s31f6", "br-lan", "veth@1"]);
        bad(kernel_name, &["", ".", "a/b", "a b", "eth0:1", "sixteen-letters-", "é"]);
    }

    #[test]
    fn names_of_zones_and_records_are_those_of_the_dns() {
        good(domain_name, &["www.example.net", "WWW.Example.NET.", "a", "_srv.example.net", "xn--bcher-kva.example"]);
        let long = ["a"; 130].join(".");
        bad(domain_name, &["", ".", "a..b", "-a.net", "a-.net", "a b", "é.net", &"a".repeat(64), &long]);
        good(record_name, &["@", "www", "a.b", "*", "*.a", "_http._tcp"]);
        bad(record_name, &["", "www.", "a.*", "**", "@.a"]);
    }

    #[test]
    fn ports_and_peers_must_exist() {
        good(listen_address, &["0.0.0.0:161", "[::]:161", "127.0.0.1:1"]);
        bad(listen_address, &["161", "0.0.0.0", "localhost:80", "10.0.0.1:0", "239.0.0.1:5", "::1:80"]);
        bad(peer_address, &["0.0.0.0:162", "[::]:162"]);
    }
}
