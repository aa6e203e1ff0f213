//! How far an alert or incident was told, in lines.

use crate::api::ToldBody;

/// A line for each reason and each delivery, below a heading.
pub(super) fn lines(told: &ToldBody) -> Vec<String> {
    let mut lines = vec![format!("\ntold: {}", told.state)];
    for reason in &told.reasons {
        let until = reason.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        lines.push(format!("  {}{until}", reason.text));
    }
    for one in &told.deliveries {
        let delivery = &one.delivery;
        let vehicle = match one.vehicle.as_str() {
            "itself" => String::new(),
            "alert" => format!(" of alert {}", short(&delivery.subject)),
            vehicle => format!(" as {vehicle} {}", short(&delivery.subject)),
        };
        let next = delivery.next_attempt.as_ref().map(|next| format!(", next {next}")).unwrap_or_default();
        let state = match (delivery.state.as_str(), delivery.attempts) {
            ("waiting", 1..) => format!("retrying after {} attempts{next}", delivery.attempts),
            ("dead", _) => {
                format!("dead, `stormglass notify dead-letters resend {}` sends it again", delivery.id)
            }
            (state, _) => state.to_owned(),
        };
        let error = match delivery.last_error.as_str() {
            "" => String::new(),
            error => format!(": {error}"),
        };
        lines.push(format!(
            "  {} {} to {} by `{}`{vehicle}: {state}{error}",
            delivery.updated, delivery.kind, delivery.channel, delivery.route
        ));
    }
    lines
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}
