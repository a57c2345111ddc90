//! The pull side: what is released, answered to those who come for it. CSW 2.0.2 (`csw`) for catalogues that harvest and portals
//! that show records, OGC API – Records (`records_api`) for newer ones, OGC API – Features (`features_api`) for the data, STAC API
//! (`stac_api`) for viewers of panoramas.
//!
//! Only what one audience may see is served, only for reading. The server follows `current`: after a night it answers from the new
//! release, without a restart and never from half of one.

mod catalogue;
mod csw;
mod features_api;
mod files;
mod filter;
mod http;
mod records_api;
mod stac_api;

pub use catalogue::{Entry, Holdings, Source};
pub use features_api::Features;
pub use http::{Body, Request, Response, Server};
pub use stac_api::Surveys;

/// Everything that is served of a workspace.
pub struct Apis {
    /// The records.
    pub records: Source,
    /// The features.
    pub features: Features,
    /// The street surveys.
    surveys: Surveys,
}

impl Apis {
    /// Of a pipeline's current release, as far as an audience may see it.
    pub fn new(pipeline: &crate::pipeline::Pipeline, audience: crate::pipeline::Audience) -> Self {
        Self {
            records: Source::new(pipeline, audience),
            features: Features::new(pipeline, audience),
            surveys: Surveys::new(pipeline, audience),
        }
    }

    /// With edits of playgrounds by those who have the token.
    ///
    /// # Errors
    /// As [`Features::with_edits`].
    pub fn with_edits(mut self, pipeline: &crate::pipeline::Pipeline, token: &str) -> crate::Result<Self> {
        self.features = self.features.with_edits(pipeline, token)?;
        Ok(self)
    }

    /// Answers a request from what is released.
    pub fn respond(&self, request: &Request) -> Response {
        let other = self.features.respond(request).or_else(|| self.surveys.respond(request));
        other.unwrap_or_else(|| match self.records.holdings() {
            Ok(holdings) => respond(&holdings, request),
            Err(error) => {
                tracing::error!("{}", error.full_message());
                Response::empty(503)
            }
        })
    }
}

/// Answers a request for records.
pub fn respond(holdings: &Holdings, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("OPTIONS", _) => Response::empty(204),
        ("GET" | "HEAD" | "POST", "/csw") => csw::respond(holdings, request),
        ("GET" | "HEAD", path) => records_api::respond(holdings, request, path),
        _ => Response::text(405, "text/plain; charset=utf-8", "only GET, HEAD and OPTIONS, and POST to /csw\n".to_owned()),
    }
}
