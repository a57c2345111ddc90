//! The CRSs of German survey offices, each as a PROJ step, and the datum shifts between them: the pinned operations.
//!
//! ETRS89 and WGS 84 are taken as one (EPSG:1149, as all German portals do); DHDN goes to ETRS89 through `BeTA2007` (EPSG:15948), never
//! through the seven-parameter operation of 3 m. Text and result do not depend on the version of PROJ's database.

use super::grids::{BETA2007, KnownGrid};

/// Geodetic datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Datum {
    Etrs89,
    Wgs84,
    Dhdn,
}

/// A CRS as PROJ's step from geographic coordinates (radians) to it; `None` for a geographic CRS, in degrees.
struct Known {
    name: &'static str,
    datum: Datum,
    step: Option<String>,
}

fn known(code: u32) -> Option<Known> {
    let utm = |zone: u32| Some(format!("+proj=utm +zone={zone} +ellps=GRS80"));
    // UTM with the zone's number before the easting.
    let prefixed = |zone: u32| {
        let meridian = zone * 6 - 183;
        Some(format!("+proj=tmerc +lat_0=0 +lon_0={meridian} +k=0.9996 +x_0={zone}500000 +y_0=0 +ellps=GRS80"))
    };
    let gauss_krueger = |zone: u32| {
        let meridian = zone * 3;
        Some(format!("+proj=tmerc +lat_0=0 +lon_0={meridian} +k=1 +x_0={zone}500000 +y_0=0 +ellps=bessel"))
    };
    let (name, datum, step) = match code {
        25831 => ("ETRS89 / UTM zone 31N", Datum::Etrs89, utm(31)),
        25832 => ("ETRS89 / UTM zone 32N", Datum::Etrs89, utm(32)),
        25833 => ("ETRS89 / UTM zone 33N", Datum::Etrs89, utm(33)),
        3043 => ("ETRS89 / UTM zone 31N (N-E)", Datum::Etrs89, utm(31)),
        3044 => ("ETRS89 / UTM zone 32N (N-E)", Datum::Etrs89, utm(32)),
        3045 => ("ETRS89 / UTM zone 33N (N-E)", Datum::Etrs89, utm(33)),
        5649 => ("ETRS89 / UTM zone 31N (zE-N)", Datum::Etrs89, prefixed(31)),
        4647 => ("ETRS89 / UTM zone 32N (zE-N)", Datum::Etrs89, prefixed(32)),
        5650 => ("ETRS89 / UTM zone 33N (zE-N)", Datum::Etrs89, prefixed(33)),
        4258 => ("ETRS89", Datum::Etrs89, None),
        4326 => ("WGS 84", Datum::Wgs84, None),
        3857 => {
            ("WGS 84 / Pseudo-Mercator", Datum::Wgs84, Some("+proj=webmerc +lat_0=0 +lon_0=0 +x_0=0 +y_0=0 +ellps=WGS84".into()))
        }
        3395 => ("WGS 84 / World Mercator", Datum::Wgs84, Some("+proj=merc +lon_0=0 +k=1 +x_0=0 +y_0=0 +ellps=WGS84".into())),
        4314 => ("DHDN", Datum::Dhdn, None),
        31466 => ("DHDN / 3-degree Gauss-Kruger zone 2", Datum::Dhdn, gauss_krueger(2)),
        31467 => ("DHDN / 3-degree Gauss-Kruger zone 3", Datum::Dhdn, gauss_krueger(3)),
        31468 => ("DHDN / 3-degree Gauss-Kruger zone 4", Datum::Dhdn, gauss_krueger(4)),
        31469 => ("DHDN / 3-degree Gauss-Kruger zone 5", Datum::Dhdn, gauss_krueger(5)),
        3068 => (
            "DHDN / Soldner Berlin",
            Datum::Dhdn,
            Some("+proj=cass +lat_0=52.4186482777778 +lon_0=13.6272036666667 +x_0=40000 +y_0=10000 +ellps=bessel".into()),
        ),
        _ => return None,
    };
    Some(Known { name, datum, step })
}

/// A pinned operation, before its grid is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Pinned {
    /// Name for people.
    pub name: String,
    /// PROJ pipeline; a grid is named by the first of its names.
    pub pipeline: String,
    /// Stated accuracy in metres.
    pub accuracy_m: f64,
    /// True when [`BETA2007`] is needed.
    pub beta2007: bool,
}

impl Pinned {
    /// The grid it needs.
    pub fn grid(&self) -> Option<&'static KnownGrid> {
        self.beta2007.then_some(&BETA2007)
    }
}

