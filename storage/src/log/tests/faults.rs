//! Every operation on the disk fails, one after another, once and for ever.

use std::io::ErrorKind;

use super::disk::{Disk, Fault, Rng};
use super::{Promise, Session, batch, dir, is_named};
use crate::{Error, Result};

/// A life of the log with everything in it. Returns what it promised up to its end.
fn live(disk: &Disk) -> (Promise, Result<()>) {
    let mut promise = Promise::default();
    let ended = live_on(disk, &mut promise);
    (promise, ended)
}

fn live_on(disk: &Disk, promise: &mut Promise) -> Result<()> {
    let mut session = Session::open(disk)?;
    let mut id = 0;
    let mut failures = Vec::new();
    for step in 0..10 {
        let group: Vec<_> = (0..step % 4 + 1)
            .map(|n| {
                id += 1;
                batch(id, n + 1, if step == 6 { 2000 } else { 60 })
            })
            .collect();
        group.iter().for_each(|batch| promise.sent(batch));
        for (batch, answer) in group.iter().zip(session.append(&group)) {
            match answer {
                Ok(offsets) => promise.acknowledged(batch, &offsets),
                Err(error) => failures.push(error),
            }
        }
        if step == 4 {
            promise.trimmed = promise.head / 2;
            failures.extend(session.shared.trim(promise.trimmed).err());
        }
        if step == 8 {
            match session.raise(promise.head + 1) {
                // One offset is left out; it counts as damaged.
                Ok(()) => promise.head += 1,
                Err(error) => failures.push(error),
            }
        }
        if step % 5 == 4 {
            failures.extend(read_on(&session, promise).err());
        }
    }
    let poisoned = session.shared.poison();
    session.close();
    let foreign = failures.iter().find(|error| !is_named(error));
    assert!(foreign.is_none(), "{foreign:?}");
    match (failures.into_iter().next(), poisoned) {
        (Some(error), _) => Err(error),
        (None, Some(reason)) => Err(Error::Poisoned { reason }),
        (None, None) => Ok(()),
    }
}

/// What can be read is right, however little it is.
fn read_on(session: &Session, promise: &Promise) -> Result<()> {
    let mut reader = session.reader(session.shared.segments.tail())?;
    while let Some(entry) = reader.try_next()? {
        promise.clone().check_entry(&entry);
    }
    Ok(())
}

impl Promise {
    fn check_entry(&mut self, entry: &crate::log::LogEntry) {
        for (offset, record) in (entry.first..).zip(entry.batch.records()) {
            self.check_record(offset, record);
        }
    }
}

#[test]
fn every_operation_may_fail() {
    let mut sites = 0;
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        for (for_ever, short) in [(false, false), (false, true), (true, false), (true, true)] {
            for at in 1.. {
                let disk = Disk::default();
                disk.set_fault(Some(Fault { at, for_ever, kind, short }));
                let (promise, ended) = live(&disk);
                if disk.operations() < at {
                    ended.unwrap();
                    break;
                }
                sites += 1;
                disk.set_fault(None);
                check_after(&disk.after_kill(), promise.clone());
                check_after(&disk.after_power_loss(&mut Rng(at)), promise);
            }
        }
    }
    // Less would mean that the life above has become too short to say anything.
    assert!(sites > 1000, "{sites}");
}

/// Opens again, finds everything, and goes on.
fn check_after(disk: &Disk, mut promise: Promise) {
    let mut session = Session::open(disk).unwrap();
    promise.check(&session.shared);
    let more = batch(1 << 40, 3, 10);
    promise.sent(&more);
    let answers = session.append(std::slice::from_ref(&more));
    promise.acknowledged(&more, answers[0].as_ref().unwrap());
    promise.check(&session.shared);
    session.close();
    let session = Session::open(disk).unwrap();
    promise.check(&session.shared);
    // What was written after the restart survives whatever the failed sync before it left undone.
    promise.unanswered.clear();
    let session = {
        drop(session);
        Session::open(&disk.after_power_loss(&mut Rng(1))).unwrap()
    };
    let (first, bytes) = promise.records.iter().next_back().map(|(at, bytes)| (*at, bytes.clone())).unwrap();
    let entry = session.reader(first).unwrap().try_next().unwrap().unwrap();
    assert_eq!(entry.batch.get(0).unwrap().bytes, bytes);
}

#[test]
fn a_full_disk_is_waited_for() {
    let disk = Disk::default();
    let mut session = Session::open(&disk).unwrap();
    let mut promise = Promise::default();
    for (id, short) in [(1, false), (2, true)] {
        disk.set_fault(Some(Fault { at: 1, for_ever: false, kind: ErrorKind::StorageFull, short }));
        let batch = batch(id, 3, 10);
        promise.sent(&batch);
        let refused = session.append(std::slice::from_ref(&batch)).remove(0).unwrap_err();
        assert!(matches!(refused, Error::LogFull { .. }), "{refused}");
        assert!(refused.to_string().contains("no storage space"), "{refused}");
        let offsets = session.append(std::slice::from_ref(&batch)).remove(0).unwrap();
        promise.acknowledged(&batch, &offsets);
    }
    promise.check(&session.shared);
}

#[test]
fn a_failed_sync_is_final() {
    let disk = Disk::default();
    let mut session = Session::open(&disk).unwrap();
    session.append(&[batch(1, 1, 0)]).remove(0).unwrap();
    // The write succeeds, the sync after it does not, even though space was the reason.
    disk.set_fault(Some(Fault { at: 2, for_ever: false, kind: ErrorKind::StorageFull, short: false }));
    session.append(&[batch(2, 1, 0)]).remove(0).unwrap_err();
    let syncs = disk.syncs();
    let refused = session.append(&[batch(3, 1, 0)]).remove(0).unwrap_err();
    assert!(matches!(&refused, Error::Poisoned { reason } if reason.contains("sync")), "{refused}");
    assert_eq!(refused.fate(), event::Fate::Stop);
    assert_eq!(disk.syncs(), syncs, "it is not tried again");
    let mut reader = session.reader(0).unwrap();
    assert_eq!(reader.try_next().unwrap().unwrap().batch, batch(1, 1, 0));
    assert_eq!(reader.try_next().unwrap(), None);
    drop(session);
    assert_eq!(Session::open(&disk).unwrap().shared.head(), 1);
}

#[test]
fn an_unfinished_segment_is_made_again() {
    let whole = Disk::default();
    Session::open(&whole).unwrap();
    let header = whole.files().remove(0).1;
    for content in
        [vec![], vec![0; 10], vec![0; 500], header[..63].to_vec(), [&header[..20], &[0; 44]].concat()]
    {
        let disk = Disk::with_files(vec![(dir().join("00000000000000000042.log"), content)]);
        let mut session = Session::open(&disk).unwrap();
        assert_eq!(session.append(&[batch(1, 2, 0)]).remove(0).unwrap(), 42..44);
    }
}
