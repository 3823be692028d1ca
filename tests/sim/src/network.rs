//! The control networks: who hears whom, how late, and how often.

use crate::random::Random;
use crate::scenario::{Fault, Hearing, LATEST_COPY, MS, Micros, TRAVEL};

/// What ails the networks now. Faults of a kind may overlap.
#[derive(Clone, Debug, Default)]
pub struct Network {
    faults: Vec<Fault>,
}

/// A copy of a message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    /// When it arrives after it was sent.
    pub after: Micros,
    /// A bit of it was flipped.
    pub damaged: bool,
}

impl Network {
    /// A fault begins; those that are not the networks' are ignored.
    pub fn begin(&mut self, fault: &Fault) {
        if fault.hearing() != Hearing::Unharmed || matches!(fault, Fault::Duplication(_)) {
            self.faults.push(fault.clone());
        }
    }

    /// A fault ends.
    pub fn end(&mut self, fault: &Fault) {
        if let Some(at) = self.faults.iter().position(|active| active == fault) {
            self.faults.swap_remove(at);
        }
    }

    /// What ails it.
    pub fn active(&self) -> impl Iterator<Item = &Fault> + '_ {
        self.faults.iter()
    }

    /// What this box sends does not reach that box on this network.
    fn is_cut(&self, from: usize, to: usize, network: usize) -> bool {
        self.faults.iter().any(|fault| match *fault {
            Fault::Partition(mask) => (mask >> from) & 1 != (mask >> to) & 1,
            Fault::PartitionOn(mask, hit) => hit == network && (mask >> from) & 1 != (mask >> to) & 1,
            Fault::OneWay(deaf_to, deaf) => (deaf_to, deaf) == (from, to),
            Fault::NetworkDown(dead) => dead == network,
            _ => false,
        })
    }

    /// Whether two boxes hear each other, both ways, on one of these networks.
    #[must_use]
    pub fn connects(&self, a: usize, b: usize, networks: std::ops::Range<usize>) -> bool {
        let hears = |from, to| networks.clone().any(|network| !self.is_cut(from, to, network));
        hears(a, b) && hears(b, a)
    }

    /// Who hears whom is a matter of luck or of the way, beyond what S-5 promises to bear.
    #[must_use]
    pub fn is_blurred(&self) -> bool {
        self.faults.iter().any(|fault| match *fault {
            Fault::Loss(per_mille) | Fault::Damage(per_mille) => per_mille > 200,
            Fault::Delay(longest) => longest > 30 * MS,
            _ => false,
        })
    }

    /// Something is the matter that may cost or delay a message between boxes that do hear each other.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        self.faults.iter().any(|fault| fault.hearing() == Hearing::Blurred)
    }

    /// The copies of a message that arrive: none, one, or two.
    pub fn deliveries(&self, from: usize, to: usize, network: usize, random: &mut Random) -> [Option<Copy>; 2] {
        let mut after = random.between(50, TRAVEL);
        if self.faults.is_empty() {
            return [Some(Copy { after, damaged: false }), None];
        }
        let (mut twice, mut damaged) = (false, false);
        for fault in &self.faults {
            match *fault {
                Fault::Loss(per_mille) if random.chance(per_mille) => return [None, None],
                Fault::Delay(longest) => after += random.between(0, longest),
                Fault::Duplication(per_mille) => twice |= random.chance(per_mille),
                Fault::Damage(per_mille) => damaged |= random.chance(per_mille),
                _ => {}
            }
        }
        if self.is_cut(from, to, network) {
            return [None, None];
        }
        let copy = twice.then(|| Copy { after: after + random.between(0, LATEST_COPY), damaged: false });
        [Some(Copy { after, damaged }), copy]
    }
}
