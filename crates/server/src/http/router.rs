//! All routes on one screen. Each handler's attribute names its method, path, credentials and answers, once, for the
//! router and for the document alike.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Extension, Router};
use tower::ServiceBuilder;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::gate::door::{Doors, to_their_doors};
use crate::gate::{forward_auth, handoff};
use crate::http::error::HttpError;
use crate::http::{
    access_keys, applications, audit, auth, backup, doctor, events, health, jwks, keys, layers, limits,
    metrics, openapi, page, password, second_factor, sessions, settings,
};
use crate::metrics::http::{HttpCounts, count_request};
use crate::web;

/// Everything this server answers, inside its layers.
pub(crate) fn router(app: App) -> Router {
    let config = Arc::clone(&app.config);
    let doors = Doors::new(&app);
    let (routes, document) = OpenApiRouter::with_openapi(openapi::skeleton())
        // /api/v1/auth/*: the reference model's
        .routes(routes!(auth::login::login)) //                                POST login
        .routes(routes!(auth::refresh::refresh)) //                            POST refresh
        .routes(routes!(auth::logout::logout)) //                              POST refresh/logout
        .routes(routes!(auth::signin::signin)) //                              POST signin
        .routes(routes!(auth::issue_signin_token::issue_signin_token)) //      POST issuesignintoken
        .routes(routes!(auth::issue_operation_token::issue_operation_token)) // POST issuetoken/{operation}
        .routes(routes!(auth::issue_forever_token::issue_forever_token)) //    POST issue-forever-token
        .routes(routes!(auth::status::status)) //                              POST status
        // /api/v1/*: ours
        .routes(routes!(sessions::list, sessions::end_others)) //              GET, DELETE sessions
        .routes(routes!(sessions::end)) //                                     DELETE sessions/{id}
        .routes(routes!(password::about, password::put)) //                    GET, PUT password
        .routes(routes!(password::judge)) //                                   POST password/judge
        .routes(routes!(second_factor::status, second_factor::begin)) //       GET, POST second-factor
        .routes(routes!(second_factor::confirm)) //                            POST second-factor/confirm
        .routes(routes!(second_factor::off)) //                                POST second-factor/off
        .routes(routes!(settings::list, settings::patch)) //                   GET, PATCH settings
        .routes(routes!(settings::one, settings::put, settings::unset)) //     GET, PUT, DELETE settings/{key}
        .routes(routes!(access_keys::list, access_keys::create)) //            GET, POST access-keys
        .routes(routes!(access_keys::revoke)) //                               DELETE access-keys/{id}
        .routes(routes!(keys::list)) //                                        GET keys
        .routes(routes!(keys::rotate)) //                                      POST keys/rotate
        .routes(routes!(keys::rotation)) //                                    GET keys/rotation
        .routes(routes!(applications::list)) //                                GET applications
        .routes(routes!(audit::list)) //                                       GET audit
        .routes(routes!(events::events)) //                                    GET events
        .routes(routes!(doctor::findings)) //                                  GET doctor
        .routes(routes!(openapi::document)) //                                 GET openapi.json
        .routes(routes!(handoff::hand_off)) //                                 POST gate/handoff
        // for browsers that proxies send
        .routes(routes!(handoff::page)) //                                     GET /gate/handoff
        // for everybody
        .routes(routes!(jwks::jwks)) //                                        GET /.well-known/jwks.json
        .routes(routes!(health::health)) //                                    GET /health
        .routes(routes!(health::ready)) //                                     GET /ready
        .routes(routes!(metrics::metrics)) //                                  GET /metrics
        // the page
        .routes(routes!(page::overview)) //                                    GET /
        .routes(routes!(page::login)) //                                       GET /login
        .routes(routes!(page::signin)) //                                      GET /signin
        .split_for_parts();
    // for proxies: the question before every request to an application
    let (questions, their_document) = OpenApiRouter::new()
        .routes(routes!(forward_auth::verify)) //                              any /gate/verify
        .split_for_parts();
    // what takes its time
    let (backup, its_document) = OpenApiRouter::new()
        .routes(routes!(backup::create)) //                                    POST backup
        .split_for_parts();
    let backup = backup.method_not_allowed_fallback(async || HttpError::MethodNotAllowed);
    let backup = layers::around(backup.with_state(app.clone()), &config, limits::TIMES_OF_BACKUP);
    let document = document.merge_from(their_document).merge_from(its_document);
    let questions = layers::around_questions(questions.with_state(app.clone()), &config);
    let paths = document.paths.paths.keys().cloned();
    let paths = paths.chain([web::ASSET_ROUTE.to_owned()]);
    let counts = HttpCounts::new(paths, app.authority.clock().clone());
    #[expect(
        clippy::expect_used,
        reason = "made of constants of this program, and a test makes it"
    )]
    let document = openapi::finish(document).expect("the contract is JSON");
    let routes = routes
        .route(web::ASSET_ROUTE, get(page::asset)) //                          what the page is made of; no contract
        .route("/gate/handoff.js", get(handoff::script)) //                    what that page is made of; no contract
        .route("/gate/handoff.css", get(handoff::style))
        .fallback(async || HttpError::NoSuchPath)
        .method_not_allowed_fallback(async || HttpError::MethodNotAllowed)
        .layer(Extension(document))
        .layer(Extension(Arc::clone(&counts)))
        .with_state(app);
    layers::around(routes, &config, limits::TIMES)
        .merge(questions)
        .merge(backup)
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(doors, to_their_doors))
                .layer(from_fn_with_state(counts, count_request)),
        )
}

#[cfg(test)]
mod tests;
