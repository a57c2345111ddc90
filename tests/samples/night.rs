//! Reports of made-up nights.

use super::{EVIL, Sample, datasets};
use messkette::crs::Bbox;
use messkette::error::{Place, Rejection};
use messkette::io::Digest;
use messkette::report::{
    ArtefactReport, Change, DatasetReport, ErrorReport, FindingGroup, Machine, MapUnit, Night, OperationReport, Picture,
    PreviewPair, QuarantinedUnit, ReleaseReport, ReportData, RunReport, SCHEMA_VERSION, SourceReport, UnitReport, UnitState,
    Usage,
};

/// A picture of fields and a river, as a PNG file; `shift` makes another one.
pub fn picture(width: u32, height: u32, shift: u32) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let field = ((x + shift) / 23 * 7 + y / 17 * 13) % 5;
            let bend = (f64::from(x) / 31.0).sin() * 18.0 + f64::from(height) * 0.6;
            let river = (f64::from(y) - bend).abs() < 6.0;
            let roof = (x / 9 + y / 9 + shift).is_multiple_of(11) && y < height / 2;
            let colour = match (river, roof, field) {
                (true, ..) => [92, 122, 138],
                (_, true, _) => [168, 92, 74],
                (.., 0) => [120, 138, 84],
                (.., 1) => [148, 152, 98],
                (.., 2) => [98, 120, 78],
                (.., 3) => [170, 160, 120],
                _ => [110, 132, 92],
            };
            let grain = ((x * 31 + y * 17) % 13) as u8;
            pixels.extend(colour.map(|c: u8| c.saturating_add(grain)));
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    bytes
}

fn base(sample: &Sample) -> DatasetReport {
    DatasetReport {
        id: sample.config.id.clone(),
        title: sample.config.metadata.title.clone().unwrap_or_default(),
        kind: sample.config.kind.clone(),
        audience: sample.config.audience,
        crs: sample.facts.crs.to_string(),
        record: Some("5f0a2c1e-6d1b-5a8e-9c77-0d1f3a2b4c5d".to_owned()),
        last_success: Some("2026-11-21T02:31:00Z".parse().unwrap()),
        error: None,
        sources: SourceReport { count: sample.sources.len() as u64, ..SourceReport::default() },
        units: UnitReport::default(),
        counts: sample.facts.counts.clone(),
        previous_counts: Some(sample.facts.counts.clone()),
        usage: Usage { wall_s: 0.4, cpu_s: 0.3, peak_rss_mb: 210.0, bytes_in: 0, bytes_out: 0 },
        artefacts: sample
            .artefacts
            .iter()
            .map(|published| ArtefactReport {
                artefact: published.artefact.clone(),
                size: published.size,
                files: 1,
                digest: published.digest,
                href: Some(format!("../public/{}/{}", sample.config.id, published.artefact.path)),
                changed: false,
            })
            .collect(),
        operations: sample.facts.operations.iter().map(OperationReport::from).collect(),
        findings: Vec::new(),
        rejections: Vec::new(),
        quarantined: Vec::new(),
        map: Vec::new(),
        previews: Vec::new(),
        notes: Vec::new(),
    }
}

fn grid(step: f64, state: impl Fn(usize, usize) -> UnitState) -> Vec<MapUnit> {
    let mut map = Vec::new();
    for row in 0..(14_000.0 / step) as usize {
        for column in 0..(15_000.0 / step) as usize {
            let min = [556_000.0 + column as f64 * step, 5_946_000.0 + row as f64 * step];
            map.push(MapUnit {
                key: format!("12/{}/{}", 2165 + column, 1324 + row),
                bbox: Bbox::new(min, [min[0] + step, min[1] + step]),
                state: state(column, row),
                units: 1,
            });
        }
    }
    map
}

fn count(map: &[MapUnit], state: UnitState) -> u64 {
    map.iter().filter(|unit| unit.state == state).count() as u64
}

