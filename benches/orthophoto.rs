//! The kernels of the orthophoto kind (decode, warp, halve, encode) and a whole block, with the physical limit: what the kernels alone
//! need for the same pixels.
//!
//! With `ORTHOPHOTO_SHEET=FILE` it prints the rates of the kernels on the pixels of that sheet; `scripts/bench-orthophoto` compares
//! the program with them.
//!
//! `cargo bench --bench orthophoto`; the last lines say block, limit and their ratio for a sheet of 5000 × 5000 pixels (DOP20).

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench may end with a message, and its result is what it prints"
)]

use criterion::{Criterion, Throughput, criterion_group};
use messkette::dataset::{Area, Crew, PlanContext, UnitContext, UnitResult, kind};
use messkette::format::jpeg::{Colours, Decoder, Encoder};
use messkette::io::{PackWriter, Source};
use messkette::pipeline::DatasetConfig;
use messkette::raster::{Grid, Kernel, Rgbx, draw, halve};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Fields, roofs and noise: compresses about as an orthophoto does.
fn picture(width: usize, height: usize) -> Rgbx {
    let mut picture = Rgbx::empty(width, height);
    let mut state = 7_u32;
    for y in 0..height {
        let row = picture.row_mut(y);
        for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 28) as u8;
            let field = ((x / 190 + y / 130) % 5) as u8 * 24;
            let roof = if x % 97 < 31 && y % 83 < 23 { 60 } else { 0 };
            pixel.copy_from_slice(&[70 + field + roof + noise, 90 + field / 2 + noise, 60 + roof / 2 + noise, 255]);
        }
    }
    picture
}

/// The grid from a source of 20 cm to zoom 19 at 53.7° north, turned by a degree.
fn grid(side: usize) -> Grid {
    let (sin, cos) = 1_f64.to_radians().sin_cos();
    let scale = 0.885;
    Grid::build(side, side, |points: &mut [[f64; 2]]| -> Result<(), ()> {
        for point in points.iter_mut() {
            let [x, y] = *point;
            *point = [40.0 + scale * (cos * x + sin * y), 4.0 + scale * (cos * y - sin * x) + 35.0];
        }
        Ok(())
    })
    .expect("a grid")
}

const SIDE: usize = 2048;

fn kernels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("orthophoto");
    let source = picture(SIDE, SIDE);
    let grid = grid(SIDE);
    let mut target = Rgbx::empty(SIDE, SIDE);
    group.throughput(Throughput::Elements((SIDE * SIDE) as u64));
    for (name, kernel) in [("warp bilinear", Kernel::Bilinear), ("warp bicubic", Kernel::Bicubic)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                draw(&source, [0, 0], &grid, [0, 0], kernel, black_box(&mut target));
            });
        });
    }
    group.bench_function("halve", |bencher| bencher.iter(|| black_box(halve(&source))));
    let tile = source.part(0, 0, 256, 256);
    let bytes = Encoder::new(80).expect("an encoder").encode(&tile).expect("a tile");
    group.throughput(Throughput::Elements(256 * 256));
    let mut encoder = Encoder::new(80).expect("an encoder");
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(encoder.encode(&tile).expect("a tile"))));
    let mut decoder = Decoder::new().expect("a decoder");
    let mut out = vec![0; 256 * 256 * 4];
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            decoder.decode_tile_into(&[], &bytes, Colours::YCbCr, [256, 256], &mut out, 256 * 4).expect("a tile");
            black_box(&out);
        });
    });
    group.finish();
}

