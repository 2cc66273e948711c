//! `postern signin-link`: works beside a running server and without one.

use std::time::Duration;

use authcore::{Authority, AuthorityOptions};

use super::exit::Failure;
use super::{Arguments, make_link, output};
use crate::config::Places;
use crate::config::data_dir::DataDir;

pub(super) async fn run(arguments: &Arguments, life: Duration) -> Result<(), Failure> {
    let places = Places::find(
        arguments.data_dir.as_deref(),
        arguments.field_password_file.as_deref(),
    )?;
    let data = DataDir::existing(&places.data_dir)?;
    let secret = places.field_password.read()?;
    let authority = Authority::open(&AuthorityOptions::new(data.database()), &secret)?;
    let link = make_link(&authority, arguments.listen, life).await;
    authority.shutdown();
    output::say(&link?);
    Ok(())
}
