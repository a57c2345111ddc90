//! The quality list as a file for the office: every finding with object and place, where the report shows the first of each kind.

use crate::dataset::UnitResult;
use crate::format::sheet::cell;

/// What the codes of the list begin with.
const QUALITY: &str = "mk::cadastre::quality::";

/// The findings of all units as CSV (semicolons, UTF-8 with a byte order mark), by kind, then object; `None` when there are none.
pub fn csv(results: &[UnitResult]) -> Option<String> {
    let mut lines: Vec<[String; 6]> = results
        .iter()
        .flat_map(|result| &result.outcome.findings)
        .filter_map(|finding| {
            let kind = finding.code.strip_prefix(QUALITY)?;
            let [east, north] = finding.place.at.map_or_else(Default::default, |at| at.map(|value| format!("{value:.3}")));
            let object = finding.place.object.clone().unwrap_or_default();
            Some([kind.to_owned(), finding.object_type.clone(), object, east, north, cell(&finding.reason)])
        })
        .collect();
    lines.sort();
    if lines.is_empty() {
        return None;
    }
    let mut text = String::from("\u{feff}pruefung;objektart;oid;ost;nord;befund\r\n");
    for line in lines {
        text.push_str(&line.join(";"));
        text.push_str("\r\n");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Outcome;
    use crate::error::{Place, Rejection};
    use crate::io::Digest;

    #[test]
    fn findings_of_the_stage_are_listed_by_kind_and_object() {
        let finding = |code: &str, oid: &str, at: Option<[f64; 2]>| Rejection {
            object_type: "AX_Flurstueck".into(),
            code: code.into(),
            reason: "overlaps; 2 m2".into(),
            place: Place { object: Some(oid.into()), at, ..Place::default() },
        };
        let findings = vec![
            finding("mk::cadastre::quality::overlap", "B", Some([560_000.0, 5_950_000.5])),
            finding("mk::cadastre::quality::area", "A", None),
            finding("mk::cadastre::nas::local_crs", "C", None),
        ];
        let result = |findings| UnitResult {
            key: "k".into(),
            digest: Digest::of(b""),
            path: "p".into(),
            outcome: Outcome { findings, ..Outcome::default() },
            inputs: Vec::new(),
            stale: false,
        };
        assert_eq!(csv(&[result(Vec::new())]), None);
        let text = csv(&[result(findings)]).unwrap();
        let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
        assert_eq!(
            lines,
            [
                "pruefung;objektart;oid;ost;nord;befund",
                "area;AX_Flurstueck;A;;;\"overlaps; 2 m2\"",
                "overlap;AX_Flurstueck;B;560000.000;5950000.500;\"overlaps; 2 m2\"",
            ]
        );
    }
}
