//! A file that appears whole or not at all: a temporary file in the same folder, fsync, rename, fsync of the folder.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 << 10;

/// A file being written. Dropped before [`WholeFile::publish`], it leaves nothing.
pub(super) struct WholeFile {
    target: PathBuf,
    temporary: Temporary,
    file: File,
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
    bytes: u64,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    /// blake3, hex.
    pub(super) digest: String,
}

impl WholeFile {
    /// Makes the folder and the temporary file of `target`; `nonce` names it. What earlier attempts at the same file
    /// left behind goes: the attempt that began last is the one that counts.
    pub(super) async fn create(target: &Path, nonce: u64) -> io::Result<Self> {
        let (folder, name) = split(target)?;
        make_folder(folder).await?;
        sweep(folder, name).await?;
        let path = folder.join(format!("{}{nonce:016x}", prefix(name)));
        let file = OpenOptions::new().write(true).create_new(true).open(&path).await?;
        let temporary = Temporary(Some(path));
        let (buffer, hasher) = (Vec::with_capacity(BUFFER), blake3::Hasher::new());
        Ok(Self { target: target.to_owned(), temporary, file, buffer, hasher, bytes: 0 })
    }

    /// Adds to the file.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER { self.spill().await } else { Ok(()) }
    }

    /// Makes the file visible under its name, durably.
    pub(super) async fn publish(mut self) -> io::Result<Sum> {
        self.spill().await?;
        self.file.sync_all().await?;
        let (folder, _) = split(&self.target)?;
        if let Some(path) = &self.temporary.0 {
            fs::rename(path, &self.target).await?;
        }
        self.temporary.0 = None;
        sync_folder(folder).await?;
        Ok(Sum { bytes: self.bytes, digest: self.hasher.finalize().to_hex().to_string() })
    }

    async fn spill(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer).await?;
        self.buffer.clear();
        // tokio writes behind the caller's back: without this, a full disk would be told one call late.
        self.file.flush().await
    }
}

/// Removes the file when dropped.
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // The next attempt sweeps what cannot be removed now.
            drop(std::fs::remove_file(path));
        }
    }
}

/// What the temporary files of `name` begin with.
fn prefix(name: &str) -> String {
    format!(".{name}.tmp-")
}

fn split(target: &Path) -> io::Result<(&Path, &str)> {
    let name = target.file_name().and_then(|name| name.to_str());
    target.parent().zip(name).ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path names no file"))
}

async fn sweep(folder: &Path, name: &str) -> io::Result<()> {
    let prefix = prefix(name);
    let mut entries = fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let found = entry.file_name();
        let nonce = found.to_str().and_then(|found| found.strip_prefix(&prefix));
        if nonce.is_some_and(|nonce| nonce.len() == 16 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            match fs::remove_file(entry.path()).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Makes a folder and those above it, each durably.
async fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|above| !above.exists()).collect();
    for above in missing.into_iter().rev() {
        match fs::create_dir(above).await {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some(parent) = above.parent() {
            sync_folder(parent).await?;
        }
    }
    Ok(())
}

/// Makes what was renamed or made in a folder durable.
async fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).await?.sync_all().await {
        // Some file systems (of networks, mostly) cannot sync a folder and say so; there is nothing more to do.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}
