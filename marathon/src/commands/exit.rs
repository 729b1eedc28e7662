//! Exit statuses: Marathon's where they fit (behaviour reference, gaining leadership), so that whoever watches the process can go on
//! telling the cases apart.

use crate::{api, client::ClientError, config::InvalidFlag, service::ServiceError, store::StoreError};

/// The store cannot be used.
const STORE: i32 = 100;
/// The master wants nothing to do with this framework any more.
const FRAMEWORK_REMOVED: i32 = 110;
/// An address cannot be listened on.
const BINDING: i32 = 111;
/// A flag is unknown or makes no sense.
pub const INVALID_FLAG: i32 = 112;
/// A client's request was refused, or what it waited for failed.
const REFUSED: i32 = 2;
/// Everything else.
const OTHER: i32 = 1;

/// The status that tells of `error`.
pub fn status(error: &anyhow::Error) -> i32 {
    error.chain().find_map(known).unwrap_or(OTHER)
}

fn known(cause: &(dyn std::error::Error + 'static)) -> Option<i32> {
    if let Some(error) = cause.downcast_ref::<StoreError>() {
        return Some(if matches!(error, StoreError::UnknownUrl(_)) { INVALID_FLAG } else { STORE });
    }
    if let Some(error) = cause.downcast_ref::<substrate::master::Error>() {
        return matches!(error, substrate::master::Error::Bind(_)).then_some(BINDING);
    }
    if let Some(error) = cause.downcast_ref::<substrate::agent::Error>() {
        return matches!(error, substrate::agent::Error::Bind(_)).then_some(BINDING);
    }
    if let Some(error) = cause.downcast_ref::<dns::server::ServeError>() {
        return matches!(error, dns::server::ServeError::Bind { .. }).then_some(BINDING);
    }
    if cause.is::<api::BindError>() || cause.is::<dns::http::BindError>() || cause.is::<super::front::Taken>() {
        return Some(BINDING);
    }
    if cause.is::<InvalidFlag>() {
        return Some(INVALID_FLAG);
    }
    if cause.is::<ServiceError>() {
        return Some(FRAMEWORK_REMOVED);
    }
    cause.is::<ClientError>().then_some(REFUSED)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn the_cause_decides_the_status_however_it_is_wrapped() {
        let wrapped = |error: anyhow::Error| status(&error.context("cannot start"));
        assert_eq!(wrapped(InvalidFlag::new("agents", "x", "no").into()), 112);
        assert_eq!(wrapped(StoreError::UnknownUrl("x".into()).into()), 112);
        assert_eq!(wrapped(StoreError::StaleTerm(1).into()), 100);
        assert_eq!(wrapped(ServiceError::Halted("Framework has been removed".into()).into()), 110);
        assert_eq!(wrapped(anyhow!("anything")), 1);
    }

    #[tokio::test]
    async fn an_address_in_use_has_the_same_status_whoever_wanted_it() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let config = substrate::master::MasterConfig::new(address.to_string());
        let error = substrate::master::serve(config).await.context("--master-address").unwrap_err();
        assert_eq!(status(&error), 111);
        assert_eq!(status(&super::super::front::reserve(address).unwrap_err().into()), 111);
    }
}