/// Writes a sheet as DOP20 is delivered: tiled, JPEG, YCbCr.
fn sheet(folder: &Path) -> std::path::PathBuf {
    use gdal::raster::{Buffer, RasterCreationOptions};
    let path = folder.join("dop20rgb_32_565_5948_1_sh_2023.tif");
    let picture = picture(5000, 5000);
    let driver = gdal::DriverManager::get_driver_by_name("GTiff").expect("a driver");
    let options = RasterCreationOptions::from_iter(["TILED=YES", "COMPRESS=JPEG", "PHOTOMETRIC=YCBCR", "JPEG_QUALITY=90"]);
    let mut dataset = driver.create_with_band_type_with_options::<u8, _>(&path, 5000, 5000, 3, &options).expect("a file");
    dataset.set_geo_transform(&[565_000.0, 0.2, 0.0, 5_949_000.0, 0.0, -0.2]).expect("a place");
    dataset.set_spatial_ref(&gdal::spatial_ref::SpatialRef::from_epsg(25832).expect("a CRS")).expect("a CRS");
    for index in 0..3 {
        let values = picture.pixels().iter().skip(index).step_by(4).copied().collect();
        let mut band = dataset.rasterband(index + 1).expect("a band");
        band.write((0, 0), (5000, 5000), &mut Buffer::new((5000, 5000), values)).expect("pixels");
    }
    dataset.close().expect("a file");
    path
}

/// All blocks of a sheet, against the sum of its kernels.
fn block(_: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = sheet(folder.path());
    let config: DatasetConfig = serde_json::from_value(serde_json::json!({
        "id": "bench", "kind": "orthophoto", "source": [], "tiles": [{ "zoom": [13, 19], "quality": 75 }],
    }))
    .expect("options");
    let dataset = (kind("orthophoto").expect("the kind").open)(&config).expect("options");
    let (area, uses, cancel) = (Area::default(), BTreeMap::new(), AtomicBool::new(false));
    let sources = [Source::of_file(&path, "dop20rgb_32_565_5948_1_sh_2023.tif").expect("a source")];
    let mut earlier: Vec<Vec<UnitResult>> = Vec::new();
    let (mut drawing, mut tiles) = (Duration::ZERO, 0);
    for stage in 0..2 {
        let plan = PlanContext {
            dataset: &config,
            area: &area,
            sources: &sources,
            earlier: &earlier,
            uses: &uses,
            scratch: folder.path(),
            only: None,
        };
        let units = dataset.units(stage, &plan).expect("a plan");
        let mut results = Vec::new();
        for (index, unit) in units.iter().enumerate() {
            let mut pack = PackWriter::create(&folder.path().join(format!("{stage}-{index}"))).expect("a pack");
            let crew = Crew::new(2);
            let mut context = UnitContext {
                dataset: &config,
                area: &area,
                scratch: folder.path(),
                previous: None,
                pack: &mut pack,
                crew: &crew,
                cancel: &cancel,
            };
            let start = Instant::now();
            let outcome = dataset.execute(stage, unit, &mut context).expect("a result");
            drawing += if stage == 1 { start.elapsed() } else { Duration::ZERO };
            tiles += outcome.summary["tiles"].as_u64().unwrap_or(0);
            let path = pack.finish().expect("a pack");
            let digest = messkette::io::Digest::of_file(&path).expect("a digest");
            results.push(UnitResult { key: unit.key.clone(), digest, path, outcome, inputs: unit.inputs.clone(), stale: false });
        }
        earlier.push(results);
    }
    let limit = limit(tiles);
    let ratio = drawing.as_secs_f64() / limit.as_secs_f64();
    println!("orthophoto/block of 25 MPix z13-19: {drawing:.2?} for {tiles} tiles; limit {limit:.2?}; ratio {ratio:.2}");
}

/// What decoding 25 million pixels, warping to 33.4 million and encoding the tiles takes, each kernel alone.
fn limit(tiles: u64) -> Duration {
    let source = picture(SIDE, SIDE);
    let grid = grid(SIDE);
    let time = |times: u32, mut work: Box<dyn FnMut() + '_>| {
        work();
        let start = Instant::now();
        for _ in 0..times {
            work();
        }
        start.elapsed() / times
    };
    let mut target = Rgbx::empty(SIDE, SIDE);
    let warping = time(4, Box::new(|| draw(&source, [0, 0], &grid, [0, 0], Kernel::Bilinear, &mut target)));
    let tile = source.part(0, 0, 256, 256);
    let mut encoder = Encoder::new(75).expect("an encoder");
    let encoding = time(200, Box::new(|| drop(black_box(encoder.encode(&tile)))));
    let bytes = Encoder::new(90).expect("an encoder").encode(&tile).expect("a tile");
    let mut decoder = Decoder::new().expect("a decoder");
    let mut out = vec![0; 256 * 256 * 4];
    let decode = || drop(black_box(decoder.decode_tile_into(&[], &bytes, Colours::YCbCr, [256, 256], &mut out, 256 * 4)));
    let decoding = time(200, Box::new(decode));
    decoding.mul_f64(25e6 / 65_536.0) + warping.mul_f64(33.4e6 / (SIDE * SIDE) as f64) + encoding.mul_f64(tiles as f64)
}

