//! What a CSW answers. Names are compared without namespaces: exceptions come in the namespaces of OWS 1.0, OWS 2.0 and CSW, from
//! the same server for different faults, and with status 200.

use crate::error::{Error, Result};
use crate::metadata::Tree;
use uuid::Uuid;

/// An answer, understood.
#[derive(Debug)]
pub enum Answer {
    /// An exception: its text.
    Exception(String),
    /// What a transaction says it did.
    Transaction {
        /// Records put in.
        inserted: u64,
        /// Records replaced.
        updated: u64,
        /// Records taken out.
        deleted: u64,
    },
    /// Records by identifier; none is an empty list.
    Records(Vec<Tree>),
    /// A page of identifiers.
    Page {
        /// Records that match.
        matched: u64,
        /// The next start position, as the server has it.
        next: u64,
        /// Identifiers on this page.
        identifiers: Vec<String>,
    },
    /// Capabilities.
    Capabilities {
        /// True when transactions are offered.
        transactions: bool,
        /// Address for transactions.
        post: Option<String>,
    },
}

/// Understands an answer.
///
/// # Errors
/// When it is no XML or no answer of a CSW.
pub fn read(body: &[u8]) -> Result<Answer> {
    let strange = |why: &str| Error::new("mk::catalogue::answer", format!("the catalogue's answer cannot be understood: {why}"));
    let text = std::str::from_utf8(body).map_err(|_| strange("it is not UTF-8"))?;
    let root = Tree::parse(text).map_err(|error| strange(&error.full_message()))?;
    Ok(match root.name.as_str() {
        "ExceptionReport" | "ServiceExceptionReport" => Answer::Exception(exception(&root)),
        "TransactionResponse" => {
            let total = |name: &str| root.find(name).and_then(|total| total.text.trim().parse().ok()).unwrap_or(0);
            Answer::Transaction {
                inserted: total("totalInserted"),
                updated: total("totalUpdated"),
                deleted: total("totalDeleted"),
            }
        }
        "GetRecordByIdResponse" => {
            Answer::Records(root.children.into_iter().filter(|child| child.name == "MD_Metadata").collect())
        }
        // Some servers leave out the frame when one record is asked for.
        "MD_Metadata" => Answer::Records(vec![root]),
        "GetRecordsResponse" => page(&root).ok_or_else(|| strange("a page without numbers"))?,
        "Capabilities" => capabilities(&root),
        other => return Err(strange(&format!("its root is <{}>", other.chars().take(40).collect::<String>()))),
    })
}

fn exception(root: &Tree) -> String {
    let mut parts = Vec::new();
    for exception in root.find_all("Exception") {
        let code = exception.attribute("exceptionCode").unwrap_or_default();
        let text: Vec<&str> = exception.find_all("ExceptionText").into_iter().map(|text| text.text.trim()).collect();
        parts.push(format!("{code} {}", text.join(" ")).trim().to_owned());
    }
    if parts.is_empty() {
        parts.extend(root.find_all("ServiceException").into_iter().map(|text| text.text.trim().to_owned()));
    }
    if parts.is_empty() { "an exception without words".to_owned() } else { parts.join("; ") }
}

fn page(root: &Tree) -> Option<Answer> {
    let results = root.find("SearchResults")?;
    let number = |name: &str| results.attribute(name)?.trim().parse::<u64>().ok();
    let identifiers = results.children.iter().filter_map(|record| record.find("identifier")).map(|id| id.text.trim().to_owned());
    Some(Answer::Page {
        matched: number("numberOfRecordsMatched")?,
        next: number("nextRecord").unwrap_or(0),
        identifiers: identifiers.collect(),
    })
}

fn capabilities(root: &Tree) -> Answer {
    let operation = root.find_all("Operation").into_iter().find(|operation| operation.attribute("name") == Some("Transaction"));
    let post = operation.and_then(|operation| operation.find("Post")).and_then(|post| post.attribute("xlink:href"));
    Answer::Capabilities { transactions: operation.is_some(), post: post.map(str::to_owned) }
}

/// The next page of a listing, or none at its end. Servers were measured to answer 0, a number beyond the last record, and 1 past
/// the end, which a naive reader follows for ever.
pub fn next_start(start: u64, returned: usize, matched: u64, next: u64) -> Option<u64> {
    (returned > 0 && next > start && next <= matched).then_some(next)
}

/// The identifiers of records in an answer, for a check that they are those asked for.
pub fn identifier(tree: &Tree) -> Option<Uuid> {
    super::model::identifier(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as measured from pycsw 2.6.2 and as InGrid's source writes them.
    #[test]
    fn exceptions_are_found_in_every_namespace() {
        let ows = r#"<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows" version="1.2.0"><ows:Exception exceptionCode="NoApplicableCode" locator="insert"><ows:ExceptionText>Transaction (insert) failed: UNIQUE constraint failed</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"#;
        let ows20 = ows.replace("opengis.net/ows", "opengis.net/ows/2.0");
        let csw = ows.replace("opengis.net/ows", "opengis.net/cat/csw/2.0.2");
        for text in [ows, &ows20, &csw] {
            let Answer::Exception(text) = read(text.as_bytes()).unwrap() else { panic!("no exception") };
            assert_eq!(text, "NoApplicableCode Transaction (insert) failed: UNIQUE constraint failed");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_never_an_empty_one() {
        for text in ["", "<html><body>500</body></html>", "<csw:GetRecordByIdResponse", "\u{0}", "{}", "<!DOCTYPE a><a/>"] {
            assert_eq!(read(text.as_bytes()).unwrap_err().code(), "mk::catalogue::answer", "{text}");
        }
        assert_eq!(read(&[0xff, 0xfe]).unwrap_err().code(), "mk::catalogue::answer");
    }

    #[test]
    fn a_listing_ends() {
        assert_eq!(next_start(1, 10, 25, 11), Some(11));
        for (start, returned, matched, next) in
            [(21, 5, 25, 0), (21, 5, 25, 26), (26, 0, 25, 1), (11, 10, 25, 1), (11, 10, 25, 11), (1, 0, 25, 1)]
        {
            assert_eq!(next_start(start, returned, matched, next), None);
        }
    }
}
