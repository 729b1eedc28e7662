//! The dashboard: the built page of `dist`, served from inside the binary under `/ui/`.
//!
//! This crate only hands out files. It knows nothing of the API that the page talks to, and it never builds the page:
//! `npm run build` does, and the result is committed, so that compiling needs no Node.

use std::fmt::Write as _;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETag, EntityTag, Header as _, IF_NONE_MATCH, IfNoneMatch, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{EmbeddedFile, RustEmbed};

/// Where the page lives.
const BASE: &str = "/ui/";
/// The page itself; also the answer to addresses that only the page understands.
const INDEX: &str = "index.html";
/// The page loads nothing from elsewhere, runs no script but its own, and is framed by nobody else.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
/// Bytes of a file's SHA-256 that make its entity tag: enough that two contents never share one.
const TAG_BYTES: usize = 16;

#[derive(RustEmbed)]
#[folder = "dist"]
struct Page;

/// Serves the page under `/ui/` and sends `/ui` there.
///
/// Only GET and HEAD are answered; anything else is 405. A path that names no file answers with the page, unless it looks
/// like a file (it holds a dot), which is 404.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("/ui").route(web::get().to(to_base)).route(web::head().to(to_base)))
        .service(web::resource("/ui/{path:.*}").route(web::get().to(file)).route(web::head().to(file)));
}

async fn to_base() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, BASE)).finish()
}

async fn file(request: HttpRequest) -> HttpResponse {
    let path = request.match_info().query("path");
    let Some((name, file)) = find(path) else {
        return HttpResponse::NotFound().insert_header((CACHE_CONTROL, "no-cache")).finish();
    };
    let tag = entity_tag(&file);
    if is_known(&request, &tag) {
        return HttpResponse::NotModified()
            .insert_header(ETag(tag))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .finish();
    }
    HttpResponse::Ok()
        .insert_header(ETag(tag))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .content_type(content_type(name, &file))
        .body(file.data.into_owned())
}

/// The file for a path below the base, with its name.
fn find(path: &str) -> Option<(&str, EmbeddedFile)> {
    let name = if path.is_empty() { INDEX } else { path };
    if let Some(file) = Page::get(name) {
        return Some((name, file));
    }
    if path.contains('.') {
        return None;
    }
    Page::get(INDEX).map(|index| (INDEX, index))
}

/// Weak, because a server in front or around may compress the body.
fn entity_tag(file: &EmbeddedFile) -> EntityTag {
    let mut text = String::with_capacity(2 * TAG_BYTES);
    for byte in &file.metadata.sha256_hash()[..TAG_BYTES] {
        write!(text, "{byte:02x}").expect("writing to a String never fails");
    }
    EntityTag::new_weak(text)
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key(IF_NONE_MATCH),
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|one| one.weak_eq(tag)),
        Err(_) => false,
    }
}

