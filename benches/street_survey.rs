//! What is made of a panorama: the smaller picture, the view ahead, tiles.

#![allow(clippy::expect_used, missing_docs, reason = "a bench may end with a message, and criterion names its own functions")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use messkette::format::jpeg::{Decoder, Encoder};
use messkette::format::{jpeg_cut, jpeg_segments};
use messkette::raster::{Rgbx, shrink};
use std::hint::black_box;

const SIZE: [usize; 2] = [8000, 4000];

fn panorama() -> Vec<u8> {
    let mut picture = Rgbx::empty(SIZE[0], SIZE[1]);
    for (index, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (index % SIZE[0], index / SIZE[0]);
        let noise = (x as u32).wrapping_mul(0x9E37_79B9).wrapping_add((y as u32).wrapping_mul(0x85EB_CA6B)) >> 27;
        pixel.copy_from_slice(&[(x / 32) as u8, (y / 16) as u8, 80 + noise as u8, 255]);
    }
    Encoder::new(90).and_then(|mut encoder| encoder.encode(&picture)).expect("a picture")
}

fn derive(criterion: &mut Criterion) {
    let jpeg = panorama();
    let mut group = criterion.benchmark_group("street_survey");
    group.sample_size(10).throughput(Throughput::Elements((SIZE[0] * SIZE[1]) as u64));
    let (mut decoder, mut encoder) = (Decoder::new().expect("a decoder"), Encoder::new(80).expect("an encoder"));
    group.bench_function("smaller", |bencher| {
        bencher.iter(|| {
            let half = decoder.decode_at_least(&jpeg, 2048).expect("a picture");
            black_box(encoder.encode(&shrink(&half, [0.0, 0.0], half.width() as f64 / 2048.0, [2048, 1024])).expect("a file"));
        });
    });
    let parts: Vec<jpeg_cut::Part> = (0..8).map(|part| [part % 4 * 2000, part / 4 * 2000, 2000, 2000]).collect();
    group.bench_function("tiles", |bencher| bencher.iter(|| black_box(jpeg_cut::cut(&jpeg, &parts).expect("tiles"))));
    group.bench_function("bare", |bencher| bencher.iter(|| black_box(jpeg_segments::bare(&jpeg, None).expect("a file"))));
}

criterion_group!(benches, derive);
criterion_main!(benches);
