//! `stormglass-corpus FOLDER EVENTS [SEED]`: writes a generated corpus and says what it holds.

use std::path::PathBuf;

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, events, seed) = match arguments.as_slice() {
        [folder, events] => (folder, events, "1"),
        [folder, events, seed] => (folder, events, seed.as_str()),
        _ => bail!("usage: stormglass-corpus FOLDER EVENTS [SEED]"),
    };
    let events = events.parse().with_context(|| format!("`{events}` is no number of events"))?;
    let seed = seed.parse().with_context(|| format!("`{seed}` is no seed"))?;
    let written = benches::write_corpus(&PathBuf::from(folder), events, seed)?;
    #[expect(clippy::print_stdout, reason = "a program's result")]
    {
        println!(
            "{{\"events\": {}, \"bytes\": {}, \"files\": {}}}",
            written.events, written.bytes, written.files
        );
    }
    Ok(())
}