/// A night of an ordinary week: new pictures in the north-east, a delivery with errors, buildings unchanged.
pub fn yellow() -> ReportData {
    let samples = datasets();
    let mut reports: Vec<DatasetReport> = samples.iter().map(base).collect();
    let dop = &mut reports[0];
    dop.map = grid(1_000.0, |x, y| if x + y > 20 { UnitState::Done } else { UnitState::Reused });
    dop.units = UnitReport {
        planned: [("changed input".to_owned(), 24), ("new".to_owned(), 4)].into(),
        done: count(&dop.map, UnitState::Done),
        reused: count(&dop.map, UnitState::Reused),
        quarantined: 0,
        stale: 0,
    };
    dop.sources.expected = Some(76);
    dop.sources.changes = [(Change::Changed, 4), (Change::New, 1)].into();
    dop.sources.examples = vec![
        (Change::Changed, "in/dop/dop20rgbi_32_569_5958_1_sh_2026.tif".to_owned()),
        (Change::New, "in/dop/dop20rgbi_32_570_5959_1_sh_2026.tif".to_owned()),
    ];
    dop.sources.waiting = vec!["in/dop/dop20rgbi_32_571_5959_1_sh_2026.tif".to_owned()];
    dop.usage = Usage { wall_s: 402.0, cpu_s: 1_480.0, peak_rss_mb: 2_310.0, bytes_in: 2_128_000_000, bytes_out: 212_345_678 };
    dop.previews = vec![PreviewPair {
        title: "Orthophoto, Übersicht".to_owned(),
        before: Picture::of(&picture(280, 180, 0)),
        after: Picture::of(&picture(280, 180, 9)).unwrap(),
    }];
    dop.artefacts[1].changed = true;
    dop.notes = vec![("Bodenauflösung".to_owned(), "20 cm".to_owned()), ("Kacheln".to_owned(), "1.204.331".to_owned())];
    let alkis = &mut reports[1];
    alkis.map = grid(2_000.0, |x, y| match (x, y) {
        (3, 2) => UnitState::Stale,
        (3 | 4, 3 | 4) => UnitState::Done,
        _ => UnitState::Reused,
    });
    alkis.units = UnitReport {
        planned: [("new".to_owned(), 1), ("changed input".to_owned(), 4), ("retry".to_owned(), 1)].into(),
        done: 5,
        reused: 44,
        quarantined: 1,
        stale: 1,
    };
    alkis.sources.changes = [(Change::New, 2)].into();
    alkis.sources.examples = vec![(Change::New, "in/alkis/nba_2026-11-20.xml.gz".to_owned())];
    alkis.usage = Usage { wall_s: 38.2, cpu_s: 71.0, peak_rss_mb: 640.0, bytes_in: 61_410_000, bytes_out: 12_100_400 };
    if let Some(before) = alkis.previous_counts.as_mut() {
        before.of("AX_Flurstueck").output = 24_805;
        before.of("AX_Gebaeude").output = 31_411;
    }
    alkis.quarantined = vec![QuarantinedUnit {
        stage: "read".to_owned(),
        key: "in/alkis/nba_2026-11-21.xml.gz".to_owned(),
        code: "mk::cadastre::nas::truncated".to_owned(),
        reason: "the file ends inside wfs:Insert".to_owned(),
        place: Place::file("in/alkis/nba_2026-11-21.xml.gz").line(20_133).byte(1_833_712),
        stale: true,
        since: Some("2026-11-20T02:04:00Z".parse().unwrap()),
    }];
    alkis.rejections = (0u32..12)
        .map(|n| {
            let at = [562_010.0 + 91.7 * f64::from(n), 5_950_400.0 + 61.3 * f64::from(n)];
            let place = Place::file("in/alkis/nba_2026-11-20.xml.gz")
                .line(10_112 + 310 * u64::from(n))
                .object(format!("DESHALKA000{n:02}xQ7"))
                .at(at);
            let (object_type, code, reason) = if n < 9 {
                ("AX_Gebaeude", "mk::vector::ring_self_intersection", "the outer ring crosses itself")
            } else {
                ("AX_Flurstueck", "mk::cadastre::ring_open", "the ring does not close by 0.31 m")
            };
            Rejection { object_type: object_type.to_owned(), code: code.to_owned(), reason: reason.to_owned(), place }
        })
        .collect();
    alkis.findings = vec![
        FindingGroup {
            object_type: "AX_Flurstueck".to_owned(),
            code: "mk::cadastre::area_differs".to_owned(),
            reason: "the official area differs from the geometry by more than 2 %".to_owned(),
            count: 41,
            examples: vec![Place::file("in/alkis/bda_2026-10-01.xml.gz").object("DESHALKA00012abc")],
        },
        FindingGroup {
            object_type: "AX_Gebaeude".to_owned(),
            code: "mk::cadastre::duplicate".to_owned(),
            reason: "delivered twice with the same content".to_owned(),
            count: 3,
            examples: vec![],
        },
    ];
    let lod2 = &mut reports[2];
    lod2.map = grid(1_000.0, |_, _| UnitState::Reused);
    lod2.units.reused = lod2.map.len() as u64;
    assemble(reports, 3)
}

