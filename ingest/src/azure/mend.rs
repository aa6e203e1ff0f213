//! What to do about a refusal: the permission that is missing, and the command that grants it.

use super::blobs;
use super::graph::GraphLog;
use crate::Error;

/// What a code of Entra (AADSTS) means here.
const TOKEN: [(&str, &str); 9] = [
    (
        "AADSTS7000215",
        "the secret is wrong: give its value, not its id; `az ad app credential reset --id CLIENT_ID` makes a new one",
    ),
    ("AADSTS7000222", "the secret has ended; `az ad app credential reset --id CLIENT_ID` makes a new one"),
    ("AADSTS700016", "there is no such application in this tenant; check `client_id` and `tenant`"),
    ("AADSTS90002", "there is no such tenant in this cloud; check `tenant` and `authority`"),
    ("AADSTS900023", "`tenant` is neither an id nor a domain of a tenant"),
    (
        "AADSTS700027",
        "the certificate is not the application's; `az ad app credential reset --id CLIENT_ID --cert @cert.pem --append` adds it",
    ),
    ("AADSTS700024", "the statement is not good at this time; check the machine's clock"),
    (
        "AADSTS70021",
        "no federated credential of the application fits the token's issuer and subject; `az ad app federated-credential list --id CLIENT_ID` shows them",
    ),
    (
        "AADSTS500011",
        "the tenant does not know this service; check `endpoint`, which is also what the token is for",
    ),
];

/// The mend of an error, where it is a refusal by one of these services that is known.
pub fn mend(error: &Error) -> Option<String> {
    let (call, status, code, message) = match error {
        Error::Refused { call, status, code, message, .. } => {
            (call.as_str(), *status, code.as_str(), message)
        }
        Error::Store { source, .. } => return storage(&source.to_string()),
        Error::Object { source, .. } => return storage(&source.to_string()),
        _ => return None,
    };
    if matches!(call, blobs::LIST | blobs::GET) {
        return storage(&error.to_string());
    }
    if call == "entra token" {
        return TOKEN.iter().find(|(code, _)| message.contains(code)).map(|(_, mend)| (*mend).to_owned());
    }
    let role = |scope: &str| {
        format!(
            "assign a role: `az role assignment create --assignee CLIENT_ID --role \"Monitoring Reader\" --scope {scope}`"
        )
    };
    let consent = |api: &str, permission: &str| {
        format!(
            "grant the application permission `{permission}` of {api} and consent to it as an administrator; docs/sources/azure.md has the commands"
        )
    };
    match (call, status, code) {
        ("Microsoft.Resources/subscriptions/read", _, _) => Some(role("/subscriptions/SUBSCRIPTION")),
        ("Microsoft.Insights/eventtypes/values/read", 403, _) => {
            // Azure names the scope.
            let scope = message.split("over scope '").nth(1).and_then(|rest| rest.split('\'').next());
            Some(role(scope.filter(|scope| scope.len() > 1).unwrap_or("/")))
        }
        (_, 403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant") => {
            Some("Graph lists sign-ins only where the tenant has a licence of Entra ID P1 or P2; read `directory_audits` alone".into())
        }
        (call, 403, _) if call.contains("identityProtection/") && message.contains("not licensed") => {
            Some("the tenant has no licence for it: risk detections need Entra ID P1 or P2, risky users P2; leave them out of `logs`".into())
        }
        (call, 403, _) if call.starts_with("graph ") => {
            let of_path = |log: &&GraphLog| call.ends_with(log.path());
            let log = GraphLog::ALL.iter().find(of_path)?;
            Some(consent("Microsoft Graph", log.permission()))
        }
        (_, _, "AF10001") => {
            let dlp = message.contains("ReadDlp");
            let permission = if dlp { "ActivityFeed.ReadDlp" } else { "ActivityFeed.Read" };
            Some(consent("the Office 365 Management APIs", permission))
        }
        (_, _, "AF20022" | "AF20023") => Some("nobody subscribed to this content; set `subscribe = true`".into()),
        (_, _, "AF20012") => Some("the tenant's audit log is off: `Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true` switches it on".into()),
        _ => None,
    }
}

/// What a blob service says is in the text of its client's error alone.
fn storage(text: &str) -> Option<String> {
    if ["AuthenticationFailed", "InvalidAuthenticationInfo", "failed to authenticate"]
        .iter()
        .any(|word| text.contains(word))
    {
        return Some("the account's key or the shared access signature is wrong or has ended".into());
    }
    if text.contains("AuthorizationPermissionMismatch") || text.contains("AuthorizationFailure") {
        return Some(
            "assign a role: `az role assignment create --assignee CLIENT_ID --role \"Storage Blob Data Reader\" \
             --scope ID_OF_THE_STORAGE_ACCOUNT`; where it is assigned, the account's firewall may refuse this machine"
                .into(),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_grants_it() {
        let mend = |call: &str, status, code: &str, message: &str| {
            super::mend(&Error::Refused {
                call: call.into(),
                status,
                code: code.into(),
                message: message.into(),
                retry_after: None,
            })
        };
        let over = "no authorization to perform action over scope '/subscriptions/1' or the scope is invalid";
        for (call, status, code, message, word) in [
            ("entra token", 401, "invalid_client", "AADSTS7000215: Invalid", "the secret is wrong"),
            (
                "Microsoft.Insights/eventtypes/values/read",
                403,
                "AuthorizationFailed",
                over,
                "--scope /subscriptions/1`",
            ),
            ("Microsoft.Resources/subscriptions/read", 200, "NoSubscription", "", "Monitoring Reader"),
            ("graph v1.0/auditLogs/signIns", 403, "Authorization_RequestDenied", "", "`AuditLog.Read.All`"),
            ("graph v1.0/security/alerts_v2", 403, "Forbidden", "", "`SecurityAlert.Read.All`"),
            ("subscriptions/content", 401, "AF10001", "… ActivityFeed.ReadDlp.", "`ActivityFeed.ReadDlp`"),
        ] {
            let told = mend(call, status, code, message).unwrap();
            assert!(told.contains(word), "{told}");
        }
        assert_eq!(mend("graph v1.0/auditLogs/signIns", 500, "", ""), None);
        let source = "403 Forbidden: <Code>AuthorizationPermissionMismatch</Code>".into();
        let store = object_store::Error::PermissionDenied { path: "c".into(), source };
        let told = super::mend(&Error::Store { address: "az://c".into(), source: store }).unwrap();
        assert!(told.contains("Storage Blob Data Reader"), "{told}");
    }
}
