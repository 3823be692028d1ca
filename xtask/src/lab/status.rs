//! What `raisctl status --json` says, as far as a scenario needs it.
//!
//! Own types, not the daemon's: xtask must build in seconds on a bare clone, and a renamed field ought to be noticed here
//! as any script of an operator would notice it.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::net::IpAddr;

/// One box's picture of everything.
#[derive(Debug, Deserialize)]
pub struct Status {
    /// The published picture.
    pub snapshot: Snapshot,
}

/// The picture.
#[derive(Debug, Deserialize)]
pub struct Snapshot {
    /// What the core knows.
    pub view: View,
}

/// What the core knows.
#[derive(Debug, Deserialize)]
pub struct View {
    /// The groups.
    pub groups: Vec<Group>,
}

/// One group.
#[derive(Debug, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Who leads.
    pub leader: Option<IpAddr>,
    /// The boxes.
    pub hosts: Vec<Host>,
    /// The service addresses.
    pub addresses: Vec<Address>,
}

/// One box.
#[derive(Debug, Deserialize)]
pub struct Host {
    /// Its id address.
    pub id: IpAddr,
    /// Its health.
    pub state: String,
}

/// One service address.
#[derive(Debug, Deserialize)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// What this box itself holds of it.
    pub own_claim: Option<serde_json::Value>,
}

impl Status {
    /// Reads the JSON.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("raisctl status --json says something unexpected")
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.snapshot.view.groups.iter().find(|group| group.name == name)
    }

    /// The service addresses of all groups, with their group's name.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &Address)> {
        self.snapshot.view.groups.iter().flat_map(|g| g.addresses.iter().map(|address| (g.name.as_str(), address)))
    }
}
