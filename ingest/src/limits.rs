//! How much of what a sender asks for is given.

/// Bounds on records, batches and compressed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest record in bytes, at most 1 GiB; of a larger one the start becomes a reject.
    /// CloudTrail's largest event has 1 MiB, an event hub's message 1 MiB, a Cloud Audit entry 256 KiB.
    pub record_bytes: usize,
    /// A batch is handed over once it has this many bytes; it can be larger by one record.
    pub batch_bytes: usize,
    /// A batch is handed over once it has this many records.
    pub batch_records: usize,
    /// The most bytes that one compressed file, object or body may inflate to.
    pub inflated_bytes: u64,
    /// The most bytes that each compressed byte may inflate to, after the first MiB. Logs reach 10 to
    /// 30, a bomb 1,000.
    pub inflate_ratio: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 4 << 20,
            batch_bytes: 4 << 20,
            batch_records: 16_384,
            inflated_bytes: 512 << 20,
            inflate_ratio: 200,
        }
    }
}
