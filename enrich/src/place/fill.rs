//! What files of places say, in the columns of events.

use event::{ArrowError, Col, EventBatch};

use super::{Place, Places};

impl Places {
    /// Fills the place of the source's address, and the number of its network, where the record itself does not
    /// say them. A place is taken as a whole: a record that has coordinates keeps its own, and one that names
    /// another country, region or city than the file does keeps what it says.
    ///
    /// # Errors
    /// None in practice: the columns that are made have the batch's length.
    pub fn fill(&self, events: &mut EventBatch) -> Result<(), ArrowError> {
        if self.is_empty() || events.is_blank(Col::SrcEndpointIp) {
            return Ok(());
        }
        // An address is looked up once for a batch, however many events have it.
        let (addresses, rows) = events.labels_of(Col::SrcEndpointIp);
        let places: Vec<Option<Place<'_>>> =
            addresses.iter().map(|address| self.find(address.parse().ok()?)).collect();
        let place_of = |row: &Option<usize>| row.and_then(|at| places.get(at)?.as_ref());
        if rows.iter().any(|row| place_of(row).is_some_and(|place| place.asn.is_some())) {
            let numbers: Vec<_> = places.iter().map(|place| place.and_then(|place| place.asn)).collect();
            let numbers: Vec<_> = numbers.into_iter().map(|number| number.map(i64::from)).collect();
            events.fill_longs(Col::SrcEndpointAsn, &numbers, &rows)?;
        }
        let said = Said::of(events);
        let rows: Vec<_> = (0..)
            .zip(&rows)
            .map(|(at, row)| {
                let place = place_of(row).filter(|place| place.is_somewhere());
                row.filter(|_| place.is_some_and(|place| said.agrees(events, at, place)))
            })
            .collect();
        if rows.iter().all(Option::is_none) {
            return Ok(());
        }
        let mut texts = |col, text: fn(Place<'_>) -> &'_ str| {
            let texts = places.iter().map(|place| place.map(text).filter(|text| !text.is_empty()));
            events.fill_labels(col, &texts.collect::<Vec<_>>(), &rows)
        };
        texts(Col::SrcEndpointLocationCountry, |place| place.country)?;
        texts(Col::SrcEndpointLocationRegion, |place| place.region)?;
        texts(Col::SrcEndpointLocationCity, |place| place.city)?;
        texts(Col::SrcEndpointLocationProvider, |place| place.provider)?;
        let at: Vec<_> = places.iter().map(|place| place.and_then(|place| place.at)).collect();
        let lat: Vec<_> = at.iter().map(|at| at.map(|(lat, _)| lat)).collect();
        let long: Vec<_> = at.iter().map(|at| at.map(|(_, long)| long)).collect();
        events.fill_floats(Col::SrcEndpointLocationLat, &lat, &rows)?;
        events.fill_floats(Col::SrcEndpointLocationLong, &long, &rows)
    }
}

/// Which parts of a place some records of a batch say themselves; most batches have none.
struct Said {
    country: bool,
    region: bool,
    city: bool,
    coordinates: bool,
}

impl Said {
    fn of(events: &EventBatch) -> Self {
        let is_said = |col| !events.is_blank(col);
        Self {
            country: is_said(Col::SrcEndpointLocationCountry),
            region: is_said(Col::SrcEndpointLocationRegion),
            city: is_said(Col::SrcEndpointLocationCity),
            coordinates: is_said(Col::SrcEndpointLocationLat) || is_said(Col::SrcEndpointLocationLong),
        }
    }

    /// Whether what the file says of a row goes with what the record says.
    fn agrees(&self, events: &EventBatch, row: usize, place: &Place<'_>) -> bool {
        let is_other = |col, name: &str| {
            let own = events.str_at(col, row).filter(|own| !own.is_empty() && !name.is_empty());
            own.is_some_and(|own| !own.eq_ignore_ascii_case(name))
        };
        let has = |col| events.float_at(col, row).is_some();
        !(self.coordinates && (has(Col::SrcEndpointLocationLat) || has(Col::SrcEndpointLocationLong))
            || self.country && is_other(Col::SrcEndpointLocationCountry, place.country)
            || self.region && is_other(Col::SrcEndpointLocationRegion, place.region)
            || self.city && is_other(Col::SrcEndpointLocationCity, place.city))
    }
}
