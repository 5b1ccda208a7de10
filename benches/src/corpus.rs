//! Messages of others, for all who measure parsers of them; also a module of `mail-parser-1`.

use std::fs;
use std::path::Path;

/// The messages in a folder and those below it, in the order of their names; none where there is no
/// such folder.
pub(crate) fn read(folder: &Path) -> Vec<Vec<u8>> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let extension = path.extension().and_then(|it| it.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if matches!(extension, Some("eml" | "msg"))
                || path.to_string_lossy().contains("cpython")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    let read = |path| fs::read(path).expect("a file that was listed");
    files.iter().map(read).collect()
}
