//! Free text to types of equipment: which part of DIN EN 1176, or which other standard, each belongs to.

/// A type of equipment.
#[derive(Debug)]
pub struct Type {
    /// Value in the tables.
    pub code: &'static str,
    /// German title.
    pub title: &'static str,
    /// The standard that has its additional requirements; part 1 of DIN EN 1176 holds for all playground equipment.
    pub norm: &'static str,
    /// Parts of words that tell it, in lower case.
    words: &'static [&'static str],
}

const fn of(code: &'static str, title: &'static str, norm: &'static str, words: &'static [&'static str]) -> Type {
    Type { code, title, norm, words }
}

/// All types; of several words in a text the longest decides, of equals the first.
pub static TYPES: [Type; 24] = [
    of("schaukel", "Schaukel", "DIN EN 1176-2", &["schaukel"]),
    of("rutsche", "Rutsche", "DIN EN 1176-3", &["rutsch"]),
    of("seilbahn", "Seilbahn", "DIN EN 1176-4", &["seilbahn"]),
    of("karussell", "Karussell", "DIN EN 1176-5", &["karussell", "karusell", "kreisel", "drehscheibe", "drehgerät"]),
    of("wippgeraet", "Wippgerät", "DIN EN 1176-6", &["wipp", "federgerät", "federtier"]),
    of("einhausung", "Vollständig umschlossenes Gerät", "DIN EN 1176-10", &["umschlossen", "hallenspielgerät"]),
    of("raumnetz", "Raumnetz", "DIN EN 1176-11", &["raumnetz", "seilgerät", "seilpyramide", "kletternetz"]),
    of("klettergeraet", "Klettergerät", "DIN EN 1176-1", &["kletter", "kriech"]),
    of(
        "kombination",
        "Spielkombination",
        "DIN EN 1176-1",
        &["multifunktion", "kombination", "spielturm", "spielanlage", "schiff"],
    ),
    of("spielhaus", "Spielhaus", "DIN EN 1176-1", &["spielhaus", "spielhäus"]),
    of("balanciergeraet", "Balanciergerät", "DIN EN 1176-1", &["balancier"]),
    of("turngeraet", "Turngerät", "DIN EN 1176-1", &["turngerät", "reck", "hangel"]),
    of("huepfgeraet", "Hüpfgerät, Trampolin", "DIN EN 1176-1", &["hüpf", "trampolin"]),
    of("haengematte", "Hängematte", "DIN EN 1176-1", &["hängematte"]),
    of("sandspiel", "Sandspiel", "DIN EN 1176-1", &["sandkasten", "sandspiel", "sandbagger"]),
    of("wasserspiel", "Wasserspiel", "DIN EN 1176-1", &["wasserspiel", "matsch"]),
    of("bruecke", "Spielbrücke", "DIN EN 1176-1", &["brücke"]),
    of("sinnesspiel", "Sinnes- und Rollenspiel", "DIN EN 1176-1", &["sinnesspiel", "spieltisch"]),
    of(
        "tor",
        "Tor, Basketballkorb, Multisportgerät",
        "DIN EN 15312",
        &["basketball", "bolzplatztor", "fußballtor", "streetball"],
    ),
    of("tischtennis", "Tischtennistisch", "DIN EN 14468-1", &["tischtennis"]),
    of("rollsport", "Rollsportgerät", "DIN EN 14974", &["skate", "halfpipe"]),
    of("fitness", "Fitnessgerät im Außenbereich", "DIN EN 16630", &["fitness", "calisthenics"]),
    of("parkour", "Parkour-Gerät", "DIN EN 16899", &["parkour"]),
    of("boulder", "Boulderwand", "DIN EN 12572-2", &["boulder"]),
];

/// The type that a text names, if one.
pub fn type_of(text: &str) -> Option<&'static Type> {
    let text = text.trim().to_lowercase();
    let text = text.replace("ae", "ä").replace("oe", "ö").replace("ue", "ü");
    // A goal is so short a word that it must stand alone.
    if text == "tor" || text == "tore" {
        return TYPES.iter().find(|kind| kind.code == "tor");
    }
    let found = TYPES.iter().flat_map(|kind| kind.words.iter().map(move |word| (word.chars().count(), kind, word)));
    let mut best: Option<(usize, &Type)> = None;
    for (length, kind, word) in found {
        if text.contains(word) && best.is_none_or(|(longest, _)| length > longest) {
            best = Some((length, kind));
        }
    }
    best.map(|(_, kind)| kind)
}

/// The entries of a list as people write it: separated by commas, semicolons, strokes, plus signs or `und`.
pub fn split(text: &str) -> Vec<&str> {
    let parts = text.split([',', ';', '/', '+', '\n', '|', '•']).flat_map(|part| part.split(" und "));
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_people_tell_the_type() {
        let code = |text: &str| type_of(text).map(|kind| kind.code);
        for (text, expected) in [
            ("Turmrutsche", "rutsche"),
            ("Piratennestschaukel", "schaukel"),
            ("Federwipper", "wippgeraet"),
            ("Sandspielgerät", "sandspiel"),
            ("Fasskarussell", "karussell"),
            ("Balancierfässer", "balanciergeraet"),
            ("Seilgeraet", "raumnetz"),
            ("Tor", "tor"),
            ("Klettergerüst", "klettergeraet"),
            ("Parkour-Anlage", "parkour"),
        ] {
            assert_eq!(code(text), Some(expected), "{text}");
        }
        for text in ["Bank", "Überdachung", "Volleyballfeld", "Motor", ""] {
            assert_eq!(code(text), None, "{text}");
        }
        assert_eq!(
            split("Schaukel, Sandkasten , Wippe; 2 Rutschen und Tor,"),
            ["Schaukel", "Sandkasten", "Wippe", "2 Rutschen", "Tor"]
        );
    }

    #[test]
    fn codes_and_words_are_told_apart() {
        let mut seen = std::collections::BTreeSet::new();
        assert!(TYPES.iter().all(|kind| seen.insert(kind.code)));
        let words: Vec<&str> = TYPES.iter().flat_map(|kind| kind.words).copied().collect();
        assert!(words.iter().all(|word| *word == word.to_lowercase()));
        assert_eq!(type_of("Schaukel").map(|kind| kind.norm), Some("DIN EN 1176-2"));
    }
}
