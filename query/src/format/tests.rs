use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Field, Int64Type};

use super::*;

const ALL: [Format; 6] =
    [Format::Table, Format::Csv, Format::Json, Format::Ndjson, Format::Parquet, Format::ArrowIpc];

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<_> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.into_iter().map(|(_, column)| column).collect(),
    )
    .unwrap()
}

fn sample() -> RecordBatch {
    let times = TimestampMicrosecondArray::from(vec![Some(1_772_445_600_000_000), None]).with_timezone("UTC");
    batch(vec![
        ("time", Arc::new(times)),
        ("name", Arc::new(StringArray::from(vec![Some("dana"), Some("a,\"b\"\n")]))),
        ("n", Arc::new(Int64Array::from(vec![Some(-5), None]))),
        ("ok", Arc::new(BooleanArray::from(vec![true, false]))),
        ("share", Arc::new(Float64Array::from(vec![0.5, f64::NAN]))),
        (
            "ids",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), Some(2)]), None])),
        ),
    ])
}

fn written(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = format.writer(&mut out, &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    out
}

fn text(format: Format, batches: &[RecordBatch]) -> String {
    String::from_utf8(written(format, batches)).unwrap()
}

#[test]
fn json_has_utc_times_and_nulls() {
    let line = concat!(
        r#"{"time":"2026-03-02T10:00:00Z","name":"dana","n":-5,"ok":true,"share":0.5,"ids":[1,2]}"#,
        "\n",
        r#"{"time":null,"name":"a,\"b\"\n","n":null,"ok":false,"share":null,"ids":null}"#,
        "\n"
    );
    assert_eq!(text(Format::Ndjson, &[sample()]), line);
    let array: serde_json::Value = serde_json::from_str(&text(Format::Json, &[sample(), sample()])).unwrap();
    assert_eq!(array.as_array().unwrap().len(), 4);
    assert_eq!(array[2]["ids"], serde_json::json!([1, 2]));
}

#[test]
fn csv_is_quoted_and_has_no_formulas() {
    let lines = "time,name,n,ok,share,ids\n\
                 2026-03-02T10:00:00Z,dana,-5,true,0.5,\"[1, 2]\"\n\
                 ,\"a,\"\"b\"\"\n\",,false,NaN,\n";
    assert_eq!(text(Format::Csv, &[sample()]), lines);
    let cells = [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "\"'\t=1\""),
        ("\r=1", "\"'\r=1\""),
        ("=a,b", "\"'=a,b\""),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        ("", "\"\""),
    ];
    for (cell, expected) in cells {
        let rows = batch(vec![("a", Arc::new(StringArray::from(vec![cell])))]);
        assert_eq!(text(Format::Csv, &[rows]), format!("a\n{expected}\n"), "{cell:?}");
    }
}

#[test]
fn no_rows_are_an_answer_too() {
    let none = sample().slice(0, 0);
    assert_eq!(text(Format::Json, std::slice::from_ref(&none)), "[]");
    assert_eq!(text(Format::Ndjson, std::slice::from_ref(&none)), "");
    assert_eq!(text(Format::Csv, std::slice::from_ref(&none)), "time,name,n,ok,share,ids\n");
    assert!(text(Format::Table, std::slice::from_ref(&none)).ends_with("(0 rows)\n"));
    for format in ALL {
        written(format, std::slice::from_ref(&none));
    }
}

#[test]
fn parquet_and_arrow_read_back() {
    let rows = sample();
    let mut parquet = tempfile::tempfile().unwrap();
    parquet.write_all(&written(Format::Parquet, &[rows.clone(), rows.clone()])).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(parquet, 1024).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 4);
    let ipc = written(Format::ArrowIpc, std::slice::from_ref(&rows));
    let reader = datafusion::arrow::ipc::reader::StreamReader::try_new(ipc.as_slice(), None).unwrap();
    let back: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    assert_eq!(back[0].column(1), rows.column(1));
}

fn table(width: usize, rows: &RecordBatch) -> String {
    let mut out = Vec::new();
    let mut writer = Format::Table.writer(&mut out, &rows.schema()).unwrap().with_width(width);
    writer.write(rows).unwrap();
    writer.finish().unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_table_fits_its_width() {
    let rows = batch(vec![
        ("name", Arc::new(StringArray::from(vec!["dana", "a very long name of somebody"]))),
        ("n", Arc::new(Int64Array::from(vec![5, 1234]))),
    ]);
    assert_eq!(
        table(20, &rows),
        "name               n\n──────────────  ────\ndana               5\na very long n…  1234\n(2 rows)\n"
    );
    for width in [8, 20, 40, 400] {
        for line in table(width, &rows).lines().filter(|line| !line.starts_with('(')) {
            assert!(width == 8 || visible::text_width(line) <= width, "{width}: {line}");
        }
    }
    // Too narrow even so: one value a line, nulls left out.
    let wide = batch(
        (0..10).map(|_| ("c", Arc::new(Int64Array::from(vec![Some(123_456_789)])) as ArrayRef)).collect(),
    );
    assert!(table(40, &wide).starts_with("── row 1\nc  123456789\n"));
}

#[test]
fn a_table_cannot_drive_the_terminal() {
    let rows = batch(vec![("a\u{1b}c", Arc::new(StringArray::from(vec!["x\u{1b}[2Jy\u{202e}z\r\nroot#"])))]);
    let shown = table(100, &rows);
    assert!(shown.contains("x\\u{1b}[2Jy\\u{202e}z\\r\\nroot#"), "{shown}");
    assert_eq!(shown.chars().filter(|c| c.is_control() && *c != '\n').count(), 0);
}

#[test]
fn many_rows_stream_through() {
    let rows = batch(vec![("n", Arc::new(Int64Array::from_iter_values(0..900)))]);
    let shown = text(Format::Table, &[rows.clone(), rows.clone(), rows]);
    assert!(shown.ends_with("(2700 rows)\n"));
    assert_eq!(shown.lines().count(), 2 + 2700 + 1);
}

/// A sink that is full.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_that_refuses_is_told_as_such() {
    for format in ALL {
        let error = (|| {
            let mut writer = format.writer(Full, &sample().schema())?;
            writer.write(&sample())?;
            writer.finish()
        })()
        .unwrap_err();
        let Error::Write(error) = error else { panic!("{format:?}: {error}") };
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }
}
