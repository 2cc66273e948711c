//! The whole path: link, password, login, refresh, a protected call, sign-out; and the files give nothing away.

use e2e_support::{Answer, Postern};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";

fn refresh(postern: &Postern, of: &Answer) -> Answer {
    let cookie = of.cookie.clone().expect("a cookie");
    let body = json!({ "Nonce": of.text("RefreshNonce") });
    postern.send("POST", "/api/v1/auth/refresh", &[("cookie", &cookie)], &body)
}

fn is_authorized(postern: &Postern, of: &Answer) -> bool {
    let bearer = format!("Bearer {}", of.text("AccessToken"));
    let answer = postern.send(
        "POST",
        "/api/v1/auth/status",
        &[("authorization", &bearer)],
        &Value::Null,
    );
    assert_eq!(answer.status, 200);
    answer.body.get("authorized") == Some(&json!(true))
}

fn signed_in_with_password() -> (Postern, Answer) {
    let postern = Postern::start(env!("CARGO_BIN_EXE_postern"));
    let token = postern.first_token();
    let body = json!({ "SigninToken": token });
    let link = postern.send("POST", "/api/v1/auth/signin", &[], &body);
    assert_eq!(link.status, 200, "{}", link.body);
    let bearer = format!("Bearer {}", link.text("AccessToken"));
    let new = json!({ "NewPassword": PASSWORD });
    assert_eq!(
        postern
            .send("PUT", "/api/v1/password", &[("authorization", &bearer)], &new)
            .status,
        200
    );
    assert_eq!(
        postern
            .send("PUT", "/api/v1/password", &[("authorization", &bearer)], &new)
            .status,
        401
    );
    let again = postern.send("POST", "/api/v1/auth/signin", &[], &body);
    assert_eq!(
        (again.status, again.text("Error").as_str()),
        (401, "Failed to sign in")
    );
    let login = postern.send(
        "POST",
        "/api/v1/auth/login",
        &[],
        &json!({ "password": PASSWORD, "REMEMBERME": true }),
    );
    assert_eq!(login.status, 200, "{}", login.body);
    (postern, login)
}

#[test]
fn from_the_first_link_to_the_sign_out() {
    let (postern, login) = signed_in_with_password();
    let wrong = postern.send(
        "POST",
        "/api/v1/auth/login",
        &[],
        &json!({ "Password": "wrong wrong wrong" }),
    );
    assert_eq!(
        (wrong.status, wrong.text("Error").as_str()),
        (401, "Failed to log in")
    );
    assert!(is_authorized(&postern, &login));
    let second = refresh(&postern, &login);
    let third = refresh(&postern, &second);
    assert_eq!((second.status, third.status), (200, 200));
    assert!(is_authorized(&postern, &third));
    let cookie = third.cookie.clone().expect("a cookie");
    let out = postern.send(
        "POST",
        "/api/v1/auth/refresh/logout",
        &[("cookie", &cookie)],
        &Value::Null,
    );
    assert_eq!((out.status, out.body.get("success")), (200, Some(&json!(true))));
    assert!(!is_authorized(&postern, &third) && !is_authorized(&postern, &login));
    assert_eq!(refresh(&postern, &third).status, 401);
}

#[test]
fn a_killed_server_strands_nobody_and_forgets_no_replay() {
    let (postern, login) = signed_in_with_password();
    let last = refresh(&postern, &refresh(&postern, &login));
    let postern = postern.killed_and_restarted();
    assert!(
        !postern.said.contains("token"),
        "the second start says nothing secret: {}",
        postern.said
    );
    let next = refresh(&postern, &last);
    assert_eq!(next.status, 200, "the last pair refreshes: {}", next.body);
    assert_eq!(refresh(&postern, &login).status, 401, "an older one is theft");
    assert_eq!(refresh(&postern, &next).status, 401, "and ends the session");
}

#[test]
fn the_files_hold_no_secret() {
    let (mut postern, login) = signed_in_with_password();
    let link = postern.first_token();
    std::fs::remove_file(postern.data_dir().join("first-signin-link")).expect("the owner takes it away");
    let mut secrets = vec![PASSWORD.to_owned(), link];
    let field = std::fs::read_to_string(postern.field_password()).expect("made");
    secrets.push(field.trim().to_owned());
    for answer in [&login, &refresh(&postern, &login)] {
        secrets.extend(
            answer
                .cookie
                .clone()
                .expect("a cookie")
                .split('.')
                .skip(1)
                .map(str::to_owned),
        );
        secrets.push(answer.text("RefreshNonce"));
        secrets.extend(answer.text("AccessToken").split('.').map(str::to_owned));
    }
    for secret in &secrets {
        assert!(secret.len() > 10 && !postern.data_holds(secret), "while it runs");
    }
    assert_eq!(postern.stop(), Some(0), "a graceful stop");
    for secret in &secrets {
        assert!(!postern.data_holds(secret), "after it stopped");
    }
    let planted = postern.data_dir().join("planted");
    std::fs::write(planted, format!("x{PASSWORD}x")).expect("written");
    assert!(
        postern.data_holds(PASSWORD),
        "control: the scan finds what is there"
    );
}

#[test]
fn another_host_name_another_site_and_another_kind_of_token_get_nothing() {
    let (postern, login) = signed_in_with_password();
    let status = |headers: &[(&str, &str)]| {
        postern
            .send("POST", "/api/v1/auth/status", headers, &Value::Null)
            .status
    };
    assert_eq!(status(&[("host", "evil.example")]), 421);
    assert_eq!(status(&[("origin", "http://evil.example")]), 403);
    assert_eq!(status(&[]), 200);
    for token in [
        login.text("RefreshNonce"),
        "pst_ak_x".to_owned(),
        login.cookie.clone().expect("a cookie"),
    ] {
        let new = json!({ "NewPassword": "a quite different password" });
        let bearer = format!("Bearer {token}");
        assert_eq!(
            postern
                .send("PUT", "/api/v1/password", &[("authorization", &bearer)], &new)
                .status,
            401
        );
    }
    let odd = postern.send("POST", "/api/v1/auth/login", &[], &json!({ "Password": 7 }));
    assert_eq!(odd.status, 400);
    let long = postern.send(
        "POST",
        "/api/v1/auth/login",
        &[],
        &json!({ "Password": "x".repeat(1025) }),
    );
    assert_eq!(long.status, 400);
    let giant = postern.send(
        "POST",
        "/api/v1/auth/login",
        &[],
        &json!({ "Password": "x".repeat(70_000) }),
    );
    assert_eq!(giant.status, 413);
}
