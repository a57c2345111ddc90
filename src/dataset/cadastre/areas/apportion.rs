//! `NutzungFlurstueck`: land use cut by parcels, with the official area shared out.

use super::{Index, Lot, piece_row};
use crate::dataset::cadastre::row::Row;
use crate::vector::overlay;
use geo::{Area, MultiPolygon};
use rayon::prelude::*;
use serde_json::Value;

/// Pieces thinner than this on average (metres) are two lines that should be one.
const SLIVER_M: f64 = 0.02;
/// Of a parcel's area, the part that may lack land use before the lack is shown as one.
const COVERED: f64 = 0.005;

/// Every piece that a parcel of this block and an area of land use share, by parcel, then land use.
pub fn pieces(parcels: &[Lot], uses: &[Lot]) -> Vec<Row> {
    // What lies on top of another use is no share of the ground (GeoInfoDok 7, istWeitereNutzung).
    let uses: Vec<&Lot> = uses.iter().filter(|lot| !is_further_use(lot)).collect();
    let index = Index::new(uses.iter().map(|lot| lot.bbox));
    let of_parcel = |parcel: &Lot| -> Vec<Row> {
        let mut found: Vec<(&Lot, MultiPolygon<f64>, f64)> = Vec::new();
        for candidate in index.touched(&parcel.bbox) {
            let shared = overlay::intersection(&parcel.area, &uses[candidate].area);
            let size = shared.unsigned_area();
            if size > 0.0 && overlay::width(&shared) > SLIVER_M {
                found.push((uses[candidate], shared, size));
            }
        }
        let sizes: Vec<f64> = found.iter().map(|(_, _, size)| *size).collect();
        let official = official_area(&parcel.row);
        let shares = official.map(|official| apportion(official, parcel.area.unsigned_area(), &sizes));
        let share = |index: usize| shares.as_ref().and_then(|shares| shares.get(index).copied());
        found
            .into_iter()
            .enumerate()
            .map(|(index, (lot, area, _))| piece_row(&parcel.row, &lot.row, share(index), area))
            .collect()
    };
    let pieces: Vec<Vec<Row>> = parcels.par_iter().filter(|parcel| parcel.ours).map(of_parcel).collect();
    pieces.into_iter().flatten().collect()
}

/// The official area of a parcel in square metres.
pub fn official_area(parcel: &Row) -> Option<f64> {
    let properties = parcel.properties();
    let area = properties.get("amtlicheFlaeche").and_then(Value::as_str)?.parse::<f64>().ok()?;
    (area.is_finite() && area > 0.0 && area < 1e12).then_some(area)
}

fn is_further_use(lot: &Lot) -> bool {
    lot.row.attributes.contains("istWeitereNutzung")
        && !matches!(lot.row.properties().get("istWeitereNutzung").and_then(Value::as_str), None | Some("" | "false"))
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
    use super::apportion;
    use proptest::prelude::*;

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
