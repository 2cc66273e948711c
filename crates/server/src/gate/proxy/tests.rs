//! Tunnels, in the runtime's own time.

use super::*;
use authcore::{AuthorityOptions, Client, Remember, SIGNIN_TOKEN_LIFE_MAX, SigninTokenAuthority, Visitor};
use fieldcrypt::SlotSecret;
use std::future::ready;
use tokio::io::{DuplexStream, duplex};

struct House {
    authority: Arc<Authority>,
    _folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let options = AuthorityOptions::new(folder.path().join("postern.sqlite"));
        let authority = Authority::create(&options, &SlotSecret::password("a field password"));
        Self {
            authority: Arc::new(authority.expect("created")),
            _folder: folder,
        }
    }

    async fn owner(&self) -> Passer {
        let by = SigninTokenAuthority::LocalOperator;
        let tokens = self.authority.signin_tokens();
        let token = tokens
            .issue(by, SIGNIN_TOKEN_LIFE_MAX, &Client::local())
            .await
            .expect("issued")
            .expose_text()
            .to_string();
        let sessions = self.authority.sessions();
        let remember = Remember::ThisBrowserSession;
        let tokens = sessions
            .start_with_signin_token(&token, remember, &Client::local())
            .await
            .expect("signed in");
        Passer::Visitor(Visitor::Owner {
            session: tokens.session,
        })
    }

    /// The ends of a tunnel: the client's and the application's.
    fn tunnel(&self, who: Passer) -> (DuplexStream, DuplexStream) {
        let (client, our_client) = duplex(PIECE);
        let (upstream, our_upstream) = duplex(PIECE);
        tokio::spawn(tunnel(
            ready(Ok(TokioIo::new(our_client))),
            ready(Ok(TokioIo::new(our_upstream))),
            Arc::clone(&self.authority),
            who,
        ));
        (client, upstream)
    }
}

fn stranger() -> Passer {
    let places = Arc::new(Semaphore::new(1));
    Passer::Stranger(places.try_acquire_owned().expect("a place"))
}

/// Whether a byte arrives at the other end.
async fn carries(from: &mut DuplexStream, to: &mut DuplexStream) -> bool {
    from.write_all(b"x").await.is_ok() && to.read_u8().await.is_ok()
}

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn a_strangers_tunnel_ends_with_its_silence_and_a_visitors_with_the_session() {
    let house = House::new();
    let (mut client, mut upstream) = house.tunnel(stranger());
    for round in 0..10 {
        tokio::time::sleep(HALF_A_MINUTE).await;
        // One of the two is enough.
        let carried = if round < 5 {
            carries(&mut client, &mut upstream).await
        } else {
            carries(&mut upstream, &mut client).await
        };
        assert!(carried, "{round}: it is in use");
    }
    tokio::time::sleep(HALF_A_MINUTE * 5).await;
    assert!(!carries(&mut client, &mut upstream).await, "both were silent");

    let (mut client, mut upstream) = house.tunnel(house.owner().await);
    tokio::time::sleep(HALF_A_MINUTE * 5).await;
    assert!(
        carries(&mut client, &mut upstream).await,
        "control: who is signed in may"
    );
}

#[tokio::test(start_paused = true)]
async fn one_side_may_end_before_the_other() {
    let (mut client, mut upstream) = House::new().tunnel(stranger());
    client.write_all(b"all").await.expect("sent");
    client.shutdown().await.expect("ended");
    let mut heard = String::new();
    upstream.read_to_string(&mut heard).await.expect("to the end");
    assert_eq!(heard, "all");
    assert!(carries(&mut upstream, &mut client).await, "the other way is open");
}
