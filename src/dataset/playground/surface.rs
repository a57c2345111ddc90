//! Is the ground soft enough for the height of fall? By the examples of DIN EN 1176-1, table 4, as it holds in Germany.
//!
//! | ground | thickness | free height of fall |
//! |---|---|---|
//! | concrete, stone, bitumen | | 60 cm |
//! | topsoil | | 100 cm |
//! | turf | | 150 cm (German deviation) |
//! | bark mulch, wood chips, sand, gravel | 20 cm | 200 cm |
//! | | 30 cm | 300 cm |
//!
//! Loose ground is filled in 10 cm higher, for play displaces it. Anything else needs a test by DIN EN 1177, and nothing may be
//! fallen from that is higher than 3 m. Equipment with forced movement (swings, slides, carousels) needs soft ground at any height.

/// What the ground is.
#[derive(Debug)]
pub struct Ground {
    /// Value in the tables.
    pub code: &'static str,
    /// German title.
    pub title: &'static str,
    /// Parts of words that tell it, in lower case.
    words: &'static [&'static str],
    /// Least thickness and greatest height of fall, both in centimetres; the thin layer first.
    limits: &'static [(f64, f64)],
    /// True when play displaces it.
    loose: bool,
}

const LOOSE: &[(f64, f64)] = &[(20.0, 200.0), (30.0, 300.0)];
/// Nothing may be higher (DIN EN 1176-1, 4.2.8.1).
const HIGHEST_CM: f64 = 300.0;
/// What loose ground is filled in higher.
const DISPLACED_CM: f64 = 10.0;
/// Up to this height any ground will do, where no movement is forced.
const ANY_CM: f64 = 60.0;

/// All grounds; the first whose word is in a text.
pub static GROUNDS: [Ground; 9] = [
    Ground {
        code: "geprueft",
        title: "Fallschutzbelag, nach DIN EN 1177 geprüft",
        words: &["fallschutz", "platten", "gummi", "epdm", "synthe", "kunstrasen", "hic"],
        limits: &[],
        loose: false,
    },
    Ground { code: "rindenmulch", title: "Rindenmulch", words: &["rinde", "mulch"], limits: LOOSE, loose: true },
    Ground {
        code: "holzschnitzel",
        title: "Holzschnitzel",
        words: &["schnitzel", "hackgut", "häcksel", "holzhack"],
        limits: LOOSE,
        loose: true,
    },
    Ground { code: "sand", title: "Sand", words: &["sand"], limits: LOOSE, loose: true },
    Ground { code: "kies", title: "Kies", words: &["kies"], limits: LOOSE, loose: true },
    Ground { code: "rasen", title: "Rasen", words: &["rasen", "wiese"], limits: &[(0.0, 150.0)], loose: false },
    Ground {
        code: "oberboden",
        title: "Oberboden",
        words: &["oberboden", "erde", "boden"],
        limits: &[(0.0, 100.0)],
        loose: false,
    },
    Ground {
        code: "bitumen",
        title: "Bitumengebundener Boden",
        words: &["asphalt", "bitumen"],
        limits: &[(0.0, ANY_CM)],
        loose: false,
    },
    Ground {
        code: "stein",
        title: "Beton, Stein",
        words: &["beton", "stein", "pflaster"],
        limits: &[(0.0, ANY_CM)],
        loose: false,
    },
];

/// What can be said.
pub const VERDICTS: [(&str, &str); 6] = [
    ("ausreichend", "reicht für die Fallhöhe"),
    ("auffuellen", "reicht, doch ohne die 10 cm, die beim Spielen verdrängt werden"),
    ("unzureichend", "reicht nicht für die Fallhöhe"),
    ("nachweis", "Nachweis nach DIN EN 1177 nötig"),
    ("zu_hoch", "Fallhöhe über 3 m"),
    ("unbekannt", "Angaben fehlen"),
];

/// The ground that a text names, if one.
pub fn ground_of(text: &str) -> Option<&'static Ground> {
    let text = text.to_lowercase();
    GROUNDS.iter().find(|ground| ground.words.iter().any(|word| text.contains(word)))
}

/// Is it enough? Heights and thicknesses in centimetres, `forced` where the equipment moves the user; gives one of [`VERDICTS`].
pub fn verdict(fall_cm: Option<f64>, ground: Option<&Ground>, thickness_cm: Option<f64>, forced: bool) -> &'static str {
    let Some(fall) = fall_cm.filter(|fall| fall.is_finite() && *fall >= 0.0) else { return "unbekannt" };
    if fall > HIGHEST_CM {
        return "zu_hoch";
    }
    let Some(ground) = ground else { return "unbekannt" };
    if ground.limits.is_empty() {
        return "nachweis";
    }
    let Some((least, highest)) = ground.limits.iter().find(|(_, highest)| fall <= *highest) else { return "unzureichend" };
    if forced && *highest <= ANY_CM {
        return "unzureichend";
    }
    if !ground.loose {
        return "ausreichend";
    }
    match thickness_cm {
        None => "unbekannt",
        Some(there) if there >= least + DISPLACED_CM => "ausreichend",
        Some(there) if there >= *least => "auffuellen",
        Some(_) => "unzureichend",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_standard_decides() {
        let say = |fall: f64, ground: &str, thickness: Option<f64>| verdict(Some(fall), ground_of(ground), thickness, false);
        assert_eq!(say(60.0, "Beton", None), "ausreichend");
        assert_eq!(say(61.0, "Asphalt", None), "unzureichend");
        assert_eq!(say(100.0, "Oberboden", None), "ausreichend");
        assert_eq!(say(150.0, "Rasen", None), "ausreichend");
        assert_eq!(say(151.0, "Rasen", None), "unzureichend");
        assert_eq!(say(200.0, "Sand", Some(30.0)), "ausreichend");
        assert_eq!(say(200.0, "Sand", Some(20.0)), "auffuellen");
        assert_eq!(say(201.0, "Kies", Some(29.0)), "unzureichend");
        assert_eq!(say(300.0, "Holzhackschnitzel", Some(40.0)), "ausreichend");
        assert_eq!(say(300.5, "Rindenmulch", Some(90.0)), "zu_hoch");
        assert_eq!(say(120.0, "Fallschutzplatten", None), "nachweis");
        assert_eq!(say(120.0, "Sand", None), "unbekannt");
        assert_eq!(say(120.0, "Lava", Some(90.0)), "unbekannt");
        assert_eq!(verdict(None, ground_of("Sand"), Some(90.0), false), "unbekannt");
        assert_eq!(verdict(Some(f64::NAN), ground_of("Sand"), Some(90.0), false), "unbekannt");
        // A swing over stone is too hard at any height.
        assert_eq!(verdict(Some(50.0), ground_of("Pflaster"), None, true), "unzureichend");
    }
}
