//! Tables in a real PostgreSQL with PostGIS: the same as in the released GeoPackage, whole at any moment, written only when there is
//! something new.

#[path = "../validators/postgres.rs"]
pub mod cluster;

use cluster::Cluster;
use messkette::io::postgres::{Connection, Settings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const PASSWORD: &str = "KANARI-geheim-4711";

/// The role that loads, and one that reads.
const ROLES: &str =
    "CREATE ROLE lader LOGIN PASSWORD 'KANARI-geheim-4711'; CREATE ROLE leser LOGIN; GRANT CREATE ON DATABASE geo TO lader;";

/// A workspace with deliveries of the cadastre.
struct Office {
    folder: tempfile::TempDir,
}

impl Office {
    fn new(deliveries: &[&str]) -> Self {
        let office = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(office.path().join("in")).unwrap();
        std::fs::write(office.path().join("login"), format!("{PASSWORD}\n")).unwrap();
        for name in deliveries {
            office.arrive(name);
        }
        office
    }
    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn arrive(&self, name: &str) {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cadastre").join(name);
        std::fs::copy(fixture, self.path().join("in").join(name)).unwrap();
    }
    fn pipeline(&self, publish: &str) {
        let text = format!(
            "[pipeline]\nname = \"stadt 'O\\\\Hara'\"\nworkspace = \"work\"\n\
             [[dataset]]\nid = \"alkis-stadt\"\nkind = \"cadastre\"\nsource = [\"in/*.xml\"]\naudience = \"public\"\nzoom = [12, 12]\n{publish}"
        );
        std::fs::write(self.path().join("p.toml"), text).unwrap();
    }
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_messkette"));
        command.args(["run", "-vv"]).arg(self.path().join("p.toml")).env("NO_COLOR", "1").env("SOURCE_DATE_EPOCH", "1780000000");
        command
    }
    /// Exit code, and all that was said.
    fn night(&self) -> (i32, String) {
        let output = self.command().output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap_or(-1), said.replace("\n  │ ", " "))
    }
    fn geopackage(&self) -> std::path::PathBuf {
        self.path().join("work/current/public/alkis-stadt/cadastre.gpkg")
    }
}

/// All rows of the GeoPackage by table, with geometries as hexadecimal WKB.
fn rows_of(file: &Path) -> BTreeMap<String, Vec<Value>> {
    use rusqlite::types::ValueRef;
    let base = rusqlite::Connection::open(file).unwrap();
    let mut names = base.prepare("SELECT table_name FROM gpkg_contents").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let table = |name: String| {
        let mut rows = base.prepare(&format!("SELECT * FROM \"{name}\" ORDER BY fid")).unwrap();
        let columns: Vec<String> = rows.column_names().map(str::to_owned).collect();
        let value = |value: ValueRef<'_>| match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => json!(number as f64),
            ValueRef::Real(number) => json!(number),
            ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
            // Behind magic, version, flags, CRS and, where it is not empty, four numbers of the envelope.
            ValueRef::Blob(blob) => {
                let wkb = &blob[if blob[3] & 0x0e == 0 { 8 } else { 40 }..];
                json!(wkb.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
            }
        };
        let row = |row: &rusqlite::Row<'_>| {
            let members = columns.iter().enumerate().map(|(index, name)| (name.clone(), value(row.get_ref(index).unwrap())));
            Ok(Value::Object(members.collect()))
        };
        let rows: Vec<Value> = rows.query_map([], row).unwrap().map(Result::unwrap).collect();
        let mut snake = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !snake.is_empty() {
                snake.push('_');
            }
            snake.extend(letter.to_lowercase());
        }
        (snake, rows)
    };
    names.into_iter().map(table).collect()
}

