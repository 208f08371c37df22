//! All policies that are in force.

use sha2::{Digest, Sha256};

use crate::{Action, Catalog, Decision, Expired, Finding, Policy, PolicyError, Reason, Situation, Stage, Wording};

/// The policies in force; the strictest of all their answers wins.
///
/// *Invariant: answers every failure of a detector that the catalog knows, at both stages and in every situation.*
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySet {
    policies: Vec<Policy>,
    hash: String,
}

impl PolicySet {
    /// Puts policies together; their order is of no account.
    ///
    /// # Errors
    /// [`PolicyError::SameName`], or [`PolicyError::Unanswered`] when the failure of a detector (every `detector.…` id of
    /// the catalog) is not answered by a rule without other conditions. Any action is an answer: whoever writes
    /// `allow` there has said so.
    pub fn new(mut policies: Vec<Policy>, catalog: &Catalog) -> Result<Self, PolicyError> {
        policies.sort_by(|one, other| one.name().cmp(other.name()));
        for (one, other) in policies.iter().zip(policies.iter().skip(1)) {
            if one.name() == other.name() {
                return Err(PolicyError::SameName {
                    name: one.name().to_owned(),
                    first: one.file().to_owned(),
                    second: other.file().to_owned(),
                });
            }
        }
        let failures = catalog.ids().filter(|id| id.as_str().starts_with("detector."));
        let unanswered: Vec<_> = failures
            .flat_map(|id| [(id, Stage::Input), (id, Stage::Output)])
            .filter(|(id, stage)| !policies.iter().any(|policy| policy.always_answers(id, *stage)))
            .map(|(id, stage)| (id.clone(), stage))
            .collect();
        if !unanswered.is_empty() {
            return Err(PolicyError::Unanswered(unanswered));
        }
        let hash = hash(&policies);
        Ok(Self { policies, hash })
    }

    /// What all policies together make of the findings: the strictest action, and the reasons of each in the order of
    /// the policies' names; [`Action::Allow`] without a reason when no rule matches.
    ///
    /// Total and deterministic: the same situation and findings give the same decision, whatever the order of files.
    pub fn decide(&self, situation: &Situation, findings: &[Finding]) -> Decision {
        let mut whole = Decision { action: Action::Allow, reasons: Vec::new() };
        for policy in &self.policies {
            let decision = policy.decide(situation, findings);
            whole.action = whole.action.max(decision.action);
            whole.reasons.extend(decision.reasons);
        }
        whole
    }

    /// SHA-256 over the texts of all files, in hex: what a record names to say which policies were in force.
    ///
    /// The order of the files, their names, a byte order mark and the kind of line endings do not count; every other
    /// byte does, and so do the tenants that a policy is loaded for.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The policies' names, sorted, each with its version if it has one: `default@3, mine`, `children for school`.
    pub fn version(&self) -> String {
        let named = |policy: &Policy| {
            let version = policy.version().map(|version| format!("@{version}")).unwrap_or_default();
            let only: Vec<&str> = policy.only().iter().map(crate::Glob::as_str).collect();
            let only = if only.is_empty() { String::new() } else { format!(" for {}", only.join(" ")) };
            format!("{}{version}{only}", policy.name())
        };
        self.policies.iter().map(named).collect::<Vec<_>>().join(", ")
    }

    /// How the refusal that these reasons lead to is told: as the first rule that blocks says, by the names of policy and
    /// rule, of those that say something.
    pub fn refusal(&self, reasons: &[Reason]) -> Option<&Wording> {
        let mut blocks: Vec<(&str, &str)> = reasons
            .iter()
            .filter(|reason| reason.action == Action::Block)
            .map(|reason| (reason.policy.as_str(), reason.rule.as_str()))
            .collect();
        blocks.sort_unstable();
        blocks.iter().find_map(|(policy, rule)| {
            self.policies.iter().find(|known| known.name() == *policy).and_then(|policy| policy.refusal(rule))
        })
    }

    /// The exceptions whose last day is past.
    pub fn expired(&self, now: u64) -> Vec<Expired> {
        self.policies.iter().flat_map(|policy| policy.expired(now)).collect()
    }

    /// The policies' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(Policy::name)
    }

    /// The policies, sorted by name.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }
}

/// Takes the policies sorted by name. Each text is hashed by itself first, so that no cut between two files can be
/// mistaken for another.
fn hash(policies: &[Policy]) -> String {
    let digest = |policy: &Policy| {
        let mut hash = Sha256::new_with_prefix(policy.text());
        for glob in policy.only() {
            // A byte that no text has.
            hash.update([0xff]);
            hash.update(glob.as_str());
        }
        hash.finalize().into()
    };
    let texts: Vec<[u8; 32]> = policies.iter().map(digest).collect();
    Sha256::digest(texts.concat()).iter().fold(String::with_capacity(64), |hex, byte| hex + &format!("{byte:02x}"))
}
