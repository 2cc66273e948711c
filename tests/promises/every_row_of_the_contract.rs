//! The HTTP contract, row by row, with the member names as written there.

use e2e_support::{Answer, Postern};
use serde_json::{Value, json};

use crate::owner::{Held, PASSWORD, login, set_password, start};

struct Caller<'a> {
    postern: &'a Postern,
    bearer: String,
}

impl Caller<'_> {
    fn asks(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.postern
            .send(method, path, &[("authorization", &self.bearer)], body)
    }
}

#[track_caller]
fn members(answer: &Answer, expected: &[&str]) {
    assert!(answer.status < 300, "{} {}", answer.status, answer.body);
    let object = answer.body.as_object().expect("an object");
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn the_authentication_endpoints() {
    let postern = start();
    set_password(&postern, PASSWORD);
    let first = login(&postern.base, PASSWORD).expect("an answer");
    members(&first, &["AccessToken", "RefreshNonce"]);
    let held = Held::of(&first);
    let refreshed = held.refresh(&postern);
    members(&refreshed, &["AccessToken", "RefreshNonce"]);
    let held = Held::of(&refreshed);
    let owner = Caller {
        postern: &postern,
        bearer: held.bearer(),
    };

    let issued = postern.send(
        "POST",
        "/api/v1/auth/issuesignintoken",
        &[],
        &json!({ "Password": PASSWORD }),
    );
    members(&issued, &["Token"]);
    let link = json!({ "SigninToken": issued.text("Token"), "RememberMe": null, "Unknown": 1 });
    members(
        &postern.send("POST", "/api/v1/auth/signin", &[], &link),
        &["AccessToken", "RefreshNonce"],
    );
    for operation in ["export", "bugreport", "websocket", "backup"] {
        members(
            &owner.asks(
                "POST",
                &format!("/api/v1/auth/issuetoken/{operation}"),
                &Value::Null,
            ),
            &["Token"],
        );
    }
    let forever = "/api/v1/auth/issue-forever-token";
    assert!(
        owner.asks("POST", forever, &Value::Null).status >= 400,
        "off unless switched on"
    );
    members(
        &owner.asks(
            "PUT",
            "/api/v1/settings/allow_forever_token",
            &json!({ "Value": true }),
        ),
        &[
            "Key",
            "Type",
            "Value",
            "Set",
            "Sensitive",
            "Default",
            "Description",
        ],
    );
    members(&owner.asks("POST", forever, &Value::Null), &["AccessToken"]);
    assert!(
        owner.asks("POST", forever, &Value::Null).status >= 400,
        "once per start"
    );

    let stranger = postern.send("POST", "/api/v1/auth/status", &[], &Value::Null);
    assert_eq!(
        stranger.body,
        json!({ "authorized": false, "message": "Not authorized" })
    );
    let known = owner.asks("POST", "/api/v1/auth/status", &Value::Null);
    members(&known, &["authorized", "message", "socketToken"]);
    assert_eq!(
        (known.body.get("authorized"), known.text("message").as_str()),
        (Some(&json!(true)), "Authorized")
    );

    let out = postern.send(
        "POST",
        "/api/v1/auth/refresh/logout",
        &[("cookie", &held.cookie)],
        &Value::Null,
    );
    assert_eq!(out.body, json!({ "success": true }));
    let again = held.refresh(&postern);
    assert_eq!(
        (again.status, again.text("Error").as_str()),
        (401, "Failed to refresh token")
    );
    assert_eq!(again.body.get("Code"), Some(&json!(401)));
    let bare = postern.send("POST", "/api/v1/auth/refresh", &[], &Value::Null);
    assert_eq!(
        (bare.status, bare.text("Error").as_str()),
        (401, "Authorization failed due to missing cookie.")
    );
    let spent = postern.send("POST", "/api/v1/auth/signin", &[], &link);
    assert_eq!(
        (spent.status, spent.text("Error").as_str()),
        (401, "Failed to sign in")
    );
}

#[test]
fn our_own_endpoints() {
    let postern = start();
    set_password(&postern, PASSWORD);
    let held = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    let owner = Caller {
        postern: &postern,
        bearer: held.bearer(),
    };
    members(
        &owner.asks("GET", "/api/v1/sessions", &Value::Null),
        &["Sessions"],
    );
    let other = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    assert_eq!(
        owner.asks("DELETE", "/api/v1/sessions", &Value::Null).body,
        json!({ "Ended": 1 })
    );
    assert!(!other.is_good(&postern) && held.is_good(&postern));

    let wrong =
        json!({ "CurrentPassword": "not the password at all", "NewPassword": "another horse altogether" });
    let refused = owner.asks("PUT", "/api/v1/password", &wrong);
    assert_eq!(
        (refused.status, refused.text("Error").as_str()),
        (401, "Incorrect password")
    );
    let short = json!({ "CurrentPassword": PASSWORD, "NewPassword": "short" });
    assert_eq!(owner.asks("PUT", "/api/v1/password", &short).status, 400);
    let new = json!({ "CurrentPassword": PASSWORD, "NewPassword": "another horse altogether" });
    assert_eq!(owner.asks("PUT", "/api/v1/password", &new).status, 200);

    members(
        &owner.asks("GET", "/api/v1/settings", &Value::Null),
        &["Settings"],
    );
    members(
        &owner.asks("PATCH", "/api/v1/settings", &json!({ "max_sessions": 7 })),
        &["Settings"],
    );
    assert_eq!(
        owner
            .asks("PATCH", "/api/v1/settings", &json!({ "max_sessions": "7" }))
            .status,
        400
    );
    let secret = "/api/v1/settings/secret.upstream";
    assert_eq!(
        owner.asks("PUT", secret, &json!({ "Value": "canary" })).status,
        200
    );
    assert!(
        !owner
            .asks("GET", secret, &Value::Null)
            .body
            .to_string()
            .contains("canary")
    );
    assert_eq!(owner.asks("DELETE", secret, &Value::Null).status, 200);

    let made = owner.asks("POST", "/api/v1/access-keys", &json!({ "Name": "k" }));
    members(&made, &["Id", "Name", "Scopes", "Created", "Expires", "Secret"]);
    members(
        &owner.asks("GET", "/api/v1/access-keys", &Value::Null),
        &["AccessKeys"],
    );
    assert_eq!(
        owner.asks("DELETE", "/api/v1/access-keys/k", &Value::Null).status,
        204
    );
    members(
        &owner.asks("GET", "/api/v1/keys", &Value::Null),
        &["SigningKeys", "DataKeys"],
    );
    let audit = owner.asks("GET", "/api/v1/audit", &Value::Null);
    assert!(
        audit.body.get("Events").is_some_and(Value::is_array),
        "{}",
        audit.body
    );
    let jwks = postern.send("GET", "/.well-known/jwks.json", &[], &Value::Null);
    members(&jwks, &["keys"]);
    assert!(
        jwks.headers
            .get("cache-control")
            .is_some_and(|value| value.to_str().unwrap_or("").contains("max-age"))
    );
    for path in ["/health", "/ready"] {
        assert_eq!(postern.send("GET", path, &[], &Value::Null).status, 200, "{path}");
    }
    assert_eq!(owner.asks("GET", "/metrics", &Value::Null).status, 200);
    let document = owner.asks("GET", "/api/v1/openapi.json", &Value::Null);
    assert!(document.body.get("paths").is_some_and(Value::is_object));
}
