//! What the other datasets of the night say of sites.

use super::*;

/// A table of another dataset: texts by column, and places.
fn table(path: &Path, columns: &[(&str, &[&str])], shapes: &[&str]) {
    use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    let mut fields: Vec<Field> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
    let texts = columns.iter().map(|(_, values)| {
        let values = values.iter().map(|value| Some(*value).filter(|value| !value.is_empty()));
        std::sync::Arc::new(values.collect::<StringArray>()) as ArrayRef
    });
    let mut arrays: Vec<ArrayRef> = texts.collect();
    let shapes: Vec<Option<Vec<u8>>> = shapes.iter().map(|text| crate::io::gdal::wkb_of_text(text)).collect();
    fields.push(Field::new("geometry", DataType::Binary, true));
    arrays.push(std::sync::Arc::new(shapes.iter().map(Option::as_deref).collect::<BinaryArray>()));
    let batch = RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), arrays).unwrap();
    let options = crate::format::geoparquet::Options::new("geometry", Some(crate::crs::Crs::UTM32));
    crate::format::geoparquet::write_file(path, &batch.schema(), [Ok(batch.clone())], &options).unwrap();
}

fn square(x: f64, y: f64, side: f64) -> String {
    format!("POLYGON (({x} {y}, {} {y}, {} {}, {x} {}, {x} {y}))", x + side, x + side, y + side, y + side)
}

#[test]
fn sites_get_parcels_addresses_and_districts_of_the_night_or_the_report_says_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (x, y) = (565_000.0, 5_948_000.0);
    let site = |key: &str, parcel: &str, shape: String| format!("{key};{parcel};{shape}\n");
    let mut sites = "kennung;flurstueckskennzeichen;wkt\n".to_owned();
    sites += &site("A", "01_17", format!("POINT ({} {})", x + 50.0, y + 50.0));
    // Three quarters on the second parcel, one on the first, a hair on the third.
    sites += &site("B", "", square(x + 90.0, y + 20.0, 40.0));
    sites += &site("C", "01_99", square(x + 10.0, y + 10.0, 20.0));
    sites += &site("D", "", format!("POINT ({} {})", x + 900.0, y));
    std::fs::write(path("plaetze.csv"), sites).unwrap();
    let parcels = [square(x, y, 100.0), square(x + 100.0, y, 100.0), square(x + 90.0, y + 59.99, 10.0)];
    let parcels: Vec<&str> = parcels.iter().map(String::as_str).collect();
    table(&path("flurstueck.parquet"), &[("flstkennz", &["01_17__", "01_18__", "01_19__"])], &parcels);
    let columns: [(&str, &[&str]); 5] = [
        ("strasse", &["Am Deich", "Am Deich", "Bahnhofstraße", "Hof"]),
        ("hausnummer", &["1", "2 a", "7", ""]),
        ("plz", &["24937", "24937", "", ""]),
        ("ort", &["Kettenau", "Kettenau", "", ""]),
        ("flstkennz", &["01_17__", "01_55__", "01_18__", ""]),
    ];
    // The first is farther away than the second, but on the parcel; the last has no place.
    let at = [(80.0, 80.0), (55.0, 50.0), (195.0, 195.0)].map(|(dx, dy)| format!("POINT ({} {})", x + dx, y + dy));
    table(&path("adresse.parquet"), &columns, &[&at[0], &at[1], &at[2], ""]);
    table(&path("theme.parquet"), &[("name", &["Nord", "Mitte"])], &[&square(x, y, 100.0), &square(x, y, 60.0)]);
    let mut play = play(
        &json!({ "sites": { "source_crs": "EPSG:25832" }, "uses": ["alkis", "stadtteile"], "district": { "dataset": "stadtteile", "field": "name" } }),
        &[path("plaetze.csv")],
    );
    let facts = play_facts();
    let used = |names: &[&str]| crate::dataset::UsedDataset {
        files: names.iter().map(|name| ((*name).to_owned(), (path(name), crate::io::Digest::of(b"")))).collect(),
        facts: facts.clone(),
    };
    play.uses.insert("alkis".to_owned(), used(&["flurstueck.parquet", "adresse.parquet"]));
    play.uses.insert("stadtteile".to_owned(), used(&["theme.parquet"]));
    let harness = play.run();
    whole(&harness);
    let base = open(&harness, OFFICE);
    let rows = "SELECT kennung, kataster_flurstueck, kataster_adresse, kataster_adresse_m, ortsteil, flaeche_gemessen_m2 FROM spielplatz ORDER BY 1";
    insta::assert_snapshot!(lines(&base, rows).join("\n"), @"
    A | 01_17__ | Am Deich 1, 24937 Kettenau | 42.43 | Mitte | -
    B | 01_18__, 01_17__ | Am Deich 1, 24937 Kettenau | 22.36 | - | 1600
    C | 01_17__ | Am Deich 1, 24937 Kettenau | 70.71 | Mitte | 400
    D | - | - | - | - | -
    ");
    let notes = "SELECT kennung, hinweis FROM hinweis ORDER BY 1, 2";
    insta::assert_snapshot!(lines(&base, notes).join("\n"), @"
    B | liegt in keinem Ortsteil
    C | angegeben ist das Flurstück 01_99, nach dem Kataster ist es 01_17__
    D | im Umkreis von 100 m ist keine Adresse
    D | liegt in keinem Flurstück des Katasters
    D | liegt in keinem Ortsteil
    ");
    let facts = &harness.assembly.as_ref().unwrap().facts;
    let told = |name: &str| facts.notes.iter().find(|(key, _)| key == name).unwrap().1.as_str();
    assert_eq!(told("Aus anderen Datensätzen"), "Flurstück bei 3, Adresse bei 3, Ortsteil bei 2 von 4 Plätzen");
    assert_eq!(told("In keinem Flurstück"), "1: D");
}

/// What another dataset says of itself: its CRS is all that is looked at.
fn play_facts() -> crate::dataset::Facts {
    let harness = play(&options(), &fixtures()).run();
    harness.assembly.unwrap().facts
}
