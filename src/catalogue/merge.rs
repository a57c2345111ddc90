//! Keeping the fields of a record that people look after in the catalogue.

use super::options::Field;
use crate::metadata::Tree;

/// Our record with these fields as theirs has them. A field that theirs does not have stays ours.
pub fn merge(ours: &Tree, theirs: &Tree, fields: &[Field]) -> Tree {
    let mut merged = ours.clone();
    let Some(source) = theirs.first("gmd:identificationInfo/*") else { return merged };
    let Some(target) =
        merged.children.iter_mut().find(|child| child.is("gmd:identificationInfo")).and_then(|info| info.children.first_mut())
    else {
        return merged;
    };
    for field in fields {
        if let Some(name) = name(*field) {
            replace(target, source, name);
            continue;
        }
        let citation = target.children.iter_mut().find(|child| child.is("gmd:citation")).and_then(|c| c.children.first_mut());
        if let (Some(citation), Some(theirs)) = (citation, source.first("gmd:citation/gmd:CI_Citation")) {
            replace(citation, theirs, "gmd:title");
        }
    }
    merged
}

/// The property below `identificationInfo`; none for the title, which is in the citation.
fn name(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::Title => return None,
        Field::Abstract => "gmd:abstract",
        Field::Keywords => "gmd:descriptiveKeywords",
        Field::PointOfContact => "gmd:pointOfContact",
        Field::Purpose => "gmd:purpose",
        Field::Credit => "gmd:credit",
        Field::Maintenance => "gmd:resourceMaintenance",
        Field::Overview => "gmd:graphicOverview",
    })
}

/// The order of properties in `MD_Identification` (ISO 19139, schema `identification.xsd`), up to where those that can be kept end.
const ORDER: [&str; 9] = [
    "gmd:citation",
    "gmd:abstract",
    "gmd:purpose",
    "gmd:credit",
    "gmd:status",
    "gmd:pointOfContact",
    "gmd:resourceMaintenance",
    "gmd:graphicOverview",
    "gmd:descriptiveKeywords",
];

fn replace(target: &mut Tree, source: &Tree, name: &str) {
    let theirs: Vec<Tree> = source.children.iter().filter(|child| child.is(name)).cloned().collect();
    if theirs.is_empty() {
        return;
    }
    let at = target.children.iter().position(|child| child.is(name)).unwrap_or_else(|| {
        let rank = |child: &Tree| ORDER.iter().position(|known| child.is(known)).unwrap_or(ORDER.len());
        let own = ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
        target.children.iter().position(|child| rank(child) > own).unwrap_or(target.children.len())
    });
    target.children.retain(|child| !child.is(name));
    let at = at.min(target.children.len());
    target.children.splice(at..at, theirs);
}
