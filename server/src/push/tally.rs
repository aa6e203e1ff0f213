//! What the receivers count.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($name:ident, $metric:literal, $meaning:literal;)*) => {
        /// Counts since the start, for `/metrics`.
        #[derive(Debug, Default)]
        pub(crate) struct PushTally {
            $(#[doc = $meaning] pub(crate) $name: AtomicU64,)*
        }

        impl PushTally {
            /// Each counter: its metric's name, its meaning, its value.
            pub(crate) fn read(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$(($metric, $meaning, self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    unauthorized, "requests_unauthorized", "Requests without a valid token, and pushed ones whose token may not push.";
    bad_signatures, "push_bad_signatures", "Requests to hooks whose signature, secret or time was not valid.";
    bad_bodies, "push_bad_bodies", "Pushed requests refused because their body was broken or too large.";
    full, "push_refused_full", "Pushed requests told to come again because the log was full.";
    no_memory, "requests_refused_memory", "Requests told to come again because the bodies of all took too much memory.";
    rejected_records, "push_rejected_records", "Log records of OTLP refused within a request that was taken.";
    syslog_messages, "syslog_messages", "Messages of syslog received.";
    syslog_dropped, "syslog_dropped", "Datagrams of syslog dropped because the log did not keep up.";
    syslog_limited, "syslog_limited", "Messages of syslog dropped because their sender was over its rate.";
    syslog_cut, "syslog_cut", "Messages of syslog longer than allowed, of which the start was kept, or torn.";
    syslog_refused, "syslog_refused_connections", "Connections of syslog refused: too many, or no good TLS.";
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
