//! Mapping files as their users see them: what the least of them makes is valid OCSF, whatever the class.

use std::sync::Arc;

use event::{Col, LogType, RawBatchBuilder, RawRecord, SourceId, ocsf_document};
use normalize::{CustomMappings, MappingFile, Normalizer};

use crate::ocsf::{Schema, check};
use crate::records;

fn file(class_uid: i32) -> MappingFile {
    let text = format!(
        "name: class_{class_uid}\nsources: [source_{class_uid}]\nclass_uid: {class_uid}\ntime: at\n\
         activity: {{path: did, values: {{odd: Other, none: Unknown}}}}\n\
         columns: {{src_endpoint_ip: ip, status_id: {{path: ok, values: {{true: 1}}, default: 99}}}}\n"
    );
    MappingFile { path: format!("class_{class_uid}.yaml"), text }
}

#[test]
fn the_least_mapping_of_a_class_is_valid() {
    let Some(root) = records::corpus("ocsf/schema_1.8.0") else { return };
    let schema = Schema::load(&root);
    // The base of all classes, 0, is none that the schema lists.
    let classes = [2004, 3001, 3002, 3003, 3004, 3005, 3006, 6003, 6005, 6006];
    let files: Vec<_> = classes.into_iter().map(file).collect();
    let (mappings, findings) = CustomMappings::parse(&files);
    assert!(findings.is_empty(), "{findings:?}");
    let mut wrong = String::new();
    let mut normalizer = Normalizer::with_mappings(Arc::new(mappings));
    for class_uid in classes {
        let mut builder = RawBatchBuilder::with_capacity(0);
        for (number, record) in (0..).zip([
            r#"{"at":"2026-05-01T10:00:00Z"}"#,
            r#"{"at":1777629600,"did":"odd","ip":"192.0.2.1","ok":true}"#,
        ]) {
            assert!(builder.push(RawRecord { bytes: record.as_bytes(), number, reject: None }));
        }
        let source = SourceId::new(&format!("source_{class_uid}"));
        let raw = builder.finish(source, Some(LogType::Custom), "test".into(), 1_777_629_700_000_000);
        let normalized = normalizer.map(&raw, 0);
        assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
        for row in 0..2 {
            assert_eq!(normalized.events.int_at(Col::ClassUid, row), Some(i64::from(class_uid)));
            let violations = check(&schema, &ocsf_document(&normalized.events, row).unwrap());
            if !violations.is_empty() {
                wrong.push_str(&format!("class {class_uid}, record {row}: {violations:?}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
