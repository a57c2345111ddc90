//! Files of a release, sent as they are: in part where asked so (RFC 9110 section 14), and not at all where the client still has them
//! (section 13).

use super::http::{Body, Request, Response};
use std::fs::{File, Metadata};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The file at `path` below `folder`, where there is one; nothing else is reachable: no parents, no links out of the folder, nothing hidden.
pub fn send(folder: &Path, path: &str, cache: &str, request: &Request) -> Option<Response> {
    let target = below(folder, path)?;
    let file = File::open(&target).ok()?;
    let metadata = file.metadata().ok().filter(Metadata::is_file)?;
    let tag = tag(&metadata);
    let with =
        |response: Response| response.with("ETag", tag.clone()).with("Cache-Control", cache).with("Accept-Ranges", "bytes");
    if request.header("if-none-match").is_some_and(|known| same(known, &tag)) {
        return Some(with(Response::empty(304)));
    }
    let size = metadata.len();
    // A part only of what the client has the rest of.
    let wanted = request.header("range").filter(|_| request.header("if-range").is_none_or(|known| known == tag));
    let (status, first, length) = match wanted.map(|wanted| part(wanted, size)) {
        Some(Part::None) => return Some(with(Response::empty(416)).with("Content-Range", format!("bytes */{size}"))),
        Some(Part::Of(first, length)) => (206, first, length),
        Some(Part::All) | None => (200, 0, size),
    };
    let mut file = file;
    if first > 0 {
        file.seek(SeekFrom::Start(first)).ok()?;
    }
    let mut response = with(Response::new(status, media_type(&target), Vec::new()));
    response.body = Body::File(file, length);
    if status == 206 {
        response = response.with("Content-Range", format!("bytes {first}-{}/{size}", first + length - 1));
    }
    Some(response)
}

fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let plain = |component: Component<'_>| match component {
        Component::Normal(name) => name.to_str().is_some_and(|name| !name.starts_with('.') && !name.contains(['\0', '\\'])),
        _ => false,
    };
    if path.is_empty() || !Path::new(path).components().all(plain) {
        return None;
    }
    let root = folder.canonicalize().ok()?;
    let target = root.join(path).canonicalize().ok()?;
    target.starts_with(&root).then_some(target)
}

/// A file of a release is never written again: its inode and the time it was written tell it from every other. Releases share the
/// files that are the same, so what a client has stays good over a night.
fn tag(metadata: &Metadata) -> String {
    format!("\"{:x}-{:x}-{:x}{:08x}\"", metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

fn same(known: &str, tag: &str) -> bool {
    known.split(',').map(|known| known.trim().trim_start_matches("W/")).any(|known| known == tag || known == "*")
}

#[derive(Debug, PartialEq)]
enum Part {
    All,
    None,
    /// First byte and number of bytes, at least one.
    Of(u64, u64),
}

/// One range of bytes; several at once, or another unit, get the whole file, which is allowed.
fn part(wanted: &str, size: u64) -> Part {
    let Some((from, to)) =
        wanted.strip_prefix("bytes=").filter(|ranges| !ranges.contains(',')).and_then(|range| range.split_once('-'))
    else {
        return Part::All;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last) = match (number(from), number(to)) {
        (Some(first), Some(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
        (Some(first), None) if to.trim().is_empty() => (first, size.saturating_sub(1)),
        (None, Some(0)) if from.trim().is_empty() => return Part::None,
        (None, Some(last)) if from.trim().is_empty() => (size.saturating_sub(last), size.saturating_sub(1)),
        _ => return Part::All,
    };
    if first < size { Part::Of(first, last - first + 1) } else { Part::None }
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "geojson" => "application/geo+json",
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "pmtiles" => "application/vnd.pmtiles",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    type Answer = (u16, String, Vec<(&'static str, String)>);

    fn ask(folder: &Path, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let response = send(folder, path, "no-cache", &Request { headers, ..Request::default() })?;
        let mut text = String::new();
        if let Body::File(file, length) = response.body {
            file.take(length).read_to_string(&mut text).unwrap();
        }
        Some((response.status, text, response.headers))
    }

    #[test]
    fn parts_are_as_the_standard_says() {
        // RFC 9110 section 14.1.2 and 14.4.
        for (wanted, part_of_ten) in [
            ("bytes=0-4", Part::Of(0, 5)),
            ("bytes=5-", Part::Of(5, 5)),
            ("bytes=-3", Part::Of(7, 3)),
            ("bytes=-30", Part::Of(0, 10)),
            ("bytes=9-99", Part::Of(9, 1)),
            ("bytes=10-", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=4-2", Part::All),
            ("bytes=0-1,3-4", Part::All),
            ("lines=0-4", Part::All),
            ("bytes=x-", Part::All),
        ] {
            assert_eq!(part(wanted, 10), part_of_ten, "{wanted}");
        }
        assert_eq!(part("bytes=0-", 0), Part::None);
    }

    #[test]
    fn only_files_below_the_folder_are_sent_and_only_when_they_are_new() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("in/.git")).unwrap();
        std::fs::write(folder.path().join("secret"), "no").unwrap();
        std::fs::write(folder.path().join("in/.git/config"), "no").unwrap();
        std::fs::write(folder.path().join("in/a.jpg"), "0123456789").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), folder.path().join("in/link")).unwrap();
        let inside = folder.path().join("in");
        for hidden in
            ["../secret", "", "/etc/passwd", "./../secret", "link", ".git/config", "..", "a.jpg/../../secret", "a\0b", "nothing"]
        {
            assert!(ask(&inside, hidden, &[]).is_none(), "{hidden}");
        }
        let (status, text, headers) = ask(&inside, "a.jpg", &[]).unwrap();
        assert_eq!((status, text.as_str()), (200, "0123456789"));
        let tag = headers.iter().find(|(name, _)| *name == "ETag").unwrap().1.clone();
        assert_eq!(ask(&inside, "a.jpg", &[("if-none-match", &format!("W/\"x\", {tag}"))]).unwrap().0, 304);
        let (status, text, headers) = ask(&inside, "a.jpg", &[("range", "bytes=2-4")]).unwrap();
        assert_eq!((status, text.as_str()), (206, "234"));
        assert!(headers.contains(&("Content-Range", "bytes 2-4/10".to_owned())));
        assert_eq!(ask(&inside, "a.jpg", &[("range", "bytes=2-4"), ("if-range", "\"other\"")]).unwrap().1, "0123456789");
        assert_eq!(ask(&inside, "a.jpg", &[("range", "bytes=2-4"), ("if-range", &tag)]).unwrap().1, "234");
        assert_eq!(ask(&inside, "a.jpg", &[("range", "bytes=10-")]).unwrap().0, 416);
    }
}
