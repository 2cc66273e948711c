//! The contract, in process.

mod answers;
mod contract;

use super::*;
use crate::backup::Desk;
use crate::gate::application::Applications;
use crate::gate::proxy::Clients;
use crate::http::config::{HttpConfig, RefreshCookieForm, Scheme};
use crate::http::host::HostNames;
use crate::metrics::Metrics;
use authcore::{
    ACCESS_KEY_LIFE, ActConfirmed, Authority, AuthorityOptions, Client, Operation, Remember,
    SIGNIN_TOKEN_LIFE_MAX, Scope, Scopes, SigninTokenAuthority, TokenSet, WallTime,
};
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use fieldcrypt::SlotSecret;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

struct Server {
    app: App,
    router: Router,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let options = AuthorityOptions::new(folder.path().join("postern.sqlite"));
        let authority = Authority::create(&options, &SlotSecret::password("a field password"));
        let config = HttpConfig {
            hosts: HostNames::new(HostNames::LOOPBACK).expect("names"),
            scheme: Scheme::Http,
            refresh_cookie: RefreshCookieForm::ByScheme,
        };
        let app = App {
            authority: Arc::new(authority.expect("created")),
            config: Arc::new(config),
            doctor: Arc::new(|_| Vec::new()),
            backup: Arc::new(Desk::new(None, folder.path().to_owned())),
            gate: Arc::default(),
            clients: Clients::of(&Applications::default()).expect("none is read"),
            metrics: Metrics::new(
                WallTime::from_unix_ms(0),
                &Applications::default(),
                std::iter::empty(),
            ),
            sockets: events::places(),
        };
        Self {
            router: router(app.clone()),
            app,
            _folder: folder,
        }
    }

    /// A new session, by a link.
    async fn sign_in(&self) -> TokenSet {
        let token = self.signin_token().await;
        let sessions = self.app.authority.sessions();
        let remember = Remember::ThisBrowserSession;
        sessions
            .start_with_signin_token(&token, remember, &Client::local())
            .await
            .expect("signed in")
    }

    async fn signin_token(&self) -> String {
        let tokens = self.app.authority.signin_tokens();
        let by = SigninTokenAuthority::LocalOperator;
        let token = tokens
            .issue(by, SIGNIN_TOKEN_LIFE_MAX, &Client::local())
            .await
            .expect("issued");
        token.expose_text().to_string()
    }

    async fn access_key(&self, scope: Scope) -> String {
        let scopes = Scopes::new(vec![scope.clone()]).expect("one");
        let keys = self.app.authority.access_keys();
        let created = keys
            .create(
                &ActConfirmed::by_operator(),
                &scope.name(),
                scopes,
                ACCESS_KEY_LIFE,
                &Client::local(),
            )
            .await;
        created.expect("created").secret.expose_text().to_string()
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost:8420");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        self.router
            .clone()
            .oneshot(request.body(body).expect("request"))
            .await
            .expect("infallible")
    }

    /// As the owner of a new session.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let tokens = self.sign_in().await;
        let bearer = format!("Bearer {}", tokens.access_token.expose_str());
        let answer = self
            .send(method, path, &[(AUTHORIZATION.as_str(), &bearer)], body)
            .await;
        (answer.status(), read(answer).await)
    }

    async fn document(&self) -> Value {
        self.ask("GET", "/api/v1/openapi.json", &Value::Null).await.1
    }
}

async fn read(answer: Response) -> Value {
    let body = answer.into_body().collect().await.expect("body").to_bytes();
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}
