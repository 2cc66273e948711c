//! Signing in, refreshing, signing out, setting the password: parse, one call, render.

use authcore::audit::event::PasswordUse;
use authcore::{
    AccessPassword, Busy, ChangeAuthority, ChangeError, Client, Operation, Principal, RefreshCredential,
    RefreshError, RefreshToken, Remember, SignInError, StoreError, TokenSet, VerifyError,
};
use axum::extract::{Extension, State};
use axum::http::header::{AUTHORIZATION, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::http::cookies;
use crate::http::error::{Credential, HttpError};
use crate::http::extract::json::{Json, NoMembers, OptionalJson, required};
use crate::http::host::RequestHost;
use crate::listener::PeerAddress;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Login {
    password: Option<String>,
    remember_me: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Signin {
    signin_token: Option<String>,
    remember_me: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Refresh {
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChangePassword {
    current_password: Option<String>,
    new_password: Option<String>,
}

type Peer = Extension<PeerAddress>;
type OfHost = Extension<RequestHost>;

pub(crate) async fn login(
    State(app): State<App>,
    peer: Peer,
    Extension(RequestHost(host)): OfHost,
    headers: HeaderMap,
    Json(body): Json<Login>,
) -> Result<Response, HttpError> {
    let password = parse_password(required(body.password, "Password")?)?;
    let client = client(peer, &headers);
    let passwords = app.authority.passwords();
    let permit = passwords.reserve().map_err(busy)?;
    let proof = passwords
        .verify(permit, password, PasswordUse::SignIn, &client)
        .await
        .map_err(|error| refused_password(error, Credential::Login))?;
    let tokens = app
        .authority
        .sessions()
        .start(proof, remember(body.remember_me), &client)
        .await;
    signed_in(
        &app,
        &host,
        &tokens.map_err(|error| sign_in_failed(error, Credential::Login))?,
    )
}

pub(crate) async fn signin(
    State(app): State<App>,
    peer: Peer,
    Extension(RequestHost(host)): OfHost,
    headers: HeaderMap,
    Json(body): Json<Signin>,
) -> Result<Response, HttpError> {
    let token = required(body.signin_token, "SigninToken")?;
    let sessions = app.authority.sessions();
    let tokens = sessions
        .start_with_signin_token(&token, remember(body.remember_me), &client(peer, &headers))
        .await;
    signed_in(
        &app,
        &host,
        &tokens.map_err(|error| sign_in_failed(error, Credential::Signin))?,
    )
}

pub(crate) async fn refresh(
    State(app): State<App>,
    peer: Peer,
    Extension(RequestHost(host)): OfHost,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<Refresh>,
) -> Result<Response, HttpError> {
    let cookie = cookies::read_refresh(&headers, &host, &app.config)?
        .ok_or(HttpError::Refused(Credential::MissingCookie))?;
    let token = RefreshToken::parse(cookie).ok_or(HttpError::Refused(Credential::Refresh))?;
    let credential = RefreshCredential::new(token, body.nonce.as_deref());
    match app
        .authority
        .sessions()
        .refresh(credential, &client(peer, &headers))
        .await
    {
        Ok(tokens) => signed_in(&app, &host, &tokens),
        Err(RefreshError::Refused(reason)) => {
            tracing::info!(%reason, "a refresh was refused");
            Err(HttpError::Refused(Credential::Refresh))
        }
        Err(RefreshError::Store(error)) => Err(store(&error)),
    }
}

pub(crate) async fn logout(
    State(app): State<App>,
    peer: Peer,
    Extension(RequestHost(host)): OfHost,
    headers: HeaderMap,
    OptionalJson(_): OptionalJson<Refresh>,
) -> Result<Response, HttpError> {
    let token = cookies::read_refresh(&headers, &host, &app.config)?.and_then(RefreshToken::parse);
    if let Some(token) = token {
        let ended = app
            .authority
            .sessions()
            .sign_out(&token, &client(peer, &headers))
            .await;
        ended.map_err(|error| store(&error))?;
    }
    let deleted = cookies::delete_refresh(&host, &app.config)?
        .into_iter()
        .map(|value| (SET_COOKIE, value));
    Ok((AppendHeaders(deleted), axum::Json(json!({"success": true}))).into_response())
}

pub(crate) async fn status(
    State(app): State<App>,
    headers: HeaderMap,
    OptionalJson(_): OptionalJson<NoMembers>,
) -> Result<Response, HttpError> {
    let Ok(owner @ Principal::Owner { .. }) = authenticate(&app, &headers) else {
        return Ok(axum::Json(json!({"authorized": false, "message": "Not authorized"})).into_response());
    };
    let token = app
        .authority
        .operation_tokens()
        .issue(&owner, Operation::WebSocket);
    let token = token.map_err(|_| HttpError::Unavailable)?;
    let answer = json!({"authorized": true, "message": "Authorized", "socketToken": token.expose_str()});
    Ok(axum::Json(answer).into_response())
}

pub(crate) async fn change_password(
    State(app): State<App>,
    peer: Peer,
    headers: HeaderMap,
    Json(body): Json<ChangePassword>,
) -> Result<Response, HttpError> {
    let Principal::Owner { session, .. } = authenticate(&app, &headers)? else {
        return Err(HttpError::NotAllowed);
    };
    let new = parse_password(required(body.new_password, "NewPassword")?)?;
    let client = client(peer, &headers);
    let passwords = app.authority.passwords();
    let by = match body.current_password {
        Some(current) => {
            let permit = passwords.reserve().map_err(busy)?;
            let current = parse_password(current)?;
            let proof = passwords
                .verify(permit, current, PasswordUse::ChangePassword, &client)
                .await;
            let proof = proof.map_err(|error| refused_password(error, Credential::Password))?;
            ChangeAuthority::Verified { proof, session }
        }
        None => ChangeAuthority::First { session },
    };
    match passwords.change(by, new, &client).await {
        Ok(()) => Ok(axum::Json(json!({"Success": true})).into_response()),
        Err(ChangeError::Policy(violation)) => Err(HttpError::malformed(violation.to_string())),
        Err(ChangeError::Busy(full)) => Err(busy(full)),
        Err(ChangeError::NotFirst | ChangeError::Stale) => Err(HttpError::Refused(Credential::Password)),
        Err(ChangeError::Store(error)) => Err(store(&error)),
    }
}

/// Who presents the `Authorization` header: exactly one, `Bearer`.
fn authenticate(app: &App, headers: &HeaderMap) -> Result<Principal, HttpError> {
    let refused = || HttpError::Refused(Credential::Bearer);
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields
        .next()
        .filter(|_| fields.next().is_none())
        .ok_or_else(refused)?;
    let (scheme, token) = field
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused());
    }
    app.authority.authenticate(token).map_err(|reason| {
        tracing::info!(%reason, "a bearer was refused");
        refused()
    })
}

fn signed_in(app: &App, host: &crate::http::host::Host, tokens: &TokenSet) -> Result<Response, HttpError> {
    let text = tokens.refresh_token.expose_text();
    let cookie: HeaderValue = cookies::write_refresh(&text, tokens.cookie_max_age, host, &app.config)?;
    let nonce = tokens.refresh_nonce.expose_text();
    let body = json!({"AccessToken": tokens.access_token.expose_str(), "RefreshNonce": &*nonce});
    Ok(([(SET_COOKIE, cookie)], axum::Json(body)).into_response())
}

fn parse_password(text: String) -> Result<AccessPassword, HttpError> {
    AccessPassword::parse(text).map_err(|error| HttpError::malformed(error.to_string()))
}

fn remember(remember_me: Option<bool>) -> Remember {
    if remember_me == Some(true) {
        Remember::Remembered
    } else {
        Remember::ThisBrowserSession
    }
}

fn client(Extension(PeerAddress(address)): Peer, headers: &HeaderMap) -> Client {
    let agent = headers
        .get(USER_AGENT)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    Client::new(Some(address), agent.as_deref().unwrap_or_default())
}

fn busy(full: Busy) -> HttpError {
    HttpError::Busy {
        retry_after: full.retry_after,
    }
}

fn refused_password(error: VerifyError, credential: Credential) -> HttpError {
    match error {
        VerifyError::Wrong => HttpError::Refused(credential),
        VerifyError::Store(error) => store(&error),
    }
}

fn sign_in_failed(error: SignInError, refused: Credential) -> HttpError {
    match error {
        SignInError::Refused => HttpError::Refused(refused),
        SignInError::Expired => HttpError::Refused(Credential::SigninExpired),
        SignInError::Disabled => HttpError::Refused(Credential::SigninDisabled),
        SignInError::Store(error) => store(&error),
    }
}

fn store(error: &StoreError) -> HttpError {
    tracing::error!(?error, "the store failed");
    HttpError::Unavailable
}
