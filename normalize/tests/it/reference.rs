//! The reference page of columns is the one that the code prints.

use std::path::Path;

use event::COLUMNS;
use normalize::schema_markdown;

#[test]
fn page_is_up_to_date() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.md"));
    let page = schema_markdown();
    if std::env::var_os("STORMGLASS_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "docs/schema.md is not what the code prints; rewrite it with STORMGLASS_BLESS=1 cargo test -p normalize"
    );
}

#[test]
fn each_column_has_one_row() {
    let page = schema_markdown();
    for column in COLUMNS {
        let row = format!("| `{}` |", column.name);
        assert_eq!(page.lines().filter(|line| line.starts_with(&row)).count(), 1, "{}", column.name);
    }
}
