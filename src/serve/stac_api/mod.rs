//! STAC API 1.0.0 over the street surveys of a release: Core, Collections, Features, Item Search, with the vector tiles and the links that
//! the Panoramax viewer asks for. A collection is a sequence, an item a picture. The pictures themselves are sent as files.

mod index;
mod item;
mod search;
mod tile;

use super::files;
use super::http::{Request, Response};
use crate::error::{Error, Result};
use crate::pipeline::{Audience, Pipeline};
use index::{Index, Sequence};
use item::link;
use search::{PAGE, Search};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

const JSON: &str = "application/json";
const GEOJSON: &str = "application/geo+json";
const MVT: &str = "application/vnd.mapbox-vector-tile";
const CLASSES: [&str; 8] = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
];

/// The street surveys of the current release.
pub struct Surveys {
    workspace: PathBuf,
    audience: Audience,
    title: String,
    /// The release that was read last, with what is in it.
    read: Mutex<Option<(String, Arc<Index>)>>,
}

/// A fault: status and what is wrong.
type Fault = (u16, String);

impl Surveys {
    /// Those of a pipeline.
    pub fn new(pipeline: &Pipeline, audience: Audience) -> Self {
        let title = format!("Straßenbefahrungen {}", pipeline.config.name);
        Self { workspace: pipeline.workspace(), audience, title, read: Mutex::new(None) }
    }

    /// Answers what is asked below `/stac`; `None` for all else.
    pub fn respond(&self, request: &Request) -> Option<Response> {
        let path = request.path.strip_prefix("/stac").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        let answer = match (request.method.as_str(), path) {
            ("OPTIONS", _) => Ok(Response::empty(204)),
            ("GET" | "HEAD", _) | ("POST", "/search") => self.answer(request, path),
            _ => Err((405, "only GET, HEAD and OPTIONS, and POST to /stac/search".to_owned())),
        };
        Some(answer.unwrap_or_else(|(status, text)| {
            Response::text(status, JSON, json!({ "code": status.to_string(), "description": text }).to_string())
        }))
    }

    /// What is current now.
    ///
    /// # Errors
    /// When it cannot be told which release is.
    fn index(&self) -> Result<Arc<Index>> {
        let release = crate::release::current(&self.workspace)?;
        let release = release.ok_or_else(|| Error::new("mk::release::none", "nothing is released here yet"))?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, index)) = read.as_ref()
            && *known == release
        {
            return Ok(Arc::clone(index));
        }
        let folder = match self.audience {
            Audience::Public => "public",
            Audience::Internal => "internal",
        };
        let index = Arc::new(Index::read(&crate::release::folder(&self.workspace, &release).join(folder), self.audience));
        *read = Some((release, Arc::clone(&index)));
        Ok(index)
    }

    fn answer(&self, request: &Request, path: &str) -> Result<Response, Fault> {
        let index = self.index().map_err(|error| broken(&error))?;
        let own = &format!("{}/stac", request.own);
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts[..] {
            [] => Ok(value(JSON, &self.landing(&index, own))),
            ["conformance"] => Ok(value(JSON, &json!({ "conformsTo": CLASSES }))),
            ["api"] => Ok(value("application/vnd.oai.openapi+json;version=3.0", &openapi(&self.title, own))),
            ["collections"] => collections(&index, request, own),
            ["collections", id] => {
                let sequence = sequence(&index, id)?;
                let collection = item::collection(&index, sequence, own).map_err(|error| broken(&error))?;
                Ok(value(JSON, &collection.ok_or_else(nothing)?))
            }
            ["collections", id, "items"] => {
                let id = sequence(&index, id)?.id;
                let query = Search::from_query(&request.query).map_err(wrong)?;
                let search = Search::read(&query).map_err(wrong)?.within(id);
                let address = format!("{own}/collections/{id}/items");
                found(&index, &search, own, |token| paged(&address, request, token))
            }
            ["collections", id, "items", picture] => {
                let sequence = sequence(&index, id)?;
                let place =
                    Uuid::try_parse(picture).ok().and_then(|id| index.picture(id)).filter(|p| sequence.pictures.contains(p));
                let item = item::item(&index, place.ok_or_else(nothing)?, own).map_err(|error| broken(&error))?;
                Ok(value(GEOJSON, &item.ok_or_else(nothing)?))
            }
            ["search"] => search(&index, request, own),
            ["map", "style.json"] => Ok(value(JSON, &tile::style(&index, own))),
            ["map", z, x, y] => tile::tile(&index, z, x, y),
            ["files", survey, ..] => {
                let survey = index.surveys.iter().find(|known| known.id == survey).ok_or_else(nothing)?;
                let path = path.trim_start_matches('/').splitn(3, '/').nth(2).unwrap_or_default();
                // Whether pictures may be kept by machines between the server and its readers.
                let cache = match self.audience {
                    Audience::Public => "public, max-age=3600",
                    Audience::Internal => "private, max-age=3600",
                };
                // Pages and lists change with a release, pictures hardly ever.
                let cache = if matches!(path.rsplit('.').next(), Some("jpg" | "webp")) { cache } else { "no-cache" };
                files::send(&survey.folder, path, cache, request).ok_or_else(nothing)
            }
            _ => Err(nothing()),
        }
    }

    fn landing(&self, index: &Index, own: &str) -> Value {
        let mut links = vec![
            link("self", own, JSON),
            link("root", own, JSON),
            link("conformance", &format!("{own}/conformance"), JSON),
            link("service-desc", &format!("{own}/api"), "application/vnd.oai.openapi+json;version=3.0"),
            link("data", &format!("{own}/collections"), JSON),
            link("xyz", &format!("{own}/map/{{z}}/{{x}}/{{y}}.mvt"), MVT),
            link("xyz-style", &format!("{own}/map/style.json"), JSON),
        ];
        for method in ["GET", "POST"] {
            let mut search = link("search", &format!("{own}/search"), GEOJSON);
            search["method"] = method.into();
            links.push(search);
        }
        // The pages that play them.
        for survey in index.surveys.iter().filter(|survey| survey.folder.join("drive.html").is_file()) {
            let mut page = link("related", &item::file(own, &survey.id, "drive.html"), "text/html");
            page["title"] = survey.title.clone().into();
            links.push(page);
        }
        let mut landing = json!({
            "type": "Catalog", "stac_version": "1.0.0", "id": "messkette",
            "title": self.title,
            "description": "Panoramabilder von Befahrungen: Collections sind Fahrten, Items sind Bilder",
            "conformsTo": CLASSES, "links": links,
        });
        if let Some(bbox) = index.bbox() {
            landing["extent"] = json!({ "spatial": { "bbox": [bbox] }, "temporal": { "interval": [interval(index)] } });
        }
        landing
    }
}

