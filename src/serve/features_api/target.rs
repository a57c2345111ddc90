//! The CRSs in which features are given, with their names on the web and the order of their axes (OGC 18-058r1).

use crate::crs::{AxisOrder, Bbox, Crs, Operation, is_geographic, srs_name};
use crate::error::Result;
use crate::format::geojson::{self, seven_decimals};
use geo::{Coord, Geometry};
use serde_json::Value;
use std::path::PathBuf;

/// Longitude and latitude on WGS 84: what is given when nobody asks for another one.
pub const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

/// CRSs that are offered beside that of the data: WGS 84 and ETRS89 with latitude first, both UTM zones of Germany, web maps.
const OFFERED: [u32; 5] = [4326, 4258, 25832, 25833, 3857];

/// The name of an EPSG code on the web.
pub fn uri(crs: Crs) -> String {
    format!("http://www.opengis.net/def/crs/EPSG/0/{}", crs.0)
}

/// A CRS in which features of a table are given.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name on the web.
    pub uri: String,
    /// True when northing or latitude is written first.
    pub swapped: bool,
    /// True for degrees.
    pub degrees: bool,
    /// From the CRS of the table, easting or longitude first on both sides.
    operation: Operation,
}

impl Target {
    /// All CRSs in which a table can be given; CRS84 is the first.
    ///
    /// # Errors
    /// When there is no operation to longitude and latitude.
    pub fn all(storage: Crs, grids: &[PathBuf]) -> Result<Vec<Self>> {
        let crs84 = Operation::between(storage, Crs::WGS84, grids)?;
        let mut targets = vec![Self { uri: CRS84.to_owned(), swapped: false, degrees: true, operation: crs84 }];
        let mut codes = vec![storage.0];
        codes.extend(OFFERED.iter().filter(|code| **code != storage.0));
        for code in codes {
            // What has no operation here, or none without a grid that is missing, is not offered.
            let crs = Crs(code);
            let (Ok(operation), Ok(degrees)) = (Operation::between(storage, crs, grids), is_geographic(crs)) else { continue };
            let Ok(name) = srs_name::parse(&uri(crs)) else { continue };
            targets.push(Self { uri: uri(crs), swapped: name.axis == AxisOrder::NorthEast, degrees, operation });
        }
        Ok(targets)
    }

    /// True when coordinates are given as they are stored.
    pub fn is_stored(&self) -> bool {
        let fact = self.operation.fact();
        fact.from == fact.to
    }

    /// A geometry of the table as GeoJSON: seven decimals of a degree, tenths of a millimetre where metres were computed.
    ///
    /// # Errors
    /// When a point lies outside of what the CRS is for.
    pub fn shape(&self, geometry: &Geometry<f64>) -> Result<Value> {
        let place = |line: &[Coord<f64>]| -> Result<Vec<[f64; 2]>> {
            let mut points: Vec<[f64; 2]> = line.iter().map(|at| [at.x, at.y]).collect();
            self.operation.forward(&mut points)?;
            Ok(points.into_iter().map(|point| point.map(|value| self.rounded(value))).collect())
        };
        geojson::shape(geometry, &place, self.swapped)
    }

    fn rounded(&self, value: f64) -> f64 {
        if self.degrees {
            seven_decimals(value)
        } else if self.is_stored() {
            value
        } else {
            (value * 1e4).round() / 1e4
        }
    }

    /// Points to the CRS of the table.
    ///
    /// # Errors
    /// As [`Operation::inverse`].
    pub fn back(&self, points: &mut [[f64; 2]]) -> Result<()> {
        self.operation.inverse(points)
    }

    /// The rectangle around a rectangle of the table.
    ///
    /// # Errors
    /// As [`Operation::forward`].
    pub fn around(&self, bbox: Bbox) -> Result<Bbox> {
        let mut points = outline(bbox);
        self.operation.forward(&mut points)?;
        Ok(Bbox::around(points))
    }
}

/// Points along the border of a rectangle, anticlockwise: what is straight in one CRS bends in another.
pub fn outline(bbox: Bbox) -> Vec<[f64; 2]> {
    const STEPS: u32 = 16;
    let ([x0, y0], [x1, y1]) = (bbox.min, bbox.max);
    let corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]];
    let mut points = Vec::with_capacity(4 * STEPS as usize);
    for side in corners.windows(2) {
        for step in 0..STEPS {
            let part = f64::from(step) / f64::from(STEPS);
            points.push([0, 1].map(|axis| side[0][axis] + (side[1][axis] - side[0][axis]) * part));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_come_in_the_order_of_the_authority() {
        let targets = Target::all(Crs::UTM32, &[]).unwrap();
        let find = |end: &str| targets.iter().find(|target| target.uri.ends_with(end)).unwrap();
        assert_eq!(targets[0].uri, CRS84);
        let point: Geometry<f64> = geo::Point::new(565_000.0, 5_948_000.0).into();
        let given =
            |end: &str| -> [f64; 2] { serde_json::from_value(find(end).shape(&point).unwrap()["coordinates"].clone()).unwrap() };
        // cs2cs EPSG:25832 EPSG:4326: 53.6759118 9.9841287
        let (lon, lat) = (given("CRS84")[0], given("CRS84")[1]);
        assert!((9.9..10.1).contains(&lon) && (53.6..53.8).contains(&lat), "{lon} {lat}");
        assert_eq!(given("EPSG/0/4326"), [lat, lon]);
        assert_eq!(given("EPSG/0/4258"), [lat, lon]);
        assert_eq!(given("EPSG/0/25832"), [565_000.0, 5_948_000.0]);
        assert!(given("EPSG/0/25833")[0] < given("EPSG/0/25833")[1]);
        assert!(find("EPSG/0/25832").is_stored() && !find("CRS84").is_stored());
    }
}
