//! Digests followed hour by hour, against moto: what was never announced is read, what is wrong is found.

use std::collections::BTreeMap;
use std::time::Duration;

use ingest::aws::{
    DigestsCollector, Environment, FollowDigestsConfig, RecentObjects, S3QueueCollector, S3QueueConfig,
};
use ingest::{Collector, FindingKind, Polled, ReadOptions, SourceFinding};

use super::digests::{
    Bucket, HOUR, Harm, LogHarm, START, Signer, add_backfill, build, key_server, log_key, put,
};
use super::moto::{Moto, python};
use super::{Records, add, take_until};
use crate::options;

/// What following a trail gave, until there was nothing more to do.
#[derive(Debug, Default)]
struct Followed {
    records: Records,
    findings: Vec<SourceFinding>,
    positions: BTreeMap<String, String>,
}

impl Followed {
    /// The objects that records came from.
    fn read(&self) -> Vec<String> {
        let mut read: Vec<_> = self.records.keys().map(|(origin, _)| origin.clone()).collect();
        read.dedup();
        read
    }

    fn told(&self) -> Vec<(FindingKind, &str)> {
        self.findings.iter().map(|finding| (finding.kind, finding.subject.as_str())).collect()
    }
}

fn open(
    bucket: &Bucket,
    environment: &Environment,
    positions: &BTreeMap<String, String>,
    now_us: fn() -> i64,
    verify_logs: bool,
) -> DigestsCollector {
    let config = FollowDigestsConfig {
        chains: vec![bucket.trail.clone()],
        verify_logs,
        lookback: Duration::from_secs(12 * 3600),
        ..FollowDigestsConfig::default()
    };
    let options = ReadOptions { now_us, ..options(1) };
    DigestsCollector::open(config, environment, positions, options).unwrap()
}

/// Takes all that there is, as the runner would.
async fn follow(mut collector: DigestsCollector, positions: &BTreeMap<String, String>) -> Followed {
    let mut followed = Followed { positions: positions.clone(), ..Followed::default() };
    loop {
        // Where there is nothing left to do it waits for minutes.
        let polled = tokio::time::timeout(Duration::from_secs(3), collector.poll()).await;
        match polled {
            Err(_) | Ok(Ok(Polled::Idle)) => return followed,
            Ok(Ok(Polled::Collected(collected))) => {
                if let Some(batch) = &collected.batch {
                    add(&mut followed.records, batch);
                }
                followed.findings.extend(collected.findings);
                for change in collected.position {
                    followed.positions.insert(change.key, change.value.unwrap());
                }
                collector.ack(&[collected.ticket]).await.unwrap();
            }
            Ok(other) => panic!("{other:?}"),
        }
    }
}

fn good(logs: usize) -> (Harm, Vec<LogHarm>) {
    (Harm::None, vec![LogHarm::None; logs])
}

