//! Reading NAS: the fixture, and an unpacked real stock where `MESSKETTE_BENCH_NAS` names one.

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
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/cadastre/stock-gid7.xml");
    let real = std::env::var_os("MESSKETTE_BENCH_NAS").map(PathBuf::from);
    let config: DatasetConfig =
        serde_json::from_value(serde_json::json!({ "id": "bench", "kind": "cadastre", "source": [] })).expect("options");
    let dataset = (kind("cadastre").expect("the kind").open)(&config).expect("options");
    let (area, uses, cancel) = (Area::default(), BTreeMap::new(), AtomicBool::new(false));
    let scratch = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("cadastre/read");
    group.sample_size(10);
    for file in [Some(fixture), real].into_iter().flatten().filter(|file| file.exists()) {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let sources = [Source::of_file(&file, &name).expect("a source")];
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
