//! German names for what the portal shows, and for the codes of the AdV profile.

use crate::dataset::cadastre::codes;

/// Attributes with German names, in the order in which a portal shows them.
pub const ATTRIBUTES: [(&str, &str); 18] = [
    ("id", "Kennung"),
    ("address", "Adresse"),
    ("function_text", "Funktion"),
    ("function", "Gebäudefunktion (Schlüssel)"),
    ("usage", "Nutzung"),
    ("measuredHeight", "Höhe (m)"),
    ("roofType_text", "Dachform"),
    ("roofType", "Dachform (Schlüssel)"),
    ("storeysAboveGround", "Geschosse"),
    ("storeysBelowGround", "Untergeschosse"),
    ("yearOfConstruction", "Baujahr"),
    ("name", "Name"),
    ("Gemeindeschluessel", "Gemeindeschlüssel"),
    ("Grundrissaktualitaet", "Stand des Grundrisses"),
    ("DatenquelleDachhoehe", "Datenquelle Dachhöhe"),
    ("DatenquelleLage", "Datenquelle Lage"),
    ("DatenquelleBodenhoehe", "Datenquelle Bodenhöhe"),
    ("creationDate", "Erstellt am"),
];

/// Shapes of roofs (AdV product standard 3D building model, code list `roofType`).
const ROOFS: [(&str, &str); 15] = [
    ("1000", "Flachdach"),
    ("2100", "Pultdach"),
    ("2200", "Versetztes Pultdach"),
    ("3100", "Satteldach"),
    ("3200", "Walmdach"),
    ("3300", "Krüppelwalmdach"),
    ("3400", "Mansardendach"),
    ("3500", "Zeltdach"),
    ("3600", "Kegeldach"),
    ("3700", "Kuppeldach"),
    ("3800", "Sheddach"),
    ("3900", "Bogendach"),
    ("4000", "Turmdach"),
    ("5000", "Mischform"),
    ("9999", "Sonstiges"),
];

/// The name of a roof's shape; several codes are joined by `; `.
pub fn roof(codes: &str) -> Option<String> {
    joined(codes, |code| ROOFS.iter().find(|(known, _)| *known == code).map(|&(_, name)| name))
}

/// The classes of ALKIS whose codes stand in `function`, as `31001_1010`.
const CLASSES: [&str; 9] = [
    "AX_Gebaeude",
    "AX_Turm",
    "AX_BauwerkOderAnlageFuerIndustrieUndGewerbe",
    "AX_VorratsbehaelterSpeicherbauwerk",
    "AX_BauwerkOderAnlageFuerSportFreizeitUndErholung",
    "AX_HistorischesBauwerkOderHistorischeEinrichtung",
    "AX_SonstigesBauwerkOderSonstigeEinrichtung",
    "AX_BauwerkImVerkehrsbereich",
    "AX_BauwerkImGewaesserbereich",
];

/// What a building is for: the name of ALKIS's code, else that of its class; several codes are joined by `; `.
pub fn function(codes: &str) -> Option<String> {
    joined(codes, |text| {
        let (key, code) = text.split_once('_')?;
        let class = CLASSES.into_iter().find(|class| codes::building_class(class).is_some_and(|(known, _)| known == key))?;
        codes::kind(class, code).or_else(|| codes::building_class(class).map(|(_, name)| name))
    })
}

/// The names of codes that are joined by `; `; `None` unless all have one.
fn joined(codes: &str, name: impl Fn(&str) -> Option<&'static str>) -> Option<String> {
    codes.split("; ").map(name).collect::<Option<Vec<&str>>>().map(|names| names.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_have_names_and_unknown_none() {
        assert_eq!(roof("3100").as_deref(), Some("Satteldach"));
        assert_eq!(roof("1000; 3200").as_deref(), Some("Flachdach; Walmdach"));
        assert_eq!(roof("1000; 1"), None);
        assert_eq!(function("31001_2463").as_deref(), Some("Garage"));
        assert_eq!(function("31001_1010; 51009_0").as_deref(), Some("Wohnhaus; Sonstiges Bauwerk oder sonstige Einrichtung"));
        assert_eq!(function("1010"), None);
    }
}