/// The pinned operation between two CRSs, if both are known.
pub fn pinned(from: u32, to: u32) -> Option<Pinned> {
    let (source, target) = (known(from)?, known(to)?);
    let mut names = vec![format!("Inverse of {}", source.name)];
    let mut steps = vec![match &source.step {
        Some(step) => format!("+inv {step}"),
        None => "+proj=unitconvert +xy_in=deg +xy_out=rad".to_owned(),
    }];
    let grid = BETA2007.names[0];
    let (accuracy_m, beta2007) = match (source.datum, target.datum) {
        (Datum::Dhdn, Datum::Dhdn) | (Datum::Etrs89, Datum::Etrs89) | (Datum::Wgs84, Datum::Wgs84) => (0.0, false),
        (Datum::Dhdn, other) => {
            steps.push(format!("+proj=hgridshift +grids={grid}"));
            names.push("DHDN to ETRS89 (8)".to_owned());
            (if other == Datum::Wgs84 { 1.0 } else { 0.9 }, true)
        }
        (other, Datum::Dhdn) => {
            steps.push(format!("+inv +proj=hgridshift +grids={grid}"));
            names.push("Inverse of DHDN to ETRS89 (8)".to_owned());
            (if other == Datum::Wgs84 { 1.0 } else { 0.9 }, true)
        }
        (Datum::Etrs89, Datum::Wgs84) => {
            names.push("ETRS89 to WGS 84 (1)".to_owned());
            (1.0, false)
        }
        (Datum::Wgs84, Datum::Etrs89) => {
            names.push("Inverse of ETRS89 to WGS 84 (1)".to_owned());
            (1.0, false)
        }
    };
    names.push(target.name.to_owned());
    steps.push(target.step.unwrap_or_else(|| "+proj=unitconvert +xy_in=rad +xy_out=deg".to_owned()));
    let pipeline = format!("+proj=pipeline +step {}", steps.join(" +step "));
    Some(Pinned { name: names.join(" + "), pipeline, accuracy_m, beta2007 })
}

#[cfg(test)]
mod tests {
    use super::super::native::{Transform, candidates};
    use super::*;

    const CODES: &[u32] = &[
        25831, 25832, 25833, 3043, 3044, 3045, 5649, 4647, 5650, 4258, 4326, 3857, 3395, 4314, 31466, 31467, 31468, 31469, 3068,
    ];

    #[test]
    fn pipelines_are_pinned_by_text() {
        let pipeline = |from, to| pinned(from, to).unwrap().pipeline;
        insta::assert_snapshot!(pipeline(25832, 3857), @"+proj=pipeline +step +inv +proj=utm +zone=32 +ellps=GRS80 +step +proj=webmerc +lat_0=0 +lon_0=0 +x_0=0 +y_0=0 +ellps=WGS84");
        insta::assert_snapshot!(pipeline(31467, 25832), @"+proj=pipeline +step +inv +proj=tmerc +lat_0=0 +lon_0=9 +k=1 +x_0=3500000 +y_0=0 +ellps=bessel +step +proj=hgridshift +grids=BETA2007.gsb +step +proj=utm +zone=32 +ellps=GRS80");
        insta::assert_snapshot!(pipeline(4326, 4647), @"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=tmerc +lat_0=0 +lon_0=9 +k=0.9996 +x_0=32500000 +y_0=0 +ellps=GRS80");
        assert!(pinned(25832, 28992).is_none());
    }

    /// Each entry of the table against the definition in PROJ's own database, over a datum-free pair.
    #[test]
    fn every_known_crs_agrees_with_projs_database() {
        for &code in CODES {
            let entry = known(code).unwrap();
            let base = match entry.datum {
                Datum::Etrs89 => 4258,
                Datum::Wgs84 => 4326,
                Datum::Dhdn => 4314,
            };
            if code == base {
                continue;
            }
            let theirs = candidates(base, code).unwrap();
            let theirs = Transform::new(theirs[0].pipeline.as_deref().unwrap()).unwrap();
            let ours = Transform::new(&pinned(base, code).unwrap().pipeline).unwrap();
            for point in [[6.2, 51.7], [9.99, 53.7], [13.4, 52.5], [11.5, 48.1]] {
                let (mut a, mut b) = ([point], [point]);
                theirs.apply(false, &mut a);
                ours.apply(false, &mut b);
                let distance = (a[0][0] - b[0][0]).hypot(a[0][1] - b[0][1]);
                assert!(distance < 1e-6, "EPSG:{code} at {point:?}: {a:?} {b:?}");
            }
        }
    }
}
