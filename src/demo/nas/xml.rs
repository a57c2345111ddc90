//! NAS as text: elements, envelope of an object, geometry; in both dialects.

use crate::demo::plane::{Point, Ring};
use crate::demo::town::Oid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// Version of the GeoInfoDok that a delivery follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Dialect {
    /// GID 6.0: default namespace, plain codes, `gml:featureMember`, OGC filters of its own.
    #[serde(rename = "6.0")]
    Gid6,
    /// GID 7.1: prefixed, code lists by reference, `wfs:member`, WFS 2.0 and FES 2.0.
    #[default]
    #[serde(rename = "7.1")]
    Gid7,
}

impl Dialect {
    /// Prefix of the elements of the application schema.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Gid6 => "",
            Self::Gid7 => "adv:",
        }
    }
    /// Element around an object of a collection.
    pub fn member(self) -> &'static str {
        match self {
            Self::Gid6 => "gml:featureMember",
            Self::Gid7 => "wfs:member",
        }
    }
    /// The namespaces that a root declares.
    pub fn namespaces(self) -> String {
        let (own, version) = match self {
            Self::Gid6 => ("xmlns=\"http://www.adv-online.de/namespaces/adv/gid/6.0\" ", "6.0"),
            Self::Gid7 => ("", "7.1"),
        };
        let operations = match self {
            Self::Gid6 => {
                "xmlns:ogc=\"http://www.adv-online.de/namespaces/adv/gid/ogc\" xmlns:ows=\"http://www.opengis.net/ows\" \
                 xmlns:wfs=\"http://www.adv-online.de/namespaces/adv/gid/wfs\" \
                 xmlns:wfsext=\"http://www.adv-online.de/namespaces/adv/gid/wfsext\""
            }
            Self::Gid7 => {
                "xmlns:fes=\"http://www.opengis.net/fes/2.0\" xmlns:ows=\"http://www.opengis.net/ows/1.1\" \
                 xmlns:wfs=\"http://www.opengis.net/wfs/2.0\" \
                 xmlns:wfsext=\"http://www.adv-online.de/namespaces/adv/gid/wfsext/2.0\""
            }
        };
        format!(
            "{own}xmlns:adv=\"http://www.adv-online.de/namespaces/adv/gid/{version}\" xmlns:gco=\"http://www.isotc211.org/2005/gco\" \
             xmlns:gmd=\"http://www.isotc211.org/2005/gmd\" xmlns:gml=\"http://www.opengis.net/gml/3.2\" {operations} \
             xmlns:xlink=\"http://www.w3.org/1999/xlink\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:schemaLocation=\"http://www.adv-online.de/namespaces/adv/gid/{version} NAS-Operationen.xsd\""
        )
    }
}

/// Text of objects, with a count of each type.
pub struct Xml {
    /// The text so far.
    pub out: String,
    /// Objects written, by local name.
    pub counts: BTreeMap<&'static str, u64>,
    dialect: Dialect,
    members: bool,
    /// True where the `gml:id` of objects carries their version (in replacements of GID 6).
    pub versioned: bool,
    open: Vec<String>,
    current: Option<Oid>,
    geometry: u32,
}

