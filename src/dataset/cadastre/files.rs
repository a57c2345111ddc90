//! The files of the tables: `GeoParquet`, `FlatGeobuf`, the `GeoPackage`; the addresses as CSV and to be searched; the preview.

use super::history::{StateSummary, owners};
use super::spool::{Spools, Table};
use super::tables::rows::each_cell;
use super::tables::{GEOMETRY, Lookups, Spec, TABLES, Uses, tables};
use super::{Options, ROWS, address_files, preview};
use crate::crs::Crs;
use crate::dataset::{Artefact, ArtefactRole, AssembleContext};
use crate::error::Result;
use crate::format::flatgeobuf;
use crate::format::geoparquet;
use crate::format::gpkg::{Geopackage, Layer, Rows};
use crate::io::atomic;
use arrow::array::RecordBatch;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Columns of identifiers.
const UNIQUE: [&str; 2] = ["oid", "idflurst"];
/// Folder of the index of addresses.
const SEARCH: &str = "suche";
/// Name of the GeoPackage.
const GPKG: &str = "cadastre.gpkg";

/// Files that are made of the rows of tables, by their short names, but for the GeoPackage.
const OTHERS: [&str; 5] = ["parquet", "fgb", "csv", "suche", "preview"];

/// True when a file is wanted that needs the rows of tables, by its short name.
pub fn are_wanted(wants: impl Fn(&str) -> bool) -> bool {
    wants("gpkg") || OTHERS.into_iter().any(wants)
}

/// Writes what is wanted of the tables.
///
/// # Errors
/// When the state cannot be read or a file not be written.
pub fn write(options: &Options, context: &AssembleContext<'_>, summary: &StateSummary) -> Result<Vec<Artefact>> {
    if !are_wanted(|name| context.wants(name)) {
        return Ok(Vec::new());
    }
    // Where no rows are kept, the GeoPackage takes them as they are made.
    let mut begun = if context.wants("gpkg") && atomic::passes() { Some(Whole::begin(summary, context)?) } else { None };
    let spools = gathered(options, context, begun.as_mut())?;
    // The GeoPackage has one writer, which takes as long as many of the others: it begins first; then the picture, which has one too.
    let wanted = |name: &str, what: Work| context.wants(name).then_some(what);
    let tables =
        (0..TABLES.len()).flat_map(|table| [wanted("parquet", Work::Parquet(table)), wanted("fgb", Work::FlatGeobuf(table))]);
    let gpkg = if begun.is_none() { wanted("gpkg", Work::Geopackage) } else { None };
    let mut works: Vec<Work> = gpkg.into_iter().chain(wanted("preview", Work::Preview)).chain(tables.flatten()).collect();
    works.extend(wanted("csv", Work::Addresses).or_else(|| wanted("suche", Work::Addresses)));
    let (ended, written) = rayon::join(
        || begun.map(|whole| whole.end(context)).transpose(),
        || {
            let works = works.into_par_iter().with_max_len(1);
            works.map(|work| Ok((work, work.write(&spools, summary, context)?))).collect::<Result<Vec<_>>>()
        },
    );
    let mut written: Vec<(Work, Vec<Artefact>)> = written?;
    written.extend(ended?.map(|artefact| (Work::Geopackage, vec![artefact])));
    written.sort_by_key(|(work, _)| work.place());
    Ok(written.into_iter().flat_map(|(_, artefacts)| artefacts).collect())
}

/// Something to be written of the tables.
#[derive(Debug, Clone, Copy)]
enum Work {
    Parquet(usize),
    FlatGeobuf(usize),
    Geopackage,
    Preview,
    Addresses,
}

impl Work {
    /// The order in which the artefacts are told.
    fn place(self) -> (usize, usize) {
        match self {
            Self::Parquet(table) => (table, 0),
            Self::FlatGeobuf(table) => (table, 1),
            Self::Geopackage => (TABLES.len(), 0),
            Self::Preview => (TABLES.len(), 1),
            Self::Addresses => (TABLES.len(), 2),
        }
    }

