//! The project of the package: layers, forms, relations and lights of the tables.

use super::super::aerial::LAYER;
use super::super::enrich::PICTURE;
use super::super::fold::COMPUTED;
use super::super::model::{self, CONFLICT, DEFECT, DEVICE, INSPECTION, NOTE, OUTFIT, PHOTO, PLAN, SITE, Table, VERSION, table};
use super::super::write::{DEVICE_LIGHTS, Told, Writer, columns};
use super::{PICTURES, TABLES};
use crate::crs::{Bbox, Crs, is_geographic};
use crate::dataset::features::FieldType;
use crate::error::Result;
use crate::format::qgis::{
    Class, Field, Group, Item, Label, Layer, Project, RasterLayer, Relation, Renderer, Shape, Symbol, Tab, VectorLayer, Widget,
};

/// Parent, child, the child's column with the parent's UUID, and what the children are called in the parent's form.
const RELATIONS: [(&str, &str, &str, &str); 11] = [
    (SITE, DEVICE, "spielplatz_uuid", "Spielgeräte"),
    (SITE, INSPECTION, "spielplatz_uuid", "Prüfungen"),
    (SITE, DEFECT, "spielplatz_uuid", "Mängel"),
    (SITE, OUTFIT, "spielplatz_uuid", "Ausstattung"),
    (DEVICE, INSPECTION, "geraet_uuid", "Prüfungen"),
    (DEVICE, DEFECT, "geraet_uuid", "Mängel"),
    (DEVICE, PLAN, "geraet_uuid", "Prüfplan"),
    (SITE, PLAN, "spielplatz_uuid", "Prüfplan"),
    (INSPECTION, DEFECT, "pruefung_uuid", "Mängel"),
    (INSPECTION, PHOTO, "pruefung_uuid", "Fotos"),
    (DEFECT, PHOTO, "mangel_uuid", "Fotos"),
];

/// Columns that forms leave out: keys of files, as the field goes by UUIDs, and the path of a picture that the package has not.
const KEYS: [(&str, &str); 6] = [
    (SITE, PICTURE),
    (DEVICE, "spielplatz"),
    (INSPECTION, "geraet"),
    (INSPECTION, "spielplatz"),
    (INSPECTION, "pruefart_text"),
    (INSPECTION, "mangel"),
];

/// What a device's tab has beside the first one.
const TABS: [(&str, &str, &str); 3] =
    [(DEVICE, "fall", "Fallschutz"), (DEVICE, "intervall_", "Prüfabstände"), (DEVICE, "nicht_pruefen", "Prüfabstände")];

/// Columns of several lines.
const LONG: [&str; 4] = ["beschreibung", "bemerkung", "ausstattung", "hinweis"];

/// The site of a device, with the identifier of the devices' layer in place of `LAYER`.
const SITE_OF_DEVICE: &str = "attribute(get_feature('LAYER', 'uuid', \"geraet_uuid\"), 'spielplatz_uuid')";
/// Values that new rows have: column, expression.
const DEFAULTS: [(&str, &str, &str); 5] = [
    (INSPECTION, "datum", "to_date(now())"),
    (INSPECTION, "spielplatz_uuid", SITE_OF_DEVICE),
    (DEFECT, "festgestellt_am", "to_date(now())"),
    (DEFECT, "spielplatz_uuid", SITE_OF_DEVICE),
    (DEFECT, "status", "'offen'"),
];

const REQUIRED: [(&str, &str); 4] = [(INSPECTION, "datum"), (INSPECTION, "pruefart"), (DEFECT, "beschreibung"), (PHOTO, "pfad")];

/// The lights, with their colours; the worst on top.
const LIGHTS: [(&str, &str, [u8; 4]); 4] = [
    ("grau", "ausgesetzt", [140, 140, 140, 255]),
    ("gruen", "in Ordnung", [46, 160, 67, 255]),
    ("gelb", "bald fällig", [240, 185, 11, 255]),
    ("rot", "überfällig", [215, 38, 38, 255]),
];

