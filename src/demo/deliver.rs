//! What arrives on which night, and where it is written.

use super::files::{Folder, Written};
use super::nas::change;
use super::nas::xml::Dialect;
use super::plane::Point;
use super::town::night::{self, Night};
use super::town::{Address, Building, Town};
use super::{city, ground, image, nas, pipeline, playground, street, theme, truth};
use crate::error::{Error, Exit, Result};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// What to write.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Size of the town in square kilometres; rounded up to whole kilometres, at least 1.
    pub km2: f64,
    /// Seed: the town is a function of it.
    pub seed: u64,
    /// The night whose deliveries are written, from 1. A night after the first needs the earlier ones in the folder.
    pub night: u32,
    /// Only the deliveries of this kind (as in a pipeline file), and what every kind needs.
    pub only: Option<String>,
    /// Threads; 0 takes one for each processor.
    pub jobs: usize,
    /// Dialect of the NAS deliveries.
    pub dialect: Dialect,
    /// Changes of the cadastre are net differences since the delivery before, which may lie several nights back, in place of all cases.
    pub key_dates: bool,
    /// Panoramas of the street survey.
    pub panoramas: u32,
    /// Their width in pixels.
    pub panorama_px: u32,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            km2: 1.0,
            seed: 7,
            night: 1,
            only: None,
            jobs: 0,
            dialect: Dialect::default(),
            key_dates: false,
            panoramas: 60,
            panorama_px: 512,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DemoReport {
    /// The night.
    pub night: u32,
    /// Files written, by name.
    pub files: Vec<Written>,
    /// Files that newer ones replaced, by name.
    pub removed: Vec<String>,
}

/// Kinds of datasets that the demo has deliveries for.
pub const KINDS: [&str; 6] = ["orthophoto", "cadastre", "city_model", "playground", "street_survey", "vector_theme"];

/// Writes the deliveries of a night into the folder `dir`.
///
/// # Errors
/// When an option makes no sense, an earlier night is missing, or a file cannot be written.
pub fn write(dir: &Path, options: &DemoOptions) -> Result<DemoReport> {
    if !(options.km2.is_finite() && options.km2 > 0.0 && options.km2 <= 20_000.0) {
        return Err(Error::new("mk::demo::size", "the size of the town must be between 1 and 20000 km²").exit(Exit::Usage));
    }
    if options.night == 0 || options.night > 1000 {
        return Err(Error::new("mk::demo::night", "nights count from 1 to 1000").exit(Exit::Usage));
    }
    if let Some(only) = &options.only
        && !KINDS.contains(&only.as_str())
    {
        return Err(Error::new("mk::demo::kind", format!("the demo has no deliveries of kind {only}"))
            .hint(format!("one of {}", KINDS.join(", ")))
            .exit(Exit::Usage));
    }
    if options.key_dates && options.only.as_deref() != Some("cadastre") {
        return Err(Error::new("mk::demo::key_dates", "key dates are those of the cadastre")
            .hint("add --only cadastre")
            .exit(Exit::Usage));
    }
    if !(1..=100_000).contains(&options.panoramas) || !(64..=16_384).contains(&options.panorama_px) {
        return Err(
            Error::new("mk::demo::panoramas", "a survey has 1 to 100000 panoramas, 64 to 16384 pixels wide").exit(Exit::Usage)
        );
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs)
        .build()
        .map_err(|error| Error::new("mk::demo::threads", "cannot start the threads").because(error))?;
    pool.install(|| deliver(&Folder::new(dir), options))
}

/// Day of a night's delivery, `YYYY-MM-DD`: night 1 is 2 March 2026.
pub fn day(night: u32) -> String {
    // Days from 1 March, through years of 365 days: leap days do not matter to anybody here.
    const MONTHS: [(u32, u32); 12] =
        [(3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31), (1, 31), (2, 28)];
    let (mut year, mut rest) = (2026, night);
    loop {
        for (month, days) in MONTHS {
            if rest < days {
                return format!("{}-{month:02}-{:02}", if month < 3 { year + 1 } else { year }, rest + 1);
            }
            rest -= days;
        }
        year += 1;
    }
}

/// The flight of the first night.
const FIRST_FLIGHT: &str = "2025-05-14";
/// The date of the first city model.
const FIRST_MODEL: &str = "2025-11-30";

