//! How fast correlations take matches, and what a key and a rule cost: `cargo run --release -p rules --example correlate`.
//!
//! A hundred correlations of three types, a million keys; hits as the stream brings them, in batches.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use event::EventKey;
use rules::{Correlator, CorrelatorLimits, Hit, HitValue, RuleSource};

/// Counts the bytes in use.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is made of unsafe functions; this one only counts")]
// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const RULES: usize = 100;
const KEYS: u64 = 1_000_000;
const HITS: u64 = 3_000_000;
const BATCH: usize = 1000;

fn main() {
    rules_take();
    let mut text = String::from(
        "title: a\nid: a\nname: a\nlogsource: {product: aws, service: cloudtrail}\n\
         detection: {s: {eventName: a}, condition: s}\nlevel: low\n---\n\
         title: b\nid: b\nname: b\nlogsource: {product: aws, service: cloudtrail}\n\
         detection: {s: {eventName: b}, condition: s}\nlevel: low\n",
    );
    for number in 0..RULES {
        let body = match number % 3 {
            0 => "type: event_count, rules: [a], condition: {gte: 20}",
            1 => "type: temporal_ordered, rules: [a, b]",
            _ => "type: value_count, rules: [a], condition: {field: awsRegion, gte: 5}",
        };
        text += &format!(
            "---\ntitle: c{number}\nid: c{number}\nlevel: high\n\
             correlation: {{{body}, group-by: [actor], timespan: 10m}}\n"
        );
    }
    let loaded = rules::load(&[RuleSource { path: "bench.yml".into(), text }]);
    assert_eq!(loaded.rules.correlations().len(), RULES, "{:?}", loaded.diagnostics);
    let limits = CorrelatorLimits { group_hits: 10_000, correlation_hits: usize::MAX, hits: usize::MAX };
    let mut correlator = Correlator::new(Arc::new(loaded.rules), limits);

    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let before = BYTES.load(Ordering::Relaxed);
    let (mut taken, mut found, mut spent) = (0_u64, 0_usize, 0.0);
    let mut at_a_million = None;
    while taken < HITS {
        let hits: Vec<Hit> = (0..BATCH)
            .map(|offset| {
                let number = taken + offset as u64;
                // First every key once, then some again.
                let key = if number < KEYS { number } else { next() % KEYS };
                Hit {
                    correlation: (key % RULES as u64) as u32,
                    member: 0,
                    row: 0,
                    time_us: number as i64 * 100,
                    event: EventKey(u128::from(next()) << 64 | u128::from(number)),
                    key: vec![String::new()],
                    actor: Some(format!("arn:aws:iam::111122223333:user/{key:08}")),
                    value: match key % RULES as u64 % 3 {
                        2 => HitValue::Text("us-east-1".into()),
                        _ => HitValue::Nothing,
                    },
                }
            })
            .collect();
        let start = Instant::now();
        for hit in &hits {
            correlator.observe(hit, hit.actor.as_deref());
        }
        found += correlator.settle(i64::MIN).len();
        spent += start.elapsed().as_secs_f64();
        taken += BATCH as u64;
        if taken == KEYS {
            at_a_million = Some((BYTES.load(Ordering::Relaxed) - before) as f64 / KEYS as f64);
        }
    }
    println!("{RULES} correlations, {KEYS} keys, {HITS} matches, one thread");
    println!(
        "{:.0} matches/s ({:.2} µs each), {found} findings",
        HITS as f64 / spent,
        spent / HITS as f64 * 1e6
    );
    println!("{:.0} bytes a key with one match", at_a_million.unwrap_or_default());
}

/// What a rule takes once it is compiled: the shipped ones, and many alike.
fn rules_take() {
    let measure = |sources: Vec<RuleSource>| {
        let before = BYTES.load(Ordering::Relaxed);
        let loaded = rules::load(&sources);
        let taken = BYTES.load(Ordering::Relaxed) - before;
        let count = loaded.rules.len() + loaded.rules.correlations().len();
        println!("{count} rules: {} kB, {} bytes a rule", taken / 1000, taken / count.max(1));
    };
    measure(rules::shipped());
    let variant = |number: usize| RuleSource {
        path: format!("variant-{number}.yml"),
        text: format!(
            "title: Variant {number}\nid: v{number}\nlevel: low\nlogsource: {{product: aws, service: cloudtrail}}\n\
             detection:\n  selection:\n    eventSource: s{}.amazonaws.com\n    eventName|startswith: [Get{number}, \
             Put{number}]\n    requestParameters.policyDocument|contains: 'Action{number}'\n  filter:\n    \
             userIdentity.arn|contains: ':role/known{number}'\n  condition: selection and not filter\n",
            number % 40
        ),
    };
    measure((0..3000).map(variant).collect());
}
