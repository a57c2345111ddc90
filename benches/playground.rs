//! Reading inspections: a CSV of 100,000 rows, as a large town has them after some years.

#![allow(clippy::expect_used, missing_docs, reason = "a bench may end with a message, and criterion names its own functions")]

mod reading;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fmt::Write;

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
    let options = serde_json::json!({ "id": "bench", "kind": "playground", "source": [] });
    let mut group = criterion.benchmark_group("playground/read");
    reading::reading(&mut group, options, &path, Some(Throughput::Elements(ROWS)));
}

criterion_group!(benches, read);
criterion_main!(benches);
