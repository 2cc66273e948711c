//! `GET /.postern/accept` on the host of an application: a one-use code for a cookie of this host.

use authcore::{BrowserState, HandoffCode, HandoffError};
use axum::extract::State;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::decision::is_plain_beside_tls;
use super::request::split_url;
use crate::app::App;
use crate::http::config::Scheme;
use crate::http::cookies::gate::{self, Form};
use crate::http::error::{self, HttpError};
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::query::Query;
use crate::http::host::{Host, RequestHost};

/// For a person whose code is not good (any more): the application's own address sends for another.
const NOT_GOOD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Not signed in</title>
<h1>This sign-in is not good any more</h1>
<p>It works once, for a minute, in the browser that asked for it, and only if that browser takes cookies of this address.
<p><a href="/">Go to the application</a>, which asks for another.
</html>
"#;

/// Takes a browser in. A `HEAD` spends nothing.
pub(crate) async fn accept(
    State(app): State<App>,
    method: Method,
    RequestHost(host): RequestHost,
    RequestClient(client): RequestClient,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    if method != Method::GET {
        return Err(HttpError::MethodNotAllowed);
    }
    let Some(code) = query.value("code").and_then(HandoffCode::parse) else {
        return Ok(not_good());
    };
    let schemes = [Scheme::Https, Scheme::Http].into_iter();
    for scheme in schemes.filter(|scheme| !is_plain_beside_tls(*scheme, app.config.scheme)) {
        let own = match scheme {
            Scheme::Https => 443,
            Scheme::Http => 80,
        };
        let host: Host = host.clone().without_port(own);
        let form = Form::of(scheme, &host);
        let state = gate::read(&headers, &form.state_name())
            .map_err(|_| HttpError::malformed("the state cookie is there twice"))?;
        let Some(state) = state.and_then(BrowserState::parse) else {
            continue;
        };
        let accepted = app
            .authority
            .gate()
            .accept(&code, &host.to_string(), &state, &client)
            .await;
        let entered = match accepted {
            Ok(entered) => entered,
            Err(HandoffError::Refused | HandoffError::TooMany) => return Ok(not_good()),
            Err(HandoffError::Store(error)) => return Err(error.into()),
        };
        // The destination was made for this host when the code was; its scheme is that of the cookie.
        let same =
            split_url(&entered.destination).is_some_and(|(known, to, _)| known == scheme && to == host);
        if !same {
            return Ok(not_good());
        }
        let cookie = form.write_cookie(&entered.cookie.expose_text(), entered.cookie_max_age)?;
        let location = HeaderValue::from_str(&entered.destination).map_err(|_| HttpError::Internal)?;
        return Ok((StatusCode::FOUND, [(LOCATION, location), (SET_COOKIE, cookie)]).into_response());
    }
    Ok(not_good())
}

fn not_good() -> Response {
    (error::NOT_GOOD_HERE, Html(NOT_GOOD)).into_response()
}
