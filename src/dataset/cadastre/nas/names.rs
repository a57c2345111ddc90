//! Names of the AAA model: namespace families, classes of personal data, and the properties that may be kept.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// What a namespace belongs to; versions do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// AAA objects of GeoInfoDok, any version.
    Aaa,
    /// GML 3.
    Gml,
    /// WFS, filter encoding, and the AdV's own variants of both.
    Wfs,
    /// `XLink`.
    Xlink,
    /// Anything else: ISO metadata, schema instance ...
    Other,
}

/// The family of a namespace name.
pub fn family(namespace: &str) -> Family {
    if let Some(rest) = namespace.strip_prefix("http://www.adv-online.de/namespaces/adv/gid/") {
        // The version follows for objects; `wfs`, `wfsext`, `ogc`, `fes` for operations.
        return if rest.starts_with(|first: char| first.is_ascii_digit()) { Family::Aaa } else { Family::Wfs };
    }
    if namespace.starts_with("http://www.opengis.net/gml") {
        Family::Gml
    } else if ["wfs", "fes", "ogc"]
        .iter()
        .any(|name| namespace.strip_prefix("http://www.opengis.net/").is_some_and(|rest| rest.starts_with(name)))
    {
        Family::Wfs
    } else if namespace == "http://www.w3.org/1999/xlink" {
        Family::Xlink
    } else {
        Family::Other
    }
}

/// The prefixes in force and what they stand for; later ones hide earlier ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope(pub Vec<(String, Family)>);

impl Scope {
    /// Family and local name of a qualified name.
    pub fn resolve<'a>(&self, qualified: &'a str) -> (Family, &'a str) {
        self.resolve_within(&Self::default(), qualified)
    }
    /// The same with the prefixes that are in force `around` these.
    pub fn resolve_within<'a>(&self, around: &Self, qualified: &'a str) -> (Family, &'a str) {
        let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
        let mut known = self.0.iter().rev().chain(around.0.iter().rev());
        (known.find(|(known, _)| known == prefix).map_or(Family::Other, |(_, family)| *family), local)
    }
    /// Takes in a declaration, when the attribute is one.
    pub fn declare(&mut self, name: &str, value: &str) -> bool {
        let prefix = match name.strip_prefix("xmlns") {
            Some("") => "",
            Some(rest) => match rest.strip_prefix(':') {
                Some(prefix) => prefix,
                None => return false,
            },
            None => return false,
        };
        self.0.push((prefix.to_owned(), family(value)));
        true
    }
}

/// Classes of GeoInfoDok 6.0 and 7.1 in ALKIS, ATKIS and AFIS.
const CLASSES: &str = include_str!("classes.txt");

/// True for a class of GeoInfoDok, whatever the case of its letters: both versions write some names differently.
pub fn is_known(class: &str) -> bool {
    CLASSES.lines().any(|known| known.eq_ignore_ascii_case(class))
}

/// Classes of personal data and of the land register. Their objects are dropped before they are parsed.
const PRIVATE: &[&str] = &[
    "AX_Anschrift",
    "AX_BauRaumOderBodenordnungsrechtGrundbuch",
    "AX_Buchungsblatt",
    "AX_Buchungsblattbezirk",
    "AX_Buchungsstelle",
    "AX_FlurstueckGrundbuch",
    "AX_FortfuehrungsfallGrundbuch",
    "AX_FortfuehrungsnachweisDeckblatt",
    "AX_Namensnummer",
    "AX_Person",
    "AX_Personengruppe",
    "AX_Vertretung",
    "AX_Verwaltung",
];

/// True for a class of personal data, or one whose name says so, whatever the case of its letters.
pub fn is_private(class: &str) -> bool {
    static KNOWN: LazyLock<HashMap<&str, bool, ahash::RandomState>> =
        LazyLock::new(|| CLASSES.lines().map(|class| (class, is_private_by_name(class))).collect());
    KNOWN.get(class).copied().unwrap_or_else(|| is_private_by_name(class))
}

/// True for a class of personal data as the model writes it; for data types, which are many and whose elements are on a list.
pub fn is_listed_private(class: &str) -> bool {
    PRIVATE.contains(&class)
}

fn is_private_by_name(class: &str) -> bool {
    let holds = |stem: &&str| class.as_bytes().windows(stem.len()).any(|part| part.eq_ignore_ascii_case(stem.as_bytes()));
    PRIVATE.iter().any(|known| known.eq_ignore_ascii_case(class)) || PRIVATE_STEMS.iter().any(holds)
}

/// Parts of names that no class of another kind has: a class that a later model or an office adds is personal too.
const PRIVATE_STEMS: [&str; 8] = ["person", "eigent", "anschrift", "grundbuch", "namensnummer", "buchungs", "antrag", "benutzer"];

/// Class of a parcel that has a place in the map of today or had one.
pub const PARCEL: &str = "AX_Flurstueck";

/// True for the property that says where a parcel is booked in the land register: read with owners only.
pub fn is_booking(class: &str, property: &str) -> bool {
    class == PARCEL && property == "istGebucht"
}

