//! Reading a record that an office already has (ISO 19139): what people wrote in it is kept, what the data says of itself is not taken
//! from it.
//!
//! Texts, keywords, licence and theme become what the pipeline file could say too, and the pipeline file wins. Everything else that
//! only people know is kept as it is, element by element, and written at the same place: further contacts, purpose, usage, edition,
//! quality reports, links to elsewhere. Extent, dates of the data, reference systems, resolution of images, formats, lineage and
//! downloads come from the data.

use super::hvd::CATEGORIES;
use super::licence::licence;
use super::record::Level;
use super::theme::THEMES;
use super::tree::Tree;
use crate::error::{Error, Exit, Place, Result};
use crate::pipeline::MetadataConfig;
use jiff::civil::Date;
use uuid::Uuid;

/// An existing record, by what is kept of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    /// `gmd:fileIdentifier`: the record stays the same one.
    pub uuid: Option<Uuid>,
    /// `MD_Identifier/code`: services refer to it.
    pub resource_id: Option<String>,
    /// Day of the first publication.
    pub published: Option<Date>,
    /// A dataset or a series.
    pub level: Level,
    /// What the pipeline file could say too.
    pub texts: MetadataConfig,
    /// What only people know.
    pub kept: Kept,
}

/// Elements that are written as they were read, by where they stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// Below `MD_Metadata`.
    pub root: Vec<Tree>,
    /// Below the resource's `CI_Citation`.
    pub citation: Vec<Tree>,
    /// Below `MD_DataIdentification`.
    pub identification: Vec<Tree>,
    /// Below `EX_Extent`: places by name.
    pub places: Vec<Tree>,
    /// Below `MD_Distribution`.
    pub distribution: Vec<Tree>,
    /// Reports of `DQ_DataQuality`.
    pub reports: Vec<Tree>,
    /// What the lineage said.
    pub statement: Option<String>,
}

/// Namespace of the words that mark INSPIRE themes.
pub(super) const THEME_THESAURUS: &str = "GEMET - INSPIRE themes";
pub(super) const HVD_THESAURUS: &str = "High-value dataset categories";

const ROOT: [&str; 9] = [
    "gmd:parentIdentifier",
    "gmd:hierarchyLevelName",
    "gmd:contact",
    "gmd:dataSetURI",
    "gmd:contentInfo",
    "gmd:portrayalCatalogueInfo",
    "gmd:metadataConstraints",
    "gmd:applicationSchemaInfo",
    "gmd:metadataMaintenance",
];
const CITATION: [&str; 8] = [
    "gmd:alternateTitle",
    "gmd:edition",
    "gmd:editionDate",
    "gmd:citedResponsibleParty",
    "gmd:presentationForm",
    "gmd:series",
    "gmd:otherCitationDetails",
    "gmd:collectiveTitle",
];
const IDENTIFICATION: [&str; 13] = [
    "gmd:purpose",
    "gmd:credit",
    "gmd:status",
    "gmd:pointOfContact",
    "gmd:resourceMaintenance",
    "gmd:graphicOverview",
    "gmd:resourceSpecificUsage",
    "gmd:resourceConstraints",
    "gmd:aggregationInfo",
    "gmd:spatialResolution",
    "gmd:topicCategory",
    "gmd:environmentDescription",
    "gmd:supplementalInformation",
];

