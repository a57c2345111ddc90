//! What the API searches: positions and times of all pictures, read once for each release from the files that drive the page. A picture
//! takes 72 bytes here; what else is known of it stays on disk until it is asked for.

use crate::error::{Error, Place, Result};
use crate::format::pmtiles;
use crate::pipeline::Audience;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use uuid::Uuid;

/// Pictures of all surveys at most: 360 MB.
const MOST_PICTURES: usize = 5_000_000;
/// The largest file that is read whole (bytes).
pub const MOST_FILE: u64 = 1 << 28;

/// A survey: a dataset of the release.
pub struct Survey {
    /// Its folder.
    pub folder: PathBuf,
    /// Identifier of the dataset.
    pub id: String,
    /// Title.
    pub title: String,
    /// Vector tiles, where they could be opened.
    pub tiles: Option<Mutex<pmtiles::Reader>>,
}

/// A sequence: what one drive took without a break.
pub struct Sequence {
    /// Identifier.
    pub id: Uuid,
    /// Which survey.
    pub survey: usize,
    /// First and last moment.
    pub times: [Timestamp; 2],
    /// West, south, east, north.
    pub bbox: [f64; 4],
    /// Its pictures in [`Index::pictures`], in the order of driving.
    pub pictures: Range<usize>,
}

/// A picture, as far as it is searched.
#[derive(Debug, Clone, Copy)]
pub struct Picture {
    /// Identifier.
    pub id: Uuid,
    /// Longitude and latitude, degrees.
    pub lonlat: [f64; 2],
    /// When it was taken: microseconds since 1970.
    pub time: i64,
    /// Which sequence.
    pub sequence: u32,
}

/// All surveys of a release.
#[derive(Default)]
pub struct Index {
    /// Surveys, by the identifier of their dataset.
    pub surveys: Vec<Survey>,
    /// Sequences, the earliest first.
    pub sequences: Vec<Sequence>,
    /// Pictures, sequence by sequence.
    pub pictures: Vec<Picture>,
    /// Pictures in the order of time.
    pub by_time: Vec<u32>,
    by_id: Vec<(Uuid, u32)>,
    sequence_by_id: BTreeMap<Uuid, usize>,
}

#[derive(Deserialize)]
struct DriveFile {
    title: String,
    blurred: bool,
    sequences: Vec<SequenceEntry>,
}

#[derive(Deserialize)]
struct SequenceEntry {
    id: Uuid,
    datetime: [Timestamp; 2],
    bbox: [f64; 4],
}

#[derive(Deserialize)]
struct SequenceFile {
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Frame {
    id: Uuid,
    datetime: Timestamp,
    lon: f64,
    lat: f64,
}

impl Index {
    /// Of the folder of a release's audience. A survey that cannot be read is left out, and the log says why.
    pub fn read(folder: &Path, audience: Audience) -> Self {
        let mut index = Self::default();
        let mut datasets: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        datasets.sort();
        let mut sequences = Vec::new();
        let mut frames = 0;
        for folder in datasets.into_iter().filter(|folder| folder.join("drive.json").is_file()) {
            match survey(&folder, audience, MOST_PICTURES.saturating_sub(frames)) {
                Ok(Some((survey, found))) => {
                    frames += found.iter().map(|(_, frames)| frames.len()).sum::<usize>();
                    sequences.extend(found.into_iter().map(|(entry, frames)| (index.surveys.len(), entry, frames)));
                    index.surveys.push(survey);
                }
                Ok(None) => {
                    tracing::warn!("{}: its pictures are not blurred, so it is not served to the public", folder.display());
                }
                Err(error) => tracing::error!("{}", error.full_message()),
            }
        }
        sequences.sort_by_key(|(_, entry, _)| (entry.datetime, entry.id));
        for (survey, entry, frames) in sequences {
            if index.sequence_by_id.insert(entry.id, index.sequences.len()).is_some() {
                tracing::error!("two sequences have the identifier {}", entry.id);
                continue;
            }
            let first = index.pictures.len();
            let sequence = index.sequences.len() as u32;
            index.pictures.extend(frames.into_iter().map(|frame| Picture {
                id: frame.id,
                lonlat: [frame.lon, frame.lat],
                time: frame.datetime.as_microsecond(),
                sequence,
            }));
            let pictures = first..index.pictures.len();
            index.sequences.push(Sequence { id: entry.id, survey, times: entry.datetime, bbox: entry.bbox, pictures });
        }
        index.by_id = index.pictures.iter().zip(0..).map(|(picture, place)| (picture.id, place)).collect();
        index.by_id.sort_unstable();
        index.by_time = (0..index.pictures.len() as u32).collect();
        let pictures = &index.pictures;
        index.by_time.sort_by_key(|place| pictures.get(*place as usize).map(|picture| picture.time));
        index
    }

    /// Where the picture stands, if there is one.
    pub fn picture(&self, id: Uuid) -> Option<usize> {
        let at = self.by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.by_id.get(at).map(|(_, place)| *place as usize)
    }

    /// The sequence, if there is one.
    pub fn sequence(&self, id: Uuid) -> Option<&Sequence> {
        self.sequences.get(*self.sequence_by_id.get(&id)?)
    }

    /// The extent of everything: west, south, east, north.
    pub fn bbox(&self) -> Option<[f64; 4]> {
        let all = self.sequences.iter().map(|sequence| sequence.bbox);
        all.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
    }
}

type Found = (Survey, Vec<(SequenceEntry, Vec<Frame>)>);

fn survey(folder: &Path, audience: Audience, most: usize) -> Result<Option<Found>> {
    let drive: DriveFile = json(&folder.join("drive.json"))?;
    // The kind does not put such pictures into the public tree; should they ever be there, they go no further.
    if audience == Audience::Public && !drive.blurred {
        return Ok(None);
    }
    let id = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut left = most;
    let mut sequences = Vec::new();
    for entry in drive.sequences {
        let path = folder.join("drive").join(format!("{}.json", entry.id));
        let file: SequenceFile = json(&path)?;
        left = left.checked_sub(file.frames.len()).ok_or_else(|| {
            Error::new("mk::serve::pictures", format!("more than {MOST_PICTURES} pictures are not served"))
                .at(Place::file(path.display().to_string()))
        })?;
        sequences.push((entry, file.frames));
    }
    let tiles = pmtiles::Reader::open(&folder.join("street_survey.pmtiles"));
    let tiles = tiles.inspect_err(|error| tracing::error!("{}", error.full_message())).ok().map(Mutex::new);
    Ok(Some((Survey { folder: folder.to_owned(), id, title: drive.title, tiles }, sequences)))
}

/// A file of a release as JSON.
///
/// # Errors
/// When it cannot be read, is larger than [`MOST_FILE`], or is something else.
pub fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new("mk::serve::survey", "cannot read a file of a street survey")
            .at(Place::file(path.display().to_string()))
            .because(error)
    };
    let size = std::fs::metadata(path).map_err(|error| failed(error.into()))?.len();
    if size > MOST_FILE {
        return Err(failed(format!("{size} bytes are more than {MOST_FILE}").into()));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.into()))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))
}
