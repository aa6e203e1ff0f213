//! The machine that a sign-in came from and where it stands.

use event::Col;

use super::fields::Fields;
use crate::row::Row;

/// Sets the `src_endpoint_*` columns but the address.
pub(super) fn map(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["deviceDetail"]);
    let mut device = nested.fields();
    device.put(row, Col::SrcEndpointUid, &["deviceId"]);
    device.put(row, Col::SrcEndpointName, &["displayName"]);
    if let Some(system) = device.text("operatingSystem") {
        row.text(Col::SrcEndpointOsName, &system);
        row.int(Col::SrcEndpointOsTypeId, os_type_id(&system));
    }
    device.keep(row);
    if let Some(number) = fields.integer("autonomousSystemNumber").filter(|number| *number > 0) {
        row.long(Col::SrcEndpointAsn, number);
    }
    map_location(fields, row);
}

/// OCSF `os.type_id`. Entra writes `Windows 10`, `Windows10`, `Ios 17.1`, `MacOs`, `Linux` and so on.
fn os_type_id(system: &str) -> i32 {
    let system = system.to_ascii_lowercase();
    let known = [
        ("windows phone", 101),
        ("windowsphone", 101),
        ("windows", 100),
        ("android", 201),
        ("linux", 200),
        ("ipados", 302),
        ("ios", 301),
        ("mac", 300),
    ];
    known.into_iter().find(|(name, _)| system.starts_with(name)).map_or(0, |(_, id)| id)
}

/// Where Microsoft believes the address to be. Zero degrees both ways means that it does not know.
fn map_location(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["location", "locationDetails"]);
    let mut location = nested.fields();
    location.put(row, Col::SrcEndpointLocationCountry, &["countryOrRegion"]);
    location.put(row, Col::SrcEndpointLocationRegion, &["state"]);
    location.put(row, Col::SrcEndpointLocationCity, &["city"]);
    let coordinates = location.nested(&["geoCoordinates"]);
    let mut coordinates = coordinates.fields();
    let (latitude, longitude) = (coordinates.number("latitude"), coordinates.number("longitude"));
    if let (Some(latitude), Some(longitude)) = (latitude, longitude)
        && (latitude, longitude) != (0.0, 0.0)
    {
        row.float(Col::SrcEndpointLocationLat, latitude);
        row.float(Col::SrcEndpointLocationLong, longitude);
        coordinates.forget("latitude");
        coordinates.forget("longitude");
    }
    coordinates.keep(row);
    location.keep(row);
    // The frame repeats the country.
    fields.put(row, Col::SrcEndpointLocationCountry, &["location"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_by_their_beginning() {
        for (system, expected) in [
            ("Windows 10", 100),
            ("Windows10", 100),
            ("WindowsPhone", 101),
            ("Ios 17.5", 301),
            ("MacOs", 300),
            ("Linux", 200),
            ("Android", 201),
            ("Unknown", 0),
        ] {
            assert_eq!(os_type_id(system), expected, "{system}");
        }
    }
}
