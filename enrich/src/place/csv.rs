//! Places from CSV: a network and where it is, a line each, by the names in the first line.
//!
//! ```csv
//! network,country,city,latitude,longitude
//! 198.51.100.0/24,DE,Berlin,52.52,13.405
//! 2001:db8:7::/48,AU,Sydney,-33.87,151.21
//! 203.0.113.64/26,,,,
//! ```
//!
//! The names are those that vendors use: of MaxMind's blocks
//! (<https://dev.maxmind.com/geoip/docs/databases/city-and-country#csv-databases>), DB-IP and IPinfo. A network
//! may lie in another, whose place it then leaves; `start_ip` and `end_ip` may stand for `network`. What is
//! empty is not known, and a network without any place is nowhere.

use std::collections::HashMap;

use core::net::IpAddr;

use csv::{ByteRecord, ReaderBuilder, Trim};
use event::Diagnostic;

use super::ranges::{Clash, Ranges, Row};
use super::{MAX_NAME_BYTES, MAX_NETWORKS, MAX_PROBLEMS, Network, Place, file_name, refusal};

/// The names of each column that is read, the better one first.
const NETWORK: &[&str] = &["network", "cidr", "range"];
const FIRST: &[&str] = &["start_ip", "ip_start", "start"];
const LAST: &[&str] = &["end_ip", "ip_end", "end"];
const COUNTRY: &[&str] = &["country_code", "country_iso_code", "country"];
const REGION: &[&str] = &["region", "stateprov", "state", "subdivision_1_name"];
const CITY: &[&str] = &["city", "city_name"];
const LATITUDE: &[&str] = &["latitude", "lat"];
const LONGITUDE: &[&str] = &["longitude", "lng", "lon", "long"];
const ASN: &[&str] = &["asn", "autonomous_system_number", "as_number"];

/// What a first line may look like.
const HEADER: &str = "write a first line such as `network,country,city,latitude,longitude` or \
                      `start_ip,end_ip,country,region,city,latitude,longitude`";

/// Where the columns are.
#[derive(Debug)]
struct Columns {
    network: Option<usize>,
    /// The first and the last address.
    ends: Option<(usize, usize)>,
    country: Option<usize>,
    region: Option<usize>,
    city: Option<usize>,
    at: Option<(usize, usize)>,
    asn: Option<usize>,
    count: usize,
}

/// A place, its texts by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Entry {
    country: u32,
    region: u32,
    city: u32,
    /// Latitude and longitude as bits.
    at: Option<(u64, u64)>,
    asn: Option<u32>,
}

/// What a CSV file says.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    entries: Vec<Entry>,
    texts: Vec<Box<str>>,
    tells_places: bool,
}

impl Table {
    /// Whether it has more than the numbers of networks.
    pub(super) fn tells_places(&self) -> bool {
        self.tells_places
    }

    /// What it says of an address; a place without anything is said, too.
    pub(super) fn find(&self, address: IpAddr) -> Option<Place<'_>> {
        let entry = match address {
            IpAddr::V4(address) => self.v4.find(address.into()),
            IpAddr::V6(address) => self.v6.find(address.into()),
        };
        let entry = self.entries.get(entry? as usize)?;
        let text = |at: u32| self.texts.get(at as usize).map_or("", |text| &**text);
        Some(Place {
            country: text(entry.country),
            region: text(entry.region),
            city: text(entry.city),
            at: entry.at.map(|(lat, long)| (f64::from_bits(lat), f64::from_bits(long))),
            asn: entry.asn,
            provider: &self.name,
        })
    }
}

/// Reads the text of a file.
///
/// # Errors
/// What is wrong, with line, field and mend; no more than a few.
pub(super) fn read(path: &str, text: &[u8]) -> Result<Table, Vec<Diagnostic>> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut reader =
        ReaderBuilder::new().flexible(true).trim(Trim::All).comment(Some(b'#')).from_reader(text);
    let unread = |error: &csv::Error| {
        let line = error.position().map_or(0, csv::Position::line);
        refusal(path, line, "", format!("this is no CSV: {error}"), HEADER)
    };
    let header = reader.byte_headers().map_err(|error| vec![unread(&error)])?;
    let columns = columns(path, header).map_err(|problem| vec![problem])?;
    let mut reading = Reading::new(path, &columns);
    let mut record = ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => reading.line(&record, line_of(&reader, text)),
            Ok(false) => break,
            Err(error) => {
                reading.problems.push(unread(&error));
                break;
            }
        }
        if reading.problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    reading.finish()
}

/// The line in which the record that was just read ends. Where it begins the reader does not tell: empty lines and
/// comments before it count as its own.
fn line_of(reader: &csv::Reader<&[u8]>, text: &[u8]) -> u64 {
    let next = reader.position();
    let last = usize::try_from(next.byte()).ok().and_then(|next| text.get(next.checked_sub(1)?));
    next.line().saturating_sub(u64::from(last == Some(&b'\n')))
}

