//! A disk, and what of it is certain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Chance;
use super::trace::Deed;

/// What a disk writes at once, or not at all. SQLite relies on no more (its documentation, "Atomic Commit In SQLite",
/// section 2: a sector of 512 bytes at least; a write does not change bytes beside it).
const SECTOR: usize = 512;

/// Whether a sync does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// What was synced is there.
    Hold,
    /// What was synced may be gone all the same: a disk that lies, the control of every test.
    Lie,
}

/// Files by name, below a folder.
pub type Image = BTreeMap<PathBuf, Vec<u8>>;

/// A file, whatever it is called.
type File = usize;

#[derive(Clone)]
enum Change {
    Bytes {
        file: File,
        offset: usize,
        bytes: Vec<u8>,
    },
    Length {
        file: File,
        length: usize,
    },
    /// The name is this file's from now on.
    Name {
        path: PathBuf,
        file: File,
    },
    NoName(PathBuf),
    /// Both or neither: no file system loses a file by giving it another name.
    Rename {
        from: PathBuf,
        to: PathBuf,
        file: File,
    },
}

impl Change {
    const fn is_of_a_folder(&self) -> bool {
        matches!(self, Self::Name { .. } | Self::NoName(_) | Self::Rename { .. })
    }

    const fn is_of(&self, wanted: File) -> bool {
        matches!(self, Self::Bytes { file, .. } | Self::Length { file, .. } if *file == wanted)
    }
}

/// Names and contents.
#[derive(Clone, Default)]
struct Tree {
    names: BTreeMap<PathBuf, File>,
    contents: BTreeMap<File, Vec<u8>>,
}

impl Tree {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Bytes { file, offset, bytes } => {
                let content = self.contents.entry(*file).or_default();
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Change::Length { file, length } => self.contents.entry(*file).or_default().resize(*length, 0),
            Change::Name { path, file } => {
                self.names.insert(path.clone(), *file);
            }
            Change::NoName(path) => {
                self.names.remove(path);
            }
            Change::Rename { from, to, file } => {
                // Another file may have that name by now.
                if self.names.get(from) == Some(file) {
                    self.names.remove(from);
                }
                self.names.insert(to.clone(), *file);
            }
        }
    }

    fn image(&self) -> Image {
        let names = self.names.iter();
        names
            .map(|(path, file)| (path.clone(), self.contents.get(file).cloned().unwrap_or_default()))
            .collect()
    }
}

/// What is on a disk, what may be, and what programs see.
#[derive(Clone)]
pub struct Disk {
    folder: PathBuf,
    syncs: Syncs,
    certain: Tree,
    /// Not synced, in the order it was done.
    waiting: Vec<Change>,
    seen: BTreeMap<PathBuf, File>,
    files: usize,
}

impl Disk {
    /// What lies in a folder, all of it certain. Files of its folders are no part of it.
    #[must_use]
    pub fn of(folder: &Path, syncs: Syncs) -> Self {
        let mut disk = Self {
            folder: folder.to_owned(),
            syncs,
            certain: Tree::default(),
            waiting: Vec::new(),
            seen: BTreeMap::new(),
            files: 0,
        };
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if let Ok(bytes) = std::fs::read(&path) {
                disk.certain.contents.insert(disk.files, bytes);
                disk.certain.names.insert(path, disk.files);
                disk.files += 1;
            }
        }
        disk.seen.clone_from(&disk.certain.names);
        disk
    }

    /// Does what a program did.
    pub fn follow(&mut self, deed: &Deed) {
        match deed {
            Deed::Open { path, emptied } => {
                if let Some(&file) = self.seen.get(path) {
                    if *emptied {
                        self.waiting.push(Change::Length { file, length: 0 });
                    }
                } else {
                    let file = self.files;
                    self.files += 1;
                    self.name(path, file);
                }
            }
            Deed::Write { path, offset, bytes } => {
                let file = self.file(path);
                let mut offset = *offset;
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (sector, after) = rest.split_at(rest.len().min(SECTOR - offset % SECTOR));
                    let bytes = sector.to_vec();
                    self.waiting.push(Change::Bytes { file, offset, bytes });
                    offset += sector.len();
                    rest = after;
                }
            }
            Deed::Length { path, length } => {
                let file = self.file(path);
                self.waiting.push(Change::Length {
                    file,
                    length: *length,
                });
            }
            Deed::Synced(path) => self.sync(path),
            Deed::Unlink(path) => {
                self.seen.remove(path);
                self.waiting.push(Change::NoName(path.clone()));
            }
            Deed::Rename { from, to } => {
                let file = self.seen.remove(from).expect("a file is renamed that is there");
                self.seen.insert(to.clone(), file);
                self.waiting.push(Change::Rename {
                    from: from.clone(),
                    to: to.clone(),
                    file,
                });
            }
            Deed::Answered | Deed::Ended => {}
        }
    }

    fn name(&mut self, path: &Path, file: File) {
        self.seen.insert(path.to_owned(), file);
        self.waiting.push(Change::Name {
            path: path.to_owned(),
            file,
        });
    }

    fn file(&self, path: &Path) -> File {
        *self
            .seen
            .get(path)
            .unwrap_or_else(|| panic!("{} is not there", path.display()))
    }

    fn sync(&mut self, path: &Path) {
        if self.syncs == Syncs::Lie {
            return;
        }
        let is_folder = path == self.folder;
        let file = self.seen.get(path).copied();
        let certain = &mut self.certain;
        self.waiting.retain(|change| {
            let is_synced = if is_folder {
                change.is_of_a_folder()
            } else {
                file.is_some_and(|file| change.is_of(file))
            };
            if is_synced {
                certain.apply(change);
            }
            !is_synced
        });
    }

    /// How many changes are not certain.
    #[must_use]
    pub fn uncertain(&self) -> usize {
        self.waiting.len()
    }

    /// With nothing of what is not certain.
    #[must_use]
    pub fn least(&self) -> Image {
        self.certain.image()
    }

    /// With all of it: as after the death of the program alone.
    #[must_use]
    pub fn most(&self) -> Image {
        self.with(|_| true)
    }

    /// With some of it.
    #[must_use]
    pub fn some(&self, chance: &mut Chance) -> Image {
        // Now nearly all of it, now nearly none, of the bytes and of the names.
        let (bytes, names) = (1 + chance.below(15), 1 + chance.below(15));
        self.with(|change| chance.sixteenths(if change.is_of_a_folder() { names } else { bytes }))
    }

    fn with(&self, mut is_there: impl FnMut(&Change) -> bool) -> Image {
        let mut tree = self.certain.clone();
        for change in self.waiting.iter().filter(|change| is_there(change)) {
            tree.apply(change);
        }
        tree.image()
    }
}
