use super::*;
use std::path::Path;

fn near(found: [f64; 2], truth: [f64; 2], tolerance: f64) {
    assert!((found[0] - truth[0]).hypot(found[1] - truth[1]) < tolerance, "{found:?} {truth:?}");
}

fn there(from: u32, to: u32, point: [f64; 2]) -> [f64; 2] {
    let mut points = [point];
    Operation::between(Crs(from), Crs(to), &[]).unwrap().forward(&mut points).unwrap();
    points[0]
}

/// Truth: `gdaltransform -output_xy` and `cct` (PROJ 9.1.1).
#[test]
fn golden_points_of_utm_and_web_mercator() {
    for (point, truth) in [
        ([556_000.0, 5_946_000.0], [1_096_210.844_304, 7_105_978.631_512]),
        ([571_000.0, 5_960_000.0], [1_121_832.420_615, 7_129_305.836_147]),
        ([404_863.349, 5_746_935.008], [848_066.109_503, 6_775_767.599_294]),
    ] {
        near(there(25832, 3857, point), truth, 1e-5);
        near(there(3857, 25832, truth), point, 1e-5);
    }
    near(there(26914, 3857, [600_000.0, 3_800_000.0]), [-10_899_609.289_903, 4_074_072.569_014], 1e-5);
    near(there(28992, 3857, [120_000.0, 480_000.0]), [542_572.938_175, 6_855_799.548_218], 1e-4);
}

fn beta2007_is_here() -> bool {
    let here = native::data_folders().iter().any(|folder| folder.join("BETA2007.gsb").is_file());
    if !here {
        println!("skipped: BETA2007.gsb is not installed");
    }
    here
}

/// Truth: `cs2cs -d 4 EPSG:31467 EPSG:25832` and `gdaltransform`, with BETA2007.gsb of Debian's proj-data.
#[test]
fn golden_points_of_gauss_krueger() {
    if !beta2007_is_here() {
        return;
    }
    near(there(31467, 25832, [3_477_000.0, 5_983_000.0]), [476_939.448_9, 5_981_047.855_2], 2e-4);
    near(there(31467, 25832, [3_570_000.0, 5_940_000.0]), [569_901.777_0, 5_938_063.047_6], 2e-4);
    near(there(31468, 25833, [4_434_000.0, 5_980_000.0]), [237_089.364_43, 5_985_017.338_289], 1e-4);
    near(there(3068, 25833, [25_000.0, 21_000.0]), [391_732.883_448, 5_819_616.818_247], 1e-4);
    // Back again: the grid's inverse is iterated.
    near(there(25832, 31467, [476_939.448_9, 5_981_047.855_2]), [3_477_000.0, 5_983_000.0], 1e-3);
    let fact = Operation::between(Crs(31467), Crs(25832), &[]).unwrap().fact().clone();
    assert_eq!((fact.accuracy_m, fact.grids.len(), fact.grids[0].name.as_str()), (Some(0.9), 1, "BETA2007.gsb"));
    assert!(fact.pipeline.contains("+grids=BETA2007.gsb "), "{}", fact.pipeline);
    // Paris lies outside the grid.
    let mut paris = [[2_960_000.0, 5_420_000.0]];
    let error = Operation::between(Crs(31467), Crs(25832), &[]).unwrap().forward(&mut paris).unwrap_err();
    assert!(error.message().contains("BETA2007.gsb"), "{error}");
}

#[test]
fn without_its_grid_an_operation_is_refused_never_replaced() {
    for (from, to, name) in
        [(31467, 25832, "BETA2007.gsb"), (31469, 3857, "BETA2007.gsb"), (28992, 25832, "nl_nsgi_rdtrans2018.tif")]
    {
        let error = Operation::with_grids_in(Crs(from), Crs(to), &[]).unwrap_err();
        assert_eq!(error.code(), "mk::crs::grid_missing");
        assert!(error.message().contains(name), "{error}");
        assert!(error.hint_text().unwrap().contains("https://cdn.proj.org/"), "{:?}", error.hint_text());
    }
}

#[test]
fn what_only_a_ballpark_connects_is_refused() {
    let error = Operation::between(Crs(26914), Crs(25832), &[]).unwrap_err();
    assert_eq!(error.code(), "mk::crs::operation");
    assert!(Operation::between(Crs(25832), Crs(999_999), &[]).is_err());
}

