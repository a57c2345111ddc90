//! Reading CityGML and building tiles: the fixture, and a real delivery where `../shared/data` has one.

#![allow(clippy::expect_used, missing_docs, reason = "a bench may end with a message, and criterion names its own functions")]

mod reading;

use criterion::{Criterion, criterion_group, criterion_main};
use messkette::format::glb::{self, Column, Compression, Property, Tile};
use messkette::mesh::{Facet, Paint, Triangulator, pieces};
use std::hint::black_box;
use std::path::PathBuf;

fn read(criterion: &mut Criterion) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let files = ["fixtures/city_model/LoD2_32_565_5950_1_SH.gml", "../shared/data/lod2/misc/lod2_buildings_v3.gml"];
    let mut group = criterion.benchmark_group("city_model/read");
    for file in files.map(|file| root.join(file)).into_iter().filter(|file| file.exists()) {
        let options = serde_json::json!({ "id": "bench", "kind": "city_model", "source": [], "vertical": "dhhn2016" });
        reading::reading(&mut group, options, &file, None);
    }
    group.finish();
}

fn tile(criterion: &mut Criterion) {
    // 400 houses with 9 faces each, as a dense cell has.
    let mut triangulator = Triangulator::new();
    let mut facets = Vec::new();
    for house in 0..400_u16 {
        let (x, z) = (f64::from(house % 20) * 24.0, f64::from(house / 20) * 24.0);
        for face in 0..9_u8 {
            let y = f64::from(face);
            let ring = vec![[x, y, z], [x + 8.0, y, z], [x + 8.0, y + 3.0, z + 2.0], [x, y + 3.0, z + 2.0]];
            let result = triangulator.triangulate(std::slice::from_ref(&ring)).expect("a face");
            facets.push(Facet {
                points: ring,
                triangles: result.triangles,
                normal: result.plane.normal,
                feature: house,
                class: face % 3,
                paint: Paint::Colour([face % 3; 3]),
            });
        }
    }
    let ids = Column::Text((0..400).map(|house| format!("DESHMUSTER{house:06}")).collect());
    let properties = [Property { key: "id".into(), name: None, column: ids }];
    criterion.bench_function("city_model/tile of 400 houses", |bencher| {
        bencher.iter(|| {
            let pieces = pieces(black_box(&facets), 1.0 / 128.0);
            let tile = Tile {
                copyright: "",
                pieces: &pieces,
                surfaces: &["RoofSurface", "WallSurface", "GroundSurface"],
                textured: None,
                class: "building",
                features: 400,
                properties: &properties,
                compression: Compression::Meshopt,
            };
            black_box(glb::write(&tile).expect("a tile"))
        });
    });
}

criterion_group!(benches, read, tile);
criterion_main!(benches);
