//! Reads a delivery: members in parallel, in the order of the file; every object is kept, rejected or dropped, and counted.

use super::geometry::SharedParts;
use super::header::Header;
use super::names::{Family, PARCEL, Scope, is_known, is_private};
use super::object::{Change, Extras, Feature, Rules, Target, change, object, replace};
use super::splitter::{Chunk, Part, Piece, Root, Splitter};
use super::srs::{self, Srs};
use super::text::Utf8Reader;
use super::xml::{Events, Fault, Parsed};
use crate::crs::{Bbox, Crs, Operation, OperationFact};
use crate::dataset::Counts;
use crate::error::{Error, Place, Rejection, Result};
use geo::{BoundingRect, CoordsIter, MapCoordsInPlace};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

/// How a delivery is read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// CRS of the tables; that of the delivery when not given.
    pub crs: Option<Crs>,
    /// Plausibility box in that CRS.
    pub extent: Option<Bbox>,
    /// Folders with transformation grids.
    pub grids: Vec<PathBuf>,
    /// Greatest distance of a chord from its arc, in metres.
    pub arc_tolerance_m: f64,
    /// Whether objects of personal data are read.
    pub owners: bool,
    /// Whether objects of other classes are passed over, but for where parcels are booked in the land register.
    pub owners_only: bool,
}

/// A change and where it stands in the delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub change: Box<Change>,
    /// Offset in the delivery.
    pub byte: u64,
}

/// What a delivery holds besides its objects.
#[derive(Debug)]
pub struct Delivery {
    pub root: Root,
    pub header: Header,
    /// CRS of the coordinates, if any are located.
    pub crs: Option<Crs>,
    pub counts: Counts,
    pub rejections: Vec<Rejection>,
    pub findings: Vec<Rejection>,
    /// Operations that were applied.
    pub operations: Vec<OperationFact>,
    /// Identifiers of the objects of personal data, kept or not: what is published must not name them.
    pub private: Vec<String>,
}

/// Opens the delivery's bytes; called again when parts of geometries are shared between objects.
pub type Opener<'a> = &'a dyn Fn() -> Result<Box<dyn Read + Send>>;

/// Takes objects as they are read.
pub type Sink<'a> = &'a mut (dyn FnMut(Vec<Item>) -> Result<()> + Send);

/// Reads a delivery; `check` is called between chunks and may end it.
///
/// A stock goes to `sink` chunk by chunk, so that its size does not matter; its objects whose geometry stands in others come last.
/// Changes come in the order of the file, all at once: in them the order is part of what is said.
///
/// # Errors
/// When the delivery as a whole cannot be trusted: unreadable, no NAS, ends early, broken XML, a DOCTYPE, nested too deeply; and
/// those of `sink`.
pub fn read(open: Opener<'_>, settings: &Settings, check: &dyn Fn() -> Result<()>, sink: Sink<'_>) -> Result<Delivery> {
    let (no_parts, nothing) = (SharedParts::new(), BTreeSet::new());
    let rules = Rules {
        tolerance: settings.arc_tolerance_m,
        owners: settings.owners,
        bookings: settings.owners_only,
        known: &no_parts,
        collect: &nothing,
    };
    let mut splitter = Splitter::new(Utf8Reader::new(open()?)?);
    let (mut frame, mut gathered) = (Frame::new(settings), Gathered::default());
    let mut next = splitter.next_chunk()?;
    let mut before: Option<(Chunk, Vec<Outcome>)> = None;
    while let Some(chunk) = next.take() {
        check()?;
        frame.heads(&chunk)?;
        if frame.crs.is_none() {
            frame.crs = first_known_srs(&chunk.bytes);
        }
        gathered.ordered = splitter.root() == Some(Root::Changes);
        // The next chunk is fetched, and unpacked, while this one is read and what came of the one before goes its way.
        let (read, (following, taken)): (Vec<Outcome>, _) = rayon::join(
            || chunk.parts.par_iter().map(|part| read_part(&chunk, part, &rules, &frame)).collect(),
            || rayon::join(|| splitter.next_chunk(), || gathered.pass_on(before.take(), sink)),
        );
        taken?.into_iter().for_each(|chunk| splitter.recycle(chunk));
        before = Some((chunk, read));
        match following {
            Ok(following) => next = following,
            // What is wrong before it is said first.
            Err(error) => return gathered.pass_on(before, sink).and(Err(error)),
        }
    }
    gathered.pass_on(before, sink)?;
    let root = splitter.root().unwrap_or(Root::Stock);
    if !gathered.pending.is_empty() {
        gathered.resolve(open, &rules, &frame)?;
    }
    sink(gathered.taken())?;
    Ok(gathered.finish(root, frame))
}

