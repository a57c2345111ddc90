//! What OGR reads, behind the fence of drivers: `GeoPackage`, Shape, `GeoJSON`, `FlatGeobuf`, GML, `MapInfo`, DXF.

use super::feature::{Column, Raw, Value};
use super::options::{FieldType, Reading};
use super::source::{CHUNK, Head, Sink, settle_crs};
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::io::gdal::{failed, open_vector_with, watched};
use crate::io::sniff::Content;
use gdal::spatial_ref::SpatialRef;
use gdal::vector::{Feature, Layer, LayerAccess, OGRFieldType, OGRwkbGeometryType};
use std::io::Read;
use std::path::Path;

const UNREADABLE: &str = "its features cannot be read";

/// Reads a file's layer into a sink.
///
/// # Errors
/// When GDAL cannot read it, or reports any failure while it does.
pub fn read(path: &Path, content: Content, reading: &Reading<'_>, sink: &mut dyn Sink) -> Result<()> {
    let (drivers, settings) = drivers(path, content, reading)?;
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let dataset = open_vector_with(path, drivers, &settings)?;
    let names: Vec<String> = dataset.layers().map(|layer| layer.name()).collect();
    let name = match (reading.layer, &names[..]) {
        (Some(wanted), _) if names.iter().any(|name| name == wanted) => wanted,
        (Some(wanted), _) => {
            let error = Error::new("mk::features::layer", format!("the file has no layer '{wanted}'"));
            return Err(error.hint(format!("it has {}", listed(&names))));
        }
        (None, [only]) => only,
        (None, []) => return Err(Error::new("mk::features::layer", "the file has no layer")),
        (None, _) => {
            let error = Error::new("mk::features::layer", format!("the file has {} layers", names.len()));
            return Err(error.hint(format!("say which one is read: layer = \"...\"; it has {}", listed(&names))));
        }
    };
    let what = "its layer cannot be opened";
    let mut layer = watched(path, what, || dataset.layer_by_name(name).map_err(|_| failed(what)))?;
    let head = head(path, content, &layer, reading)?;
    let wanted = sink.begin(&head)?;
    watched(path, UNREADABLE, || features(&mut layer, &head.columns, &wanted, sink))
}

/// The drivers that may read the content, with their settings.
fn drivers(path: &Path, content: Content, reading: &Reading<'_>) -> Result<(&'static [&'static str], Vec<String>)> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let encoding = |key: &str| reading.encoding.iter().map(|name| format!("{key}={name}")).collect();
    Ok(match content {
        Content::Sqlite => (&["GPKG"], Vec::new()),
        Content::Shapefile => (&["ESRI Shapefile"], encoding("ENCODING")),
        Content::FlatGeobuf => (&["FlatGeobuf"], Vec::new()),
        Content::Json => (&["GeoJSON", "GeoJSONSeq"], Vec::new()),
        // Nothing is noted beside the file, and nothing beside it is taken for its schema.
        Content::Xml => (&["GML"], vec!["WRITE_GFS=NO".to_owned(), "EXPOSE_FID=NO".to_owned()]),
        Content::Other if matches!(ending.as_str(), "tab" | "mif") => (&["MapInfo File"], Vec::new()),
        Content::Other if ending == "dxf" => (&["DXF"], Vec::new()),
        other => {
            return Err(Error::new(
                "mk::io::content",
                format!("the file is {}, which no reader of vector data takes", other.name()),
            )
            .hint("GeoPackage, Shape, GeoJSON, FlatGeobuf, GML, CSV (.csv), MapInfo (.tab, .mif) and DXF (.dxf) are read"));
        }
    })
}

fn listed(names: &[String]) -> String {
    let more = if names.len() > 10 { " …" } else { "" };
    format!("{}{more}", names.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", "))
}

