//! pysnmp and easysnmp in version 2c and 3: two more opinions on keys, digests and encryption. And on the standard modules:
//! `mib/base` has them in our own words, pysnmp in those of the RFCs.
//!
//! They come from a Python environment of their own, which needs the network and, for easysnmp, a C compiler and net-snmp's
//! headers: `cargo xtask test --only python` makes it and runs these tests with it.

use crate::bench::{Bench, COMMUNITY};
use crate::ber::dotted;
use crate::smi::Mib;
use crate::v3_manager::{AUTHENTICATION, Hash, PRIVACY};
use crate::{net_snmp, net_snmp_v3};
use rais::snmp::v3::Privacy;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

/// Both print sysName and then the values of a column, a line each.
const PYSNMP: &str = r#"
import asyncio, sys
from pysnmp.hlapi.v3arch.asyncio import *
host, port, column, digest, cipher, authentication, privacy = sys.argv[1:]
digests = {"SHA-256": USM_AUTH_HMAC192_SHA256, "SHA-512": USM_AUTH_HMAC384_SHA512}
# Reeder's and Blumenthal's AES-256 are the same where no key needs stretching.
ciphers = {"AES": USM_PRIV_CFB128_AES, "AES-256": USM_PRIV_CFB256_AES, "AES-256-B": USM_PRIV_CFB256_AES_BLUMENTHAL}
async def main():
    if digest == "2c":
        user = CommunityData("public", mpModel=1)
    else:
        user = UsmUserData("noc", authentication, privacy, authProtocol=digests[digest], privProtocol=ciphers[cipher])
    target = await UdpTransportTarget.create((host, int(port)), timeout=5)
    engine, context = SnmpEngine(), ContextData()
    error, status, _, found = await get_cmd(engine, user, target, context, ObjectType(ObjectIdentity("1.3.6.1.2.1.1.5.0")))
    assert not error and not status, (error, status)
    print(found[0][1])
    rows = bulk_walk_cmd(engine, user, target, context, 0, 7, ObjectType(ObjectIdentity(column)), lexicographicMode=False)
    async for error, status, _, found in rows:
        assert not error and not status, (error, status)
        # A table at once, and what follows it.
        for name, value in found:
            if str(name).startswith(column + "."):
                print(value)
asyncio.run(main())
"#;

const EASYSNMP: &str = r#"
import sys
from easysnmp import Session
host, port, column, digest, cipher, authentication, privacy = sys.argv[1:]
if digest == "2c":
    session = Session(hostname=host, remote_port=int(port), version=2, community="public", timeout=5)
else:
    session = Session(hostname=host, remote_port=int(port), version=3, security_username="noc", timeout=5,
        security_level="auth_with_privacy", auth_protocol=digest, privacy_protocol=cipher,
        auth_password=authentication, privacy_password=privacy)
print(session.get("1.3.6.1.2.1.1.5.0").value)
for row in session.bulkwalk(column, 0, 7):
    print(row.value)
"#;

/// Every object of a module: name, OID, type on the wire, access.
const MODULE: &str = r#"
import sys
from pysnmp.smi import builder
from pysnmp.proto import rfc1902
mibs = builder.MibBuilder()
tags = [("Counter64", 0x46), ("TimeTicks", 0x43), ("Counter32", 0x41), ("Unsigned32", 0x42), ("Gauge32", 0x42),
        ("ObjectIdentifier", 6), ("IpAddress", 0x40), ("Bits", 4), ("OctetString", 4), ("Integer32", 2), ("Integer", 2)]
def tag(syntax):
    names = [base.__name__ for base in type(syntax).__mro__]
    return next(number for name, number in tags if name in names)
for module in sys.argv[1:]:
    mibs.load_modules(module)
    for name, symbol in mibs.mibSymbols[module].items():
        if type(symbol).__name__ in ("MibScalar", "MibTableColumn"):
            oid = ".".join(map(str, symbol.getName()))
            print(module, name, oid, tag(symbol.getSyntax()), symbol.getMaxAccess().replace("-", ""))
"#;

/// Client, its script, what it asks, digest, cipher.
type Row<'a> = (&'a str, &'a str, &'a dyn Fn() -> SocketAddr, &'a str, &'a str);

