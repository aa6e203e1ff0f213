//! Whether a sign-in took more than one factor.

use event::Col;

use crate::fields::{Fields, same_name};
use crate::nested::Nested;
use crate::row::Row;

/// Sets `is_mfa`.
///
/// `authenticationRequirement` is what was asked for, not what was given: a password guessed by someone
/// who then fails the second factor has `multiFactorAuthentication` too. So it counts for a sign-in that
/// worked, and for others a second step must be there that did.
pub(super) fn map(fields: &mut Fields<'_>, succeeded: bool, row: &mut Row<'_>) {
    let requirement = fields.peek("authenticationRequirement").unwrap_or_default();
    let method = fields.nested(&["mfaDetail"]);
    let has_method = !method.fields().peek("authMethod").unwrap_or_default().is_empty();
    let steps = fields.nested(&["authenticationDetails"]);
    let multiple = requirement.eq_ignore_ascii_case("multiFactorAuthentication");
    if (multiple || has_method) && succeeded || has_second_step(&steps) {
        row.flag(Col::IsMfa, true);
    } else if !requirement.is_empty() {
        row.flag(Col::IsMfa, false);
    }
    method.keep(row);
    steps.keep(row);
}

/// Whether a step after the primary authentication has succeeded.
fn has_second_step(steps: &Nested<'_>) -> bool {
    steps.objects().iter().any(|step| {
        let get =
            |name| step.members().find(|member| same_name(&member.key, name)).map(|member| member.value);
        let requirement = get("authenticationStepRequirement").and_then(|value| value.filled_text());
        let succeeded = get("succeeded").and_then(|value| value.boolean());
        succeeded == Some(true)
            && requirement.is_some_and(|text| !text.eq_ignore_ascii_case("Primary authentication"))
    })
}
