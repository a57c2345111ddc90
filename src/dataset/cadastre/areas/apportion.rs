//! `NutzungFlurstueck`: land use cut by parcels, with the official area shared out.

use super::lots::Mark;
use super::{Digests, Ground, Index, Lot, LotsByDigest, PIECES, TEXTS};
use crate::dataset::UnitResult;
use crate::dataset::cadastre::row::{Operation, Row, from_ipc, to_ipc};
use crate::dataset::cadastre::tables::labels;
use crate::error::{Error, Result};
use crate::format::wkb;
use crate::io::{Digest, Pack, PackWriter, atomic};
use crate::vector::overlay;
use geo::{Area, Geometry, MultiPolygon};
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Pieces thinner than this on average (metres) are two lines that should be one.
const SLIVER_M: f64 = 0.02;
/// Of a parcel's area, the part that may lack land use before the lack is shown as one.
const COVERED: f64 = 0.005;
/// Entries that say for each parcel of a cell what its pieces were made of, and how many there are.
const MADE: &str = "made";

/// What a parcel shares with land use.
struct Share {
    /// Of the parcel and of all land use that touches the rectangle around it.
    made_of: Digest,
    parcel: String,
    made: Made,
}

/// The text that a parcel carries, and the pieces.
type Pieces = (Option<String>, Vec<Row>);

/// Pieces as an earlier night made them, or what to make them of: the parcel, and the land use that may touch it.
enum Made {
    Known(Pieces),
    Of(Digest, Vec<Digest>),
}

/// The shares of all parcels of a block, by their cell; of each by parcel, then land use.
pub struct Shares {
    cells: Vec<OfCell>,
    earlier: Earlier,
}

/// The shares of the parcels of a cell.
struct OfCell {
    key: String,
    /// `None` where all are as they were: the entries of the last result hold.
    shares: Option<Vec<Share>>,
}

impl Shares {
    /// What is taken over, and what is to be cut.
    pub fn begin(ground: &Ground<'_>, previous: Option<&UnitResult>) -> Self {
        let mut earlier = Earlier::of(previous);
        let index = Index::new(ground.uses.iter().map(|mark| mark.bbox));
        let mut ours: Vec<&Mark> = ground.parcels.iter().filter(|mark| ground.is_ours(mark)).collect();
        // Within a cell they keep their order.
        ours.sort_by_key(|mark| mark.cell);
        let touched = |parcel: &&Mark| -> (Digest, Vec<Digest>) {
            let candidates = index.touched(&parcel.bbox).into_iter().map(|index| ground.uses[index].digest).collect::<Vec<_>>();
            let all = std::iter::once(&parcel.digest).chain(&candidates);
            (Digest::of_parts(all.map(|digest| &digest.as_bytes()[..])), candidates)
        };
        let mut touched = ours.par_iter().map(touched).collect::<Vec<_>>().into_iter();
        let mut cells = Vec::new();
        for parcels in ours.chunk_by(|a, b| a.cell == b.cell) {
            let key = ground.cell(parcels[0].cell).to_owned();
            let touched: Vec<(Digest, Vec<Digest>)> = touched.by_ref().take(parcels.len()).collect();
            if earlier.are(&key, touched.iter().map(|(made_of, _)| made_of)) {
                cells.push(OfCell { key, shares: None });
                continue;
            }
            let mut known = earlier.of_cell(&key);
            let shares = parcels.iter().zip(touched).map(|(parcel, (made_of, candidates))| {
                let made = known.remove(&made_of).map_or_else(|| Made::Of(parcel.digest, candidates), Made::Known);
                Share { made_of, parcel: parcel.oid.clone(), made }
            });
            cells.push(OfCell { shares: Some(shares.collect()), key });
        }
        Self { cells, earlier }
    }

    /// The areas that are to be cut.
    pub fn needed(&self) -> Digests {
        let mut needed = Digests::default();
        for share in self.cells.iter().filter_map(|cell| cell.shares.as_ref()).flatten() {
            if let Made::Of(parcel, candidates) = &share.made {
                needed.extend(std::iter::once(parcel).chain(candidates));
            }
        }
        needed
    }