fn columns(path: &str, header: &ByteRecord) -> Result<Columns, Diagnostic> {
    let names: Vec<_> =
        header.iter().map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect();
    let find = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
    let pair = |first: &[&'static str], second: &[&'static str]| match (find(first), find(second)) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(second.first().copied().unwrap_or_default()),
        (None, Some(_)) => Err(first.first().copied().unwrap_or_default()),
    };
    let half = |missing: &str| {
        let problem = format!("the first line names no `{missing}`, which goes with another that it names");
        refusal(path, 1, missing, problem, HEADER)
    };
    let columns = Columns {
        network: find(NETWORK),
        ends: pair(FIRST, LAST).map_err(half)?,
        country: find(COUNTRY),
        region: find(REGION),
        city: find(CITY),
        at: pair(LATITUDE, LONGITUDE).map_err(half)?,
        asn: find(ASN),
        count: names.len(),
    };
    if columns.network.is_none() && columns.ends.is_none() {
        let problem = "the first line names no `network`".to_owned();
        return Err(refusal(path, 1, "network", problem, HEADER));
    }
    let tells = [columns.country, columns.region, columns.city, columns.asn, columns.at.map(|(lat, _)| lat)];
    if tells.iter().all(Option::is_none) {
        let problem =
            "the first line names no place: neither `country`, `city`, `latitude` nor `asn`".to_owned();
        return Err(refusal(path, 1, "", problem, HEADER));
    }
    Ok(columns)
}

/// A file of which some lines are read.
struct Reading<'r> {
    path: &'r str,
    columns: &'r Columns,
    v4: Vec<Row<u32>>,
    v6: Vec<Row<u128>>,
    entries: Vec<Entry>,
    known_entries: HashMap<Entry, u32>,
    texts: Vec<Box<str>>,
    known_texts: HashMap<Box<str>, u32>,
    problems: Vec<Diagnostic>,
}

/// What is wrong with a field: its name, the problem, the mend.
type Fault = (&'static str, String, &'static str);

impl<'r> Reading<'r> {
    fn new(path: &'r str, columns: &'r Columns) -> Self {
        Self {
            path,
            columns,
            v4: Vec::new(),
            v6: Vec::new(),
            entries: Vec::new(),
            known_entries: HashMap::new(),
            texts: vec!["".into()],
            known_texts: HashMap::from([("".into(), 0)]),
            problems: Vec::new(),
        }
    }

    fn line(&mut self, record: &ByteRecord, line: u64) {
        if let Err((field, problem, mend)) = self.take(record, line) {
            self.problems.push(refusal(self.path, line, field, problem, mend));
        }
    }

    fn take(&mut self, record: &ByteRecord, line: u64) -> Result<(), Fault> {
        let columns = self.columns;
        if record.len() < columns.count {
            let problem = format!("it has {} fields, the first line names {}", record.len(), columns.count);
            return Err(("", problem, "leave a field empty where nothing is known"));
        }
        if self.v4.len() + self.v6.len() >= MAX_NETWORKS {
            let problem = format!("there are more than {MAX_NETWORKS} networks");
            return Err(("", problem, "use a MaxMind DB file"));
        }
        let network = network(columns, record)?;
        let entry = Entry {
            country: self.text(country(columns, record)?.as_str())?,
            region: self.text(name(columns.region, record, "region")?)?,
            city: self.text(name(columns.city, record, "city")?)?,
            at: coordinates(columns, record)?,
            asn: asn(columns, record)?,
        };
        let place = match self.known_entries.get(&entry) {
            Some(known) => *known,
            None => {
                let place = number(self.entries.len())?;
                self.entries.push(entry);
                self.known_entries.insert(entry, place);
                place
            }
        };
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        match network {
            Network::V4(first, last) => self.v4.push(Row { first, last, place, line }),
            Network::V6(first, last) => self.v6.push(Row { first, last, place, line }),
        }
        Ok(())
    }

    /// The number of a text.
    fn text(&mut self, text: &str) -> Result<u32, Fault> {
        if let Some(known) = self.known_texts.get(text) {
            return Ok(*known);
        }
        let number = number(self.texts.len())?;
        self.texts.push(text.into());
        self.known_texts.insert(text.into(), number);
        Ok(number)
    }

