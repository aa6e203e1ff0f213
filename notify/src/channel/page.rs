//! What becomes of a page: on-call services have one for each thread, open until it is closed.

use crate::{Notification, NotificationKind};

/// What is done to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageAction {
    /// It is opened, or what it says is brought up to date.
    Open,
    /// Somebody works on it.
    Acknowledge,
    /// It is done with.
    Close,
}

/// What a notification does to the page of its thread; `None`: nothing. A change to what is closed would open it
/// again, and what becomes of one alert is not what becomes of its incident.
pub(super) fn page_action(told: &Notification) -> Option<PageAction> {
    match told.kind {
        NotificationKind::Commented | NotificationKind::Assigned => None,
        _ if told.ends_thread() => Some(PageAction::Close),
        NotificationKind::Acknowledged if told.is_of_thread() => Some(PageAction::Acknowledge),
        NotificationKind::Acknowledged | NotificationKind::Closed | NotificationKind::Merged => None,
        NotificationKind::Amended
        | NotificationKind::Grown
        | NotificationKind::Risen
        | NotificationKind::Overdue
            if told.status == "closed" =>
        {
            None
        }
        _ => Some(PageAction::Open),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sample::{of_incident, told};

    #[test]
    fn an_alert_of_an_incident_does_not_close_its_page() {
        use NotificationKind::{Acknowledged, Closed, Commented, Merged, Raised, Risen};
        assert_eq!(page_action(&told(Closed)), Some(PageAction::Close));
        assert_eq!(page_action(&of_incident(Closed)), Some(PageAction::Close));
        assert_eq!(page_action(&of_incident(Merged)), Some(PageAction::Close));
        assert_eq!(page_action(&of_incident(Acknowledged)), Some(PageAction::Acknowledge));
        assert_eq!(page_action(&of_incident(Commented)), None);
        let part = |kind| Notification { is_part: true, ..told(kind) };
        assert_eq!(page_action(&part(Closed)), None);
        assert_eq!(page_action(&part(Acknowledged)), None);
        assert_eq!(page_action(&part(Raised)), Some(PageAction::Open));
        let closed = Notification { status: "closed".into(), ..of_incident(Risen) };
        assert_eq!(page_action(&closed), None);
    }
}