    /// Cuts them.
    ///
    /// # Errors
    /// When one is not there.
    pub fn cut(&mut self, lots: &LotsByDigest) -> Result<()> {
        let lot = |digest: &Digest| {
            lots.get(digest)
                .ok_or_else(|| Error::new("mk::cadastre::store", "an area is not as was said when its cell was folded"))
        };
        self.cells.par_iter_mut().filter_map(|cell| cell.shares.as_mut()).flatten().try_for_each(|share| {
            if let Made::Of(parcel, candidates) = &share.made {
                let candidates = candidates.iter().map(lot).collect::<Result<Vec<_>>>()?;
                share.made = Made::Known(cut(lot(parcel)?, &candidates));
            }
            Ok(())
        })
    }

    /// Writes them.
    ///
    /// # Errors
    /// When the pack cannot be written.
    pub fn write(mut self, pack: &mut PackWriter) -> Result<()> {
        let json = |value: Value| value.to_string().into_bytes();
        for OfCell { key, shares } in self.cells {
            let names = [PIECES, TEXTS, MADE].map(|part| format!("{part}/{key}"));
            let Some(shares) = shares else {
                self.earlier.hand_over(&names, pack)?;
                continue;
            };
            let (mut made, mut texts, mut pieces) = (Vec::new(), Map::new(), Vec::new());
            for Share { made_of, parcel, made: known } in shares {
                let Made::Known((text, some)) = known else { continue };
                made.push(serde_json::json!([made_of, parcel, some.len()]));
                texts.extend(text.map(|text| (parcel, text.into())));
                pieces.extend(some);
            }
            let [of_pieces, of_texts, of_made] = names;
            if !pieces.is_empty() {
                pack.add(&of_pieces, &to_ipc(&pieces)?)?;
            }
            if !texts.is_empty() {
                pack.add(&of_texts, &json(texts.into()))?;
            }
            if !atomic::passes() {
                pack.add(&of_made, &json(made.into()))?;
            }
        }
        Ok(())
    }
}

/// What an earlier night made, by cell.
#[derive(Default)]
struct Earlier {
    pack: Option<Pack>,
    /// What the pieces of each parcel were made of, whose they are, and how many.
    made: BTreeMap<String, Vec<(Digest, String, usize)>>,
}

impl Earlier {
    /// From the unit's last result; what cannot be read is made again.
    fn of(previous: Option<&UnitResult>) -> Self {
        previous.and_then(|previous| Self::read(previous).ok()).unwrap_or_default()
    }

    fn read(previous: &UnitResult) -> Result<Self> {
        let mut pack = previous.pack()?;
        let mut made = BTreeMap::new();
        let names: Vec<String> = pack.entries().keys().cloned().collect();
        for name in names {
            if let Some((MADE, cell)) = name.split_once('/') {
                made.insert(cell.to_owned(), json(&pack.read(&name)?)?);
            }
        }
        Ok(Self { pack: Some(pack), made })
    }

    /// True when the pieces of all parcels of a cell were made of the same.
    fn are<'d>(&self, cell: &str, made_of: impl Iterator<Item = &'d Digest>) -> bool {
        self.made.get(cell).is_some_and(|known| known.iter().map(|(digest, ..)| digest).eq(made_of))
    }

    /// The pieces of a cell by what they were made of.
    fn of_cell(&mut self, cell: &str) -> HashMap<Digest, Pieces> {
        let Some((pack, made)) = self.pack.as_mut().zip(self.made.remove(cell)) else { return HashMap::new() };
        let mut read = |part: &str| {
            let name = format!("{part}/{cell}");
            pack.entries().contains_key(&name).then(|| pack.read(&name)).transpose()
        };
        let mut read = || -> Result<_> {
            let of_texts = read(TEXTS)?.map_or_else(|| Ok(BTreeMap::new()), |bytes| texts(&bytes))?;
            Ok((of_texts, read(PIECES)?.map_or_else(|| Ok(Vec::new()), from_ipc)?))
        };
        let Ok((mut texts, pieces)) = read() else { return HashMap::new() };
        let mut pieces = pieces.into_iter();
        let known = made
            .into_iter()
            .map(|(made_of, parcel, count)| (made_of, (texts.remove(&parcel), pieces.by_ref().take(count).collect())));
        known.collect()
    }

    /// Takes entries over, as far as they are there.
    fn hand_over(&mut self, names: &[String], to: &mut PackWriter) -> Result<()> {
        let Some(pack) = &mut self.pack else { return Ok(()) };
        for name in names {
            if pack.entries().contains_key(name) {
                to.take_over(name, pack)?;
            }
        }
        Ok(())
    }
}

