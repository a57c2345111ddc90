//! Stage `arrange`: each row finds its picture and its place, and the drive falls into sequences.
//!
//! Every row and every picture has one end here: it is in a sequence, thinned out, the same as another, or rejected with its reason. A
//! picture of a public dataset that nobody has marked as blurred is rejected: what follows never sees it.

use super::matching::{Found, Matching};
use super::model::{Arranged, Frame, Look, Row, Sequence, Table, Tags, picture_id, sequence_id, space};
use super::options::Options;
use super::place::{Ground, Placed};
use super::read::{self, Everything};
use super::track::{self, Fate, Rules, Spot};
use super::{ARRANGE, PICTURE, READ, moment};
use crate::crs::{Bbox, Crs, Geoid, is_geographic};
use crate::dataset::{Area, Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::{Error, Place, Rejection, Result};
use crate::io::Digest;
use crate::pipeline::Audience;
use crate::plan::{Input, InputKind, UnitSpec};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The entry of the pack.
const ARRANGED: &str = "arranged";
/// Findings that are listed.
const MAX_FINDINGS: usize = 500;

/// One unit: which picture follows which is seen in the whole only.
///
/// # Errors
/// When a pack or the geoid cannot be read.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let mut inputs = read::as_inputs(context.earlier.get(READ).map_or(&[][..], Vec::as_slice))?;
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let size: u64 = inputs.iter().map(|input| input.size).sum();
    if let Some(path) = &options.geoid {
        let geoid = Geoid::open(&context.area.folder.join(path))?;
        inputs.push(Input {
            kind: InputKind::Grid,
            name: geoid.fact().name.clone(),
            path: geoid.path().to_owned(),
            member: None,
            size: 0,
            digest: geoid.fact().digest,
        });
    }
    Ok(vec![UnitSpec {
        key: "sequences".to_owned(),
        inputs,
        // Who may see it decides what is taken.
        params: json!({ "audience": context.dataset.audience, "dataset": context.dataset.id }),
        bbox: None,
        memory_mb: 128 + (size >> 18).min(8192),
        cost: size,
    }])
}

/// What was arranged.
///
/// # Errors
/// When it was not, or the pack cannot be read.
pub fn load(results: &[Vec<UnitResult>]) -> Result<Option<Arranged>> {
    let Some(result) = results.get(ARRANGE).and_then(|stage| stage.first()) else { return Ok(None) };
    Ok(Some(read::from_json(&result.pack()?.read(ARRANGED)?)?))
}

/// Arranges everything.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let (grids, entries): (Vec<&Input>, Vec<&Input>) = unit.inputs.iter().partition(|input| input.kind == InputKind::Grid);
    let geoid = grids.first().map(|grid| Geoid::open(&grid.path)).transpose()?;
    let entries: Vec<Input> = entries.into_iter().cloned().collect();
    let Everything { mut tables, looks } = read::everything(&entries, context)?;
    if tables.is_empty() {
        tables = of_pictures(options, &looks);
    }
    let crs = dataset_crs(context.area, &tables)?;
    let mut work = Work {
        options,
        area: context.area,
        crs,
        public: context.dataset.audience == Audience::Public,
        space: space(&context.dataset.id),
        looks: &looks,
        seen: vec![false; looks.len()],
        contents: BTreeMap::new(),
        outcome: Outcome::default(),
        told: 0,
        blurred: true,
        arranged: Arranged {
            crs,
            vertical: tables.iter().find_map(|table| table.vertical),
            blurred: false,
            operations: Vec::new(),
            sequences: Vec::new(),
            been: Vec::new(),
        },
        merged: 0,
        thinned: 0,
    };
    let matching = Matching::new(&looks);
    for table in &tables {
        context.check()?;
        work.table(table, &matching, geoid.as_ref())?;
    }
    work.left_over();
    let Work { mut outcome, mut arranged, told, blurred, merged, thinned, .. } = work;
    arranged.blurred = blurred && !arranged.sequences.is_empty();
    let mut facts = BTreeSet::new();
    arranged.operations.retain(|fact| facts.insert(fact.pipeline.clone()));
    if told > MAX_FINDINGS as u64 {
        let more =
            Error::new("mk::street_survey::more", format!("{} more pictures are worth a look", told - MAX_FINDINGS as u64));
        outcome.findings.push(Rejection::of(PICTURE, &more));
    }
    outcome.bbox = Some(Bbox::around(arranged.been.iter().copied())).filter(|bbox| !bbox.is_empty());
    outcome.summary = json!({ "merged": merged, "thinned": thinned });
    context.pack.add(ARRANGED, &read::to_json(&arranged)?)?;
    Ok(outcome)
}

