//! Tags of an ATT&CK that is no longer, or never was.

use crate::attack::{ATTACK, technique_of};
use crate::nearest::nearest;
use crate::report::Report;
use crate::sigma::head::Head;

/// Says which tags have a new id, and which ids and names ATT&CK does not have.
pub(crate) fn check(head: &Head, report: &mut Report) {
    for tag in &head.tags {
        let (at, tag) = (tag.at, tag.value.as_str());
        let new = ATTACK.renamed(tag);
        if !new.is_empty() {
            let problem = format!("`{tag}` is of an ATT&CK before version {}", ATTACK.version);
            let new: Vec<_> = new.iter().map(|tag| format!("`{tag}`")).collect();
            report.warning(at, "tags", problem, format!("use {}", new.join(" or ")));
        } else if technique_of(tag).is_some_and(|id| !may_be_technique(&id)) {
            let problem = format!("`{tag}` is no technique of ATT&CK");
            report.warning(at, "tags", problem, "look the number up; `rules coverage` shows those of clouds");
        } else if let Some(known) = tactic_meant(tag) {
            let problem = format!("`{tag}` is no tactic of ATT&CK");
            report.warning(at, "tags", problem, format!("did you mean `attack.{known}`?"));
        }
    }
}

/// Whether there may be a technique of that id: the table has those of clouds alone, and of the others it is
/// known between which numbers they lie (Enterprise and Mobile, ICS).
fn may_be_technique(id: &str) -> bool {
    let number = id.strip_prefix('T').unwrap_or_default();
    let (number, sub) = number.split_once('.').map_or((number, None), |(number, sub)| (number, Some(sub)));
    let is_number =
        |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_known = number.parse().is_ok_and(|number: u32| matches!(number, 800..900 | 1001..1700));
    ATTACK.technique(id).is_some()
        || (is_number(number, 4) && is_known && sub.is_none_or(|sub| is_number(sub, 3)))
}

/// The tactic that a tag is likely a slip of the pen for.
fn tactic_meant(tag: &str) -> Option<&'static str> {
    let name = tag.strip_prefix("attack.")?;
    // Ids of tactics, techniques, groups, software and campaigns have digits, which names have not.
    if name.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let tactics = || ATTACK.tactics.iter().map(|tactic| tactic.short.as_str());
    if tactics().any(|known| known == name) {
        return None;
    }
    nearest(name, tactics())
}
