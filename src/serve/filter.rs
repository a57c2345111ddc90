//! Filters of OGC Filter Encoding 1.1 over records, as far as harvesters and search boxes use them. What is not known is an error,
//! never a filter that lets everything through.

use super::catalogue::Entry;
use crate::metadata::Tree;

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// Not.
    Not(Box<Filter>),
    /// A comparison of a property.
    Compare(Property, Comparison),
    /// Touches this box: west, south, east, north.
    Box([f64; 4]),
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// Is the same.
    Equal(String),
    /// Is another.
    NotEqual(String),
    /// Fits a pattern.
    Like(Pattern),
    /// Is less; `true` also the same.
    Less(String, bool),
    /// Is greater; `true` also the same.
    Greater(String, bool),
}

/// A pattern in lower case: texts between wildcards.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Any,
    One,
    Char(char),
}

/// A queryable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// `fileIdentifier`.
    Identifier,
    /// Title.
    Title,
    /// Abstract.
    Abstract,
    /// Keywords.
    Subject,
    /// Kind of resource.
    Kind,
    /// Date stamp.
    Modified,
    /// The office.
    Organisation,
    /// Everything.
    AnyText,
}

/// Depth of nested filters.
const DEEPEST: usize = 16;

impl Filter {
    /// Reads the element `ogc:Filter`.
    ///
    /// # Errors
    /// With what is not understood.
    pub fn read(filter: &Tree) -> Result<Self, String> {
        match filter.children.as_slice() {
            [only] => read(only, 0),
            _ => Err("a Filter has one operator".to_owned()),
        }
    }

    /// True when the record fits.
    pub fn fits(&self, entry: &Entry) -> bool {
        match self {
            Self::And(all) => all.iter().all(|filter| filter.fits(entry)),
            Self::Or(any) => any.iter().any(|filter| filter.fits(entry)),
            Self::Not(inner) => !inner.fits(entry),
            Self::Box(area) => entry.bbox.is_some_and(|own| touches(own, *area)),
            // Any text is found where a word stands in it: MetaSearch asks for the bare word.
            Self::Compare(Property::AnyText, Comparison::Like(pattern)) => pattern.occurs_in(&entry.any_text),
            Self::Compare(Property::AnyText, Comparison::Equal(word)) => entry.any_text.contains(&word.to_lowercase()),
            Self::Compare(property, comparison) => property.values(entry).iter().any(|value| comparison.holds(value)),
        }
    }
}

/// True when two boxes have a point in common.
pub fn touches(a: [f64; 4], b: [f64; 4]) -> bool {
    a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3]
}

impl Property {
    fn read(name: &str) -> Result<Self, String> {
        let local = name.rsplit([':', '/']).next().unwrap_or_default().to_lowercase();
        Ok(match local.as_str() {
            "identifier" => Self::Identifier,
            "title" => Self::Title,
            "abstract" | "description" => Self::Abstract,
            "subject" | "keyword" => Self::Subject,
            "type" => Self::Kind,
            "modified" | "date" | "revisiondate" => Self::Modified,
            "organisationname" | "creator" | "publisher" => Self::Organisation,
            "anytext" => Self::AnyText,
            _ => return Err(format!("no queryable '{}'", name.chars().take(60).collect::<String>())),
        })
    }
    fn values(self, entry: &Entry) -> Vec<&str> {
        match self {
            Self::Identifier => vec![&entry.id],
            Self::Title => vec![&entry.title],
            Self::Abstract => vec![&entry.summary],
            Self::Subject => entry.subjects.iter().map(String::as_str).collect(),
            Self::Kind => vec![&entry.kind],
            Self::Modified => vec![&entry.modified],
            Self::Organisation => vec![&entry.organisation],
            Self::AnyText => vec![&entry.any_text],
        }
    }
}

impl Comparison {
    fn holds(&self, value: &str) -> bool {
        // A day compares with a moment by its day.
        let same_length = |other: &str| {
            let most = value.chars().count().min(other.chars().count());
            (value.chars().take(most).collect::<String>(), other.chars().take(most).collect::<String>())
        };
        match self {
            Self::Equal(other) => value.to_lowercase() == other.to_lowercase(),
            Self::NotEqual(other) => value.to_lowercase() != other.to_lowercase(),
            Self::Like(pattern) => pattern.fits(value),
            Self::Less(other, same) => {
                let (value, other) = same_length(other);
                value < other || (*same && value == other)
            }
            Self::Greater(other, same) => {
                let (value, other) = same_length(other);
                value > other || (*same && value == other)
            }
        }
    }
}

impl Pattern {
    /// A pattern with its own signs for wildcard, single character and escape.
    pub fn new(text: &str, any: char, one: char, escape: char) -> Self {
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let token = match c {
                c if c == escape => chars.next().map(Token::Char),
                c if c == any => Some(Token::Any),
                c if c == one => Some(Token::One),
                c => Some(Token::Char(c)),
            };
            match token {
                Some(Token::Char(c)) => tokens.extend(c.to_lowercase().map(Token::Char)),
                Some(Token::Any) if tokens.last() == Some(&Token::Any) => {}
                Some(token) => tokens.push(token),
                None => {}
            }
        }
        Self(tokens)
    }

    /// True when it fits a part of the text.
    fn occurs_in(&self, text: &str) -> bool {
        let mut tokens = vec![Token::Any];
        tokens.extend(self.0.iter().copied().skip_while(|token| *token == Token::Any));
        if tokens.last() != Some(&Token::Any) {
            tokens.push(Token::Any);
        }
        Self(tokens).fits(text)
    }

    /// Linear in text times pattern: the last wildcard is the only place to go back to.
    fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        let (mut at, mut token) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(token) {
                Some(Token::Any) => {
                    back = Some((at, token));
                    token += 1;
                }
                Some(Token::One) => {
                    at += 1;
                    token += 1;
                }
                Some(Token::Char(c)) if *c == text[at] => {
                    at += 1;
                    token += 1;
                }
                _ => match back {
                    Some((from, wild)) => {
                        at = from + 1;
                        token = wild + 1;
                        back = Some((from + 1, wild));
                    }
                    None => return false,
                },
            }
        }
        self.0[token..].iter().all(|token| *token == Token::Any)
    }
}