/// The same of the database.
fn rows_in(cluster: &Cluster, schema: &str) -> BTreeMap<String, Vec<Value>> {
    let names =
        cluster.psql(&format!("SELECT relname FROM pg_class WHERE relnamespace = '{schema}'::regnamespace AND relkind = 'r'"));
    let table = |name: &str| {
        let sql = format!(
            "SELECT to_jsonb(t) || jsonb_build_object('geometry', encode(public.ST_AsBinary(geometry, 'NDR'), 'hex')) FROM {schema}.{name} t ORDER BY fid"
        );
        let rows = cluster.psql(&sql);
        // Whole numbers and others are all the same to JSON.
        let number = |(key, value): (String, Value)| {
            let value = if value.is_number() { json!(value.as_f64().unwrap()) } else { value };
            (key, value)
        };
        let row = |line: &str| {
            let Value::Object(members) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
            Value::Object(members.into_iter().map(number).collect())
        };
        (name.to_owned(), rows.lines().map(row).collect())
    };
    names.lines().map(table).collect()
}

fn sorted(rows: BTreeMap<String, Vec<Value>>) -> BTreeMap<String, Vec<BTreeMap<String, Value>>> {
    let row = |row: Value| serde_json::from_value(row).unwrap();
    rows.into_iter().map(|(name, rows)| (name, rows.into_iter().map(row).collect())).collect()
}

/// The number that the next writing transaction will get: the same as before where nobody has written.
fn writes(cluster: &Cluster) -> String {
    cluster.psql("SELECT pg_snapshot_xmax(pg_current_snapshot())")
}

#[test]
fn tables_are_those_of_the_geopackage_and_a_night_without_news_writes_nothing() {
    let Some(cluster) = Cluster::start(&["host all all 127.0.0.1/32 scram-sha-256"], &[], |_| {}) else { return };
    cluster.psql(ROLES);
    let office = Office::new(&["stock-gid6.xml"]);
    let publish = |more: &str| {
        format!(
            "[[publish]]\nkind = \"postgis\"\nhost = \"127.0.0.1\"\nport = {}\ndatabase = \"geo\"\nuser = \"lader\"\npassword = {{ file = \"login\" }}\n{more}",
            cluster.port
        )
    };
    office.pipeline(&publish("readers = [\"leser\"]\n"));
    let (code, first) = office.night();
    assert_eq!(code, 0, "{first}");
    assert!(first.contains("alkis_stadt with 9 tables"), "{first}");
    let expected = rows_of(&office.geopackage());
    assert!(expected["flurstueck"].len() > 3 && expected["objekt"].len() > 3, "{expected:?}");
    assert_eq!(sorted(rows_in(&cluster, "alkis_stadt")), sorted(expected));
    // Type and CRS of the geometries, keys, indexes, titles.
    let about = cluster.psql(
        "SELECT f_table_name, type, srid FROM geometry_columns WHERE f_table_schema = 'alkis_stadt' ORDER BY 1; \
         SELECT count(*) FROM pg_indexes WHERE schemaname = 'alkis_stadt' AND indexdef LIKE '%USING gist (geometry)'; \
         SELECT count(*) FROM pg_constraint WHERE connamespace = 'alkis_stadt'::regnamespace AND contype = 'p'; \
         SELECT obj_description('alkis_stadt.flurstueck'::regclass)",
    );
    insta::assert_snapshot!(about, @r"
    adresse|POINT|25832
    flurstueck|MULTIPOLYGON|25832
    flurstueck_punkt|POINT|25832
    gebaeude_bauwerk|GEOMETRY|25832
    kataster_bezirk|GEOMETRY|25832
    nutzung|GEOMETRY|25832
    nutzung_flurstueck|MULTIPOLYGON|25832
    objekt|GEOMETRY|25832
    verwaltungs_einheit|GEOMETRY|25832
    9
    9
    Flurstücke
    ");
    assert_eq!(cluster.psql("SELECT bool_and(public.ST_IsValid(geometry)) FROM alkis_stadt.flurstueck"), "t");
    assert_eq!(cluster.psql("SET ROLE leser; SELECT count(*) > 3 FROM alkis_stadt.flurstueck"), "t");
    cluster.try_psql("SET ROLE leser; DELETE FROM alkis_stadt.flurstueck").unwrap_err();

    let before = writes(&cluster);
    let (code, quiet) = office.night();
    assert_eq!((code, writes(&cluster)), (0, before), "{quiet}");
    assert!(!quiet.contains("publish  postgis"), "{quiet}");

    // Somebody's view would stay behind with the old rows: then they all stay, and the night says so.
    cluster.psql("CREATE VIEW public.zu_gross AS SELECT * FROM alkis_stadt.flurstueck WHERE flaeche > 1000");
    office.arrive("changes-gid6.xml");
    let before = rows_in(&cluster, "alkis_stadt");
    let (code, said) = office.night();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("zu_gross") && rows_in(&cluster, "alkis_stadt") == before, "{said}");
    cluster.psql("DROP VIEW public.zu_gross");
    let (code, said) = office.night();
    assert_eq!(code, 0, "{said}");
    assert_eq!(sorted(rows_in(&cluster, "alkis_stadt")), sorted(rows_of(&office.geopackage())));
    // The old ones stay for a night.
    assert_eq!(rows_in(&cluster, "alkis_stadt_before"), before);

    // A schema that is not ours is not touched.
    cluster.psql("CREATE SCHEMA fremd_alkis_stadt; CREATE TABLE fremd_alkis_stadt.flurstueck (a int)");
    office.pipeline(&publish("schema_prefix = \"fremd_\"\n"));
    let (code, said) = office.night();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("nicht von uns"), "{said}");
    assert_eq!(cluster.psql("SELECT count(*) FROM fremd_alkis_stadt.flurstueck"), "0");

    // Who is not let in is told so, without the password.
    std::fs::write(office.path().join("login"), "KANARI-falsch-0815").unwrap();
    office.pipeline(&publish(""));
    let (code, refused) = office.night();
    assert_eq!(code, 12, "{refused}");
    for said in [&first, &quiet, &said, &refused, &cluster.log()] {
        assert!(!said.contains("KANARI"), "{said}");
    }
    for entry in
        walkdir::WalkDir::new(office.path().join("work")).into_iter().flatten().filter(|entry| entry.file_type().is_file())
    {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(memchr::memmem::find(&bytes, b"KANARI-geheim").is_none(), "{}", entry.path().display());
    }
}

