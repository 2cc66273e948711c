//! The page for people: one document under three paths, and the files it is made of. Loading any of them consumes nothing.

use authcore::SettingError;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::headers::PageContent;
use crate::web;

/// The overview; who is not signed in is asked to.
#[utoipa::path(
    get, path = "/", tag = "page", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(crate) async fn overview(State(app): State<App>) -> Result<Response, HttpError> {
    document(&app)
}

/// The sign-in page.
#[utoipa::path(
    get, path = "/login", tag = "page", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(crate) async fn login(State(app): State<App>) -> Result<Response, HttpError> {
    document(&app)
}

/// Where a sign-in link leads. The page asks for a click before it uses the token, which is in the address's fragment.
#[utoipa::path(
    get, path = "/signin", tag = "page", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(crate) async fn signin(State(app): State<App>) -> Result<Response, HttpError> {
    document(&app)
}

/// What the owner calls this server.
pub(crate) fn instance_name(app: &App) -> Result<String, HttpError> {
    let name = match app.authority.settings().one("instance_name") {
        Ok(setting) => setting.value,
        Err(SettingError::Unknown { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(name
        .as_ref()
        .and_then(Value::as_str)
        .unwrap_or("Postern")
        .to_owned())
}

fn document(app: &App) -> Result<Response, HttpError> {
    let mut response = Html(web::document(&instance_name(app)?)).into_response();
    response.extensions_mut().insert(PageContent);
    Ok(response)
}

/// One file of the page. Its address holds a digest of all of them, so a browser may keep it for good.
pub(crate) async fn asset(
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let asset = web::asset(&version, &name).ok_or(HttpError::NoSuchPath)?;
    let mut response = if accepts_gzip(&headers) {
        ([(CONTENT_ENCODING, "gzip")], asset.gzip()).into_response()
    } else {
        asset.bytes().into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind()));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    // RFC 8246: the bytes at this address never change.
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    Ok(response)
}

/// Whether `gzip` is among the codings, and not with a weight of nothing (RFC 9110, section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(ACCEPT_ENCODING).iter();
    let mut codings = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        is_gzip && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_gzip_only_where_it_says_so() {
        for (field, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5, br", true),
            ("gzip;q=0, br", false),
            ("gzip; q=0.000", false),
            ("br", false),
            ("xgzip", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(field));
            assert_eq!(accepts_gzip(&headers), expected, "{field}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
