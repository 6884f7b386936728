//! An act as a command, for scripts and for whoever sits at the server.

use leptos::prelude::*;

use super::{Icon, copy_text, icons, needs_script, use_toasts};

/// The choice of a menu that copies a command.
#[component]
pub fn CopyCommand(
    /// The command, as [`command`] makes it.
    #[prop(into)]
    command: Signal<String>,
) -> impl IntoView {
    needs_script("Copy as command");
    let toasts = use_toasts();
    let copied = move |_| {
        let command = command.get_untracked();
        if copy_text(&command) {
            toasts.ok(format!("Copied: {command}"));
        } else {
            toasts.bad(format!(
                "This browser does not let pages copy here. The command is: {command}"
            ));
        }
    };
    view! {
        <button class="menu-item" type="button" title=command on:click=copied>
            <Icon icon=icons::Command />
            "Copy as command"
        </button>
    }
}

/// `pgsteward WORDS… --target NAME`, quoted for a POSIX shell where a name asks for it.
pub fn command(words: &[&str], target: &str) -> String {
    let mut text = "pgsteward".to_owned();
    for word in words.iter().chain(&["--target", target]) {
        text.push(' ');
        text.push_str(&quoted(word));
    }
    text
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_name_is_one_word_of_the_shell_whatever_is_in_it() {
        assert_eq!(
            command(&["backup", "create"], "ai_pal"),
            "pgsteward backup create --target ai_pal"
        );
        for name in [
            "two words",
            "it's",
            "$(reboot)",
            "a;b",
            "",
            "naïve",
            "-",
            "a\nb",
            r"back\slash",
            "'",
        ] {
            let shell = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", super::quoted(name)))
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&shell.stdout), name);
        }
    }
}