fn assemble(datasets: Vec<DatasetReport>, exit: u8) -> ReportData {
    let released = Some("2026-11-21T02:31:00Z".parse().unwrap());
    let release = |id: &str| ReleaseReport {
        id: id.to_owned(),
        released,
        manifest: Some(Digest::of(id.as_bytes())),
        files: 8_412,
        bytes: 4_612_345_678,
    };
    let mut nights: Vec<Night> = (0..21)
        .map(|n: i64| Night {
            run: format!("{}", 412 - n),
            started: jiff::Timestamp::from_second(1_795_226_400 - n * 86_400).unwrap(),
            exit: Some(match n {
                0 => exit,
                5 => 1,
                9 | 10 => 3,
                _ => 0,
            }),
            release: (n != 5).then(|| format!("2026-11-{:02}T0230", 21 - n.min(20))),
            done: if n % 6 == 0 { 33 } else { 2 },
            quarantined: u64::from(n == 9 || n == 10),
            rejected: if n == 9 { 12 } else { 0 },
            wall_s: [441.0, 62.0, 58.0, 71.0, 60.0, 12.0][(n % 6) as usize],
        })
        .collect();
    nights[0].quarantined = u64::from(exit == 3);
    ReportData {
        schema_version: SCHEMA_VERSION,
        run: RunReport {
            id: "412".to_owned(),
            pipeline: "beispielstadt".to_owned(),
            started: "2026-11-21T02:00:03Z".parse().unwrap(),
            ended: "2026-11-21T02:07:24Z".parse().unwrap(),
            time_zone: Some("UTC".to_owned()),
            exit,
            error: None,
        },
        release: Some(release("2026-11-21T0207-9f3a")),
        previous: Some(release("2026-11-20T0206-11b0")),
        datasets,
        withdrawn: Vec::new(),
        usage: Usage { wall_s: 441.0, cpu_s: 1_551.0, peak_rss_mb: 2_310.0, bytes_in: 2_189_410_000, bytes_out: 224_446_078 },
        software: [("messkette", "0.1.0"), ("GDAL", "3.6.2"), ("PROJ", "9.1.1"), ("SQLite", "3.40.1")]
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .into(),
        machine: Machine { system: "Debian GNU/Linux 12 (x86_64)".to_owned(), cpus: 8, memory_mb: 32_096, jobs: 8 },
        nights,
    }
}

/// Nothing new.
pub fn green() -> ReportData {
    let mut reports: Vec<DatasetReport> = datasets().iter().map(base).collect();
    for report in &mut reports {
        report.map = grid(1_000.0, |_, _| UnitState::Reused);
        report.units.reused = report.map.len() as u64;
        for count in report.counts.0.values_mut() {
            count.input -= count.rejected;
            count.rejected = 0;
        }
    }
    let mut data = assemble(reports, 0);
    data.usage = Usage { wall_s: 1.4, cpu_s: 1.1, peak_rss_mb: 84.0, bytes_in: 0, bytes_out: 0 };
    data
}

/// A run that failed at the end.
pub fn red() -> ReportData {
    let mut data = yellow();
    data.release = None;
    data.run.exit = 1;
    data.run.error = Some(ErrorReport {
        code: "mk::io::space".to_owned(),
        message: "cannot write the artefact: no space left on device".to_owned(),
        place: Place::file("work/releases/next/public/dop20-2026/orthophoto.pmtiles"),
        hint: Some("free 12 GB below work/, or lower keep_releases".to_owned()),
    });
    data
}

/// Every text hostile, every list long: what must neither break out nor blow up.
pub fn hostile() -> ReportData {
    let mut data = yellow();
    let long = format!("{EVIL}{}", "ü".repeat(2_000));
    let mut one = data.datasets[1].clone();
    one.title = long.clone();
    one.notes = vec![(long.clone(), long.clone()); 500];
    one.crs = long.clone();
    one.units.planned = [(long.clone(), 1)].into();
    one.map = grid(60.0, |x, y| if (x + y) % 50 == 0 { UnitState::Done } else { UnitState::Reused });
    one.previews = vec![
        PreviewPair {
            title: long.clone(),
            before: None,
            after: Picture { media_type: "image/svg+xml".to_owned(), base64: "AAAA".to_owned() },
        },
        PreviewPair {
            title: long.clone(),
            before: None,
            after: Picture { media_type: "image/png".to_owned(), base64: "AAAA\" onload=\"x".to_owned() },
        },
        PreviewPair {
            title: long.clone(),
            before: None,
            after: Picture { media_type: "image/png".to_owned(), base64: "A".repeat(5_000_000) },
        },
    ];
    let place = Place { at: Some([f64::NAN, f64::INFINITY]), ..Place::file(&long).object(&long).line(u64::MAX) };
    let rejection = Rejection { object_type: long.clone(), code: long.clone(), reason: long.clone(), place: place.clone() };
    one.rejections = vec![rejection; 300];
    one.quarantined = vec![
        QuarantinedUnit {
            stage: long.clone(),
            key: long.clone(),
            code: long.clone(),
            reason: long.clone(),
            place,
            stale: false,
            since: None,
        };
        400
    ];
    one.findings = FindingGroup::group(&one.rejections);
    one.sources.missing = vec![long.clone(); 1_000];
    one.sources.waiting = vec![long.clone(); 1_000];
    one.artefacts[0].artefact.path = long.clone();
    one.artefacts[0].href = Some("javascript:alert(1)".to_owned());
    one.error =
        Some(ErrorReport { code: long.clone(), message: long.clone(), place: Place::default(), hint: Some(long.clone()) });
    for n in 0..2_000 {
        one.counts.of(&format!("{EVIL}{n}")).rejected = 1_000_000;
    }
    data.datasets = (0..30)
        .map(|n| {
            let mut dataset = one.clone();
            dataset.id = format!("d{n}");
            dataset
        })
        .collect();
    data.run.pipeline = EVIL.to_owned();
    data.run.time_zone = Some(EVIL.to_owned());
    data.software = [(long.clone(), long.clone())].into();
    data.usage.peak_rss_mb = f64::INFINITY;
    data.usage.wall_s = f64::NAN;
    data
}
