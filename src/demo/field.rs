//! What crews bring from the street: the trajectory of the survey.

use super::town::layout::Use;
use super::town::{Parcel, Town};
use std::fmt::Write;

/// The trajectory of a drive through all streets, a frame every 5 m, in the table form of eagle eye; with the number of frames.
pub fn trajectory(town: &Town) -> (String, u64) {
    let mut out = String::from("filename;utm_easting;utm_northing;z;roll;pitch;heading;relative_path\n");
    let mut frames = 0_u64;
    let streets = town.quarters.iter().flat_map(|quarter| &quarter.parcels);
    for (run, parcel) in streets.filter(|parcel| matches!(parcel.kind, Use::Street | Use::MainRoad)).enumerate() {
        let path = centre_line(town, parcel);
        for pair in path.windows(2) {
            frames += 1;
            let ([e0, n0], [e1, n1]) = (pair[0], pair[1]);
            let (de, dn) = (e1 - e0, n1 - n0);
            // Grid heading, clockwise from grid north; the drive keeps to the right by 1.6 m.
            let length = (de * de + dn * dn).sqrt();
            let heading = de.atan2(dn).to_degrees();
            let (e, n) = (e0 + dn / length * 1.6, n0 - de / length * 1.6);
            // Camera 2.6 m above the street.
            let z = town.ground.terrain([e, n]) + 2.6;
            let _ = writeln!(
                out,
                "pano_{run:05}_{frames:06}.jpg;{e:.3};{n:.3};{z:.3};0.00;0.00;{heading:.2};run_{run:05}/pano_{run:05}_{frames:06}.jpg"
            );
        }
    }
    (out, frames)
}

/// Points along the middle of a street, one every 5 m.
pub fn centre_line(town: &Town, parcel: &Parcel) -> Vec<[f64; 2]> {
    let r = parcel.rect;
    let (x0, y0, x1, y1) = (r.x0 as f64 / 1000.0, r.y0 as f64 / 1000.0, r.x1 as f64 / 1000.0, r.y1 as f64 / 1000.0);
    let along_x = x1 - x0 > y1 - y0;
    let length = if along_x { x1 - x0 } else { y1 - y0 };
    let steps = (length / 5.0).floor() as u32;
    (0..=steps)
        .map(|k| {
            let t = f64::from(k) * 5.0;
            let (x, y) = if along_x { (x0 + t, f64::midpoint(y0, y1)) } else { (f64::midpoint(x0, x1), y0 + t) };
            town.ground.place_xy(x, y)
        })
        .collect()
}
