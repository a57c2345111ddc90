//! FlatGeobuf 3: a table with geometry as one file that a browser reads in parts, along a packed R-tree.
//!
//! ```text
//! magic bytes, header (columns, CRS, extent, number of features), R-tree from its root to its leaves, features
//! ```
//!
//! Features stand in the order of their rows, which is to follow the Hilbert curve: then the tree, which is laid over them as they
//! come, is as good as one that is sorted first, and nothing is kept in memory but its upper levels. Rows without a geometry are
//! left out: the format's index knows places only.

use crate::crs::{Bbox, Crs, name_and_wkt};
use crate::error::{Error, Place, Result};
use crate::format::cells::{Cell, Cells};
use crate::format::wkb;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use flatgeobuf::{
    Column, ColumnArgs, ColumnType, Crs as FgbCrs, CrsArgs, Feature, FeatureArgs, Geometry, GeometryArgs, GeometryType, Header,
    HeaderArgs,
};
use geo::{LineString, Polygon};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// The first bytes of a file: name, major version, name, patch level.
const MAGIC: [u8; 8] = [b'f', b'g', b'b', 3, b'f', b'g', b'b', 0];
/// Children of a node of the tree.
const CHILDREN: usize = 16;
/// Bytes of a node: four coordinates, and where its features or children begin.
const NODE: u64 = 4 * 8 + 8;

/// What the file is called and holds.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Name of the layer.
    pub name: &'a str,
    /// Title for people.
    pub title: &'a str,
    /// Name of the column with WKB.
    pub geometry: &'a str,
    /// As the standard for GeoPackage names it: `MULTIPOLYGON`, `POINT`; anything else is a mixture.
    pub geometry_type: &'a str,
    /// CRS of the geometry.
    pub crs: Option<Crs>,
}

/// Writes a table to a file; `located` is the number of its rows that have a geometry. Without any there is no file.
///
/// # Errors
/// When the geometry column is missing or holds no WKB or one of another type than the options say, a column's type is not known,
/// the rows are not as many as said, or the file cannot be written.
pub fn write_file(
    path: &Path,
    schema: &SchemaRef,
    located: u64,
    batches: impl IntoIterator<Item = Result<RecordBatch>>,
    options: &Options<'_>,
) -> Result<()> {
    if located == 0 {
        return Ok(());
    }
    let mut writer = Writer::create(path, schema, located, options)?;
    batches.into_iter().try_for_each(|batch| writer.rows(&batch?))?;
    writer.finish().map_err(|error| error.at(Place::file(path.display().to_string())))
}

/// A file being written: its features by one handle, the leaves of its tree by another, as both grow at once.
struct Writer<'o> {
    options: &'o Options<'o>,
    schema: SchemaRef,
    geometry: usize,
    kind: GeometryType,
    located: u64,
    header: u64,
    tree: Tree,
    features: BufWriter<File>,
    leaves: BufWriter<File>,
    extent: Bbox,
    encoder: Encoder,
}

