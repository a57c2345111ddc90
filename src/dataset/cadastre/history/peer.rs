//! The store against the rules of the importers that offices run today, written as SQL and applied by a real PostgreSQL to what another
//! reader finds in the same deliveries.
//!
//! The rules (of triggers that keep history): a feature of 32 characters names its version, one of 16 the oldest that is open; a
//! deletion ends it at the portion's date, an update when it says, a replacement where the version begins that replaces it; one that
//! replaces itself ends nothing; without a successor it is a fault.

use super::owners;
use super::store::each_version;
use super::tests::{town, unpacked};
use crate::dataset::cadastre::row::Row;
use crate::dataset::testing::Play;
use crate::demo::Dialect;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[path = "../../../../tests/validators/postgres.rs"]
mod cluster;

const RULES: &str = r"
CREATE TABLE neu (lieferung int, klasse text, oid text, beginnt text, endet text, anlass text[]);
CREATE TABLE vorgang (nr serial, lieferung int, art text, fid text, ersetzt_durch text, endet text, anlass text[], datum text);
CREATE TABLE fassung (klasse text, oid text, beginnt text, endet text, anlass text[], PRIMARY KEY (oid, beginnt));
CREATE FUNCTION moment(stempel text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(stempel, '(....)(..)(..)T(..)(..)(..)Z', '\1-\2-\3T\4:\5:\6Z')
$$;
CREATE FUNCTION anwenden(welche int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v record; objekt text; version text; ende text;
BEGIN
    INSERT INTO fassung SELECT klasse, oid, beginnt, endet, anlass FROM neu WHERE lieferung = welche ON CONFLICT DO NOTHING;
    FOR v IN SELECT * FROM vorgang WHERE lieferung = welche ORDER BY nr LOOP
        objekt := left(v.fid, 16);
        version := CASE WHEN length(v.fid) = 32 THEN moment(substr(v.fid, 17))
                        ELSE (SELECT min(beginnt) FROM fassung WHERE oid = objekt AND endet IS NULL) END;
        ende := CASE v.art WHEN 'Delete' THEN v.datum WHEN 'Update' THEN v.endet ELSE
            coalesce(moment(nullif(substr(v.ersetzt_durch, 17), '')),
                     (SELECT min(beginnt) FROM fassung WHERE oid = left(v.ersetzt_durch, 16) AND beginnt > version)) END;
        IF v.art = 'Replace' AND ende IS NULL THEN RAISE EXCEPTION 'kein Nachfolger: %', v.fid; END IF;
        CONTINUE WHEN v.art = 'Replace' AND left(v.ersetzt_durch, 16) = objekt AND ende = version;
        UPDATE fassung SET endet = ende, anlass = fassung.anlass || v.anlass
            WHERE oid = objekt AND beginnt = version AND endet IS NULL;
    END LOOP;
END $$;
";

/// What a delivery says, as lines for `COPY`.
#[derive(Default)]
struct Said {
    versions: String,
    operations: String,
}

/// A member that is being read.
#[derive(Default)]
struct Member {
    class: String,
    oid: String,
    beginnt: String,
    endet: String,
    reasons: Vec<String>,
    targets: Vec<String>,
    property: String,
    value: String,
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().map(Result::unwrap).find(|attribute| attribute.key.local_name().as_ref() == name);
    found.map(|attribute| attribute.value.to_string())
}

/// Reads a delivery with nothing of ours: by local names and the path of elements.
fn read(number: usize, text: &str, said: &mut Said) {
    let date = text.split("datum>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
    let mut reader = Reader::from_str(text);
    let (mut path, mut member) = (Vec::<String>::new(), Member::default());
    loop {
        let event = reader.read_event().unwrap();
        let (tag, empty) = match &event {
            Event::Start(tag) => (Some(tag), false),
            Event::Empty(tag) => (Some(tag), true),
            _ => (None, false),
        };
        if let Some(tag) = tag {
            let name = tag.local_name().as_ref().to_owned();
            let around = path.last().map_or("", String::as_str);
            match name.as_str() {
                "Update" | "Delete" | "Replace" if around == "Transaction" => member = Member::default(),
                "FeatureId" => member.targets.extend(attribute(tag, "fid")),
                "ResourceId" => member.targets.extend(attribute(tag, "rid")),
                "anlass" if path.contains(&member.class) => {
                    let code = attribute(tag, "href").and_then(|href| href.rsplit('/').next().map(str::to_owned));
                    member.reasons.extend(code);
                }
                _ if ["Insert", "Replace", "member", "featureMember"].contains(&around) && attribute(tag, "id").is_some() => {
                    let id = attribute(tag, "id").unwrap();
                    member = Member { class: name.clone(), oid: id[..16].to_owned(), ..Member::default() };
                }
                _ => {}
            }
            if !empty {
                path.push(name);
            }
            continue;
        }
        match event {
            Event::Text(value) => {
                let value = value.to_string().trim().to_owned();
                let inside = path.contains(&member.class);
                match path.last().map(String::as_str) {
                    _ if value.is_empty() => {}
                    Some("beginnt") if inside => member.beginnt = value,
                    Some("endet") if inside => member.endet = value,
                    Some("anlass") if inside => member.reasons.push(value),
                    Some("Name" | "ValueReference") => member.property = value,
                    Some("Value") if member.property.ends_with("endet") => member.value = value,
                    _ => {}
                }
            }
            Event::End(_) => {
                let name = path.pop().unwrap();
                let reasons = format!("{{{}}}", member.reasons.join(","));
                let or_null = |text: &str| if text.is_empty() { "\\N".to_owned() } else { text.to_owned() };
                if name == member.class {
                    let Member { class, oid, beginnt, endet, .. } = &member;
                    said.versions.push_str(&format!("{number}\t{class}\t{oid}\t{beginnt}\t{}\t{reasons}\n", or_null(endet)));
                } else if ["Update", "Delete", "Replace"].contains(&name.as_str()) {
                    let by = if name == "Replace" {
                        format!("{}{}", member.oid, member.beginnt.replace(['-', ':'], ""))
                    } else {
                        "\\N".to_owned()
                    };
                    let more = if name == "Update" { reasons } else { "{}".to_owned() };
                    for target in &member.targets {
                        let end = or_null(&member.value);
                        said.operations.push_str(&format!("{number}\t{name}\t{target}\t{by}\t{end}\t{more}\t{date}\n"));
                    }
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
}

/// Class, object, begin, end and reasons of all versions that the rules make of the deliveries.
fn by_rules(cluster: &cluster::Cluster, files: &[PathBuf]) -> BTreeSet<String> {
    let mut said = Said::default();
    for (number, file) in files.iter().enumerate() {
        let packed = file.extension().is_some_and(|extension| extension == "gz");
        let text = if packed { unpacked(file) } else { std::fs::read_to_string(file).unwrap() };
        read(number, &text, &mut said);
    }
    let apply = (0..files.len()).fold(String::new(), |text, number| text + &format!("SELECT anwenden({number});"));
    let answer = cluster.psql(&format!(
        "TRUNCATE neu, vorgang, fassung;\n\
         COPY neu FROM STDIN;\n{}\\.\n\
         COPY vorgang (lieferung, art, fid, ersetzt_durch, endet, anlass, datum) FROM STDIN;\n{}\\.\n\
         {apply}\n\
         SELECT concat_ws(' ', klasse, oid, beginnt, coalesce(endet, '-'), array_to_string(anlass, '+')) FROM fassung;\n",
        said.versions, said.operations
    ));
    answer.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The same of the store, with owners, which are kept apart.
fn by_store(files: &[PathBuf]) -> BTreeSet<String> {
    let options = serde_json::json!({ "history": true, "owners": true, "audience": "internal", "zoom": [12, 12] });
    let mut play = Play::new("cadastre", &options, files);
    play.only = Some("quittierung".into());
    let harness = play.run();
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let mut lines = BTreeSet::new();
    let mut take = |row: Row| {
        let reasons = match row.properties().get("anlass") {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("+"),
            Some(Value::String(one)) => one.clone(),
            _ => String::new(),
        };
        let end = row.endet.as_deref().unwrap_or("-");
        assert!(lines.insert(format!("{} {} {} {end} {reasons}", row.class, row.oid, row.beginnt)), "{}", row.oid);
    };
    each_version(&harness.results[1][0], |row| {
        assert!(!crate::dataset::cadastre::nas::is_private(&row.class), "{} lies among the others", row.oid);
        take(row);
        Ok(())
    })
    .unwrap();
    owners::each_version(&harness.results, &mut take).unwrap();
    lines
}

#[test]
fn versions_are_those_that_the_rules_of_others_make_in_a_database() {
    let Some(cluster) = cluster::Cluster::start(&[], &[], |_| {}) else { return };
    cluster.psql(RULES);
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cadastre").join(name);
    let mut ended = 0;
    for (dialect, number) in [(Dialect::Gid6, 6), (Dialect::Gid7, 7)] {
        let (_folder, deliveries) = town(dialect, 3);
        let small = ["stock", "changes"].map(|name| fixture(&format!("{name}-gid{number}.xml")));
        for files in [&deliveries[..], &small] {
            let (rules, store) = (by_rules(&cluster, files), by_store(files));
            assert!(store.iter().any(|line| line.starts_with("AX_Person ")));
            let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).take(5).cloned().collect::<Vec<_>>();
            assert_eq!(only(&rules, &store), only(&store, &rules), "rules of others, ours: {number}");
            ended += store.iter().filter(|line| line.split(' ').nth(3) != Some("-")).count();
        }
    }
    assert!(ended > 40, "{ended}");
}
