//! The changes of a night: an NBA delivery with inserts, replacements and deletions.

use super::TypeCounts;
use super::object;
use super::xml::{Dialect, Xml, version};
use crate::demo::deliver::day;
use crate::demo::town::night::{Change, Night, Object};
use crate::demo::town::{Class, Oid, quarter_key};
use std::collections::BTreeMap;

/// What became of an object between two key dates: of what came and went nobody hears.
fn net(changes: Vec<(&Night, Change)>) -> Vec<(&Night, Change)> {
    let mut last: BTreeMap<Oid, usize> = BTreeMap::new();
    let mut out: Vec<Option<(&Night, Change)>> = Vec::new();
    for (night, change) in changes {
        let (Change::Insert(object) | Change::Replace(object, _) | Change::Delete(object, _)) = &change;
        let oid = identity(quarter_key(night.quarter), object).1;
        let before = last.insert(oid, out.len()).and_then(|at| out[at].take());
        out.push(match (before.map(|(_, before)| before), change) {
            (Some(Change::Insert(_)), Change::Delete(..)) => None,
            (Some(Change::Insert(_)), Change::Replace(object, _)) => Some((night, Change::Insert(object))),
            (Some(Change::Replace(_, since)), Change::Replace(object, _)) => Some((night, Change::Replace(object, since))),
            (Some(Change::Replace(_, since)), Change::Delete(object, _)) => Some((night, Change::Delete(object, since))),
            (_, change) => Some((night, change)),
        });
    }
    out.into_iter().flatten().collect()
}

/// The delivery of some nights as text, case by case or as the net differences between key dates, with what it inserts, replaces and
/// deletes by type.
pub fn delivery(seed: u64, dialect: Dialect, nights: &[&Night], key_dates: bool) -> (String, [TypeCounts; 3]) {
    let mut xml = Xml::new(dialect, false);
    header(&mut xml, seed, nights, key_dates);
    let cases = nights.iter().flat_map(|night| night.changes.iter().map(|change| (*night, change.clone()))).collect();
    let mut counts: [TypeCounts; 3] = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
    let mut tally = |k: usize, name: &'static str| *counts[k].entry(name).or_insert(0) += 1;
    for (night, change) in if key_dates { net(cases) } else { cases } {
        let quarter = quarter_key(night.quarter);
        match &change {
            Change::Insert(object) => {
                tally(0, identity(quarter, object).0);
                xml.push("<wfs:Insert>\n");
                write(&mut xml, seed, quarter, object, night);
                xml.push("</wfs:Insert>\n");
            }
            Change::Replace(object, since) => {
                let (name, oid) = identity(quarter, object);
                tally(1, name);
                xml.push(match dialect {
                    Dialect::Gid6 => "<wfsext:Replace vendorId=\"AdV\" safeToIgnore=\"false\">\n",
                    Dialect::Gid7 => "<wfs:Replace>\n",
                });
                xml.versioned = dialect == Dialect::Gid6;
                write(&mut xml, seed, quarter, object, night);
                xml.versioned = false;
                filter(&mut xml, oid, since);
                xml.push(if dialect == Dialect::Gid6 { "</wfsext:Replace>\n" } else { "</wfs:Replace>\n" });
            }
            Change::Delete(object, since) => {
                let (name, oid) = identity(quarter, object);
                tally(2, name);
                let prefix = dialect.prefix();
                xml.push(format_args!("<wfs:Delete typeName=\"{prefix}{name}\">\n"));
                filter(&mut xml, oid, since);
                xml.push("</wfs:Delete>\n");
            }
        }
    }
    xml.push("</wfs:Transaction>\n");
    let p = dialect.prefix();
    xml.push(format_args!("</{p}geaenderteObjekte>\n</{p}AX_NutzerbezogeneBestandsdatenaktualisierung_NBA>\n"));
    (xml.out, counts)
}

