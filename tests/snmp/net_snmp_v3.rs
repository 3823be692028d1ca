//! Real tools in version 3: net-snmp discovers, authenticates and decrypts, with every algorithm of its own.

use crate::sample;
use crate::tools::{mib_path, output, tool};
use crate::v3_manager::{AUTHENTICATION, Hash, PRIVACY, params, user};
use rais::snmp::v3::{Privacy, V3Params};
use rais::snmp::{Agent, AgentParams};
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;

/// Serves the sample to that user until the test process ends; time goes on as it does.
pub fn serve(hash: Hash, privacy: Privacy) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let snapshot = Arc::new(sample::snapshot());
    let v3 = V3Params { users: vec![user("noc", hash, Some(privacy))], ..params() };
    let mut agent = Agent::new(AgentParams { v3: Some(v3), ..AgentParams::default() });
    agent.look_at(&Arc::new(sample::machine()));
    let begun = std::time::Instant::now();
    std::thread::spawn(move || {
        let mut datagram = [0; 65_535];
        let mut reply = Vec::new();
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let now = snapshot.view.at + begun.elapsed();
            if agent.answer(&datagram[..length], from.ip(), &snapshot, now, &mut reply).is_ok() {
                socket.send_to(&reply, from).unwrap();
            }
        }
    });
    address
}

fn net_snmp(program: &str, options: &[&str]) -> Command {
    let mut command = tool(program, "snmp");
    let phrase = |octets: &'static [u8]| std::str::from_utf8(octets).unwrap();
    command.args(["-M", &mib_path(), "-m", "RAIS-MIB:SNMPv2-MIB", "-v", "3", "-u", "noc", "-r", "1", "-t", "5"]);
    command.args(["-A", phrase(AUTHENTICATION), "-X", phrase(PRIVACY)]).args(options);
    command
}

#[test]
fn snmpget_agrees_on_every_digest_and_cipher() {
    let table = [
        (Hash::Sha1, Privacy::Aes128, "SHA", "AES"),
        (Hash::Sha224, Privacy::Aes128, "SHA-224", "AES"),
        (Hash::Sha256, Privacy::Aes128, "SHA-256", "AES"),
        (Hash::Sha256, Privacy::Aes256, "SHA-256", "AES-256"),
        (Hash::Sha384, Privacy::Aes128, "SHA-384", "AES"),
        (Hash::Sha384, Privacy::Aes256, "SHA-384", "AES-256"),
        (Hash::Sha512, Privacy::Aes128, "SHA-512", "AES"),
        (Hash::Sha512, Privacy::Aes256, "SHA-512", "AES-256"),
    ];
    for (hash, privacy, digest, cipher) in table {
        let mut command = net_snmp("snmpget", &["-l", "authPriv", "-a", digest, "-x", cipher]);
        let read = output(command.arg(serve(hash, privacy).to_string()).arg("sysName.0"));
        assert_eq!(read, "SNMPv2-MIB::sysName.0 = STRING: edge-1\n", "{digest} {cipher}");
    }
}

#[test]
fn snmpbulkwalk_walks_everything_encrypted() {
    let options = ["-l", "authPriv", "-a", "SHA-256", "-x", "AES", "-Cr25"];
    let walk = output(
        net_snmp("snmpbulkwalk", &options).arg(serve(Hash::Sha256, Privacy::Aes128).to_string()).arg("raisObjects"),
    );
    assert!(walk.lines().count() > 800, "{} lines", walk.lines().count());
}

#[test]
fn snmpget_is_told_what_is_wrong_by_the_reports_that_rfc_3414_names() {
    let address = serve(Hash::Sha256, Privacy::Aes128).to_string();
    let table: [(&[&str], &str); 4] = [
        (&["-l", "authPriv", "-a", "SHA-256", "-x", "AES", "-A", "a wrong phrase"], "Authentication failure"),
        (&["-l", "authPriv", "-a", "SHA-256", "-x", "AES", "-u", "eve"], "Unknown user name"),
        (&["-l", "noAuthNoPriv", "-u", "noc"], "authorizationError"),
        (&["-l", "authPriv", "-a", "SHA-256", "-x", "AES", "-n", "nowhere"], "context"),
    ];
    for (options, expected) in table {
        let told = net_snmp("snmpget", options).arg(&address).arg("sysName.0").output().unwrap();
        assert!(!told.status.success(), "{options:?}");
        let said = String::from_utf8_lossy(&told.stderr).into_owned() + &String::from_utf8_lossy(&told.stdout);
        assert!(said.to_lowercase().contains(&expected.to_lowercase()), "{options:?}: {said}");
    }
}