/// The texts of the parcels of a cell, out of the entry [`TEXTS`].
///
/// # Errors
/// When it is none.
pub fn texts(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    json(bytes)
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::new("mk::run::result", "the result of a unit is not as expected").because(error))
}

/// Cuts the land use that may touch a parcel: the text that the parcel carries, and the pieces.
fn cut(parcel: &Lot, candidates: &[&Lot]) -> Pieces {
    let mut found: Vec<(&Lot, MultiPolygon<f64>, f64)> = Vec::new();
    for candidate in candidates {
        let shared = overlay::intersection(&parcel.shape.area, &candidate.shape.area);
        let size = shared.unsigned_area();
        if size > 0.0 && overlay::width(&shared) > SLIVER_M {
            found.push((candidate, shared, size));
        }
    }
    let sizes: Vec<f64> = found.iter().map(|(_, _, size)| *size).collect();
    let official = official_area(&parcel.row);
    let shares = official.map(|official| apportion(official, parcel.shape.area.unsigned_area(), &sizes));
    let key: Value = parcel.row.fields().text(&["flurstueckskennzeichen"]).map(Cow::into_owned).into();
    let mut named = Vec::new();
    let mut pieces = Vec::new();
    for (index, (land_use, area, _)) in found.into_iter().enumerate() {
        let share = shares.as_ref().and_then(|shares| shares.get(index).copied());
        let (kind, detail) = labels(&land_use.row.class, &land_use.row.fields());
        named.extend(kind.zip(share).map(|(kind, share)| (kind, detail, share)));
        let properties =
            [("flstkennz", key.clone()), ("nutzart", kind.into()), ("bez", detail.into()), ("flaeche", share.into())];
        let properties = properties.map(|(name, value)| (name.to_owned(), value));
        pieces.push(Row {
            operation: Operation::Insert,
            class: "NutzungFlurstueck".into(),
            oid: format!("{}{}", parcel.row.oid, land_use.row.oid),
            beginnt: parcel.row.beginnt.clone().max(land_use.row.beginnt.clone()),
            endet: None,
            attributes: Value::Object(properties.into_iter().collect()).to_string(),
            geometry: Some(wkb::encode(&Geometry::MultiPolygon(area))),
            srs: None,
            local: None,
            delivery: parcel.row.delivery.clone(),
            byte: parcel.row.byte,
        });
    }
    (text(&named), pieces)
}

/// The uses of a parcel with their official areas, the largest first: `Weg / Fahrweg;2|Straßenverkehr;2462`.
fn text(named: &[(&str, Option<&str>, f64)]) -> Option<String> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (kind, detail, area) in named {
        let name = detail.map_or_else(|| (*kind).to_owned(), |detail| format!("{kind} / {detail}"));
        *sums.entry(name).or_default() += area;
    }
    let mut sums: Vec<(String, f64)> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    let area = |area: f64| format!("{}", (area * 100.0).round() / 100.0);
    let texts: Vec<String> = sums.into_iter().map(|(name, sum)| format!("{name};{}", area(sum))).collect();
    (!texts.is_empty()).then(|| texts.join("|"))
}

/// The official area of a parcel in square metres.
pub fn official_area(parcel: &Row) -> Option<f64> {
    stated_area(parcel).filter(|area| *area > 0.0)
}

/// What a parcel says its area is; none is an error of the cadastre.
pub fn stated_area(parcel: &Row) -> Option<f64> {
    let area = parcel.fields().text(&["amtlicheFlaeche"])?.parse::<f64>().ok()?;
    (0.0..1e12).contains(&area).then_some(area)
}

