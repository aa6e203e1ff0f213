//! A real Apache Kafka on loopback, one broker that is its own controller, with all the listeners that tests
//! want, and what they do with it.
//!
//! It is started when a process first asks for it and ends with that process, however that ends.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a namespace of Event Hubs would take as password for the user `$ConnectionString`.
pub const CONNECTION_STRING: &str =
    "Endpoint=sb://127.0.0.1/;SharedAccessKeyName=listen;SharedAccessKey=bm90LWEtc2VjcmV0";
/// The password of `alice` and `carol` (`PLAIN`) and of `bob` (`SCRAM`).
pub const PASSWORD: &str = "not-a-secret";

/// The broker.
#[derive(Debug)]
pub struct Kafka {
    /// Plaintext, no sign-in: `127.0.0.1:PORT`.
    pub plain: String,
    /// Plaintext, but the broker names itself [`proxy`](Self::proxy) there.
    pub behind_proxy: String,
    /// Where a test's own proxy is to listen.
    pub proxy: String,
    /// TLS and SASL: `PLAIN` (`alice`, `carol`, `$ConnectionString`), `SCRAM` (`bob`), `OAUTHBEARER` (tokens that are
    /// not signed).
    pub sasl: String,
    /// TLS where the client needs a certificate.
    pub mutual: String,
    /// The folder with `ca.pem`, `client.pem`, `client.key` and its data.
    pub folder: PathBuf,
    /// It runs as long as its standard input is open.
    _child: Child,
}

static KAFKA: OnceLock<Kafka> = OnceLock::new();

/// The broker of this process; `None`, loudly, where Kafka is not installed.
///
/// # Panics
/// It is installed and does not start.
pub fn kafka() -> Option<&'static Kafka> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/kafka");
    let jars = std::env::var_os("STORMGLASS_KAFKA").map_or_else(|| beside.into(), PathBuf::from);
    let has_jars = std::fs::read_dir(&jars).is_ok_and(|mut entries| entries.next().is_some());
    if !has_jars {
        assert!(std::env::var_os("CI").is_none(), "Kafka is missing; scripts/need installs it");
        say_skipped(&jars);
        return None;
    }
    Some(KAFKA.get_or_init(|| match start(&jars) {
        Ok(kafka) => kafka,
        Err(error) => panic!("Kafka does not start: {error}"),
    }))
}

#[expect(clippy::print_stdout, reason = "what is skipped is said")]
fn say_skipped(jars: &Path) {
    println!("skipped: no Kafka at {}; `scripts/need test` installs it", jars.display());
}

/// Ports that are free now.
fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

fn start(jars: &Path) -> io::Result<Kafka> {
    let folder = std::env::temp_dir().join(format!("stormglass-kafka-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    certificates(&folder)?;
    let [controller, plain, behind_proxy, proxy, sasl, mutual] = free_ports()?;
    let at = |port: u16| format!("127.0.0.1:{port}");
    let properties = folder.join("server.properties");
    let folder_text = folder.display();
    let mut text = format!(
        "process.roles=broker,controller\nnode.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\ncontroller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL\n\
         listeners=CONTROLLER://127.0.0.1:{controller},PLAINTEXT://127.0.0.1:{plain},PROXIED://127.0.0.1:{behind_proxy},SASL://127.0.0.1:{sasl},MUTUAL://127.0.0.1:{mutual}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{plain},PROXIED://127.0.0.1:{proxy},SASL://127.0.0.1:{sasl},MUTUAL://127.0.0.1:{mutual}\n\
         log.dirs={folder_text}/data\n\
         ssl.keystore.type=PEM\nssl.keystore.location={folder_text}/broker-store.pem\n\
         ssl.truststore.type=PEM\nssl.truststore.location={folder_text}/ca.pem\n\
         listener.name.mutual.ssl.client.auth=required\n\
         listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n"
    );
    for setting in [
        "offsets.topic.replication.factor=1",
        "offsets.topic.num.partitions=1",
        "transaction.state.log.replication.factor=1",
        "transaction.state.log.num.partitions=1",
        "transaction.state.log.min.isr=1",
        "group.initial.rebalance.delay.ms=0",
        "auto.create.topics.enable=false",
        // What nobody has a rule for is free for all; of the rest, `carol` has what tests allow her.
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found=true",
        "super.users=User:ANONYMOUS;User:alice;User:bob;User:$ConnectionString",
        "num.network.threads=2",
        "num.io.threads=2",
        // Cleaners take 128 MiB otherwise.
        "log.cleaner.dedupe.buffer.size=4000000",
    ] {
        writeln!(text, "{setting}").map_err(io::Error::other)?;
    }
    let module = "org.apache.kafka.common.security";
    writeln!(
        text,
        "listener.name.sasl.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_alice=\"{PASSWORD}\" user_carol=\"{PASSWORD}\" user_$ConnectionString=\"{CONNECTION_STRING}\";"
    )
    .map_err(io::Error::other)?;
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        writeln!(
            text,
            "listener.name.sasl.{mechanism}.sasl.jaas.config={module}.scram.ScramLoginModule required;"
        )
        .map_err(io::Error::other)?;
    }
    writeln!(
        text,
        "listener.name.sasl.oauthbearer.sasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";"
    )
    .map_err(io::Error::other)?;
    std::fs::write(&properties, text)?;

    let scram = |kind: &str| format!("{kind}=[name=bob,password={PASSWORD},iterations=4096]");
    let mut format = java(jars);
    format.args(["kafka.tools.StorageTool", "format", "-t", "c3Rvcm1nbGFzcy10ZXN0cw", "-c"]).arg(&properties);
    format.args(["--add-scram", &scram("SCRAM-SHA-256"), "--add-scram", &scram("SCRAM-SHA-512")]);
    done(&mut format)?;

    // The shell waits for the end of its input, which comes with the end of this process.
    let log = std::fs::File::create(folder.join("broker.log"))?;
    let mut broker = java(jars);
    broker.arg("kafka.Kafka").arg(&properties);
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" </dev/null & read -r end; kill -9 $!; rm -rf \"$FOLDER\"", "sh"]);
    shell.arg(broker.get_program()).args(broker.get_args()).env("FOLDER", &folder);
    let child =
        shell.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).current_dir(&folder).spawn()?;
    let kafka = Kafka {
        plain: at(plain),
        behind_proxy: at(behind_proxy),
        proxy: at(proxy),
        sasl: at(sasl),
        mutual: at(mutual),
        folder,
        _child: child,
    };
    let started = Instant::now();
    for address in [&kafka.plain, &kafka.sasl, &kafka.mutual] {
        while TcpStream::connect(address).is_err() {
            if started.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(kafka.folder.join("broker.log"))?;
                return Err(io::Error::other(log));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(kafka)
}

fn java(jars: &Path) -> Command {
    let mut java = Command::new("java");
    // Short-lived on a small machine: the fast compiler alone, one collector thread.
    java.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    java.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]);
    java.arg(format!("{}/*", jars.display()));
    java
}