/// The project; with the orthophotos' attribution where the package has some.
///
/// # Errors
/// When a place cannot be read.
pub fn project(writer: &Writer<'_>, title: &str, extent: Bbox, attribution: Option<&str>) -> Result<Project> {
    let crs = writer.folded.crs;
    let office = |name: &str| [PLAN, OUTFIT, NOTE, CONFLICT].contains(&name);
    let (mut places, mut tables, mut lists): (Vec<Layer>, Vec<Layer>, Vec<Layer>) = Default::default();
    let mut of_table: Vec<(&str, String)> = Vec::new();
    for table in &model::TABLES {
        for layer in layers(writer, table)? {
            of_table.push((table.name, layer.id.clone()));
            let group = if layer.shape.is_some() {
                &mut places
            } else if office(table.name) {
                &mut lists
            } else {
                &mut tables
            };
            group.push(Layer::Vector(layer));
        }
    }
    // Equipment lies on the sites.
    places.reverse();
    places.insert(1.min(places.len()), Layer::Vector(lights(crs)));
    let mut groups = vec![
        Group { title: String::new(), layers: places },
        Group { title: "Erfassung".to_owned(), layers: tables },
        Group { title: "Listen".to_owned(), layers: lists },
    ];
    if let Some(attribution) = attribution {
        let title = if attribution.is_empty() { "Luftbild".to_owned() } else { format!("Luftbild ({attribution})") };
        let source = format!("./{PICTURES}");
        let picture = RasterLayer { id: format!("{LAYER}_kacheln"), title, source, crs: Crs::WEB_MERCATOR };
        groups.push(Group { title: "Hintergrund".to_owned(), layers: vec![Layer::Raster(picture)] });
    }
    let ids = |table: &str| of_table.iter().filter(move |(name, _)| *name == table).map(|(_, id)| id.clone()).collect::<Vec<_>>();
    let mut relations = Vec::new();
    for (parent, child, column, title) in RELATIONS {
        for parent in ids(parent) {
            for child in ids(child) {
                relations.push(Relation {
                    id: relation(&parent, &child),
                    title: title.to_owned(),
                    parent: (parent.clone(), "uuid".to_owned()),
                    child: (child, column.to_owned()),
                });
            }
        }
    }
    let (dx, dy) = (extent.width() * 0.05, extent.height() * 0.05);
    let extent = Bbox::new([extent.min[0] - dx, extent.min[1] - dy], [extent.max[0] + dx, extent.max[1] + dy]);
    Ok(Project { title: title.to_owned(), crs, geographic: is_geographic(crs)?, extent, groups, relations })
}

fn relation(parent: &str, child: &str) -> String {
    format!("{parent}__{child}")
}

/// Identifiers of the layers of a table: one, or one for each kind of places that it has. Each begins with the name of the table, by
/// which changes from the field are told, and goes on: QGIS gives a layer another identifier when its own is short.
fn ids(writer: &Writer<'_>, name: &str) -> Result<Vec<(String, Option<Shape>)>> {
    let id = format!("{name}_tabelle");
    let Some(table) = table(name).filter(|table| table.shape) else { return Ok(vec![(id, None)]) };
    let shapes: Vec<Shape> = writer.shapes(table)?.into_iter().collect();
    Ok(match shapes[..] {
        [] => vec![(id, Some(Shape::Point))],
        [one] => vec![(id, Some(one))],
        _ => shapes.iter().map(|shape| (format!("{id}_{}", shape.name().to_lowercase()), Some(*shape))).collect(),
    })
}

