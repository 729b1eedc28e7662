//! Which texts may be ids and roles. Source of the rules: Mesos `validation::id` and `roles::validate`.

/// Whether a text may be the id of a task, framework or agent: 1 to 255 bytes without control characters, `/` and `\`, and
/// neither `.` nor `..`, because ids become names of directories.
pub fn is_valid_id(id: &str) -> bool {
    let forbidden = |c: char| c.is_control() || matches!(c, '/' | '\\');
    !id.is_empty() && id.len() <= 255 && !matches!(id, "." | "..") && !id.contains(forbidden)
}

/// Whether a text may be the name of a role: `*`, or components separated by `/`.
///
/// # Errors
/// What is wrong with it.
pub fn check_role(role: &str) -> Result<(), &'static str> {
    if role == "*" {
        return Ok(());
    }
    for component in role.split('/') {
        match component {
            "" => return Err("it has an empty component"),
            "." | ".." | "*" => return Err("'.', '..' and '*' are no components"),
            _ if component.starts_with('-') => return Err("a component begins with '-'"),
            _ if component.contains(|c: char| c.is_ascii_whitespace() || c == '\u{b}' || c == '\u{7f}') => {
                return Err("it contains white space or a backspace");
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_can_be_names_of_directories() {
        for id in ["web.1", "a b", "…", &"x".repeat(255)] {
            assert!(is_valid_id(id), "{id}");
        }
        for id in ["", ".", "..", "a/b", "a\\b", "a\nb", &"x".repeat(256)] {
            assert!(!is_valid_id(id), "{id:?}");
        }
    }

    #[test]
    fn roles_are_paths() {
        for role in ["*", "web", "eng/web", "a-b", "..."] {
            assert_eq!(check_role(role), Ok(()), "{role}");
        }
        for role in ["", "/", "a/", "/a", "a//b", "a/*", "a/..", "-a", "a/-b", "a b", "a\tb", "a\u{7f}"] {
            assert!(check_role(role).is_err(), "{role:?}");
        }
    }
}