fn header(xml: &mut Xml, seed: u64, nights: &[&Night], key_dates: bool) {
    let [first, number] = [nights.first(), nights.last()].map(|night| night.map_or(1, |night| night.number));
    let dialect = xml.dialect();
    let p = dialect.prefix();
    let (begin, end) = (day(first - 1), day(number));
    let mode = if key_dates { "stichtagsbezogen" } else { "fallbezogen" };
    xml.push(format_args!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- Synthetische Daten: messkette demo, seed {seed}, night {number} -->\n\
         <{p}AX_NutzerbezogeneBestandsdatenaktualisierung_NBA {}>\n<{p}erlaeuterung>{mode}</{p}erlaeuterung>\n\
         <{p}allgemeineAngaben><{p}AX_K_Benutzungsergebnis><{p}empfaenger><{p}AA_Empfaenger><{p}manuell>true</{p}manuell>\
         </{p}AA_Empfaenger></{p}empfaenger></{p}AX_K_Benutzungsergebnis></{p}allgemeineAngaben>\n\
         <{p}koordinatenangaben><{p}AA_Koordinatenreferenzsystemangaben><{p}crs xlink:href=\"urn:adv:crs:ETRS89_UTM32\"/>\
         <{p}anzahlDerNachkommastellen>3</{p}anzahlDerNachkommastellen><{p}standard>true</{p}standard>\
         </{p}AA_Koordinatenreferenzsystemangaben></{p}koordinatenangaben>\n\
         <{p}profilkennung>kettenau</{p}profilkennung>\n<{p}antragsnummer>MK-{seed}-NBA-{number}</{p}antragsnummer>\n\
         <{p}portionskennung><{p}AX_Portionskennung><{p}profilkennung>kettenau</{p}profilkennung><{p}datum>{end}T04:00:00Z</{p}datum>\
         <{p}laufendePortionsnummer>1</{p}laufendePortionsnummer><{p}gesamtanzahlPortionen>1</{p}gesamtanzahlPortionen>\
         </{p}AX_Portionskennung></{p}portionskennung>\n\
         <{p}abgabeintervallBeginn>{begin}T04:00:00Z</{p}abgabeintervallBeginn>\n\
         <{p}abgabeintervallEnde>{end}T04:00:00Z</{p}abgabeintervallEnde>\n\
         <{p}geaenderteObjekte>\n<wfs:Transaction service=\"WFS\" version=\"{}\">\n",
        dialect.namespaces(),
        if dialect == Dialect::Gid6 { "1.0.0" } else { "2.0.2" },
    ));
}

fn filter(xml: &mut Xml, oid: Oid, since: &str) {
    let version = version(oid, since);
    match xml.dialect() {
        Dialect::Gid6 => xml.push(format_args!("<ogc:Filter><ogc:FeatureId fid=\"{version}\"/></ogc:Filter>\n")),
        Dialect::Gid7 => xml.push(format_args!("<fes:Filter><fes:ResourceId rid=\"{version}\"/></fes:Filter>\n")),
    }
}

/// Type and identifier of an object.
fn identity(quarter: u32, object: &Object) -> (&'static str, Oid) {
    match object {
        Object::Parcel(parcel) => ("AX_Flurstueck", parcel.oid),
        Object::Label(parcel) => ("AP_PTO", parcel.oid.twin(Class::Label)),
        Object::Historic(parcel, _) => ("AX_HistorischesFlurstueck", parcel.oid.twin(Class::Historic)),
        Object::Building(building) => ("AX_Gebaeude", building.oid),
        Object::Address(address) => ("AX_LagebezeichnungMitHausnummer", address.oid),
        Object::AddressPoint(address) => ("AX_GeoreferenzierteGebaeudeadresse", address.point_oid),
        Object::MarkPlace(mark) => ("AX_PunktortTA", Oid::new(quarter, Class::Mark, mark.serial)),
        Object::Mark(mark) => ("AX_Grenzpunkt", Oid::new(quarter, Class::Corner, mark.serial)),
        Object::Share(holding, k) => ("AX_Namensnummer", object::share_oid(quarter, holding, *k)),
        Object::Person(serial) => ("AX_Person", Oid::new(quarter, Class::Person, *serial)),
        Object::Residence(serial) => ("AX_Anschrift", Oid::new(quarter, Class::Residence, *serial)),
    }
}

fn write(xml: &mut Xml, seed: u64, quarter: u32, object: &Object, night: &Night) {
    let since = night.since.as_str();
    match object {
        Object::Parcel(parcel) => object::parcel(xml, parcel),
        Object::Label(parcel) => object::label(xml, parcel, since, parcel.reason),
        Object::Historic(parcel, successors) => {
            object::historic(xml, parcel.oid.twin(Class::Historic), parcel, since, parcel.reason, successors);
        }
        Object::Building(building) => object::building(xml, building),
        Object::Address(address) => object::address(xml, address, "010402"),
        Object::AddressPoint(address) => object::address_point(xml, address, "010402"),
        Object::MarkPlace(mark) => object::mark_place(xml, quarter, mark, since, "010901"),
        Object::Mark(mark) => object::mark(xml, quarter, mark, since, "010901"),
        Object::Share(holding, k) => object::share(xml, quarter, holding, *k, since, "050100"),
        Object::Person(serial) => object::person(xml, seed, quarter, *serial, since, "050100"),
        Object::Residence(serial) => object::residence(xml, quarter, *serial, since, "050100"),
    }
}