fn search(index: &Index, request: &Request, own: &str) -> Result<Response, Fault> {
    let address = format!("{own}/search");
    if request.method != "POST" {
        let search = Search::from_query(&request.query).and_then(|query| Search::read(&query)).map_err(wrong)?;
        return found(index, &search, own, |token| paged(&address, request, token));
    }
    let body: Map<String, Value> =
        serde_json::from_slice(&request.body).map_err(|_| wrong("the body is no JSON object".to_owned()))?;
    let search = Search::read(&body).map_err(wrong)?;
    found(index, &search, own, |token| {
        let mut next = body.clone();
        next.insert("token".to_owned(), token.into());
        json!({ "rel": "next", "href": address, "type": GEOJSON, "method": "POST", "body": next })
    })
}

fn interval(index: &Index) -> Value {
    let first = index.sequences.iter().map(|sequence| sequence.times[0]).min();
    let last = index.sequences.iter().map(|sequence| sequence.times[1]).max();
    json!([first.map(|time| time.to_string()), last.map(|time| time.to_string())])
}

fn value(media_type: &'static str, value: &Value) -> Response {
    Response::text(200, media_type, value.to_string())
}

fn nothing() -> Fault {
    (404, "there is nothing here".to_owned())
}

fn wrong(text: impl Into<String>) -> Fault {
    (400, text.into())
}

fn broken(error: &Error) -> Fault {
    tracing::error!("{}", error.full_message());
    (503, "this cannot be read now".to_owned())
}

fn sequence<'i>(index: &'i Index, id: &str) -> Result<&'i Sequence, Fault> {
    Uuid::try_parse(id).ok().and_then(|id| index.sequence(id)).ok_or_else(nothing)
}

/// The link to the next page of what was asked by query.
fn paged(address: &str, request: &Request, token: usize) -> Value {
    let kept = request.query.iter().filter(|(name, _)| name != "token");
    let kept = kept.map(|(name, value)| format!("&{}={}", crate::markup::url_path(name), crate::markup::url_path(value)));
    let kept = kept.collect::<Vec<_>>().concat();
    link("next", &format!("{address}?token={token}{kept}"), GEOJSON)
}

