use super::*;

const IMAGES: &[&str] = &["GTiff", "JPEG", "JP2OpenJPEG", "PNG"];

fn opened(name: &str, bytes: &[u8]) -> Result<Dataset> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    open_raster(&path, IMAGES, RasterLimits::default())
}

/// A TIFF header of one strip, uncompressed or deflated, with one byte of pixels.
fn tiff(width: u32, height: u32, samples: u16) -> Vec<u8> {
    let fields: [(u16, u16, u32, u32); 8] = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, samples.into()),
        (279, 4, 1, 1),
    ];
    let mut bytes = b"II*\0".to_vec();
    bytes.extend(12_u32.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((fields.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in fields {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn only_drivers_of_plain_files_are_left() {
    init();
    for index in 0..DriverManager::count() {
        let name = DriverManager::get_driver(index).unwrap().short_name();
        assert!(DRIVERS.contains(&name.as_str()), "{name}");
    }
    for name in ["VRT", "WMS", "HTTP", "OGR_VRT", "WFS", "GPSBabel"] {
        assert!(DriverManager::get_driver_by_name(name).is_err(), "{name}");
    }
}

#[test]
fn a_virtual_dataset_is_refused_whatever_its_name() {
    let vrt = b"<VRTDataset rasterXSize=\"8\" rasterYSize=\"1\"><VRTRasterBand dataType=\"Byte\" band=\"1\" \
        subClass=\"VRTRawRasterBand\"><SourceFilename relativeToVRT=\"0\">/etc/hostname</SourceFilename></VRTRasterBand></VRTDataset>";
    let error = opened("photo.tif", vrt).unwrap_err();
    assert_eq!(error.code(), "mk::io::virtual");
    insta::assert_snapshot!(error.message(), @"the file is a virtual dataset of GDAL, which reads other files: it is no source");
    // Even where the first bytes hide it, no driver is there.
    let hidden = [b"II*\0".to_vec(), vrt.to_vec()].concat();
    assert_eq!(opened("photo.tif", &hidden).unwrap_err().code(), "mk::io::gdal");
}

#[test]
fn content_must_fit_a_driver() {
    let error = opened("photo.tif", b"<?xml version='1.0'?><a/>").unwrap_err();
    insta::assert_snapshot!(error.message(), @"the file is XML, not TIFF or JPEG or JPEG 2000 or PNG");
    assert_eq!(opened("photo.tif", b"").unwrap_err().code(), "mk::io::content");
    assert_eq!(open_vector(Path::new("Cargo.toml"), &["GPKG"]).unwrap_err().code(), "mk::io::content");
}

#[test]
fn names_that_are_programs_are_refused() {
    for name in ["/vsicurl/http://example.org/a.tif", "/vsizip/a.zip", "/VSIMEM/a", "a\nb.tif", "a\0.tif"] {
        assert_eq!(open_raster(Path::new(name), IMAGES, RasterLimits::default()).unwrap_err().code(), "mk::io::name", "{name}");
    }
    // Taken as a file of that name, which is not there.
    for name in ["GTIFF_DIR:1:a.tif", "MEM:::DATAPOINTER=0", "https://example.org/a.tif"] {
        assert_eq!(open_raster(Path::new(name), IMAGES, RasterLimits::default()).unwrap_err().code(), "mk::io::read", "{name}");
    }
}

#[test]
fn claims_are_capped_before_pixels_are_read() {
    for (width, height, samples) in [(4_000_001, 1, 1), (1_000_000, 1_000_000, 1), (30_000, 30_000, 3)] {
        let error = opened("a.tif", &tiff(width, height, samples)).unwrap_err();
        assert!(matches!(error.code(), "mk::io::dimensions" | "mk::io::gdal"), "{error:?}");
    }
    assert_eq!(opened("a.tif", &tiff(16, 16, 1)).unwrap().raster_size(), (16, 16));
}

#[test]
fn what_gdal_only_says_is_an_error_too() {
    let fail = || {
        // Succeeds as a call; GDAL reports the failure by its handler only.
        let _ = gdal::spatial_ref::SpatialRef::from_definition("EPSG:99999999");
    };
    let error = watched(Path::new("a.tif"), "testing", || {
        fail();
        Ok(())
    })
    .unwrap_err();
    assert!(error.code() == "mk::io::gdal" && error.message().starts_with("testing; GDAL says: "), "{error}");
    // What failed before does not count, nor on other threads.
    fail();
    assert_eq!(watched(Path::new("a.tif"), "testing", || Ok(1)).unwrap(), 1);
    watched(Path::new("a.tif"), "testing", || {
        std::thread::spawn(fail).join().unwrap();
        Ok(())
    })
    .unwrap();
    // Inner work that fails makes the outer one fail, unless it was meant to.
    let inner = watched(Path::new("a.tif"), "outer", || {
        let _ = watched(Path::new("a.tif"), "inner", || {
            fail();
            Ok(())
        });
        Ok(())
    });
    assert!(inner.is_err());
}

/// Real broken images: an error or a picture, never a panic; and never a success that GDAL complained about.
#[test]
fn the_broken_images_are_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/broken");
    let Ok(entries) = std::fs::read_dir(folder.join("tiff")) else {
        println!("skipped: the broken images are not here");
        return;
    };
    let mut outcomes = [0, 0];
    for entry in entries {
        let path = entry.unwrap().path();
        let read = open_raster(&path, IMAGES, RasterLimits::default()).and_then(|dataset| {
            let what = "the image cannot be decoded";
            watched(&path, what, || {
                let band = dataset.rasterband(1).map_err(|_| failed(what))?;
                let (width, height) = band.block_size();
                if width.saturating_mul(height) > 64 << 20 {
                    return Err(Error::new("mk::io::dimensions", "a block is too large"));
                }
                let (width, height) = (dataset.raster_size().0.min(64), dataset.raster_size().1.min(64));
                let decoded = band.read_as::<f64>((0, 0), (width, height), (width, height), None);
                decoded.map(|_| ()).map_err(|_| failed(what))
            })
        });
        if let Err(error) = &read {
            assert!(!error.full_message().contains("shared/data"), "{error}");
        }
        outcomes[usize::from(read.is_ok())] += 1;
    }
    println!("{} refused, {} read", outcomes[0], outcomes[1]);
    assert!(outcomes[0] > 100, "{outcomes:?}");
    let vrt = open_raster(&folder.join("vrt_disguised_as_tif.tif"), IMAGES, RasterLimits::default()).unwrap_err();
    assert_eq!(vrt.code(), "mk::io::virtual");
}
