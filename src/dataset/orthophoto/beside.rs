//! What lies beside an image and says where it is: a world file, GDAL's `.aux.xml`, a `.prj`.
//!
//! They are inputs of the image's unit: who mends a world file gets new tiles. A member of an archive has them beside it in the archive.

use crate::error::{Error, Place, Result};
use crate::io::{Limits, Source};
use quick_xml::events::Event;
use std::path::Path;

/// Largest such file.
const MAX_BYTES: u64 = 1 << 20;

/// Names of the files that may lie beside an image: ESRI's world files (two or three letters of the ending and a `w`, or `wld`),
/// GDAL's PAM, ESRI's CRS.
pub fn names(image: &str) -> Vec<String> {
    let (stem, ending) = image.rsplit_once('.').unwrap_or((image, ""));
    let mut letters = ending.chars();
    let short = letters.next().zip(letters.last()).map(|(first, last)| format!("{first}{last}w"));
    let mut endings: Vec<String> = short.into_iter().chain([format!("{ending}w"), "wld".to_owned(), "prj".to_owned()]).collect();
    endings.extend(endings.clone().iter().map(|ending| ending.to_uppercase()));
    let mut names: Vec<String> = endings.iter().map(|ending| format!("{stem}.{ending}")).collect();
    names.push(format!("{image}.aux.xml"));
    names.sort();
    names.dedup();
    names
}

fn limits() -> Limits {
    Limits { max_bytes: MAX_BYTES, ..Limits::default() }
}

/// What the files beside an image say.
#[derive(Debug, Default, PartialEq)]
pub struct Beside {
    /// Georeference of the `.aux.xml`: GDAL takes it before the image's own.
    pub transform: Option<[f64; 6]>,
    /// Georeference of the world file, for an image that has none of its own.
    pub world: Option<[f64; 6]>,
    /// CRS as WKT, of the `.aux.xml` or else of the `.prj`.
    pub crs: Option<String>,
    /// The value without data, of the `.aux.xml`.
    pub nodata: Option<f64>,
}

impl Beside {
    /// Reads them.
    ///
    /// # Errors
    /// When one is broken.
    pub fn read(files: &[Source]) -> Result<Self> {
        let mut beside = Self::default();
        let mut prj = None;
        for file in files {
            let bytes = file.bytes(limits())?;
            let text = String::from_utf8_lossy(&bytes);
            let name = file.file_name().to_lowercase();
            if name.ends_with(".aux.xml") {
                beside.add_pam(&text).map_err(|error| error.at(Place::file(&file.name)))?;
            } else if name.rsplit('.').next() == Some("prj") {
                prj = Some(text.trim().to_owned());
            } else {
                let broken = || broken("a world file holds six numbers, one on each line").at(Place::file(&file.name));
                beside.world = Some(world(&text).ok_or_else(broken)?);
            }
        }
        beside.crs = beside.crs.or(prj);
        Ok(beside)
    }

    fn add_pam(&mut self, text: &str) -> Result<()> {
        let mut reader = quick_xml::Reader::from_str(text);
        let mut path: Vec<String> = Vec::new();
        let mut value = String::new();
        let damaged = |error: quick_xml::Error| broken("the .aux.xml is no XML that can be read").because(error);
        loop {
            match reader.read_event().map_err(damaged)? {
                Event::Start(element) => {
                    path.push(element.name().as_ref().to_owned());
                    value.clear();
                    if path.len() > 32 {
                        return Err(broken("the .aux.xml is nested too deeply"));
                    }
                }
                Event::Text(text) => value.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    value.push_str(quick_xml::escape::resolve_predefined_entity(&reference.xml10_content()).unwrap_or_default());
                }
                Event::End(_) => {
                    match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                        ["PAMDataset", "SRS"] => self.crs = Some(value.trim().to_owned()),
                        ["PAMDataset", "GeoTransform"] => {
                            let numbers: Option<Vec<f64>> = value.split(',').map(number).collect();
                            let numbers = numbers.and_then(|numbers| <[f64; 6]>::try_from(numbers).ok());
                            self.transform =
                                Some(numbers.ok_or_else(|| broken("the GeoTransform of the .aux.xml is not six numbers"))?);
                        }
                        ["PAMDataset", "PAMRasterBand", "NoDataValue"] if self.nodata.is_none() => self.nodata = number(&value),
                        _ => {}
                    }
                    path.pop();
                    value.clear();
                }
                Event::DocType(_) => return Err(broken("the .aux.xml has a DOCTYPE, which is not read")),
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }
}

