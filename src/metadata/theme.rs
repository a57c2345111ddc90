//! The 34 themes of INSPIRE (Directive 2007/2/EC, annexes I to III), by code, with the German name of the theme register and the
//! ISO topic category that Regulation (EC) 1205/2008, part D 2.1, assigns to it.

/// A theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Code in the register, as `oi` in `http://inspire.ec.europa.eu/theme/oi`.
    pub code: &'static str,
    /// German name.
    pub name: &'static str,
    /// ISO 19115 `MD_TopicCategoryCode`; none where the regulation assigns none.
    pub topic: Option<&'static str>,
}

const fn t(code: &'static str, name: &'static str, topic: &'static str) -> Theme {
    Theme { code, name, topic: Some(topic) }
}

/// All themes, in the order of the annexes.
pub static THEMES: &[Theme] = &[
    Theme { code: "rs", name: "Koordinatenreferenzsysteme", topic: None },
    Theme { code: "gg", name: "Geografische Gittersysteme", topic: None },
    t("gn", "Geografische Bezeichnungen", "location"),
    t("au", "Verwaltungseinheiten", "boundaries"),
    t("ad", "Adressen", "location"),
    t("cp", "Flurstücke/Grundstücke (Katasterparzellen)", "planningCadastre"),
    t("tn", "Verkehrsnetze", "transportation"),
    t("hy", "Gewässernetz", "inlandWaters"),
    t("ps", "Schutzgebiete", "environment"),
    t("el", "Höhe", "elevation"),
    t("lc", "Bodenbedeckung", "imageryBaseMapsEarthCover"),
    t("oi", "Orthofotografie", "imageryBaseMapsEarthCover"),
    t("ge", "Geologie", "geoscientificInformation"),
    t("su", "Statistische Einheiten", "boundaries"),
    t("bu", "Gebäude", "structure"),
    t("so", "Boden", "geoscientificInformation"),
    t("lu", "Bodennutzung", "planningCadastre"),
    t("hh", "Gesundheit und Sicherheit", "health"),
    t("us", "Versorgungswirtschaft und staatliche Dienste", "utilitiesCommunication"),
    t("ef", "Umweltüberwachung", "structure"),
    t("pf", "Produktions- und Industrieanlagen", "structure"),
    t("af", "Landwirtschaftliche Anlagen und Aquakulturanlagen", "farming"),
    t("pd", "Verteilung der Bevölkerung — Demografie", "society"),
    t("am", "Bewirtschaftungsgebiete/Schutzgebiete/geregelte Gebiete und Berichterstattungseinheiten", "planningCadastre"),
    t("nz", "Gebiete mit naturbedingten Risiken", "geoscientificInformation"),
    t("ac", "Atmosphärische Bedingungen", "climatologyMeteorologyAtmosphere"),
    t("mf", "Meteorologisch-geografische Kennwerte", "climatologyMeteorologyAtmosphere"),
    t("of", "Ozeanografisch-geografische Kennwerte", "oceans"),
    t("sr", "Meeresregionen", "oceans"),
    t("br", "Biogeografische Regionen", "biota"),
    t("hb", "Lebensräume und Biotope", "biota"),
    t("sd", "Verteilung der Arten", "biota"),
    t("er", "Energiequellen", "economy"),
    t("mr", "Mineralische Bodenschätze", "economy"),
];

/// The theme of that code.
pub fn theme(code: &str) -> Option<&'static Theme> {
    THEMES.iter().find(|theme| theme.code == code)
}