/// Properties that may be kept, of any class. What is not here is not read: registers of other offices, free text, names of
/// surveyors, references to owners, and whatever a later model adds.
const ALLOWED: &[&str] = &[
    "abbaugut",
    "abgeleiteteHoehe",
    "abmarkung_Marke",
    "abweichenderRechtszustand",
    "ackerzahlOderGruenlandzahl",
    "adressierungszusatz",
    "amtlicheFlaeche",
    "anlass",
    "anzahlDerGleise",
    "anzahlDerOberirdischenGeschosse",
    "anzahlDerUnterirdischenGeschosse",
    "archaeologischerTyp",
    "art",
    "artDerBebauung",
    "artDerBodenordnung",
    "artDerFestlegung",
    "artDerFlurstuecksgrenze",
    "artDesParks",
    "ausfuehrendeStelle",
    "bahnkategorie",
    "bauart",
    "baublockbezeichnung",
    "bauweise",
    "bauwerksfunktion",
    "bedeutung",
    "befestigung",
    "bergbauart",
    "beschaffenheit",
    "besondereFunktion",
    "bewuchs",
    "bezeichnung",
    "bodenart",
    "bodenzahlOderGruenlandgrundzahl",
    "breiteDesGewaessers",
    "breiteDesVerkehrsweges",
    "bundesland",
    "dachart",
    "dachform",
    "dachgeschossausbau",
    "darstellungsprioritaet",
    "drehwinkel",
    "durchfahrtshoehe",
    "entstehungsartOderKlimastufeWasserverhaeltnisse",
    "fahrbahntrennung",
    "flaechengemeinschaft",
    "flurnummer",
    "flurstuecksfolge",
    "flurstueckskennzeichen",
    "flurstuecksnummer",
    "foerdergut",
    "fontSperrung",
    "fortfuehrungsfallnummer",
    "funktion",
    "gebaeudefunktion",
    "gebaeudekennzeichen",
    "gemarkung",
    "gemarkungsnummer",
    "gemeinde",
    "gemeindekennzeichen",
    "gemeindeteil",
    "gemeindezugehoerigkeit",
    "genauigkeitsstufe",
    "geschossflaeche",
    "gewaesserfunktion",
    "gewaesserkennziffer",
    "grundflaeche",
    "hafenkategorie",
    "hausnummer",
    "historisch",
    "hochhaus",
    "hoehe",
    "horizontaleAusrichtung",
    "hydrologischesMerkmal",
    "istWeitereNutzung",
    "jahreszahl",
    "kartendarstellung",
    "klassifizierung",
    "klassifizierungGMVZ",
    "kleinraeumigLandschaft",
    "klimastufe",
    "koordinatenstatus",
    "kreis",
    "kulturart",
    "lage",
    "lageZurErdoberflaeche",
    "lageZurOberflaeche",
    "lagebezeichnung",
    "lagergut",
    "land",
    "laufendeNummer",
    "merkmal",
    "modellart",
    "nachfolgerFlurstueckskennzeichen",
    "name",
    "nummerDerBahnstrecke",
    "nutzung",
    "nutzungsart",
    "oberflaechenmaterial",
    "objekthoehe",
    "ortsnamePost",
    "ortsteil",
    "ortsteilPost",
    "postleitzahl",
    "primaerenergie",
    "produkt",
    "pseudonummer",
    "punktkennung",
    "rechtsbehelfsverfahren",
    "rechtszustand",
    "regierungsbezirk",
    "schluessel",
    "schluesselGesamt",
    "schriftinhalt",
    "schutzgebiet",
    "signaturnummer",
    "skalierung",
    "sportart",
    "spurweite",
    "stelle",
    "stellenart",
    "strassenschluessel",
    "tidemerkmal",
    "ueberschriftImFortfuehrungsnachweis",
    "umbauterRaum",
    "unverschluesselt",
    "vegetationsmerkmal",
    "verkehrsbedeutungInneroertlich",
    "verkehrsbedeutungUeberoertlich",
    "vermarkung_Marke",
    "vertikaleAusrichtung",
    "vorgaengerFlurstueckskennzeichen",
    "weitereGebaeudefunktion",
    "widmung",
    "wirtschaftsart",
    "zeigtAufAltesFlurstueck",
    "zeigtAufNeuesFlurstueck",
    "zeitpunktDerEntstehung",
    "zeitpunktDerEntstehungDesBezugsflurstuecks",
    "zeitpunktDerHistorisierung",
    "zone",
    "zustaendigeStelle",
    "zustand",
    "zustandsstufe",
    "zustandsstufeOderBodenstufe",
    "zweifelhafterFlurstuecksnachweis",
    "zweitname",
];

/// [`ALLOWED`], to be asked for each property of each object.
static ALLOWED_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| ALLOWED.iter().copied().collect());