impl Xml {
    /// Nothing yet; `members` puts the element of a collection around each object.
    pub fn new(dialect: Dialect, members: bool) -> Self {
        Self {
            out: String::new(),
            counts: BTreeMap::new(),
            dialect,
            members,
            versioned: false,
            open: Vec::new(),
            current: None,
            geometry: 0,
        }
    }
    /// The dialect.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
    /// Appends to the text; writing to a string cannot fail.
    pub fn push(&mut self, text: impl Display) {
        let _ = write!(self.out, "{text}");
    }
    /// Opens an element of the application schema.
    pub fn open(&mut self, name: &str) {
        let name = format!("{}{name}", self.dialect.prefix());
        self.push(format_args!("<{name}>\n"));
        self.open.push(name);
    }
    /// Closes the last opened element.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.push(format_args!("</{name}>\n"));
        }
        if self.members && self.open.is_empty() {
            self.push(format_args!("</{}>\n", self.dialect.member()));
        }
    }
    /// An element with text.
    pub fn leaf(&mut self, name: &str, value: impl Display) {
        let p = self.dialect.prefix();
        let value = escape(&value.to_string());
        self.push(format_args!("<{p}{name}>{value}</{p}{name}>\n"));
    }
    /// An element that refers to an object.
    pub fn refer(&mut self, name: &str, oid: Oid) {
        let p = self.dialect.prefix();
        self.push(format_args!("<{p}{name} xlink:href=\"urn:adv:oid:{oid}\"/>\n"));
    }
    /// Elements around leaves: a key of several parts.
    pub fn key(&mut self, name: &str, data_type: &str, leaves: &[(&str, &str)]) {
        self.open(name);
        self.open(data_type);
        for (name, value) in leaves {
            self.leaf(name, value);
        }
        self.close();
        self.close();
    }
    /// Begins an object: identifier, life span, model, reason.
    pub fn object(&mut self, name: &'static str, oid: Oid, since: &str, reason: &str) {
        let id = if self.versioned { version(oid, since) } else { oid.to_string() };
        *self.counts.entry(name).or_insert(0) += 1;
        self.current = Some(oid);
        self.geometry = 0;
        if self.members {
            self.push(format_args!("<{}>\n", self.dialect.member()));
        }
        let tag = format!("{}{name}", self.dialect.prefix());
        self.push(format_args!("<{tag} gml:id=\"{id}\">\n"));
        self.open.push(tag);
        self.push(format_args!("<gml:identifier codeSpace=\"http://www.adv-online.de/\">urn:adv:oid:{oid}</gml:identifier>\n"));
        self.key("lebenszeitintervall", "AA_Lebenszeitintervall", &[("beginnt", since)]);
        self.key("modellart", "AA_Modellart", &[("advStandardModell", "DLKM")]);
        match self.dialect {
            Dialect::Gid6 => self.leaf("anlass", reason),
            Dialect::Gid7 => {
                let title = reason_title(reason);
                self.push(format_args!(
                    "<adv:anlass xlink:href=\"https://registry.gdi-de.org/codelist/de.adv-online.gid/AA_Anlassart/{reason}\" \
                     xlink:title=\"{title}\"/>\n"
                ));
            }
        }
    }
    fn geometry_id(&mut self) -> String {
        let oid = self.current.map(|oid| oid.to_string()).unwrap_or_default();
        self.geometry += 1;
        format!("{oid}_g{}", self.geometry - 1)
    }
    /// `position` with a point.
    pub fn point(&mut self, name: &str, at: Point) {
        self.point_in(name, "urn:adv:crs:ETRS89_UTM32", at);
    }
    /// The same in another CRS.
    pub fn point_in(&mut self, name: &str, srs: &str, at: impl Display) {
        let id = self.geometry_id();
        self.open(name);
        self.push(format_args!("<gml:Point gml:id=\"{id}\" srsName=\"{srs}\"><gml:pos>{at}</gml:pos></gml:Point>\n"));
        self.close();
    }
    /// `position` with a surface. Sides are curves of their own where `sides`; `shared` names an object whose curves the outline is.
    pub fn surface(&mut self, outline: &Ring, holes: &[Ring], sides: bool, shared: Option<Oid>) {
        let id = self.geometry_id();
        self.open("position");
        self.push(format_args!(
            "<gml:Surface gml:id=\"{id}\" srsName=\"urn:adv:crs:ETRS89_UTM32\"><gml:patches><gml:PolygonPatch>\n"
        ));
        self.push("<gml:exterior><gml:Ring>\n");
        if let Some(oid) = shared {
            // The surface is g0, its curves follow in order.
            for k in 0..outline.points.len() / 2 {
                self.push(format_args!("<gml:curveMember xlink:href=\"#{oid}_g{}\"/>\n", k + 1));
            }
        } else {
            self.ring(outline, sides);
        }
        self.push("</gml:Ring></gml:exterior>\n");
        for hole in holes {
            let mut points = hole.points.clone();
            points.reverse();
            if hole.curved {
                // Reversed, the list would begin within an arc.
                points.rotate_right(1);
            }
            self.push("<gml:interior><gml:Ring>\n");
            self.ring(&Ring { points, curved: hole.curved }, sides);
            self.push("</gml:Ring></gml:interior>\n");
        }
        self.push("</gml:PolygonPatch></gml:patches></gml:Surface>\n");
        self.close();
    }
    fn ring(&mut self, ring: &Ring, sides: bool) {
        let count = ring.points.len();
        if ring.curved {
            for k in (0..count).step_by(2) {
                let (a, m, b) = (ring.points[k], ring.points[k + 1], ring.points[(k + 2) % count]);
                self.curve(&format!("<gml:Arc><gml:posList>{a} {m} {b}</gml:posList></gml:Arc>"));
            }
        } else if sides {
            for k in 0..count {
                let (a, b) = (ring.points[k], ring.points[(k + 1) % count]);
                self.curve(&format!("<gml:LineStringSegment><gml:posList>{a} {b}</gml:posList></gml:LineStringSegment>"));
            }
        } else {
            let mut list = String::new();
            for point in ring.points.iter().chain(ring.points.first()) {
                let _ = write!(list, "{point} ");
            }
            let list = list.trim_end();
            self.curve(&format!("<gml:LineStringSegment><gml:posList>{list}</gml:posList></gml:LineStringSegment>"));
        }
    }
    /// `position` with a full circle (`gml:Circle` through three points).
    pub fn circle(&mut self, centre: Point, radius_mm: i64) {
        let id = self.geometry_id();
        let at = |e: i64, n: i64| Point { e: centre.e + e, n: centre.n + n };
        let (a, b, c) = (at(radius_mm, 0), at(0, radius_mm), at(-radius_mm, 0));
        self.open("position");
        self.push(format_args!(
            "<gml:Surface gml:id=\"{id}\" srsName=\"urn:adv:crs:ETRS89_UTM32\"><gml:patches><gml:PolygonPatch>\n\
             <gml:exterior><gml:Ring>\n"
        ));
        self.curve(&format!("<gml:Circle><gml:posList>{a} {b} {c}</gml:posList></gml:Circle>"));
        self.push("</gml:Ring></gml:exterior></gml:PolygonPatch></gml:patches></gml:Surface>\n");
        self.close();
    }
    fn curve(&mut self, segment: &str) {
        let id = self.geometry_id();
        self.push(format_args!(
            "<gml:curveMember><gml:Curve gml:id=\"{id}\"><gml:segments>{segment}</gml:segments></gml:Curve></gml:curveMember>\n"
        ));
    }
}

/// An identifier with its version, 32 characters: a change refers to a version by it.
pub fn version(oid: Oid, since: &str) -> String {
    format!("{oid}{}", since.replace(['-', ':'], ""))
}

/// Text for between tags.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Title of a reason (AA_Anlassart) as the registry has it.
fn reason_title(code: &str) -> &'static str {
    match code {
        "010101" => "Zerlegung oder Sonderung",
        "010102" => "Verschmelzung",
        "010103" => "Zerlegung und Verschmelzung",
        "010312" => "Veränderung der Flurstücksnummer",
        "010203" => "Veränderung am Flurstück mit Änderung der Umfangsgrenzen",
        "010402" => "Veränderung der Lage",
        "010901" => "Grenzvermessung",
        "050100" => "Eigentumsänderung",
        "200000" => "Veränderung von Gebäudedaten",
        "200100" => "Eintragen eines Gebäudes",
        "200300" => "Löschen eines Gebäudes",
        _ => "Ersteinrichtung",
    }
}
