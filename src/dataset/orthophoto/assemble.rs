//! The artefacts: sets of tiles, footprints, STAC items, a preview; and what is known about them.

use super::inspect::{self, Inspected};
use super::products::{Product, products};
use super::{INSPECT, Orthophoto, RENDER, archive, footprints, preview, services, sheets, stac_items};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{Artefact, ArtefactRole, AssembleContext, Assembly, Counts, Facts, Representation, UnitResult};
use crate::error::{Error, Exit, Result};

const FOOTPRINTS: &str = "footprints.parquet";
/// Index of the images' files, named so that GDAL takes it for one raster.
const MOSAIC: &str = "mosaic.gti.gpkg";
const STAC: &str = "stac";
const PREVIEW: &str = "preview.jpg";

pub fn assemble(dataset: &Orthophoto, context: &AssembleContext<'_>) -> Result<Assembly> {
    let images = inspect::images(&context.results[INSPECT])?;
    let products = products(dataset, &images, context.area)?;
    let tiles = |product: &Product| -> usize {
        context.results.iter().skip(RENDER).flat_map(|stage| product.results(stage)).map(|result| number(result, "tiles")).sum()
    };
    let made: Vec<(Product, usize)> =
        products.into_iter().map(|product| (tiles(&product), product)).map(|(n, p)| (p, n)).collect();
    let drawn = ["pmtiles", "tree", "preview"].iter().any(|artefact| context.wants(artefact));
    if images.is_empty() || drawn && made.iter().all(|(_, tiles)| *tiles == 0) {
        return Err(Error::new("mk::orthophoto::empty", "no image can be used, so there are no tiles")
            .hint("the report lists each image with the reason why it was refused"));
    }
    let facts = facts(context, &images, &made)?;
    let title = context.dataset.metadata.title.clone().unwrap_or_else(|| super::KIND.title.to_owned());
    let mut writing = Writing { context, images: &images, title: &title, artefacts: Vec::new() };
    writing.tiles(&made)?;
    if context.wants("preview") {
        let on_map = made[0].0.on_map();
        preview::write(&made[0].0, context, &context.output.join(PREVIEW), &on_map)?;
        writing.add(PREVIEW, ArtefactRole::Preview, "image/jpeg", "JPEG", "Vorschaubild");
    }
    let names = stac_items::names(&images);
    let sheets = if context.wants("cog") { writing.sheets(&names)? } else { vec![false; images.len()] };
    let location = |(name, made): (&String, &bool)| made.then(|| format!("{}/{name}.tif", sheets::FOLDER));
    let locations: Vec<Option<String>> = names.iter().zip(&sheets).map(location).collect();
    let table = footprints::table(&images, facts.crs, &context.area.grids, &locations)?;
    if sheets.contains(&true) {
        let published: Vec<usize> =
            (0..images.len()).rev().filter(|index| sheets[*index]).map(|index| images.len() - 1 - index).collect();
        footprints::write_index(&context.output.join(MOSAIC), &table, &published, facts.crs, facts.dates.as_ref())?;
        writing.add(
            MOSAIC,
            ArtefactRole::Index,
            "application/geopackage+sqlite3",
            "GeoPackage 1.3",
            "Mosaik der Bilder für GDAL",
        );
    }
    if context.wants("parquet") {
        footprints::write(&context.output.join(FOOTPRINTS), &table, facts.crs)?;
        writing.add(
            FOOTPRINTS,
            ArtefactRole::Index,
            "application/vnd.apache.parquet",
            "GeoParquet 1.1",
            "Bildübersicht mit Flugdatum",
        );
    }
    if context.wants("stac") {
        let items = stac_items::Catalogue { images: &images, names: &names, sheets: &sheets, made: &made };
        stac_items::write(STAC, context, &title, &facts, &items)?;
        writing.add(STAC, ArtefactRole::Index, "application/json", "STAC 1.1", "STAC-Katalog der Bilder");
    }
    let artefacts = writing.artefacts;
    Ok(Assembly { artefacts, facts })
}

/// File of the archive of a set of tiles.
pub fn archive_name(product: &Product) -> String {
    format!("{}.pmtiles", product.name)
}

