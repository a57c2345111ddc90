//! From the CRS of the file to places on the ellipsoid: never without a named vertical reference and its grid.

use super::utm::Utm;
use crate::crs::{Crs, Geoid, GridFact, Operation, OperationFact, SrsName, Vertical, ecef, projjson};
use crate::error::{Error, Exit, Result};
use crate::mesh::{dot, minus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What heights refer to, where the files don't say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerticalOption {
    /// DHHN2016, normal heights.
    Dhhn2016,
    /// DHHN92, normal heights.
    Dhhn92,
    /// Heights above the ellipsoid: no grid is needed.
    Ellipsoidal,
}

impl From<VerticalOption> for Vertical {
    fn from(option: VerticalOption) -> Self {
        match option {
            VerticalOption::Dhhn2016 => Self::Dhhn2016,
            VerticalOption::Dhhn92 => Self::Dhhn92,
            VerticalOption::Ellipsoidal => Self::Ellipsoidal,
        }
    }
}

/// The CRS and the vertical reference of a file.
///
/// # Errors
/// When the file names no projected CRS, or neither file nor option names the vertical reference.
pub fn reference(srs: Option<&SrsName>, option: Option<VerticalOption>) -> Result<(Crs, Vertical)> {
    let Some(srs) = srs else {
        return Err(Error::new("mk::city_model::srs", "the file names no CRS")
            .hint("add srsName=\"urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH\" to its gml:Envelope, or what holds for it"));
    };
    let Some(crs) = srs.horizontal else {
        let name = srs.local.as_deref().unwrap_or("a vertical CRS alone");
        return Err(Error::new("mk::city_model::srs", format!("the file's CRS ({name}) has no horizontal EPSG code")));
    };
    if projjson(crs)?["type"] == "GeographicCRS" {
        return Err(Error::new("mk::city_model::srs", format!("{crs} has degrees: a city model needs metres"))
            .hint("deliver the file in a projected CRS such as EPSG:25832"));
    }
    let vertical = srs.vertical.or(option.map(Vertical::from)).ok_or_else(|| {
        Error::new("mk::city_model::vertical", format!("the file says {crs} but not what its heights refer to")).hint(
            "set vertical = \"dhhn2016\" (or dhhn92, ellipsoidal) in the dataset: heights are never guessed, 45 m are at stake",
        )
    })?;
    match vertical {
        Vertical::Dhhn2016 | Vertical::Dhhn92 | Vertical::Ellipsoidal => Ok((crs, vertical)),
        other => Err(Error::new("mk::city_model::vertical", format!("heights in {other} are not supported"))
            .hint("supported are DHHN2016, DHHN92 and ellipsoidal heights")),
    }
}

/// The error for a dataset with normal heights but without a grid.
pub fn grid_missing(vertical: Vertical) -> Error {
    Error::new(
        "mk::city_model::geoid",
        format!("{vertical} heights need a geoid grid to become ellipsoidal, and the option geoid names none"),
    )
    .hint(
        "set geoid = \"de_bkg_gcg2016.tif\" (GCG2016, CC BY 4.0, © BKG): the file is published with PROJ-data, \
         https://cdn.proj.org/de_bkg_gcg2016.tif. Without it everything would stand 34 to 51 m too low",
    )
    .exit(Exit::Failed)
}

/// Turns points of a CRS into points of the ellipsoid and of local frames.
pub struct Ground {
    to_lonlat: Operation,
    /// The same operation, computed here.
    utm: Option<Utm>,
    geoid: Option<Geoid>,
}

/// A point: longitude and latitude in degrees, ellipsoidal height in metres.
pub type Geodetic = [f64; 3];

impl Ground {
    /// Prepares the operations; without a geoid, heights are ellipsoidal already.
    ///
    /// # Errors
    /// When there is no operation to ETRS89, or its grid is missing.
    pub fn new(crs: Crs, geoid: Option<Geoid>, grids: &[PathBuf]) -> Result<Self> {
        Ok(Self { to_lonlat: Operation::between(crs, Crs(4258), grids)?, utm: Utm::of(crs), geoid })
    }
    /// Points with easting, northing, height to the ellipsoid.
    ///
    /// # Errors
    /// When a point lies outside the CRS or the grid.
    pub fn geodetic(&self, points: &[[f64; 3]]) -> Result<Vec<Geodetic>> {
        let mut flat: Vec<[f64; 2]> = points.iter().map(|point| [point[0], point[1]]).collect();
        self.turn(&mut flat)?;
        flat.into_iter()
            .zip(points)
            .map(|([longitude, latitude], point)| {
                let undulation = self.geoid.as_ref().map_or(Ok(0.0), |geoid| geoid.undulation(longitude, latitude))?;
                Ok([longitude, latitude, point[2] + undulation])
            })
            .collect()
    }
    /// Longitude and latitude of a place in degrees.
    ///
    /// # Errors
    /// When the place lies outside the CRS.
    pub fn lonlat(&self, place: [f64; 2]) -> Result<[f64; 2]> {
        let mut places = [place];
        self.turn(&mut places)?;
        Ok(places[0])
    }
    /// Easting and northing to longitude and latitude; by PROJ where the zone is not one of ours or a point lies far outside of it.
    fn turn(&self, places: &mut [[f64; 2]]) -> Result<()> {
        let Some(utm) = &self.utm else { return self.to_lonlat.forward(places) };
        for place in places {
            match utm.lonlat(*place) {
                Some(lonlat) => *place = lonlat,
                None => self.to_lonlat.forward(std::slice::from_mut(place))?,
            }
        }
        Ok(())
    }
    /// Height of the geoid above the ellipsoid at a place of the CRS; `None` without a geoid.
    ///
    /// # Errors
    /// When the place lies outside the grid.
    pub fn undulation(&self, place: [f64; 2]) -> Result<Option<f64>> {
        if self.geoid.is_none() {
            return Ok(None);
        }
        Ok(Some(self.geodetic(&[[place[0], place[1], 0.0]])?[0][2]))
    }
    /// What a report says about the operations.
    pub fn facts(&self, vertical: Vertical) -> Vec<OperationFact> {
        let mut facts = vec![self.to_lonlat.fact().clone()];
        if let Some(geoid) = &self.geoid {
            let GridFact { name, .. } = geoid.fact();
            facts.push(OperationFact {
                from: self.to_lonlat.fact().from,
                to: Crs(4937),
                name: format!("{vertical} to ellipsoidal heights (GRS80), bilinear in {name}"),
                pipeline: format!("+proj=vgridshift +grids={name} +multiplier=1"),
                // GCG2016: 1 cm in the lowlands, 2 cm in the Alps (BKG); other grids say nothing here.
                accuracy_m: name.contains("gcg2016").then_some(0.02),
                grids: vec![geoid.fact().clone()],
            });
        }
        facts
    }
}