/// A small NTv2 grid that shifts by 1.8" north and 3.6" east everywhere, in a folder with a space in its name.
#[test]
fn a_grid_of_the_pipeline_is_used_and_digested() {
    let folder = tempfile::tempdir().unwrap();
    let grids = folder.path().join("my grids");
    std::fs::create_dir(&grids).unwrap();
    let bytes = ntv2([53.0, 55.0, 8.0, 11.0], 0.5, [1.8, 3.6]);
    std::fs::write(grids.join("BETA2007.gsb"), &bytes).unwrap();
    let operation = Operation::between(Crs(4314), Crs(4258), std::slice::from_ref(&grids)).unwrap();
    assert_eq!(operation.fact().grids[0].digest, Digest::of(&bytes));
    assert!(!operation.fact().pipeline.contains("my grids"));
    let mut points = [[9.25, 53.75]];
    operation.forward(&mut points).unwrap();
    near(points[0], [9.25 + 0.001, 53.75 + 0.0005], 1e-9);
    operation.inverse(&mut points).unwrap();
    near(points[0], [9.25, 53.75], 1e-9);
    let damaged = folder.path().join("damaged");
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(damaged.join("BETA2007.gsb"), b"damaged").unwrap();
    let error = Operation::between(Crs(4314), Crs(4258), &[damaged]).unwrap_err();
    assert_eq!(error.code(), "mk::crs::operation");
}

/// NTv2 binary grid (little-endian) with one subgrid and constant shifts in seconds, north and east positive.
fn ntv2([south, north, west, east]: [f64; 4], step: f64, [shift_n, shift_e]: [f64; 2]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut record = |key: &str, value: [u8; 8]| {
        bytes.extend(format!("{key:<8}").as_bytes());
        bytes.extend(value);
    };
    let int = |value: i32| {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    let text = |text: &str| <[u8; 8]>::try_from(format!("{text:<8}").as_bytes()).unwrap();
    let (rows, columns) = (((north - south) / step) as i32 + 1, ((east - west) / step) as i32 + 1);
    for (key, value) in [("NUM_OREC", 11), ("NUM_SREC", 11), ("NUM_FILE", 1)] {
        record(key, int(value));
    }
    for (key, value) in [("GS_TYPE", "SECONDS"), ("VERSION", "TEST"), ("SYSTEM_F", "DHDN"), ("SYSTEM_T", "ETRS89")] {
        record(key, text(value));
    }
    for key in ["MAJOR_F", "MINOR_F", "MAJOR_T", "MINOR_T"] {
        record(key, 6_378_137.0_f64.to_le_bytes());
    }
    for (key, value) in [("SUB_NAME", "ONE"), ("PARENT", "NONE"), ("CREATED", ""), ("UPDATED", "")] {
        record(key, text(value));
    }
    // NTv2 counts longitude positive towards the west.
    let limits =
        [("S_LAT", south), ("N_LAT", north), ("E_LONG", -east), ("W_LONG", -west), ("LAT_INC", step), ("LONG_INC", step)];
    for (key, degrees) in limits {
        record(key, (degrees * 3600.0).to_le_bytes());
    }
    record("GS_COUNT", int(rows * columns));
    for _ in 0..rows * columns {
        for value in [shift_n as f32, -shift_e as f32, 0.0, 0.0] {
            bytes.extend(value.to_le_bytes());
        }
    }
    bytes.extend(b"END     ");
    bytes.extend([0; 8]);
    bytes
}

#[test]
fn what_is_not_finite_is_an_error() {
    for (from, to) in [(25832, 3857), (25832, 25832), (4326, 3857)] {
        let operation = Operation::between(Crs(from), Crs(to), &[]).unwrap();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut points = vec![[10.0, 50.0]; 600];
            points[511] = [10.0, bad];
            assert_eq!(operation.forward(&mut points).unwrap_err().code(), "mk::crs::point", "{from} {to} {bad}");
        }
    }
}

#[test]
fn threads_share_an_operation() {
    let operation = Operation::between(Crs::UTM32, Crs::WEB_MERCATOR, &[]).unwrap();
    let run = |operation: &Operation| {
        let mut points: Vec<[f64; 2]> = (0..1000).map(|i| [556_000.0 + f64::from(i), 5_946_000.0]).collect();
        operation.forward(&mut points).unwrap();
        points
    };
    let first = run(&operation);
    let handles: Vec<_> = (0..4)
        .map(|_| {
            let operation = operation.clone();
            std::thread::spawn(move || run(&operation))
        })
        .collect();
    for handle in handles {
        assert_eq!(handle.join().unwrap(), first);
    }
}

#[test]
fn a_path_that_proj_would_split_is_refused() {
    let error = with_grid("+grids=x", "x", Path::new("/a,b/x")).unwrap_err();
    assert_eq!(error.code(), "mk::crs::grid_path");
}

proptest::proptest! {
    #[test]
    fn there_and_back_is_within_a_tenth_of_a_millimetre(e in 300_000.0..700_000.0_f64, n in 5_200_000.0..6_100_000.0_f64) {
        for to in [3857, 4258, 4326, 25833, 4647] {
            let operation = Operation::between(Crs::UTM32, Crs(to), &[]).unwrap();
            let mut points = [[e, n]];
            operation.forward(&mut points).unwrap();
            operation.inverse(&mut points).unwrap();
            near(points[0], [e, n], 1e-4);
        }
    }
}
