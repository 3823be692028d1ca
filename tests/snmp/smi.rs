//! The MIB as libsmi reads it: what `smidump` says of every object, type and notification.

use crate::tools::{mib_directory, output, tool};
use std::collections::{BTreeMap, BTreeSet};

/// An object that has instances, or might.
#[derive(Clone, Debug)]
pub struct Object {
    pub name: String,
    pub oid: Vec<u32>,
    pub column: bool,
    /// "readonly", "readwrite", "noaccess" or "notifyonly".
    pub access: String,
    /// A base type's name, or a convention's.
    pub syntax: String,
    pub members: Vec<i64>,
    pub ranges: Vec<(i128, i128)>,
}

#[derive(Debug, Default)]
pub struct Mib {
    pub objects: Vec<Object>,
    /// Every registered name with its identifier and its kind.
    pub names: Vec<(String, Vec<u32>, String)>,
    /// A notification's objects, in order.
    pub notifications: BTreeMap<String, Vec<String>>,
    /// What the conformance groups hold.
    groups: BTreeMap<String, Vec<String>>,
    /// The groups that the capabilities statement includes.
    included: BTreeSet<String>,
    /// What the capabilities statement takes back: an object, and the access it has instead.
    variations: Vec<(String, String)>,
    /// Textual conventions.
    types: BTreeMap<String, Object>,
}

/// What an object's values look like on the wire.
#[derive(Debug)]
pub struct Wire {
    pub tag: u8,
    pub members: Vec<i64>,
    pub ranges: Vec<(i128, i128)>,
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}

fn oid(line: &str) -> Vec<u32> {
    attribute(line, "oid").unwrap_or("0.0").split('.').map(|arc| arc.parse().unwrap()).collect()
}

impl Mib {
    /// RAIS-MIB and the modules it stands on.
    pub fn load() -> Self {
        // The capabilities stand on RAIS-MIB, which is not in mib/base.
        let conventions = ["SNMPv2-TC", "SNMP-FRAMEWORK-MIB", "INET-ADDRESS-MIB", "HCNUM-TC", "IANAifType-MIB"];
        let standard = [
            "SNMPv2-MIB",
            "IF-MIB",
            "IP-MIB",
            "HOST-RESOURCES-MIB",
            "ENTITY-MIB",
            "UCD-SNMP-MIB",
            "SNMP-TARGET-MIB",
            "SNMP-NOTIFICATION-MIB",
            "SNMP-MPD-MIB",
            "SNMP-USER-BASED-SM-MIB",
            "SNMP-VIEW-BASED-ACM-MIB",
        ];
        let modules = conventions.into_iter().chain(standard);
        let mut mib = Self::default();
        for module in modules {
            mib.read(&output(tool("smidump", "smitools").args(["-f", "xml", module])));
        }
        mib.read(&output(tool("smidump", "smitools").args(["-f", "xml"]).arg(mib_directory().join("RAIS-MIB.txt"))));
        let capabilities = mib_directory().join("RAIS-CAPABILITIES-MIB.txt");
        mib.read(&output(tool("smidump", "smitools").args(["-f", "xml"]).arg(&capabilities)));
        let capabilities = std::fs::read_to_string(capabilities).unwrap();
        mib.include(&capabilities);
        mib.vary(&capabilities);
        mib
    }

    /// Reads which groups a capabilities statement includes.
    fn include(&mut self, capabilities: &str) {
        for list in capabilities.split("INCLUDES {").skip(1) {
            let names = list.split('}').next().unwrap().split(',');
            self.included.extend(names.map(|name| name.trim().to_owned()));
        }
    }

    /// Is it an object or a notification of ours that only groups have which the capabilities do not include?
    pub fn is_left_out(&self, name: &str) -> bool {
        let mut of = self.groups.iter().filter(|(_, members)| members.iter().any(|member| member == name));
        name.starts_with("rais") && of.clone().count() > 0 && of.all(|(group, _)| !self.included.contains(group))
    }

    /// Reads what a capabilities statement takes back; smidump does not tell.
    fn vary(&mut self, capabilities: &str) {
        let mut words = capabilities.split_ascii_whitespace();
        while words.any(|word| word == "VARIATION") {
            let (object, clause, access) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert_eq!(clause, "ACCESS", "{object}");
            self.variations.push((String::from(object), String::from(access)));
        }
    }

    /// Is an object declared to be served with this access only?
    pub fn varies(&self, object: &str, access: &str) -> bool {
        self.variations.iter().any(|(varied, to)| varied == object && to == access)
    }