fn deliver(folder: &Folder, options: &DemoOptions) -> Result<DemoReport> {
    let mut town = Town::new(options.seed, options.km2);
    let earlier = truth::earlier(folder, &town, options)?;
    let nights = night::advance(&mut town, options.night);
    let wanted = |kind: &str| options.only.as_deref().is_none_or(|only| only == kind);
    let mut report = DemoReport { night: options.night, files: Vec::new(), removed: Vec::new() };
    if options.night == 1 {
        first_night(folder, &town, options, &wanted, &mut report)?;
    } else {
        let Some(last) = nights.last().filter(|night| night.number == options.night) else {
            return Err(Error::new("mk::demo::quiet", format!("nothing is left to happen on night {}", options.night))
                .hint("a larger town has more nights")
                .exit(Exit::Usage));
        };
        let before = earlier.last().and_then(|entry| entry["night"].as_u64()).unwrap_or(0);
        let since: Vec<&Night> = nights.iter().filter(|night| u64::from(night.number) > before).collect();
        later_night(folder, &town, options, &nights, (last, &since), &wanted, &mut report)?;
    }
    let truth = truth::write(folder, &town, &nights, options, earlier, &report.files, &report.removed)?;
    report.files.extend(truth);
    report.files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(report)
}

fn first_night(
    folder: &Folder,
    town: &Town,
    options: &DemoOptions,
    wanted: &impl Fn(&str) -> bool,
    report: &mut DemoReport,
) -> Result<()> {
    let tiles = tiles(town);
    if wanted("orthophoto") {
        let written: Result<Vec<Written>> = tiles.par_iter().map(|tile| orthophoto(folder, town, tile, FIRST_FLIGHT)).collect();
        report.files.extend(written?);
    }
    if wanted("cadastre") {
        report.files.extend(stock(folder, town, options)?);
    }
    if wanted("city_model") {
        let written: Result<Vec<Written>> = tiles.par_iter().map(|tile| city_tile(folder, town, tile, FIRST_MODEL)).collect();
        report.files.extend(written?);
        report.files.push(folder.write("grids/demo_geoid.gtx", &ground::Geoid::new().gtx(), BTreeMap::new())?);
    }
    if wanted("playground") {
        for (name, text, count) in playground::field(town, 1).files {
            report.files.push(folder.write(name, text.as_bytes(), BTreeMap::from([("row".to_owned(), count)]))?);
        }
    }
    if wanted("street_survey") {
        for street::File { name, bytes, count: (what, count) } in
            street::survey(town, options.panoramas, options.panorama_px as usize)?
        {
            report.files.push(folder.write(&name, &bytes, BTreeMap::from([(what.to_owned(), count)]))?);
        }
    }
    if wanted("vector_theme") {
        let (text, count) = theme::reserves(town, false);
        let counts = BTreeMap::from([("area".to_owned(), count)]);
        report.files.push(folder.write("in/natur/schutzgebiete.geojson", text.as_bytes(), counts)?);
        report.files.push(roads(folder, town, &[])?);
    }
    report.files.push(folder.write("pipeline.toml", pipeline::text(town, options).as_bytes(), BTreeMap::new())?);
    Ok(())
}

fn roads(folder: &Folder, town: &Town, nights: &[Night]) -> Result<Written> {
    let (bytes, count) = theme::roads(town, nights);
    folder.write("in/strassen/zustand.csv", &bytes, BTreeMap::from([("section".to_owned(), count)]))
}

/// A later night brings one tile flown anew (in place of the old one), one changed tile of the city model, the changes of the
/// cadastre, and the condition of the roads anew.
fn later_night(
    folder: &Folder,
    town: &Town,
    options: &DemoOptions,
    nights: &[Night],
    (last, since): (&Night, &[&Night]),
    wanted: &impl Fn(&str) -> bool,
    report: &mut DemoReport,
) -> Result<()> {
    let date = day(last.number - 1);
    if let Some(tile) = tile_of(town, last.site) {
        if wanted("orthophoto") {
            let before = nights
                .iter()
                .rev()
                .skip(1)
                .find(|night| tile_of(town, night.site).is_some_and(|other| other.name == tile.name))
                .map_or_else(|| FIRST_FLIGHT.to_owned(), |night| day(night.number - 1));
            report.files.push(orthophoto(folder, town, &tile, &date)?);
            let old = orthophoto_name(&tile, &before);
            if folder.remove(&old)? {
                report.removed.push(old);
            }
        }
        if wanted("city_model") {
            report.files.push(city_tile(folder, town, &tile, &date)?);
        }
    }
    if wanted("vector_theme") {
        report.files.push(roads(folder, town, nights)?);
    }
    if wanted("playground") && last.number == 2 {
        // The inventory is that of the first night, whatever was built since.
        for (name, text, count) in playground::field(&Town::new(options.seed, options.km2), 2).changes {
            report.files.push(folder.write(&name, text.as_bytes(), BTreeMap::from([("change".to_owned(), count)]))?);
        }
    }
    if wanted("cadastre") {
        let (text, [inserted, replaced, deleted]) = change::delivery(town.seed, options.dialect, since, options.key_dates);
        let name = format!("in/alkis/kettenau_nba_{}.xml.gz", day(last.number));
        let mut counts = BTreeMap::new();
        for (operation, types) in [("insert", inserted), ("replace", replaced), ("delete", deleted)] {
            counts.extend(types.into_iter().map(|(name, count)| (format!("{operation} {name}"), count)));
        }
        report.files.push(folder.write_gz(&name, |out| {
            out.write_all(text.as_bytes()).map_err(|error| folder.failed(&name, error))?;
            Ok(counts)
        })?);
    }
    Ok(())
}

