//! The object types of the delivery, one function each.

use super::xml::{Dialect, Xml};
use crate::crs::{Crs, Operation};
use crate::demo::plane::{Point, Ring};
use crate::demo::town::layout::Use;
use crate::demo::town::{Address, Building, Class, Holding, Land, Mark, Oid, Parcel, Town, names, quarter_key};
use std::sync::OnceLock;

/// Land, Regierungsbezirk, Kreis, Gemeinde of the town: Kreis Segeberg, and a municipality that does not exist.
pub const MUNICIPALITY: [(&str, &str); 4] = [("land", "01"), ("regierungsbezirk", "0"), ("kreis", "60"), ("gemeinde", "998")];
/// Amtlicher Gemeindeschlüssel.
pub const MUNICIPALITY_KEY: &str = "01060998";
/// Name of the municipality.
pub const MUNICIPALITY_NAME: &str = "Kettenau";
/// Since when the catalogues hold.
pub const CATALOGUE_SINCE: &str = "2014-11-03T08:00:00Z";

/// Name of a Gemarkung by its number.
pub fn district_name(number: u32) -> String {
    const NAMES: [&str; 12] = [
        "Kettenau",
        "Altendeich",
        "Glashütte",
        "Lattenkamp",
        "Rutenberg",
        "Fluchtstab",
        "Messau",
        "Kettenhof",
        "Steinmark",
        "Grenzhagen",
        "Katastorf",
        "Vermessendorf",
    ];
    let k = (number.saturating_sub(9901)) as usize;
    NAMES.get(k).map_or_else(|| format!("Kettenau-{}", k + 1), |name| (*name).to_owned())
}

/// AX_Flurstueck.
pub fn parcel(xml: &mut Xml, parcel: &Parcel) {
    xml.object("AX_Flurstueck", parcel.oid, &parcel.since, parcel.reason);
    xml.surface(&parcel.outline, &parcel.holes, true, None);
    parcel_body(xml, parcel);
    xml.leaf("abweichenderRechtszustand", false);
    xml.leaf("rechtsbehelfsverfahren", false);
    xml.leaf("zeitpunktDerEntstehung", &parcel.arisen);
    xml.key("gemeindezugehoerigkeit", "AX_Gemeindekennzeichen", &MUNICIPALITY);
    xml.refer("istGebucht", parcel.entry);
    if let Some(place) = parcel.place {
        xml.refer("zeigtAuf", place);
    }
    for address in &parcel.addresses {
        xml.refer("weistAuf", *address);
    }
    xml.close();
}

fn parcel_body(xml: &mut Xml, parcel: &Parcel) {
    let number = parcel.district.to_string();
    xml.key("gemarkung", "AX_Gemarkung_Schluessel", &[("land", "01"), ("gemarkungsnummer", &number)]);
    let (numerator, denominator) = (parcel.label[0].to_string(), parcel.label[1].to_string());
    if parcel.label[1] == 0 {
        xml.key("flurstuecksnummer", "AX_Flurstuecksnummer", &[("zaehler", &numerator)]);
    } else {
        xml.key("flurstuecksnummer", "AX_Flurstuecksnummer", &[("zaehler", &numerator), ("nenner", &denominator)]);
    }
    xml.leaf("flurstueckskennzeichen", parcel.mark());
    let p = xml.dialect().prefix();
    let area = parcel.area;
    xml.push(format_args!("<{p}amtlicheFlaeche uom=\"urn:adv:uom:m2\">{area}.0</{p}amtlicheFlaeche>\n"));
    xml.leaf("flurnummer", parcel.flur);
}

/// AX_HistorischesFlurstueck: a parcel that is no more, with those that came of it.
pub fn historic(xml: &mut Xml, oid: Oid, parcel: &Parcel, since: &str, reason: &str, successors: &[String]) {
    xml.object("AX_HistorischesFlurstueck", oid, since, reason);
    xml.surface(&parcel.outline, &parcel.holes, true, None);
    parcel_body(xml, parcel);
    xml.leaf("zeitpunktDerEntstehung", &parcel.arisen);
    xml.key("gemeindezugehoerigkeit", "AX_Gemeindekennzeichen", &MUNICIPALITY);
    for successor in successors {
        xml.leaf("nachfolgerFlurstueckskennzeichen", successor);
    }
    xml.leaf("zeitpunktDerHistorisierung", &since[..10]);
    xml.close();
}

