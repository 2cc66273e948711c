//! What a browser brings that signed in here before, and what it is given when it signs in.

use axum::extract::FromRequestParts;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::response::Response;

use crate::app::App;
use crate::http::cookies::gate::{self, Form};
use crate::http::error::HttpError;
use crate::http::host::RequestHost;

/// Browsers say where a request comes from (Fetch Metadata); programs, which keep no cookies, do not.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The device cookie of a request. It opens nothing: without one, or with a false one, the request is a stranger's.
pub(crate) struct DeviceCookie {
    brought: Option<String>,
    is_browser: bool,
    form: Form,
}

impl DeviceCookie {
    pub(crate) fn text(&self) -> Option<&str> {
        self.brought.as_deref()
    }

    /// Makes the browser that has signed in a known one.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub(crate) fn put(&self, app: &App, response: &mut Response) -> Result<(), HttpError> {
        if !self.is_browser {
            return Ok(());
        }
        if let Some(device) = app.authority.passwords().new_device(self.text())? {
            let cookie = self.form.write_device(&device.expose_text())?;
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(())
    }
}

impl FromRequestParts<App> for DeviceCookie {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, HttpError> {
        let RequestHost(host) = RequestHost::from_request_parts(parts, app).await?;
        let form = Form::of(app.config.scheme, &host);
        let brought = gate::read(&parts.headers, &form.device_name()).ok().flatten();
        Ok(Self {
            brought: brought.map(str::to_owned),
            is_browser: parts.headers.contains_key(SEC_FETCH_SITE),
            form,
        })
    }
}