impl Existing {
    /// Reads a record; `name` is for messages. It may stand in the answer of a catalogue.
    ///
    /// # Errors
    /// When it is no ISO 19139 record of a dataset or a series, or an address in it holds a password or a token.
    pub fn read(xml: &str, name: &str) -> Result<Self> {
        let refuse = |why: &str, hint: &str| {
            Error::new("mk::metadata::existing", format!("cannot take over this record: {why}"))
                .at(Place::file(name))
                .hint(hint)
                .exit(Exit::Usage)
        };
        let whole = Tree::parse(xml).map_err(|error| refuse(&error.full_message(), "is it the XML of the record?"))?;
        let root = whole.find("MD_Metadata").filter(|root| root.is("gmd:MD_Metadata"));
        let Some(root) = root else {
            return Err(refuse("it is not ISO 19139", "export it as ISO 19139 (gmd:MD_Metadata)"));
        };
        if let Some(address) = root.find_all("URL").into_iter().find(|url| holds_credentials(&url.text)) {
            let shown = address.text.split(['?', '@']).next().unwrap_or_default().trim();
            return Err(refuse(
                &format!("the address beginning with {shown} holds a password or a token"),
                "take it out of the record",
            ));
        }
        let level = match root.first("gmd:hierarchyLevel/gmd:MD_ScopeCode").and_then(|code| code.attribute("codeListValue")) {
            Some("dataset") | None => Level::Dataset,
            Some("series") => Level::Series,
            Some(other) => {
                let other: String = other.chars().take(40).collect();
                return Err(refuse(&format!("it describes a '{other}'"), "name the record of a dataset or a series"));
            }
        };
        let Some(data) = root.first("gmd:identificationInfo/gmd:MD_DataIdentification") else {
            return Err(refuse("it has no MD_DataIdentification", "name the record of a dataset or a series"));
        };
        let citation = data.first("gmd:citation/gmd:CI_Citation");
        let value = |tree: Option<&Tree>| tree.map(Tree::value).filter(|text| !text.is_empty()).map(str::to_owned);
        let cited = |path: &str| value(citation.and_then(|citation| citation.first(path)));
        let mut texts = MetadataConfig {
            title: cited("gmd:title"),
            abstract_text: value(data.first("gmd:abstract")),
            title_en: english(root, citation.and_then(|citation| citation.first("gmd:title"))),
            abstract_en: english(root, data.first("gmd:abstract")),
            ..MetadataConfig::default()
        };
        let mut kept = Kept {
            root: children(root, &ROOT),
            citation: citation.map(|citation| children(citation, &CITATION)).unwrap_or_default(),
            identification: children(data, &IDENTIFICATION),
            places: named_places(data),
            distribution: distribution(root),
            reports: root.all("gmd:dataQualityInfo/gmd:DQ_DataQuality/gmd:report").into_iter().cloned().collect(),
            statement: value(root.first("gmd:dataQualityInfo/gmd:DQ_DataQuality/gmd:lineage/gmd:LI_Lineage/gmd:statement")),
        };
        if let Some(citation) = citation {
            kept.citation.extend(dates(citation, "creation").cloned());
        }
        keywords(data, &mut texts, &mut kept);
        licence_of(data, &mut texts);
        let published = citation.and_then(|citation| dates(citation, "publication").next());
        let published = published.and_then(|date| date.first("gmd:CI_Date/gmd:date")?.value().get(..10)?.parse().ok());
        Ok(Self {
            uuid: root.first("gmd:fileIdentifier").and_then(|id| Uuid::try_parse(id.value()).ok()),
            resource_id: cited("gmd:identifier/*/gmd:code"),
            published,
            level,
            texts,
            kept,
        })
    }

    /// The texts of the pipeline file, filled from the record where the pipeline file is silent; and the record without what the
    /// pipeline file decides.
    #[must_use]
    pub fn beside(mut self, own: &MetadataConfig) -> (MetadataConfig, Self) {
        let filled = self.fill(own);
        let decided = filled.licence.is_some();
        self.kept.identification.retain(|element| {
            let of = |thesaurus| in_thesaurus(element, thesaurus);
            let legal = element.is("gmd:resourceConstraints") && element.first("gmd:MD_LegalConstraints").is_some();
            !(own.theme.is_some() && of(THEME_THESAURUS) || own.hvd.is_some() && of(HVD_THESAURUS) || decided && legal)
        });
        if own.series.is_some() {
            self.kept.root.retain(|element| !element.is("gmd:parentIdentifier"));
        }
        (filled, self)
    }

