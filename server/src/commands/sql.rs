//! `stormglass sql`

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::bail;
use query::Format;

use crate::api::SqlBody;
use crate::cli::{Global, Sql, SqlFormat};
use crate::client::Client;
use crate::output::UsageError;
use crate::screen::Screen;

/// Runs the statement and prints the answer as it comes.
///
/// # Errors
/// The statement is wrong, or the answer breaks off.
pub(crate) async fn run(global: &Global, command: Sql) -> anyhow::Result<ExitCode> {
    let mut sql = command.statement;
    if sql == "-" {
        sql.clear();
        std::io::stdin().read_to_string(&mut sql)?;
    }
    if command.format == SqlFormat::Parquet && std::io::stdout().is_terminal() {
        bail!(UsageError("Parquet does not go to a terminal; redirect it into a file".into()));
    }
    let accept = match command.format {
        // The terminal's table is laid out here, from columns.
        SqlFormat::Table => "application/vnd.apache.arrow.stream",
        SqlFormat::Csv => "text/csv",
        SqlFormat::Json => "application/json",
        SqlFormat::Ndjson => "application/x-ndjson",
        SqlFormat::Parquet => "application/vnd.apache.parquet",
    };
    let client = Client::open(global).await?;
    let timeout_ms = command.timeout.map(|seconds| seconds.saturating_mul(1000));
    let body = SqlBody { sql, max_rows: command.max_rows, timeout_ms };
    let mut answer = client.post_for("/api/v1/sql", &body, accept).await?;
    let mut out = std::io::stdout().lock();
    if command.format == SqlFormat::Table {
        out.write_all(&table(&answer.all().await?)?)?;
    } else {
        let is_json = matches!(command.format, SqlFormat::Json | SqlFormat::Ndjson);
        let mut screen = out.is_terminal().then(|| Screen::new(is_json));
        while let Some(chunk) = answer.next().await {
            match &mut screen {
                Some(screen) => out.write_all(screen.piece(&chunk?).as_bytes())?,
                None => out.write_all(&chunk?)?,
            }
        }
    }
    out.flush()?;
    drop(out);
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

fn table(stream: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    let reader = arrow::ipc::reader::StreamReader::try_new(stream, None)?;
    let schema = reader.schema();
    let mut writer = Format::Table.writer(&mut out, &schema)?;
    for batch in reader {
        writer.write(&batch?)?;
    }
    writer.finish()?;
    Ok(out)
}
