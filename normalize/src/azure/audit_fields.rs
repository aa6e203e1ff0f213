//! Where the columns of an audit row come from, in Entra's own field names.

use event::Col;

/// The mapping's reference: one line per column. Names are those of Graph's `directoryAudit`, which
/// diagnostic settings put under `properties`; `row` is what Log Analytics calls it, `hub` a member beside
/// `properties`. Values of `modifiedProperties` are those after the change, else those before.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`activityDateTime`, else hub `time`, row `TimeGenerated`"),
    (
        Col::ClassUid,
        "by `activityDisplayName`, `category` and the types of `targetResources`: 3001 users, 3006 groups, 3005 roles and app roles, 3004 anything else with a target, 6003 without; of provisioning by `identityType` of `targetIdentity`, else of `sourceIdentity`",
    ),
    (Col::ActivityId, "by `activityDisplayName`, else `operationType`"),
    (Col::ActivityName, "the activity's name; `activityDisplayName` where it is 99 Other"),
    (Col::SeverityId, "1 Informational: the record is a fact, rules judge it"),
    (Col::StatusId, "1 if `result` is success, 2 if failure or timeout"),
    (Col::StatusCode, "`result`; of provisioning `provisioningStatusInfo.status`"),
    (
        Col::StatusDetail,
        "`resultReason`, else `resultDescription`; of provisioning `errorInformation.reason`",
    ),
    (Col::MetadataUid, "`id`"),
    (Col::MetadataLogName, "`AuditLogs`"),
    (Col::MetadataLogProvider, "the provider in hub and row `resourceId`"),
    (Col::MetadataProductName, "`Microsoft Entra ID`"),
    (Col::MetadataProductVendorName, "`Microsoft`"),
    (Col::MetadataProductFeatureName, "`category`"),
    (Col::MetadataCorrelationUid, "`correlationId`"),
    (Col::MetadataOriginalTime, "as `time`"),
    (
        Col::MetadataTenantUid,
        "row `AADTenantId`, hub `tenantId`, else the tenant in hub and row `resourceId`; of provisioning `tenantId`",
    ),
    (Col::CloudOrgUid, "as `metadata_tenant_uid`"),
    (
        Col::ApiOperation,
        "`activityDisplayName`, else hub `operationName`; of provisioning `provisioningAction`",
    ),
    (Col::ApiResponseError, "of provisioning `provisioningStatusInfo.errorInformation.errorCode`"),
    (Col::ApiServiceName, "`loggedByService`; of provisioning `targetSystem.displayName`"),
    (Col::ApiVersion, "hub and row `operationVersion`"),
    (Col::ApiRequestUid, "`correlationId`; of provisioning `changeId`"),
    (Col::ApiRequestData, "`targetResources`, with the values before and after in `modifiedProperties`"),
    (
        Col::ActorUserName,
        "`initiatedBy.user.userPrincipalName`, else its `displayName`; else `initiatedBy.app.displayName`",
    ),
    (Col::ActorUserUid, "`initiatedBy.user.id`, else `initiatedBy.app.servicePrincipalId`"),
    (Col::ActorUserType, "`initiatedBy.user.userType`; `servicePrincipal` for an application"),
    (Col::ActorUserTypeId, "1 User, 4 Service for an application"),
    (Col::ActorUserAccountUid, "`initiatedBy.user.homeTenantId`"),
    (Col::ActorAppName, "`initiatedBy.app.displayName`"),
    (Col::ActorAppUid, "`initiatedBy.app.appId`"),
    (
        Col::UserName,
        "`userPrincipalName`, else `displayName`, of the target that is a user, a member or the one who got a role; for app roles `ServicePrincipal.DisplayName`, `User.UPN` of `modifiedProperties`; the initiator who elevated their own access",
    ),
    (Col::UserUid, "`id` of that target; for app roles `ServicePrincipal.ObjectID`, `User.ObjectID`"),
    (Col::UserType, "`type` of that target"),
    (Col::UserTypeId, "1 User, 4 Service, 99 by `user_type`"),
    (
        Col::GroupName,
        "`Group.DisplayName` of `modifiedProperties`, else `displayName` of the target that is a group",
    ),
    (Col::GroupUid, "`Group.ObjectID` of `modifiedProperties`, else `id` of the target that is a group"),
    (
        Col::Privileges,
        "`Role.DisplayName` of `modifiedProperties`, else `displayName` of the target that is a role; for app roles `AppRole.Value`; `owner` of a group",
    ),
    (Col::EntityName, "of 3004: `displayName` of the first of `targetResources`"),
    (Col::EntityUid, "of 3004: its `id`"),
    (Col::EntityType, "of 3004: its `type`"),
    (
        Col::SrcEndpointIp,
        "`initiatedBy.user.ipAddress`, else hub `callerIpAddress`, else `ipaddr` of `additionalDetails`",
    ),
    (Col::SrcEndpointPort, "the port behind the address"),
    (Col::SrcEndpointName, "what stands in the address's place"),
    (Col::HttpRequestUserAgent, "`User-Agent` of `additionalDetails`, else `userAgent`"),
    (
        Col::Resources,
        "of 3005: `id`, name and `type` of each of `targetResources`; the other classes have no such attribute",
    ),
    (Col::ResourceUid, "`id` of the first of `targetResources`"),
    (Col::ResourceName, "its `userPrincipalName`, else `displayName`"),
    (Col::ResourceType, "its `type`"),
];
