//! The pull side: what is released, answered to those who come for it. CSW 2.0.2 (`csw`) for catalogues that harvest and portals
//! that show records, OGC API – Records (`records_api`) for newer ones, STAC API (`stac_api`) for viewers of panoramas.
//!
//! Only records of one audience are served, only for reading. The server follows `current`: after a night it answers from the new
//! release, without a restart and never from half of one.

mod catalogue;
mod csw;
mod files;
mod filter;
mod http;
mod records_api;
mod stac_api;

pub use catalogue::{Entry, Holdings, Source};
pub use http::{Body, Request, Response, Server};
pub use stac_api::Surveys;

/// Answers a request from what is released.
pub fn respond(holdings: &Holdings, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("OPTIONS", _) => Response::empty(204),
        ("GET" | "HEAD" | "POST", "/csw") => csw::respond(holdings, request),
        ("GET" | "HEAD", path) => records_api::respond(holdings, request, path),
        _ => Response::text(405, "text/plain; charset=utf-8", "only GET, HEAD and OPTIONS, and POST to /csw\n".to_owned()),
    }
}
