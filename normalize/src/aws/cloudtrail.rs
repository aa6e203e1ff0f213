//! AWS CloudTrail records: management, data, network activity and insight events.
//!
//! The members are those of AWS's "CloudTrail record contents". Where AWS itself maps them to OCSF (in
//! Security Lake) we do the same, except that changes to roles, groups and policies get classes of
//! their own, and data events count as access to a data store.

use core::net::IpAddr;
use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::identity::{self, Caller};
use super::selector::{Selection, Subject};
use super::{data_event, insight, resources, selector, sign_in, target};
use crate::class::{Activity, Severity, Status};
use crate::json::{Member, Object, Value};
use crate::reason::{MapError, Reason};
use crate::row::{Row, UNKNOWN};
use crate::time;

pub(crate) use super::fields::FIELDS;

/// The members that more than one part of the mapping needs.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    pub(super) event_name: Cow<'a, str>,
    pub(super) event_source: Cow<'a, str>,
    pub(super) account: Cow<'a, str>,
    pub(super) request: Option<Object<'a>>,
    pub(super) response: Option<Object<'a>>,
    pub(super) additional: Option<Object<'a>>,
    pub(super) service_details: Option<Object<'a>>,
    pub(super) read_only: bool,
    pub(super) is_insight: bool,
    event_id: Cow<'a, str>,
    identity: Option<Object<'a>>,
    /// An array, where the record has one.
    resources: Option<Value<'a>>,
    insight: Option<Object<'a>>,
    failed: bool,
    has_endpoint: bool,
}

impl<'a> Record<'a> {
    /// A text among the request parameters.
    pub(super) fn request_text(&self, key: &str) -> Option<Cow<'a, str>> {
        self.request?.get(key)?.filled_text()
    }

    /// The ARN of the first listed resource of a type.
    pub(super) fn resource_arn(&self, kind: &str) -> Option<Cow<'a, str>> {
        let is_kind = |resource: &Object<'_>| {
            resource.get("type").is_some_and(|value| value.as_str().as_deref() == Some(kind))
        };
        let resource = self.resources?.as_array()?.filter_map(|element| element.as_object()).find(is_kind)?;
        resource.get("ARN").or_else(|| resource.get("arn"))?.filled_text()
    }

    /// A text within the response.
    pub(super) fn response_text(&self, path: &[&str]) -> Option<Cow<'a, str>> {
        self.response?.at(path)?.filled_text()
    }
}

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened.
pub(crate) fn map(object: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut record = Record::default();
    for member in object.members() {
        read_member(&mut record, &member, row)?;
    }
    if !row.has(Col::Time) {
        return Err(MapError::new(Reason::MissingTime, "the record has no `eventTime`"));
    }
    if let Some(details) = record.insight {
        insight::map(&mut record, &details, row);
    }
    let caller = record.identity.map(|identity| identity::map(&identity, row)).unwrap_or_default();
    if caller.is_nobody() {
        row.text(Col::ActorUserName, UNKNOWN);
    }
    map_class(&record, &caller, row);
    map_resources(&record, row);
    map_status(&record, row);
    map_cloud(&record, &caller, row);
    row.severity(Severity::Informational);
    row.text(Col::MetadataProductName, "CloudTrail");
    row.text(Col::MetadataProductVendorName, "AWS");
    Ok(match record.event_id.as_ref() {
        "" => EventKey::from_content(LogType::AwsCloudtrail, object.raw().as_bytes()),
        id => EventKey::from_parts(LogType::AwsCloudtrail, &[id.as_bytes()]),
    })
}

