//! RAIS-MIB as libsmi reads it: names, identifiers, kinds and texts of what a management system can be shown.

use crate::{cargo, prerequisites};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// What an object's values are to a management system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Counts up.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// One of a few words.
    States(Vec<(i64, String)>),
    /// Text.
    Text,
    /// Hundredths of a second of the agent's up-time.
    Ticks,
    /// Octets, dates and the like.
    Other,
}

/// An object that can be read.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Its identifier, dotted.
    pub oid: String,
    /// The table it is a column of; `None`: a scalar.
    pub table: Option<String>,
    /// What its values are.
    pub kind: Kind,
    /// Its first sentence.
    pub about: String,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Its name.
    pub name: String,
    /// Its identifier, dotted.
    pub oid: String,
    /// Its description.
    pub about: String,
}

/// The module.
#[derive(Debug, Default)]
pub struct Mib {
    /// What can be read, in the order of the module.
    pub objects: Vec<Object>,
    /// What is sent, in the order of the module.
    pub notifications: Vec<Notification>,
}

impl Mib {
    /// Reads it with `smidump`.
    pub fn load() -> Result<Self> {
        let directory = cargo::repository().join("mib");
        let output = prerequisites::command("smidump")
            .args(["-f", "xml"])
            .arg(directory.join("RAIS-MIB.txt"))
            .env("SMIPATH", format!("{0}:{0}/base", directory.display()))
            .output()
            .context("smidump does not start")?;
        ensure!(output.status.success(), "smidump: {}", String::from_utf8_lossy(&output.stderr));
        let mib = Self::parse(&String::from_utf8(output.stdout)?);
        ensure!(mib.objects.len() > 50 && !mib.notifications.is_empty(), "RAIS-MIB was not understood");
        Ok(mib)
    }

    /// The object of that name.
    pub fn object(&self, name: &str) -> Result<&Object> {
        self.objects.iter().find(|object| object.name == name).with_context(|| format!("RAIS-MIB has no {name}"))
    }

    /// The readable column of that name, which must be one of that table.
    pub fn column(&self, table: &str, name: &str) -> Result<&Object> {
        let object = self.object(name)?;
        ensure!(object.table.as_deref() == Some(table), "{name} is no column of {table}");
        Ok(object)
    }

    fn parse(xml: &str) -> Self {
        let mut mib = Self::default();
        let mut conventions =
            BTreeMap::from([(String::from("TruthValue"), vec![(1, String::from("true")), (2, String::from("false"))])]);
        let mut table = None;
        let mut block: Option<Block> = None;
        for line in xml.lines().map(str::trim) {
            let element = line.trim_start_matches('<').split([' ', '>']).next().unwrap_or("");
            match (element, attribute(line, "name")) {
                ("table", Some(name)) => table = Some(name),
                ("/table", _) => table = None,
                ("scalar" | "column" | "notification", Some(name)) => {
                    block = Some(Block {
                        element: element.to_owned(),
                        name,
                        oid: attribute(line, "oid"),
                        ..Block::default()
                    });
                }
                ("typedef", Some(name)) if block.is_none() => {
                    block = Some(Block { element: element.to_owned(), name, ..Block::default() });
                }
                ("namednumber", Some(word)) => {
                    if let (Some(block), Some(number)) = (&mut block, attribute(line, "number")) {
                        block.states.push((number.parse().unwrap_or(0), word));
                    }
                }
                ("type" | "parent", Some(name)) => {
                    if let Some(block) = &mut block {
                        block.syntax = name;
                    }
                }
                ("typedef", None) => {
                    if let (Some(block), Some(base)) = (&mut block, attribute(line, "basetype")) {
                        block.syntax = base;
                    }
                }
                ("access", _) => {
                    if let Some(block) = &mut block {
                        block.readable = line.contains(">read");
                    }
                }
                ("description", _) | ("/description", _) => {
                    if let Some(block) = &mut block {
                        block.describing = element == "description";
                    }
                }
                ("/scalar" | "/column" | "/notification" | "/typedef", _)
                    if block.as_ref().is_some_and(|block| format!("/{}", block.element) == element) =>
                {
                    if let Some(block) = block.take() {
                        mib.finish(block, table.clone(), &mut conventions);
                    }
                }
                _ => {
                    if let Some(block) = block.as_mut().filter(|block| block.describing) {
                        block.about.push_str(&format!("{line} "));
                    }
                }
            }
        }
        mib
    }

    fn finish(&mut self, block: Block, table: Option<String>, conventions: &mut BTreeMap<String, Vec<(i64, String)>>) {
        let about = block.about.trim().replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<");
        match block.element.as_str() {
            "typedef" => drop(conventions.insert(block.name, block.states)),
            "notification" => {
                self.notifications.push(Notification { name: block.name, oid: block.oid.unwrap_or_default(), about });
            }
            _ if block.readable => {
                let states =
                    if block.states.is_empty() { conventions.get(&block.syntax).cloned() } else { Some(block.states) };
                let kind = match (states.filter(|states| !states.is_empty()), block.syntax.as_str()) {
                    (Some(states), _) => Kind::States(states),
                    (None, "Counter32" | "Counter64" | "CounterBasedGauge64") => Kind::Counter,
                    (None, "Gauge32" | "Unsigned32" | "Integer32" | "InetPortNumber") => Kind::Gauge,
                    (None, "TimeStamp" | "TimeTicks") => Kind::Ticks,
                    (None, "SnmpAdminString" | "DisplayString") => Kind::Text,
                    (None, _) => Kind::Other,
                };
                let end = [". ", "? "].into_iter().filter_map(|end| about.find(end)).min();
                let first = end.and_then(|end| about.get(..=end)).unwrap_or(&about).trim_end_matches('.').to_owned();
                let oid = block.oid.unwrap_or_default();
                self.objects.push(Object { name: block.name, oid, table, kind, about: first });
            }
            _ => {}
        }
    }
}

/// An element that is being read.
#[derive(Debug, Default)]
struct Block {
    element: String,
    name: String,
    oid: Option<String>,
    syntax: String,
    states: Vec<(i64, String)>,
    readable: bool,
    describing: bool,
    about: String,
}

fn attribute(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
