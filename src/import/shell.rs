//! Finds the commands in a shell script without running it.

use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;

use crate::import::variables::{Lookup, expression, name_length};

/// Keywords that a command can follow.
const KEYWORDS: [&str; 10] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "exec",
];

/// A command with its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Simple {
    pub(crate) words: Vec<String>,
    /// Whether it is in a loop or in the condition of a loop.
    pub(crate) in_loop: bool,
    /// Whether it is in a `for` loop.
    pub(crate) in_for: bool,
}

/// Checks whether a word contains an expansion that only a shell can evaluate.
pub(crate) fn is_unknown(word: &str) -> bool {
    word.contains(['$', '`'])
}

/// Checks whether a word is a host and a port.
pub(crate) fn is_address(word: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    word.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && !host.contains(['/', '=']) && is_port(port))
}

/// Splits a text into words without a shell: only quotes are special, and are removed.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut reader = Reader::new(text, &|_| None);
    reader.plain = true;
    while reader.step() {}
    reader.end_word();
    reader.current.words
}

/// Returns the commands of a script. `lookup` returns environment variables.
pub(crate) fn script(text: &str, lookup: Lookup<'_>) -> Vec<Simple> {
    let mut reader = Reader::new(text, lookup);
    while reader.step() {}
    reader.end_command();
    reader.commands
}

