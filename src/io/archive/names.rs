//! Names of members: decoding, and what is refused of them.

use super::refuse;
use crate::error::Result;

/// The upper half of code page 437, which names without the UTF-8 flag are in (APPNOTE 4.4.4, appendix D).
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// A member's name as text. Many tools write UTF-8 without saying so, so valid UTF-8 is taken as such.
pub fn decode(raw: &[u8], utf8: bool) -> Result<String> {
    match std::str::from_utf8(raw) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) if utf8 => Err(refuse("name", "a member's name is not the UTF-8 that it claims to be")),
        Err(_) => {
            let high: Vec<char> = CP437.chars().collect();
            let character = |byte: u8| {
                if byte < 0x80 { char::from(byte) } else { high.get(usize::from(byte) - 0x80).copied().unwrap_or('\u{fffd}') }
            };
            Ok(raw.iter().map(|&byte| character(byte)).collect())
        }
    }
}

/// The name with `/` between its parts and none superfluous; a folder ends with `/`.
///
/// # Errors
/// For names that lead, or could lead another program, out of the folder it unpacks to.
pub fn normal(name: &str) -> Result<String> {
    if name.is_empty() {
        return Err(refuse("name", "a member has no name"));
    }
    // Linux allows paths of 4096 bytes; nobody delivers names of even a quarter of that.
    if name.len() > 1024 {
        return Err(refuse("name", format!("a member's name has {} bytes", name.len())));
    }
    if name.chars().any(char::is_control) {
        let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
        return Err(refuse("name", format!("a member's name has control characters: '{shown}'")));
    }
    // Windows tools write backslashes; there they separate, so here they do as well.
    let name = name.replace('\\', "/");
    if name.starts_with('/') {
        return Err(refuse("absolute", format!("a member has an absolute path: '{name}'")));
    }
    let bytes = name.as_bytes();
    if bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' {
        return Err(refuse("drive", format!("a member's path names a drive: '{name}'")));
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(refuse("traversal", format!("a member's path leads out of the archive: '{name}'")));
    }
    if parts.is_empty() {
        return Err(refuse("name", format!("a member's path names nothing: '{name}'")));
    }
    let folder = if name.ends_with('/') { "/" } else { "" };
    Ok(format!("{}{folder}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_as_utf8_or_code_page_437() {
        assert_eq!(decode("Flurstück.xml".as_bytes(), false).unwrap(), "Flurstück.xml");
        assert_eq!(decode(b"Flurst\x81ck.xml", false).unwrap(), "Flurstück.xml");
        assert_eq!(decode(b"\xff\xe1\x9a", false).unwrap(), "\u{a0}ßÜ");
        assert_eq!(decode(b"Flurst\x81ck.xml", true).unwrap_err().code(), "mk::archive::name");
        assert_eq!(CP437.chars().count(), 128);
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for (name, code) in [
            ("../a", "mk::archive::traversal"),
            ("a/../../b", "mk::archive::traversal"),
            ("a\\..\\b", "mk::archive::traversal"),
            ("/etc/passwd", "mk::archive::absolute"),
            ("\\\\server\\share", "mk::archive::absolute"),
            ("C:\\a", "mk::archive::drive"),
            ("c:a", "mk::archive::drive"),
            ("", "mk::archive::name"),
            ("./", "mk::archive::name"),
            ("a\0b", "mk::archive::name"),
            ("a\nb", "mk::archive::name"),
            (&"x".repeat(2000), "mk::archive::name"),
        ] {
            assert_eq!(normal(name).unwrap_err().code(), code, "{name:?}");
        }
        assert_eq!(normal("a//b/./c.xml").unwrap(), "a/b/c.xml");
        assert_eq!(normal("a\\b\\").unwrap(), "a/b/");
        assert_eq!(normal("a..b/..c").unwrap(), "a..b/..c");
    }
}
