//! Tables of a real PostgreSQL with PostGIS as sources: the same objects as from the files that GDAL loaded them from.

use crate::postgis::cluster::{self, Cluster};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const PASSWORD: &str = "KANARI-geheim-4711";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn start() -> Option<Cluster> {
    let cluster = Cluster::start(&["host all all 127.0.0.1/32 scram-sha-256"], &[], |_| {})?;
    readers(&cluster);
    Some(cluster)
}

/// The schema, and the role that may read it.
fn readers(cluster: &Cluster) {
    cluster.psql(&format!(
        "CREATE SCHEMA gruen; CREATE ROLE leser LOGIN PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA gruen TO leser"
    ));
}

/// Loads a file as GDAL writes it for PostgreSQL; false where the program is missing.
fn load(cluster: &Cluster, file: &Path, table: &str) -> bool {
    let mut command = Command::new("ogr2ogr");
    command.args(["-q", "-f", "PGDump", "/vsistdout/"]).arg(file).args(["-nln", table, "-a_srs", "EPSG:25832"]);
    command.args(["-lco", "SCHEMA=gruen", "-lco", "CREATE_SCHEMA=NO", "-lco", "LAUNDER=NO", "-lco", "GEOMETRY_NAME=geom"]);
    command.args(["-lco", "FID=ogc_id", "-lco", "GEOM_TYPE=geometry", "-lco", "SPATIAL_INDEX=NONE"]);
    let Ok(output) = command.output() else {
        let required = std::env::var_os("MESSKETTE_REQUIRE_ORACLES").is_some_and(|value| value == "1");
        assert!(!required, "ogr2ogr is missing; scripts/setup --tests installs it");
        println!("skipped: ogr2ogr is missing; scripts/setup --tests installs it");
        return false;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    cluster.psql(&String::from_utf8(output.stdout).unwrap());
    cluster.psql("GRANT SELECT ON ALL TABLES IN SCHEMA gruen TO leser");
    true
}

/// A pipeline in a folder of its own.
struct Office {
    folder: tempfile::TempDir,
}

impl Office {
    fn new() -> Self {
        let office = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(office.path().join("login"), PASSWORD).unwrap();
        office
    }
    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn pipeline(&self, kind: &str, source: &str, options: &str) {
        let text = format!(
            "[pipeline]\nname = \"a\"\nworkspace = \"work\"\ncrs = \"EPSG:25832\"\n[[dataset]]\nid = \"daten\"\nkind = \"{kind}\"\n{source}\n{options}\n"
        );
        std::fs::write(self.path().join("p.toml"), text).unwrap();
    }
    /// Exit code, units done, what was said.
    fn night(&self) -> (i32, u64, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_messkette"));
        command.args(["run", "--json"]).arg(self.path().join("p.toml")).env("SOURCE_DATE_EPOCH", "1780000000");
        let output = command.output().unwrap();
        let lines = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
        let summary: Value = serde_json::from_slice(lines.unwrap_or_default()).unwrap_or_default();
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        (output.status.code().unwrap_or(-1), summary["summary"]["units"]["done"].as_u64().unwrap_or(0), said)
    }
    fn file(&self, name: &str) -> PathBuf {
        self.path().join("work/current").join(name)
    }
    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
    /// Files of the workspace that hold a text.
    fn holding(&self, text: &str) -> Vec<PathBuf> {
        let files = walkdir::WalkDir::new(self.path().join("work")).into_iter().flatten();
        let files = files.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
        files.filter(|path| memchr::memmem::find(&std::fs::read(path).unwrap(), text.as_bytes()).is_some()).collect()
    }
}

fn source(cluster: &Cluster, tables: &[&str]) -> String {
    format!(
        "postgis = {{ host = \"127.0.0.1\", port = {}, database = \"{}\", user = \"leser\", password = {{ file = \"login\" }}, tables = {tables:?} }}",
        cluster.port,
        cluster::DATABASE
    )
}

const THEME: &str = "fields = [{ name = \"nummer\", from = \"SG_NR\" }, { name = \"art\", from = \"ART\" }, \
                     { name = \"flaeche\", from = \"FLAECHE\", type = \"number\" }, { name = \"seit\", from = \"VERORDNET\", type = \"date\" }]\n\
                     key = \"nummer\"\nzoom = [10, 12]\naudience = \"public\"";

#[test]
fn a_theme_of_the_database_is_that_of_the_file_and_is_fetched_whole_or_not_at_all() {
    let Some(cluster) = start() else { return };
    let file = fixture("vector_theme/schutzgebiete.geojson");
    if !load(&cluster, &file, "schutz") {
        return;
    }
    let (of_file, office) = (Office::new(), Office::new());
    of_file.pipeline("vector_theme", &format!("source = [{:?}]", file.display().to_string()), THEME);
    office.pipeline("vector_theme", &source(&cluster, &["gruen.schutz"]), THEME);
    let (file_code, _, file_said) = of_file.night();
    let (code, done, said) = office.night();
    assert_eq!(code, file_code, "{said}\n{file_said}");
    assert!(done >= 2);
    let made = office.bytes("public/daten/theme.geojson");
    assert!(memchr::memmem::find(&made, b"\"nummer\":\"SG-1\"").is_some());
    for name in ["theme.geojson", "theme.parquet", "theme.fgb", "theme.gpkg"] {
        let name = format!("public/daten/{name}");
        assert!(office.bytes(&name) == of_file.bytes(&name), "{name} has other bytes");
    }
    // What nobody asked for did not leave the database; what opens it stands nowhere.
    assert!(office.holding("KANARI Beispiel").is_empty() && office.holding(PASSWORD).is_empty());
    assert!(!said.contains(PASSWORD) && !cluster.log().contains(PASSWORD));

    // Unchanged rows, in whatever order they lie: nothing is done.
    cluster.psql("CREATE TABLE gruen.lager AS SELECT * FROM gruen.schutz ORDER BY ogc_id DESC; DELETE FROM gruen.schutz; INSERT INTO gruen.schutz SELECT * FROM gruen.lager");
    let same = |why: &str, wanted: i32| {
        let (code, done, said) = office.night();
        assert_eq!((code, done), (wanted, 0), "{why}: {said}");
        assert!(office.bytes("public/daten/theme.geojson") == made, "{why}");
        said
    };
    same("the same", file_code);
    let faults: [(&str, &str, &str); 5] = [
        ("empty", "TRUNCATE gruen.schutz", "has no row"),
        ("CRSs", "UPDATE gruen.schutz SET geom = public.ST_SetSRID(geom, 4258) WHERE \"SG_NR\" = 'SG-1'", "25832"),
        ("no EPSG", "UPDATE gruen.schutz SET geom = public.ST_SetSRID(geom, 990001)", "no EPSG code"),
        ("two", "ALTER TABLE gruen.schutz ADD mitte public.geometry", "several columns"),
        ("rights", "REVOKE SELECT ON gruen.schutz FROM leser", "permission denied"),
    ];
    for (why, sql, told) in faults {
        let restore = "DROP TABLE gruen.schutz; CREATE TABLE gruen.schutz AS SELECT * FROM gruen.lager; \
                       ALTER TABLE gruen.schutz ADD PRIMARY KEY (ogc_id); GRANT SELECT ON gruen.schutz TO leser";
        cluster.psql("ALTER TABLE gruen.schutz ALTER geom TYPE public.geometry");
        cluster.psql(sql);
        let said = same(why, 3);
        assert!(said.contains(told) && said.contains("gruen.schutz"), "{why}: {said}");
        cluster.psql(restore);
    }
    same("mended", file_code);
    // A change is a change.
    cluster.psql("UPDATE gruen.schutz SET \"ART\" = 'LSG' WHERE \"SG_NR\" = 'SG-1'");
    let (code, done, said) = office.night();
    assert!(code == file_code && done >= 1, "{said}");
    let made = office.bytes("public/daten/theme.geojson");
    // Without the server what was fetched stays, and a plan asks nobody.
    drop(cluster);
    let plan = Command::new(env!("CARGO_BIN_EXE_messkette")).arg("plan").arg(office.path().join("p.toml")).output().unwrap();
    assert_eq!(plan.status.code(), Some(0));
    let (code, done, said) = office.night();
    assert_eq!((code, done), (3, 0), "{said}");
    assert!(office.bytes("public/daten/theme.geojson") == made);
}

#[test]
fn a_table_comes_over_a_sealed_line_from_the_right_server_only() {
    let certificates = tempfile::tempdir().unwrap();
    let folder = certificates.path();
    if !crate::tls::certificates(folder)
        || !crate::tls::certificate(folder, "elsewhere", "subjectAltName=DNS:geo.anderswo.example")
    {
        println!("skipped: openssl is missing; scripts/setup --tests installs it");
        return;
    }
    let copy = |data: &Path, name: &str, to: &str| {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        std::fs::copy(folder.join(name), data.join(to)).unwrap();
        std::fs::set_permissions(data.join(to), std::fs::Permissions::from_mode(0o600)).unwrap();
        let owner = data.metadata().unwrap();
        std::os::unix::fs::chown(data.join(to), Some(owner.uid()), Some(owner.gid())).unwrap();
    };
    let sealed = ["ssl=on", "ssl_cert_file=server.pem", "ssl_key_file=server.key"];
    // Over an open line nobody is let in.
    let access = ["hostssl all all 127.0.0.1/32 scram-sha-256"];
    let prepare = |data: &Path| ["server.pem", "server.key"].into_iter().for_each(|name| copy(data, name, name));
    let Some(cluster) = Cluster::start(&access, &sealed, prepare) else { return };
    let file = fixture("vector_theme/schutzgebiete.geojson");
    readers(&cluster);
    if !load(&cluster, &file, "schutz") {
        return;
    }
    let office = Office::new();
    for name in ["ca.pem", "other.pem"] {
        std::fs::copy(folder.join(name), office.path().join(name)).unwrap();
    }
    let night = |host: &str, more: &str| {
        let source =
            source(&cluster, &["gruen.schutz"]).replace("127.0.0.1", host).replace(" }, tables", &format!(" }}, {more}tables"));
        office.pipeline("vector_theme", &source, THEME);
        office.night()
    };
    let refused = |host: &str, more: &str, told: &str| {
        let (code, _, said) = night(host, more);
        assert!(code != 0 && said.contains(told), "{host} {more}: {code} {said}");
        assert!(office.holding("SG-1").is_empty() && !said.contains(PASSWORD), "{host} {more}");
    };
    let (ours, theirs) = ("tls = \"verify\", ca_file = \"ca.pem\", ", "tls = \"verify\", ca_file = \"other.pem\", ");
    refused("127.0.0.1", theirs, "UnknownIssuer");
    refused("127.0.0.1", "tls = \"verify\", ", "UnknownIssuer");
    refused("127.0.0.1", "", "no pg_hba.conf entry");
    // The right authority, but the certificate of another server.
    let data = cluster.socket().join("data");
    let change = |name: &str| {
        copy(&data, &format!("{name}.pem"), "server.pem");
        copy(&data, &format!("{name}.key"), "server.key");
        // The server reads its certificate together with its settings.
        let loaded = || cluster.psql("SELECT pg_conf_load_time()");
        let before = loaded();
        cluster.psql("SELECT pg_reload_conf()");
        let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
        while loaded() == before {
            assert!(std::time::Instant::now() < end, "the server does not take up its new certificate");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    change("elsewhere");
    refused("127.0.0.1", ours, "not valid for name");
    change("server");
    for host in ["127.0.0.1", "localhost"] {
        let (code, _, said) = night(host, ours);
        assert!([0, 3].contains(&code), "{host}: {said}");
        let made = office.bytes("public/daten/theme.geojson");
        assert!(memchr::memmem::find(&made, b"\"nummer\":\"SG-1\"").is_some(), "{host}");
        assert_eq!(cluster.psql("SELECT count(*) FROM pg_stat_ssl WHERE NOT ssl AND pid IN (SELECT pid FROM pg_stat_activity WHERE usename = 'leser')"), "0");
    }
}

#[test]
fn values_of_all_types_names_of_all_letters_and_views_come_as_they_are() {
    let Some(cluster) = start() else { return };
    let table = "gruen.\"O'Hara \"\"Tab.elle\"\" ; --\"";
    cluster.psql(&format!(
        "CREATE DOMAIN gruen.laenge AS numeric(8,3); CREATE TYPE gruen.zustand AS ENUM ('gut', 'schlecht'); \
         CREATE TABLE {table} (\"Straße Nr.\" text PRIMARY KEY, gross bigint, sehr_gross numeric(25,0), genau numeric(8,2), \
          laenge gruen.laenge, wahr boolean, tag date, wann timestamptz, art gruen.zustand, liste int[], mehr jsonb, bild bytea, \
          klein real, ort public.geography); \
         INSERT INTO {table} VALUES \
          ('a''\"\\', 9007199254740993, 1234567890123456789012345, 12.50, 1.125, true, '2026-03-01', '2026-03-01 12:00:00+01', 'gut', \
           '{{1,2}}', '{{\"a\": 1}}', '\\x00', 0.1, public.ST_MakePoint(10, 53.7)::public.geography), \
          ('ä', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'NaN', public.ST_MakePoint(10.001, 53.701)::public.geography), \
          ('ohne', 1, 1, 1, 1, false, '2026-03-02', NULL, NULL, NULL, NULL, NULL, 1, NULL); \
         CREATE VIEW gruen.sicht AS SELECT nummer, public.ST_Transform(ort::public.geometry, 25832) AS ort FROM (SELECT gross AS nummer, ort FROM {table}) AS t; \
         CREATE TABLE gruen.lose AS SELECT 7 AS nummer, public.ST_MakePoint(565000, 5950000) AS ort; \
         GRANT SELECT ON ALL TABLES IN SCHEMA gruen TO leser"
    ));
    let office = Office::new();
    let tables = ["gruen.O'Hara \"Tab.elle\" ; --"];
    office.pipeline("vector_theme", &source(&cluster, &tables), "zoom = [10, 12]\naudience = \"internal\"");
    let (code, _, said) = office.night();
    assert_eq!(code, 3, "a feature without a place is rejected: {said}");
    let made: Value = serde_json::from_slice(&office.bytes("internal/daten/theme.geojson")).unwrap();
    let mut found = BTreeMap::new();
    for feature in made["features"].as_array().unwrap() {
        let properties = feature["properties"].clone();
        found.insert(properties["Straße_Nr_"].as_str().unwrap().to_owned(), properties);
    }
    let first = json!({
        "Straße_Nr_": "a'\"\\", "gross": 9_007_199_254_740_993_i64, "sehr_gross": "1234567890123456789012345", "genau": 12.5, "laenge": 1.125,
        "wahr": true, "tag": "2026-03-01", "wann": "2026-03-01 11:00:00+00", "art": "gut", "liste": "{1,2}", "mehr": "{\"a\": 1}",
        "klein": 0.1,
    });
    assert_eq!(found["a'\"\\"], first);
    let empty = found["ä"].as_object().unwrap();
    assert!(empty.iter().all(|(name, value)| name == "Straße_Nr_" || value.is_null()), "{empty:?}");
    assert_eq!(found.len(), 2);

    // A view has no key and the CRS of its geometries.
    let fields = "fields = [{ name = \"nummer\", type = \"integer\" }]\nzoom = [10, 12]\naudience = \"public\"";
    office.pipeline("vector_theme", &source(&cluster, &["gruen.sicht"]), fields);
    let (code, done, said) = office.night();
    assert!(code == 3 && done >= 1, "{said}");
    let (code, done, said) = office.night();
    assert_eq!((code, done), (3, 0), "{said}");
    // Without a CRS it needs to be said.
    office.pipeline("vector_theme", &source(&cluster, &["gruen.lose"]), fields);
    let (code, _, said) = office.night();
    assert!(code == 3 && said.contains("does not say its CRS"), "{said}");
    office.pipeline("vector_theme", &source(&cluster, &["gruen.lose"]), &format!("source_crs = \"EPSG:25832\"\n{fields}"));
    let (code, _, said) = office.night();
    assert_eq!(code, 0, "{said}");
    // What is not there is told; what is published stays.
    let before = office.bytes("public/daten/theme.geojson");
    office.pipeline("vector_theme", &source(&cluster, &["gruen.Lose"]), &format!("source_crs = \"EPSG:25832\"\n{fields}"));
    let (code, _, said) = office.night();
    assert!(code == 3 && said.contains("there is no such table"), "{said}");
    assert!(office.bytes("public/daten/theme.geojson") == before);
}

#[test]
fn playgrounds_of_the_database_are_those_of_the_files() {
    let Some(cluster) = start() else { return };
    let folder = tempfile::tempdir().unwrap();
    // GDAL reads CSV in UTF-8.
    let devices = std::fs::read(fixture("playground/spielgeraete.csv")).unwrap();
    let path = folder.path().join("spielgeraete.csv");
    std::fs::write(&path, devices.iter().map(|byte| char::from(*byte)).collect::<String>()).unwrap();
    if !load(&cluster, &fixture("playground/spielplaetze.geojson"), "spielplatz") {
        return;
    }
    assert!(load(&cluster, &path, "spielgeraet"));
    assert!(load(&cluster, &fixture("playground/pruefungen.csv"), "pruefung"));
    let number = |column: &str| format!("nullif(replace(\"{column}\", ',', '.'), '')::float8");
    cluster.psql(&format!(
        "ALTER TABLE gruen.spielgeraet ADD ort public.geometry(Point, 25832); \
         UPDATE gruen.spielgeraet SET ort = public.ST_SetSRID(public.ST_MakePoint({}, {}), 25832)",
        number("Rechtswert"),
        number("Hochwert")
    ));
    let options = "audience = \"public\"\nas_of = \"2026-05-28\"\n[dataset.devices]\nsource_crs = \"EPSG:25832\"\nencoding = \"windows-1252\"\n\
                   decimal = \",\"\nfields = [{ name = \"fallhoehe_cm\", from = \"Fallhöhe\", unit = \"m\" }]";
    let (of_file, office) = (Office::new(), Office::new());
    let files = ["spielplaetze.geojson", "spielgeraete.csv", "pruefungen.csv"].map(|name| fixture("playground").join(name));
    of_file.pipeline("playground", &format!("source = {:?}", files.map(|file| file.display().to_string())), options);
    let tables = ["gruen.spielplatz", "gruen.spielgeraet", "gruen.pruefung"];
    office.pipeline("playground", &source(&cluster, &tables), options);
    let (file_code, _, file_said) = of_file.night();
    let (code, done, said) = office.night();
    assert_eq!((code, file_code), (0, 0), "{said}\n{file_said}");
    assert_eq!(done, 3, "a unit for each table");
    for name in ["public/daten/spielplaetze.geojson", "public/daten/spielgeraete.geojson", "internal/daten/faellig.csv"] {
        assert_eq!(String::from_utf8(office.bytes(name)).unwrap(), String::from_utf8(of_file.bytes(name)).unwrap(), "{name}");
    }
    let rows = |office: &Office| {
        let base = rusqlite::Connection::open(office.file("internal/daten/playground_intern.gpkg")).unwrap();
        let mut all = Vec::new();
        for table in ["spielplatz", "spielgeraet", "ausstattung", "pruefung", "mangel", "pruefplan"] {
            let mut rows = base.prepare(&format!("SELECT * FROM {table} ORDER BY fid")).unwrap();
            let columns = rows.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at)).collect::<Result<Vec<_>, _>>()
            };
            all.extend(rows.query_map([], row).unwrap().map(|row| format!("{table} {:?}", row.unwrap())));
        }
        all
    };
    let (ours, theirs) = (rows(&office), rows(&of_file));
    assert!(ours.len() > 10, "{ours:?}");
    assert_eq!(ours, theirs);
    assert!(office.holding(PASSWORD).is_empty());
    let (code, done, said) = office.night();
    assert_eq!((code, done), (0, 0), "{said}");
    // A table that fails keeps them all.
    cluster.psql("DELETE FROM gruen.pruefung");
    let (code, done, said) = office.night();
    assert_eq!((code, done), (3, 0), "{said}");
    assert_eq!(rows(&office), theirs);
}
