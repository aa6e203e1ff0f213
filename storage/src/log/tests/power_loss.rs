//! Power fails at a random operation; what was not synced is forgotten or torn.

use std::io::ErrorKind;

use super::disk::{Disk, Fault, Rng};
use super::{Promise, Session, any_batch};

const SEEDS: u64 = 400;

#[test]
fn what_was_acknowledged_survives() {
    for seed in 0..SEEDS {
        let mut rng = Rng(seed);
        let mut disk = Disk::default();
        let mut promise = Promise::default();
        let mut id = 0;
        for _ in 0..4 {
            let at = 1 + rng.below(120) as u64;
            let short = rng.below(2) == 0;
            disk.set_fault(Some(Fault { at, for_ever: true, kind: ErrorKind::Other, short }));
            run(&disk, &mut promise, &mut id, &mut rng);
            // Sometimes only the process dies.
            disk = if rng.below(4) == 0 { disk.after_kill() } else { disk.after_power_loss(&mut rng) };
            let session = Session::open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            promise.check(&session.shared);
            assert_eq!(session.shared.stats().damaged_records, 0, "seed {seed}: an outage is no damage");
            // What is not there by now must never appear.
            promise.unanswered.clear();
        }
    }
}

/// Appends and trims until the power fails.
fn run(disk: &Disk, promise: &mut Promise, id: &mut u64, rng: &mut Rng) {
    let Ok(mut session) = Session::open(disk) else { return };
    for _ in 0..20 {
        let group: Vec<_> = (0..1 + rng.below(4))
            .map(|_| {
                *id += 1;
                any_batch(*id, rng)
            })
            .collect();
        group.iter().for_each(|batch| promise.sent(batch));
        for (batch, answer) in group.iter().zip(session.append(&group)) {
            if let Ok(offsets) = answer {
                promise.acknowledged(batch, &offsets);
            }
        }
        if rng.below(4) == 0 {
            let before = promise.trimmed.max(rng.below(promise.head as usize + 1) as u64);
            promise.trimmed = before;
            if session.shared.trim(before).is_err() {
                return;
            }
        }
        if session.shared.poison().is_some() {
            return;
        }
    }
    if rng.below(2) == 0 {
        session.close();
    }
}
