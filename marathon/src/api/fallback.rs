//! Paths that no handler wants: 405 where another method would do, 404 otherwise.

use actix_web::{HttpRequest, HttpResponse, dev::ResourceDef, http::StatusCode};
use marathon_openapi::error::ErrorBody;
use utoipa::openapi::{HttpMethod, OpenApi, PathItem};

/// Which methods each documented path knows, in the order in which they are routed.
pub struct Methods(Vec<(ResourceDef, String)>);

impl Methods {
    /// Reads the documented paths: the routes themselves.
    pub fn of(document: &OpenApi) -> Self {
        let resource = |(path, item): (&String, &PathItem)| {
            // Ids may hold slashes; names in braces without a pattern would stop at the first.
            let pattern = path.replace("{id}", "{id:.*}").replace("{group}", "{group:.*}");
            (ResourceDef::new(pattern), allowed(item).join(", "))
        };
        Self(document.paths.paths.iter().map(resource).collect())
    }

    fn for_path(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(resource, _)| resource.is_match(path)).map(|(_, methods)| methods.as_str())
    }
}

fn allowed(item: &PathItem) -> Vec<&'static str> {
    let methods: [(bool, HttpMethod, &str); 5] = [
        (item.get.is_some(), HttpMethod::Get, "GET"),
        (item.put.is_some(), HttpMethod::Put, "PUT"),
        (item.post.is_some(), HttpMethod::Post, "POST"),
        (item.patch.is_some(), HttpMethod::Patch, "PATCH"),
        (item.delete.is_some(), HttpMethod::Delete, "DELETE"),
    ];
    methods.into_iter().filter(|(is_there, ..)| *is_there).map(|(.., name)| name).collect()
}

/// Answers what nobody else does.
pub async fn answer(request: HttpRequest, methods: actix_web::web::Data<Methods>) -> HttpResponse {
    match methods.for_path(request.path()) {
        Some(allow) if !allow.split(", ").any(|method| method == request.method().as_str()) => {
            let status = if request.method() == actix_web::http::Method::OPTIONS {
                StatusCode::OK
            } else {
                StatusCode::METHOD_NOT_ALLOWED
            };
            HttpResponse::build(status).insert_header(("Allow", allow)).json(ErrorBody::new("Method Not Allowed"))
        }
        // Marathon 1.11 answers 500 here; 404 is what it did before, and what clients expect.
        Some(_) | None => HttpResponse::NotFound().json(ErrorBody::new("URI not found")),
    }
}