impl<'o> Writer<'o> {
    fn create(path: &Path, schema: &SchemaRef, located: u64, options: &'o Options<'o>) -> Result<Self> {
        let geometry = schema.index_of(options.geometry).map_err(failed)?;
        let kind = match options.geometry_type {
            "POINT" => GeometryType::Point,
            "LINESTRING" => GeometryType::LineString,
            "POLYGON" => GeometryType::Polygon,
            "MULTIPOINT" => GeometryType::MultiPoint,
            "MULTILINESTRING" => GeometryType::MultiLineString,
            "MULTIPOLYGON" => GeometryType::MultiPolygon,
            _ => GeometryType::Unknown,
        };
        let header = header(options, schema, geometry, kind, located, &Bbox::new([0.0; 2], [0.0; 2]))?.len() as u64;
        let tree = Tree::new(located);
        let features = crate::io::atomic::create_unseen(path)?;
        let leaves = File::options().write(true).open(path).map_err(failed)?;
        let mut writer = Self {
            options,
            schema: schema.clone(),
            geometry,
            kind,
            located,
            header,
            tree,
            features: BufWriter::with_capacity(1 << 18, features),
            leaves: BufWriter::with_capacity(1 << 16, leaves),
            extent: Bbox::EMPTY,
            encoder: Encoder::default(),
        };
        let (begin, leaves) = (MAGIC.len() as u64 + header, writer.tree.first_leaf() * NODE);
        writer.features.seek(SeekFrom::Start(begin + writer.tree.nodes() * NODE)).map_err(failed)?;
        writer.leaves.seek(SeekFrom::Start(begin + leaves)).map_err(failed)?;
        Ok(writer)
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let shapes = batch.column(self.geometry);
        let shapes = shapes.as_binary_opt::<i32>().ok_or_else(|| failed("the geometry is no column of bytes"))?;
        let columns = batch.columns().iter().enumerate().filter(|(index, _)| *index != self.geometry);
        let columns: Vec<Cells<'_>> =
            columns.map(|(_, column)| Cells::of(column).ok_or_else(|| untold(column.data_type()))).collect::<Result<_>>()?;
        for row in (0..batch.num_rows()).filter(|row| shapes.is_valid(*row)) {
            let bbox = wkb::summary(shapes.value(row))?.bbox;
            self.extent = self.extent.union(bbox);
            let feature = self.encoder.feature(&columns, row, &wkb::decode(shapes.value(row))?, self.kind)?;
            self.features.write_all(feature).map_err(failed)?;
            let node = self.tree.add(bbox, feature.len() as u64);
            self.leaves.write_all(&node.bytes()).map_err(failed)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        if self.tree.count != self.located {
            return Err(failed("there are not as many rows with a geometry as was said"));
        }
        let header = header(self.options, &self.schema, self.geometry, self.kind, self.located, &self.extent)?;
        if header.len() as u64 != self.header {
            return Err(failed("the header has another length than before"));
        }
        let write = || -> std::io::Result<()> {
            self.leaves.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            let mut file = self.features.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&MAGIC)?;
            file.write_all(&header)?;
            file.write_all(&self.tree.above())
        };
        write().map_err(failed)
    }
}

/// A node of the tree.
#[derive(Clone, Copy)]
struct Node {
    bbox: Bbox,
    /// Of a leaf: where its feature begins, from the first one; else the number of its first child.
    at: u64,
}

impl Node {
    fn bytes(&self) -> [u8; NODE as usize] {
        let Bbox { min, max } = self.bbox;
        let mut bytes = [0; NODE as usize];
        let numbers = [min[0], min[1], max[0], max[1]].map(f64::to_le_bytes);
        for (slot, number) in bytes.chunks_exact_mut(8).zip(numbers.into_iter().chain([self.at.to_le_bytes()])) {
            slot.copy_from_slice(&number);
        }
        bytes
    }
}

/// The packed tree over features as they come; all its levels but the lowest are kept.
struct Tree {
    /// Nodes of each level, the leaves first, the root last.
    sizes: Vec<u64>,
    levels: Vec<Vec<Node>>,
    count: u64,
    at: u64,
}

