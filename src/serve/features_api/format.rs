//! In which form an answer is wanted: the parameter `f`, else the header `Accept` (RFC 9110, 12.5.1).

use super::super::http::Request;
use super::problem::{Problem, short};

/// The forms there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON or GeoJSON.
    Json,
    /// A page for people.
    Html,
}

impl Format {
    /// What the request wants; JSON where it does not say.
    pub fn of(request: &Request) -> Result<Self, Problem> {
        match request.get("f") {
            Some("json") => return Ok(Self::Json),
            Some("html") => return Ok(Self::Html),
            Some(other) => return Err(Problem::bad(format!("f is json or html, not '{}'", short(other)))),
            None => {}
        }
        let Some(accept) = request.header("accept").filter(|accept| !accept.trim().is_empty()) else { return Ok(Self::Json) };
        let (json, html) = (quality(accept, &JSON), quality(accept, &HTML));
        if json <= 0.0 && html <= 0.0 {
            return Err(Problem::new(406, "there are application/json, application/geo+json and text/html"));
        }
        Ok(if html > json { Self::Html } else { Self::Json })
    }
}

const JSON: [&str; 7] = [
    "application/geo+json",
    "application/json",
    "application/vnd.oai.openapi+json",
    "application/openapi+json",
    "application/schema+json",
    "application/problem+json",
    "application/vnd.geo+json",
];
const HTML: [&str; 2] = ["text/html", "application/xhtml+xml"];

/// How much one of the types is wanted: the most specific range that has it counts.
fn quality(accept: &str, types: &[&str]) -> f32 {
    let of = |wanted: &str| {
        let mut best = (0, 0.0_f32);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            let family = wanted.split('/').next().unwrap_or_default();
            let specific = match name.as_str() {
                name if name == wanted => 3,
                "*/*" => 1,
                name if name.strip_suffix("/*") == Some(family) => 2,
                _ => 0,
            };
            if specific > best.0 {
                best = (specific, weight);
            }
        }
        best.1
    };
    types.iter().map(|wanted| of(wanted)).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(accept: &str) -> Option<Format> {
        let headers = vec![("accept".to_owned(), accept.to_owned())];
        Format::of(&Request { headers, ..Request::default() }).ok()
    }

    #[test]
    fn browsers_get_pages_and_programs_get_json() {
        assert_eq!(wants("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Some(Format::Html));
        assert_eq!(wants("*/*"), Some(Format::Json));
        assert_eq!(wants("application/geo+json, application/json;q=0.9, text/html;q=0.1"), Some(Format::Json));
        assert_eq!(wants("text/html;q=0, */*"), Some(Format::Json));
        assert_eq!(wants("image/png"), None);
        assert_eq!(wants(""), Some(Format::Json));
    }
}