struct Writing<'a> {
    context: &'a AssembleContext<'a>,
    images: &'a [Inspected<'a>],
    title: &'a str,
    artefacts: Vec<Artefact>,
}

impl Writing<'_> {
    fn add(&mut self, path: &str, role: ArtefactRole, media_type: &str, format: &str, title: &str) {
        self.artefacts.push(Artefact {
            path: path.to_owned(),
            audience: self.context.audience,
            role,
            media_type: media_type.to_owned(),
            format: format.to_owned(),
            title: title.to_owned(),
        });
    }

    /// Images as files of their own; gives those that have one.
    fn sheets(&mut self, names: &[String]) -> Result<Vec<bool>> {
        let made = sheets::write(&self.context.output.join(sheets::FOLDER), self.context, self.images, names)?;
        if made.contains(&true) {
            let title = "Orthophotos als Cloud Optimized GeoTIFF";
            let media_type = "image/tiff; application=geotiff; profile=cloud-optimized";
            self.add(sheets::FOLDER, ArtefactRole::Data, media_type, "Cloud Optimized GeoTIFF (JPEG)", title);
        }
        Ok(made)
    }

    /// Archives, folders of tiles and what describes them.
    fn tiles(&mut self, made: &[(Product, usize)]) -> Result<()> {
        let context = self.context;
        let mut trees = Vec::new();
        for (product, tiles) in made.iter().filter(|(_, tiles)| *tiles > 0) {
            let bounds = services::bounds_lonlat(product, |index| self.images[index].image.lonlat);
            let codec = product.target.codec();
            let own = services::title(self.title, product);
            let about = format!("Kartenkacheln {own} ({})", product.matrix.id);
            if context.wants("pmtiles") && product.fits_pmtiles() {
                let path = archive_name(product);
                archive::pmtiles(&context.output.join(&path), product, context, &own, bounds)?;
                self.add(&path, ArtefactRole::Tiles, "application/vnd.pmtiles", &format!("PMTiles 3 ({})", codec.name()), &about);
            }
            if context.wants("tree") && product.has_tree() {
                archive::tree(&context.output.join(&product.name), product, context)?;
                let format = format!("{tiles} Kacheln ({})", codec.name());
                self.add(&product.name, ArtefactRole::Part, codec.media_type(), &format, &about);
                let path = format!("{}.tilejson.json", product.name);
                if services::write_tilejson(&context.output.join(&path), context, self.title, (product, bounds))? {
                    self.add(&path, ArtefactRole::Index, "application/json", "TileJSON 3.0", &format!("TileJSON {own}"));
                }
                trees.push((product, bounds));
            }
        }
        if !trees.is_empty() {
            services::write_capabilities(&context.output.join(services::CAPABILITIES), context, self.title, &trees)?;
            self.add(services::CAPABILITIES, ArtefactRole::Tiles, "application/xml", "WMTS 1.0.0", "Kartenkacheln als WMTS");
        }
        if context.only == Some("pmtiles") && !made.iter().any(|(product, _)| product.fits_pmtiles()) {
            return Err(Error::new("mk::orthophoto::pmtiles", "a PMTiles archive cannot hold this tile matrix set")
                .hint("ask for the folder of tiles: only=tree")
                .exit(Exit::Usage));
        }
        Ok(())
    }
}

fn number(result: &UnitResult, name: &str) -> usize {
    result.outcome.summary[name].as_u64().map_or(0, |number| number as usize)
}

