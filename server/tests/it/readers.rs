//! Other programs read the table: deltalake and DuckDB, for Python.

use std::process::Command;

use crate::running::{root, run, sql};

const SCRIPT: &str = r#"
import glob, os, sys
import deltalake, duckdb, duckdb_extension_delta
table = sys.argv[1]
frame = deltalake.DeltaTable(table)
rows = frame.to_pyarrow_table(columns=["event_uid", "cloud_provider", "event_day", "time", "raw_data"])
assert rows.num_rows == len(set(rows["event_uid"].to_pylist())), "doubled rows"
print("deltalake", rows.num_rows, sorted(set(rows["cloud_provider"].to_pylist())))
extension = glob.glob(os.path.join(os.path.dirname(duckdb_extension_delta.__file__), "extensions", "*", "*.duckdb_extension"))
db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
db.execute(f"LOAD '{extension[0]}'")
count, clouds = db.execute(f"SELECT count(*), list_sort(list(DISTINCT cloud_provider)) FROM delta_scan('{table}')").fetchone()
print("duckdb", count, clouds)
found = db.execute(f"SELECT count(*) FROM delta_scan('{table}') WHERE event_day = DATE '2026-03-02' AND src_endpoint_ip = '203.0.113.66'").fetchone()[0]
print("filtered", found)
"#;

#[test]
fn deltalake_and_duckdb_read_the_table() {
    let venv = root().join("target/venv/bin/python");
    let python = std::env::var("STORMGLASS_PYTHON").unwrap_or_else(|_| venv.to_string_lossy().into_owned());
    let ready = Command::new(&python).args(["-c", "import deltalake, duckdb_extension_delta"]).output();
    if !ready.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "the readers are missing; scripts/need installs them");
        println!("skipped: no DuckDB and deltalake at {python}; `scripts/need test` installs them");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let story = root().join("demo/story").to_string_lossy().into_owned();
    run(&["--data", &data, "ingest", &story]);
    let here = sql(
        folder.path(),
        "SELECT count(*) AS n FROM events WHERE event_day = DATE '2026-03-02' AND src_endpoint_ip = '203.0.113.66'",
    );
    let output =
        Command::new(&python).args(["-c", SCRIPT]).arg(folder.path().join("events")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("deltalake 57 ['AWS', 'Azure', 'GCP']"), "{said}");
    assert!(said.contains("duckdb 57 ['AWS', 'Azure', 'GCP']"), "{said}");
    assert!(said.contains(&format!("filtered {}", here[0]["n"])), "{said}");
}
