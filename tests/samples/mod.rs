//! A night to look at: a small town's pipeline with three datasets, made up, as records, portal pages and reports see it.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::assigning_clones, reason = "nobody waits for a test's copy")]

pub mod night;

use messkette::crs::{Bbox, Crs, GridFact, OperationFact};
use messkette::dataset::{Artefact, ArtefactRole, Counts, Facts, Kind, PortalLayer, Representation, kind};
use messkette::io::{Digest, Source};
use messkette::metadata::{CatalogueLock, PublishedArtefact, RecordInput};
use messkette::pipeline::model::ContactConfig;
use messkette::pipeline::{Audience, DatasetConfig, MetadataConfig, PipelineConfig};

/// Text that breaks whatever does not escape it.
pub const EVIL: &str = "\"><script>alert('x')</script>&amp;<img src=x onerror=alert(1)>";

pub fn pipeline() -> PipelineConfig {
    PipelineConfig {
        name: "beispielstadt".to_owned(),
        workspace: "work".into(),
        crs: Some(Crs::UTM32),
        extent: None,
        grids: Vec::new(),
        keep_releases: 7,
        base_url: Some("https://geo.example.org/daten".to_owned()),
        contact: Some(ContactConfig {
            organisation: "Stadt Beispielstadt, Fachdienst Geoinformation".to_owned(),
            email: "geodaten@example.org".to_owned(),
            url: Some("https://www.example.org/geo".to_owned()),
            namespace: Some("de.sh.beispielstadt".to_owned()),
        }),
        series: std::collections::BTreeMap::new(),
        canaries: vec!["KANARI".to_owned()],
    }
}

/// A dataset with all that belongs to it.
pub struct Sample {
    pub config: DatasetConfig,
    pub kind: &'static Kind,
    pub facts: Facts,
    pub artefacts: Vec<PublishedArtefact>,
    pub sources: Vec<Source>,
}

/// A public record of a sample is made from this.
pub fn input<'a>(pipeline: &'a PipelineConfig, sample: &'a Sample) -> RecordInput<'a> {
    RecordInput {
        pipeline,
        dataset: &sample.config,
        kind: sample.kind,
        facts: &sample.facts,
        artefacts: &sample.artefacts,
        sources: &sample.sources,
        stale_units: 0,
        audience: Audience::Public,
        existing: None,
        series: None,
    }
}

/// A record that meets all rules, its identifier and its title.
pub fn record_template() -> &'static (String, String, String) {
    static TEMPLATE: std::sync::OnceLock<(String, String, String)> = std::sync::OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let (pipeline, sample) = (pipeline(), datasets().remove(1));
        let today = "2026-11-20".parse().unwrap();
        let record = CatalogueLock::new(&pipeline).render(&input(&pipeline, &sample), today).unwrap();
        (record.xml, record.uuid.to_string(), record.title)
    })
}

pub fn datasets() -> Vec<Sample> {
    vec![orthophoto(), cadastre(), city_model()]
}

fn config(id: &str, kind: &str, audience: Audience, metadata: MetadataConfig) -> DatasetConfig {
    DatasetConfig {
        id: id.to_owned(),
        kind: kind.to_owned(),
        source: Vec::new(),
        expect: None,
        audience,
        on_reject: messkette::pipeline::OnReject::Keep,
        uses: Vec::new(),
        metadata,
        options: std::collections::BTreeMap::new(),
    }
}

fn facts(representation: Representation) -> Facts {
    Facts {
        crs: Crs::UTM32,
        vertical: None,
        bbox: Bbox::new([556_000.0, 5_946_000.0], [571_000.0, 5_960_000.0]),
        bbox_lonlat: Bbox::new([9.846_137, 53.660_418], [10.076_42, 53.787_003]),
        representation,
        resolution_m: None,
        dates: Some(("2026-04-11".to_owned(), "2026-04-12".to_owned())),
        counts: Counts::default(),
        operations: Vec::new(),
        steps: Vec::new(),
        layers: Vec::new(),
        notes: Vec::new(),
    }
}

fn published(
    dataset: &str,
    path: &str,
    role: ArtefactRole,
    media_type: &str,
    format: &str,
    title: &str,
    size: u64,
) -> PublishedArtefact {
    PublishedArtefact {
        artefact: Artefact {
            path: path.to_owned(),
            audience: Audience::Public,
            role,
            media_type: media_type.to_owned(),
            format: format.to_owned(),
            title: title.to_owned(),
        },
        size,
        digest: Digest::of(path.as_bytes()),
        url: Some(format!("https://geo.example.org/daten/{dataset}/{path}")),
    }
}

fn source(name: &str, size: u64) -> Source {
    Source { name: name.to_owned(), path: name.into(), member: None, size, digest: Digest::of(name.as_bytes()) }
}

fn layer(name: &str, title: &str, typ: &str, path: &str) -> PortalLayer {
    PortalLayer {
        name: name.to_owned(),
        title: title.to_owned(),
        typ: typ.to_owned(),
        path: path.to_owned(),
        attributes: Vec::new(),
        extra: serde_json::Map::new(),
    }
}

