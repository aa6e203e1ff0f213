//! Amazon S3 server access logs: who read or wrote which object.
//!
//! The class is 6005 Datastore Activity and not 4002 HTTP Activity: the same calls, as CloudTrail reports them
//! in its data events, are of that class, so one rule sees both; the HTTP part is in its columns all the same.
//! Fields: "Amazon S3 server access log format", Amazon S3 User Guide; what is beyond the last that we know is
//! kept as `field-N`.

use event::{Col, EventKey, LogType};

use super::arn::Arn;
use crate::class::{Activity, Severity, datastore_activity as store};
use crate::http;
use crate::network::{self, SOURCE};
use crate::reason::{MapError, Reason};
use crate::row::{Row, UNKNOWN};
use crate::time;
use crate::words::{self, Words};

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`time`"),
    (Col::Duration, "`total_time`"),
    (Col::ClassUid, "6005 Datastore Activity"),
    (
        Col::ActivityId,
        "by `operation`: GET and HEAD of an object 1 Read, of a bucket's list 8 List, PUT 5 Write, DELETE 7, and so on",
    ),
    (Col::ActivityName, "the activity's name; `operation` where it is 99 Other"),
    (Col::SeverityId, "1 Informational"),
    (Col::StatusId, "2 Failure from `http_status` 400 on, else 1 Success"),
    (Col::StatusCode, "`http_status`"),
    (Col::MetadataUid, "`request_id`"),
    (Col::MetadataOriginalTime, "`time`"),
    (Col::MetadataProductName, "`Amazon S3`"),
    (Col::MetadataProductVendorName, "`AWS`"),
    (Col::MetadataProductFeatureName, "`Server access logs`"),
    (Col::CloudRegion, "the region in `host_header`, if it has one"),
    (Col::ApiOperation, "`operation`"),
    (Col::ApiServiceName, "`s3.amazonaws.com`"),
    (Col::ApiRequestUid, "`request_id`"),
    (Col::ApiResponseCode, "`http_status`"),
    (Col::ApiResponseError, "`error_code`"),
    (Col::ActorUserName, "the name in `requester`; `Anonymous` without one"),
    (Col::ActorUserUid, "`requester`"),
    (Col::ActorUserAccountUid, "the account in `requester`"),
    (Col::ActorUserType, "`Anonymous` without `requester`"),
    (Col::SrcEndpointIp, "`remote_ip`"),
    (Col::SrcEndpointName, "`Unknown` without `remote_ip`: S3 itself acted"),
    (Col::HttpRequestHttpMethod, "the method in `request_uri`"),
    (Col::HttpRequestVersion, "the version in `request_uri`"),
    (Col::HttpRequestUrl, "the address in `request_uri`, if it is whole"),
    (Col::HttpRequestUrlScheme, "its scheme"),
    (Col::HttpRequestUrlHostname, "`host_header`"),
    (Col::HttpRequestUrlPort, "the port in the same"),
    (Col::HttpRequestUrlPath, "the path in `request_uri`"),
    (Col::HttpRequestUrlQueryString, "its query string"),
    (Col::HttpRequestReferrer, "`referer`"),
    (Col::HttpRequestUserAgent, "`user_agent`"),
    (Col::HttpResponseCode, "`http_status`"),
    (Col::DatabucketName, "`bucket`"),
    (Col::DatabucketUid, "`arn:aws:s3:::` and the bucket"),
    (Col::DatabucketTypeId, "1 S3"),
    (Col::ResourceUid, "the ARN of bucket and `key`"),
    (Col::ResourceName, "`key`, as the log encodes it"),
    (Col::ResourceType, "`AWS::S3::Object`, `AWS::S3::Bucket`"),
];

const NAMES: [&str; 26] = [
    "bucket_owner",
    "bucket",
    "time",
    "remote_ip",
    "requester",
    "request_id",
    "operation",
    "key",
    "request_uri",
    "http_status",
    "error_code",
    "bytes_sent",
    "object_size",
    "total_time",
    "turn_around_time",
    "referer",
    "user_agent",
    "version_id",
    "host_id",
    "signature_version",
    "cipher_suite",
    "authentication_type",
    "host_header",
    "tls_version",
    "access_point_arn",
    "acl_required",
];

