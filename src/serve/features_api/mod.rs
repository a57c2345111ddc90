//! OGC API – Features at `/features`: Part 1 (OGC 17-069r4: Core, OpenAPI 3.0, GeoJSON, HTML) and Part 2 (OGC 18-058r1: CRS by
//! reference); with `--edits` Part 4 (OGC 20-002: create, replace, update, delete) for playgrounds.
//!
//! ```text
//! request → format → release that is current → collection → rows that match → features in the CRS that is asked for
//! ```
//!
//! A collection is a table of a GeoPackage of the current release, of those that the audience may see. A request sees one release
//! from its beginning to its end; a page that continues one of another release is refused.

mod collection;
mod documents;
mod edits;
mod format;
mod items;
mod matches;
mod openapi;
mod pages;
mod pool;
mod problem;
mod query;
mod rows;
mod source;
mod table;
mod target;

pub use source::Features;

use super::http::{Request, Response};
use collection::Collection;
use documents::Links;
use format::Format;
use problem::Problem;
use source::Release;

/// Where the API begins.
pub const BASE: &str = "/features";

impl Features {
    /// Answers a request whose path begins with `BASE`; others are not for this API.
    pub fn respond(&self, request: &Request) -> Option<Response> {
        request.path.strip_prefix(BASE).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        if request.method == "OPTIONS" {
            return Some(Response::empty(204).with("Allow", self.methods(request)));
        }
        if !["GET", "HEAD"].contains(&request.method.as_str()) {
            return Some(self.change(request).unwrap_or_else(Problem::response));
        }
        let read = || self.release().map_err(Problem::from).and_then(|release| answer(&release, request));
        let mut answer = read();
        // The release was cleared between looking and opening: the next one is there.
        if answer.as_ref().is_err_and(Problem::is_gone) {
            answer = read();
        }
        Some(answer.unwrap_or_else(Problem::response))
    }

    /// Carries out a request that changes something.
    fn change(&self, request: &Request) -> Result<Response, Problem> {
        // What is not there is not there for any method.
        let Some((id, feature)) = place(request) else {
            return answer(&*self.release()?, request);
        };
        self.alone(|release, edits| {
            let found = release.collections.iter().find(|collection| collection.id == id);
            let collection = found.ok_or_else(|| Problem::not_found("there is no such collection"))?;
            edits.carry_out(collection, feature, request, &Links::new(&request.own))
        })
    }

    /// The methods of what a request is about.
    fn methods(&self, request: &Request) -> &'static str {
        let own = || {
            let (id, feature) = place(request)?;
            let release = self.release().ok()?;
            let collection = release.collections.iter().find(|collection| collection.id == id)?;
            Some(self.edits()?.methods(collection)?[usize::from(feature.is_some())])
        };
        own().unwrap_or("GET, HEAD, OPTIONS")
    }
}

/// The collection of a request about its features, with the feature if it is about one.
fn place(request: &Request) -> Option<(&str, Option<&str>)> {
    let path = request.path.strip_prefix(BASE)?;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["collections", id, "items"] => Some((id, None)),
        ["collections", id, "items", feature] => Some((id, Some(feature))),
        _ => None,
    }
}

/// Parameters of resources that have no others.
const PLAIN: &[&str] = &["f"];

fn answer(release: &Release, request: &Request) -> Result<Response, Problem> {
    let path = request.path.strip_prefix(BASE).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let links = Links::new(&request.own);
    let find = |id: &str| {
        let found = release.collections.iter().find(|collection| collection.id == id);
        found.ok_or_else(|| Problem::not_found("there is no such collection"))
    };
    let of = |id: &str| -> Result<(&Collection, Format), Problem> { Ok((find(id)?, Format::of(request)?)) };
    match parts.as_slice() {
        [] => read(request, PLAIN, |format| Ok(documents::landing(release, &links, format))),
        ["conformance"] => read(request, PLAIN, |format| Ok(documents::conformance(release, &links, format))),
        ["api"] => read(request, PLAIN, |format| Ok(documents::api(release, &links, format))),
        ["collections"] => read(request, PLAIN, |format| documents::collections(release, &links, format)),
        ["collections", id] => {
            let (collection, _) = of(id)?;
            read(request, PLAIN, |format| documents::collection(release, collection, &links, format))
        }
        ["collections", id, "queryables"] => {
            let (collection, _) = of(id)?;
            read(request, PLAIN, |format| Ok(documents::queryables(collection, &links, format)))
        }
        ["collections", id, "items"] => {
            let (collection, _) = of(id)?;
            allowed(request)?;
            items::page(release, collection, request, &links, Format::of(request)?)
        }
        ["collections", id, "items", feature] => {
            let (collection, _) = of(id)?;
            allowed(request)?;
            items::one(collection, feature, request, &links, Format::of(request)?)
        }
        _ => Err(Problem::not_found("there is nothing here")),
    }
}

/// Refuses methods that change something.
fn allowed(request: &Request) -> Result<(), Problem> {
    if ["GET", "HEAD"].contains(&request.method.as_str()) {
        return Ok(());
    }
    Err(Problem::new(405, "this is for reading only").with("Allow", "GET, HEAD, OPTIONS"))
}

/// A resource that is only read.
fn read(
    request: &Request,
    known: &[&str],
    answer: impl FnOnce(Format) -> Result<Response, Problem>,
) -> Result<Response, Problem> {
    allowed(request)?;
    query::only_known(request, known)?;
    answer(Format::of(request)?)
}
