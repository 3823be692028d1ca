//! raisGroupTable: the service groups this box belongs to.

use super::time_stamp;
use crate::snmp::prepared::{Served, host};
use crate::snmp::set::{Change, Refusal, Step, Syntax};
use crate::snmp::table::ByName;
use crate::snmp::value::Value;
use rais_core::counters::DropCause;
use rais_core::io::Command;
use rais_core::notification::{GroupState, PartitionState};
use rais_core::operator::FailbackOrder;
use rais_core::params::{Choice, Failback};
use rais_core::time::Instant;
use rais_core::view::GroupView;

/// What was told of a group as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHistory {
    /// Whether it is well, as was told last; well before anything was.
    pub service: GroupState,
    /// How often that changed.
    pub service_changes: Changes,
    /// How often the box found itself in another part of a divided group, or in a whole one.
    pub partition_changes: Changes,
}

/// How often a state changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// So often.
    pub count: u64,
    /// When it did last; `None`: it never did.
    pub last: Option<Instant>,
}

impl Changes {
    /// It changed.
    pub fn note(&mut self, at: Instant) {
        self.count += 1;
        self.last = Some(at);
    }
}

impl Default for GroupHistory {
    fn default() -> Self {
        let changes = Changes::default();
        Self { service: GroupState::Ok, service_changes: changes, partition_changes: changes }
    }
}

pub(super) struct GroupTable;

/// The column of the first drop cause; the others follow in the order of [`DropCause::ALL`].
const FIRST_DROP: u32 = 34;
/// A cause that is added gets a column here and in the MIB.
const _: () = assert!(FIRST_DROP as usize + DropCause::ALL.len() == 48, "every drop cause has its column");

/// raisGroupFailbackAdmin.
const FAILBACK_ADMIN: u32 = 51;
/// raisGroupChoiceAdmin.
const CHOICE_ADMIN: u32 = 53;
/// Of both: nobody wants anything else.
const CONFIGURED: i32 = 1;

const fn failback_admin(failback: Option<FailbackOrder>) -> i32 {
    match failback {
        None => CONFIGURED,
        Some(FailbackOrder::Immediate) => 2,
        Some(FailbackOrder::Manual) => 3,
    }
}

const fn choice_admin(choice: Option<Choice>) -> i32 {
    match choice {
        None => CONFIGURED,
        Some(Choice::Balanced) => 2,
        Some(Choice::Random) => 3,
    }
}

/// What the column says now, and what `raisctl` would be told to make it this.
fn command(group: &GroupView, column: u32, wanted: i32) -> (i32, Command) {
    let name = Some(group.name.clone());
    if column == FAILBACK_ADMIN {
        let failback = [FailbackOrder::Immediate, FailbackOrder::Manual];
        let failback = failback.into_iter().find(|order| failback_admin(Some(*order)) == wanted);
        (failback_admin(group.policy.failback), Command::Failback { group: name, failback })
    } else {
        let choice = [Choice::Balanced, Choice::Random];
        let choice = choice.into_iter().find(|choice| choice_admin(Some(*choice)) == wanted);
        (choice_admin(group.policy.choice), Command::Choice { group: name, choice })
    }
}

/// RaisGroupStateTC.
pub(in crate::snmp) const fn group_state(state: GroupState) -> Value<'static> {
    Value::Integer(match state {
        GroupState::Ok => 1,
        GroupState::Degraded => 2,
    })
}

/// RaisPartitionStateTC.
pub(in crate::snmp) const fn state(state: PartitionState) -> Value<'static> {
    Value::Integer(match state {
        PartitionState::Serving => 1,
        PartitionState::Minority => 2,
        PartitionState::NoWitness => 3,
    })
}

/// It has no multicast.
fn is_unicast(served: &Served<'_>, row: usize) -> bool {
    served.about_group(row).is_some_and(|about| !about.peers.is_empty())
}