/// What a delivery that cannot be read is, and what its head says, as far as that can be read.
pub fn head(open: Opener<'_>) -> Option<(Root, Header)> {
    let input = open().ok()?;
    let (root, chunk) = Splitter::new(Utf8Reader::new(input).ok()?).head()?;
    let mut header = Header::default();
    header.sniff(&chunk.bytes);
    for part in &chunk.parts {
        header.read(text_of(&chunk, part).ok()?, &part.scope).ok()?;
    }
    Some((root, header))
}

/// What became of a part.
enum Outcome {
    Item(Box<Change>),
    Private,
    Ignored,
    /// To be read again when the parts of its geometry are known.
    Pending(Vec<String>),
    Faulty(Fault),
}

struct Pending {
    /// Index among the items, kept free for it where their order matters.
    slot: Option<usize>,
    piece: Piece,
    class: String,
    bytes: Vec<u8>,
    scope: Arc<Scope>,
    place: Place,
    wanted: Vec<String>,
}

/// What objects are read by: the head of the delivery, and the CRS that they go to.
struct Frame<'s> {
    settings: &'s Settings,
    header: Header,
    crs: Option<Crs>,
    operations: Mutex<BTreeMap<Crs, Result<Operation, String>>>,
    /// The way from the CRS of the tables to the map.
    map: OnceLock<Option<Operation>>,
    /// Where objects have a place on it, as far as that is known.
    mapped: RwLock<Bbox>,
}

/// What came of a delivery so far.
#[derive(Default)]
struct Gathered {
    /// True when the items are to stay in the order of the file.
    ordered: bool,
    items: Vec<Option<Item>>,
    counts: Counts,
    rejections: Vec<Rejection>,
    /// Objects in a CRS without counterpart, by its name.
    local: BTreeMap<String, (u64, Place)>,
    pending: Vec<Pending>,
    private: Vec<String>,
}

impl<'s> Frame<'s> {
    fn new(settings: &'s Settings) -> Self {
        Self {
            settings,
            header: Header::default(),
            crs: settings.crs,
            operations: Mutex::default(),
            map: OnceLock::new(),
            mapped: RwLock::new(Bbox::EMPTY),
        }
    }

    fn heads(&mut self, chunk: &Chunk) -> Result<()> {
        self.header.sniff(&chunk.bytes);
        for part in chunk.parts.iter().filter(|part| part.piece == Piece::Header) {
            let text = text_of(chunk, part)?;
            if let Err(Fault::Delivery(error) | Fault::Object(error)) = self.header.read(text, &part.scope) {
                return Err(relocated(error, chunk, part));
            }
        }
        if self.crs.is_none()
            && let Some(Srs::Known { crs, .. }) = self.header.standard_srs.as_deref().map(srs::parse)
        {
            self.crs = Some(crs);
        }
        Ok(())
    }