fn facts(context: &AssembleContext<'_>, images: &[Inspected<'_>], made: &[(Product, usize)]) -> Result<Facts> {
    let crs = inspect::dataset_crs(images, context.area);
    let grids = &context.area.grids;
    let (mut bbox, mut bbox_lonlat) = (Bbox::EMPTY, Bbox::EMPTY);
    let mut counts = Counts::default();
    for inspected in images {
        let header = &inspected.image.header;
        bbox = bbox.union(header.bounds(&Operation::between(header.crs, crs, grids)?)?);
        bbox_lonlat = bbox_lonlat.union(inspected.image.lonlat);
    }
    for result in &context.results[INSPECT] {
        counts.add(&result.outcome.counts);
    }
    let resolution = images.iter().map(|inspected| inspected.image.resolution_m).fold(f64::INFINITY, f64::min);
    let days: Vec<_> = images.iter().filter_map(|inspected| inspected.image.flight_date.as_ref()).collect();
    let dates = days.iter().min().zip(days.iter().max()).map(|(first, last)| (first.to_string(), last.to_string()));
    let undated = images.len() - days.len();
    let mut notes = vec![("Bilder".to_owned(), images.len().to_string())];
    for (product, tiles) in made {
        let name = if made.len() == 1 { "Kacheln".to_owned() } else { format!("Kacheln {}", product.name) };
        notes.push((name, format!("{tiles} ({} Zoom {} bis {})", product.matrix.id, product.zooms.min, product.zooms.max)));
    }
    notes.push(("Bodenauflösung".to_owned(), format!("{} m", german(resolution))));
    if undated > 0 {
        notes.push(("Bilder ohne Flugdatum".to_owned(), format!("{undated}; sie stehen nicht im STAC-Katalog")));
    }
    let products: Vec<&Product> = made.iter().map(|(product, _)| product).collect();
    let title = context.dataset.metadata.title.as_deref().unwrap_or(super::KIND.title);
    Ok(Facts {
        crs,
        vertical: None,
        bbox,
        bbox_lonlat,
        representation: Representation::Grid,
        resolution_m: Some(resolution),
        dates,
        counts,
        operations: services::operations(&products, |index| images[index].image.header.crs, grids)?,
        steps: steps(images, &products),
        layers: services::layers(title, &products),
        notes,
    })
}

/// What was done, for the record's lineage.
fn steps(images: &[Inspected<'_>], products: &[&Product]) -> Vec<String> {
    let crs: std::collections::BTreeSet<Crs> = images.iter().map(|inspected| inspected.image.header.crs).collect();
    let crs: Vec<String> = crs.into_iter().map(|crs| crs.to_string()).collect();
    let mut steps = vec![format!(
        "{} Orthophotos ({}) zu einem Mosaik gefügt; wo sich Bilder überlappen, gilt das jüngere, dann das feinere.",
        images.len(),
        crs.join(", ")
    )];
    // Sets of one campaign differ from the whole only in the images they show.
    for product in products.iter().filter(|product| product.year.is_none()) {
        let target = &product.target;
        let kernel = match target.resampling {
            super::Resampling::Bilinear => "bilinear",
            super::Resampling::Bicubic => "bikubisch",
        };
        let bands = match target.bands {
            super::Shown::Rgb => "",
            super::Shown::Cir => " als Falschfarbenbild (nahes Infrarot, Rot, Grün)",
        };
        steps.push(format!(
            "In {} umgeformt{bands} und {kernel} abgetastet; wo verkleinert wird, über die Fläche gemittelt.",
            product.matrix.crs
        ));
        let way =
            if product.is_halved() { "durch Mittelung von je vier Bildpunkten" } else { "durch Mittelung über die Fläche" };
        steps.push(format!("Übersichten bis Zoom {} {way} gebildet.", product.zooms.min));
        steps.push(match target.format {
            super::TileFormat::Jpeg => {
                format!("Als JPEG der Qualität {} gespeichert; Flächen ohne Bild sind weiß.", target.quality)
            }
            super::TileFormat::Webp => {
                format!("Als WebP der Qualität {} gespeichert; Flächen ohne Bild sind durchsichtig.", target.quality)
            }
            super::TileFormat::Png => "Als PNG gespeichert; Flächen ohne Bild sind durchsichtig.".to_owned(),
        });
    }
    let years: Vec<&str> = products.iter().filter_map(|product| product.year.as_deref()).collect();
    if !years.is_empty() {
        steps.push(format!("Dazu jede Befliegung für sich: {}.", years.join(", ")));
    }
    steps
}

/// A number with a decimal comma.
fn german(value: f64) -> String {
    value.to_string().replace('.', ",")
}