fn done(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{:?} failed: {text}", command.get_program())))
}

/// An authority, the broker's certificate and a client's, whose key has a passphrase: [`PASSWORD`].
fn certificates(folder: &Path) -> io::Result<()> {
    let openssl = |arguments: &[&str]| done(Command::new("openssl").args(arguments).current_dir(folder));
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2"];
    openssl(&[&["req", "-x509"], &curve[..], &authority[..]].concat())?;
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n")?;
    for name in ["broker", "client"] {
        let (key, request, certificate) =
            (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        openssl(&[&["req"], &curve[..], &["-keyout", &key, "-out", &request, "-subj", &subject]].concat())?;
        let sign = ["x509", "-req", "-in", &request, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        openssl(&[&sign[..], &["-out", &certificate, "-days", "2", "-extfile", "names"]].concat())?;
    }
    let store =
        [std::fs::read(folder.join("broker.key"))?, std::fs::read(folder.join("broker.pem"))?].concat();
    std::fs::write(folder.join("broker-store.pem"), store)?;
    std::fs::rename(folder.join("client.key"), folder.join("client-plain.key"))?;
    let password = format!("pass:{PASSWORD}");
    openssl(&["pkcs8", "-topk8", "-in", "client-plain.key", "-out", "client.key", "-passout", &password])
}

impl Kafka {
    /// Makes a topic.
    pub async fn make_topic(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let made = self.admin().create_topics([&topic], &AdminOptions::new()).await;
        let made = made.map(|results| results.into_iter().collect::<Result<Vec<_>, _>>());
        assert!(matches!(made, Ok(Ok(_))), "{made:?}");
    }

    /// Gives a topic more partitions.
    pub async fn grow_topic(&self, name: &str, partitions: usize) {
        let more = NewPartitions::new(name, partitions);
        let grown = self.admin().create_partitions([&more], &AdminOptions::new()).await;
        let grown = grown.map(|results| results.into_iter().collect::<Result<Vec<_>, _>>());
        assert!(matches!(grown, Ok(Ok(_))), "{grown:?}");
    }

    /// Deletes what is before `offset`, as the retention would.
    pub async fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        let added = list.add_partition_offset(topic, partition, Offset::Offset(offset));
        assert!(added.is_ok(), "{added:?}");
        let deleted = self.admin().delete_records(&list, &AdminOptions::new()).await;
        assert!(deleted.is_ok(), "{deleted:?}");
    }

    /// Sends messages to a partition, compressed by `codec`, and waits until the broker has them.
    pub fn send<'a>(
        &self,
        topic: &str,
        partition: i32,
        codec: &str,
        payloads: impl IntoIterator<Item = Option<&'a [u8]>>,
    ) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.plain).set("compression.codec", codec).set("linger.ms", "20");
        config.set("queue.buffering.max.kbytes", "262144");
        let producer: BaseProducer = match config.create() {
            Ok(producer) => producer,
            Err(error) => panic!("no producer: {error}"),
        };
        for payload in payloads {
            let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).key(b"key");
            record.payload = payload;
            while let Err((_, back)) = producer.send(record) {
                record = back;
                producer.poll(Duration::from_millis(10));
            }
        }
        let flushed = producer.flush(PATIENCE);
        assert!(flushed.is_ok(), "{flushed:?}");
    }

    /// The first messages of a topic, partition by partition, as soon as there are so many.
    pub fn read(&self, topic: &str, count: usize) -> Vec<Message> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.plain).set("group.id", "readers-of-tests");
        let consumer: BaseConsumer = match config.create() {
            Ok(consumer) => consumer,
            Err(error) => panic!("no consumer: {error}"),
        };
        let metadata = match consumer.fetch_metadata(Some(topic), PATIENCE) {
            Ok(metadata) => metadata,
            Err(error) => panic!("nothing is known of `{topic}`: {error}"),
        };
        let mut places = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let added = places.add_partition_offset(topic, partition.id(), Offset::Beginning);
            assert!(added.is_ok(), "{added:?}");
        }
        let assigned = consumer.assign(&places);
        assert!(assigned.is_ok(), "{assigned:?}");
        let (started, mut messages) = (Instant::now(), Vec::new());
        while messages.len() < count {
            assert!(started.elapsed() < PATIENCE, "{} of {count} messages came", messages.len());
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                messages.push(Message::of(&message));
            }
        }
        messages.sort_by_key(|message| (message.partition, message.offset));
        messages
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        match ClientConfig::new().set("bootstrap.servers", &self.plain).create() {
            Ok(admin) => admin,
            Err(error) => panic!("no client: {error}"),
        }
    }
}

