//! Parses `redis.conf` directives in files and command lines.

/// Directives that may occur on several lines and accumulate.
const ADDED_UP: [&str; 2] = ["save", "client-output-buffer-limit"];

/// Directives that may occur on several lines, each independent of the others.
const REPEATED: [&str; 4] = ["user", "include", "loadmodule", "rename-command"];

/// Returns the directives of a file in order.
pub(crate) fn lines(text: &str) -> Vec<(String, String)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| directive(&arguments(line)))
        .collect()
}

/// Returns a directive from its words. Words with spaces are quoted, as in `redis.conf`.
pub(crate) fn directive(words: &[String]) -> Option<(String, String)> {
    let (name, values) = words.split_first()?;
    let value = match values {
        [one] if one.is_empty() => String::new(),
        _ => values
            .iter()
            .map(|value| quoted(value))
            .collect::<Vec<_>>()
            .join(" "),
    };
    Some((name.to_ascii_lowercase(), value))
}

fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'') {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
}

/// Splits a line into words as the server does.
fn arguments(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while chars.peek().is_some() {
        if chars.next_if(|c| c.is_whitespace()).is_some() {
            continue;
        }
        let mut word = String::new();
        while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
            if !matches!(c, '"' | '\'') {
                word.push(c);
                continue;
            }
            while let Some(inner) = chars.next_if(|inner| *inner != c) {
                match (inner, chars.peek()) {
                    ('\\', Some(next)) if c == '"' || *next == '\'' => {
                        word.push(*next);
                        chars.next();
                    }
                    _ => word.push(inner),
                }
            }
            chars.next();
        }
        words.push(word);
    }
    words
}

/// Merges repeated directives as the server does: the last one wins, or the values accumulate.
pub(crate) fn joined(all: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut once: Vec<(String, String)> = Vec::new();
    for (name, value) in all {
        let known = once.iter_mut().find(|(known, _)| *known == name);
        match known.filter(|_| !REPEATED.contains(&name.as_str())) {
            // An empty `save` removes the previous values.
            Some((_, known)) if ADDED_UP.contains(&name.as_str()) && !value.is_empty() => {
                if !known.is_empty() {
                    known.push(' ');
                }
                known.push_str(&value);
            }
            Some((_, known)) => *known = value,
            None => once.push((name, value)),
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let all = joined(lines(text)).into_iter();
        all.map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn later_lines_win_or_are_added_as_the_server_does_it() {
        assert_eq!(
            read("# x\nsave 900 1\n\n  Save 300 10\nloglevel notice\nloglevel debug\n"),
            ["save=900 1 300 10", "loglevel=debug"]
        );
        assert_eq!(read("save 900 1\nsave \"\"\n"), ["save="]);
        assert_eq!(read("save \"\"\nsave 60 1\n"), ["save=60 1"]);
        assert_eq!(read("user a on\nuser b on\n"), ["user=a on", "user=b on"]);
    }

    #[test]
    fn quotes_are_kept_only_where_they_are_needed() {
        assert_eq!(
            read("loglevel 'notice'\nmaxmemory-policy \"allkeys-lru\"\nproc-title-template \"a \\\" b\"\n"),
            [
                "loglevel=notice",
                "maxmemory-policy=allkeys-lru",
                "proc-title-template=\"a \\\" b\""
            ]
        );
    }
}