impl Tree {
    fn new(leaves: u64) -> Self {
        let mut sizes = vec![leaves];
        let mut size = leaves;
        loop {
            size = size.div_ceil(CHILDREN as u64);
            sizes.push(size);
            if size <= 1 {
                break;
            }
        }
        Self { levels: vec![Vec::new(); sizes.len() - 1], sizes, count: 0, at: 0 }
    }
    fn nodes(&self) -> u64 {
        self.sizes.iter().sum()
    }
    /// Number of the first leaf: after all other nodes.
    fn first_leaf(&self) -> u64 {
        self.nodes() - self.sizes[0]
    }
    /// Takes a feature of a length; gives its leaf.
    fn add(&mut self, bbox: Bbox, length: u64) -> Node {
        let leaf = Node { bbox, at: self.at };
        let (mut index, mut first) = (self.count, self.first_leaf());
        for (level, nodes) in self.levels.iter_mut().enumerate() {
            // Its child is the first of a node, or widens the last one.
            if index.is_multiple_of(CHILDREN as u64) && index / CHILDREN as u64 == nodes.len() as u64 {
                nodes.push(Node { bbox, at: first + index });
            } else if let Some(last) = nodes.last_mut() {
                last.bbox = last.bbox.union(bbox);
            }
            index /= CHILDREN as u64;
            first -= self.sizes[level + 1];
        }
        self.count += 1;
        self.at += length;
        leaf
    }
    /// The nodes above the leaves, the root first.
    fn above(&self) -> Vec<u8> {
        self.levels.iter().rev().flatten().flat_map(Node::bytes).collect()
    }
}

fn header(
    options: &Options<'_>,
    schema: &SchemaRef,
    geometry: usize,
    kind: GeometryType,
    located: u64,
    extent: &Bbox,
) -> Result<Vec<u8>> {
    let names = options.crs.map(name_and_wkt).transpose()?;
    let mut builder = FlatBufferBuilder::new();
    let mut columns = Vec::new();
    for (_, field) in schema.fields().iter().enumerate().filter(|(index, _)| *index != geometry) {
        let type_ = match field.data_type() {
            DataType::Utf8 => ColumnType::String,
            DataType::Float64 => ColumnType::Double,
            DataType::Int32 => ColumnType::Int,
            DataType::Int64 => ColumnType::Long,
            DataType::Boolean => ColumnType::Bool,
            DataType::Date32 => ColumnType::DateTime,
            other => return Err(untold(other)),
        };
        let name = Some(builder.create_string(field.name()));
        columns.push(Column::create(&mut builder, &ColumnArgs { name, type_, ..ColumnArgs::default() }));
    }
    let crs = match (&names, options.crs) {
        (Some((name, wkt)), Some(crs)) => CrsArgs {
            org: Some(builder.create_string("EPSG")),
            code: i32::try_from(crs.0).unwrap_or(0),
            name: Some(builder.create_string(name)),
            wkt: Some(builder.create_string(wkt)),
            ..CrsArgs::default()
        },
        _ => CrsArgs::default(),
    };
    let Bbox { min, max } = *extent;
    let args = HeaderArgs {
        name: Some(builder.create_string(options.name)),
        title: Some(builder.create_string(options.title)),
        envelope: Some(builder.create_vector(&[min[0], min[1], max[0], max[1]])),
        geometry_type: kind,
        columns: Some(builder.create_vector(&columns)),
        features_count: located,
        index_node_size: CHILDREN as u16,
        crs: Some(FgbCrs::create(&mut builder, &crs)),
        ..HeaderArgs::default()
    };
    let root = Header::create(&mut builder, &args);
    builder.finish_size_prefixed(root, None);
    Ok(builder.finished_data().to_vec())
}

/// Makes rows to features; its memory is used again for each.
#[derive(Default)]
struct Encoder {
    builder: FlatBufferBuilder<'static>,
    properties: Vec<u8>,
    xy: Vec<f64>,
    ends: Vec<u32>,
}

