//! Records of events that alerts only name, from the table.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use query::QueryRequest;

use crate::api::Problem;
use crate::app::App;

/// How many events are asked for at once.
const EVENTS: usize = 200;

/// The records of events, by their ids; those that the table no longer has are missing.
///
/// # Errors
/// The table cannot be read, or the queries of others leave no room.
pub(crate) async fn records(app: &App, events: &[String]) -> Result<BTreeMap<String, String>, Problem> {
    let mut records = BTreeMap::new();
    // An id is 32 hexadecimal digits: nothing else goes into a statement.
    let ids: Vec<&str> = events
        .iter()
        .map(String::as_str)
        .filter(|uid| uid.len() == 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .collect();
    let mut bytes = 0;
    for some in ids.chunks(EVENTS) {
        let list: Vec<_> = some.iter().map(|uid| format!("'{uid}'")).collect();
        let sql = format!("SELECT event_uid, raw_data FROM events WHERE event_uid IN ({})", list.join(", "));
        let request = QueryRequest { max_rows: Some(EVENTS), ..QueryRequest::new(sql) };
        let mut stream = app.engine.run(request).await.map_err(problem)?;
        while let Some(batch) = stream.next().await.transpose().map_err(problem)? {
            // Columns of few distinct texts are dictionaries.
            let text =
                |at: usize| -> Option<ArrayRef> { cast(batch.columns().get(at)?, &DataType::Utf8).ok() };
            let (uids, raws) = (text(0), text(1));
            let texts = |column: &Option<ArrayRef>| column.as_ref()?.as_string_opt::<i32>().cloned();
            let (Some(uids), Some(raws)) = (texts(&uids), texts(&raws)) else { continue };
            for row in (0..uids.len()).filter(|row| uids.is_valid(*row) && raws.is_valid(*row)) {
                let raw = raws.value(row);
                bytes += raw.len();
                if bytes > alerts::bundle::MAX_RECORD_BYTES {
                    let limit = alerts::bundle::MAX_RECORD_BYTES;
                    return Err(alerts::Error::PackageTooLarge { id: "incident".into(), bytes, limit }.into());
                }
                records.insert(uids.value(row).to_owned(), raw.to_owned());
            }
        }
    }
    Ok(records)
}

fn problem(error: query::Error) -> Problem {
    Problem::internal(&error, error.fate())
}