/// Counts parcels until it is done; gives how often, and the numbers that were seen. A table that is not there would end it.
fn look(host: String, port: u16, done: &AtomicBool) -> (u64, BTreeSet<usize>) {
    let (database, user) = (cluster::DATABASE.to_owned(), "lader".to_owned());
    let timeout = std::time::Duration::from_mins(1);
    let settings = Settings { host, port, database, user, password: None, tls: None, timeout };
    let mut connection = Connection::open(&settings).unwrap();
    connection.run("SET application_name = 'leser'").unwrap();
    let (mut looks, mut seen) = (0, BTreeSet::new());
    while !done.load(Ordering::Relaxed) {
        let rows = connection.run("SELECT count(*) FROM alkis_stadt.flurstueck").unwrap();
        seen.insert(rows[0][0].as_deref().unwrap().parse().unwrap());
        looks += 1;
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    (looks, seen)
}

#[test]
fn killed_at_any_moment_the_tables_are_whole() {
    let Some(cluster) = Cluster::start(&["local all all trust"], &[], |_| {}) else { return };
    cluster.psql(ROLES);
    let office = Office::new(&["stock-gid6.xml"]);
    office.pipeline(&format!(
        "[[publish]]\nkind = \"postgis\"\nhost = \"{}\"\nport = {}\ndatabase = \"geo\"\nuser = \"lader\"\n",
        cluster.socket().display(),
        cluster.port
    ));
    let (code, said) = office.night();
    assert_eq!(code, 0, "{said}");
    let old = rows_in(&cluster, "alkis_stadt");
    office.arrive("changes-gid6.xml");
    // The release is made, the database is not reached.
    let mut unsent = office.command();
    assert_ne!(unsent.env("MESSKETTE_FAULT", "send:1:EIO").status().unwrap().code(), Some(0));
    assert_eq!(rows_in(&cluster, "alkis_stadt"), old);
    let new = sorted(rows_of(&office.geopackage()));
    // Somebody looks at it all the time.
    let done = Arc::new(AtomicBool::new(false));
    let looks = {
        let (done, host, port) = (Arc::clone(&done), cluster.socket().display().to_string(), cluster.port);
        std::thread::spawn(move || look(host, port, &done))
    };
    let wanted: Option<usize> = std::env::var("MESSKETTE_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
    let stride = if wanted.is_some() { 1 } else { 9 };
    let (mut kills, mut step) = (0, 2);
    loop {
        let status = office.command().env("MESSKETTE_FAULT", format!("send:{step}:KILL")).output().unwrap().status;
        // The server notices that the line is gone when it is done with what it was asked.
        while cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'messkette'") != "0" {}
        let found = rows_in(&cluster, "alkis_stadt");
        if status.signal().is_none() {
            assert_eq!(status.code(), Some(0));
            assert_eq!(sorted(found), new);
            break;
        }
        kills += 1;
        assert!(found == old || sorted(found) == new, "step {step}");
        step += stride;
    }
    done.store(true, Ordering::Relaxed);
    let (looks, seen) = looks.join().unwrap();
    let parcels = [old["flurstueck"].len(), new["flurstueck"].len()];
    assert!(parcels[0] != parcels[1] && seen.iter().all(|count| parcels.contains(count)), "{seen:?}, not {parcels:?}");
    println!("{kills} kills, {looks} looks: {seen:?}");
    assert!(kills > 4, "{kills}");
    let before = writes(&cluster);
    assert_eq!(office.night().0, 0);
    assert_eq!(writes(&cluster), before);
}

#[test]
fn the_line_is_sealed_and_the_right_server_at_its_end() {
    let certificates = tempfile::tempdir().unwrap();
    if !crate::tls::certificates(certificates.path()) {
        println!("skipped: openssl is missing; scripts/setup --tests installs it");
        return;
    }
    let copy = |data: &Path| {
        for name in ["server.pem", "server.key"] {
            std::fs::copy(certificates.path().join(name), data.join(name)).unwrap();
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(data.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    };
    let sealed = ["ssl=on", "ssl_cert_file=server.pem", "ssl_key_file=server.key"];
    let access = ["hostssl all all 127.0.0.1/32 scram-sha-256", "hostnossl all all 127.0.0.1/32 password"];
    let Some(cluster) = Cluster::start(&access, &sealed, copy) else { return };
    cluster.psql(ROLES);
    let office = Office::new(&["stock-gid6.xml"]);
    for name in ["ca.pem", "other.pem"] {
        std::fs::copy(certificates.path().join(name), office.path().join(name)).unwrap();
    }
    let night = |more: &str| {
        office.pipeline(&format!(
            "[[publish]]\nkind = \"postgis\"\nhost = \"127.0.0.1\"\nport = {}\ndatabase = \"geo\"\nuser = \"lader\"\npassword = {{ file = \"login\" }}\n{more}",
            cluster.port
        ));
        office.night()
    };
    // An authority that is not trusted; a password that would go over an open line.
    for (more, code, words) in [
        ("tls = \"verify\"\nca_file = \"other.pem\"\n", 75, "mk::postgres::tls"),
        ("tls = \"verify\"\n", 75, "mk::postgres::tls"),
        ("tls = \"off\"\n", 12, "mk::postgres::credentials"),
    ] {
        let (found, said) = night(more);
        assert_eq!(found, code, "{said}");
        assert!(said.contains(words), "{said}");
    }
    let (code, said) = night("tls = \"verify\"\nca_file = \"ca.pem\"\n");
    assert_eq!(code, 0, "{said}");
    assert_eq!(cluster.psql("SELECT count(*) > 3 FROM alkis_stadt.flurstueck"), "t");
}
