//! A page for who follows a sign-in link before the real page exists: says how to use the token, runs no script,
//! consumes nothing.

use axum::response::Html;

use crate::app::App;
use crate::http::config::Scheme;
use crate::http::host::RequestHost;
use axum::extract::State;

/// How to sign in from a shell.
#[utoipa::path(
    get, path = "/signin", tag = "public", security(()),
    responses((status = 200, description = "A page for people", body = String, content_type = "text/html")),
)]
pub(crate) async fn landing(State(app): State<App>, RequestHost(host): RequestHost) -> Html<String> {
    let scheme = match app.config.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    // The host is one of this server's own names: letters, digits, dots, brackets, colons. Nothing to escape.
    Html(format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in to Postern</title>
<h1>Sign in to Postern</h1>
<p>This server has no sign-in page yet. Opening this link has used up nothing: its token is the part of the address
after <code>#token=</code>, good for one use within a few minutes.
<p>To sign in, give it to this command in a shell:
<pre>read -r TOKEN
printf '{{"SigninToken":"%s"}}' "$TOKEN" |
  curl -sS -c cookies.txt -H 'Content-Type: application/json' --data @- \
    {scheme}://{host}/api/v1/auth/signin</pre>
<p>It waits for the token on a line of its own, so that no other user sees it among the running commands. The answer
holds an <code>AccessToken</code> for the API and the <code>RefreshNonce</code> for the next refresh.
</html>
"#
    ))
}