/// Whether a line is one of S3: an owner's id, a bucket, a time in brackets, and an operation.
pub(crate) fn is_line(line: &str) -> bool {
    let mut words = Words::of(line);
    let (Some(owner), Some(_)) = (words.next(), words.next()) else { return false };
    let (Some(written), Some(address)) = (words.next(), words.next()) else { return false };
    let operation = words.nth(2).unwrap_or_default();
    owner.len() == 64
        && owner.bytes().all(|byte| byte.is_ascii_hexdigit())
        && time::of_common_log(written).is_ok()
        && (address == "-" || network::is_address(address))
        && operation.split_once('.').is_some()
}

/// Fills `row` from one line.
///
/// # Errors
/// It is no line of S3.
pub(crate) fn map_line(line: &str, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let line = line.trim_end();
    if !is_line(line) {
        return Err(MapError::new(Reason::MalformedLine, "the line does not begin as S3 access logs do"));
    }
    let mut entry = Entry::default();
    let mut words = Words::of(line);
    for (name, word) in NAMES.into_iter().zip(words.by_ref()) {
        if !matches!(word, "-" | "") && !entry.take(name, word, row)? {
            row.keep_text("", name, word);
        }
    }
    words::keep_more(words, NAMES.len(), row);
    entry.map(row);
    // Deleting many objects writes a line for each, with the request's id in all of them.
    let parts = [entry.request_id, entry.operation, entry.key, entry.version];
    if entry.request_id.is_empty() {
        return Ok(EventKey::from_content(LogType::AwsS3Access, line.as_bytes()));
    }
    Ok(EventKey::from_parts(LogType::AwsS3Access, &parts.map(str::as_bytes)))
}

/// What is placed when all of the line is read.
#[derive(Debug, Default)]
struct Entry<'a> {
    bucket: &'a str,
    requester: &'a str,
    request_id: &'a str,
    operation: &'a str,
    key: &'a str,
    version: &'a str,
}

