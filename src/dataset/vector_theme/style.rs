//! How maps draw a theme: a small section of the pipeline as a MapLibre style and as SLD 1.1 with Symbology Encoding 1.1.

use crate::dataset::features::{FieldOption, FieldType, GeometryOption};
use crate::error::{Error, Exit, Place, Result};
use crate::markup::Element;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The colours of a theme that says nothing about them.
const FILL: &str = "#3b7dd8";
const STROKE: &str = "#1f4e96";

/// How maps draw it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StyleOption {
    /// Colour of areas and points, as `#3b7dd8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^#[0-9a-fA-F]{6}$"))]
    pub fill: Option<String>,
    /// How much of what lies below areas is hidden, 0 to 1. Defaults to 0.4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub fill_opacity: Option<f64>,
    /// Colour of lines and outlines, as `#1f4e96`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^#[0-9a-fA-F]{6}$"))]
    pub stroke: Option<String>,
    /// Width of lines and outlines in pixels. Defaults to 1.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 40.0))]
    pub width: Option<f64>,
    /// Radius of points in pixels. Defaults to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.5, max = 40.0))]
    pub radius: Option<f64>,
    /// The published field that `classes` look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Colours by the value of `by`; the first class that fits counts, what fits none has the plain colours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassOption>,
}

/// What has a colour of its own: a value, or a range of numbers.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassOption {
    /// The text of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The number that the range ends before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// German title for legends. Defaults to value or range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its colour, as `#3b7dd8`.
    #[schemars(regex(pattern = r"^#[0-9a-fA-F]{6}$"))]
    pub colour: String,
}

impl ClassOption {
    /// True when a value may fit both.
    fn overlaps(&self, other: &Self) -> bool {
        let range = |class: &Self| match class.value.as_ref().map(|value| value.parse::<f64>()) {
            Some(Ok(number)) => (number, number.next_up()),
            _ => (class.min.unwrap_or(f64::NEG_INFINITY), class.max.unwrap_or(f64::INFINITY)),
        };
        if let (Some(one), Some(two)) = (&self.value, &other.value) {
            return one == two;
        }
        let ((a, b), (c, d)) = (range(self), range(other));
        a < d && c < b
    }
    /// What a legend says.
    fn label(&self) -> String {
        let number = |value: f64| value.to_string().replace('.', ",");
        self.title.clone().unwrap_or_else(|| match (&self.value, self.min, self.max) {
            (Some(value), ..) => value.clone(),
            (None, Some(min), Some(max)) => format!("{} bis unter {}", number(min), number(max)),
            (None, Some(min), None) => format!("ab {}", number(min)),
            (None, None, Some(max)) => format!("unter {}", number(max)),
            _ => String::new(),
        })
    }
}

/// Three bytes of a colour `#rrggbb`.
pub fn rgb(colour: &str) -> Option<[u8; 3]> {
    let digits = colour.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some([byte(0)?, byte(2)?, byte(4)?])
}