/// Texts of the build are all UTF-8, which a bare `text/html` does not say.
fn content_type(name: &str, file: &EmbeddedFile) -> String {
    let mime = file.metadata.mimetype();
    let is_text = mime.starts_with("text/") || name.ends_with(".js") || name.ends_with(".svg");
    if is_text { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}

#[cfg(test)]
mod tests {
    use actix_web::dev::ServiceResponse;
    use actix_web::http::StatusCode;
    use actix_web::http::header::{CONTENT_TYPE, ETAG};
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, http::Method};

    use super::*;

    async fn answer(request: TestRequest) -> ServiceResponse {
        let app = init_service(App::new().configure(configure)).await;
        call_service(&app, request.to_request()).await
    }

    fn header(response: &ServiceResponse, name: impl actix_web::http::header::AsHeaderName) -> String {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[actix_web::test]
    async fn the_page_is_served_at_its_base() {
        let response = answer(TestRequest::get().uri("/ui/")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header(&response, CACHE_CONTROL), "no-cache");
        assert_eq!(header(&response, CONTENT_SECURITY_POLICY), POLICY);
        let body = read_body(response).await;
        assert!(String::from_utf8_lossy(&body).contains("<div id=\"app\">"));
    }

    #[actix_web::test]
    async fn everything_that_the_page_refers_to_is_embedded() {
        let index = Page::get(INDEX).unwrap();
        let text = String::from_utf8(index.data.into_owned()).unwrap();
        let references: Vec<&str> =
            text.split('"').filter(|part| part.starts_with('/') && part.contains('.')).collect();
        assert!(references.len() >= 3, "a script, a style sheet and an icon: {references:?}");
        for reference in references {
            let response = answer(TestRequest::get().uri(reference)).await;
            assert_eq!(response.status(), StatusCode::OK, "{reference}");
        }
    }

    #[actix_web::test]
    async fn a_script_has_a_type_that_browsers_run() {
        let response = answer(TestRequest::get().uri("/ui/assets/index.js")).await;
        assert_eq!(header(&response, CONTENT_TYPE), "text/javascript; charset=utf-8");
        assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
    }

    #[actix_web::test]
    async fn the_base_without_its_slash_redirects_to_it() {
        for method in [Method::GET, Method::HEAD] {
            let response = answer(TestRequest::default().method(method).uri("/ui")).await;
            assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
            assert_eq!(header(&response, LOCATION), "/ui/");
        }
    }

    #[actix_web::test]
    async fn a_known_tag_is_answered_without_the_body() {
        let tag = header(&answer(TestRequest::get().uri("/ui/")).await, ETAG);
        let strong = tag.trim_start_matches("W/").to_owned();
        for known in [tag.clone(), strong, format!("\"other\", {tag}"), "*".to_owned()] {
            let response = answer(TestRequest::get().uri("/ui/").insert_header((IF_NONE_MATCH, known.clone()))).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(header(&response, ETAG), tag);
            assert!(read_body(response).await.is_empty());
        }
    }

    #[actix_web::test]
    async fn another_tag_or_an_unreadable_one_gets_the_body() {
        for other in ["\"other\"", "nonsense", ""] {
            let response = answer(TestRequest::get().uri("/ui/").insert_header((IF_NONE_MATCH, other))).await;
            assert_eq!(response.status(), StatusCode::OK, "{other}");
        }
    }

    #[actix_web::test]
    async fn files_have_tags_of_their_own() {
        let page = header(&answer(TestRequest::get().uri("/ui/")).await, ETAG);
        let script = header(&answer(TestRequest::get().uri("/ui/assets/index.js")).await, ETAG);
        assert_ne!(page, script);
        assert!(page.starts_with("W/\"") && page.len() == 4 + 2 * TAG_BYTES, "{page}");
    }

    #[actix_web::test]
    async fn an_unknown_path_answers_with_the_page() {
        for path in ["/ui/apps", "/ui/apps/shop/web", "/ui/assets", "/ui//"] {
            let response = answer(TestRequest::get().uri(path)).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=utf-8", "{path}");
        }
    }

    #[actix_web::test]
    async fn an_unknown_file_is_not_found() {
        for path in ["/ui/missing.js", "/ui/../Cargo.toml", "/ui/assets/..%2f..%2fCargo.toml", "/ui/%2e%2e/Cargo.toml"]
        {
            let response = answer(TestRequest::get().uri(path)).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[actix_web::test]
    async fn only_reading_is_allowed() {
        for (method, path) in [(Method::POST, "/ui/"), (Method::DELETE, "/ui/apps"), (Method::PUT, "/ui")] {
            let response = answer(TestRequest::default().method(method).uri(path)).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }

    #[actix_web::test]
    async fn head_is_answered_like_get() {
        let get = answer(TestRequest::get().uri("/ui/")).await;
        let head = answer(TestRequest::default().method(Method::HEAD).uri("/ui/")).await;
        assert_eq!(head.status(), StatusCode::OK);
        assert_eq!(header(&head, ETAG), header(&get, ETAG));
        assert_eq!(header(&head, CONTENT_TYPE), header(&get, CONTENT_TYPE));
    }
}