/// The kind of the next word.
#[derive(Default, PartialEq)]
enum Next {
    /// The program name or an argument.
    #[default]
    Argument,
    /// The file of a redirection.
    File,
    /// The delimiter of a here-document.
    Delimiter,
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    lookup: Lookup<'a>,
    /// Whether operators, variables and comments are plain text.
    plain: bool,
    /// Variables that the script sets.
    variables: HashMap<String, String>,
    commands: Vec<Simple>,
    current: Simple,
    /// The current word. It can be empty if it was quoted.
    word: Option<String>,
    /// Whether the word was quoted, at least in part. Such a word is neither a keyword nor a comment.
    is_quoted: bool,
    /// The kind of the next word.
    next: Next,
    /// The loops around the current command; `true` for a `for` loop.
    loops: Vec<bool>,
    /// Delimiters of here-documents that begin on the next line.
    heredocs: Vec<String>,
    /// Whether a line ended after the last word.
    broken: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, lookup: Lookup<'a>) -> Self {
        Self {
            chars: text.chars().peekable(),
            lookup,
            plain: false,
            variables: HashMap::new(),
            commands: Vec::new(),
            current: Simple::default(),
            word: None,
            is_quoted: false,
            next: Next::Argument,
            loops: Vec::new(),
            heredocs: Vec::new(),
            broken: false,
        }
    }

    /// Reads one character or a group of characters. Returns `false` at the end.
    fn step(&mut self) -> bool {
        let Some(c) = self.chars.next() else {
            return false;
        };
        match c {
            '\\' => match self.chars.next() {
                None | Some('\n') => {}
                Some(next) => self.push(next),
            },
            '\'' => {
                self.is_quoted = true;
                let word = self.word.get_or_insert_default();
                word.extend(self.chars.by_ref().take_while(|c| *c != '\''));
            }
            '"' => self.double_quoted(),
            '\n' if !self.plain => self.end_line(),
            c if c.is_whitespace() => self.end_word(),
            c if self.plain => self.push(c),
            '#' if self.word.is_none() => while self.chars.next_if(|c| *c != '\n').is_some() {},
            '$' => {
                let value = self.expansion();
                self.split_in(&value);
            }
            '`' => {
                let text: String = self.chars.by_ref().take_while(|c| *c != '`').collect();
                self.append(&format!("`{text}`"));
            }
            '>' | '<' => self.redirection(c),
            ';' | '&' | '|' | '(' | ')' => self.end_command(),
            c => self.push(c),
        }
        true
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn append(&mut self, text: &str) {
        self.word.get_or_insert_default().push_str(text);
    }

    /// Appends the value of a variable and splits it into words at spaces.
    fn split_in(&mut self, value: &str) {
        if is_unknown(value) {
            self.append(value);
            return;
        }
        for c in value.chars() {
            if c.is_whitespace() {
                self.end_word();
            } else {
                self.push(c);
            }
        }
    }

    fn double_quoted(&mut self) {
        self.is_quoted = true;
        self.word.get_or_insert_default();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return,
                '\\' => match self.chars.next() {
                    Some('\n') | None => {}
                    Some(next @ ('"' | '\\' | '$' | '`')) => self.push(next),
                    Some(next) => {
                        self.push('\\');
                        self.push(next);
                    }
                },
                '$' if !self.plain => {
                    let value = self.expansion();
                    self.append(&value);
                }
                c => self.push(c),
            }
        }
    }

    /// Returns the value of the expression after a `$`, or the expression itself if only a shell can evaluate it.
    fn expansion(&mut self) -> String {
        match self.chars.peek() {
            Some('(') => format!("${}", self.enclosed('(', ')')),
            Some('{') => {
                let text = self.enclosed('{', '}');
                let inner = text.trim_start_matches('{').trim_end_matches('}').to_owned();
                let mut faults = Vec::new();
                let value = expression(&inner, &|name| self.variable(name), &mut faults);
                value
                    .filter(|_| faults.is_empty())
                    .unwrap_or_else(|| format!("${text}"))
            }
            Some(_) => {
                let rest: String = self.chars.clone().take(64).collect();
                let name = &rest[..name_length(&rest)];
                for _ in name.chars() {
                    self.chars.next();
                }
                self.variable(name).unwrap_or_else(|| format!("${name}"))
            }
            None => "$".to_owned(),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        let own = self.variables.get(name).cloned();
        own.or_else(|| (self.lookup)(name))
    }

    /// Returns a text in brackets, including the brackets.
    fn enclosed(&mut self, open: char, close: char) -> String {
        let mut text = String::new();
        let mut depth = 0_usize;
        for c in self.chars.by_ref() {
            text.push(c);
            if c == open {
                depth += 1;
            } else if c == close {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
        }
        text
    }

    /// Starts a redirection. Its file is not an argument of the command.
    fn redirection(&mut self, c: char) {
        // In `2>`, the number is a file descriptor and not an argument.
        if self
            .word
            .as_ref()
            .is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()))
        {
            self.word = None;
        }
        self.end_word();
        let is_heredoc = c == '<' && self.chars.next_if_eq(&'<').is_some();
        if is_heredoc {
            self.chars.next_if_eq(&'-');
            self.next = Next::Delimiter;
            return;
        }
        while self.chars.next_if(|c| matches!(c, '>' | '&' | '|')).is_some() {}
        self.next = Next::File;
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else {
            return;
        };
        let is_quoted = std::mem::take(&mut self.is_quoted);
        match std::mem::take(&mut self.next) {
            Next::Argument => {}
            Next::File => return,
            Next::Delimiter => {
                self.heredocs.push(word);
                return;
            }
        }
        if std::mem::take(&mut self.broken) && !(word.starts_with('-') || is_address(&word)) {
            self.close();
        }
        if self.plain || is_quoted || !self.current.words.is_empty() {
            self.current.words.push(word);
            return;
        }
        match word.as_str() {
            "while" | "until" => self.loops.push(false),
            "for" => self.loops.push(true),
            "done" => {
                self.loops.pop();
            }
            _ => {}
        }
        if !KEYWORDS.contains(&word.as_str()) {
            self.current.words.push(word);
        }
    }

    /// Ends a line. An argument on a separate line still belongs to the previous command: a folded block of YAML keeps
    /// the line breaks around indented lines, and a word that begins with `-` or is an address is not meant as a
    /// command.
    fn end_line(&mut self) {
        self.end_word();
        if self.heredocs.is_empty() {
            self.broken = !self.current.words.is_empty();
            return;
        }
        self.close();
        for end in std::mem::take(&mut self.heredocs) {
            loop {
                let line: String = self.chars.by_ref().take_while(|c| *c != '\n').collect();
                if line.trim() == end || self.chars.peek().is_none() {
                    break;
                }
            }
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.close();
    }

    fn close(&mut self) {
        self.broken = false;
        self.next = Next::Argument;
        let mut command = std::mem::take(&mut self.current);
        command.in_loop = !self.loops.is_empty();
        command.in_for = self.loops.contains(&true);
        if command.words.is_empty() {
            return;
        }
        let assigned: Option<Vec<(String, String)>> =
            command.words.iter().map(|word| assignment(word)).collect();
        for (name, value) in assigned.unwrap_or_default() {
            // The number of iterations is unknown, and therefore also the value of a variable that a loop sets.
            let value = if command.in_loop {
                format!("${name}")
            } else {
                value
            };
            self.variables.insert(name, value);
        }
        self.commands.push(command);
    }
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let is_name = !name.is_empty() && name_length(name) == name.len();
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let lookup = |name: &str| (name == "NODES").then(|| "a:1 b:2".to_owned());
        let commands = script(text, &lookup);
        commands.iter().map(|command| command.words.join("|")).collect()
    }

    #[test]
    fn words_lose_their_quotes() {
        assert_eq!(
            words("a 'b c' \"d \\\" e\" f\\ g '' x;y >z $H #i"),
            ["a", "b c", "d \" e", "f g", "", "x;y", ">z", "$H", "#i"]
        );
    }

    #[test]
    fn a_script_is_split_into_commands() {
        assert_eq!(
            read("a 1 && b 2 || (c; d) # e\nif f; then exec g > /dev/null 2>&1; fi & wait"),
            ["a|1", "b|2", "c", "d", "f", "g", "fi", "wait"]
        );
        assert_eq!(read("cat > x <<EOF\nin it\nEOF\nafter\n"), ["cat", "after"]);
    }

    #[test]
    fn variables_of_the_script_and_the_environment_are_known() {
        assert_eq!(
            read("R=1\ncreate $NODES \"$NODES\" ${R:-2} ${S:-3} $S $(hostname -i):1"),
            ["R=1", "create|a:1|b:2|a:1 b:2|1|3|$S|$(hostname -i):1"]
        );
        assert_eq!(
            read("for i in 1 2; do n=\"$n x:$i\"; done; create $n"),
            ["for|i|in|1|2", "n=$n x:$i", "done", "create|$n"]
        );
    }

    #[test]
    fn loops_are_known() {
        let commands = script(
            "until ping; do sleep 1; done; sleep 2; for i in 1; do x; done",
            &|_| None,
        );
        let seen: Vec<_> = commands
            .iter()
            .map(|command| (command.words.join(" "), command.in_loop, command.in_for))
            .collect();
        let own = |text: &str, in_loop, in_for| (text.to_owned(), in_loop, in_for);
        assert!(seen.contains(&own("sleep 1", true, false)), "{seen:?}");
        assert!(seen.contains(&own("sleep 2", false, false)), "{seen:?}");
        assert!(seen.contains(&own("x", true, true)), "{seen:?}");
    }

    #[test]
    fn arguments_on_lines_of_their_own_belong_to_the_command() {
        assert_eq!(
            read("create\n  a:1\n  b:2\n  --replicas 1\n&& next\nlast"),
            ["create|a:1|b:2|--replicas|1", "next", "last"]
        );
    }
}
