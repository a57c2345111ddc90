//! The city model: CityGML 1.0 in the profile of the AdV, one file for each tile.

use super::nas::object::{MUNICIPALITY_KEY, MUNICIPALITY_NAME};
use super::plane::{Metres, Point};
use super::random::mix;
use super::town::roof::{Face, Part, Roof};
use super::town::{Address, Building, Town, names};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Counts of the elements of a tile.
pub type Counts = BTreeMap<String, u64>;

struct Gml<'a> {
    out: String,
    counts: Counts,
    date: &'a str,
}

/// The CityGML file of some buildings. `box_m` is the tile: west, south, east, north in metres.
pub fn tile(
    town: &Town,
    name: &str,
    box_m: [f64; 4],
    date: &str,
    buildings: &[(&Building, Option<&Address>)],
) -> (String, Counts) {
    let mut gml = Gml { out: String::new(), counts: Counts::new(), date };
    let lowest = buildings.iter().map(|(b, _)| b.base).min().unwrap_or(0);
    let highest = buildings.iter().map(|(b, _)| b.base + b.height()).max().unwrap_or(0);
    let [west, south, east, north] = box_m;
    gml.put(format_args!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
         <core:CityModel xmlns=\"http://www.opengis.net/citygml/1.0\" xmlns:core=\"http://www.opengis.net/citygml/1.0\" \
         xmlns:gen=\"http://www.opengis.net/citygml/generics/1.0\" xmlns:bldg=\"http://www.opengis.net/citygml/building/1.0\" \
         xmlns:gml=\"http://www.opengis.net/gml\" xmlns:xAL=\"urn:oasis:names:tc:ciq:xsdschema:xAL:2.0\" \
         xmlns:xlink=\"http://www.w3.org/1999/xlink\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://www.opengis.net/citygml/1.0 http://repository.gdi-de.org/schemas/adv/citygml/1.0/cityGMLBaseLoD2.xsd \
         http://www.opengis.net/citygml/building/1.0 http://repository.gdi-de.org/schemas/adv/citygml/building/1.0/buildingLoD2.xsd \
         http://www.opengis.net/citygml/generics/1.0 http://repository.gdi-de.org/schemas/adv/citygml/generics/1.0/genericsLoD2.xsd\">\n\
         <gml:name>{name}</gml:name>\n<gml:boundedBy>\n<gml:Envelope srsName=\"urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH\">\n\
         <gml:lowerCorner srsDimension=\"3\">{west:.3} {south:.3} {}</gml:lowerCorner>\n\
         <gml:upperCorner srsDimension=\"3\">{east:.3} {north:.3} {}</gml:upperCorner>\n</gml:Envelope>\n</gml:boundedBy>\n",
        Metres(lowest),
        Metres(highest),
    ));
    for (building, address) in buildings {
        gml.building(town, building, *address);
    }
    gml.put("</core:CityModel>\n");
    (gml.out, gml.counts)
}

