//! Requests to a CSW 2.0.2, in the dialect of the server.
//!
//! A delete names exactly one record by equality. There is no other way to build one here: a filter with a wildcard was measured to
//! empty a catalogue.

use super::options::Dialect;
use std::fmt::Write;
use uuid::Uuid;

pub use crate::io::http::with_parameters;

/// The output schema of all reading requests.
pub const GMD: &str = "http://www.isotc211.org/2005/gmd";

/// Address of `GetCapabilities`.
pub fn capabilities(endpoint: &str) -> String {
    with_parameters(endpoint, &[("service", "CSW"), ("version", "2.0.2"), ("request", "GetCapabilities")])
}

/// Address of `GetRecordById`.
pub fn records_by_id(endpoint: &str, ids: &[Uuid]) -> String {
    let list = ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",");
    let url = with_parameters(
        endpoint,
        &[
            ("service", "CSW"),
            ("version", "2.0.2"),
            ("request", "GetRecordById"),
            ("outputSchema", GMD),
            ("elementSetName", "full"),
        ],
    );
    // Commas separate identifiers and stay.
    format!("{url}&id={list}")
}

/// `GetRecords`, one page: brief Dublin Core, in the order of identifiers, because pages without an order repeat and omit records.
pub fn records(start: u64, most: u32) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<csw:GetRecords xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\" \
         xmlns:ogc=\"http://www.opengis.net/ogc\" service=\"CSW\" version=\"2.0.2\" resultType=\"results\" startPosition=\"{start}\" \
         maxRecords=\"{most}\" outputSchema=\"http://www.opengis.net/cat/csw/2.0.2\"><csw:Query typeNames=\"csw:Record\">\
         <csw:ElementSetName>brief</csw:ElementSetName><ogc:SortBy><ogc:SortProperty><ogc:PropertyName>dc:identifier\
         </ogc:PropertyName><ogc:SortOrder>ASC</ogc:SortOrder></ogc:SortProperty></ogc:SortBy></csw:Query></csw:GetRecords>"
    )
}

/// What is done to a record.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// Put in.
    Insert(&'a str),
    /// Replaced as a whole.
    Update(Uuid, &'a str),
    /// Taken out.
    Delete(Uuid),
}

/// A transaction.
pub fn transaction(dialect: Dialect, operations: &[Operation<'_>]) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<csw:Transaction xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\" \
         xmlns:ogc=\"http://www.opengis.net/ogc\" xmlns:apiso=\"http://www.opengis.net/cat/csw/apiso/1.0\" service=\"CSW\" \
         version=\"2.0.2\">",
    );
    // One record for each Insert everywhere: InGrid drops all but the first without a word.
    for operation in operations {
        match operation {
            Operation::Insert(xml) => {
                let _ = write!(out, "<csw:Insert>{}</csw:Insert>", body(xml));
            }
            // pycsw takes an update with a constraint for one of single properties and changes nothing; InGrid wants it.
            Operation::Update(uuid, xml) => {
                let constraint = if dialect == Dialect::Ingrid { constraint(dialect, *uuid) } else { String::new() };
                let _ = write!(out, "<csw:Update>{}{constraint}</csw:Update>", body(xml));
            }
            Operation::Delete(uuid) => {
                let _ = write!(out, "<csw:Delete>{}</csw:Delete>", constraint(dialect, *uuid));
            }
        }
    }
    out.push_str("</csw:Transaction>");
    out
}

/// Equality of one identifier.
fn constraint(dialect: Dialect, uuid: Uuid) -> String {
    let property = match dialect {
        Dialect::Ingrid => "uuid",
        Dialect::Pycsw | Dialect::Generic => "apiso:Identifier",
        Dialect::Geonetwork => "Identifier",
    };
    format!(
        "<csw:Constraint version=\"1.1.0\"><ogc:Filter><ogc:PropertyIsEqualTo><ogc:PropertyName>{property}</ogc:PropertyName>\
         <ogc:Literal>{uuid}</ogc:Literal></ogc:PropertyIsEqualTo></ogc:Filter></csw:Constraint>"
    )
}

/// A document without its declaration.
fn body(xml: &str) -> &str {
    let xml = xml.trim_start_matches('\u{feff}').trim();
    match xml.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>").map_or(xml, |(_, body)| body.trim_start()),
        None => xml,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delete_is_equality_on_one_identifier_in_every_dialect() {
        for dialect in [Dialect::Pycsw, Dialect::Ingrid, Dialect::Geonetwork, Dialect::Generic] {
            let text = transaction(dialect, &[Operation::Delete(Uuid::nil())]);
            assert_eq!(text.matches("PropertyIsEqualTo>").count(), 2, "{text}");
            assert!(!text.contains("Like") && !text.contains('%') && !text.contains("CqlText"), "{text}");
            assert_eq!(text.matches(&Uuid::nil().to_string()).count(), 1);
        }
    }

    #[test]
    fn an_update_has_a_constraint_only_where_it_is_wanted() {
        let update = [Operation::Update(Uuid::nil(), "<?xml version=\"1.0\"?>\n<a/>")];
        assert!(transaction(Dialect::Pycsw, &update).contains("<csw:Update><a/></csw:Update>"));
        assert!(transaction(Dialect::Ingrid, &update).contains("<csw:Update><a/><csw:Constraint"));
    }

    #[test]
    fn one_record_for_each_insert() {
        let text = transaction(Dialect::Pycsw, &[Operation::Insert("<a/>"), Operation::Insert("<b/>")]);
        assert!(text.contains("<csw:Insert><a/></csw:Insert><csw:Insert><b/></csw:Insert>"));
        assert!(!text.contains("DOCTYPE"));
    }

    #[test]
    fn parameters_join_what_is_there() {
        assert_eq!(with_parameters("https://a.de/csw?map=x&", &[("id", "ä")]), "https://a.de/csw?map=x&id=%C3%A4");
        assert_eq!(with_parameters("https://a.de/csw", &[("a", "1"), ("b", "2")]), "https://a.de/csw?a=1&b=2");
    }
}