fn layers(writer: &Writer<'_>, table: &'static Table) -> Result<Vec<VectorLayer>> {
    let told = columns(table, &writer.options.more(table), false);
    let lists = model::lists();
    let all = ids(writer, table.name)?;
    let devices = ids(writer, DEVICE)?.into_iter().next().map(|(id, _)| id).unwrap_or_default();
    let several = all.len() > 1;
    let mut layers = Vec::new();
    for (id, shape) in all {
        let parents: Vec<(&str, String)> = RELATIONS
            .iter()
            .filter(|(_, child, ..)| *child == table.name)
            .filter_map(|(parent, _, column, _)| {
                let first = ids(writer, parent).ok()?.into_iter().next()?.0;
                Some((*column, relation(&first, &id)))
            })
            .collect();
        let mut fields = vec![Field {
            name: "fid".to_owned(),
            title: "fid".to_owned(),
            widget: Widget::Hidden,
            editable: false,
            required: false,
            default: None,
        }];
        fields.extend(told.iter().map(|told| field(table, told, &lists, &parents, &devices)));
        let mut tabs = own_tabs(table, &told);
        for (_, child, _, title) in RELATIONS.iter().filter(|(parent, ..)| *parent == table.name) {
            let children = ids(writer, child)?.into_iter().map(|(child, _)| Item::Children(relation(&id, &child))).collect();
            tabs.push(Tab { title: (*title).to_owned(), items: children });
        }
        let kind = shape.filter(|_| several).map_or_else(String::new, |shape| format!("|geometrytype={}", shape.name()));
        let mut properties = vec![("QFieldSync/action", "offline".to_owned())];
        if table.editable {
            // What changes name a row by.
            properties.push(("QFieldSync/sourceDataPrimaryKeys", "uuid".to_owned()));
            properties.push(("QFieldSync/cloud_action", "offline".to_owned()));
        }
        if table.name == PHOTO {
            let name = "'DCIM/foto_' || format_date(now(), 'yyyyMMdd_HHmmsszzz') || '.{extension}'";
            properties.push(("QFieldSync/attachment_naming", serde_json::json!({ "pfad": name }).to_string()));
        }
        layers.push(VectorLayer {
            title: match shape.filter(|_| several) {
                Some(Shape::Point) => format!("{} (Punkte)", table.title),
                Some(Shape::Line) => format!("{} (Linien)", table.title),
                _ => table.title.to_owned(),
            },
            source: format!("./{TABLES}|layername={}{kind}", table.name),
            shape: shape.map(|shape| (shape, writer.folded.crs)),
            visible: true,
            read_only: !table.editable,
            fields,
            tabs,
            display: display(table.name).to_owned(),
            renderer: Renderer::Single(symbol(table.name)),
            label: label(table.name),
            properties,
            id,
        });
    }
    Ok(layers)
}

fn field(table: &Table, told: &Told, lists: &[(&str, Vec<(&str, String)>)], parents: &[(&str, String)], devices: &str) -> Field {
    let name = told.name.as_str();
    let here = |entry: &(&str, &str)| *entry == (table.name, name);
    let parent = parents.iter().find(|(column, _)| *column == name);
    let values = told.list.and_then(|list| lists.iter().find(|(name, _)| *name == list));
    let widget = if name == "uuid" || name == VERSION || KEYS.iter().any(here) {
        Widget::Hidden
    } else if let Some((_, relation)) = parent {
        Widget::Parent(relation.clone())
    } else if let Some((_, values)) = values {
        Widget::Values(values.iter().map(|(value, title)| ((*value).to_owned(), title.clone())).collect())
    } else if table.name == PHOTO && name == "pfad" {
        Widget::Picture
    } else {
        match told.field_type {
            FieldType::Date => Widget::Date,
            FieldType::Boolean => Widget::Check,
            _ => Widget::Text { multiline: LONG.contains(&name) },
        }
    };
    let default =
        DEFAULTS.iter().find(|(of, column, _)| (*of, *column) == (table.name, name)).map(|(.., expression)| *expression);
    let default = if name == "uuid" { Some("uuid('WithoutBraces')") } else { default };
    Field {
        name: name.to_owned(),
        title: told.title.clone(),
        widget,
        editable: table.editable && name != "uuid" && name != VERSION && !COMPUTED.contains(&name),
        required: REQUIRED.iter().any(here),
        default: default.filter(|_| table.editable).map(|default| default.replace("LAYER", devices)),
    }
}

