//! What every request passes on its way in and every response on its way out, routed or not.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::http::config::HttpConfig;
use crate::http::error;
use crate::http::extract::same_origin::require_same_origin;
use crate::http::limits::Times;
use crate::http::{access_log, headers, host, limits};

/// Puts the layers around the routes and the fall-backs; the first one is the outermost. One stack, since each layer that a router
/// is given by itself is a box that every request copies together with all boxes within.
pub(crate) fn around(routes: Router, config: &Arc<HttpConfig>, times: Times) -> Router {
    routes.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(config.clone(), headers::on_every_response))
            .layer(from_fn(access_log::log_request))
            .layer(CatchPanicLayer::custom(after_a_panic))
            .layer(from_fn_with_state(limits::HEAD, limits::bounded_head))
            .layer(from_fn_with_state(config.clone(), host::require_known_host))
            .layer(from_fn_with_state(times, limits::bounded_time))
            .layer(from_fn_with_state(config.clone(), require_same_origin))
            .layer(from_fn_with_state(times, limits::bounded_body))
            .layer(from_fn_with_state(times, limits::unhurried_refusals)),
    )
}

/// The same for what proxies ask before every request: it changes nothing, reads no body and waits for nobody, so that the layers that
/// bound these have nothing to do.
pub(crate) fn around_questions(routes: Router, config: &Arc<HttpConfig>) -> Router {
    routes.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(config.clone(), headers::on_every_response))
            .layer(from_fn(access_log::log_request))
            .layer(CatchPanicLayer::custom(after_a_panic))
            .layer(from_fn_with_state(limits::HEAD, limits::bounded_head))
            .layer(from_fn_with_state(config.clone(), host::require_known_host)),
    )
}

