//! Geographic to geocentric coordinates.

/// Semi-major axis of GRS80 in metres.
const A: f64 = 6_378_137.0;
/// Flattening of GRS80.
const F: f64 = 1.0 / 298.257_222_101;

/// Geocentric (ECEF) X, Y, Z in metres from longitude and latitude in degrees and ellipsoidal height in metres, on GRS80
/// (EPSG method 9602). WGS 84 differs by less than 0.2 mm.
pub fn ecef(lon_deg: f64, lat_deg: f64, height: f64) -> [f64; 3] {
    const E2: f64 = F * (2.0 - F);
    let (sin_lon, cos_lon) = lon_deg.to_radians().sin_cos();
    let (sin_lat, cos_lat) = lat_deg.to_radians().sin_cos();
    let n = A / (1.0 - E2 * sin_lat * sin_lat).sqrt();
    [(n + height) * cos_lat * cos_lon, (n + height) * cos_lat * sin_lon, (n * (1.0 - E2) + height) * sin_lat]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against `cct -d 6 +proj=cart +ellps=GRS80`.
    #[test]
    fn agrees_with_proj() {
        for (input, truth) in [
            ([9.98, 53.7, 80.0], [3_726_962.821_514, 655_822.780_316, 5_117_111.136_172]),
            ([7.6, 51.85, 105.0056], [3_913_481.192_920, 522_169.876_174, 4_992_593.395_741]),
            ([0.0, 90.0, 0.0], [0.0, 0.0, 6_356_752.314_140]),
            ([-180.0, 0.0, 1000.0], [-6_379_137.0, 0.0, 0.0]),
        ] {
            let found = ecef(input[0], input[1], input[2]);
            for axis in 0..3 {
                assert!((found[axis] - truth[axis]).abs() < 2e-6, "{input:?}: {found:?} {truth:?}");
            }
        }
    }
}