/// AX_Gebaeude.
pub fn building(xml: &mut Xml, building: &Building) {
    xml.object("AX_Gebaeude", building.oid, &building.since, building.reason);
    xml.surface(&building.shape.outline, &building.shape.holes, false, None);
    xml.leaf("gebaeudefunktion", building.shape.function);
    if let Some(name) = building.shape.name {
        xml.leaf("name", name);
    }
    if building.shape.storeys > 0 {
        xml.leaf("anzahlDerOberirdischenGeschosse", building.shape.storeys);
    }
    if let [part] = building.shape.parts.as_slice() {
        xml.leaf("dachform", part.roof.code());
    }
    xml.leaf("baujahr", building.year);
    quality(xml);
    for address in &building.addresses {
        xml.refer("zeigtAuf", *address);
    }
    xml.close();
}

/// Where the geometry comes from; with the name of an office in it, as real data have it.
fn quality(xml: &mut Xml) {
    xml.open("qualitaetsangaben");
    xml.open("AX_DQMitDatenerhebung");
    xml.open("herkunft");
    let p = xml.dialect().prefix();
    xml.push(format_args!(
        "<gmd:LI_Lineage><gmd:processStep><gmd:LI_ProcessStep><gmd:description>\
         <{p}AX_LI_ProcessStep_MitDatenerhebung_Description>Erhebung</{p}AX_LI_ProcessStep_MitDatenerhebung_Description>\
         </gmd:description><gmd:source><gmd:LI_Source><gmd:description><{p}AX_Datenerhebung>1000</{p}AX_Datenerhebung>\
         </gmd:description></gmd:LI_Source></gmd:source></gmd:LI_ProcessStep></gmd:processStep></gmd:LI_Lineage>\n"
    ));
    xml.close();
    xml.close();
    xml.close();
}

fn coded_street(xml: &mut Xml, street: u32) {
    xml.open("lagebezeichnung");
    xml.open("AX_Lagebezeichnung");
    let key = names::street_key(street);
    let mut parts = MUNICIPALITY.to_vec();
    parts.push(("lage", &key));
    xml.key("verschluesselt", "AX_VerschluesselteLagebezeichnung", &parts);
    xml.close();
    xml.close();
}

/// AX_LagebezeichnungMitHausnummer.
pub fn address(xml: &mut Xml, address: &Address, reason: &str) {
    xml.object("AX_LagebezeichnungMitHausnummer", address.oid, &address.since, reason);
    coded_street(xml, address.street);
    xml.leaf("hausnummer", &address.number);
    xml.refer("gehoertZu", address.parcel);
    if let Some(building) = address.building {
        xml.refer("beziehtSichAuf", building);
    }
    xml.close();
}

/// AX_GeoreferenzierteGebaeudeadresse.
pub fn address_point(xml: &mut Xml, address: &Address, reason: &str) {
    xml.object("AX_GeoreferenzierteGebaeudeadresse", address.point_oid, &address.since, reason);
    xml.point("position", address.at);
    xml.leaf("qualitaetsangaben", 1000);
    for (name, value) in MUNICIPALITY {
        xml.leaf(name, value);
    }
    xml.leaf("ortsteil", "0000");
    xml.leaf("postleitzahl", "22899");
    xml.leaf("ortsnamePost", MUNICIPALITY_NAME);
    xml.leaf("strassenname", names::street(address.street));
    xml.leaf("strassenschluessel", names::street_key(address.street));
    let digits = address.number.find(|c: char| !c.is_ascii_digit()).unwrap_or(address.number.len());
    let (number, letter) = address.number.split_at(digits);
    xml.leaf("hausnummer", number);
    if !letter.trim().is_empty() {
        xml.leaf("adressierungszusatz", letter.trim());
    }
    let name = if xml.dialect() == Dialect::Gid6 { "hatAuch" } else { "zeigtAuf" };
    xml.refer(name, address.oid);
    xml.close();
}

