//! Replaces variables as Compose does, and parses the files that define them.

/// Returns the value of a variable.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A problem found during variable replacement.
#[derive(Debug, PartialEq)]
pub(crate) enum Fault {
    /// The variable has no value and no default. It is replaced with an empty string.
    Unset(String),
    /// `${NAME:?message}` without a value. Compose refuses the file.
    Required { name: String, message: String },
    /// A `$` without a valid variable. Compose refuses the file.
    Malformed,
}

/// Replaces `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:+text}`, `${NAME+text}`,
/// `${NAME:?message}` and `${NAME?message}`; `$$` is a dollar sign.
pub(crate) fn replaced(text: &str, lookup: Lookup<'_>, faults: &mut Vec<Fault>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((inner, after)) = rest.strip_prefix('{').and_then(closed) {
            rest = after;
            if let Some(value) = expression(inner, lookup, faults) {
                result.push_str(&value);
            } else {
                faults.push(Fault::Malformed);
                result.push_str("${");
                result.push_str(inner);
                result.push('}');
            }
        } else {
            let length = name_length(rest);
            if length == 0 {
                faults.push(Fault::Malformed);
                result.push('$');
                continue;
            }
            let (name, after) = rest.split_at(length);
            rest = after;
            result.push_str(&plain(name, lookup, faults));
        }
    }
    result.push_str(rest);
    result
}

/// Returns the length in bytes of the variable name at the start of `text`.
pub(crate) fn name_length(text: &str) -> usize {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}

/// Splits `text` at the closing brace. Braces may be nested.
pub(crate) fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

fn plain(name: &str, lookup: Lookup<'_>, faults: &mut Vec<Fault>) -> String {
    lookup(name).unwrap_or_else(|| {
        faults.push(Fault::Unset(name.to_owned()));
        String::new()
    })
}

/// Evaluates the expression between braces. Returns `None` if it is invalid.
pub(crate) fn expression(inner: &str, lookup: Lookup<'_>, faults: &mut Vec<Fault>) -> Option<String> {
    let (name, rest) = inner.split_at(name_length(inner));
    if name.is_empty() {
        return None;
    }
    if rest.is_empty() {
        return Some(plain(name, lookup, faults));
    }
    let (nonempty, rest) = match rest.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let value = lookup(name).filter(|value| !(nonempty && value.is_empty()));
    let mut chars = rest.chars();
    let operator = chars.next()?;
    let word = chars.as_str();
    Some(match (operator, value) {
        ('-' | '?', Some(value)) => value,
        ('-', None) | ('+', Some(_)) => replaced(word, lookup, faults),
        ('+', None) => String::new(),
        ('?', None) => {
            let message = replaced(word, lookup, faults);
            faults.push(Fault::Required {
                name: name.to_owned(),
                message,
            });
            String::new()
        }
        _ => return None,
    })
}

/// Returns the variables of an `.env` file in order. A name without a value has the value that `lookup` returns.
pub(crate) fn env_file(text: &str, lookup: Lookup<'_>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let begin = line.trim();
        let begin = begin.strip_prefix("export ").map_or(begin, str::trim_start);
        let length = begin.find(['=', ' ', '\t']).unwrap_or(begin.len());
        let name = begin[..length].to_owned();
        if begin.starts_with('#') || name.is_empty() {
            rest = after;
            continue;
        }
        let Some(raw) = begin[length..].trim_start().strip_prefix('=').map(str::trim) else {
            rest = after;
            all.extend(lookup(&name).map(|value| (name, value)));
            continue;
        };
        let known = |wanted: &str| {
            let earlier = || all.iter().rev().find(|(name, _)| name == wanted);
            lookup(wanted).or_else(|| earlier().map(|(_, value)| value.clone()))
        };
        let mut faults = Vec::new();
        let value = if let Some(quote @ ('"' | '\'')) = raw.chars().next() {
            // A quoted value may span several lines.
            let from = text_after(rest, raw);
            let (value, after) = quoted(from, quote);
            rest = after.split_once('\n').map_or("", |(_, after)| after);
            if quote == '"' {
                replaced(&value, &known, &mut faults)
            } else {
                value
            }
        } else {
            rest = after;
            let comment = raw.find(" #").unwrap_or(raw.len());
            replaced(raw[..comment].trim_end(), &known, &mut faults)
        };
        all.push((name, value));
    }
    all
}

/// Returns the rest of `text` from the start of `part`, which occurs in it.
fn text_after<'a>(text: &'a str, part: &str) -> &'a str {
    text.find(part).map_or("", |at| &text[at..])
}

/// Returns a quoted text without its quotes, and the text after it.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return (value, &text[at + c.len_utf8()..]);
        }
        if c == '\\' && quote == '"' {
            match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                // `\$` is a dollar sign, which must be `$$` for the replacement that follows.
                Some((_, '$')) => value.push_str("$$"),
                Some((_, other)) => value.push(other),
                None => {}
            }
        } else {
            value.push(c);
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_as_compose_does() {
        for (text, right) in [
            ("$A-${A}", "a-a"),
            ("${A:-x}${A-x}${A:?x}${A?x}", "aaaa"),
            ("${B:-x}${B-y}${EMPTY:-z}", "xyz"),
            ("${EMPTY-z}|${EMPTY?z}", "|"),
            ("${A:+yes}${B:+no}${EMPTY+set}${EMPTY:+no}", "yesset"),
            ("${B:-${C:-${A}}}", "a"),
            ("${B:-$A.0/24}", "a.0/24"),
            ("$$A $${B}", "$A ${B}"),
            ("no variable", "no variable"),
        ] {
            let mut faults = Vec::new();
            assert_eq!(replaced(text, &value, &mut faults), right, "{text}");
            assert_eq!(faults, [], "{text}");
        }
    }

    #[test]
    fn what_has_no_value_is_reported() {
        let faults = |text: &str| {
            let mut faults = Vec::new();
            (replaced(text, &value, &mut faults), faults)
        };
        assert_eq!(
            faults("x$B"),
            ("x".to_owned(), vec![Fault::Unset("B".to_owned())])
        );
        let required = Fault::Required {
            name: "B".to_owned(),
            message: "say b".to_owned(),
        };
        assert_eq!(faults("${B:?say b}").1, [required]);
        for text in ["$(date)", "${B", "100$", "${B!x}", "${}"] {
            assert_eq!(faults(text), (text.to_owned(), vec![Fault::Malformed]), "{text}");
        }
    }

    #[test]
    fn env_files_are_read_as_compose_does() {
        let text = "# comment\nexport X=1\nQ=\"two words\\n\" # x\nS='$A'\nU=a b # c\nD=${X}-$A\nA\nNONE\nE=\nM=\"1\n2\"\nL = last\n";
        let all = env_file(text, &value);
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            all,
            [
                own("X", "1"),
                own("Q", "two words\n"),
                own("S", "$A"),
                own("U", "a b"),
                own("D", "1-a"),
                own("A", "a"),
                own("E", ""),
                own("M", "1\n2"),
                own("L", "last"),
            ]
        );
    }
}
