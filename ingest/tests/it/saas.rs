//! Lists of services against fakes of them: pages, restarts at each step, limits, tokens that end, torn
//! answers, late events.

mod checks;
mod clients;
mod github;
mod http_list;
mod okta;
mod workspace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use event::Fate;
use ingest::{Collector, Polled, ReadOptions, Result, SecretReference};
use serde_json::Value;

use crate::options;

const NOW_S: i64 = 1_700_000_000;

/// Options with a clock of the test's own.
fn at(now_us: fn() -> i64) -> ReadOptions {
    ReadOptions { now_us, ..options(1) }
}

/// What came of a source: each record's text by its id, and how often it came.
#[derive(Debug, Default)]
struct Came {
    records: BTreeMap<String, (String, u32)>,
    /// Positions as they were saved.
    positions: BTreeMap<String, String>,
    /// Refusals and breaks on the way.
    errors: Vec<String>,
    batches: u32,
}

impl Came {
    /// Polls once; saves the position unless `is_lost`, as where a kill comes before that. `Some(true)`:
    /// something came; `None`: the end.
    async fn turn(&mut self, collector: &mut impl Collector, id: &str, is_lost: bool) -> Option<bool> {
        match collector.poll().await {
            Ok(Polled::Collected(collected)) => {
                self.batches += 1;
                for record in collected.batch.iter().flat_map(|batch| batch.records()) {
                    assert_eq!(record.reject, None);
                    let text = String::from_utf8(record.bytes.into()).unwrap();
                    let value: Value = serde_json::from_str(&text).unwrap();
                    let id = value.pointer(id).unwrap_or_else(|| panic!("{text}")).to_string();
                    let entry = self.records.entry(id).or_insert((text.clone(), 0));
                    assert_eq!(entry.0, text, "the same event in the same words");
                    entry.1 += 1;
                }
                if !is_lost {
                    for change in collected.position {
                        self.positions.insert(change.key, change.value.unwrap());
                    }
                }
                Some(true)
            }
            Ok(Polled::Idle) => Some(false),
            Ok(Polled::End) => None,
            Err(error) => {
                assert!(matches!(error.fate(), Fate::Retry { .. }), "{error}");
                self.errors.push(error.to_string());
                Some(false)
            }
        }
    }

    fn ids(&self) -> Vec<&str> {
        self.records.keys().map(|id| id.trim_matches('"')).collect()
    }
}

/// Takes until `done`, with one collector.
async fn take<C: Collector>(
    open: impl Fn(&BTreeMap<String, String>) -> Result<C>,
    id: &str,
    done: impl Fn(&Came) -> bool,
) -> Came {
    let mut came = Came::default();
    let mut collector = open(&came.positions).unwrap();
    for _ in 0..200 {
        if done(&came) || came.turn(&mut collector, id, false).await.is_none() {
            return came;
        }
    }
    panic!("after 200 turns there are only {} records; {:?}", came.records.len(), came.errors)
}

/// The same, but dropped and opened anew after each batch, and every third batch before its position is saved.
async fn take_with_kills<C: Collector>(
    open: impl Fn(&BTreeMap<String, String>) -> Result<C>,
    id: &str,
    done: impl Fn(&Came) -> bool,
) -> Came {
    let mut came = Came::default();
    for turn in 0..200 {
        let mut collector = open(&came.positions).unwrap();
        if done(&came) || came.turn(&mut collector, id, turn % 3 == 2).await.is_none() {
            return came;
        }
    }
    panic!("after 200 turns there are only {} records; {:?}", came.records.len(), came.errors)
}

/// A secret in a file of its own.
fn secret(folder: &Path, name: &str, text: &str) -> SecretReference {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    SecretReference::File(path)
}

/// A private key of RSA as PEM and its public half as DER; `None`, loudly, without OpenSSL's tool.
fn key(folder: &Path, is_traditional: bool) -> Option<(String, Vec<u8>)> {
    let (private, public): (PathBuf, PathBuf) = (folder.join("private.pem"), folder.join("public.der"));
    let mut make = Command::new("openssl");
    make.arg("genrsa");
    if is_traditional {
        make.arg("-traditional");
    }
    match make.arg("-out").arg(&private).arg("2048").output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            println!("skipped: no openssl: {error}");
            return None;
        }
    }
    let mut show = Command::new("openssl");
    show.args(["rsa", "-RSAPublicKey_out", "-outform", "DER"])
        .arg("-in")
        .arg(&private)
        .arg("-out")
        .arg(&public);
    assert!(show.output().unwrap().status.success());
    Some((std::fs::read_to_string(private).unwrap(), std::fs::read(public).unwrap()))
}
