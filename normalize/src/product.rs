//! Which log of a product a record is from, where it is no log of the clouds' own: told by its keys.

use event::LogType;

use crate::fields::same_name;
use crate::json::{Object, Value};

/// The log type; `None` if the keys fit none.
pub(crate) fn log_type(record: &Object<'_>) -> Option<LogType> {
    let clues = Clues::of(record);
    clues.log_type(record)
}

/// How many keys each log has of those that only it has together.
#[derive(Debug, Default)]
struct Clues {
    kubernetes: u8,
    okta: u8,
    github: u8,
    m365: u8,
    guardduty: u8,
    security_hub: u8,
    scc: u8,
    defender: u8,
    ocsf: u8,
}

/// Keys of which a Kubernetes audit event has two at least.
const KUBERNETES: &[&str] = &[
    "auditID",
    "objectRef",
    "requestObject",
    "requestReceivedTimestamp",
    "requestURI",
    "responseStatus",
    "sourceIPs",
    "stage",
    "stageTimestamp",
    "verb",
];
/// In any case, as with the others that follow: three at least.
const OKTA: &[&str] = &[
    "authenticationContext",
    "debugContext",
    "displayMessage",
    "eventType",
    "legacyEventType",
    "outcome",
    "published",
    "securityContext",
    "uuid",
];
/// Beside `action`: two at least.
const GITHUB: &[&str] = &[
    "@timestamp",
    "actor",
    "actorIp",
    "actorLocation",
    "business",
    "createdAt",
    "documentId",
    "operationType",
    "org",
    "orgId",
    "repo",
];
/// Beside `Operation`: two at least.
const M365: &[&str] =
    &["creationTime", "officeWorkload", "organizationId", "recordType", "userKey", "userType", "workload"];
const GUARDDUTY: &[&str] = &["arn", "accountId", "detectorId", "schemaVersion", "service"];
const SECURITY_HUB: &[&str] = &["awsAccountId", "generatorId", "productArn", "schemaVersion"];
const SCC: &[&str] = &["category", "findingClass", "parent", "resourceName", "securityMarks", "eventTime"];
const DEFENDER: &[&str] =
    &["alertWebUrl", "detectionSource", "incidentId", "providerAlertId", "serviceSource"];
const OCSF: &[&str] = &["class_uid", "category_uid", "type_uid", "metadata", "severity_id"];

impl Clues {
    fn of(record: &Object<'_>) -> Self {
        let mut clues = Self::default();
        for member in record.members() {
            let key = member.key.as_ref();
            let is_one = |keys: &[&str]| keys.iter().any(|known| same_name(key, known));
            clues.kubernetes += u8::from(KUBERNETES.contains(&key));
            clues.okta += u8::from(is_one(OKTA));
            clues.github += u8::from(is_one(GITHUB));
            clues.m365 += u8::from(is_one(M365));
            clues.guardduty += u8::from(is_one(GUARDDUTY));
            clues.security_hub += u8::from(is_one(SECURITY_HUB));
            clues.scc += u8::from(SCC.contains(&key));
            clues.defender += u8::from(DEFENDER.contains(&key));
            clues.ocsf += u8::from(OCSF.contains(&key));
        }
        clues
    }

    fn log_type(&self, record: &Object<'_>) -> Option<LogType> {
        if self.ocsf >= 4 && record.get("class_uid").and_then(|uid| uid.integer()).is_some() {
            return Some(LogType::Ocsf);
        }
        if self.kubernetes >= 2 || is_aks(record) {
            return Some(LogType::KubernetesAudit);
        }
        if self.m365 >= 2 && has(record, "operation") {
            return Some(LogType::M365Audit);
        }
        if self.okta >= 3 && has(record, "eventType") {
            return Some(LogType::OktaSystem);
        }
        if self.security_hub >= 3 || holds_findings(record) {
            return Some(LogType::AwsSecurityHub);
        }
        if self.guardduty >= 2 && is_guardduty(record) {
            return Some(LogType::AwsGuardduty);
        }
        if self.scc >= 4 || is_scc(record) {
            return Some(LogType::GcpScc);
        }
        if self.defender >= 2 {
            return Some(LogType::MicrosoftDefender);
        }
        if is_workspace(record) {
            return Some(LogType::GoogleWorkspace);
        }
        (self.github >= 2 && record.get("action").is_some_and(|action| action.is_string()))
            .then_some(LogType::GithubAudit)
    }
}

