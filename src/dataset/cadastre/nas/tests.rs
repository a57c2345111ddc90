//! The reader against small deliveries of our own, and against the real ones in `../shared/data` where they are there.

use super::reader::Delivery;
use super::*;
use crate::error::Result;
use std::io::Read;
use std::path::PathBuf;

pub(crate) fn settings() -> Settings {
    Settings { crs: None, extent: None, grids: Vec::new(), arc_tolerance_m: 0.001, owners: false }
}

#[allow(dead_code)]
fn read_bytes(bytes: &[u8], settings: &Settings) -> Result<Delivery> {
    let open = || -> Result<Box<dyn Read + Send>> { Ok(Box::new(std::io::Cursor::new(bytes.to_vec()))) };
    read(&open, settings, &|| Ok(()))
}

/// The real stock, unpacked once for all tests; `None` (with a reason) where it is not there.
pub(crate) fn gm2566() -> Option<PathBuf> {
    static UNPACKED: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    UNPACKED
        .get_or_init(|| {
            let packed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cadastre/gm2566-pseudonymised.xml.xz");
            if !packed.exists() {
                println!("skipped: {} is not there", packed.display());
                return None;
            }
            let path = std::env::temp_dir().join("messkette-test-gm2566.xml");
            if path.metadata().map_or(0, |data| data.len()) < 100_000_000 {
                let part = path.with_extension(format!("part{}", std::process::id()));
                let output = std::fs::File::create(&part).unwrap();
                let status = std::process::Command::new("xz").arg("-dkc").arg(&packed).stdout(output).status();
                if !status.is_ok_and(|status| status.success()) {
                    println!("skipped: xz cannot unpack the real stock");
                    return None;
                }
                std::fs::rename(&part, &path).unwrap();
            }
            Some(path)
        })
        .clone()
}

#[test]
fn the_real_stock_is_read_object_by_object() {
    let Some(path) = gm2566() else { return };
    let bytes = std::fs::read(&path).unwrap();
    // The truth, by another way: every `gml:id` directly behind the name of a class.
    let mut truth = crate::dataset::Counts::default();
    for at in memchr::memmem::find_iter(&bytes, b" gml:id=") {
        let start = memchr::memrchr(b'<', &bytes[..at]).unwrap();
        let name = std::str::from_utf8(&bytes[start + 1..at]).unwrap();
        if name.starts_with("AX_") || name.starts_with("AP_") {
            truth.of(name).input += 1;
        }
    }
    let open = || -> Result<Box<dyn Read + Send>> { Ok(Box::new(std::fs::File::open(&path).unwrap())) };
    let started = std::time::Instant::now();
    let delivery = read(&open, &settings(), &|| Ok(())).unwrap();
    println!("read in {:?}", started.elapsed());
    assert!(delivery.rejections.is_empty(), "{:?}", delivery.rejections.first());
    let inputs = |counts: &crate::dataset::Counts| -> Vec<(String, u64)> {
        counts.0.iter().map(|(name, count)| (name.clone(), count.input)).collect()
    };
    assert_eq!(inputs(&delivery.counts), inputs(&truth));
    let total = delivery.counts.total();
    assert_eq!((total.input, total.rejected), (82_737, 0));
    assert_eq!(total.dropped_private, 5_496 + 5_305 + 5_680 + 3_838 + 5_550 + 3);
    assert_eq!(delivery.items.len() as u64, total.output);
    assert_eq!(delivery.crs, Some(crate::crs::Crs::UTM32));
    assert_eq!(delivery.findings.len(), 11, "one for each local CRS");
    let text = format!("{:?}", delivery.items);
    assert!(!text.contains("KANARI"));
}
