//! What the command line does beside a running server.

use authcore::{Authority, Client};
use fieldcrypt::SlotSecret;

use crate::house::{FIELD, Held, House, options};

#[tokio::test]
async fn a_revocation_by_another_process_is_taken_in() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let operator = Authority::open(
        &options(house.folder.path(), &house.clock),
        &SlotSecret::password(FIELD),
    );
    let operator = operator.expect("opens beside the server");
    assert_eq!(
        operator
            .sessions()
            .end_all(None, &Client::local())
            .await
            .expect("committed"),
        1
    );
    // The next commit takes it in before anything else; a refresh of a session that is gone must not bring it back.
    assert!(house.refresh(&Held::of(&tokens)).await.is_err());
    assert!(!house.is_good(&tokens));
}
