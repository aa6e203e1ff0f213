//! Tags of an ATT&CK that is no longer.

use crate::attack::ATTACK;
use crate::report::Report;
use crate::sigma::head::Head;

/// Says which tags have a new id.
pub(crate) fn check(head: &Head, report: &mut Report) {
    for tag in &head.tags {
        let new = ATTACK.renamed(tag);
        if !new.is_empty() {
            let problem = format!("`{tag}` is of an ATT&CK before version {}", ATTACK.version);
            let new: Vec<_> = new.iter().map(|tag| format!("`{tag}`")).collect();
            report.warning(head.at, "tags", problem, format!("use {}", new.join(" or ")));
        }
    }
}