fn orthophoto() -> Sample {
    let id = "dop20-2026";
    let metadata = MetadataConfig {
        title: Some("Digitale Orthophotos 2026 (20 cm)".to_owned()),
        abstract_text: Some(
            "Entzerrte Luftbilder der Befliegung vom 11. und 12. April 2026 mit 20 cm Bodenauflösung, in Farbe und nahem Infrarot, \
             für das ganze Stadtgebiet."
                .to_owned(),
        ),
        licence: Some("dl-by-de/2.0".to_owned()),
        attribution: Some("© Stadt Beispielstadt 2026".to_owned()),
        theme: Some("oi".to_owned()),
        hvd: Some("geospatial".to_owned()),
        keywords: vec!["Luftbild".to_owned(), "DOP20".to_owned()],
        ..MetadataConfig::default()
    };
    let mut facts = facts(Representation::Grid);
    facts.resolution_m = Some(0.2);
    facts.steps = vec![
        "76 Bildkacheln zu einem Bild zusammengesetzt, Ränder nach der Maske der Aufnahmen.".to_owned(),
        "Kartenkacheln der Zoomstufen 10 bis 19 berechnet.".to_owned(),
    ];
    facts.operations = vec![OperationFact {
        from: Crs::UTM32,
        to: Crs::WEB_MERCATOR,
        name: "ETRS89 to WGS 84 (1) + Popular Visualisation Pseudo-Mercator".to_owned(),
        pipeline: "+proj=pipeline +step +inv +proj=utm +zone=32 +ellps=GRS80 +step +proj=webmerc +ellps=WGS84".to_owned(),
        accuracy_m: Some(1.0),
        grids: Vec::new(),
    }];
    facts.layers = vec![layer("bild", "Orthophotos 2026", "GeoTiff", "orthophoto.tif")];
    let artefacts = vec![
        published(
            id,
            "orthophoto.tif",
            ArtefactRole::Data,
            "image/tiff",
            "Cloud Optimized GeoTIFF 1.0",
            "Gesamtbild",
            3_412_000_000,
        ),
        published(
            id,
            "orthophoto.pmtiles",
            ArtefactRole::Tiles,
            "application/vnd.pmtiles",
            "PMTiles 3",
            "Kartenkacheln",
            812_345_678,
        ),
        published(
            id,
            "footprints.parquet",
            ArtefactRole::Data,
            "application/vnd.apache.parquet",
            "GeoParquet 1.1",
            "Bildflugübersicht",
            48_213,
        ),
        published(id, "stac/collection.json", ArtefactRole::Index, "application/json", "STAC 1.1.0", "STAC-Verzeichnis", 12_400),
        published(id, "preview.jpg", ArtefactRole::Preview, "image/jpeg", "JPEG", "Vorschau", 45_000),
    ];
    let sources =
        (0..76).map(|n| source(&format!("in/dop/dop20rgbi_32_{}_{}_1_sh_2026.tif", 556 + n % 10, 5946 + n / 10), 28_000_000));
    let config = config(id, "orthophoto", Audience::Public, metadata);
    Sample { config, kind: kind("orthophoto").unwrap(), facts, artefacts, sources: sources.collect() }
}