/// A tile of orthophotos and of the city model.
#[derive(Debug, Clone)]
pub struct Tile {
    /// West, south, east, north in metres, without the margin.
    pub bounds: [f64; 4],
    /// The part of names that says where it is.
    pub name: String,
}

/// The tiles of a town: 1 km as the state delivers them, 500 m where the town is so small that one tile would be all of it.
pub fn tiles(town: &Town) -> Vec<Tile> {
    let [west, south, east, north] = town.bounds();
    let side = if town.km2() < 4.0 { 500.0 } else { 1000.0 };
    let mut tiles = Vec::new();
    let mut n = south;
    while n < north - 1.0 {
        let mut e = west;
        while e < east - 1.0 {
            let name = if side < 1000.0 {
                format!("32_{:.0}_{:.0}_05", e / 100.0, n / 100.0)
            } else {
                format!("32_{:.0}_{:.0}_1", e / 1000.0, n / 1000.0)
            };
            tiles.push(Tile { bounds: [e, n, e + side, n + side], name });
            e += side;
        }
        n += side;
    }
    tiles
}

/// The tile that a point lies on.
pub fn tile_of(town: &Town, at: Point) -> Option<Tile> {
    let [e, n] = at.xy();
    tiles(town).into_iter().find(|tile| {
        let [west, south, east, north] = tile.bounds;
        e >= west && e < east && n >= south && n < north
    })
}

fn orthophoto_name(tile: &Tile, flight: &str) -> String {
    format!("in/dop/dop20rgbi_{}_sh_{flight}.tif", tile.name)
}

fn orthophoto(folder: &Folder, town: &Town, tile: &Tile, flight: &str) -> Result<Written> {
    let picture = image::picture(town, tile.bounds);
    let bytes = image::tiff::encode(&picture, 85, flight)?;
    folder.write(&orthophoto_name(tile, flight), &bytes, BTreeMap::from([("image".to_owned(), 1)]))
}

fn stock(folder: &Folder, town: &Town, options: &DemoOptions) -> Result<Vec<Written>> {
    let columns = nas::stock_columns(town);
    let date = day(1);
    columns
        .par_iter()
        .enumerate()
        .map(|(k, part)| {
            let name = format!("in/alkis/kettenau_bda_{date}_{}von{}.xml.gz", k + 1, columns.len());
            folder.write_gz(&name, |out| {
                let counts = nas::write_stock(town, options.dialect, *part, &date, out, |error| folder.failed(&name, error))?;
                Ok(counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect())
            })
        })
        .collect()
}

fn city_tile(folder: &Folder, town: &Town, tile: &Tile, date: &str) -> Result<Written> {
    let [west, south, east, north] = tile.bounds;
    let mut buildings: Vec<(&Building, Option<&Address>)> = Vec::new();
    for quarter in &town.quarters {
        let [e, n] = quarter.corner();
        if e + 700.0 < west || e - 200.0 > east || n + 700.0 < south || n - 200.0 > north {
            continue;
        }
        for building in &quarter.buildings {
            let [e, n] = building.shape.outline.centre().xy();
            if e >= west && e < east && n >= south && n < north {
                let address =
                    building.addresses.first().and_then(|oid| quarter.addresses.iter().find(|address| address.oid == *oid));
                buildings.push((building, address));
            }
        }
    }
    let name = format!("LoD2_{}_SH", tile.name);
    let (text, counts) = city::tile(town, &name, tile.bounds, date, &buildings);
    folder.write_zip(&format!("in/lod2/{name}.zip"), &format!("{name}.gml"), text.as_bytes(), counts)
}