/// Runs a script to its end.
fn python(script: &str, arguments: &[&str]) -> Vec<String> {
    let interpreter = std::env::var("RAIS_PYTHON").expect("RAIS_PYTHON names an interpreter with pysnmp and easysnmp");
    let mut command = Command::new(interpreter);
    command.args(["-c", script]).args(arguments);
    // Nothing of the person who runs the test.
    command.env("SNMPCONFPATH", "/nonexistent").env("MIBS", "").env("HOME", "/nonexistent");
    let done = command.output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs RAIS_PYTHON: run `cargo xtask test --only python`"]
fn pysnmp_and_easysnmp_agree_on_what_net_snmp_agrees_on() {
    // ifDescr: every row is a text.
    let column = "1.3.6.1.2.1.2.2.1.2";
    let rows: Vec<_> = Bench::new().walk(column).iter().map(|row| row.text()).collect();
    assert!(rows.len() > 1, "{rows:?}");
    let expected = [vec![String::from("edge-1")], rows].concat();
    assert_eq!(COMMUNITY, b"public");
    let v3 = |hash, privacy| move || net_snmp_v3::serve(hash, privacy);
    let table: [Row<'_>; 7] = [
        ("pysnmp", PYSNMP, &net_snmp::serve, "2c", ""),
        ("pysnmp", PYSNMP, &v3(Hash::Sha256, Privacy::Aes128), "SHA-256", "AES"),
        ("pysnmp", PYSNMP, &v3(Hash::Sha512, Privacy::Aes256), "SHA-512", "AES-256"),
        ("pysnmp", PYSNMP, &v3(Hash::Sha512, Privacy::Aes256), "SHA-512", "AES-256-B"),
        ("easysnmp", EASYSNMP, &net_snmp::serve, "2c", ""),
        ("easysnmp", EASYSNMP, &v3(Hash::Sha256, Privacy::Aes128), "SHA-256", "AES"),
        ("easysnmp", EASYSNMP, &v3(Hash::Sha512, Privacy::Aes256), "SHA-512", "AES-256"),
    ];
    let phrases = [AUTHENTICATION, PRIVACY].map(|phrase| std::str::from_utf8(phrase).unwrap());
    for (client, script, serve, digest, cipher) in table {
        let address = serve();
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let heard = python(script, &[&host, &port, column, digest, cipher, phrases[0], phrases[1]]);
        assert_eq!(heard, expected, "{client} {digest} {cipher}");
    }
}

#[test]
#[ignore = "needs RAIS_PYTHON: run `cargo xtask test --only python`"]
fn python_clients_modules_are_what_our_excerpts_of_them_say() {
    let modules = [
        "SNMPv2-MIB",
        "SNMP-FRAMEWORK-MIB",
        "SNMP-MPD-MIB",
        "SNMP-TARGET-MIB",
        "SNMP-NOTIFICATION-MIB",
        "SNMP-USER-BASED-SM-MIB",
        "SNMP-VIEW-BASED-ACM-MIB",
    ];
    let mib = Mib::load();
    let ours: BTreeMap<_, _> = mib.objects.iter().map(|object| (object.name.as_str(), object)).collect();
    let mut seen = BTreeMap::new();
    for line in python(MODULE, &modules) {
        let [module, name, oid, tag, access] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let Some(object) = ours.get(name) else { continue };
        assert_eq!(dotted(&object.oid), oid, "{name}");
        assert_eq!(mib.wire(object).tag.to_string(), tag, "{name}");
        let access = match access {
            "notaccessible" => "noaccess",
            "accessiblefornotify" => "notifyonly",
            // smidump does not tell the two apart.
            "readcreate" => "readwrite",
            access => access,
        };
        assert_eq!(object.access, access, "{name}");
        *seen.entry(module.to_owned()).or_insert(0) += 1;
    }
    // Objects of ours that pysnmp's modules do not have would be our own invention.
    let known: usize = seen.values().sum();
    let below = |object: &&&crate::smi::Object| {
        object.oid.starts_with(&[1, 3, 6, 1, 6, 3]) || object.oid.starts_with(&[1, 3, 6, 1, 2, 1, 1])
    };
    let snmp = |object: &&&crate::smi::Object| object.oid.starts_with(&[1, 3, 6, 1, 2, 1, 11]);
    let wanted = ours.values().filter(|object| below(object) || snmp(object)).count();
    assert_eq!(known, wanted, "{seen:?}");
    assert_eq!(seen.len(), modules.len(), "{seen:?}");
}
