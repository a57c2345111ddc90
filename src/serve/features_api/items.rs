//! Features: a page of them, or one.

use super::super::http::{Request, Response};
use super::collection::Collection;
use super::documents::{GEOJSON, Links};
use super::format::Format;
use super::problem::Problem;
use super::query::{Ask, only_known, target};
use super::rows::{self, Row};
use super::source::Release;
use super::table::{KEY, quoted};
use super::target::{CRS84, Target};
use super::{matches, pages};
use crate::error::Result;
use crate::format::wkb;
use crate::markup::url_path;
use rusqlite::{OptionalExtension, Statement};
use serde_json::{Value, json};
use std::sync::Arc;

/// Bytes of rows after which a page is full, whatever its limit: the next link goes on from there.
const FULL: usize = 8 << 20;

/// A page of features for people.
pub struct Page {
    /// Features, as GeoJSON.
    pub features: Vec<Value>,
    /// What is known of the page.
    pub about: About,
}

/// What is known of a page, but for its features.
pub struct About {
    /// All that the request wants.
    pub matched: u64,
    /// Features before this page.
    pub offset: u64,
    /// Query of the page before and of the next, where there is one.
    pub around: [Option<String>; 2],
}

/// A page of features.
pub fn page(
    release: &Release,
    collection: &Collection,
    request: &Request,
    links: &Links,
    format: Format,
) -> Result<Response, Problem> {
    let ask = Ask::read(collection, request)?;
    let target = target(collection, request, "crs")?;
    // Numbers of rows are those of one release: a walk does not go on in another.
    if request.get("release").is_some_and(|wanted| wanted != release.id) {
        return Err(Problem::new(
            410,
            "there is a new release since this page was linked: begin again without offset and release",
        ));
    }
    let about = |count: u64, matched: u64| {
        let next = ask.offset.saturating_add(count);
        let query = |offset: u64| {
            let kept = request.query.iter().filter(|(name, _)| !["offset", "limit", "release", "f"].contains(&name.as_str()));
            let kept = kept.map(|(name, value)| format!("&{}={}", url_path(name), url_path(value))).collect::<Vec<_>>().concat();
            format!("limit={}&offset={offset}&release={}{kept}", ask.limit, release.id)
        };
        let around = [
            (ask.offset > 0).then(|| query(ask.offset.saturating_sub(ask.limit))),
            (count > 0 && next < matched).then(|| query(next)),
        ];
        About { matched, offset: ask.offset, around }
    };
    let response = match format {
        Format::Html => {
            let mut features = Vec::new();
            let matched = wanted(collection, &ask, &mut |row| {
                features.push(feature(row, target)?);
                Ok(())
            })?;
            let about = about(features.len() as u64, matched);
            pages::items(release, collection, &Page { features, about }, links)
        }
        Format::Json => {
            // Written as they are read: a page of ten thousand is never in memory but as its text.
            let (mut text, mut count) = (String::new(), 0);
            let matched = wanted(collection, &ask, &mut |row| {
                text.push_str(if count > 0 { "," } else { "" });
                text.push_str(&feature(row, target)?.to_string());
                count += 1;
                Ok(())
            })?;
            let head = head(collection, &about(count, matched), count, request, links).to_string();
            let head = head.strip_suffix('}').unwrap_or(&head);
            Response::text(200, GEOJSON, [head, ",\"features\":[", &text, "]}"].concat())
        }
    };
    let crs = format!("<{}>", target.map_or(CRS84, |target| &target.uri));
    Ok(response.with("Content-Crs", crs))
}

/// A page of `count` features as GeoJSON, but for the features.
fn head(collection: &Collection, about: &About, count: u64, request: &Request, links: &Links) -> Value {
    let path = format!("{}/items", Links::collection(&collection.id));
    let own = request.query.iter().filter(|(name, _)| name != "f");
    let own: Vec<String> = own.map(|(name, value)| format!("{}={}", url_path(name), url_path(value))).collect();
    let own = own.join("&");
    let address = |query: &str, form: &str| match (query, form) {
        ("", "") => path.clone(),
        ("", form) => format!("{path}?f={form}"),
        (query, "") => format!("{path}?{query}"),
        (query, form) => format!("{path}?{query}&f={form}"),
    };
    let mut all = vec![
        links.link("self", &address(&own, ""), GEOJSON, "Diese Seite"),
        links.link("alternate", &address(&own, "html"), "text/html", "Diese Seite als HTML"),
        links.link("collection", &Links::collection(&collection.id), "application/json", &collection.title),
    ];
    for (name, query) in [("prev", &about.around[0]), ("next", &about.around[1])] {
        all.extend(query.as_ref().map(|query| links.link(name, &address(query, ""), GEOJSON, name)));
    }
    json!({
        "type": "FeatureCollection", "numberMatched": about.matched, "numberReturned": count,
        "timeStamp": crate::run::utc_now(), "links": all,
    })
}

