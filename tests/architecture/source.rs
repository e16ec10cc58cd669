//! One source file as the rules see it: its code without comments and strings, and the paths in it.
//!
//! Not a parser. Paths that begin with `crate`, with the crate's name or with `super` are followed to
//! the first module below the root; that is all the rules ask.

/// A file and its text.
pub struct Source {
    /// Its path below the root of the repository.
    pub name: String,
    /// Its text as it stands.
    pub text: String,
}

/// A use of a module at the root of the crate.
#[derive(Debug, PartialEq, Eq)]
pub struct Use {
    /// Counted from one.
    pub line: usize,
    /// The module.
    pub module: String,
}

/// Whether text in quotes counts as code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Strings {
    /// It does.
    Kept,
    /// It becomes blanks.
    Blanked,
}

impl Source {
    /// A file of that name below the root.
    pub fn new(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text }
    }

    /// The module at the root of the crate that the file belongs to.
    pub fn module(&self) -> String {
        self.path().first().cloned().unwrap_or_default()
    }

    /// The path of the file's module, `decide::instance::pass`.
    fn path(&self) -> Vec<String> {
        let name = self.name.strip_prefix("src/").unwrap_or(&self.name);
        let name = name.strip_suffix(".rs").unwrap_or(name);
        name.strip_suffix("/mod").unwrap_or(name).split('/').map(str::to_owned).collect()
    }

    /// The text with comments blanked; every other character stays on its line.
    pub fn code(&self, strings: Strings) -> String {
        blank(&self.text, strings)
    }

    /// The modules at the root of the crate that the code names, in its order.
    pub fn uses(&self) -> Vec<Use> {
        let tokens = tokens(&self.code(Strings::Blanked));
        let mut found = Vec::new();
        for at in 0..tokens.len() {
            // `pub(crate)` is followed by no `::`, and the middle of a path starts none.
            let starts = at == 0 || tokens[at - 1].text != "::";
            if !starts || tokens.get(at + 1).is_none_or(|next| next.text != "::") {
                continue;
            }
            match tokens[at].text.as_str() {
                "crate" | "itcare_operator" => heads(&tokens[at + 2..], &mut found),
                "super" => {
                    let supers = tokens[at..]
                        .chunks(2)
                        .take_while(|pair| pair[0].text == "super" && pair.len() == 2 && pair[1].text == "::")
                        .count();
                    if supers >= self.path().len() {
                        heads(&tokens[at + 2 * supers..], &mut found);
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// The lines whose code has `word`, a word or a path of words.
    pub fn lines_with(&self, word: &str) -> Vec<usize> {
        let code = self.code(Strings::Blanked);
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        let stands_alone = |line: &str, at: usize| {
            !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
        };
        code.lines()
            .enumerate()
            .filter(|(_, line)| line.match_indices(word).any(|(at, _)| stands_alone(line, at)))
            .map(|(at, _)| at + 1)
            .collect()
    }
}

struct Token {
    line: usize,
    text: String,
}

/// Words, `::` and single characters.
fn tokens(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (at, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word =
                rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                length => length,
            };
            tokens.push(Token { line: at + 1, text: rest[..length].to_owned() });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The first names of the paths that begin here: one, or one for each entry of a brace.
fn heads(tokens: &[Token], into: &mut Vec<Use>) {
    let Some(first) = tokens.first() else { return };
    if first.text != "{" {
        into.push(Use { line: first.line, module: first.text.clone() });
        return;
    }
    let (mut depth, mut begins) = (0_usize, true);
    for token in tokens {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return,
            "}" => depth -= 1,
            "," if depth == 1 => begins = true,
            _ if depth == 1 && begins => {
                into.push(Use { line: token.line, module: token.text.clone() });
                begins = false;
            }
            _ => {}
        }
    }
}

fn blank(text: &str, strings: Strings) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (length, keep) = match rest {
            _ if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            _ if rest.starts_with("/*") => (block_comment(rest), false),
            _ => match literal(rest, code.chars().next_back()) {
                Some(length) => (length, strings == Strings::Kept),
                None => (rest.chars().next().map_or(1, char::len_utf8), true),
            },
        };
        let (piece, after) = rest.split_at(length);
        if keep {
            code.push_str(piece);
        } else {
            code.extend(piece.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    code
}

/// The length of the comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the string or character that begins here, if one does.
fn literal(text: &str, before: Option<char>) -> Option<usize> {
    if let Some(inner) = text.strip_prefix('"') {
        return Some(1 + closing(inner, '"'));
    }
    if let Some(inner) = text.strip_prefix('\'') {
        // A lifetime has no closing quote behind its first letter.
        let one = inner.chars().next()?;
        let is_character = one == '\\' || inner[one.len_utf8()..].starts_with('\'');
        return is_character.then(|| 1 + closing(inner, '\''));
    }
    let in_word = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r')).filter(|_| !in_word)?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    let inner = raw[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(text.len() - inner.len() + length)
}

/// The length up to and with the closing quote.
fn closing(inner: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in inner.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    inner.len()
}
