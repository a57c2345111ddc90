//! Reading inspections: a CSV of 100,000 rows, as a large town has them after some years.

#![allow(clippy::expect_used, missing_docs, reason = "a bench may end with a message, and criterion names its own functions")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use messkette::dataset::{Area, PlanContext, UnitContext, kind};
use messkette::io::{PackWriter, Source};
use messkette::pipeline::DatasetConfig;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;

const ROWS: u64 = 100_000;

fn read(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pruefungen.csv");
    let mut text = String::from("pruefung_id;geraet_id;pruefart;datum;pruefer;ergebnis;mangel\n");
    for row in 0..ROWS {
        let (device, month, day) = (row % 5000, row % 12 + 1, row % 28 + 1);
        let _ = writeln!(text, "P-{row};G-{device};operative Inspektion;{day:02}.{month:02}.2025;KANARI;in Ordnung;");
    }
    std::fs::write(&path, &text).expect("a file");
    let config: DatasetConfig =
        serde_json::from_value(serde_json::json!({ "id": "bench", "kind": "playground", "source": [] })).expect("options");
    let dataset = (kind("playground").expect("the kind").open)(&config).expect("options");
    let (area, uses, cancel) = (Area::default(), BTreeMap::new(), AtomicBool::new(false));
    let sources = [Source::of_file(&path, "pruefungen.csv").expect("a source")];
    let context = PlanContext {
        dataset: &config,
        area: &area,
        sources: &sources,
        earlier: &[],
        uses: &uses,
        scratch: folder.path(),
        only: None,
    };
    let unit = dataset.units(0, &context).expect("a plan").remove(0);
    let mut group = criterion.benchmark_group("playground/read");
    group.sample_size(10).throughput(Throughput::Elements(ROWS));
    group.bench_function("inspections", |bencher| {
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

criterion_group!(benches, read);
criterion_main!(benches);