fn read(tree: &Tree, depth: usize) -> Result<Filter, String> {
    if depth > DEEPEST {
        return Err("the filter is too deep".to_owned());
    }
    let inner = || tree.children.iter().map(|child| read(child, depth + 1)).collect::<Result<Vec<_>, _>>();
    let text = |name: &str| tree.find(name).map(|found| found.text.trim().to_owned());
    let property = || Property::read(&text("PropertyName").ok_or("no PropertyName")?);
    let literal = || text("Literal").ok_or_else(|| "no Literal".to_owned());
    let compare = |comparison: Comparison| Ok(Filter::Compare(property()?, comparison));
    match tree.name.as_str() {
        "And" => Ok(Filter::And(inner()?)),
        "Or" => Ok(Filter::Or(inner()?)),
        "Not" => match inner()?.pop() {
            Some(filter) if tree.children.len() == 1 => Ok(Filter::Not(Box::new(filter))),
            _ => Err("Not has one operator".to_owned()),
        },
        "PropertyIsEqualTo" => compare(Comparison::Equal(literal()?)),
        "PropertyIsNotEqualTo" => compare(Comparison::NotEqual(literal()?)),
        "PropertyIsLessThan" => compare(Comparison::Less(literal()?, false)),
        "PropertyIsLessThanOrEqualTo" => compare(Comparison::Less(literal()?, true)),
        "PropertyIsGreaterThan" => compare(Comparison::Greater(literal()?, false)),
        "PropertyIsGreaterThanOrEqualTo" => compare(Comparison::Greater(literal()?, true)),
        "PropertyIsLike" => {
            let sign =
                |names: &[&str], usual: char| names.iter().find_map(|name| tree.attribute(name)?.chars().next()).unwrap_or(usual);
            let pattern = Pattern::new(
                &literal()?,
                sign(&["wildCard"], '%'),
                sign(&["singleChar"], '_'),
                sign(&["escapeChar", "escape"], '\\'),
            );
            // A word without wildcards is looked for anywhere in a text.
            let free = !pattern.0.contains(&Token::Any) && property()? == Property::AnyText;
            let pattern = if free { Pattern([vec![Token::Any], pattern.0, vec![Token::Any]].concat()) } else { pattern };
            compare(Comparison::Like(pattern))
        }
        "BBOX" => area(tree).map(Filter::Box),
        other => Err(format!("no operator '{}'", other.chars().take(40).collect::<String>())),
    }
}

fn area(tree: &Tree) -> Result<[f64; 4], String> {
    let envelope = tree.find("Envelope").ok_or("a BBOX has an Envelope")?;
    let corner = |name: &str| -> Option<[f64; 2]> {
        let text = &envelope.find(name)?.text;
        let mut numbers = text.split([' ', ',', '\n']).filter(|part| !part.is_empty()).map(str::parse::<f64>);
        Some([numbers.next()?.ok()?, numbers.next()?.ok()?])
    };
    let (low, high) = (corner("lowerCorner").ok_or("no lowerCorner")?, corner("upperCorner").ok_or("no upperCorner")?);
    // The code of EPSG by its URN has latitude first, the short form and CRS84 longitude (OGC 06-121r9, 10.2).
    let name = envelope.attribute("srsName").unwrap_or_default();
    let latitude_first = name.contains("def:crs:EPSG") || name.contains("/def/crs/EPSG");
    Ok(if latitude_first { [low[1], low[0], high[1], high[0]] } else { [low[0], low[1], high[0], high[1]] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_they_should_and_in_time() {
        let fits = |pattern: &str, text: &str| Pattern::new(pattern, '%', '_', '\\').fits(text);
        assert!(fits("%bild%", "Luftbilder") && fits("l_ft%", "Luft") && fits("%", "") && fits("a\\%b", "A%B"));
        assert!(!fits("bild", "Luftbild") && !fits("a\\%b", "axb") && !fits("_", ""));
        // Exponential in a naive matcher.
        assert!(!fits(&"%a".repeat(30), &"b".repeat(3_000)));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let parse = |inner: &str| Filter::read(&Tree::parse(&format!("<Filter>{inner}</Filter>")).unwrap());
        for bad in [
            "",
            "<Within/>",
            "<PropertyIsEqualTo><PropertyName>x:password</PropertyName><Literal>1</Literal></PropertyIsEqualTo>",
            "<PropertyIsEqualTo/>",
            "<Not/>",
            "<BBOX/>",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let deep = format!("{}{}{}", "<Not>".repeat(40), "<BBOX/>", "</Not>".repeat(40));
        assert!(parse(&deep).is_err());
    }
}