impl ByName for GroupTable {
    const COLUMNS: &'static [u32] = &[
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        16,
        17,
        18,
        19,
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        27,
        28,
        29,
        30,
        31,
        32,
        33,
        34,
        35,
        36,
        37,
        38,
        39,
        40,
        41,
        42,
        43,
        44,
        45,
        46,
        47,
        48,
        49,
        50,
        FAILBACK_ADMIN,
        52,
        CHOICE_ADMIN,
        54,
        55,
        56,
        57,
        58,
        59,
        60,
        61,
        62,
    ];
    const WRITABLE: &'static [(u32, Syntax)] =
        &[(FAILBACK_ADMIN, Syntax::OneOf(&[CONFIGURED, 2, 3])), (CHOICE_ADMIN, Syntax::OneOf(&[CONFIGURED, 2, 3]))];

    fn rows(served: &Served<'_>) -> usize {
        served.groups()
    }

    fn name<'a>(served: &Served<'a>, row: usize) -> &'a str {
        served.group_name(row)
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let Some(group) = served.group(row) else { return Value::NoSuchInstance };
        let address = || served.about_group(row).map(|about| about.address);
        let leader = group.leader.map(|id| id.0);
        let sums = || served.sums(row);
        let history = || served.deliveries.map(|of| of.group(&group.name)).unwrap_or_default();
        let counters = &group.counters;
        match column {
            2 => Value::address_type(address().map(|socket| socket.ip())),
            3 => Value::Address(address().map(|socket| socket.ip())),
            4 => Value::Gauge32(address().map_or(0, |socket| u32::from(socket.port()))),
            5 => Value::address_type(Some(group.id.0)),
            6 => Value::Address(Some(group.id.0)),
            7 => Value::address_type(leader),
            8 => Value::Address(leader),
            9 => {
                let leader = group.leader.and_then(|id| host(group, id));
                Value::text(leader.map_or("", |host| host.name.as_str()))
            }
            10 => Value::Integer(if group.leads() { 2 } else { 1 }),
            11 => Value::truth(group.settled),
            12 => Value::Gauge32(group.disagreeing),
            13 => Value::gauge(sums().hosts_live),
            14 => Value::gauge(sums().hosts_ok),
            15 => Value::gauge(group.addresses.len()),
            16 => Value::gauge(sums().online),
            17 => Value::gauge(sums().moving),
            18 => Value::gauge(sums().unserved),
            19 => Value::gauge(sums().duplicate),
            20 => Value::gauge(sums().orphaned),
            21 => Value::milliseconds(group.beat),
            22 => Value::milliseconds(group.dead_after),
            23 => Value::Gauge32(group.high_water_mark.0),
            24 => Value::Gauge32(group.low_water_mark.0),
            25 => Value::counter(counters.leader_changes),
            26 => Value::up_time(group.last_change, served.started()),
            27 => Value::counter(counters.messages_in),
            28 => Value::counter(counters.messages_out),
            29 => Value::counter(counters.acquires),
            30 => Value::counter(counters.acquire_failures),
            31 => Value::counter(counters.releases),
            32 => Value::counter(counters.release_failures),
            33 => Value::counter(counters.drops.total()),
            48 => state(group.partition_state),
            49 => Value::counter(counters.unsigned_in),
            50 => Value::Integer(match group.failback {
                Failback::Immediate => 1,
                Failback::After(_) => 2,
                Failback::Manual => 3,
            }),
            FAILBACK_ADMIN => Value::Integer(failback_admin(group.policy.failback)),
            52 => Value::Integer(match group.choice {
                Choice::Balanced => 1,
                Choice::Random => 2,
            }),
            CHOICE_ADMIN => Value::Integer(choice_admin(group.policy.choice)),
            54 => Value::counter(group.policy.version.0),
            55 => Value::counter(counters.repairs),
            56 => Value::Integer(if is_unicast(served, row) { 2 } else { 1 }),
            57 => Value::gauge(served.peers(row).len()),
            58 => group_state(history().service),
            59 => Value::counter(history().service_changes.count),
            60 => time_stamp(history().service_changes.last, served.started()),
            61 => Value::counter(history().partition_changes.count),
            62 => time_stamp(history().partition_changes.last, served.started()),
            FIRST_DROP.. => match DropCause::ALL.get((column - FIRST_DROP) as usize) {
                Some(cause) => Value::counter(counters.drops.of(*cause)),
                None => Value::NoSuchInstance,
            },
            _ => Value::NoSuchInstance,
        }
    }

    /// Any box of the group may be told, once it knows what was said before.
    fn change(served: &Served<'_>, column: u32, row: usize, wanted: i32) -> Result<Step, Refusal> {
        let group = served.group(row).ok_or(Refusal::NoCreation)?;
        let (present, change) = command(group, column, wanted);
        if present == wanted {
            return Ok(Step::Nothing);
        }
        if !group.settled {
            return Err(Refusal::InconsistentValue);
        }
        Ok(Step::Change(Change { command: change, undo: command(group, column, present).1 }))
    }
}