fn has(record: &Object<'_>, name: &str) -> bool {
    record.members().any(|member| same_name(&member.key, name))
}

/// A diagnostic record of an AKS cluster's API server.
fn is_aks(record: &Object<'_>) -> bool {
    let category = record.members().find(|member| same_name(&member.key, "category"));
    let category = category.and_then(|member| member.value.as_str());
    matches!(category.as_deref(), Some("kube-audit" | "kube-audit-admin"))
}

fn object<'a>(value: Option<Value<'a>>) -> Option<Object<'a>> {
    value.and_then(|value| value.as_object())
}

fn is_guardduty(record: &Object<'_>) -> bool {
    let service = record.members().find(|member| same_name(&member.key, "service"));
    object(service.map(|member| member.value)).is_some_and(|service| has(&service, "detectorId"))
}

/// What EventBridge carries in `detail`.
fn holds_findings(record: &Object<'_>) -> bool {
    let first = record.get("findings").and_then(|list| list.as_array()?.next()?.as_object());
    first.is_some_and(|finding| finding.get("ProductArn").is_some())
}

fn is_scc(record: &Object<'_>) -> bool {
    let finding = object(record.get("finding"));
    finding.is_some_and(|finding| SCC.iter().filter(|key| finding.get(key).is_some()).count() >= 3)
}

fn is_workspace(record: &Object<'_>) -> bool {
    let id = object(record.get("id"));
    let is_activity = ["actor", "events", "name"].iter().any(|key| record.get(key).is_some());
    is_activity && id.is_some_and(|id| id.get("applicationName").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tokens;

    #[test]
    fn every_shape_is_told() {
        for (text, expected) in [
            (r#"{"kind":"Event","auditID":"x","verb":"get"}"#, Some(LogType::KubernetesAudit)),
            (r#"{"category":"kube-audit","properties":{"log":"{}"}}"#, Some(LogType::KubernetesAudit)),
            (r#"{"eventtype":"a","published":"x","uuid":"y"}"#, Some(LogType::OktaSystem)),
            (r#"{"action":"repo.create","actor":"a","created_at":1}"#, Some(LogType::GithubAudit)),
            (r#"{"Operation":"Send","CreationTime":"x","RecordType":2}"#, Some(LogType::M365Audit)),
            (r#"{"operation":"Send","creationtime":"x","workload":"a"}"#, Some(LogType::M365Audit)),
            (r#"{"id":{"applicationName":"login"},"actor":{}}"#, Some(LogType::GoogleWorkspace)),
            (
                r#"{"schemaVersion":"2.0","accountId":"1","service":{"detectorId":"d"}}"#,
                Some(LogType::AwsGuardduty),
            ),
            (r#"{"AccountId":"1","Arn":"a","Service":{"DetectorId":"d"}}"#, Some(LogType::AwsGuardduty)),
            (r#"{"ProductArn":"a","GeneratorId":"b","AwsAccountId":"1"}"#, Some(LogType::AwsSecurityHub)),
            (r#"{"findings":[{"ProductArn":"a"}]}"#, Some(LogType::AwsSecurityHub)),
            (
                r#"{"finding":{"category":"a","parent":"b","eventTime":"c"},"resource":{}}"#,
                Some(LogType::GcpScc),
            ),
            (r#"{"serviceSource":"a","alertWebUrl":"b"}"#, Some(LogType::MicrosoftDefender)),
            (r#"{"class_uid":6003,"category_uid":6,"type_uid":600301,"metadata":{}}"#, Some(LogType::Ocsf)),
            (r#"{"action":"buy","order":1}"#, None),
            (r#"{"verb":"run"}"#, None),
            (r#"{"findings":[]}"#, None),
            ("{}", None),
        ] {
            let mut tokens = Tokens::default();
            tokens.scan(text).unwrap();
            let record = Value::root(text, &tokens).as_object().unwrap();
            assert_eq!(log_type(&record), expected, "{text}");
        }
    }
}