impl<'a> Entry<'a> {
    /// `false`: no column takes the field.
    fn take(&mut self, name: &str, word: &'a str, row: &mut Row<'_>) -> Result<bool, MapError> {
        match name {
            "bucket" => {
                self.bucket = word;
                row.text(Col::DatabucketName, word);
            }
            "time" => {
                row.time(Col::Time, time::of_common_log(word)?);
                row.text(Col::MetadataOriginalTime, word);
            }
            "remote_ip" => SOURCE.address(word, row),
            "requester" => self.requester = word,
            "request_id" => {
                self.request_id = word;
                row.text(Col::MetadataUid, word);
                row.text(Col::ApiRequestUid, word);
            }
            "operation" => {
                self.operation = word;
                row.text(Col::ApiOperation, word);
            }
            "key" => self.key = word,
            "request_uri" => return Ok(request(word, row)),
            "http_status" => {
                network::put_int(Col::ApiResponseCode, word, row);
                return Ok(http::code(word, row));
            }
            "error_code" => row.text(Col::ApiResponseError, word),
            "total_time" => return Ok(network::put_long(Col::Duration, word, row)),
            "referer" => row.text(Col::HttpRequestReferrer, word),
            "user_agent" => row.text(Col::HttpRequestUserAgent, word),
            "host_header" => {
                http::host(word, row);
                row.text_if(Col::CloudRegion, region(word));
            }
            "version_id" => {
                self.version = word;
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn map(&self, row: &mut Row<'_>) {
        let activity = activity(self.operation);
        match activity.activity_id {
            99 => row.class_named(&activity, self.operation),
            _ => row.class(&activity),
        }
        row.severity(Severity::Informational);
        self.map_requester(row);
        let bucket = format!("arn:aws:s3:::{}", self.bucket);
        row.text(Col::DatabucketUid, &bucket);
        row.int(Col::DatabucketTypeId, 1);
        if self.key.is_empty() {
            row.text(Col::ResourceUid, &bucket);
            row.text(Col::ResourceName, self.bucket);
            row.text(Col::ResourceType, "AWS::S3::Bucket");
        } else {
            row.text(Col::ResourceUid, &format!("{bucket}/{}", self.key));
            row.text(Col::ResourceName, self.key);
            row.text(Col::ResourceType, "AWS::S3::Object");
        }
        if self.operation.is_empty() {
            row.text(Col::ApiOperation, UNKNOWN);
        }
        row.text(Col::ApiServiceName, "s3.amazonaws.com");
        row.text(Col::MetadataProductName, "Amazon S3");
        row.text(Col::MetadataProductVendorName, "AWS");
        row.text(Col::MetadataProductFeatureName, "Server access logs");
        http::require_path(row);
        SOURCE.require(row);
    }

    /// An ARN of IAM or STS, the canonical id of another account, or nobody.
    fn map_requester(&self, row: &mut Row<'_>) {
        if self.requester.is_empty() {
            row.text(Col::ActorUserName, "Anonymous");
            row.text(Col::ActorUserType, "Anonymous");
            return;
        }
        row.text(Col::ActorUserUid, self.requester);
        let Some(arn) = Arn::parse(self.requester) else { return };
        let name = arn.assumed_role().map_or_else(|| arn.name(), |(role, _)| role);
        row.text_if(Col::ActorUserName, Some(name));
        row.text_if(Col::ActorUserAccountUid, Some(arn.account));
    }
}

/// `false`: it is no request line.
fn request(line: &str, row: &mut Row<'_>) -> bool {
    let Some((method, address, version)) = http::request_line(line) else { return false };
    if !matches!(
        method,
        "CONNECT" | "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT" | "TRACE"
    ) {
        return false;
    }
    row.text(Col::HttpRequestHttpMethod, method);
    row.text(Col::HttpRequestVersion, version);
    http::url(address, row);
    true
}

/// `bucket.s3.eu-west-1.amazonaws.com`, `s3.eu-west-1.amazonaws.com`.
fn region(host: &str) -> Option<&str> {
    let name = host.split(':').next()?.strip_suffix(".amazonaws.com")?;
    let (before, region) = name.rsplit_once('.')?;
    (before == "s3" || before.ends_with(".s3")).then_some(region)
}

/// `REST.GET.OBJECT`: how it was asked, what was done, on what. CloudTrail's names for the same are of the same
/// activities.
fn activity(operation: &str) -> Activity {
    let mut parts = operation.split('.');
    let (Some(kind), Some(verb)) = (parts.next(), parts.next()) else { return store::UNKNOWN };
    let on = parts.next().unwrap_or_default();
    match (kind, verb, on) {
        ("REST" | "WEBSITE" | "SOAP", "GET" | "HEAD", "BUCKET" | "BUCKETVERSIONS" | "UPLOADS" | "UPLOAD") => {
            store::LIST
        }
        (_, "LIST", _) => store::LIST,
        (_, "GET" | "HEAD", _) => store::READ,
        (_, "DELETE" | "EXPIRE", _) | ("S3", "CREATE", "DELETEMARKER") => store::DELETE,
        (_, "PUT" | "POST" | "COPY" | "INIT", "OBJECT" | "PART" | "UPLOAD" | "UPLOADS" | "") => store::WRITE,
        (_, "COPY" | "COMPLETE", _) => store::WRITE,
        ("REST", "PUT", "BUCKET") => store::CREATE,
        (_, "PUT" | "POST", _) => store::UPDATE,
        _ => store::OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations() {
        for (operation, expected) in [
            ("REST.GET.OBJECT", store::READ),
            ("REST.HEAD.BUCKET", store::LIST),
            ("REST.GET.BUCKET", store::LIST),
            ("REST.GET.BUCKETPOLICY", store::READ),
            ("REST.PUT.BUCKETPOLICY", store::UPDATE),
            ("REST.PUT.BUCKET", store::CREATE),
            ("REST.PUT.OBJECT", store::WRITE),
            ("REST.PUT.PART", store::WRITE),
            ("REST.COPY.OBJECT", store::WRITE),
            ("REST.COPY.OBJECT_GET", store::WRITE),
            ("REST.PUT.ACL", store::UPDATE),
            ("BATCH.DELETE.OBJECT", store::DELETE),
            ("S3.EXPIRE.OBJECT", store::DELETE),
            ("S3.CREATE.DELETEMARKER", store::DELETE),
            ("S3.TRANSITION_SIA.OBJECT", store::OTHER),
            ("WEBSITE.GET.OBJECT", store::READ),
            ("odd", store::UNKNOWN),
        ] {
            assert_eq!(activity(operation), expected, "{operation}");
        }
    }

    #[test]
    fn regions() {
        assert_eq!(region("logs-example.s3.eu-west-1.amazonaws.com"), Some("eu-west-1"));
        assert_eq!(region("s3.us-east-2.amazonaws.com"), Some("us-east-2"));
        assert_eq!(region("logs-example.s3.amazonaws.com"), None);
        assert_eq!(region("www.example.com"), None);
    }
}
