//! Places from a MaxMind DB file, in the shapes of the vendors.
//!
//! MaxMind and DB-IP nest (`country.iso_code`, `city.names.en`, `location.latitude`;
//! <https://dev.maxmind.com/geoip/docs/databases/city-and-country>), IPinfo writes flat fields, numbers as text
//! (`country`, `city`, `lat`, `lng`, or `loc` with both; <https://ipinfo.io/developers/database-types>). All are
//! read from every file; what has another type than expected is as good as not there.

use core::fmt;
use core::net::IpAddr;

use event::Diagnostic;
use maxminddb::{Reader, WithinOptions};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{MAX_NAME_BYTES, Place, file_name, refusal};

/// What stands before the description of a database, near the end of its file
/// (<https://maxmind.github.io/MaxMind-DB/#database-metadata>).
const MARK: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// How far from the end it may stand, in bytes.
const MARK_WITHIN: usize = 128 << 10;

/// So many of its records are looked at to see whether they tell of places.
const LOOKED_AT: usize = 10_000;

/// Whether the bytes are those of a MaxMind DB file.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    let end = bytes.get(bytes.len().saturating_sub(MARK_WITHIN)..).unwrap_or_default();
    memchr::memmem::rfind(end, MARK).is_some()
}

/// A database in memory.
#[derive(Debug)]
pub(super) struct Database {
    name: String,
    reader: Reader<Vec<u8>>,
}

impl Database {
    /// Takes the bytes of a file.
    ///
    /// # Errors
    /// It is damaged, or tells nothing of places.
    pub(super) fn read(path: &str, bytes: Vec<u8>) -> Result<Self, Diagnostic> {
        const MEND: &str =
            "fetch it again, whole; it must be a database of cities, countries or networks (ASN)";
        let reader = Reader::from_source(bytes).map_err(|error| {
            refusal(path, 0, "", format!("the MaxMind DB file is damaged: {error}"), MEND)
        })?;
        let kind: String =
            reader.metadata().database_type.chars().filter(|char| !char.is_control()).collect();
        let name =
            if kind.is_empty() || kind.len() > MAX_NAME_BYTES { file_name(path).to_owned() } else { kind };
        let mut networks = reader.networks(WithinOptions::default()).into_iter().flatten().take(LOOKED_AT);
        let tells = networks.any(|found| {
            let record = found.and_then(|found| found.decode::<Record<'_>>()).ok().flatten();
            record.is_some_and(|record| {
                let place = record.place("");
                place.is_somewhere() || place.asn.is_some()
            })
        });
        drop(networks);
        if !tells {
            let problem =
                format!("the records of the MaxMind DB file (`{name}`) tell of no place that is known here");
            return Err(refusal(path, 0, "", problem, MEND));
        }
        Ok(Self { name, reader })
    }

    /// What it says of an address.
    pub(super) fn find(&self, address: IpAddr) -> Option<Place<'_>> {
        let record: Record<'_> = self.reader.lookup(address).ok()?.decode().ok()??;
        let place = record.place(&self.name);
        (place.is_somewhere() || place.asn.is_some()).then_some(place)
    }
}

/// The number in `64500` or `AS64500`.
pub(super) fn asn(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
    digits.parse().ok().filter(|number| *number > 0)
}

/// The names under which a record says what is read; all others are passed over.
const READ: &[&str] = &[
    "country",
    "country_code",
    "iso_code",
    "region",
    "subdivisions",
    "city",
    "names",
    "en",
    "location",
    "latitude",
    "lat",
    "longitude",
    "accuracy_radius",
    "lng",
    "loc",
    "asn",
    "autonomous_system_number",
];

/// Coordinates that may be further away from the address than this are not taken.
const MOST_RADIUS_KM: f64 = 200.0;

/// A record or a part of it, as far as it is read.
#[derive(Debug)]
enum Record<'r> {
    Nothing,
    Text(&'r str),
    Number(f64),
    List(Vec<Record<'r>>),
    Map(Vec<(&'r str, Record<'r>)>),
}

impl<'r> Record<'r> {
    fn place(&self, provider: &'r str) -> Place<'r> {
        let country = self.get("country");
        let codes = [country.get("iso_code").text(), self.get("country_code").text(), country.text()];
        let city = self.get("city");
        let subdivision = self.get("subdivisions").first();
        let location = self.get("location");
        let pair = |of: &Self, lat: &str, long: &str| of.get(lat).number().zip(of.get(long).number());
        let at = pair(location, "latitude", "longitude")
            .or_else(|| pair(self, "latitude", "longitude"))
            .or_else(|| pair(self, "lat", "lng"))
            .or_else(|| {
                let (lat, long) = self.get("loc").text().split_once(',')?;
                lat.trim().parse().ok().zip(long.trim().parse().ok())
            });
        // The middle of a country is no place of its people.
        let is_exact = location.get("accuracy_radius").number().is_none_or(|km| km <= MOST_RADIUS_KM);
        let at = at.filter(|_| is_exact);
        let is_on_earth = |(lat, long): &(f64, f64)| lat.abs() <= 90.0 && long.abs() <= 180.0;
        Place {
            country: codes.into_iter().find(|code| is_code(code)).unwrap_or_default(),
            region: name([subdivision.get("names").get("en").text(), self.get("region").text()]),
            city: name([city.get("names").get("en").text(), city.text()]),
            // Nobody lives at 0, 0: it stands for what is not known.
            at: at.filter(|at| is_on_earth(at) && *at != (0.0, 0.0)),
            asn: self.get("autonomous_system_number").asn().or_else(|| self.get("asn").asn()),
            provider,
        }
    }

    fn get(&self, name: &str) -> &Self {
        match self {
            Self::Map(members) => {
                members.iter().find(|(known, _)| *known == name).map_or(&Self::Nothing, |(_, value)| value)
            }
            _ => &Self::Nothing,
        }
    }

    fn first(&self) -> &Self {
        match self {
            Self::List(elements) => elements.first().unwrap_or(&Self::Nothing),
            _ => &Self::Nothing,
        }
    }

    fn text(&self) -> &'r str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite())
    }

    fn asn(&self) -> Option<u32> {
        match self {
            Self::Number(number) if (1.0..=f64::from(u32::MAX)).contains(number) => Some(*number as u32),
            Self::Text(text) => asn(text),
            _ => None,
        }
    }
}

/// Vendors write codes in upper case.
fn is_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// The first that is a name.
fn name(names: [&str; 2]) -> &str {
    let is_one =
        |name: &&str| !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control);
    names.into_iter().find(is_one).unwrap_or_default()
}

impl<'de: 'r, 'r> Deserialize<'de> for Record<'r> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

/// Takes whatever type comes.
struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Record::Text(text))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Record::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Record::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Record::Number(number as f64))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Self::Value, E> {
        Ok(Record::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Record::Nothing)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
        Ok(Record::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let first = elements.next_element()?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Record::List(first.into_iter().collect()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut read = Vec::new();
        while let Some(name) = members.next_key::<&'de str>()? {
            if READ.contains(&name) {
                read.push((name, members.next_value()?));
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Record::Map(read))
    }
}
