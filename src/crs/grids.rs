//! Finding transformation grids, and what is said when one is missing.

use super::GridFact;
use crate::error::{Error, Place, Result};
use crate::io::Digest;
use std::path::PathBuf;

/// A grid file that was found.
#[derive(Debug, Clone)]
pub struct Grid {
    /// The file.
    pub path: PathBuf,
    /// Name, digest, attribution.
    pub fact: GridFact,
}

/// A grid that pinned operations need.
#[derive(Debug)]
pub struct KnownGrid {
    /// File names under which it is distributed, the same content in each.
    pub names: &'static [&'static str],
    /// Where it is published.
    pub url: &'static str,
    /// Attribution.
    pub attribution: &'static str,
}

/// `BeTA2007`: DHDN to ETRS89 for Germany, NTv2, 0.9 m (EPSG:15948).
pub static BETA2007: KnownGrid = KnownGrid {
    names: &["BETA2007.gsb", "de_adv_BETA2007.tif"],
    url: "https://cdn.proj.org/de_adv_BETA2007.tif",
    attribution: "BeTA2007: Arbeitsgemeinschaft der Vermessungsverwaltungen der Länder (AdV)",
};

/// Looks for a file by any of its names. The folder decides before the name: a grid that the pipeline brings along wins over one
/// of the system.
fn find(names: &[&str], folders: &[PathBuf]) -> Option<PathBuf> {
    folders.iter().find_map(|folder| names.iter().map(|name| folder.join(name)).find(|path| path.is_file()))
}

/// Finds and digests a grid.
///
/// # Errors
/// When it is in none of the folders, searched in their order: the message names the file and where it is published.
pub fn require(names: &[&str], url: &str, attribution: &str, needed_for: &str, folders: &[PathBuf]) -> Result<Grid> {
    let Some(path) = find(names, folders) else {
        return Err(missing(names, url, needed_for, folders));
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let path = std::path::absolute(&path).unwrap_or(path);
    let digest = Digest::of_file(&path)?;
    Ok(Grid { path, fact: GridFact { name, digest, attribution: attribution.to_owned() } })
}

fn missing(names: &[&str], url: &str, needed_for: &str, folders: &[PathBuf]) -> Error {
    let name = names.join(" or ");
    let from = if url.is_empty() { String::new() } else { format!(" from {url}") };
    let into = folders.first().map_or_else(
        || "a folder listed under `grids` in the pipeline".to_owned(),
        |folder| format!("the folder {}", folder.display()),
    );
    Error::new("mk::crs::grid_missing", format!("the grid {name} is missing; {needed_for} needs it"))
        .at(Place::file(names.first().copied().unwrap_or_default()))
        .hint(format!("put {name}{from} into {into}; a less accurate operation is never used instead"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pipelines_folder_wins_over_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().join("de_adv_BETA2007.tif");
        std::fs::write(&mine, b"x").unwrap();
        let system = tempfile::tempdir().unwrap();
        std::fs::write(system.path().join("BETA2007.gsb"), b"y").unwrap();
        assert_eq!(find(BETA2007.names, &[folder.path().to_owned(), system.path().to_owned()]), Some(mine));
    }

    #[test]
    fn a_missing_grid_names_the_file_and_its_origin() {
        let error = require(&["no-such.gsb"], "https://cdn.proj.org/x.tif", "", "EPSG:1 to EPSG:2", &[PathBuf::from("grids")])
            .unwrap_err();
        insta::assert_snapshot!(format!("{error}\n{}", error.hint_text().unwrap_or_default()), @r"
        the grid no-such.gsb is missing; EPSG:1 to EPSG:2 needs it (no-such.gsb)
        put no-such.gsb from https://cdn.proj.org/x.tif into the folder grids; a less accurate operation is never used instead
        ");
    }
}
