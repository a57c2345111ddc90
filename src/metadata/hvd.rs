//! High-value datasets: Implementing Regulation (EU) 2023/138, its categories, and how records name them.

/// The regulation, as records cite it.
pub const LEGISLATION: &str = "http://data.europa.eu/eli/reg_impl/2023/138/oj";

/// The list of categories as a thesaurus: address, title, date of publication.
pub const THESAURUS: (&str, &str, &str) = ("http://data.europa.eu/bna/asd487ae75", "High-value dataset categories", "2023-09-27");

/// A category of the annex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Category {
    /// Word in the pipeline file.
    pub code: &'static str,
    /// Identifier in the vocabulary of the Publications Office.
    pub id: &'static str,
    /// German name.
    pub name: &'static str,
}

impl Category {
    /// Address in the vocabulary.
    pub fn url(&self) -> String {
        format!("http://data.europa.eu/bna/{}", self.id)
    }
}

/// The six categories.
pub static CATEGORIES: &[Category] = &[
    Category { code: "geospatial", id: "c_ac64a52d", name: "Georaum" },
    Category { code: "earth_observation", id: "c_dd313021", name: "Erdbeobachtung und Umwelt" },
    Category { code: "meteorological", id: "c_164e0bf5", name: "Meteorologie" },
    Category { code: "statistics", id: "c_e1da4e07", name: "Statistik" },
    Category { code: "companies", id: "c_a9135398", name: "Unternehmen und Eigentümerschaft von Unternehmen" },
    Category { code: "mobility", id: "c_b79e35eb", name: "Mobilität" },
];

/// The category of that code.
pub fn category(code: &str) -> Option<&'static Category> {
    CATEGORIES.iter().find(|category| category.code == code)
}