/// Hands on the rows of a page, and says how many there are in all.
fn wanted(collection: &Collection, ask: &Ask, take: &mut dyn FnMut(&Row) -> Result<()>) -> Result<u64> {
    let table = &collection.table;
    let select = rows::select(table);
    let failed = |error| collection.pool.failed(error);
    let (mut number, mut weight) = (0, 0);
    // True as long as the page is not full.
    let mut add = |(row, more): (Row, usize)| -> Result<bool> {
        take(&row)?;
        (number, weight) = (number + 1, weight + more);
        Ok(number < ask.limit && weight < FULL)
    };
    if let Some(count) = table.rows.filter(|_| matches::is_everything(collection, &ask.filter)) {
        // Rows are numbered from 1 without a gap: what comes before a page need not be read.
        let offset = i64::try_from(ask.offset).unwrap_or(i64::MAX);
        collection.pool.with(|base| {
            let mut statement = base.prepare_cached(&format!("{select} WHERE {KEY} > ? ORDER BY {KEY}")).map_err(failed)?;
            let mut found = statement.query([offset]).map_err(failed)?;
            while let Some(row) = found.next().map_err(failed)? {
                if !add(rows::row(table, row).map_err(failed)?)? {
                    break;
                }
            }
            Ok(())
        })?;
        return Ok(count);
    }
    let keys: Arc<[i64]> = matches::keys(collection, &ask.filter)?;
    let offset = usize::try_from(ask.offset).unwrap_or(usize::MAX).min(keys.len());
    collection.pool.with(|base| {
        let mut statement = base.prepare_cached(&format!("{select} WHERE {KEY} = ?")).map_err(failed)?;
        for key in &keys[offset..] {
            // An edit may have deleted it just now.
            let row = statement.query_row([key], |row| rows::row(table, row)).optional().map_err(failed)?;
            if let Some(row) = row
                && !add(row)?
            {
                break;
            }
        }
        Ok(())
    })?;
    Ok(keys.len() as u64)
}

/// One feature.
pub fn one(collection: &Collection, name: &str, request: &Request, links: &Links, format: Format) -> Result<Response, Problem> {
    only_known(request, &["f", "crs"])?;
    let target = target(collection, request, "crs")?;
    let row = find(collection, name)?.ok_or_else(|| Problem::not_found("there is no such feature"))?;
    let crs = target.map_or(CRS84, |target| &target.uri);
    let form = match format {
        Format::Json => "json",
        Format::Html => "html",
    };
    let etag = format!("\"{}-{form}\"", row.state());
    let known = request.header("if-none-match").is_some_and(|header| {
        header.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == "*" || tag == etag)
    });
    if known {
        return Ok(Response::empty(304).with("ETag", etag));
    }
    let feature = feature(&row, target)?;
    let path = format!("{}/items/{}", Links::collection(&collection.id), url_path(name));
    let response = match format {
        Format::Html => pages::item(collection, &feature, links),
        Format::Json => {
            let mut feature = feature;
            feature["links"] = json!([
                links.link("self", &path, GEOJSON, "Dieses Objekt"),
                links.link("alternate", &format!("{path}?f=html"), "text/html", "Dieses Objekt als HTML"),
                links.link("collection", &Links::collection(&collection.id), "application/json", &collection.title),
            ]);
            Response::text(200, GEOJSON, feature.to_string())
        }
    };
    Ok(response.with("ETag", etag).with("Content-Crs", format!("<{crs}>")))
}

/// The row of that name.
pub fn find(collection: &Collection, name: &str) -> Result<Option<Row>> {
    let table = &collection.table;
    let read = |statement: &mut Statement<'_>| match &table.identifier {
        Some(_) => statement.query_row([name], |row| rows::row(table, row)).optional(),
        None => match name.parse::<i64>() {
            Ok(key) => statement.query_row([key], |row| rows::row(table, row)).optional(),
            Err(_) => Ok(None),
        },
    };
    let column = table.identifier.as_ref().map_or_else(|| KEY.to_owned(), |name| quoted(name));
    let sql = format!("{} WHERE {column} = ?", rows::select(table));
    let found = collection.pool.with(|base| {
        let statement = base.prepare_cached(&sql);
        statement.and_then(|mut statement| read(&mut statement)).map_err(|error| collection.pool.failed(error))
    })?;
    Ok(found.map(|(row, _)| row))
}

/// A row as GeoJSON.
fn feature(row: &Row, target: Option<&Target>) -> Result<Value> {
    let geometry = match (&row.shape, target) {
        (Some(bytes), Some(target)) => target.shape(&wkb::decode(bytes)?)?,
        _ => Value::Null,
    };
    Ok(json!({ "type": "Feature", "id": row.id, "geometry": geometry, "properties": row.properties }))
}