    fn read(&mut self, xml: &str) {
        let mut object: Option<Object> = None;
        let mut notification = None;
        let mut group = None;
        for line in xml.lines().map(str::trim) {
            let element = line.trim_start_matches('<').split([' ', '>', '/']).next().unwrap_or("");
            let named = attribute(line, "name").map(String::from);
            match (element, named) {
                ("node" | "table" | "row" | "group" | "compliance", Some(name)) if line.contains(" oid=") => {
                    group = (element == "group").then(|| name.clone());
                    self.names.push((name, oid(line), String::from(element)));
                }
                ("scalar" | "column", Some(name)) => {
                    self.names.push((name.clone(), oid(line), String::from(element)));
                    object = Some(Object::new(name, oid(line), element == "column"));
                }
                ("notification", Some(name)) => {
                    self.names.push((name.clone(), oid(line), String::from(element)));
                    self.notifications.insert(name.clone(), Vec::new());
                    notification = Some(name);
                }
                ("object", Some(name)) => {
                    if let Some(objects) = notification.as_ref().and_then(|name| self.notifications.get_mut(name)) {
                        objects.push(name);
                    }
                }
                ("member", Some(name)) => {
                    let members = group.as_ref().map(|group| self.groups.entry(String::clone(group)).or_default());
                    members.unwrap().push(name);
                }
                ("typedef", Some(name)) => {
                    let mut convention = Object::new(name, Vec::new(), false);
                    convention.syntax = String::from(attribute(line, "basetype").unwrap());
                    convention.access = String::from("type");
                    object = Some(convention);
                }
                // Without a name it restricts the object it stands in, or refines one in a compliance statement.
                ("typedef", None) => {
                    if let Some(object) = &mut object {
                        object.syntax = String::from(attribute(line, "basetype").unwrap());
                    }
                }
                ("type" | "parent", Some(name)) => {
                    if let Some(object) = &mut object {
                        object.syntax = name;
                    }
                }
                ("namednumber", _) => {
                    if let Some(object) = &mut object {
                        object.members.push(attribute(line, "number").unwrap().parse().unwrap());
                    }
                }
                ("range", _) => {
                    if let (Some(object), Some(min), Some(max)) =
                        (&mut object, attribute(line, "min"), attribute(line, "max"))
                    {
                        object.ranges.push((min.parse().unwrap(), max.parse().unwrap()));
                    }
                }
                _ if line.starts_with("<access>") => {
                    if let Some(object) = &mut object {
                        object.access = line.replace("<access>", "").replace("</access>", "");
                    }
                }
                _ if line == "</scalar>" || line == "</column>" => self.objects.extend(object.take()),
                _ if line == "</notification>" => notification = None,
                _ if line == "</typedef>" => {
                    if let Some(done) = object.take_if(|object| object.access == "type") {
                        self.types.insert(done.name.clone(), done);
                    }
                }
                _ => {}
            }
        }
    }

    /// Down to the base type, with the narrowest restriction.
    pub fn wire(&self, object: &Object) -> Wire {
        let tag = match object.syntax.as_str() {
            "Enumeration" | "Integer32" | "INTEGER" => 0x02,
            "OctetString" => 0x04,
            "ObjectIdentifier" => 0x06,
            "Counter32" => 0x41,
            "Gauge32" | "Unsigned32" => 0x42,
            "TimeTicks" => 0x43,
            "Counter64" | "Unsigned64" => 0x46,
            other => {
                let convention = self.types.get(other).unwrap_or_else(|| panic!("{} is of type {other}", object.name));
                let mut wire = self.wire(convention);
                if !object.ranges.is_empty() {
                    wire.ranges.clone_from(&object.ranges);
                }
                return wire;
            }
        };
        Wire { tag, members: object.members.clone(), ranges: object.ranges.clone() }
    }

    pub fn object(&self, name: &str) -> &Object {
        self.objects.iter().find(|object| object.name == name).unwrap_or_else(|| panic!("no object is named {name}"))
    }
}

impl Object {
    fn new(name: String, oid: Vec<u32>, column: bool) -> Self {
        Self {
            name,
            oid,
            column,
            access: String::new(),
            syntax: String::new(),
            members: Vec::new(),
            ranges: Vec::new(),
        }
    }
}

impl Wire {
    /// Does a value fit? Says what is wrong with it.
    pub fn check(&self, tag: u8, content: &[u8]) -> Result<(), String> {
        if tag != self.tag {
            return Err(format!("it is of type {tag:#04x}, declared {:#04x}", self.tag));
        }
        let measure = match tag {
            0x04 => content.len() as i128,
            0x06 => return Ok(()),
            _ => content
                .iter()
                .fold(if content[0] < 0x80 { 0 } else { -1 }, |sum, octet| (sum << 8) | i128::from(*octet)),
        };
        let in_range = self.ranges.is_empty() || self.ranges.iter().any(|(min, max)| (*min..=*max).contains(&measure));
        let named = self.members.is_empty() || self.members.iter().any(|member| i128::from(*member) == measure);
        if in_range && named {
            Ok(())
        } else {
            Err(format!("{measure} is not within {:?} {:?}", self.ranges, self.members))
        }
    }
}
