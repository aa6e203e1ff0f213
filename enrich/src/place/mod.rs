//! Where an address is, from files of places.
//!
//! [`Places`] is what the files say: MaxMind DB files of whichever vendor, and CSV files of networks. Of several
//! the first that knows an address says where it is, so a file of one's own goes before a vendor's: it may put
//! an office where it is, or say of the exits of a VPN that they are nowhere, by a network without a place.
//! [`Places::fill`] puts what they say into the columns of events that do not say it themselves.
//!
//! Addresses that mean another thing in every network (private, loopback, link-local and shared ones) are not
//! looked up.

mod csv;
mod database;
mod fill;
mod ranges;
#[cfg(test)]
mod tests;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use event::{Diagnostic, Level};

use self::csv::Table;
use self::database::Database;

/// The largest file, in bytes: 2 GiB. It is held in memory; of a CSV file only what it says.
pub const MAX_FILE_BYTES: u64 = 2 << 30;

/// The most networks of a CSV file.
const MAX_NETWORKS: usize = 20_000_000;

/// The most problems that are told of a file.
const MAX_PROBLEMS: usize = 20;

/// The longest name of a city or region, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Where an address is. Texts are empty where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Place<'p> {
    /// Two letters, upper case (ISO 3166-1).
    pub country: &'p str,
    /// State or province.
    pub region: &'p str,
    /// City, in English where the file has languages.
    pub city: &'p str,
    /// Latitude and longitude, in degrees.
    pub at: Option<(f64, f64)>,
    /// The number of the network (ASN).
    pub asn: Option<u32>,
    /// Which file said so: the kind of database that it says it is, or its name.
    pub provider: &'p str,
}

impl Place<'_> {
    /// Whether anything is said but the network.
    fn is_somewhere(&self) -> bool {
        !self.country.is_empty() || !self.region.is_empty() || !self.city.is_empty() || self.at.is_some()
    }
}

/// Files of places, the first first.
#[derive(Debug, Default)]
pub struct Places {
    files: Vec<File>,
}

#[derive(Debug)]
enum File {
    Database(Box<Database>),
    Table(Box<Table>),
}

impl Places {
    /// Reads files, each given by its path and content: MaxMind DB, told by its own mark, or else CSV.
    ///
    /// # Errors
    /// Every problem found (of a file no more than a few), with file, line, field and mend.
    pub fn read(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Vec<Diagnostic>> {
        let mut read = Self::default();
        let mut problems = Vec::new();
        for (path, bytes) in files {
            if bytes.len() as u64 > MAX_FILE_BYTES {
                let problem = format!("it has {} bytes, limit {MAX_FILE_BYTES}", bytes.len());
                problems.push(refusal(&path, 0, "", problem, "use a file of fewer networks"));
            } else if database::is_one(&bytes) {
                let database = Database::read(&path, bytes).map_err(|problem| problems.push(problem));
                read.files.extend(database.map(|database| File::Database(Box::new(database))).ok());
            } else {
                let table = csv::read(&path, &bytes).map_err(|found| problems.extend(found));
                read.files.extend(table.map(|table| File::Table(Box::new(table))).ok());
            }
        }
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Where `address` is; `None` if no file knows anything of it, or it is no address of the internet.
    pub fn find(&self, address: IpAddr) -> Option<Place<'_>> {
        let address = address.to_canonical();
        if !is_public(address) {
            return None;
        }
        let mut found = Place::default();
        let mut is_decided = false;
        for file in &self.files {
            let (place, decides) = match file {
                File::Database(database) => {
                    let Some(place) = database.find(address) else { continue };
                    (place, place.is_somewhere())
                }
                File::Table(table) => {
                    let Some(place) = table.find(address) else { continue };
                    (place, table.tells_places())
                }
            };
            let asn = found.asn.or(place.asn);
            if decides && !is_decided {
                is_decided = true;
                found = place;
            }
            found.asn = asn;
        }
        (found.is_somewhere() || found.asn.is_some()).then_some(found)
    }
}

/// Whether an address means the same thing everywhere. Those of documentation do: no file of a vendor has them.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            // 0.0.0.0/8 "this network" (RFC 1122), 100.64.0.0/10 shared by carriers (RFC 6598), 240.0.0.0/4 reserved.
            let is_special = first == 0 || (first == 100 && second & 0xc0 == 64) || first >= 240;
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || is_special)
        }
        IpAddr::V6(v6) => {
            let first = v6.segments().first().copied().unwrap_or_default();
            // fc00::/7 private (RFC 4193), fe80::/10 link-local (RFC 4291).
            let is_local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || is_local)
        }
    }
}

/// A network as its first and its last address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    V4(u32, u32),
    V6(u128, u128),
}

impl Network {
    /// From two addresses of one kind, in order.
    fn between(first: IpAddr, last: IpAddr) -> Option<Self> {
        match (first.to_canonical(), last.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                Some(Self::V4(first.into(), last.into()))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                Some(Self::V6(first.into(), last.into()))
            }
            _ => None,
        }
    }

    /// From `198.51.100.0/24`, `2001:db8::/32` or a single address.
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        match address.parse().ok()? {
            IpAddr::V4(address) => {
                let free = 32_u32.checked_sub(length.unwrap_or(32))?;
                let hosts = u32::MAX.checked_shr(32 - free).unwrap_or(0);
                let first = u32::from(address) & !hosts;
                Self::between(Ipv4Addr::from(first).into(), Ipv4Addr::from(first | hosts).into())
            }
            IpAddr::V6(address) => {
                let free = 128_u32.checked_sub(length.unwrap_or(128))?;
                let hosts = u128::MAX.checked_shr(128 - free).unwrap_or(0);
                let first = u128::from(address) & !hosts;
                Self::between(Ipv6Addr::from(first).into(), Ipv6Addr::from(first | hosts).into())
            }
        }
    }
}

fn refusal(file: &str, line: u64, field: &str, problem: String, mend: &str) -> Diagnostic {
    Diagnostic {
        level: Level::Error,
        file: file.to_owned(),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: 0,
        field: field.to_owned(),
        problem,
        mend: mend.to_owned(),
    }
}

/// The name of a file, without its folders.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
