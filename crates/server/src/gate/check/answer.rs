//! Answers, read from bytes that may be anything: what does not read as one is one without a status.

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// 0 where what came is no answer of HTTP/1.
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    /// What there is of it.
    pub(crate) body: String,
}

impl Answer {
    /// The one field of that name.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter().filter(|(known, _)| known == name);
        match (fields.next(), fields.next()) {
            (Some((_, value)), None) => Some(value),
            (None | Some(_), _) => None,
        }
    }
}

/// Every answer in these bytes, one behind the other, but for those that only announce another (RFC 9110, section 15.2).
pub(crate) fn all(bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let read = read(rest);
        if !matches!(read.answer.status, 100 | 102..=199) {
            answers.push(read.answer);
        }
        rest = read.rest;
    }
    answers
}

/// Whether a last answer is there with all of its body.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let read = read(rest);
        if !matches!(read.answer.status, 100..=199) {
            return read.whole;
        }
        rest = read.rest;
    }
    false
}

struct Read<'a> {
    answer: Answer,
    whole: bool,
    rest: &'a [u8],
}

fn read(bytes: &[u8]) -> Read<'_> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, rest) = match end.and_then(|end| bytes.split_at_checked(end)) {
        Some((head, rest)) => (head, rest.get(4..).unwrap_or_default()),
        None => (bytes, [].as_slice()),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .filter(|status| (100..1000).contains(status));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let answer = |body: &[u8]| Answer {
        status: status.unwrap_or(0),
        headers: headers.clone(),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    let field = |name: &str| headers.iter().find(|(known, _)| known == name);
    let length = field("content-length").and_then(|(_, length)| length.parse::<usize>().ok());
    if status.is_none() || end.is_none() {
        // No end of its own: all of it is this one.
        return Read {
            answer: answer(bytes),
            whole: false,
            rest: &[],
        };
    }
    if matches!(status, Some(204 | 304 | 100 | 102..=199)) {
        return Read {
            answer: answer(&[]),
            whole: true,
            rest,
        };
    }
    if field("transfer-encoding").is_some_and(|(_, coding)| coding == "chunked") {
        let (body, whole, rest) = unchunked(rest);
        return Read {
            answer: answer(&body),
            whole,
            rest,
        };
    }
    let (body, behind) = match length.and_then(|length| rest.split_at_checked(length)) {
        Some((body, behind)) => (body, Some(behind)),
        None => (rest, None),
    };
    Read {
        answer: answer(body),
        whole: behind.is_some(),
        rest: behind.unwrap_or_default(),
    }
}

/// The content, whether it was there to its end, and what is behind it (RFC 9112, section 7.1; trailers are left out by proxies).
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool, &[u8]) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (body, false, &[]);
        };
        let (size, after) = rest.split_at_checked(line).unwrap_or_default();
        let size = std::str::from_utf8(size)
            .ok()
            .map(|text| text.split(';').next().unwrap_or_default().trim());
        let size = size.and_then(|text| usize::from_str_radix(text, 16).ok());
        let after = after.get(2..).unwrap_or_default();
        match size {
            Some(0) => return (body, after.len() >= 2, after.get(2..).unwrap_or_default()),
            Some(size) if after.len() >= size.saturating_add(2) => {
                let (chunk, behind) = after.split_at_checked(size).unwrap_or_default();
                body.extend_from_slice(chunk);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                body.extend_from_slice(after);
                return (body, false, &[]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_and_announcements_left_out() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nye\r\n1;x=y\r\ns\r\n0\r\n\r\n\
            HTTP/1.1 204 No Content\r\nA: b\r\nA: c\r\n\r\n\
            HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\nto the end";
        let all = all(bytes);
        let seen: Vec<_> = all
            .iter()
            .map(|answer| (answer.status, answer.body.as_str()))
            .collect();
        assert_eq!(seen, [(401, "no"), (200, "yes"), (204, ""), (302, "to the end")]);
        assert_eq!(all.last().and_then(|last| last.one("location")), Some("/x"));
        assert_eq!(all.get(2).and_then(|doubled| doubled.one("a")), None);
    }

    #[test]
    fn what_is_no_answer_has_no_status_and_nothing_is_lost() {
        for text in [
            "hello",
            "HTTP/1.1 abc\r\n\r\nx",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b",
        ] {
            let all = all(text.as_bytes());
            let only = all.first().expect("one");
            assert_eq!(only.status == 0, !text.contains("200 OK"), "{text}");
            assert_eq!((all.len(), only.body.as_str()), (1, text), "{text}");
        }
        assert!(all(b"").is_empty());
    }

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        for (text, whole) in [
            ("HTTP/1.1 100 Continue\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                true,
            ),
            ("HTTP/1.1 200 OK\r\n\r\nab", false),
            ("HTTP/1.1 304 Not Modified\r\n\r\n", true),
        ] {
            assert_eq!(is_whole(text.as_bytes()), whole, "{text}");
        }
    }
}
