//! Which language a piece of text without a label is written in, if any.
//!
//! Two steps, both cautious: words that only one language uses propose it, and its parser must then accept nearly all of
//! the text. Prose has too few such words and parses as nothing.

use std::time::Instant;

use crate::Language;
use crate::fit::Fit;
use crate::scan::MAX_TIME;

/// The language a text is written in, or nothing when it is prose, or cannot be told.
pub fn guess(text: &str) -> Option<Language> {
    guess_until(text, FAULTS_OF_PROSE, Instant::now() + MAX_TIME / 4)
}

/// The likeliest language whose parser accepts nearly all of a text, or else the one that accepts the most, if no more than
/// `most` percent is left. Of a long text its beginning is asked, then its middle and its end.
pub(crate) fn guess_until(text: &str, most: usize, deadline: Instant) -> Option<Language> {
    samples(text).into_iter().find_map(|sample| guess_sample(sample, most, deadline))
}

fn guess_sample(sample: &str, most: usize, deadline: Instant) -> Option<Language> {
    let mut scored: Vec<(usize, Language)> = MARKS
        .iter()
        .map(|(language, marks)| (marks.iter().map(|mark| sample.matches(mark).take(3).count()).sum(), *language))
        .filter(|(score, language)| *score > 0 && (*language != Language::Bash || is_script(sample)))
        .filter(|(_, language)| Language::ALL.contains(language))
        .collect();
    scored.sort_by_key(|(score, language)| (std::cmp::Reverse(*score), *language));
    let mut best: Option<(usize, Language)> = None;
    for (_, language) in scored.into_iter().take(3) {
        let faults = Fit::of(sample, language, deadline).faults;
        if faults <= FAULTS_OF_PROSE {
            return Some(language);
        }
        if faults <= most && best.is_none_or(|(least, _)| faults < least) {
            best = Some((faults, language));
        }
    }
    best.map(|(_, language)| language)
}

/// Whether a text reads like a shell's script: to the shell's parser any sentence is a command and its arguments.
fn is_script(text: &str) -> bool {
    if text.starts_with("#!") {
        return text.lines().next().is_some_and(|line| line.contains("sh"));
    }
    let (mut commands, mut others) = (0, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let word = line.trim_start_matches("$ ").split([' ', ';', '(']).next().unwrap_or_default();
        let assigns =
            word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        if COMMANDS.contains(&word) || assigns { commands += 1 } else { others += 1 }
    }
    commands > others * 2
}

/// Words that begin a line of a script.
const COMMANDS: [&str; 60] = [
    "if", "then", "else", "elif", "fi", "for", "do", "done", "while", "case", "esac", "function", "echo", "printf",
    "cd", "ls", "rm", "cp", "mv", "mkdir", "chmod", "chown", "cat", "grep", "sed", "awk", "find", "curl", "wget",
    "sudo", "apt", "apt-get", "yum", "git", "docker", "export", "source", ".", "set", "eval", "exec", "exit", "return",
    "read", "test", "[", "[[", "local", "python", "python3", "pip", "npm", "bash", "sh", "tar", "ssh", "scp", "kill",
    "trap", "}",
];

/// The percentage a parser may leave of a text that may be prose.
pub(crate) const FAULTS_OF_PROSE: usize = 5;

/// The percentage a parser may leave of a text that is known to be code.
pub(crate) const FAULTS_OF_CODE: usize = 25;

/// The parts of a text that are asked: all of it, or three that begin with a line.
fn samples(text: &str) -> Vec<&str> {
    if text.len() <= SAMPLE {
        return vec![text];
    }
    let from = |at: usize| {
        let start =
            text.as_bytes().iter().skip(at).position(|byte| *byte == b'\n').map_or(at, |newline| at + newline + 1);
        let end = text.as_bytes().iter().take(start + SAMPLE).rposition(|byte| *byte == b'\n').unwrap_or_default();
        text.get(start..end.max(start)).unwrap_or_default()
    };
    let mut end = SAMPLE;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    vec![text.get(..end).unwrap_or_default(), from(text.len() / 2), from(text.len() - SAMPLE)]
}

const SAMPLE: usize = 16 << 10;

