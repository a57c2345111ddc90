//! QGIS projects (`.qgs`), as QGIS 3.22 and QField read them: layers with forms, value lists and symbols, relations, pictures.
//!
//! QGIS documents its classes, not its file: what is written here is what `QgsProject::read` of QGIS 3.22 takes (LTR, that of
//! Debian 12), and no more; later versions read it too. Nothing in it tells a time, a user or a path outside its folder.

mod layer;
mod symbol;

pub use symbol::{Class, Label, Renderer, Rgba, Symbol};

use crate::crs::{Bbox, Crs};
use crate::markup::Element;

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Title for people.
    pub title: String,
    /// CRS of the map.
    pub crs: Crs,
    /// True when the CRS is geographic.
    pub geographic: bool,
    /// What the map shows at first, in that CRS.
    pub extent: Bbox,
    /// Layers by group, from the top.
    pub groups: Vec<Group>,
    /// Which rows belong to which.
    pub relations: Vec<Relation>,
}

/// A group of layers.
#[derive(Debug, Clone)]
pub struct Group {
    /// Title; empty for layers of no group.
    pub title: String,
    /// From the top.
    pub layers: Vec<Layer>,
}

/// A layer.
#[derive(Debug, Clone)]
pub enum Layer {
    /// A table, with or without places.
    Vector(VectorLayer),
    /// Pictures.
    Raster(RasterLayer),
}

/// What the places of a layer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Points.
    Point,
    /// Lines.
    Line,
    /// Areas.
    Polygon,
}

impl Shape {
    /// As QGIS and OGR name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Point => "Point",
            Self::Line => "Line",
            Self::Polygon => "Polygon",
        }
    }
}

/// A table.
#[derive(Debug, Clone)]
pub struct VectorLayer {
    /// Identifier: more than ten letters, digits, underscores.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// What OGR opens, relative to the project: `./a.gpkg|layername=b`.
    pub source: String,
    /// What its places are, and their CRS; `None` without places.
    pub shape: Option<(Shape, Crs)>,
    /// True when it is shown at first.
    pub visible: bool,
    /// True when nobody may change it.
    pub read_only: bool,
    /// All fields, in the order of the table.
    pub fields: Vec<Field>,
    /// The form.
    pub tabs: Vec<Tab>,
    /// Expression that names a row.
    pub display: String,
    /// How places are drawn.
    pub renderer: Renderer,
    /// What is written beside them.
    pub label: Option<Label>,
    /// What programs keep with a layer, by name.
    pub properties: Vec<(&'static str, String)>,
}

/// Pictures that GDAL opens.
#[derive(Debug, Clone)]
pub struct RasterLayer {
    /// Identifier: more than ten letters, digits, underscores.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// What GDAL opens, relative to the project.
    pub source: String,
    /// CRS.
    pub crs: Crs,
}

/// A field of a table.
#[derive(Debug, Clone)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// How it is edited.
    pub widget: Widget,
    /// True when the form may change it.
    pub editable: bool,
    /// True when it must have a value.
    pub required: bool,
    /// Expression for new rows.
    pub default: Option<String>,
}

/// How a field is edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Widget {
    /// Not at all.
    Hidden,
    /// As text, or as a number where the field is one.
    Text {
        /// True for several lines.
        multiline: bool,
    },
    /// As a day.
    Date,
    /// As yes or no.
    Check,
    /// One of these: value, then its text.
    Values(Vec<(String, String)>),
    /// A row of the parent of this relation.
    Parent(String),
    /// A picture: the camera of the device, or a file; the field holds its path from the project.
    Picture,
}

/// A tab of a form.
#[derive(Debug, Clone)]
pub struct Tab {
    /// Title for people.
    pub title: String,
    /// From the top.
    pub items: Vec<Item>,
}

/// What stands in a form.
#[derive(Debug, Clone)]
pub enum Item {
    /// A field by its name.
    Field(String),
    /// The rows that belong to this one, by the identifier of the relation.
    Children(String),
}

/// Rows of one layer that belong to a row of another. Deleting a parent never deletes its children.
#[derive(Debug, Clone)]
pub struct Relation {
    /// Identifier: letters, digits, underscores.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Identifier of the parent's layer, and the field that its children name it by.
    pub parent: (String, String),
    /// Identifier of the children's layer, and the field that holds the parent's.
    pub child: (String, String),
}

impl Layer {
    fn id(&self) -> &str {
        match self {
            Self::Vector(layer) => &layer.id,
            Self::Raster(layer) => &layer.id,
        }
    }

    fn in_tree(&self) -> Element {
        let (title, source, provider, visible) = match self {
            Self::Vector(layer) => (&layer.title, &layer.source, "ogr", layer.visible),
            Self::Raster(layer) => (&layer.title, &layer.source, "gdal", true),
        };
        Element::new("layer-tree-layer")
            .attr("id", self.id())
            .attr("name", title)
            .attr("source", source)
            .attr("providerKey", provider)
            .attr("checked", if visible { "Qt::Checked" } else { "Qt::Unchecked" })
            .attr("expanded", "0")
    }
}

