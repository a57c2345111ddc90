//! What a request for features asks for (OGC 17-069r4, 7.15; OGC 18-058r1, 6.3).

use super::super::http::Request;
use super::collection::{Collection, RESERVED};
use super::problem::{Problem, short};
use super::table::Kind;
use super::target::{CRS84, Target, outline};
use crate::crs::Bbox;
use geo::{Coord, LineString, Polygon};

/// Features on a page, unless asked for otherwise, and at most.
pub const PAGE: (u64, u64) = (100, 10_000);

/// What is asked for.
#[derive(Debug)]
pub struct Ask {
    /// Features on the page.
    pub limit: u64,
    /// Features before it.
    pub offset: u64,
    /// Which features.
    pub filter: Filter,
}

/// Which features are wanted.
#[derive(Debug, Default)]
pub struct Filter {
    /// Areas of which a feature must touch one.
    pub areas: Option<Vec<Area>>,
    /// First and last moment, both included; open where there is none.
    pub time: Option<[Option<String>; 2]>,
    /// Columns and their values.
    pub equal: Vec<(usize, Operand)>,
}

/// A rectangle in the CRS of the request, as it lies in that of the table.
#[derive(Debug)]
pub struct Area {
    /// Its outline.
    pub outline: Polygon<f64>,
    /// Around it.
    pub outer: Bbox,
    /// What surely lies in it; empty when it is bent too much.
    pub inner: Bbox,
}

/// A value that a column is compared with.
#[derive(Debug, Clone)]
pub enum Operand {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
}

impl Filter {
    /// True when every feature is wanted.
    pub fn is_everything(&self) -> bool {
        self.areas.is_none() && self.time.is_none() && self.equal.is_empty()
    }
}

/// Refuses parameters that nobody defined (requirement 8).
pub fn only_known(request: &Request, known: &[&str]) -> Result<(), Problem> {
    match request.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(Problem::bad(format!("there is no parameter '{}'", short(name)))),
        None => Ok(()),
    }
}

/// The CRS that is asked for by a parameter; `None` for a collection without places.
pub fn target<'c>(collection: &'c Collection, request: &Request, name: &str) -> Result<Option<&'c Target>, Problem> {
    let wanted = request.get(name).unwrap_or(CRS84);
    let found = collection.targets.iter().find(|target| target.uri == wanted);
    if found.is_none() && (wanted != CRS84 || !collection.targets.is_empty()) {
        return Err(Problem::bad(format!("{name} is none of the CRSs of this collection: '{}'", short(wanted))));
    }
    Ok(found)
}

impl Ask {
    /// Reads the parameters.
    pub fn read(collection: &Collection, request: &Request) -> Result<Self, Problem> {
        let columns: Vec<(usize, String, Kind)> =
            collection.queryables().map(|(index, column)| (index, column.name.to_lowercase(), column.kind)).collect();
        let known: Vec<&str> = RESERVED.iter().copied().chain(columns.iter().map(|(_, name, _)| name.as_str())).collect();
        only_known(request, &known)?;
        let number = |name: &str, usual: u64| match request.get(name) {
            Some(text) => {
                let whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                // A number beyond all bounds is a large one.
                if whole { Ok(text.parse().unwrap_or(u64::MAX)) } else { Err(Problem::bad(format!("{name} is a whole number"))) }
            }
            None => Ok(usual),
        };
        let limit = number("limit", PAGE.0)?;
        if limit == 0 {
            return Err(Problem::bad("limit is at least 1"));
        }
        let box_target = target(collection, request, "bbox-crs")?;
        let areas = request.get("bbox").map(|text| areas(collection, box_target, text)).transpose()?.flatten();
        let time = request.get("datetime").map(time).transpose()?.filter(|_| collection.table.time.is_some());
        let mut equal = Vec::new();
        for (index, name, kind) in columns {
            if let Some(text) = request.get(&name) {
                equal.push((index, operand(&name, kind, text)?));
            }
        }
        Ok(Self { limit: limit.min(PAGE.1), offset: number("offset", 0)?, filter: Filter { areas, time, equal } })
    }
}

fn operand(name: &str, kind: Kind, text: &str) -> Result<Operand, Problem> {
    let wrong = |what: &str| Problem::bad(format!("{name} is {what}, not '{}'", short(text)));
    Ok(match kind {
        Kind::Text | Kind::Any | Kind::Moment => Operand::Text(text.to_owned()),
        Kind::Date => {
            let day: jiff::civil::Date = text.parse().map_err(|_| wrong("a day as 2026-03-01"))?;
            Operand::Text(day.to_string())
        }
        Kind::Integer => Operand::Integer(text.parse().map_err(|_| wrong("a whole number"))?),
        Kind::Number => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            Operand::Number(number.ok_or_else(|| wrong("a number"))?)
        }
        Kind::Boolean => Operand::Integer(match text {
            "true" | "1" => 1,
            "false" | "0" => 0,
            _ => return Err(wrong("true or false")),
        }),
    })
}

