//! The columns of an event, once: name, type, OCSF path, meaning. Everything else is derived from here.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The OCSF release whose classes, ids and attribute names the columns follow.
pub const OCSF_VERSION: &str = "1.8.0";

/// The type of a column, in memory and in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text with few distinct values in a batch: dictionary in memory, plain text in the table.
    Label,
    /// Text that is mostly distinct.
    Text,
    /// Text that holds one JSON value.
    Json,
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    Long,
    /// 64-bit float.
    Float,
    /// True or false.
    Flag,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Time,
    /// Days since 1970-01-01.
    Day,
}

impl Kind {
    /// The Arrow type while the event is in memory.
    pub fn arrow_type(self) -> DataType {
        match self {
            Self::Label => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            other => other.stored_type(),
        }
    }

    /// The Arrow type of the column when read from the table.
    pub fn stored_type(self) -> DataType {
        match self {
            Self::Label | Self::Text | Self::Json => DataType::Utf8,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Day => DataType::Date32,
        }
    }
}

/// What is known of one column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its place.
    pub col: Col,
    /// Its name in SQL.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its path in an OCSF document; empty where the column is ours or repeats part of another.
    pub ocsf: &'static str,
    /// The OCSF observable type that its values are, 0 for none (OCSF `observable.type_id`).
    pub observable: u8,
    /// What it means, one sentence.
    pub meaning: &'static str,
}

