//! The names, labels and compared values in a PromQL expression. Enough for our rules, strict about the rest: a word
//! that is neither a function of the list nor a metric is taken for a metric, which then is not exposed.

use std::collections::BTreeSet;

/// What an expression asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Series names.
    pub metrics: BTreeSet<String>,
    /// Label, and the values that it is compared with, by metric; alternatives of a pattern each for itself.
    pub matches: BTreeSet<(String, String, String)>,
    /// Labels in `by`, `without`, `on`, `ignoring`.
    pub grouped: BTreeSet<String>,
}

const WORDS: &[&str] = &[
    "absent",
    "and",
    "avg",
    "bool",
    "count",
    "histogram_quantile",
    "increase",
    "label_values",
    "max",
    "min",
    "or",
    "rate",
    "sum",
    "time",
    "topk",
    "unless",
];
const GROUPING: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Reads an expression.
///
/// # Panics
/// When it is not closed.
pub fn read(expression: &str) -> Query {
    let tokens = tokens(expression);
    let mut query = Query::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Token::Word(word) = token else { continue };
        if GROUPING.contains(&word.as_str()) {
            let end = close(&tokens, at, ')', expression);
            for token in &tokens[at..end] {
                if let Token::Word(label) = token {
                    query.grouped.insert(label.clone());
                }
            }
            at = end;
        } else if !WORDS.contains(&word.as_str()) && !word.starts_with(|first: char| first.is_ascii_digit()) {
            query.metrics.insert(word.clone());
            if tokens.get(at) == Some(&Token::Sign('{')) {
                let end = close(&tokens, at, '}', expression);
                matchers(word, &tokens[at + 1..end], &mut query);
                at = end;
            }
        }
    }
    query
}

fn matchers(metric: &str, tokens: &[Token], query: &mut Query) {
    let mut label = None;
    for token in tokens {
        match token {
            Token::Word(word) => label = Some(word.clone()),
            Token::Text(text) => {
                let label = label.take().unwrap_or_else(|| panic!("{metric}: {text:?} without a label"));
                for value in text.split('|') {
                    query.matches.insert((metric.to_owned(), label.clone(), value.to_owned()));
                }
            }
            Token::Sign(_) => {}
        }
    }
}

fn close(tokens: &[Token], from: usize, sign: char, expression: &str) -> usize {
    let found = tokens[from..].iter().position(|token| *token == Token::Sign(sign));
    from + found.unwrap_or_else(|| panic!("no {sign} in {expression}"))
}

/// Ranges (`[5m]`) and white space are left out.
fn tokens(expression: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let end = rest[1..].find('"').unwrap_or_else(|| panic!("an open quote in {expression}"));
                tokens.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            '[' => rest.find(']').unwrap_or_else(|| panic!("an open range in {expression}")) + 1,
            _ if first.is_ascii_alphanumeric() || first == '_' => {
                let word = |letter: char| letter.is_ascii_alphanumeric() || "_:.".contains(letter);
                let end = rest.find(|letter| !word(letter)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                end
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push(Token::Sign(first));
                }
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

#[test]
fn names_labels_and_values_are_found_and_functions_are_not() {
    let query = read(r#"sum by (job, le) (rate(a_total{code=~"429|503",x!="y"}[5m])) / on (job) b > 0.1"#);
    let words = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>();
    assert_eq!(words(&query.metrics), ["a_total", "b"]);
    assert_eq!(words(&query.grouped), ["job", "le"]);
    let matches: Vec<_> = query.matches.iter().map(|(_, label, value)| format!("{label} {value}")).collect();
    assert_eq!(matches, ["code 429", "code 503", "x y"]);
}