impl Gml<'_> {
    fn put(&mut self, text: impl std::fmt::Display) {
        let _ = write!(self.out, "{text}");
    }
    fn count(&mut self, name: &str) {
        *self.counts.entry(name.to_owned()).or_insert(0) += 1;
    }
    fn generic(&mut self, name: &str, value: &str) {
        self.put(format_args!("<gen:stringAttribute name=\"{name}\"><gen:value>{value}</gen:value></gen:stringAttribute>\n"));
    }
    fn sources(&mut self) {
        self.generic("DatenquelleDachhoehe", "1000");
        self.generic("DatenquelleLage", "1000");
        self.generic("DatenquelleBodenhoehe", "1100");
        let date = self.date.to_owned();
        self.generic("Grundrissaktualitaet", &date);
    }
    fn building(&mut self, town: &Town, building: &Building, address: Option<&Address>) {
        self.count("Building");
        let (oid, date) = (building.oid, self.date.to_owned());
        self.put(format_args!(
            "<core:cityObjectMember>\n<bldg:Building gml:id=\"{oid}\">\n<core:creationDate>{date}</core:creationDate>\n\
             <core:externalReference><core:informationSystem>http://repository.gdi-de.org/schemas/adv/citygml/fdv/art.htm#_9100\
             </core:informationSystem><core:externalObject><core:name>{oid}</core:name></core:externalObject>\
             </core:externalReference>\n"
        ));
        self.generic("Gemeindeschluessel", MUNICIPALITY_KEY);
        self.generic("Geometrietyp2DReferenz", "3000");
        let function = building.shape.function;
        if let [part] = building.shape.parts.as_slice() {
            self.sources();
            self.attributes(Some(function), building, part);
            self.solid(building, part, 0);
        } else {
            self.put(format_args!("<bldg:function>31001_{function}</bldg:function>\n"));
            for (k, part) in building.shape.parts.iter().enumerate() {
                self.count("BuildingPart");
                let id = uuid(town.seed, building, k, 0);
                self.put(format_args!(
                    "<bldg:consistsOfBuildingPart>\n<bldg:BuildingPart gml:id=\"{id}\">\n\
                     <core:creationDate>{date}</core:creationDate>\n"
                ));
                self.sources();
                self.attributes(None, building, part);
                self.solid(building, part, k);
                self.put("</bldg:BuildingPart>\n</bldg:consistsOfBuildingPart>\n");
            }
        }
        if let Some(address) = address {
            let (number, street) = (&address.number, names::street(address.street));
            let id = uuid(town.seed, building, 99, 0);
            self.put(format_args!(
                "<bldg:address><core:Address gml:id=\"{id}\"><core:xalAddress><xAL:AddressDetails><xAL:Country>\
                 <xAL:CountryName>Germany</xAL:CountryName><xAL:Locality Type=\"Town\"><xAL:LocalityName>{MUNICIPALITY_NAME}\
                 </xAL:LocalityName><xAL:Thoroughfare Type=\"Street\"><xAL:ThoroughfareNumber>{number}</xAL:ThoroughfareNumber>\
                 <xAL:ThoroughfareName>{street}</xAL:ThoroughfareName></xAL:Thoroughfare></xAL:Locality></xAL:Country>\
                 </xAL:AddressDetails></core:xalAddress></core:Address></bldg:address>\n"
            ));
        }
        self.put("</bldg:Building>\n</core:cityObjectMember>\n");
    }
    fn attributes(&mut self, function: Option<u32>, building: &Building, part: &Part) {
        if let Some(function) = function {
            self.put(format_args!("<bldg:function>31001_{function}</bldg:function>\n"));
        }
        self.put(format_args!(
            "<bldg:roofType>{}</bldg:roofType>\n<bldg:measuredHeight uom=\"urn:adv:uom:m\">{}</bldg:measuredHeight>\n",
            part.roof.code(),
            Metres(part.top()),
        ));
        if function.is_some() && building.shape.storeys > 0 {
            self.put(format_args!("<bldg:storeysAboveGround>{}</bldg:storeysAboveGround>\n", building.shape.storeys));
        }
    }
    fn solid(&mut self, building: &Building, part: &Part, k: usize) {
        let surfaces = part.surfaces();
        let id = |n: usize| format!("{}_{k}_{n}", building.oid);
        self.put("<bldg:lod2Solid><gml:Solid><gml:exterior><gml:CompositeSurface>\n");
        for n in 0..surfaces.len() {
            self.put(format_args!("<gml:surfaceMember xlink:href=\"#GUID_{}\"/>\n", id(n)));
        }
        self.put("</gml:CompositeSurface></gml:exterior></gml:Solid></bldg:lod2Solid>\n");
        self.terrain_line(building, part);
        for (n, surface) in surfaces.iter().enumerate() {
            let name = match surface.face {
                Face::Ground => "GroundSurface",
                Face::Wall => "WallSurface",
                Face::Roof => "RoofSurface",
                Face::Closure => "ClosureSurface",
            };
            self.count(name);
            let (id, date) = (id(n), self.date.to_owned());
            self.put(format_args!(
                "<bldg:boundedBy><bldg:{name} gml:id=\"UUID_{id}\"><core:creationDate>{date}</core:creationDate>\
                 <bldg:lod2MultiSurface><gml:MultiSurface><gml:surfaceMember><gml:Polygon gml:id=\"GUID_{id}\"><gml:exterior>\
                 <gml:LinearRing><gml:posList srsDimension=\"3\">"
            ));
            for (point, height) in surface.points.iter().chain(surface.points.first()) {
                self.put(format_args!("{point} {} ", Metres(building.base + height)));
            }
            self.out.pop();
            self.put(format_args!(
                "</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMember></gml:MultiSurface>\
                 </bldg:lod2MultiSurface></bldg:{name}></bldg:boundedBy>\n"
            ));
        }
    }
    fn terrain_line(&mut self, building: &Building, part: &Part) {
        self.put(
            "<bldg:lod2TerrainIntersection><gml:MultiCurve><gml:curveMember><gml:LineString><gml:posList srsDimension=\"3\">",
        );
        for point in part.corners.iter().chain(part.corners.first()) {
            self.put(format_args!("{point} {} ", Metres(building.base)));
        }
        self.out.pop();
        self.put("</gml:posList></gml:LineString></gml:curveMember></gml:MultiCurve></bldg:lod2TerrainIntersection>\n");
    }
}

/// An identifier in the form of a UUID that stays with its object.
fn uuid(seed: u64, building: &Building, k: usize, n: usize) -> String {
    let high = mix(seed ^ mix(building.oid.0 ^ ((k as u64) << 56)));
    let low = mix(high ^ n as u64);
    format!(
        "UUID_{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        low >> 52,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// Eaves and ridge of a part in metres (DHHN2016), and the ends of the ridge.
pub fn heights(building: &Building, part: &Part) -> (f64, f64, Vec<Point>) {
    let eaves = (building.base + part.eaves) as f64 / 1000.0;
    let ridge = (building.base + part.top()) as f64 / 1000.0;
    let ends = match (part.roof, part.ridge()) {
        (Roof::Pyramid, Some([top, _])) => vec![top],
        (_, Some(ends)) => ends.to_vec(),
        (_, None) => part.corners.to_vec(),
    };
    (eaves, ridge, ends)
}
