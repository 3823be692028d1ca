//! The control networks: who hears whom, how late, and how often.

use crate::random::Random;
use crate::scenario::{Fault, Micros};

/// What ails the networks now. Faults of a kind may overlap.
#[derive(Clone, Debug, Default)]
pub struct Network {
    faults: Vec<Fault>,
}

impl Network {
    /// A fault begins; those that are not the networks' are ignored.
    pub fn begin(&mut self, fault: &Fault) {
        self.faults.push(fault.clone());
    }

    /// A fault ends.
    pub fn end(&mut self, fault: &Fault) {
        if let Some(at) = self.faults.iter().position(|active| active == fault) {
            self.faults.swap_remove(at);
        }
    }

    /// A partition is between the two boxes.
    #[must_use]
    pub fn cuts(&self, from: usize, to: usize) -> bool {
        let cuts = |fault: &Fault| matches!(fault, Fault::Partition(mask) if (mask >> from) & 1 != (mask >> to) & 1);
        self.faults.iter().any(cuts)
    }

    /// When copies of a message arrive after it was sent: none, one, or two.
    pub fn deliveries(&self, from: usize, to: usize, network: usize, random: &mut Random) -> [Option<Micros>; 2] {
        let mut delay = random.between(50, 350);
        let mut copy = false;
        for fault in &self.faults {
            let lost = match *fault {
                Fault::Partition(mask) => (mask >> from) & 1 != (mask >> to) & 1,
                Fault::OneWay(deaf_to, deaf) => (deaf_to, deaf) == (from, to),
                Fault::NetworkDown(dead) => dead == network,
                Fault::Loss(per_mille) => random.chance(per_mille),
                Fault::Delay(longest) => {
                    delay += random.between(0, longest);
                    false
                }
                Fault::Duplication(per_mille) => {
                    copy |= random.chance(per_mille);
                    false
                }
                _ => false,
            };
            if lost {
                return [None, None];
            }
        }
        let copy = copy.then(|| delay + random.between(0, 50_000));
        [Some(delay), copy]
    }
}
