//! The pipeline file of the demo: what a municipality would write for these deliveries.

use super::deliver::DemoOptions;
use super::town::Town;
use std::fmt::Write;

/// The text of `pipeline.toml`.
pub fn text(town: &Town, options: &DemoOptions) -> String {
    let [west, south, east, north] = town.bounds();
    let wanted = |kind: &str| options.only.as_deref().is_none_or(|only| only == kind);
    let mut out = format!(
        r#"# Die Pipeline der Demostadt. Geschrieben von `messkette demo`; alle Daten sind erfunden.

[pipeline]
name = "kettenau"
workspace = "work"
crs = "EPSG:25832"
extent = [{}, {}, {}, {}]
grids = ["grids"]
contact = {{ organisation = "Stadt Kettenau, Vermessung und Geoinformation", email = "geodaten@kettenau.example" }}
"#,
        west - 500.0,
        south - 500.0,
        east + 500.0,
        north + 500.0
    );
    if wanted("orthophoto") {
        out.push_str(
            r#"
[[dataset]]
id = "dop"
kind = "orthophoto"
source = ["in/dop/dop*.tif"]
audience = "public"

[dataset.metadata]
title = "Digitale Orthophotos Kettenau (DOP20)"
abstract = "Entzerrte Luftbilder der Stadt Kettenau mit 20 cm Bodenauflösung, vier Kanäle (Rot, Grün, Blau, nahes Infrarot). Synthetische Daten."
licence = "dl-by-de/2.0"
attribution = "Stadt Kettenau (synthetische Daten)"
theme = "oi"
keywords = ["Luftbild", "Orthophoto", "DOP20"]
"#,
        );
    }
    if wanted("cadastre") {
        out.push_str(
            r#"
[[dataset]]
id = "alkis"
kind = "cadastre"
source = ["in/alkis/*.xml.gz"]
history = true
audience = "public"

[dataset.metadata]
title = "Liegenschaftskataster Kettenau"
abstract = "Flurstücke, Gebäude, Lagebezeichnungen und tatsächliche Nutzung der Stadt Kettenau aus ALKIS, ohne Angaben zu Eigentümern. Synthetische Daten."
licence = "dl-by-de/2.0"
attribution = "Stadt Kettenau (synthetische Daten)"
theme = "cp"
keywords = ["Flurstück", "Gebäude", "ALKIS"]
"#,
        );
    }
    if wanted("city_model") {
        out.push_str(
            r#"
[[dataset]]
id = "lod2"
kind = "city_model"
source = ["in/lod2/LoD2_*.zip"]
geoid = "grids/demo_geoid.gtx"
audience = "public"

[dataset.metadata]
title = "3D-Gebäudemodell Kettenau (LoD2)"
abstract = "Gebäude der Stadt Kettenau mit standardisierten Dachformen; Höhen im DHHN2016, im Web als ellipsoidische Höhen. Synthetische Daten."
licence = "dl-by-de/2.0"
attribution = "Stadt Kettenau (synthetische Daten)"
theme = "bu"
keywords = ["Gebäude", "3D-Stadtmodell", "LoD2"]
"#,
        );
    }
    if wanted("vector_theme") {
        out.push_str(
            r##"
[[dataset]]
id = "schutzgebiete"
kind = "vector_theme"
source = ["in/natur/schutzgebiete.geojson"]
geometry = "polygon"
key = "nummer"
fields = [
    { name = "nummer", from = "SG_NR", required = true, title = "Nummer" },
    { name = "name", from = "SG_NAME", title = "Name" },
    { name = "art", from = "ART", title = "Art" },
    { name = "flaeche", from = "FLAECHE_HA", type = "number", unit = "ha", title = "Fläche" },
]
style = { by = "art", classes = [
    { value = "NSG", title = "Naturschutzgebiet", colour = "#2e7d32" },
    { value = "LSG", title = "Landschaftsschutzgebiet", colour = "#9ccc65" },
    { value = "GLB", title = "Geschützter Landschaftsbestandteil", colour = "#26a69a" },
] }
audience = "public"

[dataset.metadata]
title = "Schutzgebiete Kettenau"
abstract = "Naturschutzgebiete, Landschaftsschutzgebiete und geschützte Landschaftsbestandteile der Stadt Kettenau. Synthetische Daten."
licence = "dl-by-de/2.0"
attribution = "Stadt Kettenau (synthetische Daten)"
theme = "ps"
keywords = ["Schutzgebiet", "Naturschutz"]

[[dataset]]
id = "strassenzustand"
kind = "vector_theme"
source = ["in/strassen/zustand.csv"]
source_crs = "EPSG:25832"
encoding = "ISO-8859-1"
decimal = ","
csv = { wkt = "geometrie" }
geometry = "line"
key = "abschnitt"
fields = [
    { name = "abschnitt", required = true, title = "Abschnitt" },
    { name = "strasse", from = "straße", title = "Straße" },
    { name = "zustand", from = "zustandswert", type = "number", title = "Zustandswert" },
    { name = "erfasst", type = "date", title = "Erfasst am" },
]
zoom = [10, 16]
style = { width = 4, by = "zustand", classes = [
    { max = 2.0, title = "gut", colour = "#1a9850" },
    { min = 2.0, max = 3.5, title = "mittel", colour = "#fdae61" },
    { min = 3.5, title = "schlecht", colour = "#d73027" },
] }
audience = "public"

[dataset.metadata]
title = "Straßenzustand Kettenau"
abstract = "Zustandswerte der Fahrbahnen der Stadt Kettenau nach einer Befahrung, 1 (neu) bis 5 (abgenutzt). Synthetische Daten."
licence = "dl-by-de/2.0"
attribution = "Stadt Kettenau (synthetische Daten)"
theme = "tn"
keywords = ["Straße", "Zustandserfassung"]
"##,
        );
    }
    if wanted("playground") {
        // Parcels, addresses and pictures of the sites, where the town has delivered them.
        let uses: Vec<&str> = [("cadastre", "\"alkis\""), ("orthophoto", "\"dop\"")]
            .into_iter()
            .filter_map(|(kind, id)| wanted(kind).then_some(id))
            .collect();
        let uses = if uses.is_empty() { String::new() } else { format!("uses = [{}]\n", uses.join(", ")) };
        let _ = write!(
            out,
            r#"
[[dataset]]
id = "spielplaetze"
kind = "playground"
source = ["in/playground/*"]
{uses}audience = "public"

[dataset.devices]
source_crs = "EPSG:25832"
decimal = ","

[dataset.metadata]
title = "Spielplätze Kettenau"
abstract = "Spielplätze der Stadt Kettenau mit ihren Spielgeräten. Synthetische Daten."
licence = "dl-by-de/2.0"
attribution = "Stadt Kettenau (synthetische Daten)"
theme = "us"
keywords = ["Spielplatz", "Spielgerät"]
"#
        );
    }
    if wanted("street_survey") {
        out.push_str(
            r#"
[[dataset]]
id = "befahrung"
kind = "street_survey"
source = ["in/survey/**/*"]
vertical = "dhhn2016"
blurred = true
audience = "public"
"#,
        );
        // The network of streets is that of another dataset.
        if wanted("vector_theme") {
            out.push_str(
                "uses = [\"strassenzustand\"]\nstreets = { dataset = \"strassenzustand\", file = \"theme.gpkg\", name = \"strasse\" }\n",
            );
        }
        out.push_str(
            r#"
[dataset.metadata]
title = "Straßenbefahrung Kettenau"
abstract = "Panoramabilder aus den Straßen der Stadt Kettenau mit Ort und Blickrichtung. Synthetische Daten."
licence = "dl-by-de/2.0"
attribution = "Stadt Kettenau (synthetische Daten)"
theme = "tn"
keywords = ["Straßenbefahrung", "Panoramabild"]
"#,
        );
    }
    out
}
