//! An agent that a target asks, with something in every corner to answer from.

use crate::sample;
use rais::snapshot::Snapshot;
use rais::snmp::{Agent, AgentParams, Answered, Dropped, MAX_MESSAGE_OCTETS, Pending};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

pub(crate) struct Asked {
    agent: Agent,
    snapshot: Arc<Snapshot>,
    reply: Vec<u8>,
}

impl Asked {
    pub(crate) fn new(params: AgentParams) -> Self {
        // Time stands still here, and so a limit would be reached once and for all.
        let mut agent = Agent::new(AgentParams { requests_per_second: 1_000_000_000, ..params });
        agent.look_at(&Arc::new(sample::machine()));
        agent.show_events(Arc::new(sample::Happened));
        agent.show_deliveries(Arc::new(sample::Happened));
        Self { agent, snapshot: Arc::new(sample::snapshot()), reply: Vec::new() }
    }

    /// Asks; whatever it was, it is counted once, and no answer is longer than may be sent. SETs are not carried out.
    pub(crate) fn ask(&mut self, datagram: &[u8]) -> Result<Vec<u8>, Dropped> {
        let Self { agent, snapshot, reply } = self;
        let before = *agent.counters();
        let outcome = agent.answer(datagram, SOURCE, snapshot, snapshot.view.at, reply);
        let after = *agent.counters();
        assert_eq!(after.in_packets, before.in_packets + 1);
        assert_eq!(after.answered, before.answered + u64::from(outcome.is_ok()));
        assert_eq!(after.dropped(), before.dropped() + u64::from(outcome.is_err()));
        assert_eq!(reply.is_empty(), !matches!(outcome, Ok(Answered::Now)), "a reply stands where there is one");
        let answers = match outcome? {
            Answered::Now => vec![reply.clone()],
            Answered::Once(pending) => {
                agent.settle(&pending, false);
                let Pending { done, undo_failed, failed, .. } = *pending;
                [vec![done, undo_failed], failed].concat()
            }
        };
        for answer in &answers {
            assert!((1..=MAX_MESSAGE_OCTETS).contains(&answer.len()), "an answer of {} octets", answer.len());
        }
        Ok(answers.into_iter().next().unwrap_or_default())
    }
}
