//! Files of every shape, and what they do to events.

use event::{Col, EventBatch, EventBuilder};
use proptest::prelude::*;

use super::*;

const CITY: &[u8] = include_bytes!("../../samples/places/city.mmdb");
const CITY_4: &[u8] = include_bytes!("../../samples/places/city4.mmdb");
const FLAT: &[u8] = include_bytes!("../../samples/places/flat.mmdb");
const NETWORKS: &[u8] = include_bytes!("../../samples/places/asn.mmdb");
const OTHER: &[u8] = include_bytes!("../../samples/places/other.mmdb");

fn places(files: &[(&str, &[u8])]) -> Places {
    let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
    Places::read(files).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn csv(text: &str) -> Places {
    places(&[("folder/own.csv", text.as_bytes())])
}

/// What is refused, as it is told.
fn refused(path: &str, bytes: &[u8]) -> Vec<String> {
    let read = Places::read([(path.to_owned(), bytes.to_vec())]);
    read.map(|_| Vec::new()).unwrap_or_else(|problems| problems.iter().map(ToString::to_string).collect())
}

/// A place in one line: country, region, city, coordinates, network, file.
fn at(places: &Places, address: &str) -> String {
    let Some(place) = places.find(address.parse().unwrap()) else { return "nowhere".into() };
    let Place { country, region, city, at, asn, provider } = place;
    let at = at.map_or(String::new(), |(lat, long)| format!("{lat},{long}"));
    let asn = asn.map_or(String::new(), |asn| asn.to_string());
    [country, region, city, &at, &asn, provider].join("|")
}

#[test]
fn databases_of_all_vendors_are_read() {
    let city = places(&[("c.mmdb", CITY)]);
    assert_eq!(at(&city, "198.51.100.7"), "DE|Land Berlin|Berlin|52.52,13.405||Sample-City");
    assert_eq!(at(&city, "203.0.113.9"), "AU|New South Wales|Sydney|-33.87,151.21||Sample-City");
    assert_eq!(at(&city, "::ffff:203.0.113.9"), at(&city, "203.0.113.9"));
    assert_eq!(at(&city, "2001:db8:7::1"), at(&city, "203.0.113.9"));
    // What stands for an unknown place is none.
    assert_eq!(at(&city, "203.0.113.200"), "FR|||||Sample-City");
    assert_eq!(at(&city, "192.0.2.1"), "nowhere");
    let flat = places(&[("f.mmdb", FLAT)]);
    assert_eq!(at(&flat, "198.51.100.7"), "DE|Berlin|Berlin|52.52,13.405||sample standard_location.mmdb");
    assert_eq!(
        at(&flat, "203.0.113.9"),
        "AU|New South Wales|Sydney|-33.87,151.21|64500|sample standard_location.mmdb"
    );
    // Nothing in it has the type that it should have.
    assert_eq!(at(&flat, "192.0.2.1"), "nowhere");
    let four = places(&[("c4.mmdb", CITY_4)]);
    assert_eq!(at(&four, "198.51.100.7"), "DE|Land Berlin|Berlin|52.52,13.405||Sample-City-4");
    assert_eq!(at(&four, "2001:db8:7::1"), "nowhere");
}

#[test]
fn databases_that_say_nothing_or_are_damaged_are_refused() {
    let said = refused("o.mmdb", OTHER);
    assert!(said[0].starts_with("o.mmdb: error: ") && said[0].contains("`Sample-Anonymous-IP`"), "{said:?}");
    let mut torn = CITY.to_vec();
    torn.drain(..100);
    assert!(refused("c.mmdb", &torn)[0].contains("c.mmdb: error: the"), "{:?}", refused("c.mmdb", &torn));
    torn.truncate(torn.len() - 60);
    assert!(!refused("c.mmdb", &torn).is_empty());
}

#[test]
fn tables_are_read_by_their_header() {
    let own = csv(
        "# our own\nCity, network ,latitude,longitude,note,country\nBerlin,198.51.100.0/24,52.52,13.405,\"an, office\",de\n,2001:db8:7::/48,,,,AU\n,203.0.113.7,-33.87,151.21,,\n",
    );
    assert_eq!(at(&own, "198.51.100.255"), "DE||Berlin|52.52,13.405||own.csv");
    assert_eq!(at(&own, "2001:db8:7:ffff::1"), "AU|||||own.csv");
    assert_eq!(
        (at(&own, "203.0.113.7"), at(&own, "203.0.113.8")),
        ("|||-33.87,151.21||own.csv".into(), "nowhere".into())
    );
    let blocks = csv(
        "network,geoname_id,registered_country_geoname_id,represented_country_geoname_id,is_anonymous_proxy,is_satellite_provider,postal_code,latitude,longitude,accuracy_radius,is_anycast\n198.51.100.0/24,1,1,,0,0,10115,52.5200,13.4050,20,\n",
    );
    assert_eq!(at(&blocks, "198.51.100.1"), "|||52.52,13.405||own.csv");
    let ends =
        csv("start_ip,end_ip,country,country_code,as_number\n198.51.100.4,198.51.100.9,Germany,DE,AS64500\n");
    let found =
        ["198.51.100.3", "198.51.100.4", "198.51.100.9", "198.51.100.10"].map(|address| at(&ends, address));
    assert_eq!(found, ["nowhere", "DE||||64500|own.csv", "DE||||64500|own.csv", "nowhere"]);
    let nested = csv(
        "\u{feff}network,country,city\n203.0.113.0/24,AU,Sydney\n203.0.113.64/26,,\n203.0.113.64/32,FR,-\n",
    );
    let found =
        ["203.0.113.63", "203.0.113.64", "203.0.113.65", "203.0.113.128"].map(|address| at(&nested, address));
    assert_eq!(found, ["AU||Sydney|||own.csv", "FR|||||own.csv", "nowhere", "AU||Sydney|||own.csv"]);
    let mapped = csv("network,country\n::ffff:198.51.100.0/120,DE\n0.0.0.0/0,FR\n::/0,AU\n");
    assert_eq!(at(&mapped, "198.51.100.1"), "DE|||||own.csv");
    assert_eq!(
        (at(&mapped, "8.8.8.8"), at(&mapped, "2001:db8::1")),
        ("FR|||||own.csv".into(), "AU|||||own.csv".into())
    );
}

#[test]
fn what_is_wrong_with_a_table_is_told_with_line_field_and_mend() {
    let header = "network,country,city,latitude,longitude\n";
    for (text, expected) in [
        (
            "".into(),
            "own.csv:1: error: `network`: the first line names no `network`; write a first line such as",
        ),
        ("network\n".into(), "own.csv:1: error: the first line names no place"),
        ("network,latitude\n".into(), "own.csv:1: error: `longitude`: the first line names no `longitude`"),
        ("start_ip,country\n".into(), "own.csv:1: error: `end_ip`"),
        (header.into(), "own.csv: error: there is no network in it"),
        (
            format!("{header}198.51.100.0/33,DE,,,\n"),
            "own.csv:2: error: `network`: `198.51.100.0/33` is no network; write it as",
        ),
        (format!("{header}\n\n198.51.100,DE,,,\n"), "own.csv:4: error: `network`: `198.51.100`"),
        (
            format!("{header}198.51.100.0/24,Germany,,,\n"),
            "own.csv:2: error: `country`: `Germany` is no country of two letters",
        ),
        (
            format!("{header}198.51.100.0/24,DE,,91,1\n"),
            "own.csv:2: error: `latitude`: `91` is no number of degrees from -90 to 90",
        ),
        (format!("{header}198.51.100.0/24,DE,,1,NaN\n"), "`longitude`: `NaN`"),
        (format!("{header}198.51.100.0/24,DE,,1,\n"), "`longitude`: `` is no number"),
        (
            format!("{header}198.51.100.0/24,DE\n"),
            "own.csv:2: error: it has 2 fields, the first line names 5",
        ),
        (format!("{header}198.51.100.0/24,DE,{},,\n", "x".repeat(201)), "own.csv:2: error: `city`"),
        (
            format!("{header}198.51.100.0/24,,,,\n198.51.100.9/24,,,,\n"),
            "own.csv:3: error: `network`: the network stands in line 2, too; remove one",
        ),
        (
            "start_ip,end_ip,asn\n198.51.100.0,198.51.100.9,1\n198.51.100.4,198.51.100.12,2\n".into(),
            "own.csv:3: error: `network`: the network overlaps that of line 2",
        ),
        ("start_ip,end_ip,asn\n198.51.100.9,198.51.100.0,1\n".into(), "own.csv:2: error: `start_ip`"),
        ("start_ip,end_ip,asn\n198.51.100.9,2001:db8::1,1\n".into(), "own.csv:2: error: `start_ip`"),
        ("network,asn\n198.51.100.0/24,ASx\n".into(), "own.csv:2: error: `asn`"),
        (
            "network,asn\r\n\r\n# a note\r\n198.51.100.0/24,ASx\r\n198.51.101.0/24,1\r\n".into(),
            "own.csv:4: error: `asn`",
        ),
        ("network,asn\n198.51.100.0/24,1\n198.51.101.0/24,ASx".into(), "own.csv:3: error: `asn`"),
    ] {
        let text: String = text;
        let said = refused("own.csv", text.as_bytes());
        assert!(said.len() == 1 && said[0].contains(expected), "{text}: {said:#?}");
    }
    assert!(
        refused("own.csv", b"network,city\n198.51.100.0/24,\xff\n")[0].contains("`city`: it is not UTF-8")
    );
    let many = format!("{header}{}", "x,,,,\n".repeat(1000));
    assert_eq!(refused("own.csv", many.as_bytes()).len(), MAX_PROBLEMS);
}

#[test]
fn the_first_file_that_knows_an_address_says_where_it_is() {
    let own =
        "network,country,city,latitude,longitude\n198.51.100.64/26,,,,\n203.0.113.0/26,FR,Lyon,45.76,4.84\n";
    let all = places(&[("own.csv", own.as_bytes()), ("n.mmdb", NETWORKS), ("c.mmdb", CITY)]);
    assert_eq!(at(&all, "198.51.100.7"), "DE|Land Berlin|Berlin|52.52,13.405|64501|Sample-City");
    // An exit of a VPN: its network is known, and it is nowhere.
    assert_eq!(at(&all, "198.51.100.65"), "||||64501|own.csv");
    assert_eq!(at(&all, "203.0.113.9"), "FR||Lyon|45.76,4.84||own.csv");
    assert_eq!(at(&all, "203.0.113.70"), "AU|New South Wales|Sydney|-33.87,151.21||Sample-City");
}

#[test]
fn addresses_of_no_one_place_are_not_looked_up() {
    let all = csv("network,country\n0.0.0.0/0,DE\n::/0,FR\n");
    for address in [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.9.9",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
    ] {
        assert_eq!(at(&all, address), "nowhere", "{address}");
    }
    for address in ["100.63.0.1", "100.128.0.1", "198.51.100.1", "192.0.2.1", "2001:db8::1", "172.32.0.1"] {
        assert_ne!(at(&all, address), "nowhere", "{address}");
    }
}

/// Address, and what the record says of its place: country, city, coordinates, network.
type Told<'t> = (&'t str, Option<&'t str>, Option<&'t str>, Option<(f64, f64)>, Option<i64>);

