//! Exports are kept, and each names the one before.

use super::*;
use crate::bundle::{MANIFEST, Manifest, verify};

#[test]
fn each_export_names_the_one_before_and_differs_in_its_stamp_alone() {
    let fixture = fixture();
    fixture.take(&[alert("a", 0, "impact", "ana", 4), alert("b", 1, "impact", "ana", 4)], 1);
    let id = fixture.all()[0].id.clone();
    let export = |now_us| {
        let dossier = fixture.incidents.dossier(id.get(..8).unwrap()).unwrap();
        fixture.incidents.export(&dossier, "dana", "0.1.0", now_us).unwrap()
    };
    let (one, two) = (export(10), export(20));
    let previous = |package: &crate::bundle::Package| {
        serde_json::from_slice::<Manifest>(&package.files[MANIFEST]).unwrap().previous
    };
    assert_eq!((previous(&one), previous(&two)), (None, Some(one.sha256.clone())));
    assert!(verify(&two.files).problems.is_empty());
    let differ = one.files.iter().filter(|(name, bytes)| two.files[*name] != **bytes).count();
    assert_eq!(differ, 2, "manifest and sums");
    let history = fixture.incidents.history(&id).unwrap();
    let told: Vec<_> = history.iter().filter(|step| step.change == "exported").collect();
    assert_eq!(told.len(), 2);
    assert!(told[1].reason.contains(&two.sha256) && told[1].by == "dana");
    let text = String::from_utf8(one.files["records.ndjson"].clone()).unwrap();
    assert_eq!(text.lines().count(), 2);
}
