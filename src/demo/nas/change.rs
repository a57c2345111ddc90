//! The changes of a night: an NBA delivery with inserts, replacements and deletions.

use super::TypeCounts;
use super::object;
use super::xml::{Dialect, Xml, version};
use crate::demo::deliver::day;
use crate::demo::town::night::{Change, Night, Object};
use crate::demo::town::{Class, Oid, quarter_key};
use std::collections::BTreeMap;

/// The delivery as text, with what it inserts, replaces and deletes by type.
pub fn delivery(seed: u64, dialect: Dialect, night: &Night) -> (String, [TypeCounts; 3]) {
    let mut xml = Xml::new(dialect, false);
    header(&mut xml, seed, night);
    let quarter = quarter_key(night.quarter);
    let mut counts: [TypeCounts; 3] = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
    let mut tally = |k: usize, name: &'static str| *counts[k].entry(name).or_insert(0) += 1;
    for change in &night.changes {
        match change {
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

fn header(xml: &mut Xml, seed: u64, night: &Night) {
    let (dialect, number) = (xml.dialect(), night.number);
    let p = dialect.prefix();
    let (begin, end) = (day(number - 1), day(number));
    xml.push(format_args!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- Synthetische Daten: messkette demo, seed {seed}, night {number} -->\n\
         <{p}AX_NutzerbezogeneBestandsdatenaktualisierung_NBA {}>\n<{p}erlaeuterung>fallbezogen</{p}erlaeuterung>\n\
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
