//! Zones on disk: what has changed since the zone file was written, kept over a restart.
//!
//! Each zone has one file, in master format, in one folder. A new version is written beside it and
//! takes its place in one step, so that there is always a whole one, whenever the power fails.

use proto_dns::server::Zone;
use proto_dns::server::update::is_newer;
use proto_dns::wire::{Name, RData};
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A folder with the latest version of each zone.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
}

impl State {
    /// Uses this folder, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The version that was kept last, if there is one.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub fn load(&self, origin: &Name) -> Result<Option<Zone>, Box<dyn Error>> {
        let file = self.file(origin);
        if !file.exists() {
            return Ok(None);
        }
        crate::dns_server::read_zone(origin, &file).map(Some)
    }

    /// The newer one (RFC 1982) of what was kept and what a zone file holds: whoever edits the file
    /// raises the serial number.
    ///
    /// # Errors
    ///
    /// What is wrong with the file that was kept.
    pub fn latest(&self, from_file: Zone) -> Result<Zone, Box<dyn Error>> {
        match self.load(from_file.origin())? {
            Some(kept) if is_newer(kept.serial(), from_file.serial()) => Ok(kept),
            _ => Ok(from_file),
        }
    }

    /// Keeps a version. When this returns, it has reached the disk.
    ///
    /// # Errors
    ///
    /// The system's; what was kept before is kept still.
    pub fn save(&self, zone: &Zone) -> io::Result<()> {
        let file = self.file(zone.origin());
        let new = file.with_extension("new");
        let mut out = File::create(&new)?;
        out.write_all(master_file(zone).as_bytes())?;
        out.sync_all()?;
        fs::rename(&new, &file)?;
        // The name is on disk when its folder is.
        if cfg!(unix) {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Forgets a zone: a copy that has expired.
    pub fn forget(&self, origin: &Name) {
        // One that is not there is forgotten.
        let _ = fs::remove_file(self.file(origin));
    }

    fn file(&self, origin: &Name) -> PathBuf {
        let mut name = String::new();
        for octet in origin.to_string().bytes() {
            match octet.to_ascii_lowercase() {
                octet @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.') => {
                    name.push(char::from(octet));
                }
                octet => {
                    let _ = write!(name, "%{octet:02x}");
                }
            }
        }
        if name == "." {
            // No other name has this one.
            name = "@.".to_owned();
        }
        self.folder.join(format!("{name}zone"))
    }
}

/// A zone in master format (RFC 1035 section 5), the SOA record first, every name in full.
#[must_use]
pub fn master_file(zone: &Zone) -> String {
    let mut text = String::new();
    let is_soa = |data: &RData<'_>| matches!(data, RData::Soa(_));
    let soa = zone.records().filter(|(_, _, data)| is_soa(data));
    let others = zone.records().filter(|(_, _, data)| !is_soa(data));
    for (owner, ttl, data) in soa.chain(others) {
        let _ = writeln!(text, "{owner}\t{ttl}\tIN\t{}\t{data}", data.rtype());
    }
    text
}
