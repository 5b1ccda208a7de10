//! File names that are safe to use, whatever a torrent says.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// Longest component in octets.
const MAX_COMPONENT: usize = 240;

/// A relative path below a folder of the embedder's choice. There is no other way to a file name.
///
/// Whatever the torrent said, no component is empty, `.` or `..`, holds a separator, a control
/// character, or a character that some file system refuses; none is the name of a device, ends in a
/// dot or a blank, or is longer than 240 octets; no path is absolute; no two paths of a torrent are
/// the same when case is ignored, and none is the folder of another.
///
/// ```
/// use proto_bittorrent::metainfo::SafePath;
///
/// let path = SafePath::sanitize([&b".."[..], b"etc/passwd", b"NUL"]);
/// assert_eq!(path.as_str(), "_/etcpasswd/NUL_");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath(String);

impl SafePath {
    /// Makes safe what a torrent calls a file. Nothing is refused: what cannot stand is replaced.
    pub fn sanitize<'a>(components: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::extend(String::new(), components)
    }

    /// As [`sanitize`](Self::sanitize), below a folder that is safe already.
    pub(super) fn below(folder: &str, components: &[&[u8]]) -> Self {
        // Most names stay as they are, with a slash before each.
        let len = components.iter().fold(folder.len(), |sum, component| {
            sum.saturating_add(component.len()).saturating_add(1)
        });
        let mut path = String::with_capacity(len);
        path.push_str(folder);
        Self::extend(path, components.iter().copied())
    }

    fn extend<'a>(mut path: String, components: impl IntoIterator<Item = &'a [u8]>) -> Self {
        for component in components {
            if !path.is_empty() {
                path.push('/');
            }
            push_component(&mut path, component);
        }
        if path.is_empty() {
            path.push('_');
        }
        Self(path)
    }

    /// The path with `/` between its components.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, of which there is at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn push_component(path: &mut String, component: &[u8]) {
    let begin = path.len();
    if let Some(plain) = plain(component) {
        path.push_str(plain);
    } else {
        replace(path, component);
    }
    shorten(path, begin);
    // Some file systems drop these, and the name would be another one.
    let kept = path.get(begin..).unwrap_or_default();
    let kept = kept.trim_end_matches(['.', ' ']).len();
    path.truncate(begin.saturating_add(kept));
    let name = path.get(begin..).unwrap_or_default();
    if name.is_empty() || is_device(name) {
        path.push('_');
    }
}

/// A component in which nothing is to be replaced, found out the quick way.
fn plain(component: &[u8]) -> Option<&str> {
    let is_plain = component.iter().all(|octet| {
        matches!(octet, b' '..=b'~')
            && !matches!(
                octet,
                b'/' | b'\\' | b':' | b'*' | b'?' | b'"' | b'<' | b'>' | b'|'
            )
    });
    is_plain
        .then(|| core::str::from_utf8(component).ok())
        .flatten()
}

/// Appends a component with everything replaced that cannot stand.
fn replace(path: &mut String, component: &[u8]) {
    for chunk in component.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                // As libtorrent does: separators go, what else cannot stand becomes a line.
                '/' | '\\' => {}
                ':' | '*' | '?' | '"' | '<' | '>' | '|' => path.push('_'),
                // Writing from right to left and back can make a name look like another.
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                character if character.is_control() => path.push('_'),
                character => path.push(character),
            }
        }
        if !chunk.invalid().is_empty() {
            path.push('_');
        }
    }
}

/// Cuts a component to its longest, an extension kept.
fn shorten(path: &mut String, begin: usize) {
    let name = path.get(begin..).unwrap_or_default();
    if name.len() <= MAX_COMPONENT {
        return;
    }
    let extension = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len().saturating_sub(dot) <= 16 => name.get(dot..),
        _ => None,
    };
    let extension = String::from(extension.unwrap_or_default());
    let mut room = MAX_COMPONENT.saturating_sub(extension.len());
    while !name.is_char_boundary(room) {
        room = room.saturating_sub(1);
    }
    path.truncate(begin.saturating_add(room));
    path.push_str(&extension);
}

