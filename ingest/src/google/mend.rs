//! What to do when Google refuses: the permission that is missing, and the role that has it.

use super::{gcs, logging, pubsub, scc};
use crate::Error;

/// The mend of a refusal by a service of Google; `None` where the error says nothing of rights or names.
pub fn mend(error: &Error) -> Option<String> {
    let Error::Refused { call, status, code, .. } = error else { return None };
    let granted = match call.as_str() {
        pubsub::CONSUME => ("roles/pubsub.subscriber", "the subscription"),
        pubsub::DESCRIBE => ("roles/pubsub.viewer", "the subscription"),
        gcs::GET | gcs::LIST => ("roles/storage.objectViewer", "the bucket"),
        logging::LIST => (
            "roles/logging.viewer (for Data Access logs roles/logging.privateLogViewer)",
            "the project, folder or organisation",
        ),
        scc::LIST => ("roles/securitycenter.findingsViewer", "the organisation, folder or project"),
        "iam.serviceAccounts.getAccessToken" => {
            ("roles/iam.serviceAccountTokenCreator", "the service account to become")
        }
        "sts.token" | "oauth2.token" => {
            return Some(format!(
                "the token service answers `{code}`: the key is revoked, or the pool, its provider and the \
                 conditions on them do not fit the other issuer's token"
            ));
        }
        _ => return None,
    };
    let (role, place) = granted;
    match status {
        401 => Some("the token is refused: check the key, and the clock of this machine".into()),
        403 if code == "SERVICE_DISABLED" => Some("enable the service's API in the project".into()),
        403 => Some(format!("grant `{role}`, which has `{call}`, on {place}")),
        404 => Some(format!("there is no such thing, or `{call}` is missing: check the name of {place}")),
        _ => None,
    }
}

/// What grants reading and listing of a bucket's objects.
pub(crate) fn objects_mend(bucket: &str) -> String {
    format!(
        "grant the role: `gcloud storage buckets add-iam-policy-binding gs://{bucket} \
         --member=serviceAccount:EMAIL --role=roles/storage.objectViewer`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_permission_and_role() {
        let refused = |call: &str, status| Error::Refused {
            call: call.into(),
            status,
            code: "PERMISSION_DENIED".into(),
            message: String::new(),
            retry_after: None,
        };
        let told = mend(&refused("pubsub.subscriptions.consume", 403)).unwrap();
        assert!(told.contains("roles/pubsub.subscriber") && told.contains("on the subscription"), "{told}");
        assert!(mend(&refused("storage.objects.get", 404)).unwrap().contains("the bucket"));
        assert_eq!(mend(&refused("sqs:ReceiveMessage", 403)), None);
        assert_eq!(mend(&refused("pubsub.subscriptions.consume", 503)), None);
    }
}