    /// Brings a feature into the CRS of the tables and checks that it lies where it may.
    fn locate(&self, feature: &mut Feature) -> Result<(), Error> {
        let Some(shape) = &mut feature.shape else { return Ok(()) };
        if shape.srs.is_empty()
            && let Some(standard) = &self.header.standard_srs
        {
            shape.srs.clone_from(standard);
        }
        let (Srs::Known { crs, north_first }, Some(target)) = (srs::parse(&shape.srs), self.crs) else {
            // Without a name the CRS of the pipeline or of the delivery's first object holds.
            shape.located = shape.srs.is_empty() && self.crs.is_some();
            return if shape.located { self.plausible(feature) } else { Ok(()) };
        };
        if north_first {
            shape.geometry.map_coords_in_place(|at| geo::Coord { x: at.y, y: at.x });
        }
        if crs != target {
            let operation = self.operation(crs, target)?;
            let mut points: Vec<[f64; 2]> = shape.geometry.coords_iter().map(|at| [at.x, at.y]).collect();
            operation
                .forward(&mut points)
                .map_err(|error| Error::new("mk::cadastre::nas::crs", "the coordinates cannot be transformed").because(error))?;
            // Both walk the geometry in the same order.
            let next = std::cell::Cell::new(0);
            shape.geometry.map_coords_in_place(|at| {
                let index = next.replace(next.get() + 1);
                points.get(index).map_or(at, |[x, y]| geo::Coord { x: *x, y: *y })
            });
        }
        shape.located = true;
        self.plausible(feature)
    }

    fn operation(&self, from: Crs, to: Crs) -> Result<Operation> {
        let mut known = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(from)
            .or_insert_with(|| Operation::between(from, to, &self.settings.grids).map_err(|error| error.full_message()))
            .clone()
            .map_err(|message| Error::new("mk::cadastre::nas::crs", message))
    }

    fn plausible(&self, feature: &Feature) -> Result<()> {
        let Some(rect) = feature.shape.as_ref().and_then(|shape| shape.geometry.bounding_rect()) else { return Ok(()) };
        let bbox = Bbox::new([rect.min().x, rect.min().y], [rect.max().x, rect.max().y]);
        let Some(extent) = self.settings.extent else { return self.on_the_map(bbox) };
        // Roads and districts reach over the border; nothing reaches further than the area is large.
        let reach = extent.width().max(extent.height());
        let far = extent.widened(reach);
        if bbox.intersects(&extent) && far.contains(bbox.min) && far.contains(bbox.max) {
            return self.on_the_map(bbox);
        }
        let centre = bbox.centre();
        let swapped = extent.contains([centre[1], centre[0]]);
        let what = if swapped {
            "the object lies outside the pipeline's extent: easting and northing are swapped"
        } else {
            "the object lies outside the pipeline's extent"
        };
        Err(Error::new("mk::cadastre::nas::outside", what).at(Place::default().at(centre)))
    }

    /// Checks that what is drawn of all objects can be: one with coordinates of another CRS than it names is wrong in itself. What lies
    /// between places on the map is on it too, so that few objects are asked for.
    fn on_the_map(&self, bbox: Bbox) -> Result<()> {
        let mapped = |found: &Bbox| found.contains(bbox.min) && found.contains(bbox.max);
        let Some(crs) = self.crs else { return Ok(()) };
        if mapped(&self.mapped.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        // Where there is no way to the map, who draws says why.
        let map = self.map.get_or_init(|| Operation::between(crs, Crs::WEB_MERCATOR, &self.settings.grids).ok());
        let Some(operation) = map else { return Ok(()) };
        let Bbox { min, max } = bbox;
        if operation.forward(&mut [min, [max[0], min[1]], max, [min[0], max[1]]]).is_err() {
            let what = format!("the coordinates lie outside {crs}: zone, axes or CRS are others than the object says");
            return Err(Error::new("mk::cadastre::nas::outside", what).at(Place::default().at(bbox.centre())));
        }
        let mut found = self.mapped.write().unwrap_or_else(PoisonError::into_inner);
        *found = found.union(bbox);
        Ok(())
    }
}

impl Gathered {
    /// Takes what was read of a chunk, hands on what is complete, and gives the chunk back.
    fn pass_on(&mut self, read: Option<(Chunk, Vec<Outcome>)>, sink: Sink<'_>) -> Result<Option<Chunk>> {
        let Some((chunk, outcomes)) = read else { return Ok(None) };
        for (part, outcome) in chunk.parts.iter().zip(outcomes) {
            self.take(&chunk, part, outcome)?;
        }
        if !self.ordered {
            sink(self.taken())?;
        }
        Ok(Some(chunk))
    }