impl Encoder {
    fn feature(&mut self, columns: &[Cells<'_>], row: usize, shape: &geo::Geometry<f64>, kind: GeometryType) -> Result<&[u8]> {
        self.builder.reset();
        let shape = self.shape(shape, kind)?;
        self.properties.clear();
        for (number, column) in (0_u16..).zip(columns) {
            if let Some(cell) = column.at(row) {
                self.properties.extend_from_slice(&number.to_le_bytes());
                property(&mut self.properties, cell);
            }
        }
        let properties = Some(self.builder.create_vector(&self.properties));
        let feature =
            Feature::create(&mut self.builder, &FeatureArgs { geometry: Some(shape), properties, ..FeatureArgs::default() });
        self.builder.finish_size_prefixed(feature, None);
        Ok(self.builder.finished_data())
    }

    /// A geometry in a file of a type; where the file is of mixed ones it says its own.
    fn shape(&mut self, shape: &geo::Geometry<f64>, kind: GeometryType) -> Result<WIPOffset<Geometry<'static>>> {
        let own = match shape {
            geo::Geometry::Point(_) => GeometryType::Point,
            geo::Geometry::LineString(_) => GeometryType::LineString,
            geo::Geometry::Polygon(_) if kind == GeometryType::MultiPolygon => GeometryType::MultiPolygon,
            geo::Geometry::Polygon(_) => GeometryType::Polygon,
            geo::Geometry::MultiPoint(_) => GeometryType::MultiPoint,
            geo::Geometry::MultiLineString(_) => GeometryType::MultiLineString,
            geo::Geometry::MultiPolygon(_) => GeometryType::MultiPolygon,
            geo::Geometry::GeometryCollection(_) => GeometryType::GeometryCollection,
            _ => return Err(failed("a geometry of this type has no counterpart")),
        };
        if kind != GeometryType::Unknown && kind != own {
            return Err(failed(format!("a geometry is {own:?}, the file is to hold {kind:?}")));
        }
        let type_ = if kind == GeometryType::Unknown { own } else { GeometryType::Unknown };
        let lines: Vec<&LineString<f64>> = match shape {
            geo::Geometry::MultiPolygon(polygons) => return Ok(self.polygons(&polygons.0, type_)),
            geo::Geometry::Polygon(polygon) if own == GeometryType::MultiPolygon => {
                return Ok(self.polygons(std::slice::from_ref(polygon), type_));
            }
            geo::Geometry::GeometryCollection(parts) => {
                let parts = parts.0.iter().map(|part| self.shape(part, GeometryType::Unknown)).collect::<Result<Vec<_>>>()?;
                return Ok(self.whole(&parts, type_));
            }
            geo::Geometry::Point(point) => {
                self.xy.extend([point.x(), point.y()]);
                return Ok(self.lines(&[], type_));
            }
            geo::Geometry::MultiPoint(points) => {
                self.xy.extend(points.0.iter().flat_map(|point| [point.x(), point.y()]));
                return Ok(self.lines(&[], type_));
            }
            geo::Geometry::LineString(line) => vec![line],
            geo::Geometry::MultiLineString(lines) => lines.0.iter().collect(),
            geo::Geometry::Polygon(polygon) => rings(polygon),
            _ => Vec::new(),
        };
        Ok(self.lines(&lines, type_))
    }

    fn polygons(&mut self, polygons: &[Polygon<f64>], type_: GeometryType) -> WIPOffset<Geometry<'static>> {
        let parts: Vec<_> = polygons.iter().map(|polygon| self.lines(&rings(polygon), GeometryType::Unknown)).collect();
        self.whole(&parts, type_)
    }

    fn whole(&mut self, parts: &[WIPOffset<Geometry<'static>>], type_: GeometryType) -> WIPOffset<Geometry<'static>> {
        let parts = Some(self.builder.create_vector(parts));
        Geometry::create(&mut self.builder, &GeometryArgs { type_, parts, ..GeometryArgs::default() })
    }

    /// Points that were gathered, and lines or rings after each other; where there is one, its end is that of all.
    fn lines(&mut self, lines: &[&LineString<f64>], type_: GeometryType) -> WIPOffset<Geometry<'static>> {
        for line in lines {
            self.xy.extend(line.0.iter().flat_map(|at| [at.x, at.y]));
            self.ends.push((self.xy.len() / 2) as u32);
        }
        let xy = Some(self.builder.create_vector(&self.xy));
        let ends = (self.ends.len() > 1).then(|| self.builder.create_vector(&self.ends));
        self.xy.clear();
        self.ends.clear();
        Geometry::create(&mut self.builder, &GeometryArgs { xy, ends, type_, ..GeometryArgs::default() })
    }
}

