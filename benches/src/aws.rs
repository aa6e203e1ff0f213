//! CloudTrail.

use crate::{Random, rfc3339};

const REGIONS: &[&str] =
    &["us-east-1", "us-east-1", "us-east-1", "eu-west-1", "eu-central-1", "us-west-2", "ap-southeast-2"];
const ACCOUNTS: &[&str] = &["111122223333", "111122223333", "444455556666", "777788889999"];
const AGENTS: &[&str] = &[
    "aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/s3#1.58.2",
    "Boto3/1.34.144 md/Botocore#1.34.144 ua/2.0 os/linux#5.10.220 md/arch#x86_64 lang/python#3.11.9 md/pyimpl#CPython cfg/retry-mode#standard",
    "aws-cli/2.17.13 md/awscrt#0.20.11 ua/2.0 os/macos#23.5.0 md/arch#arm64 lang/python#3.11.9 exec-env/source#exe command/ec2.describe-instances",
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-aws/5.58.0 aws-sdk-go-v2/1.30.3",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "aws-internal/3 aws-sdk-java/1.12.750 Linux/5.10.219 OpenJDK_64-Bit_Server_VM/25.412 java/1.8.0_412",
];

/// Service, call, read-only, kind of request.
const CALLS: &[(&str, &str, bool, Shape)] = &[
    ("s3.amazonaws.com", "GetObject", true, Shape::Object),
    ("s3.amazonaws.com", "GetObject", true, Shape::Object),
    ("s3.amazonaws.com", "GetObject", true, Shape::Object),
    ("s3.amazonaws.com", "PutObject", false, Shape::Object),
    ("s3.amazonaws.com", "ListObjects", true, Shape::Bucket),
    ("kms.amazonaws.com", "Decrypt", true, Shape::Key),
    ("kms.amazonaws.com", "GenerateDataKey", true, Shape::Key),
    ("sts.amazonaws.com", "AssumeRole", true, Shape::Assume),
    ("sts.amazonaws.com", "AssumeRole", true, Shape::Assume),
    ("sts.amazonaws.com", "GetCallerIdentity", true, Shape::Empty),
    ("ec2.amazonaws.com", "DescribeInstances", true, Shape::Describe),
    ("ec2.amazonaws.com", "DescribeSecurityGroups", true, Shape::Describe),
    ("ec2.amazonaws.com", "RunInstances", false, Shape::Run),
    ("iam.amazonaws.com", "GetRole", true, Shape::Role),
    ("iam.amazonaws.com", "ListAttachedRolePolicies", true, Shape::Role),
    ("logs.amazonaws.com", "CreateLogStream", false, Shape::LogStream),
    ("secretsmanager.amazonaws.com", "GetSecretValue", true, Shape::Secret),
    ("lambda.amazonaws.com", "ListFunctions20150331", true, Shape::Empty),
    ("dynamodb.amazonaws.com", "GetItem", true, Shape::Table),
    ("config.amazonaws.com", "PutEvaluations", false, Shape::Empty),
];

#[derive(Debug, Clone, Copy)]
enum Shape {
    Object,
    Bucket,
    Key,
    Assume,
    Empty,
    Describe,
    Run,
    Role,
    LogStream,
    Secret,
    Table,
}

/// One event, about 1.4 kB.
pub(crate) fn cloudtrail(random: &mut Random, time_ms: i64) -> String {
    let (service, name, read_only, shape) = *random.pick(CALLS);
    let account = *random.pick(ACCOUNTS);
    let region = *random.pick(REGIONS);
    let identity = identity(random, account, time_ms);
    let (request, response, resources) = call(random, shape, account, region, time_ms);
    let data_event = matches!(shape, Shape::Object | Shape::Table);
    let error = if random.chance(4) {
        r#""errorCode":"AccessDenied","errorMessage":"User is not authorized to perform this action because no identity-based policy allows it","#
    } else {
        ""
    };
    let agent = random.pick(AGENTS);
    let source = random.address();
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{identity},"eventTime":"{}","eventSource":"{service}","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"{source}","userAgent":"{agent}",{error}"requestParameters":{request},"responseElements":{response},"additionalEventData":{{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"{}","bytesTransferredOut":{}}},"requestID":"{}","eventID":"{}","readOnly":{read_only},"resources":{resources},"eventType":"AwsApiCall","managementEvent":{},"recipientAccountId":"{account}","eventCategory":"{}","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{}.{region}.amazonaws.com"}}}}"#,
        rfc3339(time_ms, false),
        random.hex(64),
        random.below(100_000),
        random.capitals(16),
        random.uuid(),
        !data_event,
        if data_event { "Data" } else { "Management" },
        service.split('.').next().unwrap_or_default(),
    )
}

fn identity(random: &mut Random, account: &str, time_ms: i64) -> String {
    match random.below(10) {
        0 => format!(
            r#"{{"type":"IAMUser","principalId":"AIDA{}","arn":"arn:aws:iam::{account}:user/person{n}","accountId":"{account}","accessKeyId":"AKIA{}","userName":"person{n}"}}"#,
            random.capitals(17),
            random.capitals(16),
            n = random.skewed(40),
        ),
        1 => format!(
            r#"{{"type":"AWSService","invokedBy":"{}.amazonaws.com"}}"#,
            random.pick(&["config", "lambda", "autoscaling", "ecs-tasks"])
        ),
        _ => {
            let role = random.skewed(60);
            let principal = format!("AROA{:017}", role * 7919);
            format!(
                r#"{{"type":"AssumedRole","principalId":"{principal}:session-{s}","arn":"arn:aws:sts::{account}:assumed-role/workload-{role}/session-{s}","accountId":"{account}","accessKeyId":"ASIA{}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"{principal}","arn":"arn:aws:iam::{account}:role/workload-{role}","accountId":"{account}","userName":"workload-{role}"}},"webIdFederationData":{{}},"attributes":{{"creationDate":"{}","mfaAuthenticated":"false"}}}}}}"#,
                random.capitals(16),
                rfc3339(time_ms - 600_000, false),
                s = random.skewed(500),
            )
        }
    }
}