/// The pipeline's CRS, else that of the first table, where it has metres; else the zone of UTM that most of Germany lies in.
fn dataset_crs(area: &Area, tables: &[Table]) -> Result<Crs> {
    for crs in area.crs.into_iter().chain(tables.iter().map(|table| table.crs)) {
        if !is_geographic(crs)? {
            return Ok(crs);
        }
    }
    Ok(Crs::UTM32)
}

/// Without a table the pictures tell where they were taken: a run for each folder, in the order of their times.
fn of_pictures(options: &Options, looks: &[Look]) -> Vec<Table> {
    let mut folders: BTreeMap<String, Vec<(&Look, [f64; 2])>> = BTreeMap::new();
    for look in looks {
        // One that does not tell is left over, and told then.
        let (Some(at), Some(_)) = (look.tags.at, look.tags.heading) else { continue };
        let folder = look.name.rsplit_once(['/', '!']).map(|(folder, _)| folder.to_owned()).unwrap_or_default();
        folders.entry(folder).or_default().push((look, at));
    }
    let table = |(folder, mut looks): (String, Vec<(&Look, [f64; 2])>)| {
        looks.sort_by(|(a, _), (b, _)| (a.tags.time, &a.name).cmp(&(b.tags.time, &b.name)));
        let row = |(index, (look, at)): (usize, &(&Look, [f64; 2]))| Row {
            line: index as u64 + 1,
            picture: look.name.clone(),
            at: *at,
            z: look.tags.z,
            heading: look.tags.heading.unwrap_or_default(),
            pitch: look.tags.pitch.unwrap_or_default(),
            roll: look.tags.roll.unwrap_or_default(),
            time: look.tags.time,
            run: folder.clone(),
            blurred: None,
        };
        Table {
            file: String::new(),
            crs: Crs::WGS84,
            grid_north: false,
            vertical: options.vertical,
            rows: looks.iter().enumerate().map(row).collect(),
        }
    };
    folders.into_iter().map(table).collect()
}

struct Work<'w> {
    options: &'w Options,
    area: &'w Area,
    crs: Crs,
    public: bool,
    space: uuid::Uuid,
    looks: &'w [Look],
    /// Which pictures a row has named.
    seen: Vec<bool>,
    /// Where each content was taken.
    contents: BTreeMap<Digest, [f64; 2]>,
    outcome: Outcome,
    told: u64,
    blurred: bool,
    arranged: Arranged,
    merged: u64,
    thinned: u64,
}

/// A row with its picture in its place.
struct Taken<'w> {
    row: &'w Row,
    look: &'w Look,
    placed: Placed,
    /// Milliseconds since 1970; its own time, or that of its day.
    time: i64,
    /// True when it is its own.
    timed: bool,
}

impl<'w> Work<'w> {
    fn at(table: &Table, row: &Row) -> Place {
        if table.file.is_empty() {
            return Place::file(&row.picture);
        }
        Place::file(&table.file).line(row.line).object(&row.picture)
    }

    fn reject(&mut self, code: &'static str, reason: impl Into<String>, place: Place) {
        self.outcome.counts.rejected(PICTURE);
        self.outcome.rejections.push(Rejection::of(PICTURE, &Error::new(code, reason).at(place)));
    }

