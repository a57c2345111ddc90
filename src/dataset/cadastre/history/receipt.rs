//! Receipts (Quittierung) of the portions of an NBA: the office that delivers waits for them.
//!
//! `AX_NBAQuittierung` of NAS: for each portion, whether it was taken over. Who ordered stands in the delivery's head, which is read
//! again for it: it is kept nowhere else.

use super::chain::Delivery;
use crate::error::Result;
use crate::io::{Limits, Source};
use crate::markup::escaped as escape;
use std::io::Read;

/// Bytes at the beginning of a delivery in which its head lies.
const HEAD: u64 = 256 << 10;

/// Name and text of the receipt of a portion; `None` for what is no portion of an NBA. `fault` is why it was not taken over.
///
/// # Errors
/// When the delivery cannot be read.
pub fn receipt(delivery: &Delivery, fault: Option<&str>, source: &Source) -> Result<Option<(String, String)>> {
    let head = &delivery.header;
    let (Some(profile), Some(date), Some(number)) = (&head.profile, &head.portion_date, head.portion) else { return Ok(None) };
    let mut bytes = Vec::new();
    // What cannot be read to its end is a fault of the delivery, told elsewhere.
    let _ = source.reader(Limits::default())?.take(HEAD).read_to_end(&mut bytes);
    let order = text_of(&String::from_utf8_lossy(&bytes), "antragsnummer");
    let stamp: String = date.chars().filter(char::is_ascii_alphanumeric).filter(|letter| *letter != 'Z').collect();
    let safe = |text: &str| -> String {
        text.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' }).take(60).collect()
    };
    let name = format!("{}_{stamp}_NBA_Quittierung_ID_{number}.xml", safe(profile));
    let version = if delivery.model() >= 7 { "7.1" } else { "6.0" };
    let done = fault.is_none();
    let protocol = fault.unwrap_or("Die Portion wurde ohne Fehler übernommen.");
    let order = order.map(|order| format!("  <antragsnummer>{order}</antragsnummer>\n")).unwrap_or_default();
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <AX_NBAQuittierung xmlns=\"http://www.adv-online.de/namespaces/adv/gid/{version}\" xmlns:gml=\"http://www.opengis.net/gml/3.2\">\n  \
         <ausgabeform>application/xml</ausgabeform>\n  <profilkennung>{profile}</profilkennung>\n{order}  \
         <gesamtNBAErfolgreich>{done}</gesamtNBAErfolgreich>\n  <portionNBAErfolgreich>\n    \
         <AX_Portion_Erfolgreich gml:id=\"P{number}\">\n      <portionskennung>\n        <AX_Portionskennung>\n          \
         <profilkennung>{profile}</profilkennung>\n          <datum>{date}</datum>\n          \
         <laufendePortionsnummer>{number}</laufendePortionsnummer>\n          \
         <gesamtanzahlPortionen>{all}</gesamtanzahlPortionen>\n        </AX_Portionskennung>\n      </portionskennung>\n      \
         <erfolgreich>{done}</erfolgreich>\n      <uebernahmeprotokoll>{protocol}</uebernahmeprotokoll>\n    \
         </AX_Portion_Erfolgreich>\n  </portionNBAErfolgreich>\n</AX_NBAQuittierung>\n",
        profile = escape(profile),
        date = escape(date),
        all = head.portions.unwrap_or(1),
        protocol = escape(protocol),
    );
    Ok(Some((name, text)))
}

/// The text of the first element of that local name.
fn text_of(head: &str, name: &str) -> Option<String> {
    let mut rest = head;
    while let Some(at) = rest.find(name) {
        let before = rest[..at].chars().next_back();
        rest = &rest[at + name.len()..];
        if matches!(before, Some('<' | ':')) && rest.starts_with('>') {
            let text = rest[1..].split('<').next().unwrap_or_default().trim();
            return (!text.is_empty() && text.len() < 200).then(|| text.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::cadastre::nas::{Header, Root};
    use crate::io::Digest;

    #[test]
    fn a_portion_has_a_receipt_that_says_whether_it_was_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nba.xml");
        std::fs::write(&path, "<NBA><adv:antragsnummer>A&amp;1</adv:antragsnummer>").unwrap();
        let source = Source::of_file(&path, "nba.xml").unwrap();
        let header = Header {
            profile: Some("stadt/1".into()),
            portion_date: Some("2026-03-03T04:00:00Z".into()),
            portion: Some(2),
            portions: Some(3),
            model: Some("7.1.2".into()),
            ..Header::default()
        };
        let digest = Digest::of(b"");
        let delivery =
            Delivery { name: "nba.xml".into(), source: digest, rows: digest, root: Root::Changes, header, last_begin: None };
        let (name, text) = receipt(&delivery, None, &source).unwrap().unwrap();
        assert_eq!(name, "stadt_1_20260303T040000_NBA_Quittierung_ID_2.xml");
        assert!(text.contains("<gesamtanzahlPortionen>3<") && text.contains("<erfolgreich>true<"), "{text}");
        assert!(text.contains("gid/7.1\"") && text.contains("<antragsnummer>A&amp;1<"), "{text}");
        let (_, text) = receipt(&delivery, Some("fehlt: 1 < 2"), &source).unwrap().unwrap();
        assert!(text.contains("<erfolgreich>false<") && text.contains("fehlt: 1 &lt; 2"), "{text}");
        let stock = Delivery { header: Header::default(), ..delivery };
        assert!(receipt(&stock, None, &source).unwrap().is_none());
    }
}