/// The tabs with the fields of the table itself.
fn own_tabs(table: &Table, told: &[Told]) -> Vec<Tab> {
    let first = match table.name {
        SITE => "Spielplatz",
        DEVICE => "Spielgerät",
        INSPECTION => "Prüfung",
        DEFECT => "Mangel",
        PHOTO => "Foto",
        _ => table.title,
    };
    let mut tabs = vec![Tab { title: first.to_owned(), items: Vec::new() }];
    for column in told {
        let name = column.name.as_str();
        if name == "uuid" || name == VERSION || KEYS.contains(&(table.name, name)) {
            continue;
        }
        let title =
            TABS.iter().find(|(of, start, _)| *of == table.name && name.starts_with(start)).map_or(first, |(.., title)| title);
        let item = Item::Field(name.to_owned());
        match tabs.iter_mut().find(|tab| tab.title == title) {
            Some(tab) => tab.items.push(item),
            None => tabs.push(Tab { title: title.to_owned(), items: vec![item] }),
        }
    }
    tabs
}

/// What a row is called in lists.
fn display(table: &str) -> &'static str {
    match table {
        SITE => "coalesce(\"name\", \"kennung\")",
        DEVICE => "concat(\"kennung\", ' ', \"art\")",
        INSPECTION => "concat(format_date(\"datum\", 'dd.MM.yyyy'), ' ', represent_value(\"pruefart\"))",
        DEFECT => "concat(\"beschreibung\", ' (', represent_value(\"status\"), ')')",
        PLAN => "concat(represent_value(\"pruefart\"), ', fällig ', format_date(\"faellig\", 'dd.MM.yyyy'))",
        PHOTO => "\"pfad\"",
        OUTFIT => "\"text\"",
        CONFLICT => "concat(\"tabelle\", ' ', \"feld\", ': ', \"grund\")",
        _ => "\"hinweis\"",
    }
}

fn symbol(table: &str) -> Symbol {
    match table {
        SITE => Symbol { fill: [120, 190, 90, 50], edge: [40, 110, 40, 255], edge_mm: 0.5, size_mm: 4.0 },
        _ => Symbol { fill: [255, 255, 255, 255], edge: [40, 40, 40, 255], edge_mm: 0.3, size_mm: 1.6 },
    }
}

fn label(table: &str) -> Option<Label> {
    match table {
        SITE => Some(Label { expression: display(SITE).to_owned(), size_pt: 10.0, up_to: 20_000 }),
        DEVICE => Some(Label { expression: "\"art\"".to_owned(), size_pt: 8.0, up_to: 1_500 }),
        _ => None,
    }
}

/// The worst light of each device, around it.
fn lights(crs: Crs) -> VectorLayer {
    let class = |(value, title, fill): (&str, &str, [u8; 4])| Class {
        value: value.to_owned(),
        title: title.to_owned(),
        symbol: Symbol { fill, edge: [255, 255, 255, 255], edge_mm: 0.3, size_mm: 4.5 },
    };
    let text = |name: &str, title: &str| Field {
        name: name.to_owned(),
        title: title.to_owned(),
        widget: Widget::Text { multiline: false },
        editable: false,
        required: false,
        default: None,
    };
    let shown = [("geraet", "Gerät"), ("art", "Art"), ("ampel", "Ampel"), ("faellig", "Fällig am"), ("tage", "Tage bis dahin")];
    let items = shown.iter().map(|(name, _)| Item::Field((*name).to_owned())).collect();
    VectorLayer {
        id: DEVICE_LIGHTS.to_owned(),
        title: "Ampel der Spielgeräte".to_owned(),
        source: format!("./{TABLES}|layername={DEVICE_LIGHTS}"),
        shape: Some((Shape::Point, crs)),
        visible: true,
        read_only: true,
        fields: shown.iter().map(|(name, title)| text(name, title)).collect(),
        tabs: vec![Tab { title: "Ampel".to_owned(), items }],
        display: "concat(\"geraet\", ': ', \"ampel\")".to_owned(),
        renderer: Renderer::Classes("ampel".to_owned(), LIGHTS.into_iter().map(class).collect()),
        label: None,
        properties: vec![("QFieldSync/action", "offline".to_owned())],
    }
}
