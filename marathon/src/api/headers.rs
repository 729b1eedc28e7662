//! Headers that every answer carries.

use actix_web::middleware::DefaultHeaders;

/// Who leads, no caching, no framing: as Marathon's leader answers.
pub fn defaults(leader: &str) -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-Marathon-Leader", format!("http://{leader}")))
        .add(("X-Frame-Options", "DENY"))
        .add(("X-XSS-Protection", "1; mode=block"))
        .add(("Cache-Control", "no-cache, no-store, must-revalidate"))
        .add(("Pragma", "no-cache"))
        .add(("Expires", "0"))
}

/// Names the deployment that a request started.
pub const DEPLOYMENT_ID: &str = "Marathon-Deployment-Id";
