//! What the document says is what the contract says, and what each credential opens.

use super::*;

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
