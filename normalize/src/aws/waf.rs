//! AWS WAF: each request that a web ACL looked at, and what it did with it.
//!
//! Fields: "Log fields for protection pack (web ACL) traffic", AWS WAF Developer Guide.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::arn::Arn;
use crate::class::{Severity, Status};
use crate::http::{self, Request};
use crate::json::{Member, Object, Value};
use crate::network::{ALLOWED, BLOCKED, CAPTCHA, CHALLENGE, COUNT, SOURCE};
use crate::reason::{MapError, Reason};
use crate::row::Row;
use crate::time;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`timestamp`"),
    (Col::ClassUid, "4002 HTTP Activity"),
    (Col::ActivityId, "by `httpRequest.httpMethod`"),
    (Col::SeverityId, "1 Informational"),
    (Col::StatusId, "by `action`: `ALLOW` and `COUNT` 1 Success, others 2 Failure"),
    (Col::StatusCode, "`responseCodeSent`"),
    (Col::MetadataUid, "`httpRequest.requestId`"),
    (Col::MetadataLogVersion, "`formatVersion`"),
    (Col::MetadataOriginalTime, "`timestamp`"),
    (Col::MetadataProductName, "`AWS WAF`"),
    (Col::MetadataProductVendorName, "`AWS`"),
    (Col::CloudAccountUid, "the account in `webaclId`"),
    (Col::CloudAccountType, "`AWS Account`"),
    (Col::CloudAccountTypeId, "10 AWS Account"),
    (Col::CloudRegion, "the region in `webaclId`"),
    (Col::ActionId, "by `action`: `ALLOW` 1, `COUNT` 3 Observed, others 2 Denied"),
    (Col::Action, "the same in words"),
    (Col::DispositionId, "by `action`: `ALLOW` 1, `BLOCK` 2, `COUNT` 20, `CAPTCHA` 22, `CHALLENGE` 23"),
    (Col::Disposition, "the same in words"),
    (Col::FirewallRuleName, "`terminatingRuleId`"),
    (Col::FirewallRuleType, "`terminatingRuleType`"),
    (
        Col::FirewallRuleUid,
        "`ruleGroupList[].terminatingRule.ruleId`, the rule within the group, if there is one",
    ),
    (Col::SrcEndpointIp, "`httpRequest.clientIp`"),
    (Col::SrcEndpointName, "`httpRequest.clientIp`, if no address; `Unknown` without one"),
    (Col::SrcEndpointLocationCountry, "`httpRequest.country`"),
    (Col::DstEndpointUid, "`httpSourceId`: the distribution, load balancer or API"),
    (Col::DstEndpointSvcName, "`httpSourceName`"),
    (Col::HttpRequestUid, "`httpRequest.requestId`"),
    (Col::HttpRequestHttpMethod, "`httpRequest.httpMethod`, if OCSF knows it"),
    (Col::HttpRequestVersion, "`httpRequest.httpVersion`"),
    (Col::HttpRequestUrl, "put together of `scheme`, `host`, `uri` and `args`"),
    (Col::HttpRequestUrlScheme, "`httpRequest.scheme`"),
    (Col::HttpRequestUrlHostname, "`httpRequest.host`, else the header `Host`"),
    (Col::HttpRequestUrlPort, "the port in the same"),
    (Col::HttpRequestUrlPath, "`httpRequest.uri`"),
    (Col::HttpRequestUrlQueryString, "`httpRequest.args`"),
    (Col::HttpRequestUserAgent, "the header `User-Agent`"),
    (Col::HttpRequestReferrer, "the header `Referer`"),
    (Col::HttpRequestXForwardedFor, "the header `X-Forwarded-For`, if it holds addresses"),
    (Col::HttpRequestHttpHeaders, "`httpRequest.headers`"),
    (Col::HttpResponseCode, "`responseCodeSent`"),
    (Col::ResourceUid, "`webaclId`"),
    (Col::ResourceName, "the name in `webaclId`"),
    (Col::ResourceType, "`AWS::WAFv2::WebACL`"),
];

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut request = Request::default();
    let (mut acl, mut action, mut code) = (Cow::default(), Cow::default(), Cow::default());
    for member in record.members() {
        let value = member.value;
        match member.key.as_ref() {
            "timestamp" if !value.is_null() => {
                row.time(Col::Time, time::of_value(&value)?);
                row.put(Col::MetadataOriginalTime, "", &member);
            }
            "formatVersion" => row.put_filled(Col::MetadataLogVersion, "", &member),
            "webaclId" => {
                acl = value.text().unwrap_or_default();
                row.put_filled(Col::ResourceUid, "", &member);
            }
            "action" => {
                action = value.text().unwrap_or_default();
                row.keep("", &member);
            }
            "terminatingRuleId" => row.put_filled(Col::FirewallRuleName, "", &member),
            "terminatingRuleType" => row.put_filled(Col::FirewallRuleType, "", &member),
            "httpSourceName" => row.put_filled(Col::DstEndpointSvcName, "", &member),
            "httpSourceId" => row.put_filled(Col::DstEndpointUid, "", &member),
            "responseCodeSent" if value.integer().is_some_and(|code| code > 0) => {
                code = value.text().unwrap_or_default();
            }
            "httpRequest" if value.as_object().is_some() => read(&mut request, &member, row),
            "ruleGroupList" => {
                row.text_if(Col::FirewallRuleUid, rule_in_group(&value));
                row.keep("", &member);
            }
            _ => row.keep("", &member),
        }
    }
    if !row.has(Col::Time) {
        return Err(MapError::new(Reason::MissingTime, "the record has no `timestamp`"));
    }
    request.map(row);
    SOURCE.require(row);
    map_verdict(&action, row);
    if !code.is_empty() && !http::code(&code, row) {
        row.keep_text("", "responseCodeSent", &code);
    }
    map_acl(&acl, row);
    row.severity(Severity::Informational);
    row.text(Col::MetadataProductName, "AWS WAF");
    row.text(Col::MetadataProductVendorName, "AWS");
    Ok(identity(record, &acl, &request.id))
}