fn cadastre() -> Sample {
    let id = "alkis";
    let metadata = MetadataConfig {
        title: Some("Liegenschaftskataster (ALKIS)".to_owned()),
        abstract_text: Some(
            "Flurstücke, Gebäude, Nutzung und Adressen aus dem Liegenschaftskataster, ohne Angaben zu Eigentümern.".to_owned(),
        ),
        licence: Some("cc-by/4.0".to_owned()),
        attribution: Some("© GeoBasis-DE/LVermGeo SH, CC BY 4.0".to_owned()),
        theme: Some("cp".to_owned()),
        hvd: None,
        keywords: vec!["ALKIS".to_owned(), "Flurstück".to_owned()],
        ..MetadataConfig::default()
    };
    let mut facts = facts(Representation::Vector);
    facts.dates = Some(("1996-02-01".to_owned(), "2026-11-20".to_owned()));
    for (name, kept, rejected, private) in [
        ("AX_Flurstueck", 24_811, 3, 0),
        ("AX_Gebaeude", 31_402, 9, 0),
        ("AX_LagebezeichnungMitHausnummer", 19_334, 0, 0),
        ("AX_Person", 0, 0, 21_909),
        ("AX_Wohnbauflaeche", 2_114, 0, 0),
        ("AX_Strassenverkehr", 1_877, 0, 0),
    ] {
        let count = facts.counts.of(name);
        count.input = kept + rejected + private;
        count.output = kept;
        count.rejected = rejected;
        count.dropped_private = private;
    }
    facts.steps = vec!["NAS-Daten gelesen; Angaben zu Personen beim Lesen verworfen.".to_owned()];
    let mut layer = layer("flurstuecke", "Flurstücke", "VectorTile", "tiles/{z}/{y}/{x}.pbf");
    layer.attributes = vec![("flurstueckskennzeichen".to_owned(), "Flurstückskennzeichen".to_owned())];
    layer.extra.insert("epsg".to_owned(), serde_json::json!("EPSG:3857"));
    facts.layers = vec![layer];
    let table = |name: &str, title: &str, size| {
        published(
            id,
            &format!("{name}.parquet"),
            ArtefactRole::Data,
            "application/vnd.apache.parquet",
            "GeoParquet 1.1",
            title,
            size,
        )
    };
    let artefacts = vec![
        published(
            id,
            "cadastre.gpkg",
            ArtefactRole::Data,
            "application/geopackage+sqlite3",
            "GeoPackage 1.4",
            "Alle Tabellen",
            96_342_016,
        ),
        table("flurstueck", "Flurstücke", 8_211_004),
        table("flurstueck_punkt", "Grenz- und Lagepunkte", 12_811_004),
        table("gebaeude_bauwerk", "Gebäude und Bauwerke", 9_110_222),
        table("kataster_bezirk", "Gemarkungen und Fluren", 120_222),
        table("nutzung", "Tatsächliche Nutzung", 4_110_222),
        table("verwaltungs_einheit", "Verwaltungseinheiten", 80_113),
        table("adresse", "Adressen", 1_110_222),
        published(
            id,
            "tiles",
            ArtefactRole::Tiles,
            "application/vnd.mapbox-vector-tile",
            "Mapbox Vector Tile 2.1",
            "Kartenkacheln",
            31_000_000,
        ),
        published(
            id,
            "cadastre.pmtiles",
            ArtefactRole::Tiles,
            "application/vnd.pmtiles",
            "PMTiles 3",
            "Kartenkacheln (eine Datei)",
            30_100_000,
        ),
    ];
    let sources = vec![source("in/alkis/bda_2026-10-01.xml.gz", 61_000_000), source("in/alkis/nba_2026-11-20.xml.gz", 410_000)];
    let config = config(id, "cadastre", Audience::Public, metadata);
    Sample { config, kind: kind("cadastre").unwrap(), facts, artefacts, sources }
}

fn city_model() -> Sample {
    let id = "lod2";
    let metadata = MetadataConfig {
        title: Some("3D-Gebäudemodell LoD2".to_owned()),
        abstract_text: Some("Gebäude mit Dachformen, für 3D-Ansichten und Berechnungen.".to_owned()),
        licence: Some("dl-zero-de/2.0".to_owned()),
        attribution: None,
        theme: Some("bu".to_owned()),
        hvd: None,
        keywords: Vec::new(),
        ..MetadataConfig::default()
    };
    let mut facts = facts(Representation::Tin);
    facts.vertical = Some("DHHN2016".to_owned());
    facts.dates = Some(("2025-11-03".to_owned(), "2025-11-03".to_owned()));
    let count = facts.counts.of("Building");
    (count.input, count.output) = (12_804, 12_804);
    facts.operations = vec![OperationFact {
        from: Crs::UTM32,
        to: Crs(4978),
        name: "DHHN2016 height to ETRS89 ellipsoidal height".to_owned(),
        pipeline: "+proj=pipeline +step +inv +proj=utm +zone=32 +ellps=GRS80 +step +proj=vgridshift +grids=de_bkg_gcg2016.tif"
            .to_owned(),
        accuracy_m: Some(0.02),
        grids: vec![GridFact {
            name: "de_bkg_gcg2016.tif".to_owned(),
            digest: Digest::of(b"grid"),
            attribution: "© GeoBasis-DE / BKG 2016".to_owned(),
        }],
    }];
    facts.layers =
        vec![layer("gebaeude", "Gebäude in 3D", "TileSet3D", "tileset.json"), layer("unbekannt", "X", "Oblique", "tileset.json")];
    let artefacts = vec![
        published(id, "tileset.json", ArtefactRole::Tiles, "application/json", "3D Tiles 1.1", "3D-Ansicht", 40_113),
        published(id, "glb", ArtefactRole::Part, "model/gltf-binary", "glTF 2.0", "3D-Kacheln", 61_000_000),
        published(
            id,
            "buildings.parquet",
            ArtefactRole::Data,
            "application/vnd.apache.parquet",
            "GeoParquet 1.1",
            "Gebäude",
            18_400_000,
        ),
        published(
            id,
            "buildings.city.jsonl",
            ArtefactRole::Data,
            "application/city+json-seq",
            "CityJSONSeq 2.0",
            "Gebäude mit Flächen",
            44_400_000,
        ),
    ];
    let config = config(id, "city_model", Audience::Public, metadata);
    Sample {
        config,
        kind: kind("city_model").unwrap(),
        facts,
        artefacts,
        sources: vec![source("in/lod2/LoD2_32_556_5946_2_SH.zip", 9_000_000)],
    }
}