/// Request parameters, response elements, resources.
fn call(
    random: &mut Random,
    shape: Shape,
    account: &str,
    region: &str,
    time_ms: i64,
) -> (String, String, String) {
    let null = || "null".to_owned();
    match shape {
        Shape::Object => {
            let bucket = format!("data-lake-{}", random.skewed(30));
            let key = format!(
                "tables/orders/day=2026-03-{:02}/part-{}.parquet",
                random.below(28) + 1,
                random.hex(12)
            );
            (
                format!(
                    r#"{{"bucketName":"{bucket}","Host":"{bucket}.s3.{region}.amazonaws.com","key":"{key}"}}"#
                ),
                null(),
                format!(
                    r#"[{{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::{bucket}/{key}"}},{{"accountId":"{account}","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::{bucket}"}}]"#
                ),
            )
        }
        Shape::Bucket => {
            let bucket = format!("data-lake-{}", random.skewed(30));
            (
                format!(
                    r#"{{"list-type":"2","bucketName":"{bucket}","prefix":"tables/","max-keys":"1000","Host":"{bucket}.s3.{region}.amazonaws.com"}}"#
                ),
                null(),
                format!(
                    r#"[{{"accountId":"{account}","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::{bucket}"}}]"#
                ),
            )
        }
        Shape::Key => {
            let key = format!(
                "arn:aws:kms:{region}:{account}:key/00000000-0000-4000-a000-{:012}",
                random.skewed(20)
            );
            (
                format!(
                    r#"{{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{{"aws:s3:arn":"arn:aws:s3:::data-lake-{}"}},"keyId":"{key}"}}"#,
                    random.skewed(30)
                ),
                null(),
                format!(r#"[{{"accountId":"{account}","type":"AWS::KMS::Key","ARN":"{key}"}}]"#),
            )
        }
        Shape::Assume => {
            let role = format!("arn:aws:iam::{account}:role/workload-{}", random.skewed(60));
            let session = random.skewed(500);
            (
                format!(
                    r#"{{"roleArn":"{role}","roleSessionName":"session-{session}","durationSeconds":3600}}"#
                ),
                format!(
                    r#"{{"credentials":{{"accessKeyId":"ASIA{}","sessionToken":"{}","expiration":"{}"}},"assumedRoleUser":{{"assumedRoleId":"AROA{}:session-{session}","arn":"{role}/session-{session}"}}}}"#,
                    random.capitals(16),
                    random.hex(96),
                    rfc3339(time_ms + 3_600_000, false),
                    random.capitals(17)
                ),
                format!(r#"[{{"accountId":"{account}","type":"AWS::IAM::Role","ARN":"{role}"}}]"#),
            )
        }
        Shape::Empty => (null(), null(), null()),
        Shape::Describe => (
            format!(
                r#"{{"instancesSet":{{"items":[{{"instanceId":"i-{}"}}]}},"filterSet":{{"items":[{{"name":"vpc-id","valueSet":{{"items":[{{"value":"vpc-{}"}}]}}}}]}},"maxResults":1000}}"#,
                random.hex(17),
                random.hex(17)
            ),
            null(),
            null(),
        ),
        Shape::Run => (
            format!(
                r#"{{"instancesSet":{{"items":[{{"imageId":"ami-{}","minCount":1,"maxCount":1}}]}},"instanceType":"m6i.large","monitoring":{{"enabled":false}},"subnetId":"subnet-{}","disableApiTermination":false}}"#,
                random.hex(17),
                random.hex(17)
            ),
            format!(
                r#"{{"requestId":"{}","reservationId":"r-{}","ownerId":"{account}","groupSet":{{}},"instancesSet":{{"items":[{{"instanceId":"i-{}","instanceState":{{"code":0,"name":"pending"}},"privateIpAddress":"10.0.1.{}"}}]}}}}"#,
                random.uuid(),
                random.hex(17),
                random.hex(17),
                random.below(254)
            ),
            null(),
        ),
        Shape::Role => (format!(r#"{{"roleName":"workload-{}"}}"#, random.skewed(60)), null(), null()),
        Shape::LogStream => (
            format!(
                r#"{{"logGroupName":"/aws/lambda/handler-{}","logStreamName":"2026/03/01/[$LATEST]{}"}}"#,
                random.skewed(40),
                random.hex(32)
            ),
            null(),
            null(),
        ),
        Shape::Secret => (
            format!(
                r#"{{"secretId":"arn:aws:secretsmanager:{region}:{account}:secret:service/db-{}-AbCdEf"}}"#,
                random.skewed(25)
            ),
            null(),
            null(),
        ),
        Shape::Table => {
            let table = format!("sessions-{}", random.skewed(10));
            (
                format!(
                    r#"{{"tableName":"{table}","key":{{"id":"HIDDEN_DUE_TO_SECURITY_REASONS"}},"consistentRead":false}}"#
                ),
                null(),
                format!(
                    r#"[{{"accountId":"{account}","type":"AWS::DynamoDB::Table","ARN":"arn:aws:dynamodb:{region}:{account}:table/{table}"}}]"#
                ),
            )
        }
    }
}
