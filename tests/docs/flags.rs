//! The flags as clap knows them.

use clap::{Arg, ArgAction, CommandFactory as _};
use itcare_operator::cli::Cli;

/// The reference of the command line.
pub fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut text = String::from(
        "<!-- Generated from the flags' definitions: UPDATE_DOCS=1 cargo test --test docs generated -->\n\
         # Command line\n\n",
    );
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        text.push_str(&format!("## {} {}\n\n", command.get_name(), sub.get_name()));
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("{about}\n\n"));
        let arguments: Vec<&Arg> = sub
            .get_arguments()
            .filter(|argument| argument.get_long().is_some_and(|long| long != "help"))
            .collect();
        if arguments.is_empty() {
            continue;
        }
        text.push_str("| Flag | Environment | Default | Meaning |\n| --- | --- | --- | --- |\n");
        for argument in arguments {
            text.push_str(&row(argument));
        }
        text.push('\n');
    }
    text.push_str(
        "Durations are `500ms`, `30s`, `5m`, `2h`. A repeatable flag is given once for each value. The client secret \
         may also be given itself, in the environment variable `ITCARE_CLIENT_SECRET`; there is no flag for it, since \
         a process list would show it. The cluster is that of `KUBECONFIG`, of `~/.kube/config`, or the one in whose \
         pod the operator runs.\n",
    );
    text
}

fn row(argument: &Arg) -> String {
    let long = argument.get_long().expect("only those with a name are shown");
    let value = argument.get_value_names().filter(|_| argument.get_action().takes_values());
    let value = value.and_then(<[_]>::first).map(|name| format!("={name}")).unwrap_or_default();
    let environment =
        argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    // clap takes the full stop off a comment of one sentence.
    if !help.ends_with('.') {
        help.push('.');
    }
    let words: Vec<_> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !words.is_empty() {
        help.push_str(&format!(" One of {}.", words.join(", ")));
    }
    if matches!(argument.get_action(), ArgAction::Append) && !help.contains("repeatable") {
        help.push_str(" Repeatable.");
    }
    format!(
        "| `--{long}{value}` | {environment} | {} | {} |\n",
        defaults.join(", "),
        help.replace('|', "\\|")
    )
}

#[test]
fn every_flag_has_a_meaning_and_the_secret_has_no_flag() {
    let page = page();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `--")).collect();
    assert!(rows.len() >= 28, "{}", rows.len());
    for row in &rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        assert!(cells.last().is_some_and(|meaning| meaning.len() > 10), "{row}");
        assert!(!row.starts_with("| `--itcare-client-secret="), "{row}");
    }
}

#[test]
fn the_readme_tells_every_flag() {
    let readme = include_str!("../../README.md");
    for line in page().lines().filter_map(|line| line.strip_prefix("| `--")) {
        let flag = line.split(['=', '`']).next().unwrap_or_default();
        let documented = readme.contains(&format!("--{flag}"));
        assert!(documented, "README.md does not tell --{flag}");
    }
}