    fn fill(&self, own: &MetadataConfig) -> MetadataConfig {
        let theirs = &self.texts;
        let mut keywords = own.keywords.clone();
        keywords.extend(theirs.keywords.iter().filter(|word| !own.keywords.contains(word)).cloned());
        MetadataConfig {
            title: own.title.clone().or_else(|| theirs.title.clone()),
            abstract_text: own.abstract_text.clone().or_else(|| theirs.abstract_text.clone()),
            title_en: own.title_en.clone().or_else(|| theirs.title_en.clone()),
            abstract_en: own.abstract_en.clone().or_else(|| theirs.abstract_en.clone()),
            attribution: own.attribution.clone().or_else(|| theirs.attribution.clone().filter(|_| own.licence.is_none())),
            licence: own.licence.clone().or_else(|| theirs.licence.clone()),
            theme: own.theme.clone().or_else(|| theirs.theme.clone()),
            hvd: own.hvd.clone().or_else(|| theirs.hvd.clone()),
            keywords,
            uuid: own.uuid.clone().or_else(|| self.uuid.and_then(|uuid| uuid.to_string().try_into().ok())),
            record: own.record.clone(),
            series: own.series.clone(),
        }
    }
}

impl Kept {
    /// True when a group of keywords of this thesaurus is kept.
    pub(super) fn has_thesaurus(&self, title: &str) -> bool {
        self.identification.iter().any(|element| in_thesaurus(element, title))
    }
}

fn in_thesaurus(element: &Tree, title: &str) -> bool {
    let path = "gmd:MD_Keywords/gmd:thesaurusName/gmd:CI_Citation/gmd:title";
    element.is("gmd:descriptiveKeywords") && element.first(path).is_some_and(|found| found.value().starts_with(title))
}

fn children(tree: &Tree, names: &[&str]) -> Vec<Tree> {
    tree.children.iter().filter(|child| names.iter().any(|name| child.is(name)) && says_something(child)).cloned().collect()
}

/// False for an empty property, as editors leave them.
fn says_something(tree: &Tree) -> bool {
    !tree.text.trim().is_empty()
        || tree
            .attributes
            .iter()
            .any(|(_, name, value)| ["codeListValue", "href", "uuidref"].contains(&name.as_str()) && !value.is_empty())
        || tree.children.iter().any(says_something)
}

fn dates<'a>(citation: &'a Tree, kind: &'a str) -> impl Iterator<Item = &'a Tree> {
    citation.all("gmd:date").into_iter().filter(move |date| {
        let code = date.first("gmd:CI_Date/gmd:dateType/gmd:CI_DateTypeCode");
        code.and_then(|code| code.attribute("codeListValue")) == Some(kind)
    })
}