fn head(path: &Path, content: Content, layer: &Layer<'_>, reading: &Reading<'_>) -> Result<Head> {
    let reference = layer.spatial_ref();
    let mut said = reference.as_ref().and_then(code);
    // RFC 7946 (4) makes WGS 84 of what is not said, except by prior arrangement: that is what the pipeline file is.
    if content == Content::Json && reading.source_crs.is_some() && said == Some(Crs::WGS84) && !names_crs(path)? {
        said = None;
    }
    let placeless = reading.places_optional && layer.defn().geometry_type() == OGRwkbGeometryType::wkbNone;
    if placeless && said.is_none() {
        said = reading.source_crs.or(Some(Crs::WGS84));
    }
    let unnamed = reference.as_ref().and_then(SpatialRef::name);
    let columns = layer.defn().fields().map(|field| Column { name: field.name(), field_type: field_type(field.field_type()) });
    Ok(Head {
        layer: layer.name(),
        crs: settle_crs(said, unnamed.as_deref(), reading.source_crs)?,
        columns: columns.collect(),
        hidden: Vec::new(),
    })
}

/// The EPSG code of a CRS; that of the horizontal part where heights have their own.
fn code(reference: &SpatialRef) -> Option<Crs> {
    let epsg = |reference: &SpatialRef| {
        let named = reference.auth_name().is_some_and(|name| name == "EPSG");
        reference.auth_code().ok().filter(|_| named).and_then(|code| u32::try_from(code).ok())
    };
    let part = |name: &str| {
        let text = |index| reference.get_attr_value(&format!("{name}|AUTHORITY"), index).ok().flatten();
        text(0).filter(|authority| authority == "EPSG").and_then(|_| text(1)?.parse().ok())
    };
    let crs84 = || reference.name().is_some_and(|name| name.contains("CRS84")).then_some(Crs::WGS84.0);
    epsg(reference)
        .or_else(|| if reference.is_compound() { part("PROJCS").or_else(|| part("GEOGCS")) } else { None })
        .or_else(crs84)
        .map(Crs)
}

/// Bytes of a GeoJSON file that are searched for the name of a CRS: it stands before the features, if anywhere.
const HEAD_BYTES: u64 = 64 << 10;

/// True when a GeoJSON file has the member `crs` of its 2008 edition.
fn names_crs(path: &Path) -> Result<bool> {
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    read.map_err(|error| Error::new("mk::io::read", "cannot read the file").because(error))?;
    Ok(memchr::memmem::find(&head, b"\"crs\"").is_some())
}

fn field_type(field_type: OGRFieldType::Type) -> FieldType {
    match field_type {
        OGRFieldType::OFTInteger | OGRFieldType::OFTInteger64 => FieldType::Integer,
        OGRFieldType::OFTReal => FieldType::Number,
        OGRFieldType::OFTDate => FieldType::Date,
        _ => FieldType::Text,
    }
}

fn features(layer: &mut Layer<'_>, columns: &[Column], wanted: &[Option<usize>], sink: &mut dyn Sink) -> Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut number = 0;
    for feature in layer.features() {
        number += 1;
        let values = wanted.iter().map(|index| match index {
            Some(index) => value(&feature, *index, columns[*index].field_type),
            None => Ok(Value::Null),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        // By its index: the shorter call does not tell a feature without a geometry.
        let geometry = match feature.geometry_by_index(0) {
            Ok(geometry) => Ok(geometry.wkb().map_err(|_| failed(UNREADABLE))?),
            Err(_) => Err("it has no geometry"),
        };
        chunk.push(Raw { number: feature.fid().unwrap_or(number), line: None, geometry, values });
        if chunk.len() >= CHUNK {
            sink.take(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)))?;
        }
    }
    if chunk.is_empty() { Ok(()) } else { sink.take(chunk) }
}

fn value(feature: &Feature<'_>, index: usize, field_type: FieldType) -> Result<Value> {
    let failed = |_| failed(UNREADABLE);
    Ok(match field_type {
        // A member that a GeoJSON feature lacks is no null for GDAL: it counts as zero, but its text is empty.
        FieldType::Integer => match feature.field_as_integer64(index).map_err(failed)? {
            Some(0) if is_blank(feature, index) => Value::Null,
            whole => whole.map_or(Value::Null, Value::Whole),
        },
        FieldType::Number => match feature.field_as_double(index).map_err(failed)? {
            Some(0.0) if is_blank(feature, index) => Value::Null,
            real => real.map_or(Value::Null, Value::Real),
        },
        // GDAL's text of a day is one that is understood here.
        _ => feature.field_as_string(index).map_err(failed)?.map_or(Value::Null, Value::Text),
    })
}

fn is_blank(feature: &Feature<'_>, index: usize) -> bool {
    feature.field_as_string(index).is_ok_and(|text| text.is_none_or(|text| text.is_empty()))
}
