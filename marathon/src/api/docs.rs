//! The OpenAPI document. It is made from the routes, but served as it was committed: a test holds the two together, and a running
//! server need not keep what describes it.

use actix_web::{HttpResponse, get};

/// The document of every endpoint, as JSON.
pub const DOCUMENT: &str = include_str!("../../../openapi/openapi.json");

/// The document itself.
#[get("/openapi.json")]
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT)
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use marathon_openapi::{error::ErrorBody, event::Event};
    use utoipa::{PartialSchema, ToSchema, openapi::InfoBuilder};
    use utoipa_actix_web::AppExt;

    use super::*;
    use crate::api::routes;

    /// The document, made from the routes.
    fn document() -> utoipa::openapi::OpenApi {
        let (_, mut document) = App::new().into_utoipa_app().configure(routes).split_for_parts();
        document.info = InfoBuilder::new()
            .title("marathon")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some("Keeps long-running applications running: the REST API of Marathon."))
            .license(Some(utoipa::openapi::License::new("Apache-2.0")))
            .build();
        let components = document.components.get_or_insert_default();
        // Answers with errors are described by reference, and events travel on a stream: neither is found through the routes.
        for (name, schema) in [(ErrorBody::name(), ErrorBody::schema()), (Event::name(), Event::schema())] {
            components.schemas.insert(name.into_owned(), schema);
        }
        let mut referenced = Vec::new();
        ErrorBody::schemas(&mut referenced);
        Event::schemas(&mut referenced);
        components.schemas.extend(referenced);
        document
    }

    #[test]
    fn the_committed_document_is_the_one_made_from_the_routes() {
        let made = document().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json"), &made).unwrap();
            return;
        }
        assert!(
            DOCUMENT == made,
            "openapi/openapi.json is stale: run UPDATE_OPENAPI=1 cargo test -p marathon document"
        );
    }
}