    fn write(self, spools: &[Table<'_>], summary: &StateSummary, context: &AssembleContext<'_>) -> Result<Vec<Artefact>> {
        let by_name = || -> BTreeMap<&str, &Table<'_>> { TABLES.iter().map(|spec| spec.file).zip(spools).collect() };
        match self {
            Self::Geopackage => write_gpkg(spools, summary, context).map(|artefact| vec![artefact]),
            Self::Parquet(table) => write_parquet(TABLES[table], &spools[table], summary.crs, context),
            Self::FlatGeobuf(table) => write_flatgeobuf(TABLES[table], &spools[table], summary.crs, context),
            Self::Preview => {
                let picture = context.artefact("preview.png", "image/png", "PNG", "Übersicht");
                let picture = vec![Artefact { role: ArtefactRole::Preview, ..picture }];
                if context.kept.is_kept("preview.png", [&preview::content(&by_name()).as_bytes()[..]]) {
                    return Ok(picture);
                }
                let Some(bytes) = preview::png(&by_name())? else { return Ok(Vec::new()) };
                atomic::write_new(&context.output.join("preview.png"), &bytes)?;
                Ok(picture)
            }
            Self::Addresses => match by_name().get("adresse") {
                Some(spool) => write_addresses(spool, summary.crs, context),
                None => Ok(Vec::new()),
            },
        }
    }
}

/// The rows of all tables: group by group along the Hilbert curve, cell by cell, and so within each.
fn gathered<'r>(options: &Options, context: &AssembleContext<'r>, mut whole: Option<&mut Whole>) -> Result<Vec<Table<'r>>> {
    let mut own = Spools::new(context.scratch);
    let is_alone = whole.is_some() && !OTHERS.into_iter().any(|name| context.wants(name));
    let mut add = |index: usize, rows: RecordBatch| {
        whole.as_mut().map_or(Ok(()), |whole| whole.rows.add_to(index, &rows))?;
        if is_alone { Ok(()) } else { own.add(index, rows) }
    };
    if atomic::passes() {
        each_cell(options, context.results, |tables| {
            let mut tables = tables.into_iter().enumerate();
            tables.try_for_each(|(index, rows)| rows.map_or(Ok(()), |rows| add(index, rows)))
        })?;
    }
    // Objects of personal data have no table of their own, and no place; they look nothing up.
    owners::each_shown(context.results, options, |rows| {
        let tables = tables(&rows, &Lookups::default(), &Uses::default())?;
        tables.into_iter().enumerate().try_for_each(|(index, table)| add(index, table))
    })?;
    Table::all(context.results.get(ROWS).map_or(&[][..], Vec::as_slice), own.finish()?)
}

/// The GeoPackage while its rows come in the order of their cells, whatever their tables.
struct Whole {
    file: Geopackage,
    crs: Option<Crs>,
    rows: Rows,
}

impl Whole {
    fn begin(summary: &StateSummary, context: &AssembleContext<'_>) -> Result<Self> {
        let mut file = Geopackage::create(&context.output.join(GPKG), &last_change(summary))?;
        let layers = TABLES.map(|spec| (layer(spec, summary.crs), spec.schema()));
        let rows = file.begin_all(&layers.iter().map(|(layer, schema)| (layer, schema)).collect::<Vec<_>>())?;
        Ok(Self { file, crs: summary.crs, rows })
    }

    fn end(mut self, context: &AssembleContext<'_>) -> Result<Artefact> {
        let layers = TABLES.map(|spec| layer(spec, self.crs));
        self.file.end_all(&layers.iter().collect::<Vec<_>>(), self.rows)?;
        self.file.finish()?;
        Ok(gpkg_artefact(context))
    }
}

/// How GeoParquet files are written.
pub fn parquet_options(crs: Option<Crs>) -> geoparquet::Options {
    let unique = UNIQUE.map(str::to_owned).to_vec();
    geoparquet::Options { unique, ..geoparquet::Options::new(GEOMETRY, crs) }
}

fn write_parquet(spec: &Spec, spool: &Table<'_>, crs: Option<Crs>, context: &AssembleContext<'_>) -> Result<Vec<Artefact>> {
    let path = format!("{}.parquet", spec.file);
    let written = context.artefact(&path, "application/vnd.apache.parquet", "GeoParquet 1.1", spec.title);
    if is_kept(&path, spool, crs, context) {
        return Ok(vec![written]);
    }
    let options = parquet_options(crs);
    let file = context.output.join(&path);
    match spool.parts(&options)? {
        Some(parts) => geoparquet::join_file(&file, spool.schema(), parts, &options)?,
        None => geoparquet::write_file(&file, spool.schema(), spool.batches()?, &options)?,
    }
    Ok(vec![written])
}

