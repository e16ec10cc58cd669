//! A tar archive of a few files, the same bytes each time. Only what that needs: ustar headers, files and folders that
//! belong to root, no times, no links, no long names.

use std::borrow::Cow;

use super::Error;

const BLOCK: usize = 512;

/// A file or folder.
#[derive(Debug)]
pub struct Entry<'a> {
    path: String,
    mode: u32,
    /// Nothing for a folder.
    content: Option<Cow<'a, [u8]>>,
}

impl<'a> Entry<'a> {
    /// A folder that everybody may read.
    pub fn folder(path: &str) -> Self {
        Self { path: format!("{path}/"), mode: 0o755, content: None }
    }

    /// A file.
    pub fn file(path: &str, mode: u32, content: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { path: path.to_owned(), mode, content: Some(content.into()) }
    }
}

/// The archive, in the order of the entries.
///
/// # Errors
///
/// When a name is longer than 100 bytes.
pub fn archive(entries: &[Entry<'_>]) -> Result<Vec<u8>, Error> {
    let mut archive = Vec::new();
    for entry in entries {
        let content = entry.content.as_deref().unwrap_or_default();
        archive.extend(header(entry, content.len())?);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks end it.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    Ok(archive)
}

fn header(entry: &Entry<'_>, size: usize) -> Result<[u8; BLOCK], Error> {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, length: usize, text: &[u8]| {
        if text.len() > length {
            return Err(Error::Archive(entry.path.clone()));
        }
        header[at..at + text.len()].copy_from_slice(text);
        Ok(())
    };
    put(0, 100, entry.path.as_bytes())?;
    put(100, 8, format!("{:07o}\0", entry.mode).as_bytes())?;
    // Owner and group: root.
    put(108, 8, b"0000000\0")?;
    put(116, 8, b"0000000\0")?;
    put(124, 12, format!("{size:011o}\0").as_bytes())?;
    // When: at the beginning of time.
    put(136, 12, b"00000000000\0")?;
    // The sum is made with blanks in its own place.
    put(148, 8, b"        ")?;
    put(156, 1, if entry.content.is_some() { b"0" } else { b"5" })?;
    put(257, 8, b"ustar\x0000")?;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_and_the_sum_is_that_of_the_header() {
        let archive =
            archive(&[Entry::folder("etc"), Entry::file("etc/a", 0o644, b"abc".as_slice())]).unwrap();
        assert_eq!(archive.len(), 5 * BLOCK);
        let header = &archive[BLOCK..2 * BLOCK];
        assert_eq!(&header[..5], b"etc/a");
        let sum = std::str::from_utf8(&header[148..154]).unwrap();
        let mut blank = header.to_vec();
        blank[148..156].fill(b' ');
        let expected: u32 = blank.iter().map(|byte| u32::from(*byte)).sum();
        assert_eq!(u32::from_str_radix(sum, 8).unwrap(), expected);
        assert_eq!(&archive[2 * BLOCK..2 * BLOCK + 4], b"abc\0");
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        let long = "x".repeat(101);
        assert!(archive(&[Entry::file(&long, 0o644, b"".as_slice())]).is_err());
    }
}
