//! A file of places, CSV or MaxMind DB: it is read or refused, and what it says of an address lies on earth.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use enrich::place::Places;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let table = [b"network,country,region,city,latitude,longitude,asn\n".as_slice(), input].concat();
    for bytes in [input.to_vec(), table] {
        let places = match Places::read([("fuzz".to_owned(), bytes)]) {
            Ok(places) => places,
            Err(problems) => {
                assert!(!problems.is_empty());
                assert!(problems.iter().all(|found| !found.problem.is_empty() && !found.mend.is_empty()));
                continue;
            }
        };
        for step in 0..64_u32 {
            let v4 = Ipv4Addr::from(step.wrapping_mul(0x0408_1021));
            let v6 = Ipv6Addr::from(u128::from(step).wrapping_mul(0x0408_1021 << 96) | 1);
            for address in [IpAddr::from(v4), IpAddr::from(v6), IpAddr::from(v4.to_ipv6_mapped())] {
                let Some(place) = places.find(address) else { continue };
                assert!(place.country.is_empty() || place.country.len() == 2);
                assert!(place.at.is_none_or(|(lat, long)| lat.abs() <= 90.0 && long.abs() <= 180.0));
            }
        }
    }
});
