//! What librdkafka's codes mean for somebody who has to mend it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::Error;

/// The code in an error, where it has one.
pub(super) fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}

/// Whether it is about who we are: it does not pass by itself, and is more to the point than that no broker
/// is left.
pub(super) fn is_about_identity(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::SSL
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
    )
}

/// An error of the collector: what `cluster` (its first broker) says, and the mend.
pub(super) fn refusal(cluster: &str, code: RDKafkaErrorCode, reason: &str) -> Error {
    use RDKafkaErrorCode as Code;
    // Which code comes with it is a matter of what librdkafka sees first.
    let code = if reason.contains("certificate verify failed") { Code::SSL } else { code };
    let (mend, is_passing) = match code {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            ("check the user, the secret and the mechanism of `sasl`", false)
        }
        Code::UnsupportedSASLMechanism | Code::IllegalSASLState => {
            ("choose a mechanism in `sasl` that the listener has", false)
        }
        Code::SSL => (
            "name the authority of the brokers' certificates in `ca`, and brokers by the names in these; where the listener speaks no TLS, set `tls = false`",
            false,
        ),
        Code::TopicAuthorizationFailed => ("allow Read and Describe on the topic", false),
        Code::GroupAuthorizationFailed => ("allow Read on the group", false),
        Code::ClusterAuthorizationFailed => ("allow Describe on the cluster", false),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition | Code::InvalidTopic => {
            ("make the topic, or mend `topics`", false)
        }
        Code::Resolve => ("check the names in `brokers`", true),
        Code::AllBrokersDown
        | Code::BrokerTransportFailure
        | Code::OperationTimedOut
        | Code::RequestTimedOut => (
            "check `brokers` and the network, and whether the listener speaks TLS (`tls`) and asks to sign in (`sasl`)",
            true,
        ),
        _ => ("it is tried again", true),
    };
    let problem = if reason.is_empty() { code.to_string() } else { reason.to_owned() };
    Error::Kafka { cluster: cluster.to_owned(), problem, mend, is_passing }
}