/// References that may be kept: class (or its beginning), property. A reference to a dropped object must not remain.
const ALLOWED_REFERENCES: &[(&str, &str)] = &[
    ("AP_", "dientZurDarstellungVon"),
    ("AX_Bauteil", "istTeilVon"),
    // Codes here, free text elsewhere.
    ("AX_Bodenschaetzung", "sonstigeAngaben"),
    ("AX_Flurstueck", "weistAuf"),
    ("AX_Flurstueck", "zeigtAuf"),
    ("AX_Gebaeude", "gehoertZu"),
    ("AX_Gebaeude", "hat"),
    ("AX_Gebaeude", "zeigtAuf"),
    ("AX_GeoreferenzierteGebaeudeadresse", "hatAuch"),
    ("AX_GeoreferenzierteGebaeudeadresse", "verweistAuf"),
    ("AX_GeoreferenzierteGebaeudeadresse", "weistAuf"),
    ("AX_GeoreferenzierteGebaeudeadresse", "zeigtAuf"),
    ("AX_Punktort", "istTeilVon"),
    ("AX_SonstigesBauwerk", "gehoertZu"),
    ("AX_Turm", "zeigtAuf"),
];

/// Kinds of lettering whose text is a number or a street, never a person.
const ALLOWED_LETTERING: &[&str] =
    &["BWF", "DHFA", "Fliessgewaesser", "Flurnummer", "FNR", "GFK", "HNR", "PNR", "Strasse", "ZAE_NEN", "ZNM"];

/// True when a property of an object of a class may be read.
pub fn is_allowed(class: &str, property: &str) -> bool {
    if property == "qualitaetsangaben" {
        // A plain code here; elsewhere the names of those who measured.
        return class == "AX_GeoreferenzierteGebaeudeadresse";
    }
    ALLOWED_SET.contains(property) || ALLOWED_REFERENCES.iter().any(|(begin, name)| *name == property && class.starts_with(begin))
}

/// Elements of data types that may be kept within a property: parts of keys, of numbers and of names of streets.
const ALLOWED_WITHIN: &[&str] = &[
    "advStandardModell",
    "bezirk",
    "gemarkung",
    "gemarkungsnummer",
    "gemarkungsteilFlur",
    "gemeinde",
    "gemeindeteil",
    "hoehe",
    "kreis",
    "lage",
    "land",
    "nenner",
    "nummerDesGrablochs",
    "nummerierungsbezirk",
    "obererBezugspunkt",
    "regierungsbezirk",
    "sonstigesModell",
    "stelle",
    "untererBezugspunkt",
    "unverschluesselt",
    "verschluesselt",
    "verwaltungsgemeinschaft",
    "zaehler",
];

/// True when an element of a data type may be kept within a property that may be kept.
pub fn is_allowed_within(name: &str) -> bool {
    ALLOWED_WITHIN.binary_search(&name).is_ok()
}

/// True when the text of a lettering of this kind may be kept.
pub fn is_allowed_lettering(kind: &str) -> bool {
    ALLOWED_LETTERING.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_do_not_depend_on_versions() {
        assert_eq!(family("http://www.adv-online.de/namespaces/adv/gid/6.0"), Family::Aaa);
        assert_eq!(family("http://www.adv-online.de/namespaces/adv/gid/7.1"), Family::Aaa);
        assert_eq!(family("http://www.adv-online.de/namespaces/adv/gid/wfsext"), Family::Wfs);
        assert_eq!(family("http://www.opengis.net/gml/3.2"), Family::Gml);
        assert_eq!(family("http://www.opengis.net/fes/2.0"), Family::Wfs);
        assert_eq!(family("http://example.org/"), Family::Other);
    }

    #[test]
    fn the_lists_are_searchable_and_keep_owners_out() {
        assert!(PRIVATE.is_sorted() && ALLOWED.is_sorted() && ALLOWED_WITHIN.is_sorted());
        for class in ["AX_PERSON", "ax_anschrift", "AX_NamensNummer", "AX_EigentuemerNeu", "AX_NatuerlichePerson", "AA_Antrag"] {
            assert!(is_private(class), "{class}");
        }
        let private: Vec<&str> = CLASSES.lines().filter(|class| is_private(class)).collect();
        let of_people = ["AX_Benutzer", "AX_Benutzergruppe", "AX_BenutzergruppeMitZugriffskontrolle", "AX_BenutzergruppeNBA"];
        assert!(private.iter().all(|class| PRIVATE.contains(class) || of_people.contains(class)), "{private:?}");
        for class in
            ["AX_Person", "AX_Personengruppe", "AX_Benutzer", "AX_Benutzergruppe", "AX_Verwaltung", "AX_Buchungsblattbezirk"]
        {
            assert!(is_private(class), "{class}");
        }
        assert!(CLASSES.lines().is_sorted() && is_known("AX_Flurstueck") && !is_known("AX_Raumstation"));
        assert!(!is_private("AX_Flurstueck") && !is_private("AX_Gebaeude"));
        for property in [
            "istGebucht",
            "istHistGebucht",
            "buchung",
            "wirdVerwaltetVon",
            "zeigtAufExternes",
            "gehoert",
            "sonstigeEigenschaften",
        ] {
            assert!(!is_allowed("AX_Flurstueck", property), "{property}");
        }
        assert!(is_allowed("AX_Flurstueck", "zeigtAuf") && !is_allowed("AX_Dienststelle", "hat"));
        assert!(!is_allowed("AX_PunktortAU", "qualitaetsangaben"));
    }
}
