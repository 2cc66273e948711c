//! `postern keys verify`.

use authcore::{Authority, Verification};
use serde_json::json;

use super::named;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::shapes::keys::UnopenableItem;

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let (options, secret) = context.existing_database()?;
    let Verification { complaints, fields } = Authority::verify(&options, &secret)?;
    if complaints.is_empty() && fields.unopenable.is_empty() {
        return context.output.done(
            &json!({ "FieldsOpened": fields.opened }),
            &format!(
                "all {} sealed fields open, and the integrity seal holds",
                fields.opened
            ),
        );
    }
    let details = json!({
        "FieldsOpened": fields.opened,
        "Complaints": complaints,
        "Unopenable": fields.unopenable.iter().map(UnopenableItem::of).collect::<Vec<_>>(),
    });
    let mut wrong = complaints;
    if !fields.unopenable.is_empty() {
        wrong.push(format!("fields that do not open: {}", named(&fields.unopenable)));
    }
    Err(Failure::new(Exit::Data, wrong.join("; "))
        .hint("keep a copy of the files as they are; docs/keys.md says what to do")
        .details(details))
}
