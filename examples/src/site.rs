//! What a server has to serve: a folder, or built-in pages, with the most recent contents kept in
//! memory.

use bytes::Bytes;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// What `GET /` answers without a folder.
pub const PAGE: &str = "<!doctype html>\n<title>Utopia</title>\n<link rel=\"icon\" href=\"data:,\">\n<p>Hello from Utopia over HTTP/2.\n";

/// The largest built-in object, in octets.
const MAX_OBJECT: usize = 64 * 1024 * 1024;
/// Octets kept in memory, all contents together.
const MAX_KEPT: usize = 64 * 1024 * 1024;
/// Contents kept in memory.
const MAX_CONTENTS: usize = 4096;
/// For how long a file is taken to be as it was when it was last looked at.
const FRESH: Duration = Duration::from_secs(1);

/// A type and octets.
pub type Content = (&'static str, Bytes);

/// What a server serves.
#[derive(Debug, Default)]
pub struct Site {
    /// The folder of the files; without one there is a page at `/` and objects at `/object/OCTETS`.
    root: Option<PathBuf>,
    /// Paths, and what is pushed with them.
    push: Vec<(String, Vec<String>)>,
    kept: Mutex<Kept>,
}

/// Contents by path: as many as fit.
#[derive(Debug, Default)]
struct Kept {
    contents: HashMap<String, Entry>,
    octets: usize,
}

#[derive(Debug)]
struct Entry {
    content: Content,
    /// Where it is from; what is built in has no file and never changes.
    source: Option<Source>,
}

#[derive(Debug)]
struct Source {
    file: PathBuf,
    stamp: Stamp,
    checked: Instant,
}

/// By what a file that has changed is told: when it was written, and its length.
type Stamp = (SystemTime, u64);

impl Site {
    /// A site of the files in `root`, or of built-in pages; and what is pushed with which path.
    #[must_use]
    pub fn new(root: Option<PathBuf>, push: Vec<(String, Vec<String>)>) -> Self {
        Self {
            root,
            push,
            kept: Mutex::default(),
        }
    }

    /// The paths that are pushed with `path`.
    pub fn pushed_with(&self, path: &str) -> impl Iterator<Item = &str> {
        let lists = self.push.iter().filter(move |(with, _)| with == path);
        lists.flat_map(|(_, list)| list.iter().map(String::as_str))
    }

    /// The type and octets under a path.
    pub fn find(&self, path: &str) -> Option<Content> {
        let path = path.split('?').next().unwrap_or_default();
        // A thread that panicked has left at worst an entry less.
        let mut kept = self.kept.lock().unwrap_or_else(|lock| lock.into_inner());
        if let Some(content) = kept.get(path) {
            return Some(content);
        }
        let entry = match &self.root {
            Some(root) => read(root, path)?,
            None => built_in(path)?,
        };
        let content = entry.content.clone();
        kept.put(path, entry);
        Some(content)
    }
}

impl Kept {
    fn get(&mut self, path: &str) -> Option<Content> {
        let entry = self.contents.get_mut(path)?;
        if let Some(source) = &mut entry.source
            && source.checked.elapsed() >= FRESH
        {
            if stamp(&source.file) != Some(source.stamp) {
                let entry = self.contents.remove(path)?;
                self.octets = self.octets.saturating_sub(entry.content.1.len());
                return None;
            }
            source.checked = Instant::now();
        }
        Some(entry.content.clone())
    }

    /// Keeps a content under a path that has none. Where there is no room, all others have to go.
    fn put(&mut self, path: &str, entry: Entry) {
        let octets = entry.content.1.len();
        if octets > MAX_KEPT {
            return;
        }
        if octets > MAX_KEPT.saturating_sub(self.octets) || self.contents.len() >= MAX_CONTENTS {
            *self = Self::default();
        }
        self.octets = self.octets.saturating_add(octets);
        self.contents.insert(path.to_owned(), entry);
    }
}

fn built_in(path: &str) -> Option<Entry> {
    let content = if path == "/" || path == "/index.html" {
        ("text/html", Bytes::from_static(PAGE.as_bytes()))
    } else {
        let octets = path.strip_prefix("/object/")?.parse::<usize>().ok()?;
        let octets = Bytes::from(vec![b'o'; octets.min(MAX_OBJECT)]);
        ("application/octet-stream", octets)
    };
    Some(Entry {
        content,
        source: None,
    })
}

fn read(root: &Path, path: &str) -> Option<Entry> {
    let relative = Path::new(path.strip_prefix('/')?);
    // Nothing above the folder, and nothing beside it.
    if !relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return None;
    }
    let mut file = root.join(relative);
    if file.is_dir() {
        file.push("index.html");
    }
    let kind = match file.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    };
    // Looked at before it is read: what is written meanwhile shows at the next look.
    let stamp = stamp(&file)?;
    let octets = std::fs::read(&file).ok()?;
    Some(Entry {
        content: (kind, octets.into()),
        source: Some(Source {
            file,
            stamp,
            checked: Instant::now(),
        }),
    })
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if the last look at all files was long ago.
    fn grow_old(site: &Site) {
        let mut kept = site.kept.lock().unwrap();
        let long_ago = Instant::now().checked_sub(FRESH).unwrap();
        for entry in kept.contents.values_mut() {
            entry.source.as_mut().unwrap().checked = long_ago;
        }
    }

    #[test]
    fn a_file_that_changed_is_read_anew_and_one_that_is_gone_is_not_served() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new(Some(folder.path().to_owned()), Vec::new());
        let file = folder.path().join("a.txt");
        std::fs::write(&file, "one").unwrap();
        assert_eq!(site.find("/a.txt?x").unwrap(), ("text/plain", "one".into()));
        grow_old(&site);
        let first = site.find("/a.txt").unwrap().1;
        assert_eq!(first.as_ptr(), site.find("/a.txt").unwrap().1.as_ptr());
        std::fs::write(&file, "three").unwrap();
        grow_old(&site);
        assert_eq!(site.find("/a.txt").unwrap().1, "three");
        std::fs::remove_file(&file).unwrap();
        grow_old(&site);
        assert_eq!(site.find("/a.txt"), None);
        assert_eq!(site.kept.lock().unwrap().octets, 0);
        assert_eq!(site.find("/../a.txt"), None);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let site = Site::default();
        for octets in [MAX_KEPT / 2, MAX_KEPT / 2 - 1, 1, MAX_KEPT, 0, 2] {
            let (_, content) = site.find(&format!("/object/{octets}")).unwrap();
            assert_eq!(content.len(), octets);
            let kept = site.kept.lock().unwrap();
            let sum = kept.contents.values().map(|entry| entry.content.1.len());
            assert_eq!(sum.sum::<usize>(), kept.octets);
            assert!(kept.octets <= MAX_KEPT);
        }
        for number in 0..=MAX_CONTENTS {
            site.find(&format!("/object/{number}")).unwrap();
        }
        assert!(site.kept.lock().unwrap().contents.len() <= MAX_CONTENTS);
    }
}