impl StyleOption {
    /// Checks what the schema cannot say.
    ///
    /// # Errors
    /// When a colour is none, or a class does not fit the field.
    pub fn check(&self, fields: &[FieldOption]) -> Result<()> {
        let wrong = |key: String, message: &str, hint: &str| {
            Err(Error::new("mk::config::option", message).at(Place::default().object(key)).hint(hint).exit(Exit::Usage))
        };
        for (key, colour) in [("style.fill", &self.fill), ("style.stroke", &self.stroke)] {
            if colour.as_deref().is_some_and(|colour| rgb(colour).is_none()) {
                return wrong(key.to_owned(), "this is no colour", "write it like \"#3b7dd8\"");
            }
        }
        let field = self.by.as_ref().and_then(|by| fields.iter().find(|field| field.name == *by));
        match (&self.by, field) {
            (Some(_), None) => {
                return wrong("style.by".to_owned(), "`style.by` names no field that is published", "add it to `fields`");
            }
            (None, _) if !self.classes.is_empty() => {
                return wrong("style.classes".to_owned(), "`classes` need a field to look at", "name it: by = \"zustand\"");
            }
            _ => {}
        }
        for (index, class) in self.classes.iter().enumerate() {
            let key = format!("style.classes[{index}]");
            if rgb(&class.colour).is_none() {
                return wrong(format!("{key}.colour"), "this is no colour", "write it like \"#3b7dd8\"");
            }
            let range = class.min.is_some() || class.max.is_some();
            if class.value.is_some() == range {
                return wrong(key, "a class has a `value`, or `min` and `max` (one of them is enough)", "value = \"gut\"");
            }
            let number = field.is_some_and(|field| matches!(field.field_type, FieldType::Integer | FieldType::Number));
            if range && !number {
                return wrong(key, "`min` and `max` are for numbers", "give the field type = \"number\"");
            }
            // A rule of SLD does not end with the first that fits.
            if self.classes[..index].iter().any(|other| other.overlaps(class)) {
                return wrong(key, "two classes fit the same value", "let the second begin where the first ends");
            }
            if number && class.value.as_ref().is_some_and(|value| value.parse::<f64>().is_err()) {
                return wrong(key, "the `value` of a number is a number", "value = \"3\"");
            }
        }
        Ok(())
    }

    /// The colour of areas and points without a class.
    fn fill(&self) -> &str {
        self.fill.as_deref().unwrap_or(FILL)
    }
    fn stroke(&self) -> &str {
        self.stroke.as_deref().or(self.fill.as_deref()).unwrap_or(STROKE)
    }
    fn width(&self) -> f64 {
        self.width.unwrap_or(1.5)
    }
    fn opacity(&self) -> f64 {
        self.fill_opacity.unwrap_or(0.4)
    }
    fn radius(&self) -> f64 {
        self.radius.unwrap_or(5.0)
    }

    /// The class of a value as text; `None` for what fits none.
    pub fn class_of(&self, value: Option<&str>) -> Option<&ClassOption> {
        let value = value?;
        let number: Option<f64> = value.parse().ok();
        self.classes.iter().find(|class| match &class.value {
            Some(wanted) => {
                wanted == value || number.is_some_and(|number| wanted.parse::<f64>().is_ok_and(|wanted| wanted == number))
            }
            None => {
                number.is_some_and(|number| class.min.is_none_or(|min| number >= min) && class.max.is_none_or(|max| number < max))
            }
        })
    }

    /// Colours of fill and line of a feature, by the value of [`StyleOption::by`].
    pub fn colours(&self, value: Option<&str>) -> [[u8; 3]; 2] {
        let class = self.class_of(value).map(|class| class.colour.as_str());
        let or = |plain: &str| class.and_then(rgb).or_else(|| rgb(plain)).unwrap_or_default();
        [or(self.fill()), or(self.stroke())]
    }
}

/// What a style is made for.
pub struct Sheet<'a> {
    /// The section of the pipeline.
    pub style: &'a StyleOption,
    /// The fields that are published.
    pub fields: &'a [FieldOption],
    /// Name of the layer in tiles and services.
    pub layer: &'a str,
    /// German title.
    pub title: &'a str,
    /// What there is to draw.
    pub geometries: &'a [GeometryOption],
}

