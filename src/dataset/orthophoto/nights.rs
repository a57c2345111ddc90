//! Night after night: what was delivered, changed or withdrawn shows, the bytes are those of a full run, and nothing else is redone.

use super::golden::write_rgba;
use crate::io::Digest;
use crate::pipeline::Pipeline;
use crate::raster::Rgbx;
use crate::run::{ENGINES, Finished, Options, Silent, outlook};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Sheets in a row and in a column, 12 km apart: a block of zoom 15 holds a few of them.
const SIDE: usize = 3;

fn sheet(folder: &Path, index: usize, grey: u8) {
    let mut picture = Rgbx::empty(150, 150);
    for (at, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
        pixel.copy_from_slice(&[grey, (at % 150) as u8, (at / 150) as u8, 255]);
    }
    let (east, north) = (540_000.0 + 12_000.0 * (index % SIDE) as f64, 5_960_000.0 - 12_000.0 * (index / SIDE) as f64);
    write_rgba(&folder.join(format!("in/{index}_2023.tif")), &picture, [east, 5.0, 0.0, north, 0.0, -5.0]);
}

fn pipeline(folder: &Path) -> Pipeline {
    std::fs::create_dir_all(folder.join("in")).unwrap();
    let text = "[pipeline]\nname = \"t\"\nworkspace = \"work\"\n[[dataset]]\nid = \"o\"\nkind = \"orthophoto\"\n\
                source = [\"in/*.tif\"]\naudience = \"public\"\ntiles = [{ zoom = [6, 15] }]\n";
    std::fs::write(folder.join("p.toml"), text).unwrap();
    Pipeline::load(folder.join("p.toml")).unwrap()
}

fn options() -> Options {
    Options {
        plan: None,
        only: None,
        retry: false,
        jobs: 2,
        memory_mb: 4000,
        engine: ENGINES[0],
        artefact: None,
        cancel: Arc::new(AtomicBool::new(false)),
        command: "run".into(),
    }
}

fn night(folder: &Path) -> Finished {
    crate::night(&pipeline(folder), &options(), &Silent).unwrap()
}

fn archive(folder: &Path) -> Digest {
    Digest::of_file(&folder.join("work/current/public/o/orthophoto.pmtiles")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn each_night_gives_the_bytes_of_a_full_run_and_redoes_only_what_changed(
        changes in proptest::collection::vec((0..SIDE * SIDE, 0..3_u8), 2..3)
    ) {
        let folder = tempfile::tempdir().unwrap();
        pipeline(folder.path());
        let mut greys: Vec<Option<u8>> = vec![Some(40); SIDE * SIDE];
        for index in 0..SIDE * SIDE {
            sheet(folder.path(), index, 40);
        }
        let all = night(folder.path()).summary.units.done;
        for (turn, (index, change)) in changes.into_iter().enumerate() {
            let file = folder.path().join(format!("in/{index}_2023.tif"));
            if change == 0 && greys.iter().flatten().count() > 1 {
                let _ = std::fs::remove_file(&file);
                greys[index] = None;
            } else {
                let grey = 60 + 20 * turn as u8;
                sheet(folder.path(), index, grey);
                greys[index] = Some(grey);
            }
            let finished = night(folder.path());
            // The image itself, the blocks it lies on (four at most), and one overview unit and the root above them.
            prop_assert!(finished.summary.units.done <= 1 + 4 + 1 + 1 && finished.summary.units.done < all, "{:?}", finished.summary.units);
            let again = outlook(&pipeline(folder.path()), &options(), &Silent).unwrap();
            prop_assert!(again.units.is_empty(), "nothing is left to do");
            let full = tempfile::tempdir().unwrap();
            pipeline(full.path());
            for (index, grey) in greys.iter().enumerate() {
                if let Some(grey) = grey {
                    sheet(full.path(), index, *grey);
                }
            }
            night(full.path());
            prop_assert_eq!(archive(folder.path()), archive(full.path()));
        }
    }
}

#[test]
fn a_mended_world_file_moves_the_image() {
    let folder = tempfile::tempdir().unwrap();
    pipeline(folder.path());
    let text = std::fs::read_to_string(folder.path().join("p.toml")).unwrap();
    std::fs::write(folder.path().join("p.toml"), format!("{text}crs = \"EPSG:25832\"\n")).unwrap();
    let run = || crate::night(&Pipeline::load(folder.path().join("p.toml")).unwrap(), &options(), &Silent).unwrap();
    let driver = gdal::DriverManager::get_driver_by_name("GTiff").unwrap();
    driver.create_with_band_type::<u8, _>(folder.path().join("in/a.tif"), 100, 100, 3).unwrap().close().unwrap();
    std::fs::write(folder.path().join("in/a.tfw"), "5\n0\n0\n-5\n540002.5\n5959997.5\n").unwrap();
    assert_eq!(run().summary.objects.rejected, 0);
    let before = archive(folder.path());
    assert_eq!(run().summary.units.done, 0);
    std::fs::write(folder.path().join("in/a.tfw"), "5\n0\n0\n-5\n552002.5\n5959997.5\n").unwrap();
    assert!(run().summary.units.done > 0);
    assert_ne!(archive(folder.path()), before);
    std::fs::remove_file(folder.path().join("in/a.tfw")).unwrap();
    assert_eq!(run().summary.units.quarantined, 1, "without it nobody knows where the image lies");
}
