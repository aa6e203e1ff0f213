//! Where the columns of a Google Cloud row come from, in Google's own field names.

use event::Col;

/// The mapping's reference: one line per column. A parameter is one of
/// `protoPayload.metadata.event[0]`.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`timestamp`, else `receiveTimestamp`"),
    (Col::ClassUid, "by `protoPayload.serviceName` and `protoPayload.methodName`"),
    (
        Col::ActivityId,
        "by `protoPayload.methodName`; by the `action` in `protoPayload.serviceData.policyDelta`; for API Activity by the verb in `protoPayload.methodName`",
    ),
    (
        Col::ActivityName,
        "the activity's name; the last word of `protoPayload.methodName` where it is 99 Other",
    ),
    (Col::SeverityId, "`severity`: up to NOTICE 1, WARNING 2, ERROR 3, CRITICAL 4, ALERT 5, EMERGENCY 6"),
    (
        Col::StatusId,
        "2 Failure where `protoPayload.status.code` is not 0, else 1 Success; sign-ins by `protoPayload.methodName` and parameter `login_challenge_status`",
    ),
    (Col::StatusCode, "`protoPayload.status.code`"),
    (Col::StatusDetail, "`protoPayload.status.message`"),
    (Col::MetadataUid, "`insertId`"),
    (Col::MetadataEventCode, "`protoPayload.metadata.event[0].eventName`"),
    (Col::MetadataLogName, "end of `logName`: `activity`, `data_access`, `system_event`, `policy`"),
    (Col::MetadataLogProvider, "`logName`: `cloudaudit.googleapis.com`"),
    (Col::MetadataProductName, "`Cloud Audit Logs`"),
    (Col::MetadataProductVendorName, "`Google`"),
    (
        Col::MetadataProductFeatureName,
        "`logName`: Admin Activity, Data Access, System Event, Policy Denied, Access Transparency",
    ),
    (Col::MetadataCorrelationUid, "`operation.id`"),
    (Col::MetadataOriginalTime, "`timestamp`, else `receiveTimestamp`"),
    (
        Col::CloudAccountUid,
        "`resource.labels.project_id`, else the project in `logName` or `protoPayload.resourceName`",
    ),
    (Col::CloudAccountType, "`GCP Project`"),
    (Col::CloudAccountTypeId, "11 GCP Project"),
    (
        Col::CloudRegion,
        "`resource.labels.location`, `region` or `zone`, else `protoPayload.resourceLocation.currentLocations[0]`; of a zone its region",
    ),
    (
        Col::CloudOrgUid,
        "the organisation in `logName` or `protoPayload.resourceName`; `folders/…` where `logName` has a folder",
    ),
    (Col::ApiOperation, "`protoPayload.methodName`"),
    (Col::ApiServiceName, "`protoPayload.serviceName`"),
    (Col::ApiRequestUid, "`operation.id`, else `insertId`, where there is a request"),
    (Col::ApiRequestData, "`protoPayload.request`, `protoPayload.requestJson`"),
    (Col::ApiResponseData, "`protoPayload.response`, `protoPayload.responseJson`"),
    (Col::ApiResponseCode, "`protoPayload.status.code`"),
    (
        Col::ApiResponseError,
        "`protoPayload.status.code` by its name in `google.rpc.Code`: `PERMISSION_DENIED`",
    ),
    (Col::ApiResponseErrorMessage, "`protoPayload.status.message`"),
    (
        Col::ActorUserName,
        "`protoPayload.authenticationInfo.principalEmail`, else the name in `principalSubject`; `Unknown` where the record names nobody",
    ),
    (Col::ActorUserUid, "`protoPayload.authenticationInfo.principalSubject`, else `principalEmail`"),
    (
        Col::ActorUserType,
        "the kind in `protoPayload.authenticationInfo.principalSubject`: `user`, `serviceAccount`, `principal`",
    ),
    (
        Col::ActorUserTypeId,
        "users and workforce 1, Google and Kubernetes themselves 3, service accounts and workloads 4",
    ),
    (
        Col::ActorUserEmailAddr,
        "`protoPayload.authenticationInfo.principalSubject` or `principalEmail`, where it is an address",
    ),
    (Col::ActorUserAccountUid, "the project in a service account's address"),
    (Col::ActorUserCredentialUid, "the key in `protoPayload.authenticationInfo.serviceAccountKeyName`"),
    (Col::ActorSessionIssuer, "the first of `protoPayload.authenticationInfo.serviceAccountDelegationInfo`"),
    (
        Col::ActorAppName,
        "`protoPayload.serviceName`, where Google itself acted or reports the end of an operation",
    ),
    (Col::ActorAppUid, "`protoPayload.authenticationInfo.oauthInfo.oauthClientId`"),
    (Col::ActorAuthorizations, "`protoPayload.authorizationInfo`"),
    (
        Col::UserName,
        "the first `member` of `protoPayload.serviceData.policyDelta.bindingDeltas`, else of `protoPayload.request.policy.bindings`; \
         `protoPayload.response.email`, `resource.labels.email_id`; parameters `USER_EMAIL`, `affected_email_address`; \
         `protoPayload.metadata.membershipDelta.member`; the caller of a sign-in",
    ),
    (
        Col::UserUid,
        "as `user_name`, with its kind; `protoPayload.response.unique_id`, `resource.labels.unique_id`",
    ),
    (Col::UserType, "the kind of the member: `user`, `serviceAccount`, `group`, `domain`, `allUsers`"),
    (Col::UserTypeId, "as `actor_user_type_id`; groups, domains and everybody 99"),
    (Col::UserEmailAddr, "as `user_name`, where it is an address"),
    (Col::UserAccountUid, "the project in a service account's address or path"),
    (Col::UserCredentialUid, "the key in `protoPayload.response.name` or `protoPayload.request.name`"),
    (
        Col::GroupName,
        "parameter `GROUP_EMAIL`; `protoPayload.metadata.group`, else the end of `protoPayload.resourceName`",
    ),
    (
        Col::GroupUid,
        "parameter `GROUP_EMAIL`; `protoPayload.metadata.group`, else `protoPayload.resourceName`",
    ),
    (
        Col::Privileges,
        "the roles of `protoPayload.serviceData.policyDelta.bindingDeltas`, else of `protoPayload.request.policy.bindings`; \
         `protoPayload.request.roleRef.name`; parameter `ROLE_NAME`; `protoPayload.metadata.membershipDelta.roleDeltas[0].role`",
    ),
    (Col::EntityName, "the end of `entity_uid`; parameter `ROLE_NAME`"),
    (
        Col::EntityUid,
        "`protoPayload.response.name`, `protoPayload.request.role_id` and its like, `protoPayload.request.name`, else `protoPayload.resourceName`; parameters `ROLE_ID`, `INBOUND_SSO_PROFILE_NAME`",
    ),
    (Col::EntityType, "by `protoPayload.methodName`: `role`, `policy`, `workloadIdentityPool` and so on"),
    (Col::ServiceName, "`protoPayload.serviceName` of a sign-in"),
    (Col::IsMfa, "parameters `is_second_factor`, `login_challenge_method`"),
    (Col::IsRemote, "true for sign-ins"),
    (Col::AuthProtocol, "parameter `login_type`"),
    (Col::AuthProtocolId, "parameter `login_type`: `saml` 5, others 99"),
    (Col::SrcEndpointIp, "`protoPayload.requestMetadata.callerIp`"),
    (
        Col::SrcEndpointName,
        "`protoPayload.requestMetadata.callerIp` where it is a word: `private`, `gce-internal-ip`; `Unknown` where there is none",
    ),
    (
        Col::SrcEndpointDomain,
        "`protoPayload.serviceName`, where Google itself acted or reports the end of an operation",
    ),
    (Col::HttpRequestUserAgent, "`protoPayload.requestMetadata.callerSuppliedUserAgent`"),
    (Col::HttpRequestHttpMethod, "`httpRequest.requestMethod`"),
    (Col::HttpRequestUrl, "`httpRequest.requestUrl`"),
    (
        Col::Resources,
        "`protoPayload.resourceName`, then each other `protoPayload.authorizationInfo[].resource`",
    ),
    (Col::ResourceUid, "`protoPayload.resourceName`"),
    (Col::ResourceName, "the end of `protoPayload.resourceName`; an object's whole name"),
    (Col::ResourceType, "`resource.type`"),
    (
        Col::DatabucketName,
        "the bucket in `protoPayload.resourceName` or `protoPayload.metadata.resourceNames[0]`, else `resource.labels.bucket_name`",
    ),
    (Col::DatabucketUid, "`projects/_/buckets/` and the bucket"),
    (Col::DatabucketTypeId, "3 GCP Bucket"),
    (
        Col::TableName,
        "the table in `protoPayload.resourceName`, or of the job in `protoPayload.metadata.jobChange` the first that it reads, else the one that it writes",
    ),
    (Col::TableUid, "the path of the table"),
];
