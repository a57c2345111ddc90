//! Classes and code lists of GeoInfoDok with their German names, as far as the tables show them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The enumerations of GeoInfoDok that tell the kind of an object, by class and code.
/// Codes and names are those of AdV's feature catalogue, as the schema of the PostNAS import (norBIT alkisimport) lists them.
static CODES: LazyLock<BTreeMap<(&'static str, &'static str), &'static str>> = LazyLock::new(|| {
    let lines = include_str!("codes.tsv").lines();
    lines
        .filter_map(|line| line.split_once('\t').and_then(|(class, rest)| Some((class, rest.split_once('\t')?))))
        .map(|(class, (code, name))| ((class, code), name))
        .collect()
});

/// German name of what an object of a class is for: `gebaeudefunktion`, `bauwerksfunktion`, `funktion`, `vegetationsmerkmal`,
/// `abmarkung_Marke` ... whichever its class has.
pub fn kind(class: &str, code: &str) -> Option<&'static str> {
    CODES.get(&(class, code)).copied()
}

/// The code list of reasons for a version.
const REASON: &str = "AA_Anlassart";

/// A reason for a version (`AA_Anlassart`): its name, where it is known, and its code.
pub fn reason(code: &str) -> String {
    kind(REASON, code).map_or_else(|| code.to_owned(), |name| format!("{name} ({code})"))
}

/// Key (`31001`) and German name of a class that stands in `GebaeudeBauwerk`.
pub fn building_class(class: &str) -> Option<(&'static str, &'static str)> {
    Some(match class {
        "AX_Gebaeude" => ("31001", "Gebäude"),
        "AX_Turm" => ("51001", "Turm"),
        "AX_BauwerkOderAnlageFuerIndustrieUndGewerbe" => ("51002", "Bauwerk oder Anlage für Industrie und Gewerbe"),
        "AX_VorratsbehaelterSpeicherbauwerk" => ("51003", "Vorratsbehälter, Speicherbauwerk"),
        "AX_BauwerkOderAnlageFuerSportFreizeitUndErholung" => ("51006", "Bauwerk oder Anlage für Sport, Freizeit und Erholung"),
        "AX_HistorischesBauwerkOderHistorischeEinrichtung" => ("51007", "Historisches Bauwerk oder historische Einrichtung"),
        "AX_SonstigesBauwerkOderSonstigeEinrichtung" => ("51009", "Sonstiges Bauwerk oder sonstige Einrichtung"),
        "AX_BauwerkImVerkehrsbereich" => ("53001", "Bauwerk im Verkehrsbereich"),
        "AX_BauwerkImGewaesserbereich" => ("53009", "Bauwerk im Gewässerbereich"),
        _ => return None,
    })
}

/// German name of a class of land use that stands in `Nutzung`, and the property that tells its kind.
pub fn land_use_class(class: &str) -> Option<(&'static str, &'static str)> {
    Some(match class {
        "AX_Wohnbauflaeche" => ("Wohnbaufläche", "artDerBebauung"),
        "AX_IndustrieUndGewerbeflaeche" => ("Industrie- und Gewerbefläche", "funktion"),
        "AX_Halde" => ("Halde", "lagergut"),
        "AX_Bergbaubetrieb" => ("Bergbaubetrieb", "abbaugut"),
        "AX_TagebauGrubeSteinbruch" => ("Tagebau, Grube, Steinbruch", "abbaugut"),
        "AX_FlaecheGemischterNutzung" => ("Fläche gemischter Nutzung", "funktion"),
        "AX_FlaecheBesondererFunktionalerPraegung" => ("Fläche besonderer funktionaler Prägung", "funktion"),
        "AX_SportFreizeitUndErholungsflaeche" => ("Sport-, Freizeit- und Erholungsfläche", "funktion"),
        "AX_Friedhof" => ("Friedhof", "funktion"),
        "AX_Strassenverkehr" => ("Straßenverkehr", "funktion"),
        "AX_Weg" => ("Weg", "funktion"),
        "AX_Platz" => ("Platz", "funktion"),
        "AX_Bahnverkehr" => ("Bahnverkehr", "funktion"),
        "AX_Flugverkehr" => ("Flugverkehr", "funktion"),
        "AX_Schiffsverkehr" => ("Schiffsverkehr", "funktion"),
        "AX_Landwirtschaft" => ("Landwirtschaft", "vegetationsmerkmal"),
        "AX_Wald" => ("Wald", "vegetationsmerkmal"),
        "AX_Gehoelz" => ("Gehölz", "vegetationsmerkmal"),
        "AX_Heide" => ("Heide", "vegetationsmerkmal"),
        "AX_Moor" => ("Moor", "vegetationsmerkmal"),
        "AX_Sumpf" => ("Sumpf", "vegetationsmerkmal"),
        "AX_UnlandVegetationsloseFlaeche" => ("Unland/Vegetationslose Fläche", "oberflaechenmaterial"),
        "AX_FlaecheZurZeitUnbestimmbar" => ("Fläche zur Zeit unbestimmbar", "funktion"),
        "AX_Fliessgewaesser" => ("Fließgewässer", "funktion"),
        "AX_Hafenbecken" => ("Hafenbecken", "funktion"),
        "AX_StehendesGewaesser" => ("Stehendes Gewässer", "funktion"),
        "AX_Meer" => ("Meer", "funktion"),
        _ => return None,
    })
}

/// German name of a `lageZurErdoberflaeche`.
pub fn position_to_ground(code: &str) -> Option<&'static str> {
    Some(match code {
        "1200" => "Unter der Erdoberfläche",
        "1400" => "Aufgeständert",
        _ => return None,
    })
}

/// German name of a Land.
pub fn state_name(code: &str) -> Option<&'static str> {
    Some(match code {
        "01" => "Schleswig-Holstein",
        "02" => "Hamburg",
        "03" => "Niedersachsen",
        "04" => "Bremen",
        "05" => "Nordrhein-Westfalen",
        "06" => "Hessen",
        "07" => "Rheinland-Pfalz",
        "08" => "Baden-Württemberg",
        "09" => "Bayern",
        "10" => "Saarland",
        "11" => "Berlin",
        "12" => "Brandenburg",
        "13" => "Mecklenburg-Vorpommern",
        "14" => "Sachsen",
        "15" => "Sachsen-Anhalt",
        "16" => "Thüringen",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_list_is_a_code() {
        assert_eq!(CODES.len(), include_str!("codes.tsv").lines().count());
        let (reasons, codes): (Vec<_>, Vec<_>) = CODES.iter().partition(|((class, _), _)| *class == REASON);
        assert!(codes.iter().all(|((class, code), name)| class.starts_with("AX_") && code.len() == 4 && !name.is_empty()));
        assert!(reasons.iter().all(|((_, code), name)| code.len() == 6 && !name.is_empty()));
        assert_eq!(reason("010102"), "Verschmelzung (010102)");
        assert_eq!(reason("999999"), "999999");
        assert_eq!(kind("AX_Gebaeude", "1010"), Some("Wohnhaus"));
        assert_eq!(kind("AX_Landwirtschaft", "1010"), Some("Ackerland"));
        assert_eq!(kind("AX_Turm", "0000"), None);
        for class in codes.iter().map(|((class, _), _)| class) {
            assert!(building_class(class).is_some() || land_use_class(class).is_some() || *class == "AX_Grenzpunkt", "{class}");
        }
    }
}
