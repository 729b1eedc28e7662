//! Paths that no handler wants: 405 where another method would do, 404 otherwise.

use actix_web::{HttpRequest, HttpResponse, dev::ResourceDef};
use marathon_openapi::error::ErrorBody;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::docs;

/// Which methods each documented path knows, in the order in which they are routed.
pub struct Methods(Vec<(ResourceDef, String)>);

/// The part of the OpenAPI document that is of interest here.
#[derive(Deserialize)]
struct Document {
    paths: indexmap::IndexMap<String, Methodical>,
}

#[derive(Deserialize)]
struct Methodical {
    get: Option<IgnoredAny>,
    put: Option<IgnoredAny>,
    post: Option<IgnoredAny>,
    patch: Option<IgnoredAny>,
    delete: Option<IgnoredAny>,
}

impl Methods {
    /// Reads the documented paths, which are the routes themselves.
    pub fn documented() -> Self {
        let document: Document =
            serde_json::from_str(docs::DOCUMENT).expect("a test makes the document from the routes");
        let resource = |(path, item): (String, Methodical)| {
            // Ids may hold slashes; names in braces without a pattern would stop at the first.
            let pattern = path.replace("{id}", "{id:.*}");
            (ResourceDef::new(pattern), allowed(&item).join(", "))
        };
        Self(document.paths.into_iter().map(resource).collect())
    }

    fn for_path(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(resource, _)| resource.is_match(path)).map(|(_, methods)| methods.as_str())
    }
}

fn allowed(item: &Methodical) -> Vec<&'static str> {
    let methods = [
        (&item.get, "GET"),
        (&item.put, "PUT"),
        (&item.post, "POST"),
        (&item.patch, "PATCH"),
        (&item.delete, "DELETE"),
    ];
    methods.into_iter().filter(|(operation, _)| operation.is_some()).map(|(_, name)| name).collect()
}

/// Answers what nobody else does.
pub async fn answer(request: HttpRequest, methods: actix_web::web::Data<Methods>) -> HttpResponse {
    match methods.for_path(request.path()) {
        Some(allow) if !allow.split(", ").any(|method| method == request.method().as_str()) => {
            if request.method() == actix_web::http::Method::OPTIONS {
                return HttpResponse::Ok().insert_header(("Allow", allow)).finish();
            }
            let refusal = ErrorBody::new("Method Not Allowed");
            HttpResponse::MethodNotAllowed().insert_header(("Allow", allow)).json(refusal)
        }
        // Marathon 1.11 answers 500 here; 404 is what it did before, and what clients expect.
        Some(_) | None => HttpResponse::NotFound().json(ErrorBody::new("URI not found")),
    }
}
