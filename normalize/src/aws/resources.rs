//! What an event acted on: the `resources` that CloudTrail lists, else what the parameters name.

use event::{Col, JsonText};

use super::arn::Arn;
use super::cloudtrail::Record;
use crate::json::{Elements, Object, Value};
use crate::row::Row;

/// Resources that CloudTrail lists: nearly all data events, and calls to STS, KMS and some more.
pub(super) fn listed(elements: Elements<'_>, row: &mut Row<'_>) {
    if let Some(first) = elements.clone().next().and_then(|element| element.as_object()) {
        let uid = resource_uid(&first).and_then(|value| value.filled_text());
        let name = uid.as_deref().and_then(Arn::parse).map(|arn| arn.name());
        row.text_if(Col::ResourceName, name);
        row.text_if(Col::ResourceType, first.get("type").and_then(|value| value.filled_text()));
        row.text_if(Col::ResourceUid, uid);
    }
    row.json(Col::Resources, |json| {
        json.begin_array();
        for element in elements {
            json.item();
            match element.as_object() {
                Some(resource) => write_listed(&resource, json),
                None => write_other(&element, json),
            }
        }
        json.end_array();
    });
}

/// `ARN`, in some services `arn`.
fn resource_uid<'a>(resource: &Object<'a>) -> Option<Value<'a>> {
    resource.get("ARN").or_else(|| resource.get("arn"))
}

fn write_listed(resource: &Object<'_>, json: &mut JsonText<'_>) {
    json.begin_object();
    for member in resource.members() {
        let value = member.value;
        match member.key.as_ref() {
            _ if value.is_null() => {}
            "accountId" => {
                json.key("owner");
                json.begin_object();
                json.key("account");
                json.begin_object();
                json.key("uid");
                value.write(json);
                json.end_object();
                json.end_object();
            }
            key => {
                json.key(match key {
                    "ARN" | "arn" => "uid",
                    // All objects whose ARN begins so.
                    "ARNPrefix" => "name",
                    other => other,
                });
                value.write(json);
            }
        }
    }
    json.end_object();
}

/// No object: AWS does not write such, but nothing is to be lost.
fn write_other(value: &Value<'_>, json: &mut JsonText<'_>) {
    json.begin_object();
    json.text_member("name", &value.text().unwrap_or_else(|| value.compact()));
    json.end_object();
}

/// Resources named by the usual request parameters, one of each kind.
pub(super) fn derived(record: &Record<'_>, row: &mut Row<'_>) {
    let Some(request) = record.request else { return };
    row.json(Col::Resources, |json| {
        let mut any = false;
        for member in request.members() {
            let Some((kind, is_arn)) = parameter(&member.key, &record.event_source) else { continue };
            let Some(text) = member.value.as_str().filter(|text| !text.is_empty()) else { continue };
            if !any {
                json.begin_array();
                any = true;
            }
            json.item();
            json.begin_object();
            json.text_member(if is_arn || text.starts_with("arn:") { "uid" } else { "name" }, &text);
            if !kind.is_empty() {
                json.text_member("type", kind);
            }
            json.end_object();
        }
        if any {
            json.end_array();
        }
    });
    first_derived(&request, record, row);
}

/// The first of [`derived`] as columns.
fn first_derived(request: &Object<'_>, record: &Record<'_>, row: &mut Row<'_>) {
    for member in request.members() {
        let Some((kind, is_arn)) = parameter(&member.key, &record.event_source) else { continue };
        let Some(text) = member.value.as_str().filter(|text| !text.is_empty()) else { continue };
        if is_arn || text.starts_with("arn:") {
            row.text_if(Col::ResourceName, Arn::parse(&text).map(|arn| arn.name()));
            row.text(Col::ResourceUid, &text);
        } else {
            row.text(Col::ResourceName, &text);
        }
        row.text_if(Col::ResourceType, Some(kind));
        return;
    }
}

/// The kind of resource that a request parameter names, and whether the value is a unique id.
fn parameter(key: &str, event_source: &str) -> Option<(&'static str, bool)> {
    let found = match key {
        "bucketName" => ("AWS::S3::Bucket", false),
        "userName" => ("AWS::IAM::User", false),
        "roleName" => ("AWS::IAM::Role", false),
        "roleArn" => ("AWS::IAM::Role", true),
        "groupName" if event_source == "iam.amazonaws.com" => ("AWS::IAM::Group", false),
        "groupName" if event_source == "ec2.amazonaws.com" => ("AWS::EC2::SecurityGroup", false),
        "groupId" if event_source == "ec2.amazonaws.com" => ("AWS::EC2::SecurityGroup", true),
        "policyArn" => ("AWS::IAM::ManagedPolicy", true),
        "instanceProfileName" => ("AWS::IAM::InstanceProfile", false),
        "serialNumber" => ("AWS::IAM::VirtualMFADevice", true),
        "sAMLProviderArn" => ("AWS::IAM::SAMLProvider", true),
        "openIDConnectProviderArn" => ("AWS::IAM::OIDCProvider", true),
        "permissionSetArn" => ("AWS::SSO::PermissionSet", true),
        "instanceId" => ("AWS::EC2::Instance", true),
        "imageId" => ("AWS::EC2::Image", true),
        "snapshotId" => ("AWS::EC2::Snapshot", true),
        "volumeId" => ("AWS::EC2::Volume", true),
        "vpcId" => ("AWS::EC2::VPC", true),
        "subnetId" => ("AWS::EC2::Subnet", true),
        "networkAclId" => ("AWS::EC2::NetworkAcl", true),
        "routeTableId" => ("AWS::EC2::RouteTable", true),
        "networkInterfaceId" => ("AWS::EC2::NetworkInterface", true),
        "keyName" if event_source == "ec2.amazonaws.com" => ("AWS::EC2::KeyPair", false),
        "functionName" => ("AWS::Lambda::Function", false),
        "layerName" => ("AWS::Lambda::LayerVersion", false),
        "tableName" if event_source == "dynamodb.amazonaws.com" => ("AWS::DynamoDB::Table", false),
        "dBInstanceIdentifier" => ("AWS::RDS::DBInstance", false),
        "dBClusterIdentifier" => ("AWS::RDS::DBCluster", false),
        "dBSnapshotIdentifier" => ("AWS::RDS::DBSnapshot", false),
        "keyId" if event_source == "kms.amazonaws.com" => ("AWS::KMS::Key", true),
        "secretId" => ("AWS::SecretsManager::Secret", false),
        "name" | "trailName" if event_source == "cloudtrail.amazonaws.com" => {
            ("AWS::CloudTrail::Trail", false)
        }
        "name" if event_source == "secretsmanager.amazonaws.com" => ("AWS::SecretsManager::Secret", false),
        "detectorId" => ("AWS::GuardDuty::Detector", true),
        "queueUrl" => ("AWS::SQS::Queue", true),
        "queueName" => ("AWS::SQS::Queue", false),
        "topicArn" => ("AWS::SNS::Topic", true),
        "streamName" => ("AWS::Kinesis::Stream", false),
        "logGroupName" => ("AWS::Logs::LogGroup", false),
        "stackName" => ("AWS::CloudFormation::Stack", false),
        "repositoryName" if event_source == "ecr.amazonaws.com" => ("AWS::ECR::Repository", false),
        "repositoryName" => ("AWS::CodeCommit::Repository", false),
        "hostedZoneId" => ("AWS::Route53::HostedZone", true),
        "resourceArn" | "resourceARN" => ("", true),
        _ => return None,
    };
    Some(found)
}
