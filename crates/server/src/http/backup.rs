//! `POST /api/v1/backup`: a backup to take away, for an operation token.

use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use authcore::{Authority, Operation};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::oneshot;

use crate::app::App;
use crate::backup::{Desk, DeskError, Made};
use crate::causes::with_causes;
use crate::http::error::{Credential, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::bearer;
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{NoMembers, OptionalJson};
use crate::listener::{Followed, Line};

/// Bytes of one piece of the answer.
const PIECE: usize = 64 * 1024;

/// Make a backup and send it: an age file, sealed to `backup.recipients`, else to the field password. It was read back before
/// the first byte is sent. The bearer is an operation token for `backup`; an access token or an access key is none.
#[utoipa::path(
    post, path = "/api/v1/backup", tag = "backup", security(("operationToken" = [])),
    responses(
        (status = 200, description = "The backup", content_type = "application/octet-stream", body = String),
        (status = 401, description = "`Authorization failed`", body = ErrorBody),
        (status = 409, description = "Another is being made, or there is nobody to seal it to", body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    RequestClient(client): RequestClient,
    line: Option<Extension<Line>>,
    headers: HeaderMap,
    OptionalJson(NoMembers {}): OptionalJson<NoMembers>,
) -> Result<Response, HttpError> {
    let token = bearer(&headers).ok_or(HttpError::Refused(Credential::Bearer))?;
    app.authority
        .operation_tokens()
        .spend(token, Operation::Backup)
        .await
        .map_err(|error| Credential::Bearer.of_issuing(error))?;
    let (file, made) = made(Arc::clone(&app.authority), Arc::clone(&app.backup)).await?;
    app.authority.backups().note_taken(&client);
    let name = format!("attachment; filename=\"{}\"", made.file_name());
    let length = made.length.unwrap_or(0);
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, name),
        (CONTENT_LENGTH, length.to_string()),
    ];
    let Extension(line) = line.ok_or(HttpError::Internal)?;
    Ok((headers, download(file, line)).into_response())
}

/// However long it takes, as long as it is taken.
fn download(file: File, line: Line) -> Body {
    let body = Body::new(Spooled { file });
    Body::new(Followed::answer(body, line, async |flow| flow.stalled().await))
}

/// On a thread of its own: the work takes its time, and makes the thread less urgent than those that answer.
async fn made(authority: Arc<Authority>, desk: Arc<Desk>) -> Result<(File, Made), HttpError> {
    let (answer, made) = oneshot::channel();
    std::thread::Builder::new()
        .name("backup".to_owned())
        .spawn(move || {
            // Whoever asked may have gone; then the spool goes with the answer.
            let _ = answer.send(desk.make(&authority));
        })
        .map_err(|error| {
            tracing::error!(%error, "the thread that makes a backup did not start");
            HttpError::Unavailable
        })?;
    let made = made.await.map_err(|_| HttpError::Internal)?;
    made.map_err(|error| match error {
        DeskError::Busy => HttpError::Conflict("another backup is being made"),
        DeskError::Nobody => HttpError::Conflict(
            "the database is opened without a field password: name public keys in backup.recipients",
        ),
        DeskError::Backup(error) => {
            tracing::error!(error = with_causes(&error), "a backup was not made");
            HttpError::Unavailable
        }
    })
}

/// A file as a body. It was written a moment ago and lies in the page cache: reading a piece waits for no disk.
struct Spooled {
    file: File,
}

impl hyper::body::Body for Spooled {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut piece = vec![0; PIECE];
        Poll::Ready(match self.file.read(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some(Ok(Frame::data(piece.into())))
            }
            Err(error) => Some(Err(error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::tests::{REQUEST, Running};
    use axum::Router;
    use axum::routing::get;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// More than the system keeps of an answer by itself.
    const LENGTH: u64 = 64 << 20;

    /// Longer than a connection may be idle, several times.
    const PAUSE: Duration = Duration::from_secs(100);

    async fn begun() -> (Running, tokio::net::TcpStream) {
        let router = Router::new().route(
            "/",
            get(async |Extension(line): Extension<Line>| {
                let file = tempfile::tempfile().expect("a file");
                file.set_len(LENGTH).expect("zeros");
                download(file, line)
            }),
        );
        let running = Running::start(router);
        let mut stream = running.connect().await;
        stream.write_all(REQUEST).await.expect("sent");
        (running, stream)
    }

    /// In the runtime's own time, which goes on when nothing else is waited for.
    #[tokio::test(start_paused = true)]
    async fn a_slow_download_comes_to_its_end() {
        let (running, mut stream) = begun().await;
        let mut piece = vec![0; 8 << 20];
        for _ in 0..LENGTH / (8 << 20) {
            stream.read_exact(&mut piece).await.expect("it goes on");
            tokio::time::sleep(PAUSE / 2).await;
        }
        let mut rest = Vec::new();
        let mut end = stream.take(16 * 1024);
        while !rest.ends_with(b"0\r\n\r\n") {
            assert!(end.read_buf(&mut rest).await.expect("to the end") > 0, "cut");
        }
        running.stop().await;
    }

    /// Control: who takes nothing holds a place for a minute or two, not for ever.
    #[tokio::test(start_paused = true)]
    async fn a_download_that_nobody_takes_is_cut() {
        let (running, mut stream) = begun().await;
        tokio::time::sleep(PAUSE * 2).await;
        let mut taken = Vec::new();
        // With bytes unsent, the system may say so with a reset.
        let _ = stream.read_to_end(&mut taken).await;
        assert!((taken.len() as u64) < LENGTH, "{} bytes", taken.len());
        running.stop().await;
    }
}