/// A local frame on the ellipsoid: east, north, up.
pub struct Frame {
    origin: [f64; 3],
    east: [f64; 3],
    north: [f64; 3],
    up: [f64; 3],
}

impl Frame {
    /// The frame at a place on the ellipsoid, longitude and latitude in degrees.
    pub fn at(longitude: f64, latitude: f64) -> Self {
        let (sin_lon, cos_lon) = longitude.to_radians().sin_cos();
        let (sin_lat, cos_lat) = latitude.to_radians().sin_cos();
        Self {
            origin: ecef(longitude, latitude, 0.0),
            east: [-sin_lon, cos_lon, 0.0],
            north: [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            up: [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        }
    }
    /// A point of the ellipsoid in glTF's axes of this frame: east, up, south.
    pub fn local(&self, [longitude, latitude, height]: Geodetic) -> [f64; 3] {
        let from_origin = minus(ecef(longitude, latitude, height), self.origin);
        [dot(from_origin, self.east), dot(from_origin, self.up), -dot(from_origin, self.north)]
    }
    /// Column-major matrix from east, north, up to earth-centred coordinates. Viewers turn glTF's y-up to z-up before.
    pub fn matrix(&self) -> [f64; 16] {
        let [e, n, u, o] = [self.east, self.north, self.up, self.origin];
        [e[0], e[1], e[2], 0.0, n[0], n[1], n[2], 0.0, u[0], u[1], u[2], 0.0, o[0], o[1], o[2], 1.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::srs_name;

    #[test]
    fn the_golden_point_of_muenster_is_right_to_a_millimetre() {
        let grid = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/lod2/grids/de_bkg_gcg2016.tif");
        if !grid.exists() {
            println!("skipped: no {}", grid.display());
            return;
        }
        let ground = Ground::new(Crs::UTM32, Some(Geoid::open(&grid).unwrap()), &[]).unwrap();
        let point = ground.geodetic(&[[404_863.349, 5_746_935.008, 60.549]]).unwrap()[0];
        assert!((point[2] - 105.0056).abs() < 1e-3, "{point:?}");
        assert!((ground.undulation([404_863.349, 5_746_935.008]).unwrap().unwrap() - 44.4566).abs() < 1e-3);
        assert_eq!(ground.facts(Vertical::Dhhn2016)[1].grids[0].name, "de_bkg_gcg2016.tif");
    }

    #[test]
    fn a_local_frame_keeps_distances() {
        let frame = Frame::at(7.6, 51.8);
        let origin = frame.local([7.6, 51.8, 0.0]);
        assert!(origin.iter().all(|value| value.abs() < 1e-9));
        let up = frame.local([7.6, 51.8, 100.0]);
        assert!((up[1] - 100.0).abs() < 1e-9 && up[0].abs() < 1e-9 && up[2].abs() < 1e-9);
        let (a, b) = ([7.601, 51.801, 60.0], [7.602, 51.802, 70.0]);
        let distance = |p: [f64; 3], q: [f64; 3]| crate::mesh::length(minus(p, q));
        let straight = distance(ecef(a[0], a[1], a[2]), ecef(b[0], b[1], b[2]));
        assert!((distance(frame.local(a), frame.local(b)) - straight).abs() < 1e-9);
    }

    #[test]
    fn heights_are_never_guessed() {
        let reference = |name: &str, option| {
            reference(Some(&srs_name::parse(name).unwrap()), option).map_err(|error| error.message().to_owned())
        };
        assert_eq!(reference("urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH*GCG2016", None), Ok((Crs(25832), Vertical::Dhhn2016)));
        assert_eq!(reference("urn:adv:crs:ETRS89_UTM33*DE_DHHN92_NH", None), Ok((Crs(25833), Vertical::Dhhn92)));
        let crs = "urn:ogc:def:crs:EPSG::25832";
        assert_eq!(reference(crs, Some(VerticalOption::Ellipsoidal)), Ok((Crs(25832), Vertical::Ellipsoidal)));
        insta::assert_snapshot!(reference(crs, None).unwrap_err(), @"the file says EPSG:25832 but not what its heights refer to");
        insta::assert_snapshot!(
            reference("urn:ogc:def:crs:EPSG::4326", Some(VerticalOption::Ellipsoidal)).unwrap_err(),
            @"EPSG:4326 has degrees: a city model needs metres"
        );
        insta::assert_snapshot!(
            reference("urn:adv:crs:DE_DHDN_3GK3*DE_DHHN12_NOH", None).unwrap_err(),
            @"heights in DHHN12 are not supported"
        );
    }
}
