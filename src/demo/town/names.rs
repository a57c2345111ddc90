//! Names of streets, places and (marked) persons.

use crate::demo::random::mix;

const FIRST: [&str; 52] = [
    "Ahorn",
    "Birken",
    "Buchen",
    "Eichen",
    "Erlen",
    "Linden",
    "Kastanien",
    "Weiden",
    "Ulmen",
    "Tannen",
    "Kiefern",
    "Fichten",
    "Rosen",
    "Tulpen",
    "Nelken",
    "Lilien",
    "Veilchen",
    "Heide",
    "Moor",
    "Wiesen",
    "Feld",
    "Wald",
    "Mühlen",
    "Schul",
    "Garten",
    "Brunnen",
    "Deich",
    "Berg",
    "Tal",
    "Sonnen",
    "Amsel",
    "Drossel",
    "Finken",
    "Lerchen",
    "Meisen",
    "Schwalben",
    "Storchen",
    "Kranich",
    "Fuchs",
    "Hasen",
    "Reh",
    "Dachs",
    "Igel",
    "Hirsch",
    "Holunder",
    "Flieder",
    "Ginster",
    "Schlehen",
    "Haselnuss",
    "Möwen",
    "Reiher",
    "Kiebitz",
];
const LAST: [&str; 8] = ["weg", "straße", "stieg", "kamp", "redder", "twiete", "allee", "pfad"];
const MAIN: [&str; 12] = [
    "Hamburger",
    "Kieler",
    "Segeberger",
    "Lübecker",
    "Flensburger",
    "Husumer",
    "Plöner",
    "Eutiner",
    "Schleswiger",
    "Itzehoer",
    "Rendsburger",
    "Ratzeburger",
];

/// Name of a street by its number in the town.
pub fn street(number: u32) -> String {
    if number < 8192 {
        let k = (number % 4096) as usize * 2 + usize::from(number >= 4096);
        let name = MAIN[k % MAIN.len()];
        return match k / MAIN.len() {
            0 => format!("{name} Straße"),
            1 => format!("{name} Chaussee"),
            2 => format!("{name} Landstraße"),
            more => format!("{name} Landstraße {more}"),
        };
    }
    // Quarter by quarter, 32 numbers each: a step that is coprime to the number of names gives each name once in turn.
    let own = u64::from(number - 8192);
    let (quarter, k) = (own / 32, own % 32);
    let serial = (((quarter >> 12) * 61 + (quarter & 4095)) * 29 + k) as usize;
    let names = FIRST.len() * LAST.len();
    let index = (serial * 83 + 17) % names;
    let name = format!("{}{}", FIRST[index / LAST.len()], LAST[index % LAST.len()]);
    match serial / names {
        0 => name,
        1 => format!("Alter {name}"),
        more => format!("{name}-{more}"),
    }
}

/// Key of a street within the municipality, five digits.
pub fn street_key(number: u32) -> String {
    if number < 8192 {
        return format!("{:05}", 90_000 + number);
    }
    let own = number - 8192;
    let (quarter, k) = (own / 32, own % 32);
    // 58 columns of quarters and 58 rows have keys of their own; beyond, keys repeat as they would in another municipality.
    let spot = (quarter >> 12) % 54 + ((quarter & 4095) % 54) * 54;
    format!("{:05}", 1 + spot * 30 + k.min(29))
}

/// Name and given name of a person: both are marked, so that no output that should be free of persons can hide one.
pub fn person(seed: u64, quarter: u32, serial: u32) -> [String; 2] {
    const GIVEN: [&str; 16] = [
        "Anke", "Birte", "Carsten", "Dörte", "Enno", "Frauke", "Gesche", "Hauke", "Imke", "Jörn", "Karin", "Lasse", "Maike",
        "Nils", "Ole", "Silke",
    ];
    const FAMILY: [&str; 16] = [
        "Petersen",
        "Hansen",
        "Jensen",
        "Möller",
        "Schröder",
        "Thomsen",
        "Lorenzen",
        "Carstens",
        "Brodersen",
        "Paulsen",
        "Voß",
        "Claussen",
        "Ketelsen",
        "Nissen",
        "Andresen",
        "Matthiesen",
    ];
    let roll = mix(seed ^ mix((u64::from(quarter) << 32) | u64::from(serial)));
    let family = FAMILY[(roll % 16) as usize];
    let given = GIVEN[((roll >> 8) % 16) as usize];
    [format!("KANARI-{family}-{quarter:x}-{serial}"), format!("KANARI-{given}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_streets_of_a_small_town_have_different_names() {
        let mut seen = BTreeSet::new();
        for quarter in [0_u32, 1, 4096, 4097] {
            for k in 0..20 {
                assert!(seen.insert(street(8192 + quarter * 32 + k)), "{}", street(8192 + quarter * 32 + k));
            }
        }
        for line in [1, 2, 4097, 4098] {
            assert!(seen.insert(street(line)));
        }
    }
}