/// The English text of a property with several languages (`PT_FreeText`).
fn english(root: &Tree, property: Option<&Tree>) -> Option<String> {
    let locale = root.all("gmd:locale/gmd:PT_Locale").into_iter().find(|locale| {
        locale.first("gmd:languageCode/gmd:LanguageCode").and_then(|code| code.attribute("codeListValue")) == Some("eng")
    })?;
    let reference = format!("#{}", locale.attribute("id")?);
    let texts = property?.all("gmd:PT_FreeText/gmd:textGroup/gmd:LocalisedCharacterString");
    let text = texts.into_iter().find(|text| text.attribute("locale") == Some(&reference))?.text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Places by name or key (`EX_GeographicDescription`), such as the key of the municipality.
fn named_places(data: &Tree) -> Vec<Tree> {
    let places = data.all("gmd:extent/gmd:EX_Extent/gmd:geographicElement");
    places.into_iter().filter(|place| place.first("gmd:EX_GeographicDescription").is_some()).cloned().collect()
}

fn distribution(root: &Tree) -> Vec<Tree> {
    let whole = root.first("gmd:distributionInfo/gmd:MD_Distribution");
    whole.map(|whole| children(whole, &["gmd:distributor", "gmd:transferOptions"])).unwrap_or_default()
}

/// Keywords: groups are kept but for the words that the program decides itself; free words and themes are also read.
fn keywords(data: &Tree, texts: &mut MetadataConfig, kept: &mut Kept) {
    for group in data.all("gmd:descriptiveKeywords") {
        let mut group = group.clone();
        for words in &mut group.children {
            words
                .children
                .retain(|child| !child.is("gmd:keyword") || !["", "opendata", "inspireidentifiziert"].contains(&child.value()));
        }
        let words = group.all("gmd:MD_Keywords/gmd:keyword");
        if words.is_empty() {
            continue;
        }
        let href = |word: &Tree| {
            word.first("gmx:Anchor").and_then(|anchor| anchor.attribute("xlink:href")).unwrap_or_default().to_owned()
        };
        if in_thesaurus(&group, THEME_THESAURUS) {
            let theme = words.iter().find_map(|word| {
                let code = href(word).rsplit('/').next().unwrap_or_default().to_owned();
                THEMES.iter().find(|theme| theme.name == word.value() || theme.code == code)
            });
            texts.theme = texts.theme.take().or_else(|| theme.map(|theme| theme.code.to_owned()));
        } else if in_thesaurus(&group, HVD_THESAURUS) {
            let hvd = words.iter().find_map(|word| CATEGORIES.iter().find(|category| category.url() == href(word)));
            texts.hvd = texts.hvd.take().or_else(|| hvd.map(|category| category.code.to_owned()));
        } else if group.first("gmd:MD_Keywords/gmd:thesaurusName").is_none() {
            // The regulation on high-value datasets is written anew with its category.
            if words.iter().any(|word| href(word) == super::hvd::LEGISLATION) {
                continue;
            }
            texts.keywords.extend(words.iter().map(|word| word.value().to_owned()));
        }
        kept.identification.push(group);
    }
}

/// The licence that GDI-DE 3.6 writes as JSON.
fn licence_of(data: &Tree, texts: &mut MetadataConfig) {
    for text in data.all("gmd:resourceConstraints/gmd:MD_LegalConstraints/gmd:otherConstraints") {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(text.value()) else { continue };
        let get = |key: &str| value.get(key).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
        if let Some(known) = get("id").and_then(licence) {
            texts.licence = Some(known.code.to_owned());
            texts.attribution = get("quelle").map(str::to_owned);
        }
    }
}

/// True for an address that would let everybody in who reads it: with a user and a password, or a token among its parameters.
pub(super) fn holds_credentials(address: &str) -> bool {
    let rest = address.trim().split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let query = address.split_once('?').map_or("", |(_, query)| query);
    const SECRET: [&str; 8] = ["access_token", "token", "apikey", "api_key", "key", "password", "passwd", "pwd"];
    let secret = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        !value.is_empty() && SECRET.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    host.contains('@') || query.split('&').any(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_credentials_are_known() {
        for bad in ["https://u:p@a.de/x", "https://a.de/wms?a=1&TOKEN=abc", "https://a.de/?access_token=x#y", "ftp://u@a.de"] {
            assert!(holds_credentials(bad), "{bad}");
        }
        for good in ["https://a.de/x@y", "https://a.de/wms?keyword=x&token=", "geodaten@example.org", ""] {
            assert!(!holds_credentials(good), "{good}");
        }
    }

    #[test]
    fn what_is_no_record_of_data_is_refused() {
        let service = "<MD_Metadata xmlns='http://www.isotc211.org/2005/gmd'><hierarchyLevel><MD_ScopeCode codeListValue='service'/></hierarchyLevel></MD_Metadata>";
        let secret =
            "<MD_Metadata xmlns='http://www.isotc211.org/2005/gmd'><a><URL>https://a.de/?token=KANARI-x</URL></a></MD_Metadata>";
        for text in ["", "<a/>", "<!DOCTYPE a><a/>", service, secret, "<MD_Metadata xmlns='http://www.isotc211.org/2005/gmd'/>"] {
            let error = Existing::read(text, "alt.xml").unwrap_err();
            assert_eq!((error.code(), error.exit_code()), ("mk::metadata::existing", Exit::Usage), "{text}");
            assert!(!error.full_message().contains("KANARI"), "{}", error.full_message());
        }
    }
}