macro_rules! columns {
    ($($variant:ident, $name:literal, $kind:ident, $ocsf:literal, $observable:literal, $meaning:literal;)*) => {
        /// A column of an event, in table order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(usize)]
        pub enum Col { $(#[doc = $meaning] $variant,)* }

        /// Every column, in table order; `COLUMNS[col as usize].col == col`.
        pub const COLUMNS: &[Column] = &[$(Column {
            col: Col::$variant,
            name: $name,
            kind: Kind::$kind,
            ocsf: $ocsf,
            observable: $observable,
            meaning: $meaning,
        },)*];
    };
}

columns! {
    Time, "time", Time, "time", 0, "When it happened, by the clock of the cloud.";
    EventDay, "event_day", Day, "", 0, "The UTC day of `time`; the table is partitioned by it.";
    EventUid, "event_uid", Text, "", 0, "Stormglass's id of the event: the same for every delivery of the same event.";
    LogType, "log_type", Label, "", 0, "The kind of log, as in `--type`: aws_cloudtrail, azure_activity and so on.";
    Source, "source", Label, "", 0, "The configured source that delivered it.";
    LogOffset, "log_offset", Long, "", 0, "The record's number in Stormglass's own log.";
    ClassUid, "class_uid", Int, "class_uid", 0, "OCSF class, such as 3002 Authentication or 6003 API Activity.";
    ClassName, "class_name", Label, "class_name", 0, "Name of the OCSF class.";
    CategoryUid, "category_uid", Int, "category_uid", 0, "OCSF category: 3 Identity & Access Management, 4 Network Activity, 6 Application Activity.";
    CategoryName, "category_name", Label, "category_name", 0, "Name of the OCSF category.";
    ActivityId, "activity_id", Int, "activity_id", 0, "What was done, by the class's own list: for API Activity 1 Create, 2 Read, 3 Update, 4 Delete.";
    ActivityName, "activity_name", Label, "activity_name", 0, "Name of the activity.";
    TypeUid, "type_uid", Long, "type_uid", 0, "Class and activity in one number: class_uid * 100 + activity_id.";
    TypeName, "type_name", Label, "type_name", 0, "Class and activity in words: `API Activity: Create`.";
    SeverityId, "severity_id", Int, "severity_id", 0, "1 Informational, 2 Low, 3 Medium, 4 High, 5 Critical, 6 Fatal.";
    Severity, "severity", Label, "severity", 0, "Name of the severity.";
    StatusId, "status_id", Int, "status_id", 0, "1 Success, 2 Failure, 0 Unknown, 99 Other.";
    Status, "status", Label, "status", 0, "Name of the status.";
    StatusCode, "status_code", Label, "status_code", 0, "The cloud's own result or error code.";
    StatusDetail, "status_detail", Text, "status_detail", 0, "The cloud's words about the result.";
    Message, "message", Text, "message", 0, "What the cloud says happened, in words.";
    MetadataUid, "metadata_uid", Text, "metadata.uid", 0, "The cloud's own id of the event.";
    MetadataEventCode, "metadata_event_code", Label, "metadata.event_code", 0, "The cloud's kind of event, such as AwsApiCall.";
    MetadataLogName, "metadata_log_name", Label, "metadata.log_name", 0, "The log within the cloud, such as activity or data_access.";
    MetadataLogProvider, "metadata_log_provider", Label, "metadata.log_provider", 0, "The service that wrote the log.";
    MetadataLogVersion, "metadata_log_version", Label, "metadata.log_version", 0, "The version of the cloud's record format.";
    MetadataVersion, "metadata_version", Label, "metadata.version", 0, "The OCSF version of this row.";
    MetadataProductName, "metadata_product_name", Label, "metadata.product.name", 0, "The product that wrote the record, such as CloudTrail.";
    MetadataProductVendorName, "metadata_product_vendor_name", Label, "metadata.product.vendor_name", 0, "Its vendor.";
    MetadataProductFeatureName, "metadata_product_feature_name", Label, "metadata.product.feature.name", 0, "Its feature: Management, Data, Insight; Administrative; NonInteractiveUserSignInLogs.";
    MetadataCorrelationUid, "metadata_correlation_uid", Label, "metadata.correlation_uid", 0, "The cloud's id that joins records of one operation.";
    MetadataOriginalTime, "metadata_original_time", Text, "metadata.original_time", 0, "The event's time as the cloud wrote it.";
    MetadataLoggedTime, "metadata_logged_time", Time, "metadata.logged_time", 0, "When Stormglass received the record.";
    MetadataTenantUid, "metadata_tenant_uid", Label, "metadata.tenant_uid", 0, "The directory or tenant that the record belongs to.";
    CloudProvider, "cloud_provider", Label, "cloud.provider", 0, "AWS, Azure or GCP, or Other; the table is partitioned by it.";
    CloudAccountUid, "cloud_account_uid", Label, "cloud.account.uid", 35, "AWS account, Azure subscription or GCP project where it happened.";
    CloudAccountName, "cloud_account_name", Label, "cloud.account.name", 34, "Its name, where the record has one.";
    CloudAccountType, "cloud_account_type", Label, "cloud.account.type", 0, "AWS Account, Azure AD Account or GCP Project, as OCSF names them.";
    CloudAccountTypeId, "cloud_account_type_id", Int, "cloud.account.type_id", 0, "OCSF account type: 10 AWS Account, 6 Azure AD Account, 11 GCP Project, 99 Other.";
    CloudRegion, "cloud_region", Label, "cloud.region", 0, "Region or location.";
    CloudOrgUid, "cloud_org_uid", Label, "cloud.org.uid", 0, "Organisation or tenant.";
    ApiOperation, "api_operation", Label, "api.operation", 0, "The call, as the cloud names it: eventName, operationName, methodName.";
    ApiServiceName, "api_service_name", Label, "api.service.name", 0, "The service called: iam.amazonaws.com, Microsoft.Compute, storage.googleapis.com.";
    ApiVersion, "api_version", Label, "api.version", 0, "The API's version.";
    ApiRequestUid, "api_request_uid", Text, "api.request.uid", 0, "The request's id.";
    ApiRequestData, "api_request_data", Json, "api.request.data", 0, "The parameters of the call, as JSON.";
    ApiResponseData, "api_response_data", Json, "api.response.data", 0, "What the call answered, as JSON.";
    ApiResponseCode, "api_response_code", Int, "api.response.code", 0, "The numeric result of the call.";
    ApiResponseError, "api_response_error", Label, "api.response.error", 0, "The error code of a call that failed, such as AccessDenied.";
    ApiResponseErrorMessage, "api_response_error_message", Label, "api.response.error_message", 0, "The error in words.";
    ActorUserName, "actor_user_name", Label, "actor.user.name", 4, "Who did it, by name.";
    ActorUserUid, "actor_user_uid", Label, "actor.user.uid", 31, "Who did it: ARN, object id or principal.";
    ActorUserUidAlt, "actor_user_uid_alt", Label, "actor.user.uid_alt", 0, "Another id of the same: AWS principalId, Entra PUID.";
    ActorUserType, "actor_user_type", Label, "actor.user.type", 0, "The cloud's kind of identity, such as AssumedRole or servicePrincipal.";
    ActorUserTypeId, "actor_user_type_id", Int, "actor.user.type_id", 0, "OCSF user type: 1 User, 2 Admin, 3 System, 4 Service, 0 Unknown, 99 Other.";
    ActorUserEmailAddr, "actor_user_email_addr", Label, "actor.user.email_addr", 5, "The actor's e-mail address.";
    ActorUserAccountUid, "actor_user_account_uid", Label, "actor.user.account.uid", 35, "The account that the identity belongs to.";
    ActorUserCredentialUid, "actor_user_credential_uid", Label, "actor.user.credential_uid", 19, "The access key or credential used.";
    ActorSessionUid, "actor_session_uid", Label, "actor.session.uid", 0, "The session or token.";
    ActorSessionIssuer, "actor_session_issuer", Label, "actor.session.issuer", 0, "Who issued the session: the role's ARN, the impersonating account.";
    ActorSessionIsMfa, "actor_session_is_mfa", Flag, "actor.session.is_mfa", 0, "Whether the session began with a second factor.";
    ActorSessionCreatedTime, "actor_session_created_time", Time, "actor.session.created_time", 0, "When the session began.";
    ActorIdpName, "actor_idp_name", Label, "actor.idp.name", 0, "The identity provider behind the session.";
    ActorIdpUid, "actor_idp_uid", Label, "actor.idp.uid", 0, "Its id.";
    ActorInvokedBy, "actor_invoked_by", Label, "actor.invoked_by", 0, "The service that called on behalf of the actor.";
    ActorAppName, "actor_app_name", Label, "actor.app_name", 0, "The application through which the actor called.";
    ActorAppUid, "actor_app_uid", Label, "actor.app_uid", 0, "Its id: client or application id.";
    ActorAuthorizations, "actor_authorizations", Json, "actor.authorizations", 0, "The permission checks and their outcome, as JSON.";
    UserName, "user_name", Label, "user.name", 4, "The user that signed in or was changed, by name.";
    UserUid, "user_uid", Label, "user.uid", 31, "Its id.";
    UserUidAlt, "user_uid_alt", Label, "user.uid_alt", 0, "Another id of the same.";
    UserType, "user_type", Label, "user.type", 0, "The cloud's kind of identity.";
    UserTypeId, "user_type_id", Int, "user.type_id", 0, "OCSF user type.";
    UserEmailAddr, "user_email_addr", Label, "user.email_addr", 5, "Its e-mail address.";
    UserAccountUid, "user_account_uid", Label, "user.account.uid", 35, "The account that it belongs to.";
    UserCredentialUid, "user_credential_uid", Label, "user.credential_uid", 19, "The access key created, changed or deleted.";
    GroupName, "group_name", Label, "group.name", 32, "The group that was changed.";
    GroupUid, "group_uid", Label, "group.uid", 33, "Its id.";
    Privileges, "privileges", Json, "privileges", 0, "The roles, policies or permissions given or taken, as a JSON list of text.";
    EntityName, "entity_name", Label, "entity.name", 0, "The managed entity (role, application, policy, device), by name.";
    EntityUid, "entity_uid", Label, "entity.uid", 0, "Its id.";
    EntityType, "entity_type", Label, "entity.type", 0, "Its kind.";
    ServiceName, "service_name", Label, "service.name", 0, "The service or application that was signed in to.";
    ServiceUid, "service_uid", Label, "service.uid", 0, "Its id.";
    IsMfa, "is_mfa", Flag, "is_mfa", 0, "Whether the sign-in used more than one factor.";
    IsRemote, "is_remote", Flag, "is_remote", 0, "Whether the sign-in came over a network.";
    LogonType, "logon_type", Label, "logon_type", 0, "The kind of sign-in, in words.";
    LogonTypeId, "logon_type_id", Int, "logon_type_id", 0, "OCSF logon type: 2 Interactive, 3 Network, 5 OS Service, 99 Other.";
    AuthProtocol, "auth_protocol", Label, "auth_protocol", 0, "The protocol of the sign-in.";
    AuthProtocolId, "auth_protocol_id", Int, "auth_protocol_id", 0, "OCSF protocol: 5 SAML, 6 OAUTH 2.0, 4 OpenID, 99 Other.";
    SessionUid, "session_uid", Label, "session.uid", 0, "The session that the sign-in opened.";
    SessionIssuer, "session_issuer", Label, "session.issuer", 0, "Who issued it.";
    SessionCredentialUid, "session_credential_uid", Label, "session.credential_uid", 19, "The temporary access key issued by the sign-in.";
    SrcEndpointIp, "src_endpoint_ip", Label, "src_endpoint.ip", 2, "The address that the call came from.";
    SrcEndpointPort, "src_endpoint_port", Int, "src_endpoint.port", 0, "Its port.";
    SrcEndpointName, "src_endpoint_name", Label, "src_endpoint.name", 0, "The calling machine's name, or what stands in the address's place.";
    SrcEndpointDomain, "src_endpoint_domain", Label, "src_endpoint.domain", 0, "The domain that stands in the address's place, as when a cloud service calls.";
    SrcEndpointUid, "src_endpoint_uid", Label, "src_endpoint.uid", 48, "The endpoint's id: VPC endpoint, device.";
    SrcEndpointOsName, "src_endpoint_os_name", Label, "src_endpoint.os.name", 0, "Its operating system.";
    SrcEndpointOsTypeId, "src_endpoint_os_type_id", Int, "src_endpoint.os.type_id", 0, "OCSF operating system type: 100 Windows, 200 Linux, 201 Android, 300 macOS, 301 iOS, 0 Unknown.";
    SrcEndpointLocationCountry, "src_endpoint_location_country", Label, "src_endpoint.location.country", 14, "Country, two letters.";
    SrcEndpointLocationRegion, "src_endpoint_location_region", Label, "src_endpoint.location.region", 0, "State or province.";
    SrcEndpointLocationCity, "src_endpoint_location_city", Label, "src_endpoint.location.city", 0, "City.";
    SrcEndpointLocationLat, "src_endpoint_location_lat", Float, "src_endpoint.location.lat", 0, "Latitude, degrees.";
    SrcEndpointLocationLong, "src_endpoint_location_long", Float, "src_endpoint.location.long", 0, "Longitude, degrees.";
    SrcEndpointLocationProvider, "src_endpoint_location_provider", Label, "src_endpoint.location.provider", 0, "The file of places that knew it; empty where the record says it itself.";
    SrcEndpointAsn, "src_endpoint_autonomous_system_number", Long, "src_endpoint.autonomous_system.number", 0, "Number of the network (ASN).";
    HttpRequestUserAgent, "http_request_user_agent", Label, "http_request.user_agent", 16, "The client's user agent.";
    HttpRequestHttpMethod, "http_request_http_method", Label, "http_request.http_method", 0, "GET, PUT and so on.";
    HttpRequestUrl, "http_request_url", Text, "http_request.url.url_string", 6, "The address that was requested.";
    // Network, DNS and HTTP logs.
    StartTime, "start_time", Time, "start_time", 0, "When the flow, connection or request began.";
    EndTime, "end_time", Time, "end_time", 0, "When it ended, or the stretch of time that the record tells of.";
    Duration, "duration", Long, "duration", 0, "How long it took, in milliseconds.";
    ActionId, "action_id", Int, "action_id", 0, "What a firewall did: 1 Allowed, 2 Denied, 3 Observed, 4 Modified, 99 Other.";
    Action, "action", Label, "action", 0, "Name of the action.";
    DispositionId, "disposition_id", Int, "disposition_id", 0, "What became of it: 1 Allowed, 2 Blocked, 17 Logged, 19 Alert, 20 Count, 22 Captcha, 23 Challenge.";
    Disposition, "disposition", Label, "disposition", 0, "Name of the disposition.";
    FirewallRuleUid, "firewall_rule_uid", Label, "firewall_rule.uid", 0, "The firewall rule that decided, by id.";
    FirewallRuleName, "firewall_rule_name", Label, "firewall_rule.name", 0, "Its name.";
    FirewallRuleType, "firewall_rule_type", Label, "firewall_rule.type", 0, "Its kind, in the cloud's words.";
    CloudZone, "cloud_zone", Label, "cloud.zone", 0, "Availability zone.";
    SrcEndpointHostname, "src_endpoint_hostname", Label, "src_endpoint.hostname", 1, "The source's host name.";
    SrcEndpointInstanceUid, "src_endpoint_instance_uid", Label, "src_endpoint.instance_uid", 0, "The virtual machine that it is, by id.";
    SrcEndpointInterfaceUid, "src_endpoint_interface_uid", Label, "src_endpoint.interface_uid", 0, "Its network interface.";
    SrcEndpointMac, "src_endpoint_mac", Label, "src_endpoint.mac", 3, "Its hardware address.";
    SrcEndpointSubnetUid, "src_endpoint_subnet_uid", Label, "src_endpoint.subnet_uid", 0, "Its subnet.";
    SrcEndpointVpcUid, "src_endpoint_vpc_uid", Label, "src_endpoint.vpc_uid", 0, "Its virtual network.";
    SrcEndpointZone, "src_endpoint_zone", Label, "src_endpoint.zone", 0, "Its zone.";
    SrcEndpointSvcName, "src_endpoint_svc_name", Label, "src_endpoint.svc_name", 0, "The cloud service that it is.";
    DstEndpointIp, "dst_endpoint_ip", Label, "dst_endpoint.ip", 2, "The address that answered, or was to answer.";
    DstEndpointPort, "dst_endpoint_port", Int, "dst_endpoint.port", 0, "Its port.";
    DstEndpointHostname, "dst_endpoint_hostname", Label, "dst_endpoint.hostname", 1, "Its host name.";
    DstEndpointName, "dst_endpoint_name", Label, "dst_endpoint.name", 0, "Its name in the cloud, or what stands in the address's place.";
    DstEndpointUid, "dst_endpoint_uid", Label, "dst_endpoint.uid", 48, "Its id.";
    DstEndpointInstanceUid, "dst_endpoint_instance_uid", Label, "dst_endpoint.instance_uid", 0, "The virtual machine that it is, by id.";
    DstEndpointInterfaceUid, "dst_endpoint_interface_uid", Label, "dst_endpoint.interface_uid", 0, "Its network interface.";
    DstEndpointMac, "dst_endpoint_mac", Label, "dst_endpoint.mac", 3, "Its hardware address.";
    DstEndpointSubnetUid, "dst_endpoint_subnet_uid", Label, "dst_endpoint.subnet_uid", 0, "Its subnet.";
    DstEndpointVpcUid, "dst_endpoint_vpc_uid", Label, "dst_endpoint.vpc_uid", 0, "Its virtual network.";
    DstEndpointZone, "dst_endpoint_zone", Label, "dst_endpoint.zone", 0, "Its zone.";
    DstEndpointSvcName, "dst_endpoint_svc_name", Label, "dst_endpoint.svc_name", 0, "The cloud service that it is.";
    DstEndpointAsn, "dst_endpoint_autonomous_system_number", Long, "dst_endpoint.autonomous_system.number", 0, "Number of its network (ASN).";
    ConnectionInfoDirectionId, "connection_info_direction_id", Int, "connection_info.direction_id", 0, "1 Inbound, 2 Outbound, 3 Lateral, 4 Local, 0 Unknown, as seen from the cloud's own machine.";
    ConnectionInfoDirection, "connection_info_direction", Label, "connection_info.direction", 0, "Name of the direction.";
    ConnectionInfoProtocolNum, "connection_info_protocol_num", Int, "connection_info.protocol_num", 0, "IANA's number of the protocol: 6 TCP, 17 UDP, 1 ICMP.";
    ConnectionInfoProtocolName, "connection_info_protocol_name", Label, "connection_info.protocol_name", 0, "Its name, in lower case.";
    ConnectionInfoProtocolVer, "connection_info_protocol_ver", Label, "connection_info.protocol_ver", 0, "IPv4 or IPv6.";
    ConnectionInfoProtocolVerId, "connection_info_protocol_ver_id", Int, "connection_info.protocol_ver_id", 0, "4 or 6.";
    ConnectionInfoTcpFlags, "connection_info_tcp_flags", Int, "connection_info.tcp_flags", 0, "The TCP flags seen, together: 1 FIN, 2 SYN, 4 RST, 16 ACK.";
    ConnectionInfoBoundaryId, "connection_info_boundary_id", Int, "connection_info.boundary_id", 0, "The way out: 4 same VPC, 5 internet or VPC gateway, 7 and 8 peering, 11 internet gateway.";
    ConnectionInfoBoundary, "connection_info_boundary", Label, "connection_info.boundary", 0, "The same in words.";
    ConnectionInfoUid, "connection_info_uid", Text, "connection_info.uid", 0, "The connection's id.";
    ObservationPointId, "observation_point_id", Int, "observation_point_id", 0, "Who saw the flow: 1 Source, 2 Destination.";
    ObservationPoint, "observation_point", Label, "observation_point", 0, "Name of the observation point.";
    TrafficBytes, "traffic_bytes", Long, "traffic.bytes", 0, "Bytes in both directions, or in the one that the record tells of.";
    TrafficBytesIn, "traffic_bytes_in", Long, "traffic.bytes_in", 0, "Bytes from the destination to the source.";
    TrafficBytesOut, "traffic_bytes_out", Long, "traffic.bytes_out", 0, "Bytes from the source to the destination.";
    TrafficPackets, "traffic_packets", Long, "traffic.packets", 0, "Packets in both directions, or in the one that the record tells of.";
    TrafficPacketsIn, "traffic_packets_in", Long, "traffic.packets_in", 0, "Packets from the destination to the source.";
    TrafficPacketsOut, "traffic_packets_out", Long, "traffic.packets_out", 0, "Packets from the source to the destination.";
    QueryHostname, "query_hostname", Text, "query.hostname", 1, "The name that was asked for.";
    QueryType, "query_type", Label, "query.type", 0, "The kind of DNS record that was asked for: A, AAAA, TXT.";
    QueryClass, "query_class", Label, "query.class", 0, "Its class, as good as always IN.";
    QueryTime, "query_time", Time, "query_time", 0, "When it was asked.";
    Answers, "answers", Json, "answers", 0, "What DNS answered, as a JSON list of {rdata, type, class}.";
    Rcode, "rcode", Label, "rcode", 0, "The DNS response code, as OCSF names it: NoError, NXDomain, Refused.";
    RcodeId, "rcode_id", Int, "rcode_id", 0, "The same as a number.";
    HttpRequestUid, "http_request_uid", Text, "http_request.uid", 0, "The id of the HTTP request.";
    HttpRequestVersion, "http_request_version", Label, "http_request.version", 0, "The version of HTTP: HTTP/1.1, HTTP/2.0.";
    HttpRequestReferrer, "http_request_referrer", Text, "http_request.referrer", 0, "The page that led there.";
    HttpRequestUrlScheme, "http_request_url_scheme", Label, "http_request.url.scheme", 0, "http, https, ws or wss.";
    HttpRequestUrlHostname, "http_request_url_hostname", Label, "http_request.url.hostname", 1, "The host that was asked.";
    HttpRequestUrlPort, "http_request_url_port", Int, "http_request.url.port", 0, "The port in the address that was requested.";
    HttpRequestUrlPath, "http_request_url_path", Text, "http_request.url.path", 0, "The path in it, as written.";
    HttpRequestUrlQueryString, "http_request_url_query_string", Text, "http_request.url.query_string", 0, "What follows the question mark, as written.";
    HttpRequestHttpHeaders, "http_request_http_headers", Json, "http_request.http_headers", 0, "The request's headers, as a JSON list of {name, value}.";
    HttpRequestXForwardedFor, "http_request_x_forwarded_for", Json, "http_request.x_forwarded_for", 0, "The addresses in `X-Forwarded-For`, as a JSON list.";
    HttpResponseCode, "http_response_code", Int, "http_response.code", 0, "The HTTP status: 200, 403 and so on.";
    TlsVersion, "tls_version", Label, "tls.version", 0, "The version of TLS.";
    TlsCipher, "tls_cipher", Label, "tls.cipher", 0, "The cipher suite.";
    TlsSni, "tls_sni", Label, "tls.sni", 0, "The server name that the client asked for.";
    LoadBalancerUid, "load_balancer_uid", Label, "load_balancer.uid", 0, "The load balancer between the two, by id.";
    LoadBalancerName, "load_balancer_name", Label, "load_balancer.name", 0, "Its name.";
    ProtocolName, "protocol_name", Label, "protocol_name", 0, "The protocol of a tunnel: IPSec, SSL.";
    TunnelInterfaceUid, "tunnel_interface_uid", Label, "tunnel_interface.uid", 0, "The tunnel, by id.";
    TunnelInterfaceName, "tunnel_interface_name", Label, "tunnel_interface.name", 0, "The tunnel, by name.";
    TunnelTypeId, "tunnel_type_id", Int, "tunnel_type_id", 0, "OCSF tunnel type: 1 Split, 2 Full, 0 Unknown.";
    TunnelType, "tunnel_type", Label, "tunnel_type", 0, "Name of the tunnel type.";
    Resources, "resources", Json, "resources", 0, "Everything acted on, as a JSON list of {uid, name, type}.";
    ResourceUid, "resource_uid", Label, "", 10, "The first resource's id: ARN, resource id, resource name.";
    ResourceName, "resource_name", Label, "", 38, "The first resource's name.";
    ResourceType, "resource_type", Label, "", 0, "The first resource's type.";
    DatabucketName, "databucket_name", Label, "databucket.name", 0, "The bucket or container whose objects were read or written.";
    DatabucketUid, "databucket_uid", Label, "databucket.uid", 0, "Its id.";
    DatabucketTypeId, "databucket_type_id", Int, "databucket.type_id", 0, "OCSF bucket type: 1 S3, 2 Azure Blob, 3 GCP Bucket.";
    TableName, "table_name", Label, "table.name", 0, "The database table that was read or written.";
    TableUid, "table_uid", Label, "table.uid", 0, "Its id.";
    RiskLevel, "risk_level", Label, "", 0, "The cloud's own opinion of the risk: low, medium, high.";
    ActorUserGroups, "actor_user_groups", Json, "actor.user.groups", 0, "The groups that the actor was in, as a JSON list of {name}.";
    ResourceNamespace, "resource_namespace", Label, "", 0, "The first resource's namespace, as Kubernetes has them.";
    FileName, "file_name", Label, "file.name", 7, "The file that was opened, changed or shared.";
    FileUid, "file_uid", Label, "file.uid", 0, "Its id.";
    FilePath, "file_path", Label, "file.path", 45, "Its path or address.";
    FileExt, "file_ext", Label, "file.ext", 0, "Its extension, without the dot.";
    FileSize, "file_size", Long, "file.size", 0, "Its size in bytes.";
    FileType, "file_type", Label, "file.type", 0, "Its kind, in the source's words.";
    FileTypeId, "file_type_id", Int, "file.type_id", 0, "OCSF file type: 1 Regular File, 2 Folder, 0 Unknown, 99 Other.";
    FindingInfoUid, "finding_info_uid", Text, "finding_info.uid", 0, "The finding's id: the same for every report of the same finding.";
    FindingInfoTitle, "finding_info_title", Label, "finding_info.title", 0, "What was found, in one line.";
    FindingInfoDesc, "finding_info_desc", Text, "finding_info.desc", 0, "What was found, in words.";
    FindingInfoTypes, "finding_info_types", Json, "finding_info.types", 0, "The kinds of finding, in the product's own terms, as a JSON list of text.";
    FindingInfoFirstSeenTime, "finding_info_first_seen_time", Time, "finding_info.first_seen_time", 0, "When the finding was first observed.";
    FindingInfoLastSeenTime, "finding_info_last_seen_time", Time, "finding_info.last_seen_time", 0, "When it was last observed.";
    FindingInfoCreatedTime, "finding_info_created_time", Time, "finding_info.created_time", 0, "When the finding was made.";
    FindingInfoModifiedTime, "finding_info_modified_time", Time, "finding_info.modified_time", 0, "When it was last changed.";
    FindingInfoSrcUrl, "finding_info_src_url", Text, "finding_info.src_url", 0, "Where the product shows the finding.";
    FindingInfoProductUid, "finding_info_product_uid", Label, "finding_info.product_uid", 0, "The id of the product that found it: detector, product ARN, source.";
    FindingInfoAnalyticName, "finding_info_analytic_name", Label, "finding_info.analytic.name", 0, "The rule or detector that found it.";
    FindingInfoAnalyticUid, "finding_info_analytic_uid", Label, "finding_info.analytic.uid", 0, "Its id.";
    FindingInfoAnalyticTypeId, "finding_info_analytic_type_id", Int, "finding_info.analytic.type_id", 0, "OCSF analytic type: 1 Rule, 2 Behavioral, 0 Unknown.";
    FindingInfoAttacks, "finding_info_attacks", Json, "finding_info.attacks", 0, "MITRE ATT&CK tactics and techniques, as a JSON list of {tactic, technique}.";
    FindingInfoRelatedEventsCount, "finding_info_related_events_count", Int, "finding_info.related_events_count", 0, "How many events the finding stands for.";
    Confidence, "confidence", Label, "confidence", 0, "How sure the product is, in words.";
    ConfidenceId, "confidence_id", Int, "confidence_id", 0, "OCSF confidence: 1 Low, 2 Medium, 3 High, 0 Unknown, 99 Other.";
    ConfidenceScore, "confidence_score", Int, "confidence_score", 0, "How sure the product is, as it reckons.";
    Impact, "impact", Label, "impact", 0, "How much is at stake, in words.";
    ImpactId, "impact_id", Int, "impact_id", 0, "OCSF impact: 1 Low, 2 Medium, 3 High, 4 Critical, 0 Unknown, 99 Other.";
    RiskScore, "risk_score", Int, "risk_score", 0, "The product's score of the risk.";
    Verdict, "verdict", Label, "verdict", 0, "What people judged the finding to be, in words.";
    VerdictId, "verdict_id", Int, "verdict_id", 0, "OCSF verdict: 1 False Positive, 2 True Positive, 5 Benign, 0 Unknown, 99 Other.";
    IsAlert, "is_alert", Flag, "is_alert", 0, "Whether the finding asks for attention.";
    Evidences, "evidences", Json, "evidences", 0, "What the finding rests on, as a JSON list.";
    RemediationDesc, "remediation_desc", Text, "remediation.desc", 0, "What the product advises to do.";
    RemediationReferences, "remediation_references", Json, "remediation.references", 0, "Where the advice stands, as a JSON list of addresses.";
    Enrichments, "enrichments", Json, "enrichments", 0, "Opinions about the event from outside its own record, as a JSON list.";
    Unmapped, "unmapped", Json, "unmapped", 0, "What the record holds beyond the columns, as JSON under its own names.";
    RawData, "raw_data", Text, "raw_data", 0, "The record as the cloud wrote it.";
}

impl Col {
    /// Its description.
    pub fn column(self) -> &'static Column {
        // The macro makes both lists from the same lines, so the index is always in range.
        #[expect(clippy::indexing_slicing, reason = "enum and table are generated from the same list")]
        &COLUMNS[self as usize]
    }

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        self.column().name
    }

    /// The column called `name`.
    pub fn by_name(name: &str) -> Option<Self> {
        COLUMNS.iter().find(|column| column.name == name).map(|column| column.col)
    }

    /// Whether every row has a value.
    pub fn is_required(self) -> bool {
        use Col::*;
        matches!(
            self,
            Time | EventDay
                | EventUid
                | LogType
                | Source
                | LogOffset
                | ClassUid
                | CategoryUid
                | ActivityId
                | TypeUid
                | SeverityId
                | CloudProvider
        )
    }
}

fn schema(data_type: impl Fn(Kind) -> DataType) -> SchemaRef {
    let fields: Vec<_> = COLUMNS
        .iter()
        .map(|column| Field::new(column.name, data_type(column.kind), !column.col.is_required()))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The schema of an [`EventBatch`](crate::EventBatch): labels are dictionaries.
pub fn arrow_schema() -> SchemaRef {
    schema(Kind::arrow_type)
}

/// The schema of the table: labels are plain text.
pub fn stored_schema() -> SchemaRef {
    schema(Kind::stored_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_follow_the_ocsf_path() {
        // The one that shortens its path.
        let exceptions = ["http_request_url"];
        for column in COLUMNS.iter().filter(|c| !c.ocsf.is_empty() && !exceptions.contains(&c.name)) {
            assert_eq!(column.name, column.ocsf.replace('.', "_"));
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        let names: HashSet<_> = COLUMNS.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), COLUMNS.len());
        for column in COLUMNS {
            assert_eq!(Col::by_name(column.name), Some(column.col));
            assert_eq!(column.col.column().name, column.name);
        }
    }
}
