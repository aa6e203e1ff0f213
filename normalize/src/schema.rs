//! The reference page of columns, printed from the code.

use event::{COLUMNS, LogType};

use crate::mapping::Mapping;

/// `docs/schema.md`: every column, its type, its place in an OCSF document, its meaning, and for each
/// log type the cloud's own fields that fill it.
pub fn schema_markdown() -> String {
    let mut page = String::from("# Columns of the table `events`\n");
    for column in COLUMNS {
        write_column(&mut page, column);
    }
    page
}

fn write_column(page: &mut String, column: &event::Column) {
    page.push_str(&format!("\n## {}\n\n{}\n\n", column.name, column.meaning));
    page.push_str(&format!("- type: {:?}\n", column.kind));
    if !column.ocsf.is_empty() {
        page.push_str(&format!("- OCSF: `{}`\n", column.ocsf));
    }
    for log_type in LogType::ALL {
        let fields: Vec<_> = Mapping::of(log_type)
            .fields
            .iter()
            .filter(|(col, _)| *col == column.col)
            .map(|(_, from)| *from)
            .collect();
        if !fields.is_empty() {
            page.push_str(&format!("- {log_type}: {}\n", fields.join("; ")));
        }
    }
}
