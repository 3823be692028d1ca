//! pysnmp and easysnmp in version 2c and 3: two more opinions on keys, digests and encryption.
//!
//! They come from a Python environment of their own, which needs the network and, for easysnmp, a C compiler and net-snmp's
//! headers. So this does not run by itself: give an interpreter that has both in `RAIS_PYTHON` and ask for ignored tests.

use crate::net_snmp_v3::serve;
use crate::v3_manager::{AUTHENTICATION, Hash, PRIVACY};
use rais::snmp::v3::Privacy;
use std::process::Command;

const PYSNMP: &str = r#"
import asyncio, sys
from pysnmp.hlapi.v3arch.asyncio import *
digest = {"SHA-256": USM_AUTH_HMAC192_SHA256, "SHA-512": USM_AUTH_HMAC384_SHA512}[sys.argv[3]]
# Reeder's and Blumenthal's AES-256 are the same where no key needs stretching.
cipher = {"AES-128": USM_PRIV_CFB128_AES, "AES-256": USM_PRIV_CFB256_AES, "AES-256-B": USM_PRIV_CFB256_AES_BLUMENTHAL}[sys.argv[4]]
async def main():
    user = UsmUserData("noc", sys.argv[5], sys.argv[6], authProtocol=digest, privProtocol=cipher)
    target = await UdpTransportTarget.create((sys.argv[1], int(sys.argv[2])), timeout=5)
    name = ObjectType(ObjectIdentity("1.3.6.1.2.1.1.5.0"))
    error, status, _, found = await get_cmd(SnmpEngine(), user, target, ContextData(), name)
    assert not error and not status, (error, status)
    print(found[0][1])
asyncio.run(main())
"#;

const EASYSNMP: &str = r#"
import sys
from easysnmp import Session
session = Session(hostname=sys.argv[1], remote_port=int(sys.argv[2]), version=3, security_username="noc", timeout=5,
    security_level="auth_with_privacy", auth_protocol=sys.argv[3], privacy_protocol=sys.argv[4],
    auth_password=sys.argv[5], privacy_password=sys.argv[6])
print(session.get("1.3.6.1.2.1.1.5.0").value)
"#;

#[test]
#[ignore = "needs RAIS_PYTHON: an interpreter with pysnmp, cryptography and easysnmp"]
fn pysnmp_and_easysnmp_agree_on_what_net_snmp_agrees_on() {
    let python = std::env::var("RAIS_PYTHON").expect("RAIS_PYTHON names an interpreter with pysnmp and easysnmp");
    let table = [
        (PYSNMP, Hash::Sha256, Privacy::Aes128, "SHA-256", "AES-128"),
        (PYSNMP, Hash::Sha512, Privacy::Aes256, "SHA-512", "AES-256"),
        (PYSNMP, Hash::Sha512, Privacy::Aes256, "SHA-512", "AES-256-B"),
        (EASYSNMP, Hash::Sha256, Privacy::Aes128, "SHA-256", "AES"),
        (EASYSNMP, Hash::Sha512, Privacy::Aes256, "SHA-512", "AES-256"),
    ];
    for (script, hash, privacy, digest, cipher) in table {
        let address = serve(hash, privacy);
        let mut command = Command::new(&python);
        command.args(["-c", script, &address.ip().to_string(), &address.port().to_string(), digest, cipher]);
        let phrases = [AUTHENTICATION, PRIVACY].map(|phrase| std::str::from_utf8(phrase).unwrap());
        let done = command.args(phrases).output().unwrap();
        assert!(done.status.success(), "{digest} {cipher}: {}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "edge-1", "{digest} {cipher}");
    }
}
