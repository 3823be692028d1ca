//! rais.toml as an operator wrote it, with its comments: users are put into it and taken out, and nothing else is touched.

use crate::snmp::v3::EngineId;
use serde::Serialize;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

/// A file that is being changed.
#[derive(Clone, Debug)]
pub(super) struct Document(DocumentMut);

/// `[[snmp.user]]` as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct UserEntry {
    pub(super) name: String,
    pub(super) group: Option<String>,
    pub(super) authentication: Option<String>,
    pub(super) privacy: Option<String>,
    pub(super) file: Option<String>,
    pub(super) engine_id: Option<String>,
}

impl UserEntry {
    fn read(table: &Table) -> Self {
        let text = |key: &str| table.get(key).and_then(Item::as_str).map(str::to_owned);
        Self {
            name: text("name").unwrap_or_default(),
            group: text("group"),
            authentication: text("authentication"),
            privacy: text("privacy"),
            file: text("file"),
            engine_id: text("engine_id"),
        }
    }

    fn to_table(&self, file: &str) -> Table {
        let mut table = Table::new();
        let mut put = |key: &str, text: Option<&str>| {
            if let Some(text) = text {
                table.insert(key, value(text));
            }
        };
        put("name", Some(&self.name));
        put("group", self.group.as_deref());
        put("authentication", self.authentication.as_deref());
        put("privacy", self.privacy.as_deref());
        put("file", Some(file));
        put("engine_id", self.engine_id.as_deref());
        table
    }
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
        let sound = |item: Option<&Item>| item.is_none_or(Item::is_table);
        let users = document.get("snmp").and_then(|snmp| snmp.get("user"));
        if sound(document.get("snmp")) && users.is_none_or(Item::is_array_of_tables) {
            return Ok(Self(document));
        }
        Err("snmp must be written as [snmp], and its users as [[snmp.user]]".to_owned())
    }

    pub(super) fn to_text(&self) -> String {
        self.0.to_string()
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        let users = self.0.get("snmp").and_then(|snmp| snmp.get("user")).and_then(Item::as_array_of_tables);
        users.into_iter().flat_map(ArrayOfTables::iter)
    }

    pub(super) fn users(&self) -> Vec<UserEntry> {
        self.tables().map(UserEntry::read).collect()
    }

    /// `snmp.engine_id`, if it is one.
    pub(super) fn engine_id(&self) -> Option<EngineId> {
        self.0.get("snmp")?.get("engine_id")?.as_str()?.parse().ok()
    }

    pub(super) fn set_engine_id(&mut self, id: EngineId) {
        if let Some(snmp) = self.snmp() {
            snmp.insert("engine_id", value(id.to_string()));
        }
    }

    /// Where the user of that name is, for that engine or for this box.
    pub(super) fn position(&self, name: &str, engine: Option<EngineId>) -> Option<usize> {
        let engine = engine.map(|id| id.to_string());
        let same =
            |user: &UserEntry| user.name == name && user.engine_id.as_ref().map(|id| id.to_ascii_lowercase()) == engine;
        self.users().iter().position(same)
    }

    /// Writes a user, in the place of one of that name; returns the path that its keys are to have in the bundle.
    pub(super) fn put(&mut self, entry: &UserEntry) -> String {
        let engine = entry.engine_id.as_ref().and_then(|id| id.parse().ok());
        let before = self.position(&entry.name, engine);
        let mut users = self.users();
        let own = before.and_then(|at| users.get(at).and_then(|user| user.file.clone()));
        if let Some(at) = before {
            users.remove(at);
        }
        let file = own.unwrap_or_else(|| free_file(entry, &users));
        let table = entry.to_table(&file);
        if let Some(list) = self.list() {
            match before.and_then(|at| list.get_mut(at)) {
                // The comments around it stay where they are.
                Some(old) => {
                    for key in ["group", "authentication", "privacy", "file", "engine_id"] {
                        match table.get(key) {
                            Some(item) => drop(old.insert(key, item.clone())),
                            None => drop(old.remove(key)),
                        }
                    }
                }
                None => list.push(table),
            }
        }
        file
    }

    pub(super) fn remove(&mut self, name: &str, engine: Option<EngineId>) -> Option<UserEntry> {
        let at = self.position(name, engine)?;
        let removed = self.users().into_iter().nth(at);
        self.list()?.remove(at);
        removed
    }

    fn snmp(&mut self) -> Option<&mut Table> {
        self.0.entry("snmp").or_insert_with(|| Item::Table(Table::new())).as_table_mut()
    }

    fn list(&mut self) -> Option<&mut ArrayOfTables> {
        let users = self.snmp()?.entry("user");
        users.or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new())).as_array_of_tables_mut()
    }
}

/// A path that a bundle may hold and that no other user has.
fn free_file(entry: &UserEntry, users: &[UserEntry]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = entry.name.chars().map(plain).collect();
    let engine = entry.engine_id.as_ref().map_or_else(String::new, |id| {
        let start = id.len().saturating_sub(8);
        format!("-{}", id.get(start..).unwrap_or_default())
    });
    let candidates = (1..).map(|number| {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        format!("secrets/snmp-{name}{engine}{number}.keys")
    });
    let taken = |file: &String| users.iter().any(|user| user.file.as_ref() == Some(file));
    candidates.take(users.len() + 1).find(|file| !taken(file)).unwrap_or_default()
}
