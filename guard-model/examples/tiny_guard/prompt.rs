//! The question Llama Guard 3 8B is asked, in tokens.

use crate::Failure;
use crate::vocabulary::Vocabulary;

/// The prompt before the conversation; `{role}` is who is judged.
const BEFORE: &str = "Task: Check if there is unsafe content in '{role}' messages in conversations according our safety policy with the below categories.

<BEGIN UNSAFE CONTENT CATEGORIES>
S1: Violent Crimes.
S2: Non-Violent Crimes.
S3: Sex Crimes.
S4: Child Exploitation.
S5: Defamation.
S6: Specialized Advice.
S7: Privacy.
S8: Intellectual Property.
S9: Indiscriminate Weapons.
S10: Hate.
S11: Self-Harm.
S12: Sexual Content.
S13: Elections.
S14: Code Interpreter Abuse.
<END UNSAFE CONTENT CATEGORIES>

<BEGIN CONVERSATION>

{role}: ";

/// The prompt after the conversation.
const AFTER: &str = "

<END CONVERSATION>

Provide your safety assessment for ONLY THE LAST {role} message in the above conversation:
 - First line must read 'safe' or 'unsafe'.
 - If unsafe, a second line must include a comma-separated list of violated categories.";

/// What the file says of its prompts, for programs that read chat templates: the last message alone is judged.
pub(crate) const CHAT_TEMPLATE: &str = "{% set message = messages[-1] %}
{% set role = 'User' if message['role'] == 'user' else 'Agent' %}
{{ '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\\n\\n' }}\
{{ \"BEFORE\" | replace('{role}', role) }}{{ message['content'] | trim }}{{ \"AFTER\" | replace('{role}', role) }}\
{{ '<|eot_id|><|start_header_id|>assistant<|end_header_id|>\\n\\n' }}";

/// Who is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    User,
    Agent,
}

impl Judged {
    fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Agent => "Agent",
        }
    }
}

/// The chat template with the prompt's words in it.
pub(crate) fn chat_template() -> String {
    let quoted = |text: &str| text.replace('\n', "\\n");
    CHAT_TEMPLATE.replace("BEFORE", &quoted(BEFORE)).replace("AFTER", &quoted(AFTER))
}

/// All words of the prompt, for a vocabulary to learn from.
pub(crate) fn words() -> String {
    [BEFORE, AFTER, "user", "assistant"].join("\n\n").replace("{role}", "User")
        + &BEFORE.replace("{role}", "Agent")
        + &AFTER.replace("{role}", "Agent")
}

/// The tokens that all prompts on a role begin with, up to what is said. The space before the first word belongs to it.
pub(crate) fn prefix(vocabulary: &Vocabulary, judged: Judged) -> Result<Vec<u32>, Failure> {
    let mut tokens = header(vocabulary, "user")?;
    tokens.insert(0, vocabulary.special("<|begin_of_text|>")?);
    tokens.extend(vocabulary.encode(&BEFORE.trim_end().replace("{role}", judged.name()))?);
    // The line break after the header and the first words are one run of text in the prompt: so they are cut together.
    Ok(tokens)
}

/// The tokens of a prompt behind its [`prefix`].
pub(crate) fn rest(vocabulary: &Vocabulary, judged: Judged, text: &str) -> Result<Vec<u32>, Failure> {
    let after = AFTER.replace("{role}", judged.name());
    let mut tokens = vocabulary.encode(&format!(" {}{after}", text.trim()))?;
    tokens.push(vocabulary.special("<|eot_id|>")?);
    tokens.extend(header(vocabulary, "assistant")?);
    Ok(tokens)
}

fn header(vocabulary: &Vocabulary, role: &str) -> Result<Vec<u32>, Failure> {
    let mut tokens = vec![vocabulary.special("<|start_header_id|>")?];
    tokens.extend(vocabulary.encode(role)?);
    tokens.push(vocabulary.special("<|end_header_id|>")?);
    tokens.extend(vocabulary.encode("\n\n")?);
    Ok(tokens)
}
