//! Symbols, classes and labels of a layer.

use super::{Shape, VectorLayer};
use crate::markup::Element;

/// Red, green, blue, opacity.
pub type Rgba = [u8; 4];

/// How one place is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Symbol {
    /// Inside.
    pub fill: Rgba,
    /// Edge; also the colour of a line.
    pub edge: Rgba,
    /// Width of the edge, in millimetres.
    pub edge_mm: f64,
    /// Diameter of a point, in millimetres.
    pub size_mm: f64,
}

/// How the places of a layer are drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Renderer {
    /// All the same.
    Single(Symbol),
    /// By the value of a field; the last class is drawn on top.
    Classes(String, Vec<Class>),
}

/// A class of places.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Value of the field.
    pub value: String,
    /// Title for people.
    pub title: String,
    /// How they are drawn.
    pub symbol: Symbol,
}

/// What is written beside a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Expression.
    pub expression: String,
    /// Size in points.
    pub size_pt: f64,
    /// Largest scale denominator at which it is shown.
    pub up_to: u32,
}

/// The renderer of a layer with places.
pub fn renderer(renderer: &Renderer, shape: Shape) -> Element {
    let begin = |kind: &str| Element::new("renderer-v2").attr("type", kind).attr("forceraster", "0").attr("symbollevels", "0");
    match renderer {
        Renderer::Single(one) => begin("singleSymbol").child(Element::new("symbols").child(symbol("0", *one, shape))),
        Renderer::Classes(field, classes) => {
            let categories = classes.iter().enumerate().map(|(index, class)| {
                Element::new("category")
                    .attr("symbol", index.to_string())
                    .attr("value", &class.value)
                    .attr("label", &class.title)
                    .attr("render", "true")
            });
            let symbols = classes.iter().enumerate().map(|(index, class)| symbol(index.to_string(), class.symbol, shape));
            begin("categorizedSymbol")
                .attr("attr", field)
                .attr("enableorderby", "0")
                .child(Element::new("categories").children(categories))
                .child(Element::new("symbols").children(symbols))
        }
    }
}

/// An option of a symbol or a widget.
pub fn option(name: &str, kind: &'static str, value: impl Into<String>) -> Element {
    Element::new("Option").attr("type", kind).attr("name", name).attr("value", value)
}

fn colour(rgba: Rgba) -> String {
    rgba.map(|part| part.to_string()).join(",")
}

fn symbol(name: impl Into<String>, symbol: Symbol, shape: Shape) -> Element {
    let text = |name: &str, value: String| option(name, "QString", value);
    let style = |rgba: Rgba| if rgba[3] == 0 { "no" } else { "solid" }.to_owned();
    let (kind, class, options) = match shape {
        Shape::Point => (
            "marker",
            "SimpleMarker",
            vec![
                text("name", "circle".to_owned()),
                text("color", colour(symbol.fill)),
                text("size", symbol.size_mm.to_string()),
                text("size_unit", "MM".to_owned()),
            ],
        ),
        Shape::Line => (
            "line",
            "SimpleLine",
            vec![
                text("line_color", colour(symbol.edge)),
                text("line_width", symbol.edge_mm.to_string()),
                text("line_width_unit", "MM".to_owned()),
            ],
        ),
        Shape::Polygon => ("fill", "SimpleFill", vec![text("color", colour(symbol.fill)), text("style", style(symbol.fill))]),
    };
    let edge = (shape != Shape::Line).then(|| {
        [
            text("outline_color", colour(symbol.edge)),
            text("outline_style", style(symbol.edge)),
            text("outline_width", symbol.edge_mm.to_string()),
            text("outline_width_unit", "MM".to_owned()),
        ]
    });
    let options = Element::new("Option").attr("type", "Map").children(options).children(edge.into_iter().flatten());
    let layer = Element::new("layer").attr("class", class).attr("enabled", "1").attr("locked", "0").attr("pass", "0");
    Element::new("symbol")
        .attr("type", kind)
        .attr("name", name)
        .attr("alpha", "1")
        .attr("clip_to_extent", "1")
        .attr("force_rhr", "0")
        .child(layer.child(options))
}

/// The labels of a layer: dark text with a light edge, horizontal, without overlaps.
pub fn labels(layer: &VectorLayer) -> Option<Element> {
    let (Label { expression, size_pt, up_to }, (shape, _)) = (layer.label.as_ref()?, layer.shape?);
    let buffer = Element::new("text-buffer")
        .attr("bufferDraw", "1")
        .attr("bufferSize", "0.8")
        .attr("bufferSizeUnits", "MM")
        .attr("bufferColor", "255,255,255,255")
        .attr("bufferOpacity", "1")
        .attr("bufferJoinStyle", "128")
        .attr("bufferNoFill", "1");
    let style = Element::new("text-style")
        .attr("fieldName", expression)
        .attr("isExpression", "1")
        .attr("fontFamily", "Sans")
        .attr("fontSize", size_pt.to_string())
        .attr("fontSizeUnit", "Point")
        .attr("fontWeight", "50")
        .attr("textColor", "30,30,30,255")
        .attr("textOpacity", "1")
        .attr("multilineHeight", "1")
        .child(buffer);
    // 6: at the first free place of a list; 1: over the middle.
    let placement = Element::new("placement")
        .attr("placement", if shape == Shape::Point { "6" } else { "1" })
        .attr("predefinedPositionOrder", "TR,TL,BR,BL,R,L,TSR,BSR")
        .attr("dist", "1.5")
        .attr("distUnits", "MM")
        .attr("centroidInside", "1")
        .attr("quadOffset", "4")
        .attr("priority", "5");
    let rendering = Element::new("rendering")
        .attr("drawLabels", "1")
        .attr("scaleVisibility", "1")
        .attr("scaleMin", "0")
        .attr("scaleMax", up_to.to_string())
        .attr("obstacle", "1")
        .attr("displayAll", "0")
        .attr("fontMinPixelSize", "3")
        .attr("fontMaxPixelSize", "10000");
    let settings = Element::new("settings").attr("calloutType", "simple");
    let settings = settings.child(style).child(Element::new("text-format")).child(placement).child(rendering);
    Some(Element::new("labeling").attr("type", "simple").child(settings))
}
