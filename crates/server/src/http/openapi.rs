//! `GET /api/v1/openapi.json`: the contract, generated from the code.

use axum::Extension;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder, Schema,
};
use utoipa::{PartialSchema, ToSchema};

use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::Reader;

/// The document, serialised once.
#[derive(Clone)]
pub(crate) struct Document(Bytes);

/// The contract as an OpenAPI document.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "contract",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses((status = 200, description = "The document", body = Object)),
)]
pub(crate) async fn document(_reader: Reader, Extension(Document(json)): Extension<Document>) -> Response {
    ([(CONTENT_TYPE, "application/json")], json).into_response()
}

/// The document before the routes are in it: title, and the kinds of credential.
pub(crate) fn skeleton() -> OpenApi {
    let bearer = |format: &str, description: &str| {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format(format);
        SecurityScheme::Http(scheme.description(Some(description)).build())
    };
    let access_key = "An access key, pst_ak_…. The scopes named in a requirement are the ones of which it needs one; \
                      of several requirements any suffices.";
    let cookie = ApiKeyValue::with_description(
        "RefreshToken_8420",
        "RefreshToken_<port of the Host header>, or __Host-postern-refresh under TLS; with the member Nonce in the body.",
    );
    let mut components = Components::new();
    components.add_security_scheme("bearerAuth", bearer("JWT", "An access token of a session."));
    components.add_security_scheme("accessKey", bearer("pst_ak", access_key));
    components.add_security_scheme(
        "operationToken",
        bearer("JWT", "An operation token, of issuetoken/{operation}; good once."),
    );
    let gate_cookie = ApiKeyValue::with_description(
        "__Host-postern-gate",
        "A cookie of one application's host, as the proxy forwards it; on plain HTTP without the prefix.",
    );
    components.add_security_scheme("gateCookie", SecurityScheme::ApiKey(ApiKey::Cookie(gate_cookie)));
    components.add_security_scheme("refreshCookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let error: RefOr<Schema> = ErrorBody::schema();
    components.schemas.insert(ErrorBody::name().into_owned(), error);
    let info = Info::builder()
        .title("Postern")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Names of JSON members are matched in any case; unknown ones are ignored.",
        ))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .build()
}

/// Finishes the document: what every operation may answer is said once, here.
pub(crate) fn finish(mut document: OpenApi) -> Result<Document, serde_json::Error> {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
            &mut item.head,
            &mut item.options,
        ];
        for operation in operations.into_iter().flatten() {
            // The names of the handlers are no names for the world: two of them are called `list`.
            operation.operation_id = None;
            add_default_answer(operation);
        }
    }
    serde_json::to_vec(&document).map(|json| Document(Bytes::from(json)))
}

fn add_default_answer(operation: &mut Operation) {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ErrorBody::name())))
        .build();
    let answer = ResponseBuilder::new()
        .description("Anything else")
        .content("application/json", content)
        .build();
    operation
        .responses
        .responses
        .insert("default".to_owned(), RefOr::T(answer));
}
