//! Secrets by reference: the pipeline file names where a secret is, never the secret.
//!
//! A secret is read when it is used, lives in a [`Revealed`] that cannot be printed or written out, and goes no further.

use crate::error::{Error, Exit, Place, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The keys of a reference.
pub(super) const KEYS: &[&str] = &["env", "file", "credential"];

/// A secret is a password or a token, never a document.
const LIMIT: u64 = 64 * 1024;

/// Where a secret is: `{ env = "NAME" }`, `{ file = "path" }` or `{ credential = "name" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(extend("x-secret" = true))]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file, relative to the pipeline file; one line break at its end does not count.
    File(PathBuf),
    /// In the systemd credential of this name (`LoadCredential=` in the unit).
    Credential(String),
}

/// The value of a secret. It has no `Debug`, no `Display` and cannot be serialised, so that no log and no panic can show it:
///
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Debug>() {}
/// shown::<messkette::pipeline::Revealed>();
/// ```
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Display>() {}
/// shown::<messkette::pipeline::Revealed>();
/// ```
/// ```compile_fail,E0277
/// fn shown<T: serde::Serialize>() {}
/// shown::<messkette::pipeline::Revealed>();
/// ```
pub struct Revealed(String);

impl Revealed {
    /// The value, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Secret {
    /// Reads the secret; relative files are relative to `folder`, the pipeline file's.
    ///
    /// # Errors
    /// When it is not there, is empty, is no text or is longer than 64 KiB: with [`Exit::Credentials`], and without a word of it.
    pub fn reveal(&self, folder: &Path) -> Result<Revealed> {
        self.reveal_with(folder, |name| std::env::var_os(name))
    }

    fn reveal_with(&self, folder: &Path, variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Revealed> {
        let fail = |message: String, hint: &str| Error::new("mk::secret::unreadable", message).hint(hint).exit(Exit::Credentials);
        let text = match self {
            Self::Env(name) => variable(name)
                .ok_or_else(|| {
                    fail(format!("the environment variable {name} is not set"), "set it for the service or the shell")
                })?
                .into_string()
                .map_err(|_| fail(format!("the environment variable {name} is not UTF-8"), "write it as UTF-8"))?,
            Self::File(path) => read(&folder.join(path))?,
            Self::Credential(name) => {
                if name.is_empty() || name.contains(['/', '\0']) || name == ".." {
                    return Err(fail(format!("'{name}' is no name of a credential"), "give the name without a path"));
                }
                let given = variable("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    fail(
                        format!("the credential '{name}' is not there: this is no systemd service with credentials"),
                        "add LoadCredential= to the unit, or name an environment variable or a file",
                    )
                })?;
                read(&Path::new(&given).join(name))?
            }
        };
        let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() {
            return Err(fail(format!("the secret {self} is empty"), "fill it, or remove the key"));
        }
        Ok(Revealed(text.to_owned()))
    }
}

impl std::fmt::Display for Secret {
    /// Where the secret is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "in the environment variable {name}"),
            Self::File(path) => write!(f, "in the file {}", path.display()),
            Self::Credential(name) => write!(f, "in the credential {name}"),
        }
    }
}

fn read(path: &Path) -> Result<String> {
    let fail = |message: &str| {
        Error::new("mk::secret::unreadable", message).at(Place::file(path.display().to_string())).exit(Exit::Credentials)
    };
    let file = std::fs::File::open(path).map_err(|error| fail("cannot read the secret").because(error))?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| fail("cannot read the secret").because(error))?;
    if bytes.len() as u64 > LIMIT {
        return Err(fail("the secret is longer than 64 KiB"));
    }
    String::from_utf8(bytes).map_err(|_| fail("the secret is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "KANARI-geheim-000001";

    #[test]
    fn reads_each_kind_of_reference() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), format!("{CANARY}\r\n")).unwrap();
        let given = folder.path().as_os_str().to_owned();
        let variable = |name: &str| match name {
            "MK_PW" => Some(CANARY.into()),
            "CREDENTIALS_DIRECTORY" => Some(given.clone()),
            _ => None,
        };
        for secret in [Secret::Env("MK_PW".into()), Secret::File("pw".into()), Secret::Credential("pw".into())] {
            assert_eq!(secret.reveal_with(folder.path(), variable).unwrap().expose(), CANARY);
        }
    }

    #[test]
    fn refuses_what_is_not_there_and_says_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        std::fs::write(folder.path().join("long"), vec![b'x'; 70_000]).unwrap();
        for secret in [
            Secret::Env("MK_NOT_SET".into()),
            Secret::File("missing".into()),
            Secret::File("binary".into()),
            Secret::File("empty".into()),
            Secret::File("long".into()),
            Secret::Credential("../pw".into()),
            Secret::Credential("pw".into()),
        ] {
            let error = secret.reveal_with(folder.path(), |_| None).err().unwrap();
            assert_eq!(error.exit_code(), Exit::Credentials, "{error}");
        }
    }

    #[test]
    fn a_reference_says_where_and_never_what() {
        let secret: Secret = serde_json::from_str(r#"{ "env": "MK_PW" }"#).unwrap();
        assert_eq!(secret.to_string(), "in the environment variable MK_PW");
        assert_eq!(format!("{secret:?}"), r#"Env("MK_PW")"#);
        assert!(serde_json::from_str::<Secret>(&format!("{CANARY:?}")).is_err());
    }
}
