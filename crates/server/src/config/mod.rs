//! Where things are: flags over the environment over the places the XDG base directory specification names. The only
//! room that reads the environment.

pub(crate) mod data_dir;
pub(crate) mod field_password;

use std::path::{Path, PathBuf};

use field_password::FieldPasswordFile;

/// Where this install keeps what it has.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) data_dir: PathBuf,
    /// Not in the data directory, so that a copy of that does not carry its own key.
    pub(crate) field_password: FieldPasswordFile,
}

/// Why the places were not found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlacesError {
    #[error("nothing says where {0} should be: neither a flag nor HOME")]
    NoPlace(&'static str),
    /// Which one counts would be a guess.
    #[error("the field password is given twice: by {one} and by {other}")]
    TwoFieldPasswords { one: &'static str, other: &'static str },
}

impl Places {
    /// Finds the places of this process.
    ///
    /// # Errors
    /// When the field password is given twice, or nothing says where a thing should be.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room that reads the environment"
    )]
    pub(crate) fn find(data_dir: Option<&Path>, field_password: Option<&Path>) -> Result<Self, PlacesError> {
        Self::find_in(data_dir, field_password, |name| {
            std::env::var_os(name).map(PathBuf::from)
        })
    }

    fn find_in(
        data_dir: Option<&Path>,
        field_password: Option<&Path>,
        environment: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, PlacesError> {
        let set = |name: &str| environment(name).filter(|path| !path.as_os_str().is_empty());
        // The specification asks to ignore a path that is not absolute.
        let base = |name: &str, below_home: &str| {
            let named = set(name).filter(|path| path.is_absolute());
            named
                .or_else(|| Some(set("HOME")?.join(below_home)))
                .map(|base| base.join("postern"))
        };
        let data_dir = data_dir
            .map(Path::to_owned)
            .or_else(|| set("POSTERN_DATA_DIR"))
            .or_else(|| set("STATE_DIRECTORY"))
            .or_else(|| base("XDG_DATA_HOME", ".local/share"))
            .ok_or(PlacesError::NoPlace("the data directory"))?;
        let credential = set("CREDENTIALS_DIRECTORY")
            .map(|folder| folder.join("field-password"))
            .filter(|path| path.exists());
        let given = [
            ("--field-password-file", field_password.map(Path::to_owned)),
            ("$CREDENTIALS_DIRECTORY/field-password", credential),
            ("POSTERN_FIELD_PASSWORD_FILE", set("POSTERN_FIELD_PASSWORD_FILE")),
        ];
        let mut given = given
            .into_iter()
            .filter_map(|(source, path)| Some((source, path?)));
        let field_password = match (given.next(), given.next()) {
            (Some((one, _)), Some((other, _))) => return Err(PlacesError::TwoFieldPasswords { one, other }),
            (Some((_, path)), None) => path,
            (None, _) => base("XDG_CONFIG_HOME", ".config")
                .ok_or(PlacesError::NoPlace("the field password"))?
                .join("field-password"),
        };
        Ok(Self {
            data_dir,
            field_password: FieldPasswordFile::at(field_password),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(
        flags: (Option<&str>, Option<&str>),
        environment: &[(&str, &str)],
    ) -> Result<(String, String), PlacesError> {
        let look = |name: &str| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, path)| PathBuf::from(path))
        };
        let places = Places::find_in(flags.0.map(Path::new), flags.1.map(Path::new), look)?;
        let text = |path: &Path| path.display().to_string();
        Ok((text(&places.data_dir), text(places.field_password.path())))
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_xdg_places() {
        let home = ("HOME", "/home/me");
        let found = |flags, environment: &[(&str, &str)]| find(flags, environment).expect("found");
        let own = "/home/me/.config/postern/field-password".to_owned();
        assert_eq!(
            found((None, None), &[home]),
            ("/home/me/.local/share/postern".to_owned(), own.clone())
        );
        let xdg = [home, ("XDG_DATA_HOME", "/d"), ("XDG_CONFIG_HOME", "/c")];
        assert_eq!(
            found((None, None), &xdg),
            ("/d/postern".to_owned(), "/c/postern/field-password".to_owned())
        );
        let relative = [home, ("XDG_DATA_HOME", "d")];
        assert_eq!(found((None, None), &relative).0, "/home/me/.local/share/postern");
        let unit = [home, ("STATE_DIRECTORY", "/var/lib/postern")];
        assert_eq!(found((None, None), &unit).0, "/var/lib/postern");
        let named = [
            home,
            ("STATE_DIRECTORY", "/var/lib/postern"),
            ("POSTERN_DATA_DIR", "/p"),
        ];
        assert_eq!(found((None, None), &named).0, "/p");
        assert_eq!(
            found((Some("/f"), Some("/k")), &named),
            ("/f".to_owned(), "/k".to_owned())
        );
    }

    #[test]
    fn a_field_password_given_twice_is_refused_and_both_sources_are_named() {
        let environment = [("HOME", "/home/me"), ("POSTERN_FIELD_PASSWORD_FILE", "/k")];
        let refused = find((None, Some("/other")), &environment)
            .expect_err("twice")
            .to_string();
        assert!(refused.contains("--field-password-file") && refused.contains("POSTERN_FIELD_PASSWORD_FILE"));
        assert!(find((None, None), &environment).is_ok());
    }

    #[test]
    fn without_a_home_the_missing_place_is_named() {
        assert!(
            find((None, None), &[])
                .expect_err("no place")
                .to_string()
                .contains("data directory")
        );
        assert!(
            find((Some("/d"), None), &[])
                .expect_err("no place")
                .to_string()
                .contains("field password")
        );
    }
}