const MARKS: &[(Language, &[&str])] = &[
    (
        Language::Python,
        &["def ", "import ", "elif ", "self.", "print(", "__name__", "except ", "    return ", "None", "():\n", "):\n"],
    ),
    (
        Language::JavaScript,
        &[
            "const ",
            "let ",
            "=> ",
            "function ",
            "require(",
            "console.log",
            "===",
            "module.exports",
            "document.",
            "async ",
        ],
    ),
    (
        Language::TypeScript,
        &[": string", ": number", "interface ", ": any", "export class", "private ", "readonly ", "const ", "=> "],
    ),
    (
        Language::Java,
        &["public class ", "public static ", "import java", "System.out.", "private ", "String ", "@Override", " new "],
    ),
    (Language::C, &["#include <", "int main(", "char *", "malloc(", "printf(", "sizeof(", "->", "struct "]),
    (
        Language::Cpp,
        &[
            "std::",
            "#include <iostream>",
            "cout <<",
            "using namespace",
            "template <",
            "template<",
            "nullptr",
            "class ",
            "::",
        ],
    ),
    (Language::Go, &["package ", "func ", ":= ", "fmt.", "err != nil", "import (", "chan ", "defer "]),
    (
        Language::Rust,
        &[
            "fn ",
            "let mut ",
            "impl ",
            "pub ",
            "use std::",
            "println!",
            "&str",
            "unwrap()",
            "match ",
            "-> ",
            "&mut ",
            "Some(",
            "Vec<",
            "let ",
        ],
    ),
    (
        Language::Php,
        &["<?php", "$_GET", "$_POST", "$_REQUEST", "$this->", "echo $", "array(", " = $", "($", "];\n", "function "],
    ),
    (
        Language::CSharp,
        &[
            "using System",
            "namespace ",
            "Console.Write",
            "public class ",
            "static void ",
            "string ",
            "var ",
            " new ",
            "{ get; ",
        ],
    ),
    (
        Language::Ruby,
        &["\nend", "puts ", "require '", "require \"", ".each do", " do |", "elsif ", "attr_", "#{", "params["],
    ),
    (
        Language::Bash,
        &[
            "#!/bin/",
            "#!/usr/bin/env bash",
            "\nfi\n",
            "; then\n",
            "\ndone",
            "$(",
            "sudo ",
            "echo \"",
            "\"$",
            "apt-get ",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_is_told() {
        for (text, language) in [
            ("import os\n\ndef run(cmd):\n    os.system(cmd)\n    return None\n", Language::Python),
            ("const cp = require('child_process');\ncp.exec(cmd, () => console.log('x'));\n", Language::JavaScript),
            ("interface A { name: string }\nexport function f(a: A): number { return 1; }\n", Language::TypeScript),
            (
                "public class A {\n  public static void main(String[] args) { System.out.println(1); }\n}\n",
                Language::Java,
            ),
            ("#include <stdio.h>\nint main(void) { char *p = malloc(3); printf(\"%s\", p); return 0; }\n", Language::C),
            ("#include <iostream>\nint main() { std::string s; std::cout << s; }\n", Language::Cpp),
            ("package main\n\nfunc main() {\n\tx := 1\n\tfmt.Println(x)\n}\n", Language::Go),
            ("fn main() {\n    let mut x = 1;\n    println!(\"{x}\");\n}\n", Language::Rust),
            ("<html><?php echo $_GET['name']; ?></html>\n", Language::Php),
            ("$db = new PDO($dsn);\nforeach ($db->query($q) as $row) {\n  echo $row['id'];\n}\n", Language::Php),
            (
                "using System;\nclass A {\n  static void Main(string[] args) { Console.WriteLine(args[0]); }\n}\n",
                Language::CSharp,
            ),
            ("require 'json'\n\ndef run(name)\n  puts \"hello #{name}\"\nend\n", Language::Ruby),
            ("#!/bin/bash\nset -e\nfor f in *.txt; do\n  rm \"$f\"\ndone\n", Language::Bash),
            ("echo \"start\"\ncd /srv/app\nsudo rm -rf cache\n", Language::Bash),
        ] {
            assert_eq!(guess(text), Some(language), "{text}");
        }
    }

    #[test]
    fn prose_is_not_code() {
        for text in [
            "Dear all, the import of goods is a function of demand. Let us match supply, and return on Monday.",
            "The class struggle, as described: public and private interests, new and old.\n\nSee the package for a list.",
            "She puts her trust in him, in the end\nand var is a department of France; new towns are built there.",
            "Use sudo and echo with care: they do what you say.\nThen we echo \"yes\" and are done.",
            "1. First, do this.\n2. Then let it rest (an hour or so).\n3. Serve.",
            "",
        ] {
            assert_eq!(guess(text), None, "{text}");
        }
    }
}
