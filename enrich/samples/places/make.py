"""Writes the sample databases beside this file (pip install mmdb_writer==0.2.7). Places are invented."""

from pathlib import Path

from mmdb_writer import MMDBWriter, MmdbF64
from netaddr import IPSet

FOLDER = Path(__file__).parent


def write(name, kind, networks, ip_version=6):
    writer = MMDBWriter(ip_version, kind, languages=["en"], description="sample", ipv4_compatible=True)
    for network, record in networks:
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(FOLDER / name))


def city(code, country, region, city, lat, long):
    return {
        "continent": {"code": "EU", "names": {"en": "A continent", "de": "Ein Erdteil"}},
        "country": {"iso_code": code, "geoname_id": 1, "names": {"en": country}},
        "registered_country": {"iso_code": "XX", "names": {"en": "Elsewhere"}},
        "city": {"geoname_id": 2, "names": {"de": "Anders", "en": city}},
        "subdivisions": [{"iso_code": "R", "names": {"en": region}}, {"names": {"en": "A district"}}],
        "location": {"latitude": MmdbF64(lat), "longitude": MmdbF64(long), "accuracy_radius": 20, "time_zone": "UTC"},
    }


# The shape of MaxMind and DB-IP.
write("city.mmdb", "Sample-City", [
    ("198.51.100.0/24", city("DE", "Germany", "Land Berlin", "Berlin", 52.52, 13.405)),
    ("203.0.113.0/25", city("AU", "Australia", "New South Wales", "Sydney", -33.87, 151.21)),
    ("203.0.113.128/25", {"country": {"iso_code": "FR", "names": {"en": "France"}}, "location": {"latitude": MmdbF64(0.0), "longitude": MmdbF64(0.0)}}),
    ("2001:db8:7::/48", city("AU", "Australia", "New South Wales", "Sydney", -33.87, 151.21)),
])
# The shapes of IPinfo.
write("flat.mmdb", "sample standard_location.mmdb", [
    ("198.51.100.0/24", {"city": "Berlin", "region": "Berlin", "country": "DE", "lat": "52.52", "lng": "13.405", "postal_code": "10115"}),
    ("203.0.113.0/24", {"city": "Sydney", "region": "New South Wales", "country": "Australia", "country_code": "AU", "loc": "-33.87,151.21", "asn": "AS64500"}),
    ("192.0.2.0/24", {"city": ["no"], "region": 7, "country": {"iso_code": "too long"}, "lat": "north", "lng": True, "loc": "1;2", "asn": "none"}),
])
write("asn.mmdb", "Sample-ASN", [
    ("198.51.100.0/24", {"autonomous_system_number": 64501, "autonomous_system_organization": "Example"}),
])
# Of addresses, and not of places.
write("other.mmdb", "Sample-Anonymous-IP", [("198.51.100.0/24", {"is_anonymous": True})])
# Of IPv4 alone.
writer = MMDBWriter(4, "Sample-City-4", languages=["en"], description="sample")
writer.insert_network(IPSet(["198.51.100.0/24"]), city("DE", "Germany", "Land Berlin", "Berlin", 52.52, 13.405))
writer.to_db_file(str(FOLDER / "city4.mmdb"))