/// A message as it lies in a topic, its texts as UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it lies.
    pub partition: i32,
    /// Its number there.
    pub offset: i64,
    /// Its key; empty where there is none.
    pub key: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// What it says.
    pub payload: String,
}

impl Message {
    fn of(message: &impl rdkafka::Message) -> Self {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: text(message.key()),
            headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
            payload: text(message.payload()),
        }
    }
}

/// What access to a resource is about.
#[derive(Debug, Clone, Copy)]
pub enum Resource<'a> {
    /// A topic by its name.
    Topic(&'a str),
    /// A group by its name.
    Group(&'a str),
}

/// An operation on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// To read, which implies to describe.
    Read,
    /// To know of it.
    Describe,
}

impl Kafka {
    /// Allows `user` an operation. From then on nobody but whom somebody allowed it may use the resource, and
    /// the tests' own users, who may do everything.
    ///
    /// librdkafka's client for Rust has no call for it: this is `CreateAcls` in its first version, byte by byte
    /// (<https://kafka.apache.org/protocol#The_Messages_CreateAcls>).
    ///
    /// # Errors
    /// The broker does not take it.
    pub fn allow(&self, user: &str, operation: Operation, resource: Resource<'_>) -> io::Result<()> {
        use std::io::{Read as _, Write as _};
        const CREATE_ACLS: i16 = 30;
        const LITERAL: u8 = 3;
        const ALLOW: u8 = 3;
        let (kind, name) = match resource {
            Resource::Topic(name) => (2_u8, name),
            Resource::Group(name) => (3, name),
        };
        let operation = match operation {
            Operation::Read => 3_u8,
            Operation::Describe => 8,
        };
        let mut request = Vec::new();
        let text = |request: &mut Vec<u8>, text: &str| {
            let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
            request.extend(length.to_be_bytes());
            request.extend(text.as_bytes());
        };
        request.extend(CREATE_ACLS.to_be_bytes());
        request.extend(1_i16.to_be_bytes());
        request.extend(7_i32.to_be_bytes());
        text(&mut request, "tests");
        request.extend(1_i32.to_be_bytes());
        request.push(kind);
        text(&mut request, name);
        request.push(LITERAL);
        text(&mut request, &format!("User:{user}"));
        text(&mut request, "*");
        request.extend([operation, ALLOW]);
        let mut stream = TcpStream::connect(&self.plain)?;
        stream.write_all(&i32::try_from(request.len()).unwrap_or(i32::MAX).to_be_bytes())?;
        stream.write_all(&request)?;
        // Length, correlation, throttling, how many results; then the code of the first.
        let mut head = [0; 18];
        stream.read_exact(&mut head)?;
        match head {
            [.., 0, 0] => Ok(()),
            [.., high, low] => {
                Err(io::Error::other(format!("CreateAcls: code {}", i16::from_be_bytes([high, low]))))
            }
        }
    }
}