fn broken(reason: &str) -> Error {
    Error::new("mk::orthophoto::beside", reason)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// ESRI's world file: pixel size and rotation, then the place of the upper left pixel's centre. A decimal comma counts as a point.
fn world(text: &str) -> Option<[f64; 6]> {
    let numbers: Option<Vec<f64>> = text.split_whitespace().map(|word| number(&word.replace(',', "."))).collect();
    let [a, d, b, e, x, y] = <[f64; 6]>::try_from(numbers?).ok()?;
    Some([x - 0.5 * a - 0.5 * b, a, b, y - 0.5 * d - 0.5 * e, d, e])
}

/// True when a file's name is that of ECW, which no driver of a free GDAL reads.
pub fn is_ecw(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ecw"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::beside::Finder;

    #[test]
    fn names_of_files_beside_an_image() {
        let names = names("dop20.tif");
        for name in ["dop20.tfw", "dop20.tifw", "dop20.wld", "dop20.TFW", "dop20.prj", "dop20.tif.aux.xml"] {
            assert!(names.iter().any(|other| other == name), "{name}");
        }
        assert!(super::names("a.jpg").contains(&"a.jgw".to_owned()) && super::names("a.jp2").contains(&"a.j2w".to_owned()));
    }

    #[test]
    fn what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.tif", "");
        write("a.tfw", "0.2\n0.0\n0.0\r\n-0,2\n565000.1\n5948999.9\n");
        write("a.prj", "PROJCS[...]");
        write("b.tfw", "no numbers");
        let image = Source::of_file(&folder.path().join("a.tif"), "in/a.tif").unwrap();
        let files = Finder::default().of(&image, names).unwrap();
        assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["in/a.prj", "in/a.tfw"]);
        let beside = Beside::read(&files).unwrap();
        assert_eq!(beside.world, Some([565_000.0, 0.2, 0.0, 5_949_000.0, 0.0, -0.2]));
        assert_eq!((beside.crs.as_deref(), beside.transform), (Some("PROJCS[...]"), None));
        write(
            "a.tif.aux.xml",
            "<PAMDataset><SRS dataAxisToSRSAxisMapping=\"1,2\">PROJCS[&quot;x&quot;]</SRS><GeoTransform> 1, 2,0, 3.0e+00,0,-2</GeoTransform>\
             <PAMRasterBand band=\"1\"><NoDataValue>0</NoDataValue><GeoTransform>9</GeoTransform></PAMRasterBand></PAMDataset>",
        );
        let beside = Beside::read(&Finder::default().of(&image, names).unwrap()).unwrap();
        assert_eq!(beside.crs.as_deref(), Some("PROJCS[\"x\"]"));
        assert_eq!((beside.transform, beside.nodata), (Some([1.0, 2.0, 0.0, 3.0, 0.0, -2.0]), Some(0.0)));
        write("a.tif.aux.xml", "<!DOCTYPE a []><PAMDataset/>");
        insta::assert_snapshot!(Beside::read(&Finder::default().of(&image, names).unwrap()).unwrap_err(), @"the .aux.xml has a DOCTYPE, which is not read (in/a.tif.aux.xml)");
        let other = Source::of_file(&folder.path().join("b.tfw"), "b.tfw").unwrap();
        insta::assert_snapshot!(Beside::read(&[other]).unwrap_err(), @"a world file holds six numbers, one on each line (b.tfw)");
    }
}
