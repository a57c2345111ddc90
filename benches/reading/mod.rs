//! How long a kind takes to read a file: its first unit, without the night around it.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Throughput};
use messkette::dataset::{Area, Crew, PlanContext, UnitContext, kind};
use messkette::io::{PackWriter, Source};
use messkette::pipeline::DatasetConfig;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Times it; `options` are those of a dataset in the pipeline file, with its kind. Without a throughput that of the bytes counts.
pub fn reading(
    group: &mut BenchmarkGroup<'_, WallTime>,
    options: serde_json::Value,
    file: &Path,
    throughput: Option<Throughput>,
) {
    let config: DatasetConfig = serde_json::from_value(options).expect("options");
    let dataset = (kind(&config.kind).expect("the kind").open)(&config).expect("options");
    let (area, uses, cancel) = (Area::default(), BTreeMap::new(), AtomicBool::new(false));
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let sources = [Source::of_file(file, &name).expect("a source")];
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
    group.sample_size(10).throughput(throughput.unwrap_or(Throughput::Bytes(sources[0].size)));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let scratch = tempfile::tempdir().expect("a folder");
            let mut pack = PackWriter::create(&scratch.path().join("pack")).expect("a pack");
            let crew = Crew::new(2);
            let mut context = UnitContext {
                dataset: &config,
                area: &area,
                scratch: scratch.path(),
                previous: None,
                pack: &mut pack,
                crew: &crew,
                cancel: &cancel,
            };
            black_box(dataset.execute(0, &unit, &mut context).expect("a result"));
        });
    });
}