fn found(index: &Index, search: &Search, own: &str, next: impl FnOnce(usize) -> Value) -> Result<Response, Fault> {
    let found = search.find(index);
    let items = found.page.iter().filter_map(|place| item::item(index, *place, own).transpose());
    let items: Vec<Value> = items.collect::<Result<_>>().map_err(|error| broken(&error))?;
    let after = search.offset.saturating_add(found.page.len());
    let mut links = vec![link("root", own, JSON)];
    if !found.page.is_empty() && after < found.matched {
        links.push(next(after));
    }
    let features = json!({
        "type": "FeatureCollection", "features": items, "links": links,
        "numberMatched": found.matched, "numberReturned": found.page.len(),
    });
    Ok(value(GEOJSON, &features))
}

fn collections(index: &Index, request: &Request, own: &str) -> Result<Response, Fault> {
    let number = |name: &str, usual: usize| match request.get(name) {
        Some(text) => text.parse::<usize>().map_err(|_| wrong(format!("{name} is a number"))),
        None => Ok(usual),
    };
    if let Some((name, _)) = request.query.iter().find(|(name, _)| !["limit", "token", "f"].contains(&name.as_str())) {
        return Err(wrong(format!("there is no parameter '{}'", name.chars().take(40).collect::<String>())));
    }
    let (limit, offset) = (number("limit", PAGE.0)?.clamp(1, PAGE.1), number("token", 0)?);
    let page = index.sequences.iter().skip(offset).take(limit);
    let page = page.filter_map(|sequence| item::collection(index, sequence, own).transpose());
    let page: Vec<Value> = page.collect::<Result<_>>().map_err(|error| broken(&error))?;
    let address = format!("{own}/collections");
    let mut links = vec![link("self", &address, JSON), link("root", own, JSON)];
    let after = offset.saturating_add(page.len());
    if !page.is_empty() && after < index.sequences.len() {
        links.push(link("next", &format!("{address}?limit={limit}&token={after}"), JSON));
    }
    let list = json!({
        "collections": page, "links": links, "numberMatched": index.sequences.len(), "numberReturned": after - offset,
    });
    Ok(value(JSON, &list))
}

/// What can be asked, for programs (OpenAPI 3.0).
fn openapi(title: &str, own: &str) -> Value {
    let parameter = |name: &str, place: &str| json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": "string" } });
    let get = |summary: &str, path: &[&str], query: &[&str], media_type: &str| {
        let parameters = path.iter().map(|name| parameter(name, "path")).chain(query.iter().map(|name| parameter(name, "query")));
        let answer = |text: &str, media_type: &str| json!({ "description": text, "content": { media_type: { "schema": { "type": if media_type == MVT { "string" } else { "object" } } } } });
        json!({
            "summary": summary, "parameters": parameters.collect::<Vec<_>>(),
            "responses": { "200": answer(summary, media_type), "400": answer("wrong parameter", JSON), "404": answer("nothing there", JSON) },
        })
    };
    let search = ["ids", "collections", "bbox", "intersects", "datetime", "limit", "sortby", "token"];
    let mut by_body = get("Search pictures", &[], &[], GEOJSON);
    by_body["requestBody"] = json!({ "required": true, "content": { JSON: { "schema": { "type": "object" } } } });
    json!({
        "openapi": "3.0.3", "info": { "title": title, "version": "1.0.0" }, "servers": [{ "url": own }],
        "paths": {
            "/": { "get": get("Landing page", &[], &[], JSON) },
            "/conformance": { "get": get("Conformance classes", &[], &[], JSON) },
            "/collections": { "get": get("Sequences", &[], &["limit", "token"], JSON) },
            "/collections/{collectionId}": { "get": get("A sequence", &["collectionId"], &[], JSON) },
            "/collections/{collectionId}/items": {
                "get": get("Pictures of a sequence", &["collectionId"], &["bbox", "datetime", "limit", "token"], GEOJSON),
            },
            "/collections/{collectionId}/items/{itemId}": { "get": get("A picture", &["collectionId", "itemId"], &[], GEOJSON) },
            "/search": { "get": get("Search pictures", &[], &search, GEOJSON), "post": by_body },
            "/map/{z}/{x}/{y}.mvt": { "get": get("Vector tile", &["z", "x", "y"], &[], MVT) },
        },
    })
}

#[cfg(test)]
mod tests;