/// Names that open a device instead of a file where Windows reads them, with any extension.
fn is_device(name: &str) -> bool {
    if !name.starts_with(['a', 'A', 'c', 'C', 'l', 'L', 'n', 'N', 'p', 'P']) {
        return false;
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    if ["con", "prn", "aux", "nul", "conin$", "conout$"]
        .into_iter()
        .any(is)
    {
        return true;
    }
    let (front, number) = stem.split_at_checked(3).unwrap_or_default();
    (front.eq_ignore_ascii_case("com") || front.eq_ignore_ascii_case("lpt"))
        && matches!(
            number,
            "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
        )
}

/// What stands at a path already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    File,
    Folder,
}

/// Whether no path is another one, or a folder of another one, when case is ignored; which is how
/// torrents are. Sorting what tells paths apart is far quicker than to look each of them up.
pub(super) fn are_unique<'a>(paths: impl Iterator<Item = &'a SafePath>) -> bool {
    let (mut files, mut folders, mut lower) = (Vec::new(), Vec::new(), Vec::new());
    let (mut folder, mut folder_key) = ("", 0);
    for path in paths {
        let (front, name) = path.0.rsplit_once('/').unwrap_or(("", &path.0));
        // The next file is often in the same folder.
        if front != folder {
            (folder, folder_key) = (front, 0);
            for component in front.split('/').filter(|component| !component.is_empty()) {
                folder_key = hash(&mut lower, folder_key, component);
                folders.push(folder_key);
            }
        }
        files.push(hash(&mut lower, folder_key, name));
    }
    files.sort_unstable();
    folders.sort_unstable();
    folders.dedup();
    let is_twice = |pair: &[u64]| matches!(pair, [one, two] if one == two);
    let is_file = |folder: &u64| files.binary_search(folder).is_ok();
    !files.windows(2).any(is_twice) && !folders.iter().any(is_file)
}

/// Makes the paths of one torrent differ, in one pass and in the order of the files.
#[derive(Default)]
pub(super) struct Unique {
    /// By the hash of the path without case: what stands there, and the last number that was tried
    /// to give another one of that name a name of its own.
    taken: BTreeMap<u64, (Taken, u32)>,
    lower: Vec<u8>,
}

impl Unique {
    /// The path, renamed where another file or folder has it already.
    pub(super) fn insert(&mut self, path: &SafePath) -> SafePath {
        let mut parent = 0;
        let mut result = String::with_capacity(path.0.len());
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            if !result.is_empty() {
                result.push('/');
            }
            let begin = result.len();
            result.push_str(component);
            let is_last = components.peek().is_none();
            let first = hash(&mut self.lower, parent, component);
            let mut key = first;
            loop {
                match self.taken.get(&key) {
                    Some((Taken::Folder, _)) if !is_last => break,
                    None => {
                        let taken = if is_last { Taken::File } else { Taken::Folder };
                        self.taken.insert(key, (taken, 0));
                        break;
                    }
                    // Numbers go on where they stopped: many files of one name cost no more each.
                    Some(_) => {
                        let number = self.taken.get_mut(&first).map_or(1, |(_, number)| {
                            *number = number.saturating_add(1);
                            *number
                        });
                        rename(&mut result, begin, component, number);
                        let name = result.get(begin..).unwrap_or_default();
                        key = hash(&mut self.lower, parent, name);
                    }
                }
            }
            parent = key;
        }
        SafePath(result)
    }
}

/// `name.ext` becomes `name.1.ext`, so that programs still know what it is.
fn rename(path: &mut String, begin: usize, name: &str, number: u32) {
    use core::fmt::Write;
    path.truncate(begin);
    let dot = name.rfind('.').filter(|dot| *dot > 0).unwrap_or(name.len());
    let (stem, extension) = name.split_at_checked(dot).unwrap_or((name, ""));
    let mut room = stem
        .len()
        .min(MAX_COMPONENT.saturating_sub(extension.len()));
    while !stem.is_char_boundary(room) {
        room = room.saturating_sub(1);
    }
    path.push_str(stem.get(..room).unwrap_or_default());
    let _ = write!(path, ".{number}");
    path.push_str(extension);
}

