//! What people read when a pipeline file is wrong.

use super::Pipeline;
use crate::cli::diagnostic::{Style, render};
use insta::assert_snapshot;

const HEAD: &str = "[pipeline]\nname = \"stadt\"\n\n";

fn message(text: &str) -> String {
    let error = Pipeline::parse(text, "stadt.toml").unwrap_err();
    assert_eq!(error.exit_code(), crate::Exit::Usage);
    render(&error, Style::default())
}

fn dataset(lines: &str) -> String {
    format!("{HEAD}[[dataset]]\nid = \"dop\"\nkind = \"orthophoto\"\nsource = [\"in/*.tif\"]\n{lines}")
}

#[test]
fn unknown_key() {
    assert_snapshot!(message(&dataset("audiense = \"public\"\n")), @r#"
    error[mk::config::unknown_key] stadt.toml:8:1
      × [[dataset]] has no such key: `audiense`
       ╭─[stadt.toml:8:1]
     7 │ source = ["in/*.tif"]
     8 │ audiense = "public"
       · ────────
       ╰────
      hint: did you mean `audience`?
    "#);
}

#[test]
fn unknown_key_of_another_table() {
    assert_snapshot!(message(&dataset("title = \"Luftbilder\"\n")), @r#"
    error[mk::config::unknown_key] stadt.toml:8:1
      × [[dataset]] has no such key: `title`
       ╭─[stadt.toml:8:1]
     7 │ source = ["in/*.tif"]
     8 │ title = "Luftbilder"
       · ─────
       ╰────
      hint: `title` belongs in `metadata`: metadata = { title = ... }
    "#);
}

#[test]
fn wrong_type() {
    assert_snapshot!(message(&dataset("uses = \"alkis\"\n").replace("name = \"stadt\"", "name = 7")), @r#"
    error[mk::config::type] stadt.toml:2:8
      × `name` must be a string, not an integer
       ╭─[stadt.toml:2:8]
     1 │ [pipeline]
     2 │ name = 7
       ·        ─
     3 │
       ╰────
      hint: write "7"

    error[mk::config::type] stadt.toml:8:8
      × `uses` must be a list, not a string
       ╭─[stadt.toml:8:8]
     7 │ source = ["in/*.tif"]
     8 │ uses = "alkis"
       ·        ───────
       ╰────
      hint: write ["alkis"]

    error: 2 errors in the pipeline file: stadt.toml
    "#);
}

#[test]
fn missing_key() {
    assert_snapshot!(message(&dataset("").replace("id = \"dop\"\n", "").replace("name = \"stadt\"\n", "")), @r#"
    error[mk::config::missing_key] stadt.toml:1:1
      × [pipeline] has no key `name`
       ╭─[stadt.toml:1:1]
     1 │ [pipeline]
       · ──────────
     2 │
       ╰────
      hint: `name`: Short name of the pipeline, for reports and metrics

    error[mk::config::missing_key] stadt.toml:3:1
      × [[dataset]] has no key `id`
       ╭─[stadt.toml:3:1]
     2 │
     3 │ [[dataset]]
       · ───────────
     4 │ kind = "orthophoto"
       ╰────
      hint: `id`: Identifier: lower-case letters, digits and hyphens; the folder's name in a release

    error: 2 errors in the pipeline file: stadt.toml
    "#);
}

#[test]
fn missing_tables() {
    assert_snapshot!(message("# empty\n"), @r#"
    error[mk::config::missing_key] stadt.toml:1:1
      × the file has no table `pipeline`
       ╭─[stadt.toml:1:1]
     1 │ # empty
       · ▲
       ╰────
      hint: `pipeline`: The `[pipeline]` table: what holds for all datasets

    error[mk::config::missing_key] stadt.toml:1:1
      × the file has no table `dataset`
       ╭─[stadt.toml:1:1]
     1 │ # empty
       · ▲
       ╰────
      hint: `dataset`: The datasets, one table each

    error: 2 errors in the pipeline file: stadt.toml
    "#);
}

#[test]
fn unknown_kind() {
    assert_snapshot!(message(&dataset("").replace("orthophoto", "ortofoto")), @r#"
    error[mk::config::unknown_kind] stadt.toml:6:8
      × there is no kind "ortofoto"
       ╭─[stadt.toml:6:8]
     5 │ id = "dop"
     6 │ kind = "ortofoto"
       ·        ──────────
     7 │ source = ["in/*.tif"]
       ╰────
      hint: did you mean `orthophoto`?
    "#);
}

#[test]
fn wrong_choice() {
    assert_snapshot!(message(&dataset("audience = \"publik\"\non_reject = 3\n")), @r#"
    error[mk::config::value] stadt.toml:8:12
      × `audience` cannot be "publik"
       ╭─[stadt.toml:8:12]
     7 │ source = ["in/*.tif"]
     8 │ audience = "publik"
       ·            ────────
     9 │ on_reject = 3
       ╰────
      hint: did you mean `public`?

    error[mk::config::type] stadt.toml:9:13
      × `on_reject` cannot be 3
       ╭─[stadt.toml:9:13]
     8 │ audience = "publik"
     9 │ on_reject = 3
       ·             ─
       ╰────
      hint: possible: `keep`, `omit`

    error: 2 errors in the pipeline file: stadt.toml
    "#);
}

#[test]
fn time_of_day() {
    assert_snapshot!(message(&dataset("expect = { by = \"3 Uhr\" }\n")), @r#"
    error[mk::config::value] stadt.toml:8:17
      × `expect.by` is no time of day
       ╭─[stadt.toml:8:17]
     7 │ source = ["in/*.tif"]
     8 │ expect = { by = "3 Uhr" }
       ·                 ───────
       ╰────
      hint: write it like "03:00"
    "#);
}

#[test]
fn duplicate_id() {
    let second = "[[dataset]]\nid = \"dop\"\nkind = \"cadastre\"\nsource = [\"a.xml\"]\n";
    assert_snapshot!(message(&dataset(second)), @r#"
    error[mk::config::duplicate_id] stadt.toml:9:6
      × two datasets have the id `dop`
        ╭─[stadt.toml:9:6]
      8 │ [[dataset]]
      9 │ id = "dop"
        ·      ─────
     10 │ kind = "cadastre"
        ╰────
      hint: the id names the folder in a release: give each dataset its own
    "#);
}

#[test]
fn names_that_a_release_needs_for_itself_are_taken() {
    for (id, says) in [
        ("metadata", "a release has a folder of that name"),
        ("portal", "a release has a folder of that name"),
        ("atom", "a release has a folder of that name"),
        ("index", "metadata/index.html lists the records of all datasets"),
        ("dienst-download", "records of services and series begin with `dienst-`"),
        ("serie-dop", "records of services and series begin with `serie-`"),
    ] {
        let message = message(&dataset("").replace("\"dop\"", &format!("\"{id}\"")));
        assert!(message.contains(&format!("the id `{id}` is taken: {says}")), "{message}");
    }
    Pipeline::parse(&dataset("").replace("\"dop\"", "\"dienste\""), "stadt.toml").unwrap();
}

#[test]
fn publishers_that_write_the_same_files_come_once() {
    for (kind, options) in [("site", ""), ("masterportal", ""), ("geoserver", "url = \"https://geo.example.de/geoserver\"")] {
        let table = format!("[[publish]]\nkind = \"{kind}\"\n{options}\n");
        let message = message(&dataset(&format!("{table}{table}")));
        assert!(message.contains(&format!("there are two publishers of kind `{kind}`")), "{message}");
        assert!(!message.contains("stadt.toml:9"), "the second is the one too many: {message}");
    }
    let other = "[[publish]]\nkind = \"site\"\n[[publish]]\nkind = \"masterportal\"\n";
    Pipeline::parse(&dataset(other), "stadt.toml").unwrap();
}

#[test]
fn a_workspace_that_is_the_folder_of_the_file_may_have_sources_beside_it() {
    let with = |workspace: &str, source: &str| {
        let head = HEAD.replace("\n\n", &format!("\nworkspace = \"{workspace}\"\n\n"));
        dataset("").replace(HEAD, &head).replace("in/*.tif", source)
    };
    for (workspace, source) in [("", "store/*.tif"), (".", "./releases/*/x.tif"), ("x/..", "current/x.tif"), ("in", "in/*.tif")] {
        let message = message(&with(workspace, source));
        assert!(message.contains("a source must not lie in the workspace"), "{workspace}: {message}");
    }
    let beside = [
        (".", "in/*.tif"),
        ("./", "*.tif"),
        (".", "/srv/in/*.tif"),
        (".", "../in/*.tif"),
        (".", "edits/x.gpkg"),
        ("work", "in/*.tif"),
    ];
    for (workspace, source) in beside {
        Pipeline::parse(&with(workspace, source), "stadt.toml").unwrap();
    }
}

#[test]
fn a_canary_is_a_word() {
    for words in ["\"\"", "\"KANARI\", \"  \""] {
        let text = dataset("").replace(HEAD, &HEAD.replace("\n\n", &format!("\ncanaries = [{words}]\n\n")));
        let message = message(&text);
        assert!(message.contains("an empty word in `canaries` is in everything"), "{message}");
    }
    Pipeline::parse(&dataset("").replace(HEAD, &HEAD.replace("\n\n", "\ncanaries = []\n\n")), "stadt.toml").unwrap();
}

#[test]
fn circle() {
    let second =
        "uses = [\"alkis\"]\n\n[[dataset]]\nid = \"alkis\"\nkind = \"cadastre\"\nsource = [\"a.xml\"]\nuses = [\"dop\"]\n";
    assert_snapshot!(message(&dataset(second)), @r#"
    error[mk::config::cycle] stadt.toml:8:8
      × datasets use each other in a circle: dop → alkis → dop
       ╭─[stadt.toml:8:8]
     7 │ source = ["in/*.tif"]
     8 │ uses = ["alkis"]
       ·        ─────────
     9 │
       ╰────
      hint: take one of them out of `uses`
    "#);
}

#[test]
fn not_toml() {
    assert_snapshot!(message("[pipeline\nname = stadt\n"), @r#"
    error[mk::config::syntax] stadt.toml:1:10
      × not TOML: unclosed table, expected `]`
       ╭─[stadt.toml:1:10]
     1 │ [pipeline
       ·          ▲
     2 │ name = stadt
       ╰────
    "#);
}

#[test]
fn a_crs_that_the_registry_does_not_have() {
    let with = |crs: &str| dataset("").replace("name = \"stadt\"\n", &format!("name = \"stadt\"\ncrs = \"{crs}\"\n"));
    assert_snapshot!(message(&with("EPSG:99999")), @r#"
    error[mk::config::value] stadt.toml:3:7
      × no CRS with east and north is known as EPSG:99999
       ╭─[stadt.toml:3:7]
     2 │ name = "stadt"
     3 │ crs = "EPSG:99999"
       ·       ────────────
     4 │
       ╰────
      hint: EPSG:25832 is UTM in zone 32, EPSG:25833 in zone 33
    "#);
    // Heights alone are no map.
    assert!(message(&with("EPSG:7837")).contains("no CRS with east and north is known as EPSG:7837"));
    for known in ["EPSG:25832", "EPSG:25833", "EPSG:31467"] {
        Pipeline::parse(&with(known), "stadt.toml").unwrap();
    }
}

#[test]
fn several_at_once() {
    let text = "[pipeline]\nname = \"stadt\"\nworkspace = \"work\"\ncrs = \"25832\"\nextent = [6000000, 500000, 6010000, 510000]\nkeep_releases = 0\n\n\
        [[dataset]]\nid = \"DOP 20\"\nkind = \"orthophoto\"\nsource = [\"/vsicurl/x\", \"a/*/../b\", \"work/x\"]\nuses = [\"alkiss\"]\n\n\
        [[dataset]]\nid = \"alkis\"\nkind = \"cadastre\"\nsource = []\n";
    assert_snapshot!(message(text), @r#"
    error[mk::config::value] stadt.toml:4:7
      × '25832' is not a CRS of the form EPSG:25832
       ╭─[stadt.toml:4:7]
     3 │ workspace = "work"
     4 │ crs = "25832"
       ·       ───────
     5 │ extent = [6000000, 500000, 6010000, 510000]
       ╰────
      hint: write it like "EPSG:25832"

    error[mk::config::value] stadt.toml:6:17
      × `keep_releases` must be at least 1, not 0
       ╭─[stadt.toml:6:17]
     5 │ extent = [6000000, 500000, 6010000, 510000]
     6 │ keep_releases = 0
       ·                 ─
     7 │
       ╰────

    error[mk::config::id] stadt.toml:9:6
      × an `id` has lower-case letters, digits and hyphens, at most 64, and does not begin with a hyphen
        ╭─[stadt.toml:9:6]
      8 │ [[dataset]]
      9 │ id = "DOP 20"
        ·      ────────
     10 │ kind = "orthophoto"
        ╰────
      hint: write "dop-20"

    error[mk::config::source] stadt.toml:11:11
      × a source must be a file, not an address or a GDAL name
        ╭─[stadt.toml:11:11]
     10 │ kind = "orthophoto"
     11 │ source = ["/vsicurl/x", "a/*/../b", "work/x"]
        ·           ────────────
     12 │ uses = ["alkiss"]
        ╰────
      hint: fetch it first, and name the file

    error[mk::config::source] stadt.toml:11:25
      × a source must not climb with `..` after a wildcard
        ╭─[stadt.toml:11:25]
     10 │ kind = "orthophoto"
     11 │ source = ["/vsicurl/x", "a/*/../b", "work/x"]
        ·                         ──────────
     12 │ uses = ["alkiss"]
        ╰────
      hint: put `..` before the first wildcard

    error[mk::config::source] stadt.toml:11:37
      × a source must not lie in the workspace
        ╭─[stadt.toml:11:37]
     10 │ kind = "orthophoto"
     11 │ source = ["/vsicurl/x", "a/*/../b", "work/x"]
        ·                                     ────────
     12 │ uses = ["alkiss"]
        ╰────
      hint: results are no deliveries: use `uses` for another dataset's artefacts

    error[mk::config::unknown_dataset] stadt.toml:12:9
      × there is no dataset `alkiss`
        ╭─[stadt.toml:12:9]
     11 │ source = ["/vsicurl/x", "a/*/../b", "work/x"]
     12 │ uses = ["alkiss"]
        ·         ────────
     13 │
        ╰────
      hint: did you mean `alkis`?

    error[mk::config::value] stadt.toml:17:10
      × `source` must have at least 1 value, not 0
        ╭─[stadt.toml:17:10]
     16 │ kind = "cadastre"
     17 │ source = []
        ·          ──
        ╰────

    error: 8 errors in the pipeline file: stadt.toml
    "#);
}

#[test]
fn a_password_in_the_file_is_never_shown() {
    const CANARY: &str = "KANARI-geheim-000001";
    for lines in [
        format!("password = \"{CANARY}\"\naudience = 7\n"),
        format!("metadata = {{ Token = [\"{CANARY}\"], attribution = 3 }}\n"),
        format!("password = {CANARY}\n"),
        format!("metadata = {{ api_key = {CANARY} }}\n"),
        format!("[[publish]]\nkind = \"csw\"\nendpoint = \"https://x:{CANARY}@host/csw\"\ncredentials = \"{CANARY}\"\n"),
    ] {
        let text = message(&dataset(&lines));
        assert!(!text.contains("KANARI"), "{text}");
        let error = Pipeline::parse(&dataset(&lines), "stadt.toml").unwrap_err();
        assert!(!crate::cli::diagnostic::to_json(&error).to_string().contains("KANARI"));
        assert!(!format!("{error:?} {error}").contains("KANARI"));
    }
}

#[test]
fn datasets_come_after_those_they_use() {
    let table = |id: &str, uses: &str| {
        format!("[[dataset]]\nid = \"{id}\"\nkind = \"cadastre\"\nsource = [\"a.xml\"]\nuses = [{uses}]\n")
    };
    let text = [HEAD.to_owned(), table("c", "\"a\", \"b\""), table("b", "\"a\""), table("a", ""), table("d", "")].concat();
    let pipeline = Pipeline::parse(&text, "/srv/mk/stadt.toml").unwrap();
    let order: Vec<&str> = pipeline.datasets.iter().map(|dataset| dataset.id.as_str()).collect();
    assert_eq!(order, ["a", "b", "c", "d"]);
    assert_eq!(pipeline.workspace(), std::path::Path::new("/srv/mk/work"));
}

#[test]
fn times_may_stand_without_quotes() {
    let pipeline = Pipeline::parse(&dataset("expect.by = 03:00:00\nexpect.count = 0x4c\n"), "stadt.toml").unwrap();
    let expect = pipeline.datasets[0].expect.clone().unwrap();
    assert_eq!((expect.by.as_deref(), expect.count), (Some("03:00"), Some(76)));
}

#[test]
fn the_examples_are_right() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    for entry in
        std::fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "toml"))
    {
        Pipeline::load(entry.path()).unwrap_or_else(|error| panic!("{}", render(&error, Style::default())));
    }
}

#[test]
fn options_of_kinds_and_publishers_are_checked_where_they_stand() {
    let lines = "tiles = [{ zoom = [19, 10] }, { quality = 800, zom = 3 }]\n\n\
        [[publish]]\nkind = \"masterportal\"\nbackground = [{ title = \"Karte\" }]\n\n[[publish]]\nkind = \"masterprotal\"\n";
    assert_snapshot!(message(&dataset(lines)), @r#"
    error[mk::config::value] stadt.toml:8:43
      × `tiles[1].quality` must be at most 100, not 800
       ╭─[stadt.toml:8:43]
     7 │ source = ["in/*.tif"]
     8 │ tiles = [{ zoom = [19, 10] }, { quality = 800, zom = 3 }]
       ·                                           ───
     9 │
       ╰────

    error[mk::config::unknown_key] stadt.toml:8:48
      × `tiles[1]` has no such key: `zom`
       ╭─[stadt.toml:8:48]
     7 │ source = ["in/*.tif"]
     8 │ tiles = [{ zoom = [19, 10] }, { quality = 800, zom = 3 }]
       ·                                                ───
     9 │
       ╰────
      hint: did you mean `zoom`?

    error[mk::config::missing_key] stadt.toml:12:15
      × `background[0]` has no key `url`
        ╭─[stadt.toml:12:15]
     11 │ kind = "masterportal"
     12 │ background = [{ title = "Karte" }]
        ·               ───────────────────
     13 │
        ╰────
      hint: `url`: Address of the WMS, without parameters

    error[mk::config::missing_key] stadt.toml:12:15
      × `background[0]` has no key `layers`
        ╭─[stadt.toml:12:15]
     11 │ kind = "masterportal"
     12 │ background = [{ title = "Karte" }]
        ·               ───────────────────
     13 │
        ╰────
      hint: `layers`: Names of its layers, separated by commas

    error[mk::config::unknown_kind] stadt.toml:15:8
      × there is no kind "masterprotal"
        ╭─[stadt.toml:15:8]
     14 │ [[publish]]
     15 │ kind = "masterprotal"
        ·        ──────────────
        ╰────
      hint: did you mean `masterportal`?

    error: 5 errors in the pipeline file: stadt.toml
    "#);
}

#[test]
fn a_password_in_an_address_is_refused_and_never_shown() {
    let text =
        dataset("").replace("name = \"stadt\"\n", "name = \"stadt\"\nbase_url = \"https://amt:KANARI@geo.example/daten\"\n");
    assert_snapshot!(message(&text), @r#"
    error[mk::config::secret] stadt.toml:3:12
      × `base_url` must not hold a user or a password
       ╭─[stadt.toml:3:12]
     2 │ name = "stadt"
     3 │ base_url = "https://**********@geo.example/daten"
       ·            ──────────────────────────────────────
     4 │
       ╰────
      hint: leave out what stands before the @
    "#);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}=.\"a-z0-9 \n#ä-]{0,200}") {
        let _ = Pipeline::parse(&text, "stadt.toml").map_err(|error| render(&error, Style::default()));
    }
    #[test]
    fn no_cut_and_no_change_of_a_byte_makes_it_panic(at in 0usize..400, byte in proptest::prelude::any::<u8>()) {
        let mut bytes = dataset("expect = { by = \"03:00\", count = 3 }\nuses = [\"dop\"]\naudience = \"public\"\nmetadata = { title = \"Ä\" }\n").into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let text = String::from_utf8_lossy(&bytes);
        let _ = Pipeline::parse(&text, "stadt.toml").map_err(|error| render(&error, Style::default()));
        let _ = Pipeline::parse(&text[..text.floor_char_boundary(at)], "stadt.toml").map_err(|error| render(&error, Style::default()));
    }
}

#[test]
fn what_a_public_dataset_takes_from_an_internal_one_is_said() {
    let theme =
        |id: &str, more: &str| format!("[[dataset]]\nid = \"{id}\"\nkind = \"vector_theme\"\nsource = [\"in/*.gpkg\"]\n{more}\n");
    let text = |audience: &str| {
        let own = theme("wald", "uses = [\"amt\", \"netz\"]\naudience = \"public\"");
        format!("{HEAD}{}{}{own}", theme("amt", audience), theme("netz", "audience = \"public\""))
    };
    let warnings = |text: &str| Pipeline::parse(text, "stadt.toml").unwrap().warnings();
    assert_eq!(warnings(&text("")), ["`wald` is public: what it takes from `amt`, which is internal, is published with it"]);
    assert_eq!(warnings(&text("audience = \"public\"")), Vec::<String>::new());
}

#[test]
fn neither_files_nor_a_server() {
    let text = format!("{HEAD}[[dataset]]\nid = \"wald\"\nkind = \"vector_theme\"\n");
    assert_snapshot!(message(&text), @r#"
    error[mk::config::source] stadt.toml:6:8
      × `wald` has neither files nor a server: `source` or `endpoint` or `postgis`
       ╭─[stadt.toml:6:8]
     5 │ id = "wald"
     6 │ kind = "vector_theme"
       ·        ──────────────
       ╰────
      hint: name files: source = ["in/*.gpkg"]
    "#);
    // A kind that no server gives anything has a key less.
    assert!(message(&text.replace("vector_theme", "orthophoto")).contains("no key `source`"));
}
