//! GCP audit logs.

use crate::{Random, rfc3339};

const CALLS: &[(&str, &str, &str, &str)] = &[
    ("storage.googleapis.com", "storage.objects.get", "data_access", "storage.objects.get"),
    ("storage.googleapis.com", "storage.objects.list", "data_access", "storage.objects.list"),
    ("storage.googleapis.com", "storage.objects.create", "data_access", "storage.objects.create"),
    (
        "bigquery.googleapis.com",
        "google.cloud.bigquery.v2.JobService.InsertJob",
        "data_access",
        "bigquery.jobs.create",
    ),
    ("compute.googleapis.com", "v1.compute.instances.insert", "activity", "compute.instances.create"),
    (
        "compute.googleapis.com",
        "v1.compute.instances.setMetadata",
        "activity",
        "compute.instances.setMetadata",
    ),
    (
        "iamcredentials.googleapis.com",
        "GenerateAccessToken",
        "data_access",
        "iam.serviceAccounts.getAccessToken",
    ),
    (
        "cloudresourcemanager.googleapis.com",
        "SetIamPolicy",
        "activity",
        "resourcemanager.projects.setIamPolicy",
    ),
    (
        "secretmanager.googleapis.com",
        "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion",
        "data_access",
        "secretmanager.versions.access",
    ),
];

/// A log entry, about 1.5 kB.
pub(crate) fn audit(random: &mut Random, time_ms: i64) -> String {
    let (service, method, log, permission) = *random.pick(CALLS);
    let project = format!("example-project-{}", random.skewed(6));
    let principal = if random.chance(70) {
        format!("workload-{}@{project}.iam.gserviceaccount.com", random.skewed(30))
    } else {
        format!("person{}@example.com", random.skewed(40))
    };
    let resource = format!(
        "projects/_/buckets/data-lake-{}/objects/tables/part-{}.parquet",
        random.skewed(30),
        random.hex(12)
    );
    let denied = random.chance(4);
    let status = if denied { r#"{"code":7,"message":"PERMISSION_DENIED"}"# } else { "{}" };
    format!(
        r#"{{"protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","status":{status},"authenticationInfo":{{"principalEmail":"{principal}","principalSubject":"serviceAccount:{principal}","serviceAccountKeyName":"//iam.googleapis.com/projects/{project}/serviceAccounts/{principal}/keys/{}"}},"requestMetadata":{{"callerIp":"{}","callerSuppliedUserAgent":"google-cloud-sdk gcloud/483.0.0 command/gcloud.storage.cp invocation-id/{} environment/None interactive/False from-script/True python/3.11.9 term/ (Linux 5.15.0)","callerNetwork":"//compute.googleapis.com/projects/{project}/global/networks/__unknown__","requestAttributes":{{"time":"{time}","auth":{{}}}},"destinationAttributes":{{}}}},"serviceName":"{service}","methodName":"{method}","authorizationInfo":[{{"resource":"{resource}","permission":"{permission}","granted":{},"resourceAttributes":{{}}}}],"resourceName":"{resource}","request":{{"name":"{resource}","@type":"type.googleapis.com/request"}},"response":{{"@type":"type.googleapis.com/response","id":"{}"}},"resourceLocation":{{"currentLocations":["europe-west1"]}}}},"insertId":"{}","resource":{{"type":"gcs_bucket","labels":{{"bucket_name":"data-lake-1","project_id":"{project}","location":"europe-west1"}}}},"timestamp":"{time}","severity":"{}","logName":"projects/{project}/logs/cloudaudit.googleapis.com%2F{log}","receiveTimestamp":"{}"}}"#,
        random.hex(40),
        random.address(),
        random.hex(32),
        !denied,
        random.below(1 << 50),
        random.hex(14),
        if denied { "ERROR" } else { "INFO" },
        rfc3339(time_ms + 700, true),
        time = rfc3339(time_ms, true),
    )
}
