//! True north from grid north: the meridian convergence, by the operation that brings the places to longitude and latitude.

use crate::crs::Operation;
use crate::error::Result;

/// Half the stretch of grid that shows where its north points to (metres).
const HALF_M: f64 = 5.0;
/// GRS80, as good as equal to that of WGS 84: major axis (metres) and the square of the eccentricity.
const MAJOR_M: f64 = 6_378_137.0;
const ECCENTRICITY_2: f64 = 0.006_694_380_022_90;

/// The azimuth of grid north at each place of a projected CRS: degrees clockwise from true north. Added to a grid heading, it gives the
/// azimuth, as the grids of survey offices are conformal. `operation` leads to longitude and latitude.
///
/// # Errors
/// When a place cannot be transformed.
pub fn convergence(places: &[[f64; 2]], operation: &Operation) -> Result<Vec<f64>> {
    let mut ends: Vec<[f64; 2]> = places.iter().flat_map(|[x, y]| [[*x, y - HALF_M], [*x, y + HALF_M]]).collect();
    operation.forward(&mut ends)?;
    Ok(ends.as_chunks::<2>().0.iter().map(|[south, north]| azimuth(*south, *north)).collect())
}

/// The azimuth from one place to another some metres away; longitude and latitude in degrees.
fn azimuth(from: [f64; 2], to: [f64; 2]) -> f64 {
    let latitude = f64::midpoint(from[1], to[1]).to_radians();
    let flat = 1.0 - ECCENTRICITY_2 * latitude.sin().powi(2);
    let along_meridian = MAJOR_M * (1.0 - ECCENTRICITY_2) / flat.powf(1.5);
    let along_parallel = MAJOR_M / flat.sqrt() * latitude.cos();
    let [east, north] = [(to[0] - from[0]).to_radians() * along_parallel, (to[1] - from[1]).to_radians() * along_meridian];
    east.atan2(north).to_degrees()
}

/// An angle from 0 up to 360, rounded to a ten-thousandth of a degree.
pub fn full_circle(degrees: f64) -> f64 {
    let rounded = (degrees.rem_euclid(360.0) * 10_000.0).round() / 10_000.0;
    if rounded >= 360.0 { 0.0 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::Crs;

    /// Zone, easting, northing, and the convergence that PROJ's own program gives there (`proj -V +proj=utm +zone=32 +ellps=GRS80`).
    const PROJ: [(u32, [f64; 2], f64); 8] = [
        (25832, [564_698.593_197, 5_950_590.303_173], 0.789_836_90),
        (25832, [295_652.067_167, 5_631_593.678_729], -2.248_111_90),
        (25832, [722_598.354_818, 5_331_739.872_258], 2.226_400_85),
        (25832, [467_936.373_803, 6_083_778.076_479], -0.409_078_32),
        (25832, [500_000.0, 5_761_038.212_467], 0.0),
        (25833, [391_390.731_339, 5_817_855.240_693], -1.269_488_54),
        (25833, [294_357.190_815, 5_687_320.104_498], -2.303_071_37),
        (25833, [492_998.135_078, 5_660_950.116_860], -0.077_824_35),
    ];

    #[test]
    fn it_is_that_of_proj() {
        for (crs, at, expected) in PROJ {
            let operation = Operation::between(Crs(crs), Crs(4258), &[]).unwrap();
            let found = convergence(&[at], &operation).unwrap()[0];
            assert!((found - expected).abs() < 1e-5, "EPSG:{crs} {at:?}: {found} where PROJ has {expected}");
        }
    }

    #[test]
    fn angles_stay_within_the_circle() {
        assert_eq!(full_circle(-90.0), 270.0);
        assert_eq!(full_circle(720.5), 0.5);
        assert_eq!(full_circle(359.999_99), 0.0);
        assert_eq!(full_circle(-1e-17), 0.0);
    }
}
