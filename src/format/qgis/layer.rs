//! A layer as the project has it: where its rows are, how its form looks.

use super::symbol::{labels, option, renderer};
use super::{Field, Item, RasterLayer, VectorLayer, Widget, reference_system};
use crate::markup::Element;

/// What QGIS holds for no value in a list of values.
const NO_VALUE: &str = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}";

fn begin(kind: &'static str) -> Element {
    let layer = Element::new("maplayer").attr("type", kind).attr("hasScaleBasedVisibilityFlag", "0");
    layer.attr("styleCategories", "AllStyleCategories")
}

/// A layer of pictures.
pub fn raster(layer: &RasterLayer) -> Element {
    let renderer = Element::new("rasterrenderer")
        .attr("type", "multibandcolor")
        .attr("opacity", "1")
        .attr("alphaBand", "4")
        .attr("redBand", "1")
        .attr("greenBand", "2")
        .attr("blueBand", "3");
    let resampler = Element::new("rasterresampler").attr("maxOversampling", "2");
    begin("raster")
        .with("id", &layer.id)
        .with("datasource", &layer.source)
        .with("layername", &layer.title)
        .child(Element::new("srs").child(reference_system(layer.crs)))
        .with("provider", "gdal")
        .child(Element::new("pipe").child(renderer).child(resampler))
        .with("blendMode", "0")
}

/// A table.
pub fn vector(layer: &VectorLayer) -> Element {
    let on = |is: bool| if is { "1" } else { "0" };
    let mut element = begin("vector")
        .attr("geometry", layer.shape.map_or("No geometry", |(shape, _)| shape.name()))
        .attr("labelsEnabled", on(layer.label.is_some()))
        .attr("readOnly", on(layer.read_only))
        .with("id", &layer.id)
        .with("datasource", &layer.source)
        .with("layername", &layer.title);
    if let Some((_, crs)) = layer.shape {
        element = element.child(Element::new("srs").child(reference_system(crs)));
    }
    element = element.child(Element::new("provider").attr("encoding", "UTF-8").text("ogr"));
    if let Some((shape, _)) = layer.shape {
        element = element.child(renderer(&layer.renderer, shape)).children(labels(layer));
    }
    let properties = layer.properties.iter().map(|(name, value)| option(name, "QString", value));
    let all = || layer.fields.iter();
    let of = |name: &'static str, field: &Field| Element::new(name).attr("field", &field.name);
    let constraint = |field: &Field| {
        let required = on(field.required);
        let constraint = of("constraint", field).attr("constraints", required).attr("notnull_strength", required);
        constraint.attr("unique_strength", "0").attr("exp_strength", "0")
    };
    let editable = |field: &Field| {
        let editable = field.editable && !layer.read_only;
        Element::new("field").attr("name", &field.name).attr("editable", on(editable))
    };
    let default = |field: &Field| {
        let expression = field.default.as_deref().unwrap_or_default();
        of("default", field).attr("expression", expression).attr("applyOnUpdate", "0")
    };
    let aliases =
        all().enumerate().map(|(index, field)| of("alias", field).attr("index", index.to_string()).attr("name", &field.title));
    element
        .child(Element::new("customproperties").child(Element::new("Option").attr("type", "Map").children(properties)))
        .child(Element::new("fieldConfiguration").children(all().map(field)))
        .child(Element::new("aliases").children(aliases))
        .child(Element::new("defaults").children(all().map(default)))
        .child(Element::new("constraints").children(all().map(constraint)))
        .with("featformsuppress", "0")
        .with("editorlayout", "tablayout")
        .child(form(layer))
        .child(Element::new("editable").children(all().map(editable)))
        .with("previewExpression", &layer.display)
}

fn form(layer: &VectorLayer) -> Element {
    let item = |item: &Item| match item {
        Item::Field(name) => {
            let index = layer.fields.iter().position(|field| field.name == *name).unwrap_or_default();
            Element::new("attributeEditorField").attr("name", name).attr("index", index.to_string()).attr("showLabel", "1")
        }
        Item::Children(relation) => Element::new("attributeEditorRelation")
            .attr("name", relation)
            .attr("relation", relation)
            .attr("relationWidgetTypeId", "relation_editor")
            .attr("nmRelationId", "")
            .attr("forceSuppressFormPopup", "0")
            .attr("label", "")
            .attr("showLabel", "0"),
    };
    let tabs = layer.tabs.iter().map(|tab| {
        Element::new("attributeEditorContainer")
            .attr("name", &tab.title)
            .attr("groupBox", "0")
            .attr("columnCount", "1")
            .attr("showLabel", "1")
            .attr("visibilityExpressionEnabled", "0")
            .attr("visibilityExpression", "")
            .children(tab.items.iter().map(item))
    });
    Element::new("attributeEditorForm").children(tabs)
}

fn field(field: &Field) -> Element {
    let flag = |name: &str, value: bool| option(name, "bool", if value { "true" } else { "false" });
    let text = |name: &str, value: &str| option(name, "QString", value);
    let number = |name: &str, value: i32| option(name, "int", value.to_string());
    let (kind, options) = match &field.widget {
        Widget::Hidden => ("Hidden", Vec::new()),
        Widget::Text { multiline } => ("TextEdit", vec![flag("IsMultiline", *multiline), flag("UseHtml", false)]),
        Widget::Date => (
            "DateTime",
            vec![
                flag("allow_null", true),
                flag("calendar_popup", true),
                text("display_format", "dd.MM.yyyy"),
                text("field_format", "yyyy-MM-dd"),
                flag("field_iso_format", false),
            ],
        ),
        Widget::Check => ("CheckBox", Vec::new()),
        Widget::Values(values) => {
            let one = |(value, title): (&str, &str)| Element::new("Option").attr("type", "Map").child(text(title, value));
            let none = (!field.required).then(|| one((NO_VALUE, "(keine Angabe)")));
            let values = values.iter().map(|(value, title)| one((value, title)));
            let list = Element::new("Option").attr("type", "List").attr("name", "map").children(none).children(values);
            ("ValueMap", vec![list])
        }
        Widget::Parent(relation) => (
            "RelationReference",
            vec![
                text("Relation", relation),
                flag("AllowNULL", !field.required),
                flag("OrderByValue", true),
                flag("ShowForm", false),
                flag("MapIdentification", false),
                flag("ReadOnly", false),
                flag("AllowAddFeatures", false),
            ],
        ),
        Widget::Picture => (
            "ExternalResource",
            vec![
                // A picture, by its path from the project's folder.
                number("DocumentViewer", 1),
                number("DocumentViewerHeight", 0),
                number("DocumentViewerWidth", 0),
                flag("FileWidget", true),
                flag("FileWidgetButton", true),
                number("RelativeStorage", 1),
                number("StorageMode", 0),
            ],
        ),
    };
    let config = Element::new("config").child(Element::new("Option").attr("type", "Map").children(options));
    let widget = Element::new("editWidget").attr("type", kind).child(config);
    Element::new("field").attr("name", &field.name).attr("configurationFlags", "None").child(widget)
}
