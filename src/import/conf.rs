//! The lines of a `redis.conf`, whether they stand in a file or in a command.

/// Directives that a server reads from several lines, each of which adds to those before it.
const ADDED_UP: [&str; 2] = ["save", "client-output-buffer-limit"];

/// The directives of a file, in its order.
pub(crate) fn lines(text: &str) -> Vec<(String, String)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect()
}

/// Each directive once, with what the server makes of all its lines: a later one wins, or is added.
pub(crate) fn joined(all: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut once: Vec<(String, String)> = Vec::new();
    for (name, value) in all {
        let value = if value == "\"\"" || value == "''" {
            String::new()
        } else {
            value
        };
        match once.iter_mut().find(|(known, _)| *known == name) {
            // An empty `save` takes back those before it.
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
    }
}
