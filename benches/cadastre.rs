//! Reading NAS: the fixture, and an unpacked real stock where `MESSKETTE_BENCH_NAS` names one.

#![allow(clippy::expect_used, missing_docs, reason = "a bench may end with a message, and criterion names its own functions")]

mod reading;

use criterion::{Criterion, criterion_group, criterion_main};
use std::path::PathBuf;

fn read(criterion: &mut Criterion) {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/cadastre/stock-gid7.xml");
    let real = std::env::var_os("MESSKETTE_BENCH_NAS").map(PathBuf::from);
    let mut group = criterion.benchmark_group("cadastre/read");
    for file in [Some(fixture), real].into_iter().flatten().filter(|file| file.exists()) {
        let options = serde_json::json!({ "id": "bench", "kind": "cadastre", "source": [] });
        reading::reading(&mut group, options, &file, None);
    }
}

criterion_group!(benches, read);
criterion_main!(benches);
