//! One member: an object with the properties that may be kept, or a change to one.

use super::geometry::{GeometryReader, Shared, SharedParts};
use super::names::{Family, Scope, is_allowed, is_allowed_lettering, is_booking, is_private};
use super::properties::{Properties, Within};
use super::xml::{Element, Events, Fault, Parsed, Tag, refuse};
use crate::dataset::cadastre::history::normal;
use geo::Geometry;
use std::collections::BTreeSet;

/// A geometry with the name of its CRS.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub geometry: Geometry<f64>,
    /// The `srsName`; empty where none is given.
    pub srs: String,
    /// True once the coordinates are in the CRS of the delivery's tables; else they are local, as delivered.
    pub located: bool,
}

/// An object as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Local name of its class.
    pub class: String,
    /// Identifier without a timestamp.
    pub oid: String,
    /// Begin of this version, ISO 8601.
    pub beginnt: String,
    /// End of this version.
    pub endet: Option<String>,
    /// The properties that may be kept, in the order of the file, as a JSON object.
    pub attributes: String,
    /// The geometry.
    pub shape: Option<Shape>,
    /// Parts of geometries it refers to that were not known: it is to be read again.
    pub missing: Vec<String>,
    /// Offset of the object in the delivery.
    pub byte: u64,
}

/// What a member does.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An object of the stock, or a new one.
    Insert(Feature),
    /// A new version of an object.
    Replace { target: Target, feature: Feature },
    /// New values of properties: the end of a version, and its reasons. Of others there are only those that may not be kept anyway.
    Update {
        targets: Vec<Target>,
        /// Local name of the class; empty where the change does not say.
        class: String,
        endet: Option<String>,
        /// Reasons (AA_Anlassart) to be added to those of the version.
        anlass: Vec<String>,
    },
    /// Objects that are gone.
    Delete {
        targets: Vec<Target>,
        /// Local name of the class; empty where the change does not say.
        class: String,
    },
}

/// An object as a filter names it: 16 characters, or 32 with the begin of the version.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub oid: String,
    pub beginnt: Option<String>,
}

impl Target {
    /// Takes an identifier apart.
    pub fn parse(id: &str) -> Self {
        let id = id.strip_prefix("urn:adv:oid:").unwrap_or(id);
        match id.split_at_checked(16) {
            Some((oid, stamp)) if !stamp.is_empty() => Self { oid: oid.to_owned(), beginnt: timestamp(stamp) },
            _ => Self { oid: id.to_owned(), beginnt: None },
        }
    }
}

/// `20241015T075513Z` as `2024-10-15T07:55:13Z`.
fn timestamp(stamp: &str) -> Option<String> {
    let digits = stamp.len() == 16
        && stamp.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    digits.then(|| {
        format!("{}-{}-{}T{}:{}:{}Z", &stamp[..4], &stamp[4..6], &stamp[6..8], &stamp[9..11], &stamp[11..13], &stamp[13..15])
    })
}

/// How members are read.
pub struct Rules<'r> {
    /// Greatest distance of a chord from its arc, in metres.
    pub tolerance: f64,
    /// Whether objects of personal data are read, with all properties.
    pub owners: bool,
    /// Whether of parcels only that is read which says where they are booked in the land register.
    pub bookings: bool,
    /// Parts of geometries from an earlier pass.
    pub known: &'r SharedParts,
    /// Parts that are to be remembered.
    pub collect: &'r BTreeSet<String>,
}

/// What reading a member gave besides the object.
#[derive(Default)]
pub struct Extras {
    /// Parts of geometries that were asked for.
    pub shared: Vec<(String, Shared)>,
    /// What those that were asked for refer to themselves.
    pub wanting: Vec<String>,
}

/// Reads an object; `member` begins with its start tag.
pub fn object(member: &str, scope: &Scope, rules: &Rules<'_>, extras: &mut Extras) -> Parsed<Feature> {
    let mut events = Events::new(member, scope);
    match events.next()? {
        Some(Tag::Open(element)) => feature(&element, &mut events, rules, extras),
        _ => refuse("mk::cadastre::nas::object", "the member holds no object"),
    }
}