    fn finish(mut self) -> Result<Table, Vec<Diagnostic>> {
        if self.problems.is_empty() && self.v4.is_empty() && self.v6.is_empty() {
            let problem = "there is no network in it".to_owned();
            self.problems.push(refusal(self.path, 0, "", problem, "add a line for each network"));
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let clash = |clash: Clash| {
            let (problem, mend) = match clash.is_same {
                true => (format!("the network stands in line {}, too", clash.with), "remove one"),
                false => (
                    format!(
                        "the network overlaps that of line {}, and neither lies in the other",
                        clash.with
                    ),
                    "write networks that lie in one another or apart",
                ),
            };
            vec![refusal(self.path, clash.line.into(), "network", problem, mend)]
        };
        let v4 = Ranges::new(self.v4).map_err(clash)?;
        let v6 = Ranges::new(self.v6).map_err(clash)?;
        let columns = self.columns;
        let tells = [columns.country, columns.region, columns.city, columns.at.map(|(lat, _)| lat)];
        Ok(Table {
            name: file_name(self.path).to_owned(),
            v4,
            v6,
            entries: self.entries,
            texts: self.texts,
            tells_places: tells.iter().any(Option::is_some),
        })
    }
}

fn number(count: usize) -> Result<u32, Fault> {
    u32::try_from(count).map_err(|_| ("", "there are too many places".to_owned(), "use a MaxMind DB file"))
}

/// A field; empty where there is no such column, and where a vendor writes `-` for what is not known.
fn field<'f>(column: Option<usize>, record: &'f ByteRecord, name: &'static str) -> Result<&'f str, Fault> {
    let bytes = column.and_then(|column| record.get(column)).unwrap_or_default();
    let text = core::str::from_utf8(bytes)
        .map_err(|_| (name, "it is not UTF-8".to_owned(), "save the file as UTF-8"))?;
    Ok(if text == "-" { "" } else { text })
}

fn network(columns: &Columns, record: &ByteRecord) -> Result<Network, Fault> {
    if let Some((first, last)) = columns.ends.filter(|_| columns.network.is_none()) {
        let (first, last) = (field(Some(first), record, "start_ip")?, field(Some(last), record, "end_ip")?);
        let between = first.parse().ok().zip(last.parse().ok());
        return between.and_then(|(first, last)| Network::between(first, last)).ok_or_else(|| {
            let problem = format!("`{}` to `{}` are no addresses in order", shown(first), shown(last));
            ("start_ip", problem, "write two addresses of one kind, such as 198.51.100.0 and 198.51.100.255")
        });
    }
    let text = field(columns.network, record, "network")?;
    Network::parse(text).ok_or_else(|| {
        let problem = format!("`{}` is no network", shown(text));
        ("network", problem, "write it as 198.51.100.0/24 or 2001:db8::/32")
    })
}

fn country(columns: &Columns, record: &ByteRecord) -> Result<String, Fault> {
    let text = field(columns.country, record, "country")?;
    if text.is_empty() || text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Ok(text.to_ascii_uppercase());
    }
    let problem = format!("`{}` is no country of two letters", shown(text));
    Err(("country", problem, "write it as DE; a column `country_code` goes before `country`"))
}

fn name<'f>(
    column: Option<usize>,
    record: &'f ByteRecord,
    field_name: &'static str,
) -> Result<&'f str, Fault> {
    let text = field(column, record, field_name)?;
    if text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control) {
        let problem = format!("`{}` is no name of a place", shown(text));
        return Err((field_name, problem, "a name has at most 200 bytes, and no line breaks"));
    }
    Ok(text)
}

fn coordinates(columns: &Columns, record: &ByteRecord) -> Result<Option<(u64, u64)>, Fault> {
    let Some((lat, long)) = columns.at else { return Ok(None) };
    let (lat, long) = (field(Some(lat), record, "latitude")?, field(Some(long), record, "longitude")?);
    if lat.is_empty() && long.is_empty() {
        return Ok(None);
    }
    let degrees = |text: &str, most: f64, name: &'static str| {
        let number = text.parse().ok().filter(|number: &f64| number.abs() <= most);
        let problem = || format!("`{}` is no number of degrees from -{most} to {most}", shown(text));
        number
            .ok_or_else(|| (name, problem(), "write it as 52.52, or leave both latitude and longitude empty"))
    };
    let (lat, long) = (degrees(lat, 90.0, "latitude")?, degrees(long, 180.0, "longitude")?);
    // Nobody lives there: it stands for what is not known.
    let is_known = (lat, long) != (0.0, 0.0);
    Ok(is_known.then(|| (lat.to_bits(), long.to_bits())))
}

fn asn(columns: &Columns, record: &ByteRecord) -> Result<Option<u32>, Fault> {
    let text = field(columns.asn, record, "asn")?;
    if text.is_empty() {
        return Ok(None);
    }
    match super::database::asn(text) {
        Some(number) => Ok(Some(number)),
        None => Err((
            "asn",
            format!("`{}` is no number of a network", shown(text)),
            "write it as 64500 or AS64500",
        )),
    }
}

/// A field as it is told, cut.
fn shown(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(60).collect()
}
