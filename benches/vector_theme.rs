//! Reading a theme: the fixture, and a file of any format where `MESSKETTE_BENCH_THEME` names one.

#![allow(clippy::expect_used, missing_docs, reason = "a bench may end with a message, and criterion names its own functions")]

mod reading;

use criterion::{Criterion, criterion_group, criterion_main};
use std::path::PathBuf;

fn read(criterion: &mut Criterion) {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/vector_theme/schutzgebiete.geojson");
    let other = std::env::var_os("MESSKETTE_BENCH_THEME").map(PathBuf::from);
    let mut group = criterion.benchmark_group("vector_theme/read");
    for file in [Some(fixture), other].into_iter().flatten().filter(|file| file.exists()) {
        let options = serde_json::json!({ "id": "bench", "kind": "vector_theme", "source": [], "audience": "internal" });
        reading::reading(&mut group, options, &file, None);
    }
}

criterion_group!(benches, read);
criterion_main!(benches);