/// Reads a `Replace`; `Ok(None)` when its object is one of personal data.
pub fn replace(member: &str, scope: &Scope, rules: &Rules<'_>, extras: &mut Extras) -> Parsed<Result<Change, String>> {
    let mut events = Events::new(member, scope);
    let (mut found, mut targets, mut private) = (None, Vec::new(), None);
    events.next()?;
    while let Some(tag) = events.next()? {
        if let Tag::Open(element) = tag {
            if element.family == Family::Aaa {
                if is_private(element.local()) && !rules.owners {
                    private = Some(element.local().to_owned());
                    events.skip()?;
                } else {
                    found = Some(feature(&element, &mut events, rules, extras)?);
                }
            } else {
                filter(&element, &mut targets)?;
            }
        }
    }
    if let Some(class) = private {
        return Ok(Err(class));
    }
    let Some(feature) = found else { return refuse("mk::cadastre::nas::object", "a Replace without an object") };
    let target = targets.into_iter().next().unwrap_or_else(|| Target { oid: feature.oid.clone(), beginnt: None });
    Ok(Ok(Change::Replace { target, feature }))
}

/// Reads an `Update` or a `Delete`; `None` when it is about a class of personal data.
///
/// The property of an update is named by `Name` (WFS 1.0) or `ValueReference` (WFS 2.0), the latter a path with steps through
/// types, of which the last step without its prefix counts.
pub fn change(member: &str, scope: &Scope, delete: bool, owners: bool) -> Parsed<Option<Change>> {
    let mut events = Events::new(member, scope);
    let (mut targets, mut endet, mut anlass, mut lost) = (Vec::new(), None, Vec::new(), None);
    let mut class = String::new();
    if let Some(Tag::Open(element)) = events.next()? {
        let name = element.attribute("typeName")?.unwrap_or_default();
        name.rsplit(':').next().unwrap_or_default().clone_into(&mut class);
        if !owners && is_private(&class) {
            return Ok(None);
        }
    }
    let mut open = Vec::new();
    let mut property = String::new();
    while let Some(tag) = events.next()? {
        match tag {
            Tag::Open(element) => {
                filter(&element, &mut targets)?;
                let local = element.local().to_owned();
                if property == "anlass" && local == "Value" {
                    anlass.extend(element.attribute("href")?.map(|code| referred(&code).to_owned()));
                }
                open.push(local);
            }
            Tag::Close => {
                let text = events.text();
                match open.pop().as_deref() {
                    Some("Name" | "ValueReference") => {
                        let step = text.rsplit(['/', ':']).next().unwrap_or_default();
                        step.split('[').next().unwrap_or_default().clone_into(&mut property);
                        let is_kept = matches!(property.as_str(), "position" | "geometry" | "beginnt")
                            || is_allowed(&class, &property)
                            || (owners && is_booking(&class, &property));
                        if is_kept && !matches!(property.as_str(), "endet" | "anlass" | "") {
                            lost.get_or_insert_with(|| property.clone());
                        }
                    }
                    Some("Value" | "endet") if property == "endet" && !text.is_empty() => endet = Some(normal(text)),
                    Some("Value" | "anlass") if property == "anlass" && !text.is_empty() => anlass.push(text.to_owned()),
                    _ => {}
                }
            }
        }
    }
    if targets.is_empty() {
        return refuse("mk::cadastre::nas::filter", "a change names no object");
    }
    if endet.as_deref().is_some_and(|endet| !is_moment(endet)) {
        return refuse("mk::cadastre::nas::endet", "an update ends a version at what is no moment");
    }
    // Of a version that ends, its end is what counts.
    if let Some(property) = lost.filter(|_| endet.is_none() && !delete) {
        let property: String = property.chars().take(60).collect();
        let what = format!("an update of {property}: in NAS it ends a version and gives reasons, another value is a new version");
        let named = targets.first().map(|target| target.oid.clone()).unwrap_or_default();
        return refuse("mk::cadastre::nas::update", what).map_err(|fault| fault.of(&named));
    }
    Ok(Some(if delete { Change::Delete { targets, class } } else { Change::Update { targets, class, endet, anlass } }))
}

/// `FeatureId fid` (GeoInfoDok 6) or `ResourceId rid` (7).
fn filter(element: &Element<'_>, targets: &mut Vec<Target>) -> Parsed<()> {
    let name = match element.local() {
        "FeatureId" => "fid",
        "ResourceId" => "rid",
        _ => return Ok(()),
    };
    targets.extend(element.attribute(name)?.map(|id| Target::parse(&id)));
    Ok(())
}