fn rings(polygon: &Polygon<f64>) -> Vec<&LineString<f64>> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors()).collect()
}

/// A value as the properties of a feature hold it, after the number of its column.
fn property(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Text(value) => text(out, value.as_bytes()),
        Cell::Long(number) => out.extend_from_slice(&number.to_le_bytes()),
        Cell::Int(number) => out.extend_from_slice(&number.to_le_bytes()),
        Cell::Real(number) => out.extend_from_slice(&number.to_le_bytes()),
        Cell::Truth(truth) => out.push(u8::from(truth)),
        Cell::Day(day) => text(out, day.as_bytes()),
        Cell::Bytes(bytes) => text(out, bytes),
    }
}

/// Text, or bytes, after their number.
fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

/// The number of rows that have a geometry, of some rows of a table.
///
/// # Errors
/// When the column is missing.
pub fn located(batch: &RecordBatch, geometry: &str) -> Result<u64> {
    let column = batch.column_by_name(geometry).ok_or_else(|| failed(format!("there is no column {geometry}")))?;
    Ok((column.len() - column.null_count()) as u64)
}

fn untold(column: &DataType) -> Error {
    failed(format!("a column of type {column} has no counterpart"))
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::format::flatgeobuf", "cannot write FlatGeobuf").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, Float64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use gdal::vector::LayerAccess;
    use geo::{Geometry as Shape, MultiPolygon, Point, Rect, line_string};
    use std::sync::Arc;

    fn table(names: StringArray, areas: Float64Array, shapes: BinaryArray) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("m2", DataType::Float64, true),
            Field::new("geometry", DataType::Binary, true),
        ]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(names), Arc::new(areas), Arc::new(shapes)]).unwrap()
    }

    fn options(geometry_type: &'static str) -> Options<'static> {
        Options { name: "adresse", title: "Adressen", geometry: "geometry", geometry_type, crs: Some(Crs::UTM32) }
    }

    /// GDAL finds by the tree what lies in a rectangle, whatever the number of its levels, and the values of each row.
    #[test]
    fn gdal_reads_rows_values_and_crs_and_the_bytes_repeat() {
        for count in [1_u32, 16, 17, 50, 257, 5000] {
            let point = |k: u32| wkb::encode(&Shape::Point(Point::new(560_000.0 + f64::from(k), 5_950_000.0)));
            let shapes: BinaryArray = (0..count).map(|k| (k != 7).then(|| point(k * 31 % count))).collect();
            let names: StringArray = (0..count).map(|k| (k % 5 != 4).then(|| format!("Straße {k:02}"))).collect();
            let areas: Float64Array = (0..count).map(|k| Some(f64::from(k) / 2.0)).collect();
            let batch = table(names, areas, shapes);
            let located = u64::from(count) - u64::from(count > 7);
            let folder = tempfile::tempdir().unwrap();
            let paths = ["a.fgb", "b.fgb"].map(|name| folder.path().join(name));
            for path in &paths {
                write_file(path, &batch.schema(), located, [Ok(batch.clone())], &options("POINT")).unwrap();
            }
            assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
            let dataset = crate::io::gdal::open_vector(&paths[0], &["FlatGeobuf"]).unwrap();
            let mut layer = dataset.layer(0).unwrap();
            assert_eq!(layer.feature_count(), located);
            assert_eq!(layer.spatial_ref().unwrap().auth_code().unwrap(), 25832);
            let wanted = (0..count).filter(|k| *k != 7 && k * 31 % count < 40).count();
            layer.set_spatial_filter_rect(559_999.5, 5_949_999.0, 560_039.5, 5_950_001.0);
            let mut found = 0;
            for feature in layer.features() {
                let index = |name: &str| feature.field_index(name).unwrap();
                let row = (feature.field_as_double(index("m2")).unwrap().unwrap() * 2.0) as u32;
                // What is missing is no text.
                let name = if row % 5 == 4 { String::new() } else { format!("Straße {row:02}") };
                assert_eq!(feature.field_as_string(index("name")).unwrap().unwrap_or_default(), name);
                let place = feature.geometry().unwrap().get_point(0).0;
                assert_eq!(place, 560_000.0 + f64::from(row * 31 % count));
                found += 1;
            }
            assert_eq!(found, wanted, "of {count}");
            assert!(write_file(&paths[0], &batch.schema(), located + 1, [Ok(batch.clone())], &options("POINT")).is_err());
        }
    }

    /// Each type of geometry comes back as GDAL reads it from WKB.
    #[test]
    fn all_types_of_geometry_come_back() {
        let square = |at: f64, side: f64| Rect::new((at, at), (at + side, at + side)).to_polygon();
        let holed =
            Polygon::new(square(0.0, 9.0).into_inner().0, vec![square(1.0, 1.0).into_inner().0, square(4.0, 2.0).into_inner().0]);
        let line = line_string![(x: 1.0, y: 2.0), (x: 3.0, y: 4.5), (x: 7.0, y: 4.5)];
        let shapes = [
            Shape::Point(Point::new(1.5, 2.5)),
            Shape::LineString(line.clone()),
            Shape::Polygon(holed.clone()),
            Shape::MultiPoint(vec![(1.0, 2.0), (3.0, 4.0)].into()),
            Shape::MultiLineString(geo::MultiLineString(vec![line.clone(), line.clone()])),
            Shape::MultiPolygon(MultiPolygon(vec![square(20.0, 3.0), holed.clone()])),
            Shape::GeometryCollection(geo::GeometryCollection(vec![Shape::Point(Point::new(1.0, 1.0)), Shape::LineString(line)])),
        ];
        let folder = tempfile::tempdir().unwrap();
        let back = |shapes: &[Shape<f64>], kind: &'static str, name: &str| -> Vec<String> {
            let rows = shapes.len();
            let batch = table(
                StringArray::from(vec![Some("a"); rows]),
                Float64Array::from(vec![None; rows]),
                shapes.iter().map(|shape| Some(wkb::encode(shape))).collect(),
            );
            let path = folder.path().join(name);
            write_file(&path, &batch.schema(), rows as u64, [Ok(batch)], &options(kind)).unwrap();
            let dataset = crate::io::gdal::open_vector(&path, &["FlatGeobuf"]).unwrap();
            let mut layer = dataset.layer(0).unwrap();
            layer.features().map(|feature| feature.geometry().unwrap().wkt().unwrap()).collect()
        };
        let wkt = |shape: &Shape<f64>| gdal::vector::Geometry::from_wkb(&wkb::encode(shape)).unwrap().wkt().unwrap();
        assert_eq!(back(&shapes, "GEOMETRY", "mixed.fgb"), shapes.iter().map(wkt).collect::<Vec<_>>());
        let one = Shape::MultiPolygon(MultiPolygon(vec![holed.clone()]));
        let given = [shapes[5].clone(), Shape::Polygon(holed)];
        assert_eq!(back(&given, "MULTIPOLYGON", "areas.fgb"), [wkt(&shapes[5]), wkt(&one)]);
        let batch = table(
            StringArray::from(vec!["a"]),
            Float64Array::from(vec![1.0]),
            BinaryArray::from_iter([Some(wkb::encode(&shapes[1]))]),
        );
        let path = folder.path().join("none.fgb");
        assert!(write_file(&path, &batch.schema(), 1, [Ok(batch.clone())], &options("POINT")).is_err());
    }
}