    fn take(&mut self, chunk: &Chunk, part: &Part, outcome: Outcome) -> Result<()> {
        let class = || String::from_utf8_lossy(&chunk.bytes[part.name.clone()]).into_owned();
        let byte = chunk.byte + part.range.start as u64;
        match outcome {
            Outcome::Ignored => {}
            Outcome::Private => {
                let class = if part.piece == Piece::Object { class() } else { private_class(chunk, part) };
                self.private.extend(first_id(&chunk.bytes[part.range.clone()]));
                self.counts.dropped_private(&class);
            }
            Outcome::Item(change) => self.keep(change, byte, &|| chunk.place(part.range.start)),
            Outcome::Pending(wanted) => {
                let slot = self.ordered.then_some(self.items.len());
                self.pending.push(Pending {
                    slot,
                    piece: part.piece,
                    class: class(),
                    bytes: chunk.bytes[part.range.clone()].to_vec(),
                    scope: Arc::clone(&part.scope),
                    place: chunk.place(part.range.start),
                    wanted,
                });
                if slot.is_some() {
                    self.items.push(None);
                }
            }
            Outcome::Faulty(Fault::Delivery(error)) => return Err(relocated(error, chunk, part)),
            Outcome::Faulty(Fault::Object(error)) => self.reject(&class(), error, chunk.place(part.range.start)),
        }
        Ok(())
    }

    /// The items that are complete.
    fn taken(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.items).into_iter().flatten().collect()
    }

    /// `place` is asked for seldom: it counts the lines before the object.
    fn keep(&mut self, change: Box<Change>, byte: u64, place: &dyn Fn() -> Place) {
        if let Some(feature) = feature_of(&change) {
            self.counts.kept(&feature.class);
            if is_private(&feature.class) {
                self.private.push(feature.oid.clone());
            }
            if let Some(shape) = feature.shape.as_ref().filter(|shape| !shape.located) {
                let first = || (0, place().object(&feature.oid));
                self.local.entry(shape.srs.clone()).or_insert_with(first).0 += 1;
            }
        }
        self.items.push(Some(Item { change, byte }));
    }

    fn reject(&mut self, class: &str, error: Error, mut place: Place) {
        self.counts.rejected(class);
        place.object.clone_from(&error.place().object);
        place.at = error.place().at;
        self.rejections.push(Rejection::of(class, &error.at(place)));
    }