fn feature<'a>(element: &Element<'a>, events: &mut Events<'a>, rules: &Rules<'_>, extras: &mut Extras) -> Parsed<Feature> {
    let class = element.local().to_owned();
    if element.family != Family::Aaa {
        return refuse("mk::cadastre::nas::namespace", "the object's namespace is none of the AAA model");
    }
    let id = element.attribute("id")?.unwrap_or_default();
    let private = is_private(&class);
    let mut feature = Feature {
        oid: Target::parse(&id).oid,
        class,
        beginnt: String::new(),
        endet: None,
        attributes: String::new(),
        shape: None,
        missing: Vec::new(),
        byte: 0,
    };
    let mut properties = Properties::new(if private { Within::All } else { Within::Allowed });
    let mut refused = None;
    while let Some(Tag::Open(property)) = events.next()? {
        let depth = events.depth();
        match read_property(&mut feature, &mut properties, &property, events, rules, extras, private) {
            // The rest of the object is still checked for being XML.
            Err(Fault::Object(error)) => {
                events.leave(depth)?;
                refused.get_or_insert(error);
            }
            other => other?,
        }
    }
    let valid_id = (1..=64).contains(&feature.oid.len()) && feature.oid.bytes().all(|byte| byte.is_ascii_graphic());
    if !valid_id {
        return refuse("mk::cadastre::nas::missing_id", "the object has no gml:id");
    }
    if let Some(error) = refused {
        let mut place = error.place().clone();
        place.object = Some(feature.oid);
        return Err(Fault::Object(error.at(place)));
    }
    if !is_moment(&feature.beginnt) {
        return refuse("mk::cadastre::nas::beginnt", "the object has no valid lebenszeitintervall/beginnt")
            .map_err(|fault| fault.of(&feature.oid));
    }
    if feature.endet.as_ref().is_some_and(|endet| !is_moment(endet) || *endet < feature.beginnt) {
        return refuse("mk::cadastre::nas::endet", "the object ends before it begins").map_err(|fault| fault.of(&feature.oid));
    }
    if feature.class.starts_with("AP_") && !properties.text("art").is_some_and(is_allowed_lettering) {
        properties.remove("schriftinhalt");
    }
    feature.attributes = properties.finish();
    Ok(feature)
}

/// A date or a moment as XML Schema writes them; enough to be ordered as text.
fn is_moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    (10..=40).contains(&bytes.len())
        && bytes
            .iter()
            .take(10)
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() })
        && text.is_ascii()
}

fn read_property<'a>(
    feature: &mut Feature,
    properties: &mut Properties<'a>,
    property: &Element<'a>,
    events: &mut Events<'a>,
    rules: &Rules<'_>,
    extras: &mut Extras,
    private: bool,
) -> Parsed<()> {
    let name = property.local();
    if property.family != Family::Aaa {
        return events.skip();
    }
    if rules.bookings && !private && name != "lebenszeitintervall" {
        let is_told = is_booking(&feature.class, name) || name == "flurstueckskennzeichen";
        return if is_told { properties.add(property, events) } else { events.skip() };
    }
    match name {
        "lebenszeitintervall" => lifetime(feature, events),
        "position" | "geometry" => geometry(feature, events, rules, extras),
        _ if private || is_allowed(&feature.class, name) => properties.add(property, events),
        _ => events.skip(),
    }
}

fn lifetime(feature: &mut Feature, events: &mut Events<'_>) -> Parsed<()> {
    let mut depth = 1_usize;
    let mut open = Vec::new();
    while depth > 0 {
        match events.next()? {
            Some(Tag::Open(element)) => {
                depth += 1;
                open.push(match element.local() {
                    "beginnt" => 1,
                    "endet" => 2,
                    _ => 0,
                });
            }
            Some(Tag::Close) => {
                depth -= 1;
                let text = events.text();
                match open.pop() {
                    Some(1) => feature.beginnt = normal(text),
                    Some(2) if !text.is_empty() => feature.endet = Some(normal(text)),
                    _ => {}
                }
            }
            None => break,
        }
    }
    Ok(())
}

fn geometry(feature: &mut Feature, events: &mut Events<'_>, rules: &Rules<'_>, extras: &mut Extras) -> Parsed<()> {
    let mut reader = GeometryReader::new(rules.tolerance, rules.known, rules.collect);
    loop {
        match events.next()? {
            Some(Tag::Open(element)) if element.family == Family::Gml => {
                let geometry = reader.read(&element, events)?;
                if reader.missing.is_empty() {
                    feature.shape = Some(Shape { geometry, srs: reader.srs.take().unwrap_or_default(), located: false });
                }
            }
            Some(Tag::Open(_)) => return refuse("mk::cadastre::nas::geometry", "the geometry is none of GML"),
            Some(Tag::Close) | None => break,
        }
    }
    feature.missing.append(&mut reader.missing);
    extras.shared.append(&mut reader.collected);
    extras.wanting.append(&mut reader.wanting);
    Ok(())
}

/// The object or code that a reference means: the last part of a code list's address, the identifier of an object.
pub fn referred(reference: &str) -> &str {
    reference.strip_prefix("urn:adv:oid:").or_else(|| reference.rsplit('/').next()).unwrap_or(reference)
}
