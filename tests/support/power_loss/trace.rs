//! What strace(1) wrote down, read as deeds on the files of one folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One thing that was done, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A file was opened that may have been made by it, or emptied.
    Open {
        /// Its name.
        path: PathBuf,
        /// Whether it was emptied.
        emptied: bool,
    },
    /// Bytes were written.
    Write {
        /// Into which file.
        path: PathBuf,
        /// Where, in bytes.
        offset: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// A file was given a length.
    Length {
        /// Which.
        path: PathBuf,
        /// How many bytes.
        length: usize,
    },
    /// Everything of a file, or every name of a folder, is on disk: the call came back.
    Synced(PathBuf),
    /// A name was taken away.
    Unlink(PathBuf),
    /// A name was given to another file.
    Rename {
        /// The name before.
        from: PathBuf,
        /// The name from now on.
        to: PathBuf,
    },
    /// An answer began to be sent, or the line that says where the server listens: what was done is acknowledged.
    Answered,
    /// The program ended well.
    Ended,
}

/// Calls that hand bytes over.
const HANDS_OVER: [&str; 5] = ["write(", "writev(", "pwrite64(", "sendto(", "sendmsg("];

/// A deed and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Since 1970.
    pub at: Duration,
    /// What was done.
    pub deed: Deed,
}

/// Everything that was done to the files of one folder, and what was said meanwhile.
pub struct Recording {
    /// In order.
    pub steps: Vec<Step>,
}

impl Recording {
    #[track_caller]
    pub(super) fn read(log: &str, folder: &Path) -> Self {
        let mut reader = Reader {
            folder,
            positions: HashMap::new(),
            begun: HashMap::new(),
            steps: Vec::new(),
        };
        for line in log.lines() {
            reader.line(line);
        }
        Self { steps: reader.steps }
    }

    /// The places, in the log, of the answers.
    #[must_use]
    pub fn answers(&self) -> Vec<usize> {
        self.places(|deed| *deed == Deed::Answered)
    }

    /// The places of deeds that are so.
    #[must_use]
    pub fn places(&self, is_so: impl Fn(&Deed) -> bool) -> Vec<usize> {
        let steps = self.steps.iter().enumerate();
        steps
            .filter(|(_, step)| is_so(&step.deed))
            .map(|(at, _)| at)
            .collect()
    }
}

struct Reader<'a> {
    folder: &'a Path,
    /// Where the next write(2) goes, by descriptor.
    positions: HashMap<String, usize>,
    /// The beginning of a call that another thread's call came in between, by thread.
    begun: HashMap<String, String>,
    steps: Vec<Step>,
}