    /// Further passes: find the parts of geometries that other objects refer to, then read those objects.
    fn resolve(&mut self, open: Opener<'_>, rules: &Rules<'_>, frame: &Frame<'_>) -> Result<()> {
        let mut wanted: BTreeSet<String> = self.pending.iter().flat_map(|pending| pending.wanted.iter().cloned()).collect();
        let mut known = SharedParts::new();
        for _ in 0..MOST_PASSES {
            let missing: BTreeSet<String> = wanted.iter().filter(|id| !known.contains_key(*id)).cloned().collect();
            if missing.is_empty() {
                break;
            }
            let (found, more) = collect(open, &Rules { known: &known, collect: &missing, ..*rules })?;
            let news = !found.is_empty() || more.iter().any(|id| !wanted.contains(id));
            known.extend(found);
            wanted.extend(more);
            if !news {
                break;
            }
        }
        let rules = Rules { known: &known, ..*rules };
        for pending in std::mem::take(&mut self.pending) {
            let text = String::from_utf8_lossy(&pending.bytes);
            let outcome = match read_member(pending.piece, &text, &pending.scope, &rules, frame) {
                Outcome::Pending(_) => Outcome::Faulty(Fault::Object(Error::new(
                    "mk::cadastre::nas::reference",
                    "the geometry refers to one that the delivery does not hold",
                ))),
                other => other,
            };
            match outcome {
                Outcome::Item(change) => {
                    let byte = pending.place.byte.unwrap_or(0);
                    self.keep(change, byte, &|| pending.place.clone());
                    if let Some(slot) = pending.slot {
                        let item = self.items.pop();
                        self.items[slot] = item.flatten();
                    }
                }
                Outcome::Faulty(Fault::Object(error) | Fault::Delivery(error)) => {
                    self.reject(&pending.class, error, pending.place);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn finish(self, root: Root, frame: Frame<'_>) -> Delivery {
        let unknown = self.counts.0.iter().filter(|(class, count)| count.output > 0 && !is_known(class));
        let mut findings: Vec<Rejection> = unknown
            .map(|(class, count)| Rejection {
                object_type: class.clone(),
                code: "mk::cadastre::nas::class".to_owned(),
                reason: format!("{} objects of a class that GeoInfoDok 6.0 and 7.1 do not have: kept in 'objekt'", count.output),
                place: Place::default(),
            })
            .collect();
        let local = self.local.into_iter().map(|(srs, (count, place))| {
            let name = if srs.is_empty() { "no named CRS".to_owned() } else { srs };
            Rejection {
                object_type: "geometry".to_owned(),
                code: "mk::cadastre::nas::local_crs".to_owned(),
                reason: format!("{count} objects have coordinates in {name}: kept as delivered, without a position on the map"),
                place,
            }
        });
        findings.extend(local);
        let operations = frame.operations.into_inner().unwrap_or_else(PoisonError::into_inner);
        Delivery {
            root,
            header: frame.header,
            crs: frame.crs,
            private: self.private,
            counts: self.counts,
            rejections: self.rejections,
            findings,
            operations: operations.into_values().flatten().map(|operation| operation.fact().clone()).collect(),
        }
    }
}

/// A curve of a surface of a geometry: what is referred to refers no deeper than that.
const MOST_PASSES: usize = 4;

/// One pass: parts of geometries that are asked for, and what they refer to themselves.
fn collect(open: Opener<'_>, rules: &Rules<'_>) -> Result<(SharedParts, Vec<String>)> {
    let (mut found, mut wanting) = (SharedParts::new(), Vec::new());
    let mut splitter = Splitter::new(Utf8Reader::new(open()?)?);
    while let Some(chunk) = splitter.next_chunk()? {
        let read: Vec<Extras> = chunk
            .parts
            .par_iter()
            .filter(|part| matches!(part.piece, Piece::Object | Piece::Replace))
            .map(|part| {
                let mut extras = Extras::default();
                let name = &chunk.bytes[part.name.clone()];
                if std::str::from_utf8(name).is_ok_and(|name| !is_private(name))
                    && let Ok(text) = text_of(&chunk, part)
                {
                    // What is wrong with an object has been said in the first pass.
                    let _ = match part.piece {
                        Piece::Replace => replace(text, &part.scope, rules, &mut extras).map(|_| ()),
                        _ => object(text, &part.scope, rules, &mut extras).map(|_| ()),
                    };
                }
                extras
            })
            .collect();
        for extras in read {
            found.extend(extras.shared);
            wanting.extend(extras.wanting);
        }
    }
    Ok((found, wanting))
}

fn read_part(chunk: &Chunk, part: &Part, rules: &Rules<'_>, frame: &Frame<'_>) -> Outcome {
    if part.piece == Piece::Header {
        return Outcome::Ignored;
    }
    let text = match text_of(chunk, part) {
        Ok(text) => text,
        Err(error) => return Outcome::Faulty(Fault::Delivery(error)),
    };
    if part.piece == Piece::Object {
        let class = std::str::from_utf8(&chunk.bytes[part.name.clone()]).unwrap_or_default();
        let passed_over = match part.family == Family::Aaa && is_private(class) {
            true if !rules.owners => Some(Outcome::Private),
            false if frame.settings.owners_only && class != PARCEL => Some(Outcome::Ignored),
            _ => None,
        };
        if let Some(outcome) = passed_over {
            return match holds_itself(text).then(|| passed(text, &part.scope)) {
                Some(Err(fault)) => Outcome::Faulty(fault),
                _ => outcome,
            };
        }
    }
    read_member(part.piece, text, &part.scope, rules, frame)
}

fn read_member(piece: Piece, text: &str, scope: &Scope, rules: &Rules<'_>, frame: &Frame<'_>) -> Outcome {
    let mut extras = Extras::default();
    let read = match piece {
        Piece::Object => object(text, scope, rules, &mut extras).map(Change::Insert),
        Piece::Replace => match replace(text, scope, rules, &mut extras) {
            Ok(Ok(change)) => Ok(change),
            Ok(Err(_)) => return Outcome::Private,
            Err(fault) => Err(fault),
        },
        Piece::Update | Piece::Delete => match change(text, scope, piece == Piece::Delete, rules.owners) {
            Ok(Some(change)) => Ok(change),
            Ok(None) => return Outcome::Ignored,
            Err(fault) => Err(fault),
        },
        Piece::Header => return Outcome::Ignored,
    };
    let mut change = match read {
        Ok(change) => change,
        Err(fault) => return Outcome::Faulty(fault),
    };
    if let Change::Insert(feature) | Change::Replace { feature, .. } = &mut change {
        if !feature.missing.is_empty() {
            return Outcome::Pending(std::mem::take(&mut feature.missing));
        }
        if let Err(error) = frame.locate(feature) {
            let place = error.place().clone().object(&feature.oid);
            return Outcome::Faulty(Fault::Object(error.at(place)));
        }
    }
    Outcome::Item(Box::new(change))
}

fn feature_of(change: &Change) -> Option<&Feature> {
    match change {
        Change::Insert(feature) | Change::Replace { feature, .. } => Some(feature),
        Change::Update { .. } | Change::Delete { .. } => None,
    }
}

fn text_of<'c>(chunk: &'c Chunk, part: &Part) -> Result<&'c str> {
    std::str::from_utf8(&chunk.bytes[part.range.clone()]).map_err(|error| {
        Error::new("mk::cadastre::nas::encoding", "the delivery is not in the encoding that it declares")
            .at(chunk.place(part.range.start + error.valid_up_to()))
    })
}

/// An error within a part, with its place in the delivery.
fn relocated(error: Error, chunk: &Chunk, part: &Part) -> Error {
    if error.place().line.is_some() {
        return error;
    }
    let inside = usize::try_from(error.place().byte.unwrap_or(0)).unwrap_or(0);
    error.at(chunk.place(part.range.start.saturating_add(inside)))
}

/// The class of the object within a `Replace` of personal data.
fn private_class(chunk: &Chunk, part: &Part) -> String {
    let (nothing, known) = (BTreeSet::new(), SharedParts::new());
    let rules = Rules { tolerance: 1.0, owners: false, bookings: false, known: &known, collect: &nothing };
    match text_of(chunk, part).map(|text| replace(text, &part.scope, &rules, &mut Extras::default())) {
        Ok(Ok(Err(class))) => class,
        _ => "Replace".to_owned(),
    }
}

/// True for an element within which one of its own name seems to begin: no object is in another, so its end tag may be missing, and what
/// follows it would be passed over with it.
fn holds_itself(element: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n'));
    let bytes = element.as_bytes();
    let Some(length) = (0..bytes.len()).find(|at| ends(bytes.get(*at))) else { return false };
    let (begin, rest) = bytes.split_at(length);
    memchr::memmem::find_iter(rest, begin).any(|at| ends(rest.get(at + begin.len())))
}

/// Goes through an element that is passed over, for whether its tags are closed.
fn passed(element: &str, scope: &Scope) -> Parsed<()> {
    let mut events = Events::new(element, scope);
    while events.next()?.is_some() {}
    Ok(())
}

/// The `gml:id` of an object that is not parsed, without a timestamp.
fn first_id(member: &[u8]) -> Option<String> {
    memchr::memmem::find_iter(member, b":id").find_map(|at| {
        // Blanks may stand around the sign (XML 1.0, production 25).
        let value = member.get(at + 3..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
        let id = std::str::from_utf8(value.get(..memchr::memchr(*quote, value)?)?).ok()?;
        Some(Target::parse(id).oid)
    })
}

/// The first CRS with a counterpart that a geometry names: it holds for a delivery whose head names none.
fn first_known_srs(bytes: &[u8]) -> Option<Crs> {
    memchr::memmem::find_iter(bytes, b"srsName=").find_map(|at| {
        let value = bytes.get(at + 9..)?;
        let quote = *bytes.get(at + 8)?;
        let name = value.get(..memchr::memchr(quote, value)?)?;
        match srs::parse(std::str::from_utf8(name).ok()?) {
            Srs::Known { crs, .. } => Some(crs),
            Srs::Local => None,
        }
    })
}