/// The areas of `bbox`; `None` where the collection has no places, so that it chooses nothing (requirement 24 C).
fn areas(collection: &Collection, target: Option<&Target>, text: &str) -> Result<Option<Vec<Area>>, Problem> {
    let wrong = |what: &str| Problem::bad(format!("bbox {what}"));
    let parts: Vec<&str> = text.split(',').collect();
    let numbers: Option<Vec<f64>> = parts.iter().map(|part| part.trim().parse().ok().filter(|n: &f64| n.is_finite())).collect();
    let numbers = numbers.ok_or_else(|| wrong("has four or six numbers"))?;
    let (low, high) = match numbers[..] {
        [a, b, c, d] => ([a, b], [c, d]),
        [a, b, low, c, d, high] if low <= high => ([a, b], [c, d]),
        [_, _, _, _, _, _] => return Err(wrong("has its lower height after its upper one")),
        _ => return Err(wrong("has four or six numbers")),
    };
    let (degrees, swapped) = target.map_or((true, false), |target| (target.degrees, target.swapped));
    let order = |at: [f64; 2]| if swapped { [at[1], at[0]] } else { at };
    let (low, high) = (order(low), order(high));
    if low[1] > high[1] || (low[0] > high[0] && !degrees) {
        return Err(wrong("has its upper corner before its lower one"));
    }
    if degrees && (low[1] < -90.0 || high[1] > 90.0 || low[0].abs() > 180.0 || high[0].abs() > 180.0) {
        return Err(wrong("has degrees beyond 180 or 90"));
    }
    let boxes = if low[0] > high[0] {
        // Across the antimeridian.
        vec![Bbox::new(low, [180.0, high[1]]), Bbox::new([-180.0, low[1]], high)]
    } else {
        vec![Bbox::new(low, high)]
    };
    let Some((target, shape)) = target.zip(collection.table.shape.as_ref()) else { return Ok(None) };
    let mut areas = Vec::new();
    for bbox in boxes {
        areas.extend(area(target, shape.extent, bbox)?);
    }
    Ok(Some(areas))
}

/// A rectangle of the request in the CRS of the table. It is cut to the surroundings of the data first: half the world has no place
/// in a CRS of a zone.
fn area(target: &Target, extent: Bbox, bbox: Bbox) -> Result<Option<Area>, Problem> {
    if extent.is_empty() {
        return Ok(None);
    }
    let around = target.around(extent)?;
    let margin = [around.width(), around.height()].map(|side| side * 0.01 + if target.degrees { 1e-4 } else { 10.0 });
    let min = [0, 1].map(|axis| bbox.min[axis].max(around.min[axis] - margin[axis]));
    let max = [0, 1].map(|axis| bbox.max[axis].min(around.max[axis] + margin[axis]));
    let cut = Bbox::new(min, max);
    if cut.is_empty() {
        return Ok(None);
    }
    let mut points = outline(cut);
    target.back(&mut points)?;
    // Sides in the order of the outline: lower, right, upper, left.
    let quarter = points.len() / 4;
    let side = |index: usize| points.iter().cycle().skip(index * quarter).take(quarter + 1);
    let most = |index: usize, axis: usize| side(index).map(|at| at[axis]).fold(f64::NEG_INFINITY, f64::max);
    let least = |index: usize, axis: usize| side(index).map(|at| at[axis]).fold(f64::INFINITY, f64::min);
    let inner = Bbox::new([most(3, 0), most(0, 1)], [least(1, 0), least(2, 1)]);
    let ring: Vec<Coord<f64>> = points.iter().map(|at| Coord { x: at[0], y: at[1] }).collect();
    let outline = Polygon::new(LineString::new(ring), Vec::new());
    Ok(Some(Area { outline, outer: Bbox::around(points.iter().copied()), inner }))
}

/// An instant or an interval (7.15.4), as text that sorts: UTC to the second.
fn time(text: &str) -> Result<[Option<String>; 2], Problem> {
    let wrong =
        || Problem::bad("datetime is a day or a moment with its zone (RFC 3339), or two of them with a slash; '..' is open");
    let end = |text: &str, last: bool| -> Result<Option<String>, Problem> {
        if text.is_empty() || text == ".." {
            return Ok(None);
        }
        if text.len() == 10 {
            let day: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
            return Ok(Some(if last { format!("{day}T23:59:59Z") } else { day.to_string() }));
        }
        let upper = text.to_uppercase();
        let moment: jiff::Timestamp = upper.parse().map_err(|_| wrong())?;
        Ok(Some(crate::run::utc(moment)))
    };
    match text.split_once('/') {
        Some((from, until)) => {
            let (from, until) = (end(from, false)?, end(until, true)?);
            if from.is_none() && until.is_none() && text != "../.." {
                return Err(wrong());
            }
            if from.as_ref().zip(until.as_ref()).is_some_and(|(from, until)| from > until) {
                return Err(Problem::bad("datetime ends before it begins"));
            }
            Ok([from, until])
        }
        None if text.is_empty() || text == ".." => Err(wrong()),
        None => Ok([end(text, false)?, end(text, true)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants_or_intervals_with_open_ends() {
        let read = |text: &str| time(text).ok();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("2026-03-01"), Some([some("2026-03-01"), some("2026-03-01T23:59:59Z")]));
        assert_eq!(read("2026-03-01T10:00:00+02:00"), Some([some("2026-03-01T08:00:00Z"), some("2026-03-01T08:00:00Z")]));
        assert_eq!(read("../2026-03-01"), Some([None, some("2026-03-01T23:59:59Z")]));
        assert_eq!(read("2026-03-01/"), Some([some("2026-03-01"), None]));
        assert_eq!(read("../.."), Some([None, None]));
        for wrong in
            ["", "..", "/", "2026", "2026-02-30", "2026-03-01T10:00:00", "2026-03-02/2026-03-01", "a/b", "2026-03-01/x/y"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