    fn tell(&mut self, code: &'static str, reason: impl Into<String>, place: Place) {
        self.told += 1;
        if self.outcome.findings.len() < MAX_FINDINGS {
            self.outcome.findings.push(Rejection::of(PICTURE, &Error::new(code, reason).at(place)));
        }
    }

    fn table(&mut self, table: &'w Table, matching: &Matching, geoid: Option<&Geoid>) -> Result<()> {
        let ground = Ground::new(table, self.crs, geoid, &self.area.grids)?;
        self.arranged.operations.extend(ground.facts());
        let mut runs: Vec<(&str, Vec<Taken<'w>>)> = Vec::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (row, placed) in table.rows.iter().zip(ground.places(&table.rows)) {
            let Some(taken) = self.row(table, row, placed, matching) else { continue };
            let run = *known.entry(&row.run).or_insert_with(|| {
                runs.push((&row.run, Vec::new()));
                runs.len() - 1
            });
            runs[run].1.push(taken);
        }
        for (_, taken) in runs {
            self.run(table, taken);
        }
        Ok(())
    }

    /// The row with its picture, unless something is wrong with it, which is told.
    fn row(&mut self, table: &Table, row: &'w Row, placed: Result<Placed>, matching: &Matching) -> Option<Taken<'w>> {
        let place = Self::at(table, row);
        let look = match matching.find(&row.picture) {
            Found::One(index) => {
                self.seen[index] = true;
                &self.looks[index]
            }
            Found::None => {
                self.reject("mk::street_survey::no_picture", "the picture is missing", place);
                return None;
            }
            Found::Several(count) => {
                let reason = format!("{count} pictures have that name, and no folder tells them apart");
                self.reject("mk::street_survey::ambiguous", reason, place);
                return None;
            }
        };
        if let Some(fault) = &look.fault {
            self.reject("mk::street_survey::picture", fault.clone(), place);
            return None;
        }
        let blurred = row.blurred.unwrap_or(self.options.blurred);
        if self.public && !blurred {
            let reason = "nobody has marked the picture as blurred: it must not become public";
            self.reject("mk::street_survey::unblurred", reason, place);
            return None;
        }
        let placed = match placed {
            Ok(placed) => placed,
            Err(error) => {
                self.reject("mk::street_survey::place", error.full_message(), place);
                return None;
            }
        };
        if let Some(extent) = self.area.extent.filter(|extent| self.area.crs == Some(self.crs) && !extent.contains(placed.place))
        {
            let swapped = extent.contains([placed.place[1], placed.place[0]]);
            let more = if swapped { ": easting and northing are swapped" } else { "" };
            let reason = format!("it lies outside the pipeline's extent{more}");
            self.reject("mk::street_survey::outside", reason, place.at(placed.place));
            return None;
        }
        let zone = self.options.time_zone.zone();
        let own = row.time.or(look.tags.time);
        let Some(time) = own.or_else(|| moment::noon(self.options.date.as_ref()?.as_str(), &zone)) else {
            let reason = "nobody says when it was taken: name the column, or the day of the survey as `date`";
            self.reject("mk::street_survey::time", reason, place);
            return None;
        };
        if let Some(first) = self.contents.get(&look.digest) {
            if track::distance(*first, placed.place) < 0.01 {
                self.merged += 1;
                self.outcome.counts.kept(PICTURE);
            } else {
                let reason = "the same picture was taken elsewhere already";
                self.reject("mk::street_survey::twice", reason, place.at(placed.place));
            }
            return None;
        }
        self.contents.insert(look.digest, placed.place);
        if table.file.is_empty() && look.tags.magnetic {
            let reason = "its direction counts from magnetic north, some degrees beside the true one";
            self.tell("mk::street_survey::magnetic", reason, place);
        }
        self.blurred &= blurred;
        Some(Taken { row, look, placed, time, timed: own.is_some() })
    }

    fn run(&mut self, table: &Table, taken: Vec<Taken<'w>>) {
        let options = self.options;
        let rules = Rules { gap_s: options.max_gap_s, gap_m: options.max_gap_m, speed: options.max_speed_kmh / 3.6 };
        let spots: Vec<Spot> =
            taken.iter().map(|taken| Spot { at: taken.placed.place, time: taken.timed.then_some(taken.time) }).collect();
        let mut sequence: Vec<Taken<'w>> = Vec::new();
        for (fate, one) in rules.fates(&spots).into_iter().zip(taken) {
            let place = Self::at(table, one.row).at(one.placed.place);
            match fate {
                Fate::Outlier(reason) => {
                    self.reject("mk::street_survey::outlier", reason, place);
                    continue;
                }
                Fate::Jumps(reason) => {
                    self.tell("mk::street_survey::jump", format!("{reason}: a new sequence begins"), place);
                    self.sequence(table, &std::mem::take(&mut sequence));
                }
                Fate::Begins => self.sequence(table, &std::mem::take(&mut sequence)),
                Fate::Follows => {}
            }
            sequence.push(one);
        }
        self.sequence(table, &sequence);
    }

    fn sequence(&mut self, table: &Table, taken: &[Taken<'w>]) {
        let Some(first) = taken.first() else { return };
        let id = sequence_id(&self.space, first.look.digest);
        let places: Vec<[f64; 2]> = taken.iter().map(|taken| taken.placed.place).collect();
        self.arranged.been.extend(&places);
        let chainages = track::chainages(&places);
        let length = chainages.last().copied().unwrap_or_default();
        let stays = track::thin(&places, self.options.spacing_m);
        let (mut kept, mut chained) = (Vec::new(), Vec::new());
        for ((one, stays), chainage) in taken.iter().zip(stays).zip(chainages) {
            if stays {
                // Counted when its picture could be read.
                kept.push(one);
                chained.push(chainage);
            } else {
                self.thinned += 1;
                self.outcome.counts.kept(PICTURE);
            }
        }
        let times: Vec<Option<i64>> = kept.iter().map(|one| one.timed.then_some(one.time)).collect();
        let speeds = track::speeds(&chained, &times);
        let frames = kept.iter().zip(chained).zip(speeds);
        let frames = frames.map(|((one, chainage), speed)| self.frame(table, one, chainage, speed)).collect();
        self.arranged.sequences.push(Sequence { id, length, frames });
    }

    fn frame(&self, table: &Table, one: &Taken<'_>, chainage: f64, speed: Option<f64>) -> Frame {
        let Tags { manufacturer, model, focal_mm, .. } = &one.look.tags;
        let camera = &self.options.camera;
        Frame {
            id: picture_id(&self.space, one.look.digest),
            picture: one.look.name.clone(),
            digest: one.look.digest,
            size: one.look.size,
            time: one.time,
            lonlat: one.placed.lonlat,
            place: one.placed.place,
            height: one.placed.heights[0],
            ellipsoidal: one.placed.heights[1],
            azimuth: one.placed.azimuth,
            pitch: one.row.pitch,
            roll: one.row.roll,
            chainage,
            speed,
            manufacturer: manufacturer.clone().or_else(|| camera.manufacturer.clone()),
            model: model.clone().or_else(|| camera.model.clone()),
            focal_mm: *focal_mm,
            told: if table.file.is_empty() { one.look.name.clone() } else { format!("{}, line {}", table.file, one.row.line) },
        }
    }

    /// Pictures that no row has named.
    fn left_over(&mut self) {
        for (index, look) in self.looks.iter().enumerate() {
            if self.seen[index] {
                continue;
            }
            let place = Place::file(&look.name);
            match &look.fault {
                Some(fault) => self.reject("mk::street_survey::picture", fault.clone(), place),
                None => self.reject("mk::street_survey::no_row", "nobody says where the picture was taken", place),
            }
        }
    }
}
