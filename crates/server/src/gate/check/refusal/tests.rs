use super::*;
use crate::gate::check::answer;

const NGINX: &str = "<html>\r\n<head><title>STATUS No</title></head>\r\n<body>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
const HAPROXY: &str = "<html><body><h1>STATUS No</h1>\n</body></html>\n";

fn answer(status: u16, headers: &str, body: &str) -> Answer {
    let body = body.replace("STATUS", &status.to_string());
    let text = format!("HTTP/1.1 {status} x\r\n{headers}\r\n{body}");
    answer::all(text.as_bytes()).pop().expect("one")
}

fn asked(method: &str, target: &str) -> Asked {
    Asked::of(format!("{method} {target} HTTP/1.1\r\nHost: app.example.org\r\n\r\n").as_bytes())
}

/// As an address behind nginx is learned.
fn learned() -> Refusals {
    let mut refusals = Refusals::of_the_gate("https://door.example.org");
    refusals.learn_form(&[answer(400, "", NGINX)]);
    refusals.learn(&asked("POST", "/"), &[answer(401, "", NGINX)], &[401]);
    refusals.learn(&asked("GET", "/%5c"), &[answer(500, "", NGINX)], &[400, 500]);
    // Not of these statuses: not learned.
    refusals.learn(&asked("POST", "/"), &[answer(200, "", "the application")], &[401]);
    refusals.learn_elsewhere(&asked("GET", "/"), &answer(200, "", "another site"));
    refusals
}

