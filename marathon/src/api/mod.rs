//! The REST API: one file per family of endpoints. A handler translates: request in, command or look at the view, answer out.

mod apps;
mod courtesy;
mod deployments;
mod docs;
mod error;
mod events;
mod fallback;
mod files;
mod groups;
mod headers;
mod info;
mod params;
mod queue;
mod server;
mod slashes;
mod tasks;

pub use server::{BindError, Server, ServerConfig};

use actix_web::web::Data;
use marathon_openapi::info::Info;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::service::Handle;

/// The scheduler, as handlers get it.
type Scheduler = Data<Handle>;

/// What `/v2/info` says of this process beside what the scheduler knows.
#[derive(Clone, Debug)]
pub struct About {
    /// Filled in as far as it does not change.
    pub info: Info,
}

/// Every documented endpoint. More specific paths first: ids may hold slashes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .configure(tasks::routes)
        .configure(apps::routes)
        .configure(groups::routes)
        .configure(deployments::routes)
        .configure(queue::routes)
        .configure(events::routes)
        .configure(files::routes)
        .configure(info::routes);
}
