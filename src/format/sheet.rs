//! Cells of CSV files that offices open in a spreadsheet: semicolons between them, nothing that would run.

/// A text as a cell: quoted where it must be, and never a formula.
pub fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '@', '\t', '\r'])
        || (text.starts_with('-') && !text[1..].starts_with(|c: char| c.is_ascii_digit()));
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([';', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_none() {
        assert_eq!(cell("Am \"Hof\"; 1"), "\"Am \"\"Hof\"\"; 1\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("-cmd"), "'-cmd");
        assert_eq!(cell("-14"), "-14");
        assert_eq!(cell("Straße"), "Straße");
    }
}