/// `pwrite64(13</a/file>, "\x00…", 4096, 0) = 4096`, taken apart.
struct Call<'l> {
    name: &'l str,
    arguments: Vec<&'l str>,
    result: &'l str,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        let mut parts = line.splitn(2, ' ');
        let thread = parts.next().expect("a thread").to_owned();
        let rest = parts.next().unwrap_or_default().trim_start();
        let (time, rest) = rest.split_once(' ').expect("a time");
        let at = Duration::from_secs_f64(time.parse().expect("seconds"));
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            // Bytes count from the moment they are handed over, a sync from the moment it is done.
            if HANDS_OVER.iter().any(|name| begun.starts_with(name)) {
                self.call(at, &format!("{begun}) = all"));
            } else {
                self.begun.insert(thread, begun.to_owned());
            }
            return;
        }
        if rest.starts_with("<... ") {
            let (_, end) = rest.split_once(" resumed>").expect("a call that goes on");
            if let Some(begun) = self.begun.remove(&thread) {
                self.call(at, &(begun + end));
            }
            return;
        }
        self.call(at, rest);
    }

    fn call(&mut self, at: Duration, text: &str) {
        // A process that was killed in it.
        let Some((call, result)) = text.rsplit_once(" = ") else {
            return;
        };
        let (name, arguments) = call.split_once('(').expect("a call");
        let arguments = arguments.trim_end().trim_end_matches(')');
        let call = Call {
            name,
            arguments: arguments.split(", ").collect(),
            result,
        };
        if name == "exit_group" {
            if arguments == "0" {
                self.steps.push(Step {
                    at,
                    deed: Deed::Ended,
                });
            }
        } else if !result.starts_with('-') {
            let deed = self.deed(&call);
            self.steps.extend(deed.map(|deed| Step { at, deed }));
        }
    }

    fn deed(&mut self, call: &Call<'_>) -> Option<Deed> {
        let first = call.arguments.first().copied().unwrap_or_default();
        let folder = self.folder;
        let named = |at: usize| {
            let path = call.arguments.get(at).and_then(|text| quoted(text))?;
            ours(folder, PathBuf::from(text_of(&path)))
        };
        let opened = |text: &str| ours(folder, open_file(text)?.1.into());
        match call.name {
            "openat" => {
                let (descriptor, _) = open_file(call.result)?;
                self.positions.insert(descriptor, 0);
                let how = call.arguments.get(2)?;
                let path = named(1)?;
                how.contains("O_CREAT").then(|| Deed::Open {
                    path,
                    emptied: how.contains("O_TRUNC"),
                })
            }
            "write" | "sendto" | "writev" | "sendmsg" => {
                let (descriptor, name) = open_file(first)?;
                // What writev(2) and sendmsg(2) send is among their arguments, the first piece first.
                let bytes = call.arguments.iter().skip(1).find_map(|text| quoted(text))?;
                if name.starts_with("socket:") || name.starts_with("pipe:") {
                    let answers = [&b"HTTP/1.1 "[..], b"listening on "];
                    let is_one = answers.iter().any(|begin| bytes.starts_with(begin));
                    return is_one.then_some(Deed::Answered);
                }
                let path = ours(folder, PathBuf::from(name))?;
                assert_eq!(call.name, "write", "not known how to record that");
                let written = call.result.parse().unwrap_or(bytes.len());
                let position = self.positions.entry(descriptor).or_insert(0);
                let offset = *position;
                *position += written;
                let bytes = bytes.get(..written).expect("as many").to_vec();
                Some(Deed::Write { path, offset, bytes })
            }
            "pwrite64" => Some(Deed::Write {
                path: opened(first)?,
                offset: call.arguments.last()?.parse().expect("an offset"),
                bytes: quoted(call.arguments.get(1)?).expect("bytes"),
            }),
            "fdatasync" | "fsync" => Some(Deed::Synced(opened(first)?)),
            "ftruncate" => Some(Deed::Length {
                path: opened(first)?,
                length: call.arguments.get(1)?.parse().expect("a length"),
            }),
            "unlink" => Some(Deed::Unlink(named(0)?)),
            "unlinkat" => Some(Deed::Unlink(named(1)?)),
            "rename" => Some(Deed::Rename {
                from: named(0)?,
                to: named(1)?,
            }),
            "renameat" | "renameat2" => Some(Deed::Rename {
                from: named(1)?,
                to: named(3)?,
            }),
            "mkdir" => None,
            "lseek" => {
                let (descriptor, name) = open_file(first)?;
                ours(folder, name.into())?;
                self.positions
                    .insert(descriptor, call.result.parse().expect("a position"));
                None
            }
            other => {
                let ours = call.arguments.iter().find_map(|text| {
                    let name = quoted(text).map(|bytes| text_of(&bytes));
                    let name = name.or_else(|| open_file(text).map(|(_, name)| name));
                    ours(folder, name?.into())
                });
                assert_eq!(ours, None, "not known how to record {other}");
                None
            }
        }
    }
}

/// The path, if it is one of the folder's, or the folder.
fn ours(folder: &Path, path: PathBuf) -> Option<PathBuf> {
    let memory = path.as_os_str().to_string_lossy().ends_with("-shm");
    (path.starts_with(folder) && !memory).then_some(path)
}

/// Descriptor and name of `13<\x2f\x61>`; of sockets, `13<socket:[4711]>`.
fn open_file(text: &str) -> Option<(String, String)> {
    let (descriptor, name) = text.split_once('<')?;
    let name = name.split_once('>')?.0;
    let name = name.strip_suffix("(deleted)").unwrap_or(name);
    let name = if name.starts_with("\\x") {
        text_of(&bytes_of(name))
    } else {
        name.to_owned()
    };
    Some((descriptor.to_owned(), name))
}

/// The bytes between the quotation marks of `"\x2f\x61"`, or of `[{iov_base="\x2f\x61"`.
fn quoted(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once('"')?;
    let (hex, end) = rest.split_once('"')?;
    assert!(!end.starts_with("..."), "a string was cut off");
    Some(bytes_of(hex))
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.split("\\x").skip(1);
    digits
        .map(|digits| u8::from_str_radix(digits, 16).expect("two digits"))
        .collect()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("a name that is text")
}
