//! Trains a tiny Llama that answers as Llama Guard 3 does, so that prompts and verdicts are tested with a model that
//! means something. It is for tests alone: its judgement is far below the embedded guard's.
//!
//! `tiny_guard OUT.gguf guard_train.jsonl.gz own.jsonl…` learns from the English rows that name a hazard of S1 to S14
//! or are harmless, with one seed, in some minutes on one core, and prints how well rows that were not learnt from are
//! told apart.

mod examples;
mod model;
mod prompt;
mod rows;
mod vocabulary;
mod write;

use examples::Example;
use model::{Batch, Model};
use prompt::Judged;
use vocabulary::Vocabulary;

/// Whatever stops a run; this program tells it to its user and ends.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Batches learnt from.
const STEPS: usize = 800;

/// Examples in a batch.
const BATCH: usize = 24;

/// Highest step of the weights.
const RATE: f64 = 2e-3;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((out, paths)) = arguments.split_first().filter(|(_, paths)| !paths.is_empty()) else {
        return Err("usage: tiny_guard OUT.gguf ROWS…".into());
    };
    let mut rows = Vec::new();
    for path in paths {
        rows.extend(rows::read(path)?);
    }
    let told = examples::told(&rows);
    let mut texts: Vec<String> = told.iter().filter(|told| !told.held_out).map(|told| told.text.to_owned()).collect();
    // The prompt's words and the answers must be in the vocabulary whole.
    let answers = (1..=14).map(|code| format!("safe unsafe\nS{code} safe\nunsafe"));
    texts.extend(std::iter::repeat_n(prompt::words(), 200));
    texts.extend(answers.cycle().take(14 * 200));
    let vocabulary = Vocabulary::learn(&texts)?;
    let examples = told.iter().map(|told| Example::new(told, &vocabulary)).collect::<Result<Vec<_>, _>>()?;
    let (held, learnt): (Vec<&Example>, Vec<&Example>) = examples.iter().partition(|example| example.held_out);
    eprintln!("{} examples to learn from, {} held out, {} tokens", learnt.len(), held.len(), vocabulary.size());

    let mut random = Random(17);
    let mut model = Model::new(vocabulary.size(), || random.normal())?;
    let prefixes = [prompt::prefix(&vocabulary, Judged::User)?, prompt::prefix(&vocabulary, Judged::Agent)?];
    let started = std::time::Instant::now();
    let mut loss = 0.0;
    let mut waiting: Vec<Vec<&Example>> = Vec::new();
    for step in 0..STEPS {
        if waiting.is_empty() {
            waiting = batches(&learnt, &mut random);
        }
        let share = step as f64 / STEPS as f64;
        let rate = RATE * (share * 20.0).min(1.0) * (1.0 - share);
        let picked = waiting.pop().ok_or("nothing to learn from")?;
        loss += model.step(&batch(&picked, &prefixes), rate)?;
        if (step + 1).is_multiple_of(25) {
            eprintln!("{} of {STEPS}: loss {:.4}, {:.0} s", step + 1, loss / 25.0, started.elapsed().as_secs_f32());
            loss = 0.0;
        }
        if (step + 1).is_multiple_of(200) || step + 1 == STEPS {
            figures(&model, &held, &prefixes, &vocabulary)?;
            write::write(&model, &vocabulary, out)?;
        }
    }
    Ok(())
}

/// All examples once or more often, in batches of one role and of like length, harmful ones as often as harmless.
fn batches<'a>(learnt: &[&'a Example], random: &mut Random) -> Vec<Vec<&'a Example>> {
    let mut batches = Vec::new();
    for judged in [Judged::User, Judged::Agent] {
        let mut sides = [true, false].map(|bad| {
            let side = learnt.iter().copied().filter(|example| example.judged == judged && example.bad == bad);
            side.collect::<Vec<&Example>>()
        });
        let most = sides.iter().map(Vec::len).max().unwrap_or(0);
        for side in &mut sides {
            random.shuffle(side);
            *side = side.iter().copied().cycle().take(most).collect();
            for run in side.chunks_mut(BATCH * 16) {
                run.sort_by_key(|example| example.tokens.len());
            }
        }
        let [bad, good] = &sides;
        for (bad, good) in bad.chunks_exact(BATCH / 2).zip(good.chunks_exact(BATCH / 2)) {
            batches.push([bad, good].concat());
        }
    }
    random.shuffle(&mut batches);
    batches
}

fn batch<'a>(picked: &[&'a Example], prefixes: &'a [Vec<u32>; 2]) -> Batch<'a> {
    let [user, agent] = prefixes;
    let prefix = if picked.first().is_some_and(|first| first.judged == Judged::Agent) { agent } else { user };
    let answers = picked.iter().enumerate().flat_map(|(at, example)| example.answers(at)).collect();
    let asked = picked.iter().map(|example| example.verdict).collect();
    Batch { prefix, rest: picked.iter().map(|example| example.tokens.as_slice()).collect(), asked, answers }
}

/// Prints how often a harmful row not learnt from is scored above a harmless one, and how many hazards are right.
fn figures(model: &Model, held: &[&Example], prefixes: &[Vec<u32>; 2], vocabulary: &Vocabulary) -> Result<(), Failure> {
    let [safe, harmful] = [vocabulary.word("safe")?, vocabulary.word("unsafe")?];
    for judged in [Judged::User, Judged::Agent] {
        let mut scored: Vec<(f32, bool)> = Vec::new();
        let (mut right, mut named) = (0, 0);
        let mut of: Vec<&Example> = held.iter().copied().filter(|example| example.judged == judged).collect();
        of.sort_by_key(|example| example.tokens.len());
        for some in of.chunks(BATCH) {
            let batch = batch(some, prefixes);
            let logits: Vec<Vec<f32>> = model.logits(&batch)?.to_vec2()?;
            for ((example, place, token, _), logits) in batch.answers.iter().zip(&logits) {
                let logit = |token: u32| logits.get(token as usize).copied().unwrap_or(f32::MIN);
                let Some(example) = some.get(*example) else { continue };
                if *place == example.verdict {
                    scored.push((logit(harmful) - logit(safe), example.bad));
                } else if *place == example.verdict + 3 {
                    named += 1;
                    let most = logits.iter().copied().fold(f32::MIN, f32::max);
                    right += usize::from(logit(*token) >= most);
                }
            }
        }
        let area = examples::area(&mut scored);
        eprintln!("{judged:?}: area {area:.3} of {} rows held out; {right} of {named} hazards right", scored.len());
    }
    Ok(())
}

/// A small generator of random numbers (`SplitMix64`), the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// About normal, of spread one.
    fn normal(&mut self) -> f32 {
        let sum: f32 = (0..12).map(|_| (self.next() >> 40) as f32 / (1_u64 << 24) as f32).sum();
        sum - 6.0
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, (self.next() % (at as u64 + 1)) as usize);
        }
    }
}
