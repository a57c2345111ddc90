//! Licences by their code in DCAT-AP.de (<https://www.dcat-ap.de/def/licenses/>), the `id` of the licence JSON that GDI-DE 3.6 asks for.

/// A licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Licence {
    /// Code, as `dl-by-de/2.0`.
    pub code: &'static str,
    /// German name.
    pub name: &'static str,
    /// Address of its text.
    pub url: &'static str,
    /// True when everybody may use, change and share: what GovData counts as open.
    pub open: bool,
    /// True when it asks for an attribution.
    pub attribution: bool,
}

const fn open(code: &'static str, name: &'static str, url: &'static str) -> Licence {
    Licence { code, name, url, open: true, attribution: true }
}

/// The licences that German offices use.
pub static LICENCES: &[Licence] = &[
    open("dl-by-de/2.0", "Datenlizenz Deutschland Namensnennung 2.0", "https://www.govdata.de/dl-de/by-2-0"),
    Licence {
        attribution: false,
        ..open("dl-zero-de/2.0", "Datenlizenz Deutschland – Zero – Version 2.0", "https://www.govdata.de/dl-de/zero-2-0")
    },
    open("dl-by-de/1.0", "Datenlizenz Deutschland Namensnennung 1.0", "https://www.govdata.de/dl-de/by-1-0"),
    Licence {
        open: false,
        ..open(
            "dl-by-nc-de/1.0",
            "Datenlizenz Deutschland Namensnennung nicht-kommerziell 1.0",
            "https://www.govdata.de/dl-de/by-nc-1-0",
        )
    },
    open(
        "cc-by/4.0",
        "Creative Commons Namensnennung – 4.0 International (CC BY 4.0)",
        "http://creativecommons.org/licenses/by/4.0/",
    ),
    open(
        "cc-by-sa/4.0",
        "Creative Commons Namensnennung – Weitergabe unter gleichen Bedingungen 4.0 International (CC BY-SA 4.0)",
        "http://creativecommons.org/licenses/by-sa/4.0/",
    ),
    Licence {
        attribution: false,
        ..open("cc-zero", "Creative Commons CC Zero License (cc-zero)", "http://www.opendefinition.org/licenses/cc-zero")
    },
    open("odbl", "Open Data Commons Open Database License (ODbL)", "http://www.opendefinition.org/licenses/odc-odbl"),
    open("odby", "Open Data Commons Attribution License (ODC-BY 1.0)", "http://www.opendefinition.org/licenses/odc-by"),
    open(
        "geoNutz/20130319",
        "Nutzungsbestimmungen für die Bereitstellung von Geodaten des Bundes",
        "http://www.geodatenzentrum.de/docpdf/geonutzv.pdf",
    ),
    Licence { open: false, ..open("other-closed", "Andere geschlossene Lizenz", "http://dcat-ap.de/def/licenses/other-closed") },
];

/// The licence of that code.
pub fn licence(code: &str) -> Option<&'static Licence> {
    LICENCES.iter().find(|licence| licence.code == code)
}
