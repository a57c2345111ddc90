//! Writers shared by the kinds: each takes a path or a `Write`, and gives the same bytes for the same content.

pub mod canvas;
pub mod cells;
pub mod cityjson;
pub mod cog;
pub mod flatgeobuf;
pub mod geojson;
pub mod geoparquet;
pub mod glb;
pub mod gpkg;
pub mod jpeg;
pub mod jpeg_cut;
pub mod jpeg_segments;
pub mod mvt;
pub mod picture;
pub mod pmtiles;
pub mod qgis;
mod rtree;
pub mod sheet;
mod sqlite_tree;
pub mod stac;
pub mod tile_matrix;
pub mod tilejson;
pub mod tileset;
pub mod wkb;
pub mod wmts;