/// True for the file of a table whose rows are those of the last release: it is not written again.
fn is_kept(path: &str, spool: &Table<'_>, crs: Option<Crs>, context: &AssembleContext<'_>) -> bool {
    context.kept.is_kept(path, [&made_of(spool, crs)[..]])
}

/// What a file of a table is made of: its rows and their CRS.
fn made_of(spool: &Table<'_>, crs: Option<Crs>) -> Vec<u8> {
    let crs = crs.map_or(0, |crs| crs.0);
    [&spool.content().as_bytes()[..], &crs.to_le_bytes()].concat()
}

/// Where rows have a place.
fn write_flatgeobuf(spec: &Spec, spool: &Table<'_>, crs: Option<Crs>, context: &AssembleContext<'_>) -> Result<Vec<Artefact>> {
    if spool.located() == 0 {
        return Ok(Vec::new());
    }
    let path = format!("{}.fgb", spec.file);
    let written = context.artefact(&path, "application/vnd.flatgeobuf", "FlatGeobuf 3", spec.title);
    if is_kept(&path, spool, crs, context) {
        return Ok(vec![written]);
    }
    let options =
        flatgeobuf::Options { name: spec.name, title: spec.title, geometry: GEOMETRY, geometry_type: spec.geometry_type, crs };
    flatgeobuf::write_file(&context.output.join(&path), spool.schema(), spool.located(), spool.batches()?, &options)?;
    Ok(vec![written])
}

/// Addresses as CSV and as an index to search.
fn write_addresses(spool: &Table<'_>, crs: Option<Crs>, context: &AssembleContext<'_>) -> Result<Vec<Artefact>> {
    let mut artefacts = Vec::new();
    if context.wants("csv") {
        if !is_kept("adresse.csv", spool, crs, context) {
            atomic::write_new(&context.output.join("adresse.csv"), address_files::csv(&spool.whole()?).as_bytes())?;
        }
        artefacts.push(context.artefact("adresse.csv", "text/csv", "CSV (UTF-8, Semikolon)", "Adressen"));
    }
    if context.wants("suche") {
        if !context.kept.are_kept(SEARCH, [&made_of(spool, crs)[..]]) {
            for (path, bytes) in address_files::search_index(&spool.whole()?, crs)? {
                let path = format!("{SEARCH}/{path}");
                if is_kept(&path, spool, crs, context) {
                    continue;
                }
                let path = context.output.join(path);
                if let Some(folder) = path.parent() {
                    atomic::create_dir_all(folder)?;
                }
                atomic::write_new(&path, &bytes)?;
            }
        }
        let index = context.artefact(SEARCH, "application/json", "JSON", "Suchindex der Adressen");
        artefacts.push(Artefact { role: ArtefactRole::Index, ..index });
    }
    Ok(artefacts)
}

fn write_gpkg(spools: &[Table<'_>], summary: &StateSummary, context: &AssembleContext<'_>) -> Result<Artefact> {
    let mut file = Geopackage::create(&context.output.join(GPKG), &last_change(summary))?;
    for (spec, spool) in TABLES.iter().zip(spools) {
        file.add_all(&layer(spec, summary.crs), spool.schema(), spool.batches()?)?;
    }
    file.finish()?;
    Ok(gpkg_artefact(context))
}

fn gpkg_artefact(context: &AssembleContext<'_>) -> Artefact {
    context.artefact(GPKG, "application/geopackage+sqlite3", "GeoPackage 1.3", "Liegenschaftskataster (alle Tabellen)")
}

/// A table as a layer of the GeoPackage.
fn layer(spec: &Spec, crs: Option<Crs>) -> Layer<'static> {
    let Spec { name, title, geometry_type, .. } = *spec;
    Layer { name, title, geometry: Some(GEOMETRY), geometry_type, crs }
}

/// The moment that the content holds for, as a GeoPackage writes it: that of the last delivery, else the last version's begin.
fn last_change(summary: &StateSummary) -> String {
    let moment = summary.until.clone().or_else(|| summary.begins.clone().map(|(_, last)| last)).unwrap_or_default();
    let date = moment.get(..10).unwrap_or("1970-01-01");
    let time = moment.get(11..19).filter(|time| time.as_bytes()[2] == b':').unwrap_or("00:00:00");
    format!("{date}T{time}.000Z")
}