impl Project {
    /// The project as a file.
    pub fn to_xml(&self) -> String {
        let layers = || self.groups.iter().flat_map(|group| &group.layers);
        let vectors = || {
            layers().filter_map(|layer| match layer {
                Layer::Vector(layer) => Some(layer),
                Layer::Raster(_) => None,
            })
        };
        let project = Element::new("qgis")
            .attr("version", "3.22.0")
            .attr("projectname", &self.title)
            .child(Element::new("homePath").attr("path", ""))
            .with("title", &self.title)
            .child(Element::new("projectCrs").child(reference_system(self.crs)))
            .child(self.tree())
            .child(snapping(vectors()))
            .child(Element::new("relations").children(self.relations.iter().map(Relation::element)))
            .child(self.canvas())
            .child(Element::new("projectlayers").children(layers().map(|layer| match layer {
                Layer::Vector(layer) => layer::vector(layer),
                Layer::Raster(layer) => layer::raster(layer),
            })))
            .child(Element::new("layerorder").children(layers().map(|layer| Element::new("layer").attr("id", layer.id()))))
            .child(properties())
            .child(self.view());
        project.to_xml()
    }

    fn tree(&self) -> Element {
        let mut root = Element::new("layer-tree-group");
        for group in &self.groups {
            let layers = group.layers.iter().map(Layer::in_tree);
            root = if group.title.is_empty() {
                root.children(layers)
            } else {
                let tree = Element::new("layer-tree-group").attr("name", &group.title);
                root.child(tree.attr("checked", "Qt::Checked").attr("expanded", "0").children(layers))
            };
        }
        root
    }

    /// What the map shows at first.
    fn canvas(&self) -> Element {
        Element::new("mapcanvas")
            .attr("name", "theMapCanvas")
            .attr("annotationsVisible", "1")
            .with("units", if self.geographic { "degrees" } else { "meters" })
            .child(
                Element::new("extent")
                    .with("xmin", self.extent.min[0].to_string())
                    .with("ymin", self.extent.min[1].to_string())
                    .with("xmax", self.extent.max[0].to_string())
                    .with("ymax", self.extent.max[1].to_string()),
            )
            .with("rotation", "0")
            .child(Element::new("destinationsrs").child(reference_system(self.crs)))
    }

    /// Where the map goes back to.
    fn view(&self) -> Element {
        let [min, max] = [self.extent.min, self.extent.max];
        let extent = Element::new("DefaultViewExtent")
            .attr("xmin", min[0].to_string())
            .attr("ymin", min[1].to_string())
            .attr("xmax", max[0].to_string())
            .attr("ymax", max[1].to_string())
            .child(reference_system(self.crs));
        Element::new("ProjectViewSettings").attr("UseProjectScales", "0").child(Element::new("Scales")).child(extent)
    }
}

impl Relation {
    fn element(&self) -> Element {
        let fields = Element::new("fieldRef").attr("referencedField", &self.parent.1).attr("referencingField", &self.child.1);
        Element::new("relation")
            .attr("id", &self.id)
            .attr("name", &self.title)
            .attr("strength", "Association")
            .attr("referencedLayer", &self.parent.0)
            .attr("referencingLayer", &self.child.0)
            .child(fields)
    }
}

/// A CRS, as QGIS finds it in its own list: by `authid`, which it looks at only where `srsid` is a number of that list.
fn reference_system(crs: Crs) -> Element {
    Element::new("spatialrefsys").with("srsid", "1").with("srid", crs.0.to_string()).with("authid", crs.to_string())
}

/// Corners of all layers with places, within twelve pixels.
fn snapping<'l>(layers: impl Iterator<Item = &'l VectorLayer>) -> Element {
    let settings = |name: &'static str| {
        Element::new(name)
            .attr("enabled", "1")
            .attr("type", "1")
            .attr("tolerance", "12")
            .attr("minScale", "0")
            .attr("maxScale", "0")
    };
    let layers = layers.filter(|layer| layer.shape.is_some() && !layer.read_only);
    let each = layers.map(|layer| settings("layer-setting").attr("id", &layer.id).attr("units", "1"));
    settings("snapping-settings")
        .attr("mode", "2")
        .attr("unit", "1")
        .attr("intersection-snapping", "0")
        .attr("self-snapping", "0")
        .attr("scaleDependencyMode", "0")
        .child(Element::new("individual-layer-settings").children(each))
}

/// What a project sets beside: paths are those from its folder, whatever the device.
fn properties() -> Element {
    let typed = |name: &'static str, kind: &str, value: &str| Element::new(name).attr("type", kind).text(value);
    let paths = Element::new("Paths").child(typed("Absolute", "bool", "false"));
    let measures =
        Element::new("Measurement").child(typed("DistanceUnits", "QString", "meters")).child(typed("AreaUnits", "QString", "m2"));
    let precision =
        Element::new("PositionPrecision").child(typed("Automatic", "bool", "false")).child(typed("DecimalPlaces", "int", "2"));
    // Without it the project has no CRS, whatever it says.
    let reference = Element::new("SpatialRefSys").child(typed("ProjectionsEnabled", "int", "1"));
    Element::new("properties").child(reference).child(paths).child(measures).child(precision)
}
