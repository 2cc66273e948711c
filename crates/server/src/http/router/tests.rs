//! The contract, in process: what the document says, what each credential opens, what bad input gets.

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

/// `3-http-contract.md`, as far as it goes by now.
const CONTRACT: &[&str] = &[
    "delete /api/v1/access-keys/{id}",
    "delete /api/v1/sessions",
    "delete /api/v1/sessions/{id}",
    "delete /api/v1/settings/{key}",
    "delete /gate/verify",
    "get /",
    "get /.well-known/jwks.json",
    "get /api/v1/access-keys",
    "get /api/v1/applications",
    "get /api/v1/audit",
    "get /api/v1/doctor",
    "get /api/v1/events",
    "get /api/v1/keys",
    "get /api/v1/keys/rotation",
    "get /api/v1/openapi.json",
    "get /api/v1/password",
    "get /api/v1/second-factor",
    "get /api/v1/sessions",
    "get /api/v1/settings",
    "get /api/v1/settings/{key}",
    "get /gate/handoff",
    "get /gate/verify",
    "get /health",
    "get /login",
    "get /metrics",
    "get /ready",
    "get /signin",
    "head /gate/verify",
    "options /gate/verify",
    "patch /api/v1/settings",
    "patch /gate/verify",
    "post /api/v1/access-keys",
    "post /api/v1/auth/issue-forever-token",
    "post /api/v1/auth/issuesignintoken",
    "post /api/v1/auth/issuetoken/{operation}",
    "post /api/v1/auth/login",
    "post /api/v1/auth/refresh",
    "post /api/v1/auth/refresh/logout",
    "post /api/v1/auth/signin",
    "post /api/v1/auth/status",
    "post /api/v1/backup",
    "post /api/v1/gate/handoff",
    "post /api/v1/keys/rotate",
    "post /api/v1/password/judge",
    "post /api/v1/second-factor",
    "post /api/v1/second-factor/confirm",
    "post /api/v1/second-factor/off",
    "post /gate/verify",
    "put /api/v1/password",
    "put /api/v1/settings/{key}",
    "put /gate/verify",
];

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

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("item") {
            all.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    all
}

#[tokio::test]
async fn the_document_is_the_contract() {
    let document = Server::start().document().await;
    let mut routes: Vec<String> = operations(&document)
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    routes.sort_unstable();
    assert_eq!(routes, CONTRACT);
    for (method, path, operation) in operations(&document) {
        assert!(
            operation["security"].is_array(),
            "{method} {path} names no credential"
        );
        assert!(operation["summary"].is_string(), "{method} {path} says nothing");
    }
    let login = &document["components"]["schemas"]["LoginBody"];
    assert_eq!(login["required"], json!(["Password"]), "{login}");
    assert!(login["properties"]["RememberMe"].is_object(), "{login}");
}

/// What the document says of one operation's credentials.
struct Credentials<'a>(&'a [Value]);

impl Credentials<'_> {
    /// `bearerAuth`, `refreshCookie`, or `accessKey` and a scope; any other opens only what is open to all.
    fn name(&self, credential: &str) -> bool {
        self.0.iter().any(|way| match credential.split_once(' ') {
            _ if way == &json!({}) => true,
            Some((scheme, scope)) => way.get(scheme) == Some(&json!([scope])),
            None => way.get(credential).is_some(),
        })
    }
}

