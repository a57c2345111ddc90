//! Pure kernels for surfaces in space: planes, triangles, quantised pieces. Slices in, values out; no I/O, no logging.

mod order;
mod piece;
mod plane;
mod shell;
mod triangulate;
mod vector;

pub use piece::{Facet, MAX_STEPS, Paint, Piece, Vertex, pieces};
pub use plane::{Plane, newell};
pub use shell::{Edges, Rings, Slope, slope, volume};
pub use triangulate::{Degenerate, Triangulation, Triangulator};
pub use vector::{cross, dot, length, minus, plus, scaled};