impl Sheet<'_> {
    /// True when the field that classes look at holds numbers.
    fn by_number(&self) -> bool {
        self.style.by.as_ref().is_some_and(|by| {
            let field = self.fields.iter().find(|field| field.name == *by);
            field.is_some_and(|field| matches!(field.field_type, FieldType::Integer | FieldType::Number))
        })
    }

    /// MapLibre's expression of a colour: that of the class, else the plain one.
    fn colour(&self, plain: &str) -> Value {
        let Some(by) = self.style.by.as_ref().filter(|_| !self.style.classes.is_empty()) else { return json!(plain) };
        let number = self.by_number();
        // A feature without the value has none that `get` gives; it must not count as zero.
        let has = json!(["has", by]);
        let mut cases = vec![json!("case")];
        for class in &self.style.classes {
            let mut all = vec![json!("all"), has.clone()];
            match &class.value {
                Some(value) if number => {
                    all.push(json!(["==", ["to-number", ["get", by]], value.parse::<f64>().unwrap_or_default()]));
                }
                Some(value) => all.push(json!(["==", ["to-string", ["get", by]], value])),
                None => {
                    all.extend(class.min.map(|min| json!([">=", ["to-number", ["get", by]], min])));
                    all.extend(class.max.map(|max| json!(["<", ["to-number", ["get", by]], max])));
                }
            }
            cases.extend([Value::Array(all), json!(class.colour)]);
        }
        cases.push(json!(plain));
        Value::Array(cases)
    }

    /// The style for MapLibre; `tiles` is the address of the archive of vector tiles, as `pmtiles://…`.
    pub fn maplibre(&self, tiles: &str, attribution: Option<&str>) -> Value {
        let style = self.style;
        let mut source = json!({ "type": "vector", "url": tiles });
        if let Some(attribution) = attribution {
            source["attribution"] = attribution.into();
        }
        let layer = |id: &str, kind: &str, geometry: &str, paint: Value| {
            json!({
                "id": format!("{}-{id}", self.layer), "type": kind, "source": "thema", "source-layer": self.layer,
                // Newer versions tell collections from single geometries.
                "filter": ["in", ["geometry-type"], ["literal", [geometry, format!("Multi{geometry}")]]], "paint": paint,
            })
        };
        let mut layers = Vec::new();
        for geometry in self.geometries {
            match geometry {
                GeometryOption::Polygon => {
                    let fill = json!({ "fill-color": self.colour(style.fill()), "fill-opacity": style.opacity() });
                    layers.push(layer("flaeche", "fill", "Polygon", fill));
                    let line = json!({ "line-color": self.colour(style.stroke()), "line-width": style.width() });
                    layers.push(layer("umriss", "line", "Polygon", line));
                }
                GeometryOption::Line => {
                    let line = json!({ "line-color": self.colour(style.stroke()), "line-width": style.width() });
                    let mut entry = layer("linie", "line", "LineString", line);
                    entry["layout"] = json!({ "line-cap": "round", "line-join": "round" });
                    layers.push(entry);
                }
                GeometryOption::Point => {
                    let circle = json!({
                        "circle-color": self.colour(style.fill()), "circle-radius": style.radius(),
                        "circle-stroke-color": style.stroke(), "circle-stroke-width": (style.width() / 2.0),
                    });
                    layers.push(layer("punkt", "circle", "Point", circle));
                }
            }
        }
        json!({ "version": 8, "name": self.title, "sources": { "thema": source }, "layers": layers })
    }

    /// The style as SLD 1.1 (OGC 05-078r4) with rules of SE 1.1 (OGC 05-077r4): one feature type style for each kind of geometry.
    pub fn sld(&self) -> String {
        let styles = self.geometries.iter().map(|geometry| {
            let semantic = match geometry {
                GeometryOption::Point => "generic:point",
                GeometryOption::Line => "generic:line",
                GeometryOption::Polygon => "generic:polygon",
            };
            let mut sheet = el("se:FeatureTypeStyle").with("se:SemanticTypeIdentifier", semantic);
            for class in &self.style.classes {
                let rule = el("se:Rule")
                    .child(el("se:Description").with("se:Title", class.label()))
                    .child(el("ogc:Filter").child(self.filter(class)));
                sheet = sheet.child(rule.child(self.symbolizer(*geometry, &class.colour, &class.colour)));
            }
            let plain = self.symbolizer(*geometry, self.style.fill(), self.style.stroke());
            let rule = el("se:Rule");
            sheet.child(if self.style.classes.is_empty() {
                rule.child(el("se:Description").with("se:Title", self.title)).child(plain)
            } else {
                rule.child(el("se:Description").with("se:Title", "Sonstige")).child(self.others()).child(plain)
            })
        });
        el("StyledLayerDescriptor")
            .attr("version", "1.1.0")
            .attr("xmlns", "http://www.opengis.net/sld")
            .attr("xmlns:se", "http://www.opengis.net/se")
            .attr("xmlns:ogc", "http://www.opengis.net/ogc")
            .attr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
            .attr(
                "xsi:schemaLocation",
                "http://www.opengis.net/sld http://schemas.opengis.net/sld/1.1.0/StyledLayerDescriptor.xsd",
            )
            .child(
                el("NamedLayer")
                    .with("se:Name", self.layer)
                    .child(el("UserStyle").with("se:Name", self.layer).children(styles.collect::<Vec<_>>())),
            )
            .to_xml()
    }

    /// What no class holds for. `se:ElseFilter` would say it in a word, but QGIS 3.22 passes over it and draws everything.
    fn others(&self) -> Element {
        let mut classes: Vec<Element> = self.style.classes.iter().map(|class| self.filter(class)).collect();
        let any = match (classes.pop(), classes.is_empty()) {
            (Some(only), true) => only,
            (last, _) => el("ogc:Or").children(classes).children(last),
        };
        let none = el("ogc:PropertyIsNull").with("ogc:PropertyName", self.style.by.as_deref().unwrap_or_default());
        el("ogc:Filter").child(el("ogc:Or").child(none).child(el("ogc:Not").child(any)))
    }

    fn filter(&self, class: &ClassOption) -> Element {
        let by = self.style.by.as_deref().unwrap_or_default();
        let compare =
            |name: &'static str, value: String| Element::new(name).with("ogc:PropertyName", by).with("ogc:Literal", value);
        if let Some(value) = &class.value {
            return compare("ogc:PropertyIsEqualTo", value.clone());
        }
        let least = class.min.map(|min| compare("ogc:PropertyIsGreaterThanOrEqualTo", min.to_string()));
        let most = class.max.map(|max| compare("ogc:PropertyIsLessThan", max.to_string()));
        match (least, most) {
            (Some(least), Some(most)) => Element::new("ogc:And").child(least).child(most),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => el("ogc:PropertyIsNull").with("ogc:PropertyName", by),
        }
    }

    fn symbolizer(&self, geometry: GeometryOption, fill: &str, stroke: &str) -> Element {
        let parameter = |name: &str, value: String| el("se:SvgParameter").attr("name", name).text(value);
        let filled = |opacity: f64| {
            el("se:Fill").child(parameter("fill", fill.to_owned())).child(parameter("fill-opacity", opacity.to_string()))
        };
        let line = |width: f64| {
            el("se:Stroke").child(parameter("stroke", stroke.to_owned())).child(parameter("stroke-width", width.to_string()))
        };
        match geometry {
            GeometryOption::Polygon => {
                el("se:PolygonSymbolizer").child(filled(self.style.opacity())).child(line(self.style.width()))
            }
            GeometryOption::Line => el("se:LineSymbolizer").child(
                line(self.style.width())
                    .child(parameter("stroke-linecap", "round".to_owned()))
                    .child(parameter("stroke-linejoin", "round".to_owned())),
            ),
            GeometryOption::Point => {
                let mark =
                    el("se:Mark").with("se:WellKnownName", "circle").child(filled(1.0)).child(line(self.style.width() / 2.0));
                let size = (self.style.radius() * 2.0).to_string();
                el("se:PointSymbolizer").child(el("se:Graphic").child(mark).with("se:Size", size))
            }
        }
    }
}

fn el(name: &'static str) -> Element {
    Element::new(name)
}