fn address(bucket: &str, hour: usize, n: usize) -> String {
    format!("s3://{bucket}/{}", log_key(hour, n))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_message_told_of_is_read_once() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    let signer = Signer::new();
    let cloudtrail = key_server(&signer).await;
    let environment = moto.environment().with("AWS_ENDPOINT_URL_CLOUDTRAIL", &cloudtrail.fake.url);
    let bucket = build("followed", &[good(2), good(1), good(2)], &signer);
    moto.bucket("followed").await;
    put(&moto, &bucket).await;

    // Two of five were announced and read; the messages of the others were lost.
    let recent = RecentObjects::new(100);
    let queue = moto.queue("followed").await;
    for (hour, n) in [(0, 1), (2, 0)] {
        let key = log_key(hour, n);
        let tag = moto.e_tag("followed", &key).await;
        moto.announce(&queue, "followed", &key, &tag).await;
    }
    let config = S3QueueConfig { queue_url: queue, wait: Duration::ZERO, ..S3QueueConfig::default() };
    let reader = S3QueueCollector::open(config, &environment, options(1)).unwrap();
    let mut reader = reader.sharing(recent.clone());
    let announced = take_until(&mut reader, |records| records.len() == 4).await;
    // Known once it is done with, not before.
    while reader.counts().deleted < 2 {
        reader.poll().await.unwrap();
    }

    let nothing = BTreeMap::new();
    for verify_logs in [true, false] {
        let collector =
            open(&bucket, &environment, &nothing, || (START + 3 * HOUR + 60) * 1_000_000, verify_logs);
        let first = follow(collector.beside(recent.clone()), &nothing).await;
        assert_eq!(first.told(), []);
        if verify_logs {
            let missed: Vec<_> =
                [(0, 0), (1, 0), (2, 1)].into_iter().map(|(hour, n)| address("followed", hour, n)).collect();
            assert_eq!(first.read(), missed);
            // In the same words as the queue would have told it.
            let both: Records = announced.clone().into_iter().chain(first.records).collect();
            assert_eq!(both.len(), 10);
        } else {
            assert_eq!(first.read(), Vec::<String>::new(), "they are known now");
        }
        // Opened again it goes on behind the third hour.
        let collector =
            open(&bucket, &environment, &first.positions, || (START + 3 * HOUR + 90) * 1_000_000, true);
        let again = follow(collector, &first.positions).await;
        assert!(again.records.is_empty() && again.findings.is_empty(), "{again:?}");
    }
    // A process that knows nothing of what was read reads all, and finds the same.
    let collector = open(&bucket, &environment, &nothing, || (START + 3 * HOUR + 60) * 1_000_000, false);
    let all = follow(collector, &nothing).await;
    assert_eq!(all.records.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_or_deleted_is_found_with_its_hour() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    let signer = Signer::new();
    let cloudtrail = key_server(&signer).await;
    let environment = moto.environment().with("AWS_ENDPOINT_URL_CLOUDTRAIL", &cloudtrail.fake.url);
    let hours = [
        good(1),
        (Harm::None, vec![LogHarm::Modified, LogHarm::Deleted, LogHarm::None]),
        (Harm::Deleted, vec![LogHarm::None]),
        (Harm::SignedByAnother, vec![LogHarm::None]),
        good(1),
        (Harm::Gap, vec![LogHarm::None]),
    ];
    let bucket = build("harmed", &hours, &signer);
    moto.bucket("harmed").await;
    let digest = |hour: i64| format!("s3://harmed/{}", bucket.trail.digest_key(START + (hour + 1) * HOUR));

    // Two hours first, as they were delivered; the others later.
    let early = |key: &String| *key <= bucket.trail.digest_key(START + 2 * HOUR);
    let part = Bucket {
        trail: bucket.trail.clone(),
        digests: bucket.digests.clone().into_iter().filter(|(key, _)| early(key)).collect(),
        logs: bucket.logs.clone(),
    };
    put(&moto, &part).await;
    let nothing = BTreeMap::new();
    let collector = open(&bucket, &environment, &nothing, || (START + 2 * HOUR + 60) * 1_000_000, true);
    let first = follow(collector, &nothing).await;
    let modified = (FindingKind::Tampered, address("harmed", 1, 0));
    let missing = (FindingKind::Gap, address("harmed", 1, 1));
    let expected: Vec<_> = [&modified, &missing].map(|(kind, subject)| (*kind, subject.as_str())).into();
    assert_eq!(first.told(), expected);
    // What was changed is read as well: it is evidence.
    assert_eq!(first.read(), [address("harmed", 0, 0), address("harmed", 1, 0), address("harmed", 1, 2)]);

    put(&moto, &bucket).await;
    let later = || (START + 6 * HOUR + 60) * 1_000_000;
    let collector = open(&bucket, &environment, &first.positions, later, true);
    let second = follow(collector, &first.positions).await;
    // The fifth hour is good and names the fourth, which is forged and so proves nothing of the third.
    let forged = (FindingKind::Tampered, digest(3));
    let gap = (FindingKind::Gap, digest(5));
    let expected: Vec<_> = [&gap, &forged].map(|(kind, subject)| (*kind, subject.as_str())).into();
    assert_eq!(second.told(), expected, "{:#?}", second.findings);
    assert_eq!(second.read(), [address("harmed", 4, 0), address("harmed", 5, 0)]);

    // A kill before the position was saved: the same findings in the same words.
    let collector = open(&bucket, &environment, &first.positions, later, true);
    let again = follow(collector, &first.positions).await;
    assert_eq!((&again.findings, &again.records), (&second.findings, &second.records));

    // Then no digest comes any more.
    let late = || (START + 10 * HOUR) * 1_000_000;
    let collector = open(&bucket, &environment, &second.positions, late, true);
    let third = follow(collector, &second.positions).await;
    let [silence] = &third.findings[..] else { panic!("{third:?}") };
    assert_eq!(silence.kind, FindingKind::Gap);
    assert!(silence.subject.ends_with("main after 2026-11-01T06:00:00Z"), "{}", silence.subject);
    assert!(third.records.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_digest_is_found_by_the_one_after_it() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    let signer = Signer::new();
    let cloudtrail = key_server(&signer).await;
    let environment = moto.environment().with("AWS_ENDPOINT_URL_CLOUDTRAIL", &cloudtrail.fake.url);
    // More hours than a step takes.
    let mut hours = vec![good(1); 8];
    hours[4] = (Harm::Deleted, vec![LogHarm::None]);
    let bucket = build("deleted", &hours, &signer);
    moto.bucket("deleted").await;
    put(&moto, &bucket).await;
    let nothing = BTreeMap::new();
    let collector = open(&bucket, &environment, &nothing, || (START + 8 * HOUR + 60) * 1_000_000, true);
    let followed = follow(collector, &nothing).await;
    let gone = format!("s3://deleted/{}", bucket.trail.digest_key(START + 5 * HOUR));
    assert_eq!(followed.told(), [(FindingKind::Gap, gone.as_str())]);
    assert_eq!(followed.read().len(), 7, "what nothing proves is not taken from the digests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_digest_forgot_comes_with_its_backfill() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    let signer = Signer::new();
    let cloudtrail = key_server(&signer).await;
    let environment = moto.environment().with("AWS_ENDPOINT_URL_CLOUDTRAIL", &cloudtrail.fake.url);
    let mut bucket = build("forgotten", &[good(1), good(1), good(1)], &signer);
    moto.bucket("forgotten").await;
    put(&moto, &bucket).await;
    let nothing = BTreeMap::new();
    let collector = open(&bucket, &environment, &nothing, || (START + 3 * HOUR + 60) * 1_000_000, true);
    let first = follow(collector, &nothing).await;
    assert_eq!((first.read().len(), first.told()), (3, Vec::new()));

    // Of two hours that were judged long ago: one log file that is whole, one that was changed, one that is gone.
    add_backfill(&mut bucket, 0, &[(7, LogHarm::None)], &signer);
    add_backfill(&mut bucket, 1, &[(8, LogHarm::Modified), (9, LogHarm::Deleted)], &signer);
    put(&moto, &bucket).await;
    let later = || (START + 3 * HOUR + 90) * 1_000_000;
    let collector = open(&bucket, &environment, &first.positions, later, true);
    let second = follow(collector, &first.positions).await;
    assert_eq!(second.read(), [address("forgotten", 0, 7), address("forgotten", 1, 8)]);
    let modified = (FindingKind::Tampered, address("forgotten", 1, 8));
    let missing = (FindingKind::Gap, address("forgotten", 1, 9));
    let expected: Vec<_> = [&modified, &missing].map(|(kind, subject)| (*kind, subject.as_str())).into();
    assert_eq!(second.told(), expected, "{:#?}", second.findings);

    // Once: also after a restart, and with another hour that comes.
    let collector = open(&bucket, &environment, &second.positions, later, true);
    let third = follow(collector, &second.positions).await;
    assert!(third.records.is_empty() && third.findings.is_empty(), "{third:?}");
}