/// A request is looked at once by a web ACL. One request goes through several, so its id alone will not do.
fn identity(record: &Object<'_>, acl: &str, request: &str) -> EventKey {
    let time = record.get("timestamp").and_then(|time| time.text()).unwrap_or_default();
    if acl.is_empty() || request.is_empty() {
        return EventKey::from_content(LogType::AwsWaf, record.raw().as_bytes());
    }
    EventKey::from_parts(LogType::AwsWaf, &[acl.as_bytes(), time.as_bytes(), request.as_bytes()])
}

/// The rule within a group that ended the evaluation.
fn rule_in_group<'a>(groups: &Value<'a>) -> Option<Cow<'a, str>> {
    groups.as_array()?.find_map(|group| group.as_object()?.at(&["terminatingRule", "ruleId"])?.filled_text())
}

fn map_verdict(action: &str, row: &mut Row<'_>) {
    let verdict = match action {
        "ALLOW" => ALLOWED,
        "BLOCK" => BLOCKED,
        "COUNT" => COUNT,
        "CAPTCHA" => CAPTCHA,
        "CHALLENGE" => CHALLENGE,
        _ => return,
    };
    verdict.put(row);
    row.status(if matches!(action, "ALLOW" | "COUNT") { Status::Success } else { Status::Failure });
}

/// `arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/name/id`; WAF Classic has an id alone.
fn map_acl(acl: &str, row: &mut Row<'_>) {
    if row.has(Col::ResourceUid) {
        row.text(Col::ResourceType, "AWS::WAFv2::WebACL");
    }
    let Some(arn) = Arn::parse(acl) else { return };
    row.text_if(Col::CloudRegion, Some(arn.region));
    row.text_if(Col::ResourceName, arn.resource.split('/').nth(2));
    if !arn.account.is_empty() {
        row.text(Col::CloudAccountUid, arn.account);
        row.text(Col::CloudAccountType, "AWS Account");
        row.int(Col::CloudAccountTypeId, 10);
    }
}

fn read<'a>(request: &mut Request<'a>, member: &Member<'a>, row: &mut Row<'_>) {
    for part in member.value.as_object().iter().flat_map(Object::members) {
        let text = part.value.text().unwrap_or_default();
        match part.key.as_ref() {
            "clientIp" if !text.is_empty() => SOURCE.address(&text, row),
            "country" if text != "-" => row.put_filled(Col::SrcEndpointLocationCountry, "httpRequest", &part),
            "uri" if !text.is_empty() => {
                row.put(Col::HttpRequestUrlPath, "httpRequest", &part);
                request.path = text;
            }
            "args" => {
                row.put_filled(Col::HttpRequestUrlQueryString, "httpRequest", &part);
                request.query = text;
            }
            "httpVersion" => row.put_filled(Col::HttpRequestVersion, "httpRequest", &part),
            "httpMethod" => request.method = text,
            "requestId" => {
                row.put_filled(Col::HttpRequestUid, "httpRequest", &part);
                row.text_if(Col::MetadataUid, Some(&text));
                request.id = text;
            }
            "scheme" => {
                row.put_filled(Col::HttpRequestUrlScheme, "httpRequest", &part);
                request.scheme = text;
            }
            "host" if !text.is_empty() => request.host = text,
            "headers" if part.value.as_array().is_some() => read_headers(request, &part, row),
            _ => row.keep("httpRequest", &part),
        }
    }
}

fn read_headers<'a>(request: &mut Request<'a>, member: &Member<'a>, row: &mut Row<'_>) {
    let pair = |header: Value<'a>| -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        let header = header.as_object()?;
        let is_pair = header.members().count() == 2;
        Some((header.get("name")?.as_str()?, header.get("value")?.as_str()?)).filter(|_| is_pair)
    };
    let headers = || member.value.as_array().into_iter().flatten();
    if headers().all(|header| pair(header).is_some()) {
        row.put_json(Col::HttpRequestHttpHeaders, "httpRequest", member);
    } else {
        row.keep("httpRequest", member);
    }
    for (name, value) in headers().filter_map(pair) {
        match name.to_ascii_lowercase().as_str() {
            "host" if request.host.is_empty() => request.host = value,
            "user-agent" => row.text_if(Col::HttpRequestUserAgent, Some(value)),
            "referer" => row.text_if(Col::HttpRequestReferrer, Some(value)),
            "x-forwarded-for" => {
                http::forwarded_for(&value, row);
            }
            _ => {}
        }
    }
}