fn is_refused(answer: &Response) -> bool {
    matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// One of each kind, fresh: some are good for one use, some end what others live on.
async fn bearers(server: &Server, keys: &[(String, String)]) -> Vec<(String, Option<String>)> {
    let owner = server.sign_in().await;
    let authority = &server.app.authority;
    let principal = authority
        .authenticate(owner.access_token.expose_str())
        .expect("signed in");
    let operation = authority
        .operation_tokens()
        .issue(&principal, Operation::WebSocket, None)
        .expect("issued");
    let backup = authority
        .operation_tokens()
        .issue(&principal, Operation::Backup, Some(&ActConfirmed::by_operator()))
        .expect("issued");
    let mut all = vec![
        ("nothing".to_owned(), None),
        ("junk".to_owned(), Some("junk".to_owned())),
        ("a signin token".to_owned(), Some(server.signin_token().await)),
        (
            "an operation token".to_owned(),
            Some(operation.expose_str().to_owned()),
        ),
        ("operationToken".to_owned(), Some(backup.expose_str().to_owned())),
        (
            "a refresh token".to_owned(),
            Some(owner.refresh_token.expose_text().to_string()),
        ),
        (
            "bearerAuth".to_owned(),
            Some(owner.access_token.expose_str().to_owned()),
        ),
    ];
    all.extend(keys.iter().map(|(name, key)| (name.clone(), Some(key.clone()))));
    all
}

/// Every route with every kind of credential: what the document says is what happens.
#[tokio::test]
async fn each_credential_opens_what_the_document_names_and_nothing_else() {
    let server = Server::start();
    let setting = vec![("allow_forever_token".to_owned(), json!(true))];
    server
        .app
        .authority
        .settings()
        .set(setting, &Client::local())
        .await
        .expect("set");
    let document = server.document().await;
    let mut keys = Vec::new();
    let gate = Scope::from_name("gate:app.example.org").expect("a scope");
    for scope in Scope::OF_THE_API.into_iter().chain([gate]) {
        keys.push((
            format!("accessKey {}", scope.name()),
            server.access_key(scope).await,
        ));
    }
    for (method, path, operation) in operations(&document) {
        let security = Credentials(operation["security"].as_array().expect("security"));
        let path = path.replace("{operation}", "websocket").replace("{id}", "none");
        let path = path.replace("{key}", "max_sessions");
        let upper = method.to_uppercase();
        for (credential, bearer) in bearers(&server, &keys).await {
            let bearer = bearer.map(|bearer| format!("Bearer {bearer}"));
            let headers: Vec<_> = bearer
                .iter()
                .map(|bearer| (AUTHORIZATION.as_str(), bearer.as_str()))
                .collect();
            let body = if method == "get" || method == "delete" {
                Value::Null
            } else {
                json!({})
            };
            let answer = server.send(&upper, &path, &headers, &body).await;
            let expected = security.name(&credential);
            assert_eq!(
                !is_refused(&answer),
                expected,
                "{method} {path} with {credential}: {}",
                answer.status()
            );
            if answer.status() == StatusCode::UNAUTHORIZED {
                // A program without a session may be asked for an access key at the gate.
                let offer = answer.headers()[WWW_AUTHENTICATE].to_str().expect("text");
                let basic = path == "/gate/verify" && offer.starts_with("Basic ");
                assert!(offer == "Bearer" || basic, "{method} {path}: {offer}");
            }
            assert!(!is_refused(&answer) || !answer.headers().contains_key(SET_COOKIE));
        }
        let owner = server.sign_in().await;
        let cookie = format!("RefreshToken_8420={}", &*owner.refresh_token.expose_text());
        let body = json!({"Nonce": &*owner.refresh_nonce.expose_text()});
        let answer = server
            .send(&upper, &path, &[(COOKIE.as_str(), &cookie)], &body)
            .await;
        assert_eq!(
            !is_refused(&answer),
            security.name("refreshCookie"),
            "{method} {path} with the cookie"
        );
    }
}

#[tokio::test]
async fn a_secret_setting_goes_in_and_never_comes_out() {
    let server = Server::start();
    let secret = json!({"Value": "hunter2 hunter2"});
    let (status, put) = server.ask("PUT", "/api/v1/settings/secret.header", &secret).await;
    assert_eq!(
        (status, &put["Set"], &put["Sensitive"]),
        (StatusCode::OK, &json!(true), &json!(true))
    );
    let (_, one) = server
        .ask("GET", "/api/v1/settings/secret.header", &Value::Null)
        .await;
    let (_, list) = server.ask("GET", "/api/v1/settings", &Value::Null).await;
    let (_, patched) = server
        .ask(
            "PATCH",
            "/api/v1/settings",
            &json!({"instance_name": "NAS", "max_sessions": null}),
        )
        .await;
    for answer in [&put, &one, &list, &patched] {
        assert!(!answer.to_string().contains("hunter2"), "{answer}");
    }
    let names = patched["Settings"].as_array().expect("list");
    let name = names
        .iter()
        .find(|setting| setting["Key"] == "instance_name")
        .expect("there");
    assert_eq!((&name["Value"], &name["Set"]), (&json!("NAS"), &json!(true)));
    let (status, unset) = server
        .ask("DELETE", "/api/v1/settings/instance_name", &Value::Null)
        .await;
    assert_eq!((status, &unset["Set"]), (StatusCode::OK, &json!(false)));
    for (body, expected) in [
        (json!({"max_sessions": "many"}), StatusCode::BAD_REQUEST),
        (json!({"no_such_setting": 1}), StatusCode::NOT_FOUND),
        (json!([]), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(
            server.ask("PATCH", "/api/v1/settings", &body).await.0,
            expected,
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_access_keys_secret_is_shown_once_and_opens_nothing_after_it_is_revoked() {
    let server = Server::start();
    let body = json!({"name": "backup job", "scopes": ["api:read"], "expiresin": 3600});
    let (status, made) = server.ask("POST", "/api/v1/access-keys", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let secret = made["Secret"].as_str().expect("secret").to_owned();
    assert_eq!(
        server.ask("POST", "/api/v1/access-keys", &body).await.0,
        StatusCode::CONFLICT
    );
    for bad in [
        json!({}),
        json!({"Name": "x", "Scopes": ["root"]}),
        json!({"Name": "x", "Scopes": []}),
    ] {
        assert_eq!(
            server.ask("POST", "/api/v1/access-keys", &bad).await.0,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
    let (_, list) = server.ask("GET", "/api/v1/access-keys", &Value::Null).await;
    assert_eq!(list["AccessKeys"][0]["Name"], "backup job");
    assert!(!list.to_string().contains(&secret));
    let bearer = format!("Bearer {secret}");
    let read = async || {
        server
            .send(
                "GET",
                "/api/v1/sessions",
                &[("authorization", &bearer)],
                &Value::Null,
            )
            .await
            .status()
    };
    assert_eq!(read().await, StatusCode::OK);
    assert_eq!(
        server
            .ask("DELETE", "/api/v1/access-keys/backup%20job", &Value::Null)
            .await
            .0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(read().await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        server
            .ask("DELETE", "/api/v1/access-keys/backup%20job", &Value::Null)
            .await
            .0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn sessions_are_listed_and_ended_and_the_audit_log_pages() {
    let server = Server::start();
    let other = server.sign_in().await;
    let (_, list) = server.ask("GET", "/api/v1/sessions", &Value::Null).await;
    let sessions = list["Sessions"].as_array().expect("list");
    assert_eq!(
        sessions
            .iter()
            .filter(|session| session["Current"] == true)
            .count(),
        1
    );
    assert!(
        sessions
            .iter()
            .any(|session| session["Id"] == other.session.to_string())
    );
    let path = format!("/api/v1/sessions/{}", other.session);
    assert_eq!(
        server.ask("DELETE", &path, &Value::Null).await.1,
        json!({"Ended": 1})
    );
    assert_eq!(
        server.ask("DELETE", &path, &Value::Null).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        server.ask("DELETE", "/api/v1/sessions", &Value::Null).await.0,
        StatusCode::OK
    );

    let (status, page) = server.ask("GET", "/api/v1/audit?limit=2", &Value::Null).await;
    assert_eq!(
        (status, page["Events"].as_array().map(Vec::len)),
        (StatusCode::OK, Some(2)),
        "{page}"
    );
    assert!(
        page["Events"][0]["Event"].is_string() && page["Events"][0]["At"].is_string(),
        "{page}"
    );
    let next = page["Next"].as_i64().expect("more");
    let (_, older) = server
        .ask("GET", &format!("/api/v1/audit?before={next}"), &Value::Null)
        .await;
    assert!(older["Events"][0]["Id"].as_i64().expect("id") < next);
    let (_, none) = server
        .ask("GET", "/api/v1/audit?since=2999-01-01T00:00:00Z", &Value::Null)
        .await;
    assert_eq!(none, json!({"Events": []}));
    let (_, ends) = server
        .ask(
            "GET",
            "/api/v1/audit?kind=SessionEnded,SessionsEnded",
            &Value::Null,
        )
        .await;
    let ends = ends["Events"].as_array().expect("list");
    assert!(!ends.is_empty());
    for event in ends {
        let kind = event["Event"].as_str().expect("a name");
        assert!(matches!(kind, "SessionEnded" | "SessionsEnded"), "{event}");
    }
    let (_, none) = server
        .ask("GET", "/api/v1/audit?kind=Session", &Value::Null)
        .await;
    assert_eq!(none, json!({"Events": []}), "a part of a name is no name");
    for bad in [
        "since=yesterday",
        "before=x",
        "limit=0",
        "limit=501",
        "limit=1&limit=2",
    ] {
        let path = format!("/api/v1/audit?{bad}");
        assert_eq!(
            server.ask("GET", &path, &Value::Null).await.0,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_password_is_judged_by_the_rule_that_decides_and_it_is_told_whether_one_was_ever_chosen() {
    let server = Server::start();
    let rules = async || server.ask("GET", "/api/v1/password", &Value::Null).await.1;
    assert_eq!(rules().await, json!({"Initial": true, "MinimumLength": 15}));
    for (password, accepted) in [
        ("fourteen chars", false),
        ("fifteen chars !", true),
        ("aaaaaaaaaaaaaaaaaaaa", false),
        ("postern postern postern", false),
    ] {
        let body = json!({"NewPassword": password});
        let (status, judged) = server.ask("POST", "/api/v1/password/judge", &body).await;
        assert_eq!((status, &judged["Accepted"]), (StatusCode::OK, &json!(accepted)));
        assert_eq!(judged["Reason"].is_string(), !accepted, "{judged}");
        let (status, _) = server.ask("PUT", "/api/v1/password", &body).await;
        assert_eq!(status == StatusCode::OK, accepted, "{password}");
    }
    assert_eq!(rules().await["Initial"], json!(false));
}

#[tokio::test]
async fn what_is_listed_of_the_keys_is_no_key() {
    let server = Server::start();
    let (status, keys) = server.ask("GET", "/api/v1/keys", &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(keys["SigningKeys"][0]["State"], "active");
    let purposes: Vec<_> = keys["DataKeys"]
        .as_array()
        .expect("list")
        .iter()
        .map(|key| &key["Purpose"])
        .collect();
    assert!(purposes.contains(&&json!("data")), "{keys}");
    let jwks = server
        .send("GET", "/.well-known/jwks.json", &[], &Value::Null)
        .await;
    assert_eq!(jwks.headers()["cache-control"], "public, max-age=300");
    let jwks = read(jwks).await;
    assert_eq!(jwks["keys"][0]["kid"], keys["SigningKeys"][0]["Kid"]);
    assert_eq!(jwks["keys"][0]["d"], Value::Null);
}

#[tokio::test]
async fn bodies_that_are_not_the_contracts_get_its_status() {
    let server = Server::start();
    let login = async |content_type: Option<&str>, body: &str| {
        let mut request = Request::builder()
            .method("POST")
            .uri("/api/v1/auth/login")
            .header(HOST, "localhost:8420");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let request = request.body(Body::from(body.to_owned())).expect("request");
        server
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible")
            .status()
    };
    let json = Some("application/json");
    assert_eq!(login(json, "{").await, StatusCode::BAD_REQUEST);
    assert_eq!(login(json, r#"{"Password":1}"#).await, StatusCode::BAD_REQUEST);
    assert_eq!(login(json, r#"{"Password":null}"#).await, StatusCode::BAD_REQUEST);
    assert_eq!(login(None, "").await, StatusCode::BAD_REQUEST);
    assert_eq!(
        login(None, r#"{"Password":"x"}"#).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(
        login(Some("text/plain"), r#"{"Password":"x"}"#).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(
        login(Some("application/vnd.x+json"), r#"{"Password":"x"}"#).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        login(json, &json!({"Password": "x".repeat(1025)}).to_string()).await,
        StatusCode::BAD_REQUEST
    );
    let doubled = [("cookie", "RefreshToken_8420=a; RefreshToken_8420=b")];
    for path in ["/api/v1/auth/refresh", "/api/v1/auth/refresh/logout"] {
        assert_eq!(
            server.send("POST", path, &doubled, &Value::Null).await.status(),
            StatusCode::BAD_REQUEST
        );
    }
    let odd = server
        .send(
            "POST",
            "/api/v1/auth/refresh",
            &[("cookie", "RefreshToken_8420=a.b.c")],
            &Value::Null,
        )
        .await;
    assert_eq!(read(odd).await["Error"], "Failed to refresh token");
    let none = server
        .send("POST", "/api/v1/auth/refresh", &[], &Value::Null)
        .await;
    assert_eq!(
        read(none).await["Error"],
        "Authorization failed due to missing cookie."
    );
    assert_eq!(
        server
            .ask("POST", "/api/v1/auth/issuetoken/shell", &Value::Null)
            .await
            .0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn loading_the_sign_in_page_uses_up_nothing_and_head_is_get_without_a_body() {
    let server = Server::start();
    let token = server.signin_token().await;
    let page = server.send("GET", "/signin", &[], &Value::Null).await;
    assert_eq!(
        (page.status(), &page.headers()[CONTENT_TYPE]),
        (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
    );
    let signed_in = server
        .send("POST", "/api/v1/auth/signin", &[], &json!({"SigninToken": token}))
        .await;
    assert_eq!(signed_in.status(), StatusCode::OK);
    for path in ["/", "/login"] {
        let same = server.send("GET", path, &[], &Value::Null).await;
        let policy = &same.headers()["content-security-policy"];
        assert!(policy.to_str().unwrap().contains("script-src 'self'"), "{path}");
        assert_eq!(same.headers()["cache-control"], "no-store");
    }
    for path in ["/signin", "/health", "/ready", "/.well-known/jwks.json"] {
        let head = server.send("HEAD", path, &[], &Value::Null).await;
        assert_eq!(head.status(), StatusCode::OK, "{path}");
        assert!(
            head.into_body()
                .collect()
                .await
                .expect("body")
                .to_bytes()
                .is_empty(),
            "{path}"
        );
    }
}