/// The panic's message is on standard error already, from the panic hook; it may hold anything, so it goes nowhere else.
pub(crate) fn after_a_panic(_message: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked; the request was answered with 500");
    error::after_a_panic()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::config::{RefreshCookieForm, Scheme};
    use crate::http::error::HttpError;
    use crate::http::host::HostNames;
    use crate::http::limits::{BODY_MAX, TIMES};
    use axum::body::{Body, Bytes};
    use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, SERVER};
    use axum::http::{HeaderMap, Request, StatusCode};
    use axum::routing::{get, post};
    use http_body_util::BodyExt;
    use hyper::body::Frame;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;
    use tower::ServiceExt;

    async fn panics() -> &'static str {
        panic!("secret words")
    }

    async fn never() -> &'static str {
        std::future::pending::<()>().await;
        "never"
    }

    fn service(times: Times) -> Router {
        let config = Arc::new(HttpConfig {
            hosts: HostNames::new(HostNames::LOOPBACK).expect("names"),
            scheme: Scheme::Http,
            refresh_cookie: RefreshCookieForm::ByScheme,
        });
        let routes = Router::new()
            .route("/fine", get(async || "fine").post(async || "changed"))
            .route("/panics", get(panics))
            .route(
                "/busy",
                get(async || {
                    HttpError::from(authcore::Busy {
                        retry_after: Duration::from_secs(1),
                    })
                }),
            )
            .route("/never", get(never))
            .route("/echo", post(async |body: String| body))
            .fallback(async || HttpError::NoSuchPath)
            .method_not_allowed_fallback(async || HttpError::MethodNotAllowed);
        around(routes, &config, times)
    }

    fn at(method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost:8420")
    }

    async fn answer(request: Request<Body>) -> (StatusCode, HeaderMap, String) {
        answer_within(TIMES, request).await
    }

    async fn answer_within(times: Times, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
        let response = service(times).oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("body").to_bytes();
        assert!(
            parts.headers.contains_key(CONTENT_SECURITY_POLICY),
            "{}",
            parts.status
        );
        assert_eq!(parts.headers[CACHE_CONTROL], "no-store");
        assert!(!parts.headers.contains_key(SERVER));
        (
            parts.status,
            parts.headers,
            String::from_utf8(body.to_vec()).expect("text"),
        )
    }

    #[tokio::test]
    async fn a_plain_request_passes() {
        let (status, _, body) = answer(at("GET", "/fine").body(Body::empty()).unwrap()).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "fine"));
    }

    #[tokio::test]
    async fn a_panic_is_an_empty_500_and_the_next_request_passes() {
        let (status, _, body) = answer(at("GET", "/panics").body(Body::empty()).unwrap()).await;
        assert_eq!((status, body.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, ""));
        let (status, ..) = answer(at("GET", "/fine").body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::OK);
    }

    #[tokio::test]
    async fn an_unknown_host_is_misdirected_also_where_there_is_nothing() {
        for path in ["/fine", "/nowhere"] {
            let request = Request::builder()
                .uri(path)
                .header(HOST, "evil.example")
                .body(Body::empty())
                .unwrap();
            let (status, _, body) = answer(request).await;
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
            assert!(body.contains(r#""Code":421"#), "{body}");
        }
        let (status, ..) = answer(Request::builder().uri("/fine").body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn another_sites_post_is_refused_and_its_get_is_not() {
        let evil = |method| {
            at(method, "/fine")
                .header(ORIGIN, "http://evil.example")
                .body(Body::empty())
                .unwrap()
        };
        assert_eq!(answer(evil("POST")).await.0, StatusCode::FORBIDDEN);
        assert_eq!(answer(evil("GET")).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn an_unknown_path_and_method_say_so_in_our_shape() {
        let (status, _, body) = answer(at("GET", "/nowhere").body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(body, r#"{"Error":"there is nothing at this path","Code":404}"#);
        for method in ["OPTIONS", "DELETE", "TRACE", "PROPFIND"] {
            let (status, headers, body) = answer(at(method, "/fine").body(Body::empty()).unwrap()).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert_eq!(headers["allow"], "GET,HEAD,POST", "{method}");
            assert!(body.contains(r#""Code":405"#), "{body}");
        }
    }

    #[tokio::test]
    async fn a_body_is_bounded_announced_or_not() {
        let exactly = "x".repeat(BODY_MAX);
        let over = "x".repeat(BODY_MAX + 1);
        let (status, _, body) = answer(at("POST", "/echo").body(Body::from(exactly.clone())).unwrap()).await;
        assert_eq!((status, body), (StatusCode::OK, exactly.clone()));
        let announced = at("POST", "/echo")
            .header("content-length", over.len())
            .body(Body::empty())
            .unwrap();
        assert_eq!(answer(announced).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        for (text, expected) in [(exactly, StatusCode::OK), (over, StatusCode::PAYLOAD_TOO_LARGE)] {
            for path in ["/echo", "/fine"] {
                let chunks: Vec<_> = text.as_bytes().chunks(1000).map(Bytes::copy_from_slice).collect();
                let stream = Chunks(chunks.into_iter());
                let (status, ..) = answer(at("POST", path).body(Body::new(stream)).unwrap()).await;
                assert_eq!(status, expected, "{path}");
            }
        }
    }

    /// A body of unknown length that comes in pieces, as a chunked one does.
    struct Chunks<I>(I);
    impl<I: Iterator<Item = Bytes> + Unpin> hyper::body::Body for Chunks<I> {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
            Poll::Ready(self.0.next().map(|chunk| Ok(Frame::data(chunk))))
        }
    }

    #[tokio::test]
    async fn headers_and_target_are_bounded() {
        let long = at("GET", "/fine")
            .header("x-long", "x".repeat(17_000))
            .body(Body::empty())
            .unwrap();
        assert_eq!(answer(long).await.0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        let mut many = at("GET", "/fine");
        for n in 0..65 {
            many = many.header(format!("x-{n}"), "x");
        }
        assert_eq!(
            answer(many.body(Body::empty()).unwrap()).await.0,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        );
        let target = format!("/fine?{}", "x".repeat(5_000));
        assert_eq!(
            answer(at("GET", &target).body(Body::empty()).unwrap()).await.0,
            StatusCode::URI_TOO_LONG
        );
    }

    /// In the runtime's own time, which stands still but for what is waited for.
    #[tokio::test(start_paused = true)]
    async fn a_refusal_for_want_of_a_place_takes_its_time_and_no_other_answer_does() {
        for (path, status, taken) in [
            ("/busy", StatusCode::TOO_MANY_REQUESTS, TIMES.refusal),
            ("/fine", StatusCode::OK, Duration::ZERO),
        ] {
            let begun = tokio::time::Instant::now();
            let (found, ..) = answer(at("GET", path).body(Body::empty()).unwrap()).await;
            assert_eq!((found, begun.elapsed()), (status, taken), "{path}");
        }
    }

    #[tokio::test]
    async fn no_request_waits_for_ever() {
        let short = Duration::from_millis(20);
        let never = at("GET", "/never").body(Body::empty()).unwrap();
        let (status, ..) = answer_within(
            Times {
                answer: Some(short),
                ..TIMES
            },
            never,
        )
        .await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let slow = at("POST", "/echo").body(Body::new(Stalled)).unwrap();
        assert_eq!(
            answer_within(Times { body: short, ..TIMES }, slow).await.0,
            StatusCode::REQUEST_TIMEOUT
        );
    }

    /// A body that never comes.
    struct Stalled;
    impl hyper::body::Body for Stalled {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
            Poll::Pending
        }
    }

    type FrameResult = Result<Frame<Bytes>, std::io::Error>;
}