/// Land use that lies on top of another.
pub fn is_further_use(row: &Row) -> bool {
    row.attributes.contains("istWeitereNutzung")
        && !matches!(row.fields().text(&["istWeitereNutzung"]).as_deref(), None | Some("" | "false"))
}

/// Shares the official area out by the sizes of the pieces, in whole square metres where it is whole, so that the shares sum to
/// it exactly; what of the parcel (`whole`) has no land use keeps its part.
fn apportion(official: f64, whole: f64, sizes: &[f64]) -> Vec<f64> {
    let covered: f64 = sizes.iter().sum();
    if covered <= 0.0 {
        return vec![0.0; sizes.len()];
    }
    let ground = if (whole - covered) / whole > COVERED { whole } else { covered };
    // Hundredths where the area has them.
    let unit = if official.fract() == 0.0 { 1.0 } else { 0.01 };
    let exact: Vec<f64> = sizes.iter().map(|size| official * size / ground / unit).collect();
    let total = exact.iter().sum::<f64>().round();
    let mut shares: Vec<f64> = exact.iter().map(|share| share.floor()).collect();
    let missing = (total - shares.iter().sum::<f64>()).max(0.0) as usize;
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()).then(a.cmp(b)));
    for index in order.into_iter().take(missing) {
        shares[index] += 1.0;
    }
    shares.into_iter().map(|share| if unit == 1.0 { share } else { (share * unit * 100.0).round() / 100.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::{Bbox, Crs};
    use crate::dataset::cadastre::areas::{Lots, Shape};
    use crate::dataset::cadastre::tiles::Blocks;
    use geo::Rect;
    use proptest::prelude::*;

    fn lot(class: &str, oid: &str, east: f64, side: f64) -> (Mark, Lot) {
        let area = MultiPolygon(vec![Rect::new((east, 0.0), (east + side, side)).to_polygon()]);
        let attributes = serde_json::json!({ "amtlicheFlaeche": (side * side).to_string() }).to_string();
        let row = Row {
            operation: Operation::Insert,
            class: class.into(),
            oid: oid.into(),
            beginnt: "2024-01-01T00:00:00Z".into(),
            endet: None,
            attributes,
            geometry: Some(wkb::encode(&Geometry::MultiPolygon(area.clone()))),
            srs: None,
            local: None,
            delivery: "".into(),
            byte: 0,
        };
        let blocks = Blocks::new(Crs::UTM32, &[]).unwrap();
        let mut lots = Lots::of([&row].into_iter(), &blocks, None).unwrap();
        let shape = Shape::of(&row).unwrap().unwrap();
        assert_eq!(shape.bbox, Bbox::new([east, 0.0], [east + side, side]));
        (Mark { block: (0, 0), ..lots.marks.remove(0) }, Lot { row, shape })
    }

    /// The shares of all parcels, how many of them were taken over.
    fn shares(parcels: &[(Mark, Lot)], uses: &[(Mark, Lot)], previous: Option<&UnitResult>) -> (Shares, usize) {
        let marks = |lots: &[(Mark, Lot)]| lots.iter().map(|(mark, _)| mark.clone()).collect::<Vec<_>>();
        let ground = Ground { block: (0, 0), parcels: marks(parcels), uses: marks(uses), cells: Vec::new() };
        let mut shares = Shares::begin(&ground, previous);
        let needed = shares.needed();
        let copy = |(mark, lot): &(Mark, Lot)| {
            (mark.digest, Lot { row: lot.row.clone(), shape: Shape { area: lot.shape.area.clone(), bbox: lot.shape.bbox } })
        };
        let lots = parcels.iter().chain(uses).filter(|(mark, _)| needed.contains(&mark.digest)).map(copy).collect();
        let known = shares.cells.iter().map(|cell| match &cell.shares {
            Some(shares) => shares.iter().filter(|share| matches!(share.made, Made::Known(_))).count(),
            None => parcels.len(),
        });
        let known = known.sum();
        shares.cut(&lots).unwrap();
        (shares, known)
    }

    /// The entries that are written, as a last result; the texts as `text` has them.
    fn written(
        shares: Shares,
        path: &std::path::Path,
        text: impl Fn(String) -> String,
    ) -> (UnitResult, BTreeMap<String, Vec<u8>>) {
        let mut pack = PackWriter::create(&path.join("first")).unwrap();
        shares.write(&mut pack).unwrap();
        let mut pack = Pack::open(&pack.finish().unwrap()).unwrap();
        let names: Vec<String> = pack.entries().keys().cloned().collect();
        let mut other = PackWriter::create(&path.join("last")).unwrap();
        let mut entries = BTreeMap::new();
        for name in names {
            let mut bytes = pack.read(&name).unwrap();
            if name.starts_with(TEXTS) {
                bytes = text(String::from_utf8(bytes).unwrap()).into_bytes();
            }
            other.add(&name, &bytes).unwrap();
            entries.insert(name, bytes);
        }
        let (key, digest, path) = (String::new(), Digest::of(b""), other.finish().unwrap());
        (UnitResult { key, digest, path, outcome: crate::dataset::Outcome::default(), inputs: Vec::new(), stale: false }, entries)
    }

    /// What has not changed is taken from the earlier night, whatever it says; what has is cut again, and nothing else is read.
    #[test]
    fn parcels_that_lie_as_they_lay_are_not_cut_again() {
        let parcels = [lot("AX_Flurstueck", "P", 0.0, 10.0), lot("AX_Flurstueck", "Q", 20.0, 10.0)];
        let uses = |side: f64| vec![lot("AX_Wald", "W", 0.0, 15.0), lot("AX_Weg", "X", 20.0, side)];
        let (first, known) = shares(&parcels, &uses(5.0), None);
        let folder = tempfile::tempdir().unwrap();
        let (last, entries) = written(first, folder.path(), |text| text.replace("Wald;100", "as it was"));
        let name = |part: &str| format!("{part}/");
        let of = |entries: &BTreeMap<String, Vec<u8>>| texts(&entries[&name(TEXTS)]).unwrap().into_values().collect::<Vec<_>>();
        assert_eq!((of(&entries), known), (vec!["as it was".to_owned(), "Weg;25".to_owned()], 0));
        let (second, known) = shares(&parcels, &uses(7.0), Some(&last));
        let folder = tempfile::tempdir().unwrap();
        let (_, second) = written(second, folder.path(), |text| text);
        assert_eq!((of(&second), known), (vec!["as it was".to_owned(), "Weg;49".to_owned()], 1));
        let pieces = |entries: &BTreeMap<String, Vec<u8>>| from_ipc(entries[&name(PIECES)].clone()).unwrap();
        assert_eq!(pieces(&second)[0], pieces(&entries)[0]);
        // A cell of which nothing has changed is taken over as it is.
        let (same, known) = shares(&parcels, &uses(5.0), Some(&last));
        assert!(same.cells.iter().all(|cell| cell.shares.is_none()) && same.needed().is_empty());
        let folder = tempfile::tempdir().unwrap();
        assert_eq!((written(same, folder.path(), |text| text).1, known), (entries, 2));
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_official_area(
            sizes in prop::collection::vec(0.5..5000.0_f64, 1..9), official in 1_u32..90_000, hundredths in prop::bool::ANY,
        ) {
            let official = if hundredths { f64::from(official) / 100.0 } else { f64::from(official) };
            let whole: f64 = sizes.iter().sum();
            let shares = apportion(official, whole, &sizes);
            prop_assert!((shares.iter().sum::<f64>() - official).abs() < 1e-6);
            for (share, size) in shares.iter().zip(&sizes) {
                prop_assert!((share - official * size / whole).abs() <= 1.0);
            }
        }
    }

    #[test]
    fn ground_without_land_use_keeps_its_part() {
        assert_eq!(apportion(1000.0, 1000.0, &[400.0, 100.0]), [400.0, 100.0]);
        assert_eq!(apportion(1000.0, 999.0, &[500.0, 498.0]), [501.0, 499.0]);
        assert_eq!(apportion(10.0, 9.0, &[3.0, 3.0, 3.0]), [4.0, 3.0, 3.0]);
        assert_eq!(apportion(10.0, 9.0, &[]), Vec::<f64>::new());
    }
}
