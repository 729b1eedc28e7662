//! The user that a task runs as.

use std::{ffi::CString, path::Path};

use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, setgid, setgroups, setuid};
use serde::{Deserialize, Serialize};

/// Ids to run with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
}

impl Credentials {
    /// Those of `name`; `None` if that is who this process is already.
    ///
    /// # Errors
    /// In words: there is no such user, or this process may not become it.
    pub(crate) fn of(name: &str) -> Result<Option<Self>, String> {
        let user = User::from_name(name)
            .map_err(|error| format!("cannot look up the user '{name}': {error}"))?
            .ok_or_else(|| format!("the user '{name}' does not exist on this agent"))?;
        if user.uid == geteuid() {
            return Ok(None);
        }
        if !geteuid().is_root() {
            return Err(format!("cannot run as '{name}': the agent does not run as root"));
        }
        let text = CString::new(name).map_err(|_| "the user's name contains a zero byte".to_owned())?;
        let groups =
            getgrouplist(&text, user.gid).map_err(|error| format!("cannot list the groups of '{name}': {error}"))?;
        Ok(Some(Self {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            groups: groups.into_iter().map(Gid::as_raw).collect(),
        }))
    }

    /// Makes this process run with them, for good.
    pub(crate) fn assume(&self) -> nix::Result<()> {
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        setgroups(&groups)?;
        setgid(Gid::from_raw(self.gid))?;
        setuid(Uid::from_raw(self.uid))
    }

    /// Gives `path` to them; a symbolic link itself, not what it points to.
    pub(crate) fn own(&self, path: &Path) -> std::io::Result<()> {
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_user_is_named() {
        let message = Credentials::of("no-such-user-here").unwrap_err();
        assert_eq!(message, "the user 'no-such-user-here' does not exist on this agent");
    }

    #[test]
    fn the_own_user_needs_no_change() {
        let own = User::from_uid(geteuid()).unwrap().unwrap();
        assert_eq!(Credentials::of(&own.name), Ok(None));
    }
}
