//! What a file is, by its first bytes: names and extensions are never trusted.

/// How many bytes [`sniff`] wants to see at most.
pub const SNIFF_BYTES: usize = 512;

/// Kinds of content that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// Nothing at all.
    Empty,
    /// gzip (RFC 1952).
    Gzip,
    /// ZIP archive.
    Zip,
    /// A packing or archive that is not read: xz, bzip2, zstd, 7z, RAR, tar; with its name.
    OtherPacking(&'static str),
    /// TIFF or BigTIFF.
    Tiff,
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// JPEG 2000: JP2 box format or bare code stream.
    Jp2,
    /// SQLite, so perhaps GeoPackage.
    Sqlite,
    /// FlatGeobuf.
    FlatGeobuf,
    /// Shapefile.
    Shapefile,
    /// Apache Parquet.
    Parquet,
    /// GDAL's virtual formats in XML (VRT, GTI, WMS, PAM ...), which name other files to read.
    GdalVirtual,
    /// XML.
    Xml,
    /// JSON.
    Json,
    /// Anything else.
    Other,
}

impl Content {
    /// A name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "an empty file",
            Self::Gzip => "gzip",
            Self::Zip => "a ZIP archive",
            Self::OtherPacking(name) => name,
            Self::Tiff => "TIFF",
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Jp2 => "JPEG 2000",
            Self::Sqlite => "SQLite",
            Self::FlatGeobuf => "FlatGeobuf",
            Self::Shapefile => "Shapefile",
            Self::Parquet => "Parquet",
            Self::GdalVirtual => "a virtual dataset of GDAL",
            Self::Xml => "XML",
            Self::Json => "JSON",
            Self::Other => "of unknown content",
        }
    }
}

const MAGICS: &[(&[u8], Content)] = &[
    (b"\x1f\x8b", Content::Gzip),
    (b"PK\x03\x04", Content::Zip),
    (b"PK\x05\x06", Content::Zip),
    (b"PK\x07\x08", Content::Zip),
    (b"\xfd7zXZ\0", Content::OtherPacking("xz")),
    (b"BZh", Content::OtherPacking("bzip2")),
    (b"\x28\xb5\x2f\xfd", Content::OtherPacking("zstd")),
    (b"7z\xbc\xaf\x27\x1c", Content::OtherPacking("7z")),
    (b"Rar!\x1a\x07", Content::OtherPacking("RAR")),
    (b"II*\0", Content::Tiff),
    (b"MM\0*", Content::Tiff),
    (b"II+\0", Content::Tiff),
    (b"MM\0+", Content::Tiff),
    (b"\xff\xd8\xff", Content::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Content::Png),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Content::Jp2),
    (b"\xff\x4f\xff\x51", Content::Jp2),
    (b"SQLite format 3\0", Content::Sqlite),
    (b"fgb\x03fgb", Content::FlatGeobuf),
    (b"\0\0\x27\x0a", Content::Shapefile),
    (b"PAR1", Content::Parquet),
];

/// Elements at the root of files in which GDAL finds names of other files or services.
const VIRTUAL_ROOTS: &[&str] = &[
    "VRTDataset",
    "OGRVRTDataSource",
    "GDALTileIndexDataset",
    "GDAL_WMS",
    "WMS_Capabilities",
    "WMT_MS_Capabilities",
    "GDAL_WCS",
    "WCS_GDAL",
    "GDAL_WMTS",
    "OGRWFSDataSource",
    "TileService",
];

/// Tells content by the first bytes of a file; [`SNIFF_BYTES`] are enough.
pub fn sniff(head: &[u8]) -> Content {
    if head.is_empty() {
        return Content::Empty;
    }
    if let Some((_, content)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return *content;
    }
    if head.get(257..262) == Some(b"ustar") {
        return Content::OtherPacking("tar");
    }
    // Texts may be UTF-16 with a byte order mark; only the markup of the first characters matters.
    let text: Vec<u8> = match head {
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => rest.iter().copied().filter(|&byte| byte != 0).collect(),
        [0xef, 0xbb, 0xbf, rest @ ..] => rest.to_vec(),
        _ => head.to_vec(),
    };
    let start = text.trim_ascii_start();
    match start.first() {
        Some(b'<') => xml(start),
        Some(b'{' | b'[') => Content::Json,
        _ => Content::Other,
    }
}

fn xml(text: &[u8]) -> Content {
    let mut rest = text;
    // Past the declaration, comments and processing instructions to the root element, as far as it was read.
    while rest.starts_with(b"<?") || rest.starts_with(b"<!") {
        let end: &[u8] = if rest.starts_with(b"<!--") { b"-->" } else { b">" };
        let Some(at) = memchr::memmem::find(rest, end) else { return Content::Xml };
        rest = rest[at + end.len()..].trim_ascii_start();
    }
    let name = rest.get(1..).unwrap_or_default();
    let is = |root: &&str| name.get(..root.len()).is_some_and(|start| start.eq_ignore_ascii_case(root.as_bytes()));
    if VIRTUAL_ROOTS.iter().any(is) { Content::GdalVirtual } else { Content::Xml }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_told_by_its_first_bytes() {
        for (head, content) in [
            (&b""[..], Content::Empty),
            (b"\x1f\x8b\x08", Content::Gzip),
            (b"PK\x03\x04rest", Content::Zip),
            (b"II*\0", Content::Tiff),
            (b"MM\0+", Content::Tiff),
            (b"<VRTDataset rasterXSize=\"1\">", Content::GdalVirtual),
            (b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- a --><vrtdataset>", Content::GdalVirtual),
            (b"\xff\xfe<\0V\0R\0T\0D\0a\0t\0a\0s\0e\0t\0", Content::GdalVirtual),
            (b"<?xml version='1.0'?><core:CityModel>", Content::Xml),
            (b"<?xml never ends", Content::Xml),
            (b"<", Content::Xml),
            (b" {\"type\":", Content::Json),
            (b"\xfd7zXZ\0", Content::OtherPacking("xz")),
            (b"hello", Content::Other),
        ] {
            assert_eq!(sniff(head), content, "{:?}", String::from_utf8_lossy(head));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_some_content(head in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let _ = sniff(&head);
            let _ = sniff(&[b"<?".as_slice(), &head].concat());
        }
    }
}
