//! WMTS capabilities of a folder of tiles (OGC 07-057r7, WMTS 1.0.0, RESTful encoding: clause 10).

use super::tile_matrix::TileMatrixSet;
use crate::crs::{Bbox, Crs};
use crate::markup::Element;

/// A layer: a folder of tiles `{zoom}/{column}/{row}`.
pub struct Layer<'a> {
    /// Identifier.
    pub name: &'a str,
    /// Title.
    pub title: &'a str,
    /// Extent in longitude and latitude.
    pub bbox_lonlat: Bbox,
    /// Extent on the map.
    pub bbox: Bbox,
    /// IANA media type of the tiles.
    pub media_type: &'a str,
    /// Where the tiles lie.
    pub matrix: &'a TileMatrixSet,
    /// Lowest and highest zoom with tiles.
    pub zooms: [u8; 2],
    /// Address of a tile, with `{TileMatrix}`, `{TileCol}` and `{TileRow}`.
    pub template: String,
}

/// What the service says about itself.
pub struct Service<'a> {
    /// Title.
    pub title: &'a str,
    /// What it is.
    pub about: &'a str,
    /// Attribution, or the terms of use.
    pub terms: &'a str,
    /// Address of this document, where it is known.
    pub address: Option<String>,
}

/// The document. Each layer has a tile matrix set of its own extent of zooms; sets that are equal are listed once.
pub fn capabilities(service: &Service<'_>, layers: &[Layer<'_>]) -> String {
    let mut root = Element::new("Capabilities")
        .attr("xmlns", "http://www.opengis.net/wmts/1.0")
        .attr("xmlns:ows", "http://www.opengis.net/ows/1.1")
        .attr("xmlns:xlink", "http://www.w3.org/1999/xlink")
        .attr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
        .attr(
            "xsi:schemaLocation",
            "http://www.opengis.net/wmts/1.0 http://schemas.opengis.net/wmts/1.0/wmtsGetCapabilities_response.xsd",
        )
        .attr("version", "1.0.0");
    let identification = Element::new("ows:ServiceIdentification")
        .with("ows:Title", service.title)
        .with("ows:Abstract", service.about)
        .with("ows:ServiceType", "OGC WMTS")
        .with("ows:ServiceTypeVersion", "1.0.0")
        .with("ows:AccessConstraints", if service.terms.is_empty() { "NONE" } else { service.terms });
    root = root.child(identification);
    let mut contents = Element::new("Contents");
    let mut sets: Vec<(String, &TileMatrixSet, [u8; 2])> = Vec::new();
    for layer in layers {
        let known = sets.iter().find(|(_, set, zooms)| *set == layer.matrix && *zooms == layer.zooms);
        let id = if let Some((id, ..)) = known {
            id.clone()
        } else {
            let taken = sets.iter().filter(|(_, set, _)| set.id == layer.matrix.id).count();
            let id = if taken == 0 { layer.matrix.id.clone() } else { format!("{}_{}", layer.matrix.id, taken + 1) };
            sets.push((id.clone(), layer.matrix, layer.zooms));
            id
        };
        contents = contents.child(about_layer(layer, &id));
    }
    for (id, set, zooms) in &sets {
        contents = contents.child(about_set(id, set, *zooms));
    }
    root = root.child(contents);
    if let Some(address) = &service.address {
        root = root.child(Element::new("ServiceMetadataURL").attr("xlink:href", address.clone()));
    }
    root.to_xml()
}

