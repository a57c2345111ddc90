//! The pipeline file of the demo: what a municipality would write for these deliveries.

use super::deliver::DemoOptions;
use super::town::Town;

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
    out
}
