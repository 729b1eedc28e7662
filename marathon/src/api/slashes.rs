//! Slashes at the end of a path and in a row mean nothing to the API: `/v2/apps//shop/cart/` is `/v2/apps/shop/cart`.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::uri::{PathAndQuery, Uri},
    middleware::Next,
};

/// Where files are served, whose addresses are relative to a folder.
const PAGES: [&str; 2] = ["/ui", "/api-console"];

/// Rewrites paths of the API before they are routed. Those of the dashboard and of the API console stay as they are.
pub async fn normalize(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(uri) = normalized(request.uri()) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

/// The URI without superfluous slashes, if it had some.
fn normalized(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let is_page = PAGES.iter().any(|page| path.starts_with(page));
    if is_page || (!path.contains("//") && (path.len() == 1 || !path.ends_with('/'))) {
        return None;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let mut text = format!("/{}", segments.join("/"));
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superfluous_slashes_go_and_everything_else_stays() {
        for (given, expected) in [
            ("/v2/apps/?embed=apps.tasks", Some("/v2/apps?embed=apps.tasks")),
            ("/v2/apps//prod/web/api", Some("/v2/apps/prod/web/api")),
            ("//v2///groups/", Some("/v2/groups")),
            ("/v2/apps/%2Fprod%2Fweb", None),
            ("/v2/apps", None),
            ("/", None),
            ("/ui/", None),
            ("/ui/assets//x", None),
            ("/api-console/", None),
        ] {
            let uri: Uri = given.parse().unwrap();
            assert_eq!(normalized(&uri).map(|uri| uri.to_string()).as_deref(), expected, "{given}");
        }
    }
}
