//! What crews bring from the street: a drive with panoramas, in the tables of eagle eye.
//!
//! The truth is worked out by another way than the program's: azimuths by the series of the meridian convergence, not by points beside
//! each other.

use super::panorama::{self, View};
use super::town::layout::Use;
use super::town::{Parcel, Town};
use crate::crs::{Crs, Operation};
use crate::error::Result;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::fmt::Write;

/// Metres between two frames, and seconds: 50 km/h.
const STEP_M: f64 = 5.0;
const STEP_S: f64 = 0.36;
/// Frames of a street at most, so that a short drive sees several.
const STRETCH: usize = 30;
/// Height of the camera above the street, and its distance from the middle to the right (metres).
const CAMERA_M: f64 = 2.6;
const RIGHT_M: f64 = 1.6;
/// The day of the drive, and its first moment in local time.
const DAY: &str = "2025:06:12";
const START_S: f64 = 9.0 * 3600.0;

/// A frame of the drive.
struct Frame {
    name: String,
    run: String,
    at: [f64; 2],
    height: f64,
    /// Degrees clockwise from grid north, as it is; the table rounds it.
    heading: f64,
    /// Local time, as Exif writes it, with its thousandths.
    moment: [String; 2],
}

/// A file of the delivery.
pub struct File {
    pub name: String,
    pub bytes: Vec<u8>,
    /// What is counted in it.
    pub count: (&'static str, u64),
}

fn frames(town: &Town, wanted: u32) -> Vec<Frame> {
    let streets = town.quarters.iter().flat_map(|quarter| &quarter.parcels);
    let streets = streets.filter(|parcel| matches!(parcel.kind, Use::Street | Use::MainRoad));
    let mut frames = Vec::new();
    let mut seconds = START_S;
    for (number, parcel) in streets.enumerate() {
        let path = centre_line(town, parcel);
        let run = format!("run_{number:05}");
        // The way to the next street.
        seconds += 40.0;
        // A long drive goes through whole streets.
        let stretch = if wanted > 200 { usize::MAX } else { STRETCH };
        for pair in path.windows(2).take(stretch) {
            if frames.len() >= wanted as usize {
                return frames;
            }
            let ([e0, n0], [e1, n1]) = (pair[0], pair[1]);
            let (de, dn) = (e1 - e0, n1 - n0);
            let length = de.hypot(dn);
            let at = [e0 + dn / length * RIGHT_M, n0 - de / length * RIGHT_M];
            let whole = seconds.floor();
            let clock = [whole / 3600.0 % 24.0, whole / 60.0 % 60.0, whole % 60.0].map(f64::floor);
            frames.push(Frame {
                name: format!("pano_{:06}.jpg", frames.len() + 1),
                run: run.clone(),
                at,
                height: town.ground.terrain(at) + CAMERA_M,
                heading: de.atan2(dn).to_degrees().rem_euclid(360.0),
                moment: [
                    format!("{DAY} {:02}:{:02}:{:02}", clock[0], clock[1], clock[2]),
                    format!("{:03}", ((seconds - whole) * 1000.0).round().min(999.0)),
                ],
            });
            seconds += STEP_S;
        }
    }
    frames
}

/// The delivery of a drive of so many pictures: a table, and a folder of pictures `width` pixels wide for each street.
///
/// # Errors
/// When a picture cannot be encoded.
pub fn survey(town: &Town, wanted: u32, width: usize) -> Result<Vec<File>> {
    let frames = frames(town, wanted);
    let mut table = String::from("filename;utm_easting;utm_northing;z;roll;pitch;heading;relative_path\n");
    for frame in &frames {
        let Frame { name, run, at: [e, n], height, heading, .. } = frame;
        let _ = writeln!(table, "{name};{e:.3};{n:.3};{height:.3};0.00;0.00;{heading:.4};{run}/{name}");
    }
    let picture = |frame: &Frame| -> Result<File> {
        let view = View { at: frame.at, height: frame.height, heading: frame.heading, right_of_middle: RIGHT_M };
        let [taken, part] = &frame.moment;
        let bytes = panorama::jpeg(town, &view, width, taken, part)?;
        Ok(File { name: format!("in/survey/{}/{}", frame.run, frame.name), bytes, count: ("picture", 1) })
    };
    let mut files = frames.par_iter().map(picture).collect::<Result<Vec<_>>>()?;
    let count = ("row", frames.len() as u64);
    files.push(File { name: "in/survey/trajektorie.csv".to_owned(), bytes: table.into_bytes(), count });
    Ok(files)
}

/// What must come out of the drive: for each picture its place, azimuth, height and time.
///
/// # Errors
/// When a place cannot be transformed.
pub fn truth(town: &Town, wanted: u32) -> Result<(Value, u64)> {
    let frames = frames(town, wanted);
    let mut lonlats: Vec<[f64; 2]> = frames.iter().map(|frame| frame.at).collect();
    Operation::between(Crs(25832), Crs(4258), &[])?.forward(&mut lonlats)?;
    let feature = |(frame, [longitude, latitude]): (&Frame, &[f64; 2])| {
        let azimuth = (frame.heading + convergence(*longitude, *latitude)).rem_euclid(360.0);
        let [taken, part] = &frame.moment;
        json!({
            "type": "Feature",
            "properties": {
                "picture": frame.name,
                "run": frame.run,
                "azimuth": azimuth,
                "height_dhhn2016": frame.height,
                "easting": frame.at[0],
                "northing": frame.at[1],
                "taken": format!("{}.{part}+02:00", taken.replacen(':', "-", 2).replacen(' ', "T", 1)),
            },
            "geometry": { "type": "Point", "coordinates": [longitude, latitude] },
        })
    };
    let features: Vec<Value> = frames.iter().zip(&lonlats).map(feature).collect();
    let count = features.len() as u64;
    Ok((json!({ "type": "FeatureCollection", "features": features }), count))
}

/// Meridian convergence of UTM zone 32 in degrees, by its series in the distance from the meridian of 9 degrees (GRS80). The third power is
/// good for a ten-millionth of a degree in the zone.
fn convergence(longitude: f64, latitude: f64) -> f64 {
    let (l, phi) = ((longitude - 9.0).to_radians(), latitude.to_radians());
    // The square of the second eccentricity.
    let eta2 = 0.006_739_496_775_48 * phi.cos().powi(2);
    let series = l + l.powi(3) / 3.0 * phi.cos().powi(2) * (1.0 + 3.0 * eta2 + 2.0 * eta2 * eta2);
    (phi.sin() * series).to_degrees()
}

/// Points along the middle of a street, one every 5 m.
pub fn centre_line(town: &Town, parcel: &Parcel) -> Vec<[f64; 2]> {
    let r = parcel.rect;
    let (x0, y0, x1, y1) = (r.x0 as f64 / 1000.0, r.y0 as f64 / 1000.0, r.x1 as f64 / 1000.0, r.y1 as f64 / 1000.0);
    let along_x = x1 - x0 > y1 - y0;
    let length = if along_x { x1 - x0 } else { y1 - y0 };
    let steps = (length / STEP_M).floor() as u32;
    (0..=steps)
        .map(|k| {
            let t = f64::from(k) * STEP_M;
            let (x, y) = if along_x { (x0 + t, f64::midpoint(y0, y1)) } else { (f64::midpoint(x0, x1), y0 + t) };
            town.ground.place_xy(x, y)
        })
        .collect()
}