fn about_layer(layer: &Layer<'_>, set: &str) -> Element {
    let corner = |[east, north]: [f64; 2]| format!("{east} {north}");
    let lonlat = Element::new("ows:WGS84BoundingBox")
        .with("ows:LowerCorner", corner(layer.bbox_lonlat.min))
        .with("ows:UpperCorner", corner(layer.bbox_lonlat.max));
    let bbox = Element::new("ows:BoundingBox")
        .attr("crs", urn(layer.matrix.crs))
        .with("ows:LowerCorner", ordered(layer.matrix.crs, layer.bbox.min))
        .with("ows:UpperCorner", ordered(layer.matrix.crs, layer.bbox.max));
    let mut limits = Element::new("TileMatrixSetLimits");
    for zoom in layer.zooms[0]..=layer.zooms[1] {
        let Some((columns, rows)) = layer.matrix.range(zoom, &layer.bbox) else { continue };
        limits = limits.child(
            Element::new("TileMatrixLimits")
                .with("TileMatrix", &layer.matrix.level(zoom).id)
                .with("MinTileRow", rows.start().to_string())
                .with("MaxTileRow", rows.end().to_string())
                .with("MinTileCol", columns.start().to_string())
                .with("MaxTileCol", columns.end().to_string()),
        );
    }
    Element::new("Layer")
        .with("ows:Title", layer.title)
        .child(lonlat)
        .with("ows:Identifier", layer.name)
        .child(bbox)
        .child(Element::new("Style").attr("isDefault", "true").with("ows:Identifier", "default"))
        .with("Format", layer.media_type)
        .child(Element::new("TileMatrixSetLink").with("TileMatrixSet", set).child(limits))
        .child(
            Element::new("ResourceURL")
                .attr("format", layer.media_type)
                .attr("resourceType", "tile")
                .attr("template", layer.template.clone()),
        )
}

fn about_set(id: &str, set: &TileMatrixSet, zooms: [u8; 2]) -> Element {
    let mut element = Element::new("TileMatrixSet").with("ows:Identifier", id).with("ows:SupportedCRS", urn(set.crs));
    for zoom in zooms[0]..=zooms[1] {
        let level = set.level(zoom);
        element = element.child(
            Element::new("TileMatrix")
                .with("ows:Identifier", &level.id)
                .with("ScaleDenominator", set.scale_denominator(zoom).to_string())
                .with("TopLeftCorner", ordered(set.crs, level.origin))
                .with("TileWidth", set.tile_px.to_string())
                .with("TileHeight", set.tile_px.to_string())
                .with("MatrixWidth", level.width.to_string())
                .with("MatrixHeight", level.height.to_string()),
        );
    }
    element
}

fn urn(crs: Crs) -> String {
    format!("urn:ogc:def:crs:EPSG::{}", crs.0)
}

