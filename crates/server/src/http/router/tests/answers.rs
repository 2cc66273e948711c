//! What good and bad input gets, route by route.

use super::*;

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

/// In the runtime's own time, which leaps to the next bound whenever another thread works.
#[tokio::test(start_paused = true)]
async fn a_backup_may_take_longer_in_the_making_than_other_answers() {
    let server = Server::start();
    let (status, _) = server
        .ask("PATCH", "/api/v1/settings", &json!({"instance_name": "NAS"}))
        .await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "control: time was over");
    let tokens = server.sign_in().await;
    let principal = server
        .app
        .authority
        .authenticate(tokens.access_token.expose_str())
        .expect("signed in");
    let token = server
        .app
        .authority
        .operation_tokens()
        .issue(&principal, Operation::Backup, Some(&ActConfirmed::by_operator()))
        .expect("issued");
    let bearer = format!("Bearer {}", token.expose_str());
    let answer = server
        .send(
            "POST",
            "/api/v1/backup",
            &[(AUTHORIZATION.as_str(), &bearer)],
            &Value::Null,
        )
        .await;
    // This server has nobody to seal it to.
    assert_eq!(answer.status(), StatusCode::CONFLICT);
}
