//! The page that plays a drive: built from `portal/drive` and part of the program. It reads `drive.json` beside it, and needs nothing else.

use crate::error::Result;
use crate::io::atomic;
use std::path::Path;

/// The page itself.
pub const PAGE: &str = "drive.html";

/// A file of the page: its name in the dataset's folder, its media type, its bytes.
pub type File = (&'static str, &'static str, &'static [u8]);

/// Its files.
pub const FILES: [File; 4] = [
    (PAGE, "text/html", include_bytes!("../../../portal/drive/drive.html")),
    ("drive.js", "text/javascript", include_bytes!("../../../portal/dist/drive/drive.js")),
    ("drive.css", "text/css", include_bytes!("../../../portal/dist/drive/drive.css")),
    ("drive.licences.txt", "text/plain", include_bytes!("../../../portal/dist/drive/drive.licences.txt")),
];

/// Writes them.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path) -> Result<()> {
    FILES.into_iter().try_for_each(|(name, _, bytes)| atomic::write_unseen(&folder.join(name), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_takes_scripts_and_styles_from_its_own_files_only() {
        let text = |suffix: &str| {
            let file = FILES.iter().find(|(name, ..)| name.ends_with(suffix));
            std::str::from_utf8(file.map(|(_, _, bytes)| *bytes).unwrap()).unwrap()
        };
        let page = text(PAGE);
        assert!(page.contains("content=\"default-src 'none'; script-src 'self'; style-src 'self';"));
        for bad in ["<style", " style=\"", " onclick", " onload", "src=\"http", "href=\"http", "<script>"] {
            assert!(!page.contains(bad), "{bad}");
        }
        let named = page.split(['"', '\'']).filter(|part| part.starts_with("drive."));
        let named: std::collections::BTreeSet<&str> = named.collect();
        let files = FILES.iter().map(|(name, ..)| *name).filter(|name| *name != PAGE).collect();
        assert_eq!(named, files, "what the page names is there, and what is there is named");
        let licences = text(".txt");
        assert!(licences.contains("@photo-sphere-viewer/core 5.15.1 (MIT)") && licences.contains("three 0.185.1 (MIT)"));
    }
}
