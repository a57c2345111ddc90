//! Reading a theme: the fixture, and a file of any format where `MESSKETTE_BENCH_THEME` names one.

#![allow(clippy::expect_used, missing_docs, reason = "a bench may end with a message, and criterion names its own functions")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use messkette::dataset::{Area, PlanContext, UnitContext, kind};
use messkette::io::{PackWriter, Source};
use messkette::pipeline::DatasetConfig;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

fn read(criterion: &mut Criterion) {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/vector_theme/schutzgebiete.geojson");
    let other = std::env::var_os("MESSKETTE_BENCH_THEME").map(PathBuf::from);
    let options = serde_json::json!({ "id": "bench", "kind": "vector_theme", "source": [], "audience": "internal" });
    let config: DatasetConfig = serde_json::from_value(options).expect("options");
    let dataset = (kind("vector_theme").expect("the kind").open)(&config).expect("options");
    let (area, uses, cancel) = (Area::default(), BTreeMap::new(), AtomicBool::new(false));
    let mut group = criterion.benchmark_group("vector_theme/read");
    group.sample_size(10);
    for file in [Some(fixture), other].into_iter().flatten().filter(|file| file.exists()) {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let sources = [Source::of_file(&file, &name).expect("a source")];
        let scratch = tempfile::tempdir().expect("a folder");
        let plan = PlanContext {
            dataset: &config,
            area: &area,
            sources: &sources,
            earlier: &[],
            uses: &uses,
            scratch: scratch.path(),
            only: None,
        };
        let unit = dataset.units(0, &plan).expect("a plan").remove(0);
        group.throughput(Throughput::Bytes(sources[0].size));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let scratch = tempfile::tempdir().expect("a folder");
                let mut pack = PackWriter::create(&scratch.path().join("pack")).expect("a pack");
                let mut context = UnitContext {
                    dataset: &config,
                    area: &area,
                    scratch: scratch.path(),
                    previous: None,
                    pack: &mut pack,
                    cancel: &cancel,
                };
                black_box(dataset.execute(0, &unit, &mut context).expect("a result"));
            });
        });
    }
}

criterion_group!(benches, read);
criterion_main!(benches);