#[test]
fn what_postern_says_is_recognised_and_an_applications_own_is_not() {
    let handoff = "Location: https://door.example.org/gate/handoff?to=x\r\n";
    let own = r#"{"Error": "sign in first", "Code": STATUS, "Hint": "x"}"#;
    let anothers = r#"{"Error": "no such album", "Code": STATUS}"#;
    for (method, target, kind, answer, refused) in [
        ("GET", "/", Kind::Path, answer(302, handoff, ""), true),
        ("GET", "/", Kind::Path, answer(200, handoff, ""), false),
        (
            "GET",
            "/",
            Kind::Path,
            answer(302, "Location: https://door.example.org/gate/handoff\r\n", ""),
            false,
        ),
        (
            "GET",
            "/",
            Kind::Path,
            answer(
                302,
                "Location: https://door.example.org.evil/gate/handoff?\r\n",
                "",
            ),
            false,
        ),
        (
            "GET",
            "/",
            Kind::Path,
            answer(302, "Location: /login\r\n", ""),
            false,
        ),
        ("GET", "/", Kind::Path, answer(400, "", own), true),
        (
            "GET",
            "/",
            Kind::Path,
            answer(401, "", &own.replace("STATUS", "400")),
            false,
        ),
        ("GET", "/", Kind::Path, answer(404, "", anothers), false),
        (
            "GET",
            "/",
            Kind::Path,
            answer(404, "", r#"{"Error": "sign in first"}"#),
            false,
        ),
        ("GET", "/", Kind::Path, answer(200, "", own), false),
    ] {
        is_taken_for(refused, kind, (method, target), answer);
    }
}

#[test]
fn what_the_proxy_says_itself_is_recognised_where_it_can_be_its_own() {
    for (method, target, kind, answer, refused) in [
        ("PUT", "/", Kind::Method, answer(401, "", NGINX), true),
        (
            "PUT",
            "/",
            Kind::Method,
            answer(401, "WWW-Authenticate: Basic realm=\"app\"\r\n", NGINX),
            false,
        ),
        ("GET", "/", Kind::Path, answer(500, "", NGINX), true),
        ("GET", "/", Kind::Path, answer(400, "", NGINX), true),
        ("GET", "/", Kind::Path, answer(400, "", HAPROXY), false),
        ("GET", "/", Kind::Path, answer(400, "", ""), false),
        ("GET", "/", Kind::Path, answer(404, "", NGINX), false),
        ("GET", "/", Kind::Path, answer(403, "", NGINX), false),
        ("GET", "/", Kind::Path, answer(502, "", NGINX), false),
        ("POST", "/", Kind::Path, answer(405, "", NGINX), false),
        ("TRACE", "/", Kind::Framing, answer(405, "", NGINX), true),
        (
            "GET",
            "/.postern-verify",
            Kind::Path,
            answer(404, "", NGINX),
            true,
        ),
        (
            "GET",
            "/.postern",
            Kind::Path,
            answer(301, "Location: https://a/.postern/\r\n", NGINX),
            true,
        ),
        (
            "GET",
            "/x",
            Kind::Path,
            answer(301, "Location: https://a/.postern/\r\n", NGINX),
            false,
        ),
        ("GET", "/", Kind::Host, answer(200, "", "another site"), true),
        ("GET", "/", Kind::Path, answer(200, "", "another site"), false),
        ("GET", "/", Kind::Host, answer(200, "", "the application"), false),
        ("OPTIONS", "*", Kind::Framing, answer(200, "", ""), true),
        ("OPTIONS", "*", Kind::Framing, answer(200, "", "x"), false),
        ("GET", "/", Kind::Framing, answer(200, "", ""), false),
    ] {
        is_taken_for(refused, kind, (method, target), answer);
    }
}

#[track_caller]
fn is_taken_for(refused: bool, kind: Kind, (method, target): (&str, &str), answer: Answer) {
    let (asked, answers) = (asked(method, target), [answer]);
    let passed = learned().passed(Some(kind), &asked, &answers);
    assert_eq!(
        passed.is_none(),
        refused,
        "{method} {target} {kind:?} {answers:?}"
    );
}

#[test]
fn of_several_answers_one_that_passed_counts_and_none_is_a_closed_connection() {
    let answers = [answer(400, "", NGINX), answer(200, "", "the application")];
    let passed = learned().passed(None, &asked("GET", "/"), &answers);
    assert_eq!(passed.map(|answer| answer.status), Some(200));
    assert_eq!(learned().passed(None, &asked("GET", "/"), &[]), None);
}

/// Caddy's and HAProxy's own.
#[test]
fn each_proxy_has_pages_of_its_own() {
    for (garbage, own, foreign) in [
        (
            answer(400, "", HAPROXY),
            answer(421, "", HAPROXY),
            answer(400, "", NGINX),
        ),
        (answer(400, "", HAPROXY), answer(400, "", ""), answer(403, "", "")),
        (
            answer(400, "", "STATUS Bad Request"),
            answer(431, "", "STATUS Too Large"),
            answer(404, "", "STATUS page not found\n"),
        ),
        (
            answer(400, "", "STATUS Bad Request"),
            answer(501, "", "Unsupported transfer encoding"),
            answer(200, "", "STATUS"),
        ),
        (answer(400, "", ""), answer(414, "", ""), answer(400, "", "no")),
        // An address that does not mind what is no HTTP has no pages.
        (
            answer(200, "", ""),
            answer(302, "Location: https://door.example.org/gate/handoff?\r\n", ""),
            answer(400, "", ""),
        ),
    ] {
        let mut refusals = Refusals::of_the_gate("https://door.example.org");
        refusals.learn_form(&[garbage]);
        let asked = asked("GET", "/");
        assert_eq!(refusals.passed(None, &asked, &[own]), None);
        assert!(
            refusals
                .passed(None, &asked, std::slice::from_ref(&foreign))
                .is_some(),
            "{foreign:?}"
        );
    }
}

/// Whoever writes another word of refusal adds it to the list.
#[test]
fn every_word_of_the_gate_is_known() {
    let sources = [
        include_str!("../../request.rs"),
        include_str!("../../credential.rs"),
        include_str!("../../forward_auth.rs"),
        include_str!("../../../http/host.rs"),
    ];
    let mut found = Vec::new();
    for source in sources {
        let said = source
            .split("alformed(")
            .skip(1)
            .filter_map(|after| after.trim_start().strip_prefix('"'));
        found.extend(said.filter_map(|text| text.split('"').next()));
    }
    found.sort_unstable();
    found.dedup();
    let mut known = UNREADABLE;
    known.sort_unstable();
    assert_eq!(found, known);
}