/// The hash of a name below a folder, the same for any case.
fn hash(lower: &mut Vec<u8>, parent: u64, name: &str) -> u64 {
    lower.clear();
    if name.is_ascii() {
        lower.extend_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
    } else {
        let mut buffer = [0; 4];
        for character in name.chars().flat_map(char::to_lowercase) {
            lower.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
    }
    let mut hasher = SipHasher13::new_with_keys(parent, 0x7061_7468);
    hasher.write(lower);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn safe(components: &[&[u8]]) -> String {
        SafePath::sanitize(components.iter().copied()).to_string()
    }

    #[test]
    fn nothing_leaves_the_folder() {
        assert_eq!(safe(&[b"..", b"..", b"x"]), "_/_/x");
        assert_eq!(safe(&[b"/etc", b"passwd"]), "etc/passwd");
        assert_eq!(safe(&[b"C:\\x"]), "C_x");
        assert_eq!(safe(&[b"\\\\host\\share"]), "hostshare");
        assert_eq!(safe(&[b"a/../../b"]), "a....b");
        assert_eq!(safe(&[b""]), "_");
        assert_eq!(safe(&[]), "_");
        assert_eq!(safe(&[b"a\0b"]), "a_b");
        assert_eq!(safe(&[b"a\xffb"]), "a_b");
        assert_eq!(safe(&[b". ."]), "_");
    }

    #[test]
    fn names_of_devices_are_no_names() {
        for name in ["CON", "nul.txt", "Com1", "lpt9.tar.gz", "aux "] {
            let path = safe(&[name.as_bytes()]);
            assert!(path.ends_with('_'), "{path}");
        }
        assert_eq!(safe(&[b"console"]), "console");
        assert_eq!(safe(&[b"com"]), "com");
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = [&[b'x'; 400][..], b".mkv"].concat();
        let path = safe(&[&name]);
        assert_eq!((path.len(), path.ends_with("xx.mkv")), (240, true));
        let name = "é".repeat(200);
        assert!(safe(&[name.as_bytes()]).len() <= 240);
    }

    #[test]
    fn no_two_files_share_a_path() {
        let mut unique = Unique::default();
        let mut names = Vec::new();
        for name in [
            "a.txt", "A.TXT", "a.txt", "d/x", "d", "D/y", "a.txt/z", "a.1.txt",
        ] {
            let path = SafePath::sanitize(name.split('/').map(str::as_bytes));
            names.push(unique.insert(&path).to_string());
        }
        let expected = [
            "a.txt",
            "A.1.TXT",
            "a.2.txt",
            "d/x",
            "d.1",
            "D/y",
            "a.3.txt/z",
            "a.1.1.txt",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_is_unique_is_told_from_what_is_not() {
        let check = |paths: &[&str]| {
            let paths: Vec<SafePath> = paths
                .iter()
                .map(|path| SafePath::sanitize(path.split('/').map(str::as_bytes)))
                .collect();
            let mut unique = Unique::default();
            let is_kept = paths.iter().all(|path| unique.insert(path) == *path);
            let told = are_unique(paths.iter());
            assert_eq!(told, is_kept, "{paths:?}");
            told
        };
        assert!(check(&[]));
        assert!(check(&["a"]));
        assert!(check(&["a/b", "a/c", "A/d", "e/b", "a/e"]));
        assert!(check(&["a/b/c", "a/c/b", "b/a/c", "c"]));
        for paths in [
            ["a", "a"],
            ["a", "A"],
            ["d/x", "d"],
            ["d", "D/y"],
            ["a/b/c", "a/b"],
            ["a/\u{c4}", "a/\u{e4}"],
        ] {
            assert!(!check(&paths));
        }
    }
}