/// AX_LagebezeichnungOhneHausnummer.
pub fn place(xml: &mut Xml, oid: Oid, text: &str) {
    xml.object("AX_LagebezeichnungOhneHausnummer", oid, CATALOGUE_SINCE, "000000");
    xml.key("lagebezeichnung", "AX_Lagebezeichnung", &[("unverschluesselt", text)]);
    xml.close();
}

/// A place in the next zone: offices at its edge deliver both.
fn in_zone_33(at: Point) -> Option<[f64; 2]> {
    static OPERATION: OnceLock<Option<Operation>> = OnceLock::new();
    let operation = OPERATION.get_or_init(|| Operation::between(Crs::UTM32, Crs(25833), &[]).ok()).as_ref()?;
    let mut places = [at.xy()];
    operation.forward(&mut places).ok()?;
    Some(places[0])
}

/// The CRS of measurements that have no place on the map.
pub const LOCAL: &str = "urn:adv:crs:LOKAL_SH_KETTENAU";

/// True for the boundary points that were also measured in the local CRS.
pub fn is_local(mark: &Mark) -> bool {
    mark.serial % 9 == 4
}

/// AX_PunktortAU: the same boundary point as it was measured once.
pub fn local_place(xml: &mut Xml, quarter: u32, mark: &Mark) {
    xml.object("AX_PunktortAU", Oid::new(quarter, Class::LocalMark, mark.serial), CATALOGUE_SINCE, "000000");
    xml.refer("istTeilVon", Oid::new(quarter, Class::Corner, mark.serial));
    let [e, n] = local_of(mark.at);
    xml.point_in("position", LOCAL, format_args!("{e:.3} {n:.3}"));
    xml.leaf("kartendarstellung", false);
    xml.leaf("koordinatenstatus", 5000);
    xml.close();
}

/// A place in the local CRS, whose origin lies by the town.
pub fn local_of(at: Point) -> [f64; 2] {
    let [e, n] = at.xy();
    [e - 565_000.0, n - 5_948_000.0]
}

/// AX_PunktortTA of a boundary point: where it is. Every fifth comes in the next zone of UTM.
pub fn mark_place(xml: &mut Xml, quarter: u32, mark: &Mark, since: &str, reason: &str) {
    xml.object("AX_PunktortTA", Oid::new(quarter, Class::Mark, mark.serial), since, reason);
    xml.refer("istTeilVon", Oid::new(quarter, Class::Corner, mark.serial));
    match in_zone_33(mark.at).filter(|_| mark.serial.is_multiple_of(5)) {
        Some([e, n]) => xml.point_in("position", "urn:adv:crs:ETRS89_UTM33", format_args!("{e:.4} {n:.4}")),
        None => xml.point("position", mark.at),
    }
    xml.leaf("kartendarstellung", true);
    xml.leaf("koordinatenstatus", 1000);
    xml.close();
}

/// AX_Grenzpunkt: what marks it.
pub fn mark(xml: &mut Xml, quarter: u32, mark: &Mark, since: &str, reason: &str) {
    xml.object("AX_Grenzpunkt", Oid::new(quarter, Class::Corner, mark.serial), since, reason);
    xml.leaf("punktkennung", format_args!("32{:03}{:04}{:06}", mark.at.e / 1_000_000, mark.at.n / 1_000_000, mark.serial));
    xml.key("zustaendigeStelle", "AX_Dienststelle_Schluessel", &[("land", "01"), ("stelle", "0201")]);
    xml.leaf("abmarkung_Marke", if mark.serial.is_multiple_of(3) { 1100 } else { 1000 });
    xml.close();
}

