//! From a tool's pipe to a file and to whoever checks it, through SHA-256, with one small buffer whatever the size.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::read_back::Pipe;
use crate::{Error, Result};

/// What is read at once; the pipe holds as much.
const CHUNK: usize = 64 * 1024;

/// Bytes and SHA-256 of what was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub bytes: u64,
    pub sha256: String,
}

/// What moves while a tool works, for those who watch it.
#[derive(Default)]
pub(super) struct Flow {
    /// Bytes that are written.
    pub written: Arc<AtomicU64>,
    /// Lines that the tool said.
    pub said: AtomicU64,
    /// Rows that were counted beside it.
    counted: AtomicU64,
    /// Whether what came is being written: then it is the disk that is waited for.
    pub writing: AtomicBool,
    /// For how many seconds nothing has come from the managed database; 0 while it speaks.
    pub silent_s: AtomicU64,
}

impl Flow {
    /// Changes with everything that moves.
    pub(super) fn moved(&self) -> u64 {
        self.written
            .load(Ordering::Relaxed)
            .wrapping_add(self.said.load(Ordering::Relaxed))
            .wrapping_add(self.counted.load(Ordering::Relaxed))
    }

    /// One row more was counted.
    pub(super) fn count(&self) {
        self.counted.fetch_add(1, Ordering::Relaxed);
    }
}

/// Moves everything from the pipe to the file, through SHA-256, a chunk at a time, and gives it to `also`.
///
/// # Errors
/// `Io`.
pub(super) async fn pump(
    from: Option<impl AsyncRead + Unpin>,
    to: &mut (impl AsyncWrite + Unpin),
    mut also: Pipe,
    flow: &Flow,
) -> Result<Written> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    if let Some(mut from) = from {
        let mut chunk = vec![0_u8; CHUNK];
        loop {
            let read = from
                .read(&mut chunk)
                .await
                .map_err(Error::io("reading what a client tool writes"))?;
            if read == 0 {
                break;
            }
            flow.writing.store(true, Ordering::Relaxed);
            hash.update(&chunk[..read]);
            to.write_all(&chunk[..read])
                .await
                .map_err(Error::io("writing the backup"))?;
            also.give(&chunk[..read]).await?;
            bytes += read as u64;
            flow.written.store(bytes, Ordering::Relaxed);
            flow.writing.store(false, Ordering::Relaxed);
        }
    }
    to.flush().await.map_err(Error::io("writing the backup"))?;
    Ok(Written {
        bytes,
        sha256: hex::encode(hash.finalize()),
    })
}

/// Tells the system that a file's pages need not stay in memory, so that reading it back reads the disk.
pub(super) fn forget_pages(path: &Path) {
    #[cfg(target_os = "linux")]
    if let Ok(file) = super::folder::open(path) {
        use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).ok();
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use super::*;

    /// A disk with room for so many bytes.
    struct Disk(usize);

    impl AsyncWrite for Disk {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.0 == 0 {
                return Poll::Ready(Err(io::ErrorKind::StorageFull.into()));
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_is_written_is_hashed() {
        let text = vec![b'x'; 3 * CHUNK + 17];
        let mut out = Vec::new();
        let written = pump(Some(text.as_slice()), &mut out, Pipe::none(), &Flow::default())
            .await
            .unwrap();
        assert_eq!(out, text);
        assert_eq!(
            written,
            Written {
                bytes: text.len() as u64,
                sha256: hex::encode(Sha256::digest(&text))
            }
        );
    }

    #[tokio::test]
    async fn a_disk_that_fills_up_ends_the_dump() {
        let flow = Flow::default();
        let text = vec![b'x'; 3 * CHUNK];
        let error = pump(Some(text.as_slice()), &mut Disk(CHUNK + 5), Pipe::none(), &flow)
            .await
            .unwrap_err();
        assert!(matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull));
        assert_eq!(flow.written.load(Ordering::Relaxed), CHUNK as u64);
    }
}