/// A position in the order of the CRS's authority: latitude first in geographic ones.
fn ordered(crs: Crs, [east, north]: [f64; 2]) -> String {
    if matches!(crs, Crs::WGS84 | Crs(4258)) { format!("{north} {east}") } else { format!("{east} {north}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tile_matrix::builtin;

    #[test]
    fn a_document_as_the_standard_has_it() {
        let set = builtin("DE_EPSG_25832_ADV").unwrap();
        let layer = |name| Layer {
            name,
            title: "Luftbild <2023>",
            bbox_lonlat: [9.9, 53.6, 10.1, 53.8].into(),
            bbox: [565_000.0, 5_948_000.0, 566_000.0, 5_949_000.0].into(),
            media_type: "image/jpeg",
            matrix: &set,
            zooms: [5, 6],
            template: format!("https://example.org/{name}/{{TileMatrix}}/{{TileCol}}/{{TileRow}}.jpg"),
        };
        let service = Service { title: "Luftbilder", about: "Luftbilder", terms: "© Amt", address: None };
        insta::assert_snapshot!(capabilities(&service, &[layer("a"), layer("b")]), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.opengis.net/wmts/1.0 http://schemas.opengis.net/wmts/1.0/wmtsGetCapabilities_response.xsd" version="1.0.0">
          <ows:ServiceIdentification>
            <ows:Title>Luftbilder</ows:Title>
            <ows:Abstract>Luftbilder</ows:Abstract>
            <ows:ServiceType>OGC WMTS</ows:ServiceType>
            <ows:ServiceTypeVersion>1.0.0</ows:ServiceTypeVersion>
            <ows:AccessConstraints>© Amt</ows:AccessConstraints>
          </ows:ServiceIdentification>
          <Contents>
            <Layer>
              <ows:Title>Luftbild &lt;2023&gt;</ows:Title>
              <ows:WGS84BoundingBox>
                <ows:LowerCorner>9.9 53.6</ows:LowerCorner>
                <ows:UpperCorner>10.1 53.8</ows:UpperCorner>
              </ows:WGS84BoundingBox>
              <ows:Identifier>a</ows:Identifier>
              <ows:BoundingBox crs="urn:ogc:def:crs:EPSG::25832">
                <ows:LowerCorner>565000 5948000</ows:LowerCorner>
                <ows:UpperCorner>566000 5949000</ows:UpperCorner>
              </ows:BoundingBox>
              <Style isDefault="true">
                <ows:Identifier>default</ows:Identifier>
              </Style>
              <Format>image/jpeg</Format>
              <TileMatrixSetLink>
                <TileMatrixSet>DE_EPSG_25832_ADV</TileMatrixSet>
                <TileMatrixSetLimits>
                  <TileMatrixLimits>
                    <TileMatrix>05</TileMatrix>
                    <MinTileRow>8</MinTileRow>
                    <MaxTileRow>9</MaxTileRow>
                    <MinTileCol>15</MinTileCol>
                    <MaxTileCol>15</MaxTileCol>
                  </TileMatrixLimits>
                  <TileMatrixLimits>
                    <TileMatrix>06</TileMatrix>
                    <MinTileRow>17</MinTileRow>
                    <MaxTileRow>18</MaxTileRow>
                    <MinTileCol>31</MinTileCol>
                    <MaxTileCol>31</MaxTileCol>
                  </TileMatrixLimits>
                </TileMatrixSetLimits>
              </TileMatrixSetLink>
              <ResourceURL format="image/jpeg" resourceType="tile" template="https://example.org/a/{TileMatrix}/{TileCol}/{TileRow}.jpg"/>
            </Layer>
            <Layer>
              <ows:Title>Luftbild &lt;2023&gt;</ows:Title>
              <ows:WGS84BoundingBox>
                <ows:LowerCorner>9.9 53.6</ows:LowerCorner>
                <ows:UpperCorner>10.1 53.8</ows:UpperCorner>
              </ows:WGS84BoundingBox>
              <ows:Identifier>b</ows:Identifier>
              <ows:BoundingBox crs="urn:ogc:def:crs:EPSG::25832">
                <ows:LowerCorner>565000 5948000</ows:LowerCorner>
                <ows:UpperCorner>566000 5949000</ows:UpperCorner>
              </ows:BoundingBox>
              <Style isDefault="true">
                <ows:Identifier>default</ows:Identifier>
              </Style>
              <Format>image/jpeg</Format>
              <TileMatrixSetLink>
                <TileMatrixSet>DE_EPSG_25832_ADV</TileMatrixSet>
                <TileMatrixSetLimits>
                  <TileMatrixLimits>
                    <TileMatrix>05</TileMatrix>
                    <MinTileRow>8</MinTileRow>
                    <MaxTileRow>9</MaxTileRow>
                    <MinTileCol>15</MinTileCol>
                    <MaxTileCol>15</MaxTileCol>
                  </TileMatrixLimits>
                  <TileMatrixLimits>
                    <TileMatrix>06</TileMatrix>
                    <MinTileRow>17</MinTileRow>
                    <MaxTileRow>18</MaxTileRow>
                    <MinTileCol>31</MinTileCol>
                    <MaxTileCol>31</MaxTileCol>
                  </TileMatrixLimits>
                </TileMatrixSetLimits>
              </TileMatrixSetLink>
              <ResourceURL format="image/jpeg" resourceType="tile" template="https://example.org/b/{TileMatrix}/{TileCol}/{TileRow}.jpg"/>
            </Layer>
            <TileMatrixSet>
              <ows:Identifier>DE_EPSG_25832_ADV</ows:Identifier>
              <ows:SupportedCRS>urn:ogc:def:crs:EPSG::25832</ows:SupportedCRS>
              <TileMatrix>
                <ows:Identifier>05</ows:Identifier>
                <ScaleDenominator>545978.7734655447</ScaleDenominator>
                <TopLeftCorner>-46133.17 6301219.54</TopLeftCorner>
                <TileWidth>256</TileWidth>
                <TileHeight>256</TileHeight>
                <MatrixWidth>32</MatrixWidth>
                <MatrixHeight>32</MatrixHeight>
              </TileMatrix>
              <TileMatrix>
                <ows:Identifier>06</ows:Identifier>
                <ScaleDenominator>272989.38673277234</ScaleDenominator>
                <TopLeftCorner>-46133.17 6301219.54</TopLeftCorner>
                <TileWidth>256</TileWidth>
                <TileHeight>256</TileHeight>
                <MatrixWidth>64</MatrixWidth>
                <MatrixHeight>64</MatrixHeight>
              </TileMatrix>
            </TileMatrixSet>
          </Contents>
        </Capabilities>
        "#);
    }
}