/// Object type of the actual use of land, with its attributes.
pub fn land_type(kind: Use) -> (&'static str, &'static [(&'static str, u32)]) {
    match kind {
        Use::House | Use::Row | Use::Court | Use::Apartments => ("AX_Wohnbauflaeche", &[("artDerBebauung", 1000)]),
        Use::Centre => ("AX_FlaecheGemischterNutzung", &[("funktion", 2100)]),
        Use::Church => ("AX_FlaecheBesondererFunktionalerPraegung", &[("funktion", 1140)]),
        Use::School => ("AX_FlaecheBesondererFunktionalerPraegung", &[("funktion", 1120)]),
        Use::TownHall => ("AX_FlaecheBesondererFunktionalerPraegung", &[("funktion", 1110)]),
        Use::Commerce => ("AX_IndustrieUndGewerbeflaeche", &[("funktion", 1700)]),
        Use::Park => ("AX_SportFreizeitUndErholungsflaeche", &[("funktion", 4420)]),
        Use::Playground => ("AX_SportFreizeitUndErholungsflaeche", &[("funktion", 4470)]),
        Use::Pond => ("AX_StehendesGewaesser", &[("funktion", 8631)]),
        Use::Field => ("AX_Landwirtschaft", &[("vegetationsmerkmal", 1010)]),
        Use::Meadow => ("AX_Landwirtschaft", &[("vegetationsmerkmal", 1020)]),
        Use::Wood => ("AX_Wald", &[("vegetationsmerkmal", 1300)]),
        Use::Street | Use::MainRoad => ("AX_Strassenverkehr", &[]),
    }
}

/// An object of the actual use of land; `twin` is the parcel whose curves a shared outline takes.
pub fn land(xml: &mut Xml, land: &Land, twin: Option<Oid>) {
    let (name, leaves) = land_type(land.kind);
    xml.object(name, land.oid, &land.since, "000000");
    xml.surface(&land.outline, &land.holes, true, twin.filter(|_| land.shared));
    for (name, value) in leaves {
        xml.leaf(name, value);
    }
    xml.close();
}

/// AP_PTO: the parcel's number on the map.
pub fn label(xml: &mut Xml, parcel: &Parcel, since: &str, reason: &str) {
    xml.object("AP_PTO", parcel.oid.twin(Class::Label), since, reason);
    let at = if parcel.holes.is_empty() { parcel.outline.centre() } else { parcel.outline.points[0] };
    xml.point("position", at);
    xml.leaf("schriftinhalt", parcel.number());
    xml.leaf("fontSperrung", 0);
    xml.leaf("skalierung", "1.000");
    xml.leaf("horizontaleAusrichtung", "zentrisch");
    xml.leaf("vertikaleAusrichtung", "Mitte");
    xml.leaf("signaturnummer", 4115);
    xml.leaf("art", "ZAE_NEN");
    xml.refer("dientZurDarstellungVon", parcel.oid);
    xml.close();
}

/// AX_SonstigesBauwerkOderSonstigeEinrichtung: a round fountain.
pub fn fountain(xml: &mut Xml, oid: Oid, centre: Point) {
    xml.object("AX_SonstigesBauwerkOderSonstigeEinrichtung", oid, CATALOGUE_SINCE, "000000");
    xml.circle(centre, 2_500);
    xml.leaf("bauwerksfunktion", 1780);
    xml.close();
}

/// The sheet of the land register with entry, shares, persons and residences.
pub fn holding(xml: &mut Xml, seed: u64, quarter: u32, holding: &Holding) {
    let since = holding.since.as_str();
    let sheet = Oid::new(quarter, Class::Sheet, holding.serial);
    let number = format!("{:05}", (quarter % 97) * 1000 + holding.serial);
    xml.object("AX_Buchungsblatt", sheet, since, "000000");
    xml.leaf("buchungsblattkennzeichen", format_args!("0199010{number}"));
    xml.key("buchungsblattbezirk", "AX_Buchungsblattbezirk_Schluessel", &[("land", "01"), ("bezirk", "9901")]);
    xml.leaf("buchungsblattnummerMitBuchstabenerweiterung", &number);
    xml.leaf("blattart", 1000);
    xml.close();
    for (k, parcel) in holding.parcels.iter().enumerate() {
        xml.object("AX_Buchungsstelle", entry_of(*parcel), since, "000000");
        xml.leaf("buchungsart", 1100);
        xml.leaf("laufendeNummer", format_args!("{:04}", k + 1));
        xml.refer("istBestandteilVon", sheet);
        xml.close();
    }
    for (k, owner) in holding.owners.iter().enumerate() {
        share(xml, quarter, holding, k, since, "000000");
        person(xml, seed, quarter, *owner, since, "000000");
        residence(xml, quarter, *owner, since, "000000");
    }
}

/// The entry of a parcel.
pub fn entry_of(parcel: Oid) -> Oid {
    parcel.twin(Class::Entry)
}

/// AX_Namensnummer of the `k`-th owner.
pub fn share(xml: &mut Xml, quarter: u32, holding: &Holding, k: usize, since: &str, reason: &str) {
    xml.object("AX_Namensnummer", share_oid(quarter, holding, k), since, reason);
    xml.leaf("laufendeNummerNachDIN1421", format_args!("{:04}.00.00.00.00", k + 1));
    let count = holding.owners.len();
    xml.key("anteil", "AX_Anteil", &[("zaehler", "1"), ("nenner", if count == 2 { "2" } else { "1" })]);
    xml.leaf("eigentuemerart", if holding.municipal { 4000 } else { 1000 });
    xml.refer("istBestandteilVon", Oid::new(quarter, Class::Sheet, holding.serial));
    xml.refer("benennt", Oid::new(quarter, Class::Person, holding.owners[k]));
    xml.close();
}

/// Identifier of a share.
pub fn share_oid(quarter: u32, holding: &Holding, k: usize) -> Oid {
    Oid::new(quarter, Class::Share, holding.serial * 4 + k as u32)
}

/// AX_Person.
pub fn person(xml: &mut Xml, seed: u64, quarter: u32, serial: u32, since: &str, reason: &str) {
    let residence = Oid::new(quarter, Class::Residence, serial);
    let [family, given] = names::person(seed, quarter, serial);
    xml.object("AX_Person", Oid::new(quarter, Class::Person, serial), since, reason);
    if serial == 0 {
        xml.leaf("nachnameOderFirma", format_args!("KANARI-Stadt {MUNICIPALITY_NAME}"));
        xml.leaf("anrede", 3000);
    } else {
        xml.leaf("nachnameOderFirma", &family);
        xml.leaf("anrede", if serial.is_multiple_of(2) { 1000 } else { 2000 });
        xml.leaf("vorname", given);
        xml.leaf("geburtsdatum", format_args!("{}-{:02}-{:02}", 1935 + serial % 65, 1 + serial % 12, 1 + serial % 28));
    }
    xml.refer("hat", residence);
    xml.close();
}

/// AX_Anschrift of a person.
pub fn residence(xml: &mut Xml, quarter: u32, serial: u32, since: &str, reason: &str) {
    xml.object("AX_Anschrift", Oid::new(quarter, Class::Residence, serial), since, reason);
    xml.leaf("ort_Post", "KANARI-Ort");
    xml.leaf("postleitzahlPostzustellung", "22899");
    xml.leaf("strasse", format_args!("KANARI-Straße-{}", serial % 50));
    xml.leaf("hausnummer", 1 + serial % 90);
    xml.close();
}

/// The catalogues: state, district, municipality, Gemarkungen, Fluren, streets, offices.
pub fn catalogues(xml: &mut Xml, town: &Town) {
    let mut serial = 0;
    let mut next = || {
        serial += 1;
        Oid::new(quarter_key([1023, 0]), Class::Catalogue, serial)
    };
    let since = CATALOGUE_SINCE;
    let mut begin = |xml: &mut Xml, name: &'static str, key: &str, text: &str| {
        xml.object(name, next(), since, "000000");
        xml.leaf("schluesselGesamt", key);
        xml.leaf("bezeichnung", text);
    };
    begin(xml, "AX_Bundesland", "01", "Schleswig-Holstein");
    xml.key("schluessel", "AX_Bundesland_Schluessel", &MUNICIPALITY[..1]);
    xml.close();
    begin(xml, "AX_KreisRegion", "01060", "Segeberg");
    xml.key("schluessel", "AX_Kreis_Schluessel", &MUNICIPALITY[..3]);
    xml.close();
    begin(xml, "AX_Gemeinde", MUNICIPALITY_KEY, MUNICIPALITY_NAME);
    xml.key("gemeindekennzeichen", "AX_Gemeindekennzeichen", &MUNICIPALITY);
    xml.close();
    begin(xml, "AX_Dienststelle", "010201", "Vermessungsstelle der Stadt Kettenau");
    xml.key("schluessel", "AX_Dienststelle_Schluessel", &[("land", "01"), ("stelle", "0201")]);
    xml.close();
    begin(xml, "AX_Buchungsblattbezirk", "019901", "Kettenau");
    xml.key("schluessel", "AX_Buchungsblattbezirk_Schluessel", &[("land", "01"), ("bezirk", "9901")]);
    xml.close();
    let mut districts = std::collections::BTreeMap::<u32, std::collections::BTreeSet<u32>>::new();
    for parcel in town.quarters.iter().filter_map(|quarter| quarter.parcels.first()) {
        districts.entry(parcel.district).or_default().insert(parcel.flur);
    }
    for (district, flurs) in &districts {
        let number = district.to_string();
        begin(xml, "AX_Gemarkung", &format!("01{district}"), &district_name(*district));
        xml.key("schluessel", "AX_Gemarkung_Schluessel", &[("land", "01"), ("gemarkungsnummer", &number)]);
        xml.key("istAmtsbezirkVon", "AX_Dienststelle_Schluessel", &[("land", "01"), ("stelle", "0201")]);
        if xml.dialect() == Dialect::Gid7 {
            xml.key("gemeindezugehoerigkeit", "AX_Gemeindekennzeichen", &MUNICIPALITY);
        }
        xml.close();
        for flur in flurs {
            begin(xml, "AX_GemarkungsteilFlur", &format!("01{district}{flur:03}"), &format!("Flur {flur}"));
            let part = format!("{flur:03}");
            let key = [("land", "01"), ("gemarkung", number.as_str()), ("gemarkungsteilFlur", part.as_str())];
            xml.key("schluessel", "AX_GemarkungsteilFlur_Schluessel", &key);
            xml.close();
        }
    }
    for street in town.streets() {
        let key = names::street_key(street);
        begin_street(xml, street, &key);
    }
}

fn begin_street(xml: &mut Xml, street: u32, key: &str) {
    // Streets of quarters and main roads share one range of identifiers: 22 bits and more are free below the class.
    xml.object("AX_LagebezeichnungKatalogeintrag", street_oid(street), CATALOGUE_SINCE, "000000");
    xml.leaf("schluesselGesamt", format_args!("{MUNICIPALITY_KEY}{key}"));
    xml.leaf("bezeichnung", names::street(street));
    let mut parts = MUNICIPALITY.to_vec();
    parts.push(("lage", key));
    xml.key("schluessel", "AX_VerschluesselteLagebezeichnung", &parts);
    xml.close();
}

/// Identifier of a street's catalogue entry.
pub fn street_oid(street: u32) -> Oid {
    if street < 8192 {
        return Oid::new(quarter_key([1022, 0]), Class::Street, street);
    }
    let own = street - 8192;
    Oid::new(own / 32, Class::Street, own % 32)
}

/// Where a building's fountain stands, if it has a courtyard.
pub fn fountain_of(building: &Building) -> Option<(Oid, Point)> {
    let courtyard: &Ring = building.shape.holes.first()?;
    Some((building.oid.twin(Class::Fountain), courtyard.centre()))
}
