//! What crews bring from outside: the playground inventory with its inspections, and the street survey's trajectory.

use super::plane::Point;
use super::random::Random;
use super::town::layout::Use;
use super::town::{Parcel, Town, names};
use serde_json::{Value, json};
use std::fmt::Write;

/// The playground files: sites (GeoJSON), equipment and inspections (CSV with semicolons), with the number of rows in each.
pub fn playgrounds(town: &Town) -> [(&'static str, String, u64); 3] {
    const KINDS: [(&str, &str); 6] = [
        ("Schaukel", "DIN EN 1176-2"),
        ("Rutsche", "DIN EN 1176-3"),
        ("Seilbahn", "DIN EN 1176-4"),
        ("Karussell", "DIN EN 1176-5"),
        ("Wippe", "DIN EN 1176-6"),
        ("Klettergerüst", "DIN EN 1176-1"),
    ];
    let mut sites: Vec<Value> = Vec::new();
    let mut equipment =
        String::from("geraet_id;spielplatz_id;art;norm;hersteller;baujahr;fallhoehe_cm;fallschutz;rechtswert;hochwert\n");
    let mut inspections = String::from("pruefung_id;geraet_id;pruefart;datum;pruefer;ergebnis;mangel\n");
    let (mut devices, mut checks) = (0_u64, 0_u64);
    for parcel in town.quarters.iter().flat_map(|quarter| &quarter.parcels).filter(|parcel| parcel.kind == Use::Playground) {
        let id = format!("SP-{:04}", sites.len() + 1);
        let street = parcel.street.map(names::street).unwrap_or_default();
        let mut ring: Vec<[f64; 2]> = parcel.outline.points.iter().map(|point| point.xy()).collect();
        ring.extend(ring.first().copied());
        sites.push(json!({
            "type": "Feature",
            "properties": {
                "spielplatz_id": id, "name": format!("Spielplatz {street}"), "strasse": street,
                "flurstueckskennzeichen": parcel.mark(), "flaeche_m2": parcel.area, "altersgruppe": "3-12",
            },
            "geometry": { "type": "Polygon", "coordinates": [ring] },
        }));
        let mut random = Random::of(town.seed, &[0x706c_6179, parcel.oid.0]);
        let centre = parcel.outline.centre();
        for _ in 0..3 + random.below(5) {
            devices += 1;
            let (kind, norm) = random.pick(&KINDS);
            // Well inside: half-way from the middle to a corner at most.
            let corner = parcel.outline.points[random.below(parcel.outline.points.len())];
            let at: Point = centre.toward(corner, random.between(0.05, 0.5));
            let (year, fall) = (2004 + random.below(21), 60 + random.below(24) * 10);
            let ground = random.pick(&["Sand", "Holzhackschnitzel", "Fallschutzplatten", "Kies"]);
            let [e, n] = at.xy();
            let _ = writeln!(equipment, "SG-{devices:05};{id};{kind};{norm};Spielwerk Nord;{year};{fall};{ground};{e:.2};{n:.2}");
            for (period, count) in [("Jahreshauptinspektion", 2), ("operative Inspektion", 3), ("visuelle Routineinspektion", 4)]
            {
                for k in 0..count {
                    checks += 1;
                    let month = 1 + (k * 12 / count + random.below(3)) % 12;
                    let inspector = names::person(town.seed, 0x00FF_FFFF, random.below(6) as u32 + 1)[0].clone();
                    let defect = random.chance(0.12);
                    let (result, text) = if defect { ("Mangel", "Verschleiß an Lager") } else { ("in Ordnung", "") };
                    let day = 1 + random.below(28);
                    let _ = writeln!(
                        inspections,
                        "PR-{checks:06};SG-{devices:05};{period};2025-{month:02}-{day:02};{inspector};{result};{text}"
                    );
                }
            }
        }
    }
    let count = sites.len() as u64;
    let collection = json!({
        "type": "FeatureCollection",
        "crs": { "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::25832" } },
        "features": sites,
    });
    [
        ("in/playground/spielplaetze.geojson", format!("{collection}\n"), count),
        ("in/playground/spielgeraete.csv", equipment, devices),
        ("in/playground/pruefungen.csv", inspections, checks),
    ]
}

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
