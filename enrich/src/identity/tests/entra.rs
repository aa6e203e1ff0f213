//! Entra and Azure.

use super::*;

const ANA: &str = "1c9a4e52-0d4e-4b6f-9a10-2c5e7d9b0f31";
const APP: &str = "2d1f7a10-6c2a-4e98-b7d4-0a9c8e6f5d21";
const PRINCIPAL: &str = "3b1d5f70-6c2a-4e98-b7d4-0a9c8e6f5d21";

fn sign_in(number: u32, who: &str, error: u32) -> String {
    format!(
        r#"{{"time":"2024-05-14T09:00:0{number}Z","category":"SignInLogs","operationName":"Sign-in activity","tenantId":"7f3c1a52-8d4e-4b6f-9a10-2c5e7d9b0f31","properties":{{"id":"{number}","createdDateTime":"2024-05-14T09:00:0{number}Z",{who},"appDisplayName":"Portal","ipAddress":"192.0.2.1","status":{{"errorCode":{error}}}}}}}"#
    )
}

fn person(id: &str, name: &str) -> String {
    format!(r#""userPrincipalName":"{name}","userId":"{id}","appId":"{APP}","isInteractive":true"#)
}

fn service(id: &str, app: &str) -> String {
    format!(r#""servicePrincipalId":"{id}","servicePrincipalName":"ci","appId":"{app}""#)
}

fn of_services(record: String) -> String {
    record.replace("\"SignInLogs\"", "\"ServicePrincipalSignInLogs\"")
}

fn activity(number: u32, claims: &str) -> String {
    format!(
        r#"{{"time":"2024-05-14T09:01:0{number}Z","resourceId":"/SUBSCRIPTIONS/3B1D5F70-6C2A-4E98-B7D4-0A9C8E6F5D21/RESOURCEGROUPS/X","operationName":"MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE","category":"Administrative","resultType":"Success","resultSignature":"Succeeded.","callerIpAddress":"192.0.2.1","correlationId":"{number}","identity":{{"claims":{{{claims}}}}}}}"#
    )
}

fn google(number: u32, address: &str) -> String {
    format!(
        r#"{{"insertId":"{number}","logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity","timestamp":"2024-05-14T09:02:0{number}Z","protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"compute.googleapis.com","methodName":"v1.compute.instances.insert","authenticationInfo":{{"principalEmail":"{address}"}}}}}}"#
    )
}

#[test]
fn one_address_is_one_person_if_configured() {
    let records = [
        sign_in(1, &person(ANA, "Ana@example.com"), 0),
        google(2, "ana@example.com"),
        google(3, "bob@example.com"),
    ];
    let (entra, ana, bob) =
        (format!("entra:user:{ANA}"), "gcp:user:ana@example.com", "gcp:user:bob@example.com");
    assert_eq!(actors(&records, &by_default()), [entra.as_str(), ana, bob]);
    assert!(told(&records, &by_default()).is_empty());
    assert_eq!(actors(&records, &mail()), [entra.as_str(), entra.as_str(), bob]);
    let graph = graph(&records, &mail());
    let ana = ana.parse().unwrap();
    assert!(graph.links_of(&ana).iter().all(|link| u8::from(link.confidence()) == 60));
}

#[test]
fn addresses_that_nobody_vouches_for_join_nothing() {
    let records = [
        // A domain that is not listed, a guest, a failure, an IAM user, an application of that name.
        sign_in(1, &person(ANA, "ana@example.org"), 0),
        sign_in(2, &person(ANA, "ana_example.com#EXT#@example.com"), 0),
        sign_in(3, &person(ANA, "ana@example.com"), 50126),
        of_services(sign_in(4, &service(PRINCIPAL, APP).replace("\"ci\"", "\"ana@example.com\""), 0)),
        google(5, "ana@sub.example.com"),
    ];
    let told = told(&records, &mail());
    assert_eq!(told, [format!("entra:sp:{PRINCIPAL} service_principal_of entra:app:{APP}")]);
}

#[test]
fn nobody_is_not_a_person() {
    let zeros = "00000000-0000-0000-0000-000000000000";
    let records =
        [sign_in(1, &person(zeros, "ana@example.com"), 50034), sign_in(2, &person("", "bob"), 50034)];
    assert_eq!(actors(&records, &by_default()), ["mail:ana@example.com", "-"]);
}

#[test]
fn a_service_principal_is_its_application() {
    let identity = "/subscriptions/3b1d5f70/resourcegroups/x/providers/Microsoft.Compute/virtualMachines/vm";
    let claims = format!(
        r#""appid":"{APP}","idtyp":"app","http://schemas.microsoft.com/identity/claims/objectidentifier":"{PRINCIPAL}","xms_mirid":"{identity}""#
    );
    let records =
        [of_services(sign_in(1, &service(&PRINCIPAL.to_uppercase(), APP), 0)), activity(2, &claims)];
    assert_eq!(
        told(&records, &by_default()),
        [
            format!(
                "entra:sp:{PRINCIPAL} service_principal_of azure:managed-identity:{}",
                identity.to_lowercase()
            ),
            format!("entra:sp:{PRINCIPAL} service_principal_of entra:app:{APP}"),
        ]
    );
    assert_eq!(actors(&records, &by_default()), [format!("entra:app:{APP}"), format!("entra:app:{APP}")]);
    // The client of a person or of a device is not them.
    let of_person = format!(
        r#""appid":"{APP}","idtyp":"user","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn":"ana@example.com","http://schemas.microsoft.com/identity/claims/objectidentifier":"{ANA}""#
    );
    let records = [
        activity(1, &of_person),
        activity(2, &claims.replace(r#""idtyp":"app""#, r#""idtyp":"device""#)),
        sign_in(3, &person(ANA, "ana@example.com"), 0),
    ];
    assert!(told(&records, &by_default()).is_empty());
    assert_eq!(actors(&records, &by_default())[0], format!("entra:user:{ANA}"));
}

#[test]
fn the_subjects_that_an_application_trusts_stay_apart() {
    let credential = |name: &str| {
        format!(
            r#"{{\\\"Name\\\":\\\"{name}\\\",\\\"Issuer\\\":\\\"https://token.actions.githubusercontent.com\\\",\\\"Subject\\\":\\\"repo:example/{name}:ref:refs/heads/main\\\"}}"#
        )
    };
    let record = format!(
        r#"{{"time":"2024-05-14T09:00:00Z","category":"AuditLogs","operationName":"Update application","properties":{{"id":"1","category":"ApplicationManagement","activityDisplayName":"Update application","activityDateTime":"2024-05-14T09:00:00Z","result":"success","loggedByService":"Core Directory","additionalDetails":[{{"key":"AppId","value":"{APP}"}}],"initiatedBy":{{"user":{{"id":"{ANA}","userPrincipalName":"ana@example.com"}}}},"targetResources":[{{"id":"{PRINCIPAL}","type":"Application","displayName":"ci","modifiedProperties":[{{"displayName":"FederatedIdentityCredentials","oldValue":"[]","newValue":"[{},{}]"}}]}}]}}}}"#,
        credential("shop").replace(r"\\\", r"\"),
        credential("blog").replace(r"\\\", r"\"),
    );
    let subject =
        |name| format!("oidc:token.actions.githubusercontent.com#repo:example/{name}:ref:refs/heads/main");
    let told = told(std::slice::from_ref(&record), &by_default());
    assert_eq!(
        told,
        ["blog", "shop"].map(|name| format!("{} federated_credential entra:app:{APP}", subject(name)))
    );
    let graph = graph(&[record], &by_default());
    assert_eq!(graph.component(&subject("shop").parse().unwrap()).len(), 1);
    assert_eq!(graph.links_of(&format!("entra:app:{APP}").parse().unwrap()).len(), 2);
}