/// Megapixels for each CPU second of what has to be done with every pixel, on those of a tiled JPEG sheet; one line of JSON.
fn primitives(path: &Path) {
    use tiff::tags::Tag;
    let file = std::io::BufReader::new(std::fs::File::open(path).expect("a sheet"));
    let mut tiff = tiff::decoder::Decoder::new(file).expect("a TIFF file");
    let mut list = |tag| tiff.find_tag_unsigned_vec::<u64>(tag).expect("a tag").unwrap_or_default();
    let (offsets, counts) = (list(Tag::TileOffsets), list(Tag::TileByteCounts));
    let tables: Vec<u8> = list(Tag::JPEGTables).into_iter().map(|byte| byte as u8).collect();
    let colours = if list(Tag::PhotometricInterpretation) == [6] { Colours::YCbCr } else { Colours::Plain };
    let side = list(Tag::TileWidth).first().map_or(256, |side| *side as usize);
    let across = (list(Tag::ImageWidth).first().map_or(0, |width| *width as usize)).div_ceil(side);
    let bytes = std::fs::read(path).expect("a sheet");
    let tiles: Vec<&[u8]> = offsets.iter().zip(&counts).map(|(at, count)| &bytes[*at as usize..][..*count as usize]).collect();
    let mut decoder = Decoder::new().expect("a decoder");
    let mut source = Rgbx::empty(SIDE, SIDE);
    let decode = rate(tiles.len() * side * side, || {
        for (index, tile) in tiles.iter().enumerate() {
            let (x, y) = (index % across * side % SIDE, index / across * side % SIDE);
            let out = &mut source.pixels_mut()[(y * SIDE + x) * 4..];
            decoder.decode_tile_into(&tables, tile, colours, [side, side], out, SIDE * 4).expect("a tile");
        }
    });
    source.pixels_mut().chunks_exact_mut(4).for_each(|pixel| pixel[3] = 255);
    let (grid, mut target) = (grid(SIDE), Rgbx::empty(SIDE, SIDE));
    let mut encoder = Encoder::new(75).expect("an encoder");
    let mut rates = serde_json::json!({ "decode": decode });
    for (name, kernel) in [("bilinear", Kernel::Bilinear), ("bicubic", Kernel::Bicubic)] {
        let warp = rate(SIDE * SIDE, || draw(&source, [0, 0], &grid, [0, 0], kernel, black_box(&mut target)));
        // Of four tiles three are drawn and one is halved, which has more in it and takes longer.
        let halved = halve(&target);
        let encode = rate(SIDE * SIDE, || {
            for tile in 0..64 {
                let (picture, tile, across) = if tile < 48 { (&target, tile, 8) } else { (&halved, tile - 48, 4) };
                let at = [tile % across * 256, tile / across * 256];
                black_box(encoder.encode_lent(picture, at, [256, 256]).expect("a tile"));
            }
        });
        rates[name] = serde_json::json!({ "warp": warp, "encode": encode });
    }
    println!("{rates}");
}

/// Megapixels for each CPU second, over two seconds: the clock has ticks of a hundredth.
fn rate(pixels: usize, mut work: impl FnMut()) -> f64 {
    work();
    let start = messkette::io::machine::cpu_seconds();
    let mut times = 0;
    loop {
        work();
        times += 1;
        let passed = messkette::io::machine::cpu_seconds() - start;
        if passed >= 2.0 {
            return (pixels * times) as f64 / 1e6 / passed;
        }
    }
}

criterion_group!(benches, kernels, block);

fn main() {
    if let Some(sheet) = std::env::var_os("ORTHOPHOTO_SHEET") {
        primitives(Path::new(&sheet));
    } else {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
