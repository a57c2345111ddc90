//! Deliveries of the cadastre: the stock (BDA) and the changes of a night (NBA), as NAS.

pub mod change;
pub mod object;
pub mod xml;

use super::plane::Point;
use super::town::{Quarter, Town, layout::Use};
use crate::error::Result;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;
use xml::{Dialect, Xml};

/// Objects by type.
pub type TypeCounts = BTreeMap<&'static str, u64>;

/// Deliveries overlap by so much on each side, in millimetres: what lies there is in both.
const OVERLAP: i64 = 60_000;

/// How many different objects of each type the town has, without the copies in overlaps.
pub fn distinct(town: &Town, dialect: Dialect) -> TypeCounts {
    let mut catalogues = Xml::new(dialect, false);
    object::catalogues(&mut catalogues, town);
    let mut counts = catalogues.counts;
    let mut add = |name: &'static str, count: usize| {
        if count > 0 {
            *counts.entry(name).or_insert(0) += count as u64;
        }
    };
    for quarter in &town.quarters {
        for name in ["AX_Flurstueck", "AP_PTO"] {
            add(name, quarter.parcels.len());
        }
        add("AX_Gebaeude", quarter.buildings.len());
        let fountains = quarter.buildings.iter().filter(|building| object::fountain_of(building).is_some()).count();
        add("AX_SonstigesBauwerkOderSonstigeEinrichtung", fountains);
        for name in ["AX_LagebezeichnungMitHausnummer", "AX_GeoreferenzierteGebaeudeadresse"] {
            add(name, quarter.addresses.len());
        }
        for land in &quarter.lands {
            add(object::land_type(land.kind).0, 1);
        }
        for name in ["AX_PunktortTA", "AX_Grenzpunkt"] {
            add(name, quarter.marks.len());
        }
        add("AX_PunktortAU", quarter.marks.iter().filter(|mark| object::is_local(mark)).count());
        add("AX_LagebezeichnungOhneHausnummer", quarter.places.len());
        add("AX_Buchungsblatt", quarter.holdings.len());
        add("AX_Buchungsstelle", quarter.holdings.iter().map(|holding| holding.parcels.len()).sum());
        for name in ["AX_Namensnummer", "AX_Person", "AX_Anschrift"] {
            add(name, quarter.holdings.iter().map(|holding| holding.owners.len()).sum());
        }
    }
    counts
}

/// Columns of quarters that each stock file covers.
pub fn stock_columns(town: &Town) -> Vec<[u32; 2]> {
    let step = if town.size[0] <= 2 { 1 } else { 2 };
    (0..town.size[0]).step_by(step as usize).map(|from| [from, (from + step).min(town.size[0])]).collect()
}

/// Writes the stock of the given columns of quarters, and returns what is in it.
///
/// # Errors
/// When the writer fails.
pub fn write_stock(
    town: &Town,
    dialect: Dialect,
    columns: [u32; 2],
    date: &str,
    out: &mut impl Write,
    fail: impl Fn(std::io::Error) -> crate::Error,
) -> Result<TypeCounts> {
    let [from, to] = columns;
    let side = super::town::layout::QUARTER;
    let west = super::ground::ORIGIN[0] as i64 * 1000;
    let low = if from == 0 { i64::MIN } else { west + i64::from(from) * side - OVERLAP };
    let high = if to == town.size[0] { i64::MAX } else { west + i64::from(to) * side + OVERLAP };
    let within = |at: Point| at.e >= low && at.e <= high;
    // The columns beside hold what overlaps.
    let spots: Vec<&Quarter> = (0..town.size[1])
        .flat_map(|j| (from.saturating_sub(1)..(to + 1).min(town.size[0])).map(move |i| [i, j]))
        .filter_map(|at| town.quarter(at))
        .collect();
    let own = |quarter: &Quarter| (from..to).contains(&quarter.at[0]);
    let parcels = spots.iter().flat_map(|quarter| &quarter.parcels).filter(|parcel| within(parcel.outline.centre())).count();
    let buildings = spots.iter().flat_map(|quarter| &quarter.buildings).filter(|b| within(b.shape.outline.centre())).count();
    let header = stock_header(town, dialect, columns, date, parcels, buildings);
    out.write_all(header.as_bytes()).map_err(&fail)?;
    let mut counts = TypeCounts::new();
    let mut first = Xml::new(dialect, true);
    object::catalogues(&mut first, town);
    flush(&first, &mut counts, out, &fail)?;
    for some in spots.chunks(16) {
        let texts: Vec<Xml> = some
            .par_iter()
            .map(|quarter| {
                let mut xml = Xml::new(dialect, true);
                write_quarter(&mut xml, town, quarter, own(quarter), within);
                xml
            })
            .collect();
        for text in texts {
            flush(&text, &mut counts, out, &fail)?;
        }
    }
    let p = dialect.prefix();
    let end = format!("</wfs:FeatureCollection>\n</{p}enthaelt>\n</{p}AX_Bestandsdatenauszug>\n");
    out.write_all(end.as_bytes()).map_err(&fail)?;
    Ok(counts)
}