fn events(rows: &[Told<'_>]) -> EventBatch {
    let mut builder = EventBuilder::new();
    for (address, country, city, at, asn) in rows {
        if !address.is_empty() {
            builder.text(Col::SrcEndpointIp, address);
        }
        let texts = [(Col::SrcEndpointLocationCountry, country), (Col::SrcEndpointLocationCity, city)];
        texts.iter().for_each(|(col, text)| text.iter().for_each(|text| builder.text(*col, text)));
        if let Some((lat, long)) = at {
            builder.float(Col::SrcEndpointLocationLat, *lat);
            builder.float(Col::SrcEndpointLocationLong, *long);
        }
        asn.iter().for_each(|asn| builder.long(Col::SrcEndpointAsn, *asn));
        builder.finish_row();
    }
    builder.finish_partial().unwrap()
}

fn columns(events: &EventBatch, row: usize) -> String {
    let text = |col| events.str_at(col, row).unwrap_or("").to_owned();
    let float = |col| events.float_at(col, row).map_or(String::new(), |number| number.to_string());
    let asn = events.int_at(Col::SrcEndpointAsn, row).map_or(String::new(), |asn| asn.to_string());
    [
        text(Col::SrcEndpointLocationCountry),
        text(Col::SrcEndpointLocationRegion),
        text(Col::SrcEndpointLocationCity),
        float(Col::SrcEndpointLocationLat),
        float(Col::SrcEndpointLocationLong),
        asn,
        text(Col::SrcEndpointLocationProvider),
    ]
    .join("|")
}

#[test]
fn what_records_say_of_their_place_stays() {
    let all = places(&[("n.mmdb", NETWORKS), ("c.mmdb", CITY)]);
    let berlin = "198.51.100.7";
    let mut filled = events(&[
        (berlin, None, None, None, None),
        (berlin, Some("de"), None, None, Some(7)),
        (berlin, Some("AT"), None, None, None),
        (berlin, None, Some("Vienna"), None, None),
        (berlin, None, Some("BERLIN"), None, None),
        (berlin, Some("US"), Some("Austin"), Some((30.27, -97.74)), None),
        ("", None, None, None, None),
        ("10.0.0.1", None, None, None, None),
        ("an address", None, None, None, None),
        ("2001:db8:7::9", None, None, None, None),
        ("203.0.113.200", None, None, None, None),
    ]);
    all.fill(&mut filled).unwrap();
    let told: Vec<_> = (0..filled.len()).map(|row| columns(&filled, row)).collect();
    assert_eq!(
        told,
        [
            "DE|Land Berlin|Berlin|52.52|13.405|64501|Sample-City",
            "de|Land Berlin|Berlin|52.52|13.405|7|Sample-City",
            "AT|||||64501|",
            "||Vienna|||64501|",
            "DE|Land Berlin|BERLIN|52.52|13.405|64501|Sample-City",
            "US||Austin|30.27|-97.74|64501|",
            "||||||",
            "||||||",
            "||||||",
            "AU|New South Wales|Sydney|-33.87|151.21||Sample-City",
            "FR||||||Sample-City",
        ]
    );
    // A second time changes nothing.
    let once = filled.clone();
    all.fill(&mut filled).unwrap();
    assert_eq!(filled, once);
    let mut untouched = events(&[("192.0.2.1", None, None, None, None)]);
    let before = untouched.clone();
    all.fill(&mut untouched).unwrap();
    Places::default().fill(&mut untouched).unwrap();
    assert_eq!(untouched, before);
}

proptest! {
    /// Any bytes: they are read or refused, and any address may be asked.
    #[test]
    fn hostile_tables(bytes in prop::collection::vec(any::<u8>(), 0..400), address in any::<u32>()) {
        let header = b"network,country,city,latitude,longitude,asn\n".to_vec();
        if let Ok(places) = Places::read([("x".to_owned(), [header, bytes].concat())]) {
            places.find(Ipv4Addr::from(address).into());
        }
    }

    /// A database of which bytes were changed.
    #[test]
    fn hostile_databases(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        for sample in [CITY, FLAT, NETWORKS] {
            let mut bytes = sample.to_vec();
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Ok(places) = Places::read([("x".to_owned(), bytes)]) {
                for address in ["198.51.100.7", "203.0.113.9", "2001:db8:7::1", "8.8.8.8", "2001::1"] {
                    places.find(address.parse().unwrap());
                }
            }
        }
    }
}
