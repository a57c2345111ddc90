//! The description of the API (OpenAPI 3.0): every collection with its own properties.

use super::collection::Collection;
use super::documents::{GEOJSON, JSON, Links, OPENAPI, SCHEMA, description, schema};
use super::query::PAGE;
use super::source::Release;
use super::target::CRS84;
use serde_json::{Map, Value, json};

const PROBLEM: &str = "application/problem+json";

/// The document.
pub fn document(release: &Release, links: &Links) -> Value {
    let (mut paths, mut schemas) = (Map::new(), schemas());
    paths.insert("/".to_owned(), resource("Startseite", "landing", JSON, "Landing", &[]));
    paths.insert("/conformance".to_owned(), resource("Erfüllte Konformitätsklassen", "conformance", JSON, "Conformance", &[]));
    paths.insert("/api".to_owned(), resource("Diese Beschreibung", "api", OPENAPI, "Any", &[]));
    paths.insert("/collections".to_owned(), resource("Alle Sammlungen", "collections", JSON, "Collections", &[]));
    for (index, collection) in release.collections.iter().enumerate() {
        let path = Links::collection(&collection.id);
        let (title, name) = (&collection.title, format!("Feature{index}"));
        let own = |what: &str| format!("{what}{index}");
        paths.insert(path.clone(), resource(title, &own("collection"), JSON, "Collection", &[]));
        let queryables = format!("{title}: Eigenschaften zum Auswählen");
        paths.insert(format!("{path}/queryables"), resource(&queryables, &own("queryables"), SCHEMA, "Any", &[]));
        let items =
            resource(&format!("{title}: Objekte"), &own("items"), GEOJSON, &format!("Page{index}"), &parameters(collection));
        paths.insert(format!("{path}/items"), with_edits(with_crs(items), collection, &name, &["post"]));
        let id = json!({
            "name": "featureId", "in": "path", "required": true, "description": "Kennung des Objekts",
            "schema": if collection.table.identifier.is_some() { json!({ "type": "string" }) } else { json!({ "type": "integer" }) },
        });
        let item = resource(
            &format!("{title}: ein Objekt"),
            &own("item"),
            GEOJSON,
            &name,
            &[id, reference("parameters", "ifNoneMatch"), crs(collection, "crs")],
        );
        let item = with_edits(with_state(with_crs(item)), collection, &name, &["put", "patch", "delete"]);
        paths.insert(format!("{path}/items/{{featureId}}"), item);
        schemas.insert(name.clone(), feature(collection));
        schemas.insert(format!("Page{index}"), page(&name));
    }
    let contact = match release.contact.clone() {
        (office, _) if office.is_empty() => json!({}),
        (office, mail) if mail.is_empty() => json!({ "name": office }),
        (office, mail) => json!({ "name": office, "email": mail }),
    };
    json!({
        "openapi": "3.0.3",
        "info": { "title": release.title, "description": description(release), "version": env!("CARGO_PKG_VERSION"), "contact": contact },
        "servers": [{ "url": links.to("") }],
        "paths": paths,
        "components": { "schemas": schemas, "parameters": shared(), "responses": responses(), "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
    })
}

fn reference(group: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{group}/{name}") })
}

/// A resource that is read, with its parameters beside `f`.
fn resource(summary: &str, id: &str, media_type: &str, schema: &str, parameters: &[Value]) -> Value {
    let mut all = vec![reference("parameters", "f")];
    all.extend_from_slice(parameters);
    let mut content = Map::new();
    content.insert(media_type.to_owned(), json!({ "schema": reference("schemas", schema) }));
    content.insert("text/html".to_owned(), json!({ "schema": { "type": "string" } }));
    let mut answers = json!({
        "200": { "description": "so ist es", "content": content },
        "400": reference("responses", "BadRequest"),
        "406": reference("responses", "NotAcceptable"),
        "500": reference("responses", "Failed"),
        "503": reference("responses", "Unavailable"),
    });
    if id.starts_with("items") {
        answers["410"] = reference("responses", "Gone");
    }
    if id.starts_with("item") {
        answers["404"] = reference("responses", "NotFound");
    }
    json!({ "get": { "summary": summary, "operationId": id, "parameters": all, "responses": answers } })
}

fn with_header(mut resource: Value, name: &str, value: Value) -> Value {
    resource["get"]["responses"]["200"]["headers"][name] = value;
    resource
}

fn with_crs(resource: Value) -> Value {
    let header = json!({ "description": "CRS der Koordinaten", "schema": { "type": "string" } });
    with_header(resource, "Content-Crs", header)
}

fn with_state(resource: Value) -> Value {
    let header = json!({ "description": "Stand des Objekts", "schema": { "type": "string" } });
    let mut resource = with_header(resource, "ETag", header);
    resource["get"]["responses"]["304"] = json!({ "description": "unverändert" });
    resource
}

/// Operations that change features, where the collection has them.
fn with_edits(mut resource: Value, collection: &Collection, feature: &str, methods: &[&str]) -> Value {
    for method in methods.iter().filter(|_| collection.editable) {
        let what = match *method {
            "post" => "anlegen",
            "put" => "ersetzen",
            "patch" => "ändern",
            _ => "löschen",
        };
        let mut answers = json!({
            "201": { "description": "angelegt; Location nennt das Objekt" }, "204": { "description": "auf der Platte, und beim Lesen zu sehen" },
        });
        for (status, name) in [
            ("400", "BadRequest"),
            ("401", "Refused"),
            ("404", "NotFound"),
            ("409", "Conflict"),
            ("412", "Changed"),
            ("415", "MediaType"),
            ("422", "Unfit"),
            ("428", "NoState"),
            ("500", "Failed"),
            ("503", "Unavailable"),
        ] {
            answers[status] = reference("responses", name);
        }
        let mut parameters: Vec<Value> =
            resource["get"]["parameters"].as_array().into_iter().flatten().filter(|it| it["in"] == "path").cloned().collect();
        if *method != "post" {
            parameters.push(reference("parameters", "ifMatch"));
        }
        let mut operation = json!({
            "summary": format!("{}: ein Objekt {what}", collection.title), "operationId": format!("{method}{feature}"),
            "parameters": parameters, "security": [{ "token": [] }], "responses": answers,
        });
        if *method != "delete" {
            operation["requestBody"] = json!({ "required": true, "content": { GEOJSON: { "schema": { "type": "object" } } } });
        }
        resource[*method] = operation;
    }
    resource
}

/// A parameter with a CRS of the collection.
fn crs(collection: &Collection, name: &str) -> Value {
    let mut uris: Vec<&str> = collection.targets.iter().map(|target| target.uri.as_str()).collect();
    if uris.is_empty() {
        uris.push(CRS84);
    }
    let what = if name == "crs" { "CRS der Antwort" } else { "CRS von bbox" };
    json!({ "name": name, "in": "query", "description": what, "schema": { "type": "string", "format": "uri", "enum": uris, "default": CRS84 } })
}

/// The parameters of a page of features.
fn parameters(collection: &Collection) -> Vec<Value> {
    let mut all: Vec<Value> =
        ["limit", "offset", "release", "bbox", "datetime"].iter().map(|name| reference("parameters", name)).collect();
    all.extend([crs(collection, "bbox-crs"), crs(collection, "crs")]);
    for (_, column) in collection.queryables() {
        let mut schema = schema(column.kind);
        if schema.get("type").is_none() {
            schema["type"] = "string".into();
        }
        all.push(json!({ "name": column.name, "in": "query", "description": column.title, "schema": schema }));
    }
    all
}

/// Parameters that several resources have.
fn shared() -> Value {
    json!({
        "f": { "name": "f", "in": "query", "description": "Form der Antwort", "schema": { "type": "string", "enum": ["json", "html"] } },
        "ifNoneMatch": { "name": "If-None-Match", "in": "header", "description": "Stand, der schon bekannt ist", "schema": { "type": "string" } },
        "ifMatch": {
            "name": "If-Match", "in": "header", "required": true, "description": "Stand, der gelesen wurde", "schema": { "type": "string" },
        },
        "limit": {
            "name": "limit", "in": "query", "description": "Objekte auf einer Seite",
            "schema": { "type": "integer", "minimum": 1, "maximum": PAGE.1, "default": PAGE.0 },
        },
        "offset": {
            "name": "offset", "in": "query", "description": "Objekte vor der Seite",
            "schema": { "type": "integer", "minimum": 0, "default": 0 },
        },
        "release": {
            "name": "release", "in": "query", "schema": { "type": "string" },
            "description": "Veröffentlichung, aus der die vorige Seite war; ist sie es nicht mehr, ist die Antwort 410",
        },
        "bbox": {
            "name": "bbox", "in": "query", "explode": false, "style": "form",
            "description": "Objekte, die dieses Rechteck berühren; Höhen zählen nicht",
            "schema": { "type": "array", "items": { "type": "number" }, "oneOf": [{ "minItems": 4, "maxItems": 4 }, { "minItems": 6, "maxItems": 6 }] },
        },
        "datetime": {
            "name": "datetime", "in": "query",
            "description": "Tag, Zeitpunkt oder Zeitraum (RFC 3339, mit Schrägstrich, '..' für ein offenes Ende)",
            "schema": { "type": "string" },
        },
    })
}

fn responses() -> Value {
    let mut all = Map::new();
    for (name, text) in [
        ("BadRequest", "ein Parameter ist falsch oder nicht bekannt"),
        ("NotFound", "das gibt es nicht"),
        ("NotAcceptable", "in dieser Form gibt es das nicht"),
        ("Refused", "das Kennwort fehlt oder ist falsch"),
        ("Conflict", "das Objekt gibt es schon"),
        ("Changed", "das Objekt ist inzwischen ein anderes: neu lesen"),
        ("MediaType", "ein Objekt kommt als application/geo+json"),
        ("Unfit", "ein Wert passt nicht zu seinem Feld"),
        ("NoState", "If-Match fehlt"),
        ("Gone", "es gibt eine neue Veröffentlichung: von vorn beginnen"),
        ("Failed", "die Daten konnten nicht gelesen werden"),
        ("Unavailable", "zu viele Anfragen, oder noch nichts veröffentlicht"),
    ] {
        let mut content = Map::new();
        content.insert(PROBLEM.to_owned(), json!({ "schema": reference("schemas", "Problem") }));
        all.insert(name.to_owned(), json!({ "description": text, "content": content }));
    }
    Value::Object(all)
}

fn schemas() -> Map<String, Value> {
    let links = json!({ "type": "array", "items": reference("schemas", "Link") });
    let all = json!({
        "Any": { "type": "object" },
        "Link": {
            "type": "object", "required": ["href", "rel"],
            "properties": {
                "href": { "type": "string" }, "rel": { "type": "string" }, "type": { "type": "string" }, "title": { "type": "string" },
                "hreflang": { "type": "string" },
            },
        },
        "Problem": {
            "type": "object", "required": ["title", "status", "detail"],
            "properties": { "title": { "type": "string" }, "status": { "type": "integer" }, "detail": { "type": "string" } },
        },
        "Landing": {
            "type": "object", "required": ["links"],
            "properties": { "title": { "type": "string" }, "description": { "type": "string" }, "links": links },
        },
        "Conformance": {
            "type": "object", "required": ["conformsTo"],
            "properties": { "conformsTo": { "type": "array", "items": { "type": "string" } } },
        },
        "Collections": {
            "type": "object", "required": ["links", "collections"],
            "properties": { "links": links, "collections": { "type": "array", "items": reference("schemas", "Collection") } },
        },
        "Collection": {
            "type": "object", "required": ["id", "links"],
            "properties": {
                "id": { "type": "string" }, "title": { "type": "string" }, "description": { "type": "string" }, "links": links,
                "itemType": { "type": "string" }, "crs": { "type": "array", "items": { "type": "string" } },
                "storageCrs": { "type": "string" }, "extent": { "type": "object" },
            },
        },
        "Geometry": {
            "type": "object", "required": ["type"], "nullable": true,
            "properties": {
                "type": {
                    "type": "string",
                    "enum": ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"],
                },
                "coordinates": { "type": "array", "items": {} },
                "geometries": { "type": "array", "items": { "type": "object" } },
            },
        },
    });
    match all {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}

/// A feature of a collection.
fn feature(collection: &Collection) -> Value {
    let mut properties = Map::new();
    for column in &collection.table.columns {
        let mut value = schema(column.kind);
        value["title"] = column.title.as_str().into();
        if value.get("type").is_some() {
            value["nullable"] = true.into();
        }
        properties.insert(column.name.clone(), value);
    }
    let id = if collection.table.identifier.is_some() { "string" } else { "integer" };
    json!({
        "type": "object", "required": ["type", "id", "geometry", "properties"],
        "properties": {
            "type": { "type": "string", "enum": ["Feature"] }, "id": { "type": id }, "geometry": reference("schemas", "Geometry"),
            "properties": { "type": "object", "properties": properties, "additionalProperties": false },
            "links": { "type": "array", "items": reference("schemas", "Link") },
        },
    })
}

/// A page of them.
fn page(feature: &str) -> Value {
    json!({
        "type": "object", "required": ["type", "features", "numberMatched", "numberReturned", "timeStamp", "links"],
        "properties": {
            "type": { "type": "string", "enum": ["FeatureCollection"] },
            "features": { "type": "array", "items": reference("schemas", feature) },
            "numberMatched": { "type": "integer", "minimum": 0 }, "numberReturned": { "type": "integer", "minimum": 0 },
            "timeStamp": { "type": "string", "format": "date-time" },
            "links": { "type": "array", "items": reference("schemas", "Link") },
        },
    })
}