fn flush(xml: &Xml, counts: &mut TypeCounts, out: &mut impl Write, fail: &impl Fn(std::io::Error) -> crate::Error) -> Result<()> {
    for (name, count) in &xml.counts {
        *counts.entry(name).or_insert(0) += count;
    }
    out.write_all(xml.out.as_bytes()).map_err(fail)
}

fn stock_header(town: &Town, dialect: Dialect, columns: [u32; 2], date: &str, parcels: usize, buildings: usize) -> String {
    let p = dialect.prefix();
    let [west, south, east, north] = town.bounds();
    // The protocol in the header looks like objects to who searches for tags; real deliveries have the like.
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- Synthetische Daten: messkette demo, seed {seed}. Keine Person, kein Grundstueck \
         darin gibt es. <AX_Flurstueck> in diesem Kommentar ist keines. -->\n\
         <{p}AX_Bestandsdatenauszug {namespaces}>\n\
         <{p}erlaeuterung><![CDATA[<?xml version=\"1.0\"?><IB_Protokoll><profilkennung>messkette</profilkennung>\
         <objektmenge objektart=\"AX_Flurstueck\"><objektanzahl>{parcels}</objektanzahl></objektmenge>\
         <objektmenge objektart=\"AX_Gebaeude\"><objektanzahl>{buildings}</objektanzahl></objektmenge></IB_Protokoll>]]></{p}erlaeuterung>\n\
         <{p}erfolgreich>true</{p}erfolgreich>\n<{p}antragsnummer>MK-{seed}-{first}</{p}antragsnummer>\n\
         <{p}allgemeineAngaben><{p}AX_K_Benutzungsergebnis><{p}empfaenger><{p}AA_Empfaenger><{p}manuell>true</{p}manuell>\
         </{p}AA_Empfaenger></{p}empfaenger></{p}AX_K_Benutzungsergebnis></{p}allgemeineAngaben>\n\
         <{p}koordinatenangaben><{p}AA_Koordinatenreferenzsystemangaben><{p}crs xlink:href=\"urn:adv:crs:ETRS89_UTM32\"/>\
         <{p}anzahlDerNachkommastellen>3</{p}anzahlDerNachkommastellen><{p}standard>true</{p}standard>\
         </{p}AA_Koordinatenreferenzsystemangaben></{p}koordinatenangaben>\n\
         <{p}enthaelt>\n<wfs:FeatureCollection gml:id=\"MK{first}\"{stamp}>\n\
         <gml:boundedBy><gml:Envelope srsName=\"urn:adv:crs:ETRS89_UTM32\"><gml:lowerCorner>{west:.3} {south:.3}</gml:lowerCorner>\
         <gml:upperCorner>{east:.3} {north:.3}</gml:upperCorner></gml:Envelope></gml:boundedBy>\n",
        seed = town.seed,
        first = columns[0],
        namespaces = dialect.namespaces(),
        stamp = if dialect == Dialect::Gid7 {
            format!(" timeStamp=\"{date}T04:00:00Z\" numberMatched=\"unknown\" numberReturned=\"0\"")
        } else {
            String::new()
        },
    )
}

/// The objects of a quarter; those without a place of their own only if the delivery covers it.
fn write_quarter(xml: &mut Xml, town: &Town, quarter: &Quarter, own: bool, within: impl Fn(Point) -> bool) {
    let key = quarter.key();
    for parcel in quarter.parcels.iter().filter(|parcel| within(parcel.outline.centre())) {
        object::parcel(xml, parcel);
        object::label(xml, parcel, &parcel.since, parcel.reason);
    }
    for building in quarter.buildings.iter().filter(|building| within(building.shape.outline.centre())) {
        object::building(xml, building);
        if let Some((oid, centre)) = object::fountain_of(building) {
            object::fountain(xml, oid, centre);
        }
    }
    for address in quarter.addresses.iter().filter(|address| within(address.at)) {
        object::address(xml, address, "000000");
        object::address_point(xml, address, "000000");
    }
    let pond = quarter.parcels.iter().find(|parcel| parcel.kind == Use::Pond).map(|parcel| parcel.oid);
    for land in quarter.lands.iter().filter(|land| within(land.outline.centre())) {
        object::land(xml, land, pond);
    }
    if !own {
        return;
    }
    for mark in &quarter.marks {
        object::mark_place(xml, key, mark, object::CATALOGUE_SINCE, "000000");
        object::mark(xml, key, mark, object::CATALOGUE_SINCE, "000000");
        if object::is_local(mark) {
            object::local_place(xml, key, mark);
        }
    }
    for (oid, text) in &quarter.places {
        object::place(xml, *oid, text);
    }
    for holding in &quarter.holdings {
        object::holding(xml, town.seed, key, holding);
    }
}
