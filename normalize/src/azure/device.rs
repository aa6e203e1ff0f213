//! The machine that a sign-in came from and where it stands.

use event::Col;

use crate::fields::Fields;
use crate::os;
use crate::row::Row;

/// Sets the `src_endpoint_*` columns but the address.
pub(crate) fn map(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["deviceDetail"]);
    let mut device = nested.fields();
    device.put(row, Col::SrcEndpointUid, &["deviceId"]);
    device.put(row, Col::SrcEndpointName, &["displayName"]);
    if let Some(system) = device.text("operatingSystem") {
        row.text(Col::SrcEndpointOsName, &system);
        row.int(Col::SrcEndpointOsTypeId, os::type_id(&system));
    }
    device.keep(row);
    if let Some(number) = fields.integer("autonomousSystemNumber").filter(|number| *number > 0) {
        row.long(Col::SrcEndpointAsn, number);
    }
    map_location(fields, row);
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