/// Sets the column of a top-level member, or notes it for later.
fn read_member<'a>(record: &mut Record<'a>, member: &Member<'a>, row: &mut Row<'_>) -> Result<(), MapError> {
    let value = &member.value;
    match member.key.as_ref() {
        "eventVersion" => row.put(Col::MetadataLogVersion, "", member),
        "userIdentity" => read_object(&mut record.identity, member, row),
        "eventTime" if !value.is_null() => {
            row.time(Col::Time, time::of_value(value)?);
            row.put(Col::MetadataOriginalTime, "", member);
        }
        "eventSource" => {
            record.event_source = value.text().unwrap_or_default();
            row.put(Col::ApiServiceName, "", member);
        }
        "eventName" => {
            record.event_name = value.text().unwrap_or_default();
            row.put(Col::ApiOperation, "", member);
        }
        "awsRegion" => row.put(Col::CloudRegion, "", member),
        "sourceIPAddress" => map_source_address(record, member, row),
        "userAgent" => row.put(Col::HttpRequestUserAgent, "", member),
        "requestParameters" => {
            record.request = value.as_object();
            row.put_json(Col::ApiRequestData, "", member);
        }
        "responseElements" => {
            record.response = value.as_object();
            row.put_json(Col::ApiResponseData, "", member);
        }
        "errorCode" => {
            if let Some(code) = value.filled_text() {
                record.failed = true;
                row.text(Col::StatusCode, &code);
            }
            row.put(Col::ApiResponseError, "", member);
        }
        "errorMessage" => {
            if let Some(message) = value.filled_text() {
                // A failed sign-in has a message but no code.
                record.failed = true;
                row.text(Col::StatusDetail, &message);
            }
            row.put(Col::ApiResponseErrorMessage, "", member);
        }
        "requestID" => row.put_filled(Col::ApiRequestUid, "", member),
        "eventID" => {
            record.event_id = value.text().unwrap_or_default();
            row.put(Col::MetadataUid, "", member);
        }
        "eventType" => row.put(Col::MetadataEventCode, "", member),
        "apiVersion" => row.put(Col::ApiVersion, "", member),
        "recipientAccountId" => {
            record.account = value.text().unwrap_or_default();
            row.put_filled(Col::CloudAccountUid, "", member);
        }
        "sharedEventID" => row.put_filled(Col::MetadataCorrelationUid, "", member),
        "vpcEndpointId" => {
            record.has_endpoint |= value.filled_text().is_some();
            row.put_filled(Col::SrcEndpointUid, "", member);
        }
        "eventCategory" => row.put(Col::MetadataProductFeatureName, "", member),
        "resources" if value.as_array().is_some() => record.resources = Some(*value),
        "additionalEventData" => read_object(&mut record.additional, member, row),
        "serviceEventDetails" => {
            record.service_details = value.as_object();
            row.keep("", member);
        }
        "insightDetails" => {
            record.is_insight = true;
            read_object(&mut record.insight, member, row);
        }
        "readOnly" => {
            record.read_only = value.boolean() == Some(true);
            row.keep("", member);
        }
        _ => row.keep("", member),
    }
    Ok(())
}

/// Notes an object that is taken apart later; anything else under that name is kept as it is.
fn read_object<'a>(slot: &mut Option<Object<'a>>, member: &Member<'a>, row: &mut Row<'_>) {
    match member.value.as_object() {
        Some(object) => *slot = Some(object),
        None => row.keep("", member),
    }
}

/// `sourceIPAddress` is an address, the name of an AWS service that called, or words (`AWS Internal`).
fn map_source_address(record: &mut Record<'_>, member: &Member<'_>, row: &mut Row<'_>) {
    let Some(source) = member.value.filled_text() else {
        return row.keep("", member);
    };
    record.has_endpoint = true;
    if source.parse::<IpAddr>().is_ok() {
        row.text(Col::SrcEndpointIp, &source);
    } else if source.contains('.') && !source.contains([' ', '/', '<']) {
        row.text(Col::SrcEndpointDomain, &source);
    } else {
        row.text(Col::SrcEndpointName, &source);
    }
}

/// Sets the class and the attributes that OCSF wants for it.
fn map_class(record: &Record<'_>, caller: &Caller<'_>, row: &mut Row<'_>) {
    let Selection { activity, subject } = selector::select(record);
    let activity = match subject {
        Subject::DataStore => data_event::map(record, &activity, row),
        _ => activity,
    };
    match subject {
        Subject::Nothing | Subject::DataStore => {}
        Subject::SignIn => sign_in::map(record, caller, row),
        _ => target::map(record, caller, subject, row),
    }
    if let Some(additional) = record.additional {
        sign_in::map_additional(&additional, subject == Subject::SignIn, row);
    }
    set_activity(&activity, record, row);
}

/// OCSF asks for the source's own word where an activity is 99 Other.
fn set_activity(activity: &Activity, record: &Record<'_>, row: &mut Row<'_>) {
    if record.is_insight {
        row.class_named(activity, "Insight");
    } else if activity.activity_id == 99 && !record.event_name.is_empty() {
        row.class_named(activity, &record.event_name);
    } else {
        row.class(activity);
    }
}

fn map_resources(record: &Record<'_>, row: &mut Row<'_>) {
    match record.resources.and_then(|value| value.as_array()) {
        Some(listed) if listed.clone().next().is_some() => resources::listed(listed, row),
        _ => resources::derived(record, row),
    }
}

fn map_status(record: &Record<'_>, row: &mut Row<'_>) {
    let failed = record.failed || sign_in::says_failure(record);
    row.status(if failed { Status::Failure } else { Status::Success });
}

fn map_cloud(record: &Record<'_>, caller: &Caller<'_>, row: &mut Row<'_>) {
    if record.account.is_empty() {
        row.text_if(Col::CloudAccountUid, caller.account.as_deref());
    }
    if row.has(Col::CloudAccountUid) {
        row.text(Col::CloudAccountType, "AWS Account");
        row.int(Col::CloudAccountTypeId, 10);
    }
    if !record.has_endpoint {
        row.text(Col::SrcEndpointName, UNKNOWN);
    }
}
