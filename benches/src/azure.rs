//! Azure Activity and Entra sign-ins, as event hubs deliver them.

use crate::{Random, rfc3339};

const TENANT: &str = "aaaabbbb-0000-4ccc-a111-dddd2222eeee";
const OPERATIONS: &[(&str, &str)] = &[
    ("MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE", "Write"),
    ("MICROSOFT.COMPUTE/VIRTUALMACHINES/START/ACTION", "Action"),
    ("MICROSOFT.KEYVAULT/VAULTS/READ", "Read"),
    ("MICROSOFT.WEB/SITES/RESTART/ACTION", "Action"),
    ("MICROSOFT.AUTHORIZATION/POLICIES/AUDITIFNOTEXISTS/ACTION", "Action"),
];
/// What rules look at, and what is rare.
const TELLING_OPERATIONS: &[(&str, &str)] = &[
    ("MICROSOFT.STORAGE/STORAGEACCOUNTS/LISTKEYS/ACTION", "Action"),
    ("MICROSOFT.RESOURCES/DEPLOYMENTS/WRITE", "Write"),
    ("MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/WRITE", "Write"),
];
const APPS: &[(&str, &str)] = &[
    ("00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
    ("00000002-0000-0ff1-ce00-000000000000", "Office 365 Exchange Online"),
    ("797f4846-ba00-4fd7-ba43-dac1f8f63013", "Windows Azure Service Management API"),
    ("5e3ce6c0-2b1f-4285-8d4b-75ee78787346", "Microsoft Teams Web Client"),
];
const CITIES: &[(&str, &str, &str, f64, f64)] = &[
    ("Berlin", "Berlin", "DE", 52.52, 13.405),
    ("Dublin", "Dublin", "IE", 53.35, -6.26),
    ("Seattle", "Washington", "US", 47.61, -122.33),
];

/// An activity record, about 2 kB.
pub(crate) fn activity(random: &mut Random, time_ms: i64) -> String {
    let operations = if random.chance(2) { TELLING_OPERATIONS } else { OPERATIONS };
    let (operation, action) = *random.pick(operations);
    let subscription = format!("00000000-1111-4222-a333-{:012}", random.skewed(4));
    let person = random.skewed(40);
    let resource = format!(
        "/SUBSCRIPTIONS/{}/RESOURCEGROUPS/RG-{}/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/VM-{}",
        subscription.to_uppercase(),
        random.skewed(20),
        random.skewed(200)
    );
    let address = random.address();
    let failed = random.chance(5);
    let (kind, signature) =
        if failed { ("Failure", "Failed.Forbidden") } else { ("Success", "Succeeded.OK") };
    format!(
        r#"{{"time":"{}","resourceId":"{resource}","operationName":"{operation}","category":"Administrative","resultType":"{kind}","resultSignature":"{signature}","durationMs":"{}","callerIpAddress":"{address}","correlationId":"{}","identity":{{"authorization":{{"scope":"{}","action":"{}","evidence":{{"role":"Contributor","roleAssignmentScope":"/subscriptions/{subscription}","roleAssignmentId":"{}","roleDefinitionId":"b24988ac618042a0ab8820f7382dd24c","principalId":"{}","principalType":"User"}}}},"claims":{{"aud":"https://management.core.windows.net/","iss":"https://sts.windows.net/{TENANT}/","iat":"{iat}","nbf":"{iat}","exp":"{}","http://schemas.microsoft.com/claims/authnclassreference":"1","http://schemas.microsoft.com/claims/authnmethodsreferences":"pwd,mfa","appid":"c44b4083-3bb0-49c1-b47d-974e53cbdf3c","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname":"Example","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname":"Person {person}","ipaddr":"{address}","name":"Person {person} Example","http://schemas.microsoft.com/identity/claims/objectidentifier":"00000000-aaaa-4bbb-accc-{person:012}","http://schemas.microsoft.com/identity/claims/tenantid":"{TENANT}","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name":"person{person}@example.com","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn":"person{person}@example.com","uti":"{}","ver":"1.0"}}}},"level":"Information","location":"global","properties":{{"statusCode":"OK","serviceRequestId":"{}","eventCategory":"Administrative","entity":"{resource}","message":"{operation}","hierarchy":"{TENANT}/{subscription}"}},"tenantId":"{TENANT}","action":"{action}"}}"#,
        rfc3339(time_ms, true),
        random.below(3000),
        random.uuid(),
        resource.to_lowercase(),
        operation.to_lowercase(),
        random.hex(32),
        random.hex(32),
        time_ms / 1000 + 3600,
        random.hex(22),
        random.uuid(),
        iat = time_ms / 1000,
    )
}

/// A sign-in record, about 2 kB.
pub(crate) fn signin(random: &mut Random, time_ms: i64) -> String {
    let (app, app_name) = *random.pick(APPS);
    let (city, state, country, latitude, longitude) = *random.pick(CITIES);
    let person = random.skewed(400);
    let interactive = random.chance(30);
    let category = if interactive { "SignInLogs" } else { "NonInteractiveUserSignInLogs" };
    let (code, reason) = if random.chance(6) {
        (50126, "Error validating credentials due to invalid username or password.")
    } else {
        (0, "")
    };
    let (address, id, correlation) = (random.address(), random.uuid(), random.uuid());
    let time = rfc3339(time_ms, true);
    format!(
        r#"{{"time":"{time}","resourceId":"/tenants/{TENANT}/providers/Microsoft.aadiam","operationName":"Sign-in activity","operationVersion":"1.0","category":"{category}","tenantId":"{TENANT}","resultType":"{code}","resultSignature":"None","resultDescription":"{reason}","durationMs":0,"callerIpAddress":"{address}","correlationId":"{correlation}","identity":"Person {person} Example","Level":4,"location":"{country}","properties":{{"id":"{id}","createdDateTime":"{time}","userDisplayName":"Person {person} Example","userPrincipalName":"person{person}@example.com","userId":"00000000-aaaa-4bbb-accc-{person:012}","appId":"{app}","appDisplayName":"{app_name}","ipAddress":"{address}","status":{{"errorCode":{code},"failureReason":"{reason}","additionalDetails":"MFA requirement satisfied by claim in the token"}},"clientAppUsed":"Browser","userAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0","deviceDetail":{{"deviceId":"","operatingSystem":"Windows10","browser":"Edge 126.0.0"}},"location":{{"city":"{city}","state":"{state}","countryOrRegion":"{country}","geoCoordinates":{{"latitude":{latitude},"longitude":{longitude}}}}},"correlationId":"{correlation}","conditionalAccessStatus":"success","appliedConditionalAccessPolicies":[{{"id":"{}","displayName":"Require MFA","enforcedGrantControls":["Mfa"],"result":"success"}}],"isInteractive":{interactive},"tokenIssuerType":"AzureAD","authenticationProcessingDetails":[],"networkLocationDetails":[],"processingTimeInMilliseconds":{},"riskDetail":"none","riskLevelAggregated":"none","riskLevelDuringSignIn":"none","riskState":"none","resourceDisplayName":"{app_name}","resourceId":"{app}","authenticationRequirement":"multiFactorAuthentication","authenticationRequirementPolicies":[],"autonomousSystemNumber":64496,"crossTenantAccessType":"none","homeTenantId":"{TENANT}","uniqueTokenIdentifier":"{}","userType":"Member","resourceTenantId":"{TENANT}"}}}}"#,
        random.uuid(),
        random.below(400),
        random.hex(22),
    )
}
