//! The queue before a small random model.

use super::*;
use crate::llama::tests::small;
use std::time::Duration;

fn request(owner: &str, tokens: &[u32], deadline: Duration) -> Request {
    let wanted = vec![(tokens.len() - 1, vec![3, 60])];
    Request { owner: Owner::Tenant(owner.into()), tokens: tokens.to_vec(), wanted, deadline: Instant::now() + deadline }
}

fn tokens(seed: u32, count: u32) -> Vec<u32> {
    (0..count).map(|at| (at * at + seed * 7) % 64).collect()
}

fn scheduler(most_waiting: usize) -> (Arc<Llama>, Arc<Store>, Scheduler) {
    let (model, store) = (Arc::new(small()), Arc::new(Store::new(1 << 20)));
    let scheduler = Scheduler::new(Arc::clone(&model), Arc::clone(&store), most_waiting).unwrap();
    (model, store, scheduler)
}

const SOON: Duration = Duration::from_mins(2);

#[test]
fn answers_are_those_of_the_model_whoever_else_waits() {
    let (model, _, scheduler) = scheduler(64);
    let all: Vec<Vec<u32>> = (1..12).map(|seed| tokens(seed, 5 + seed * 37)).collect();
    let tickets: Vec<Ticket> = all.iter().map(|tokens| scheduler.ask(request("a", tokens, SOON)).unwrap()).collect();
    for (tokens, ticket) in all.iter().zip(tickets) {
        let wanted = [Wanted { after: tokens.len() - 1, of: &[3, 60] }];
        let expected = model.scores(tokens, &mut model.cache(), &wanted).unwrap();
        let found = ticket.wait().unwrap();
        let close = expected[0].iter().zip(&found[0]).all(|(a, b)| (a - b).abs() < 0.2);
        assert!(close, "{} tokens: {expected:?} and {found:?}", tokens.len());
    }
    // Once more, now from what was kept.
    let found = scheduler.ask(request("a", &all[3], SOON)).unwrap().wait().unwrap();
    assert_eq!(found[0].len(), 2);
}

#[test]
fn a_full_queue_a_late_answer_and_a_senseless_request_are_errors() {
    let (_, _, scheduler) = scheduler(2);
    let late = scheduler.ask(request("a", &tokens(1, 300), Duration::ZERO)).unwrap().wait();
    assert!(matches!(late, Err(GuardError::Late { .. })), "{late:?}");
    // The model is busy with the first, so that the others wait.
    let long = tokens(2, 500);
    let tickets: Vec<_> = (0..40).map(|_| scheduler.ask(request("a", &long, SOON))).collect();
    let full = tickets.iter().find_map(|ticket| ticket.as_ref().err()).unwrap().to_string();
    assert!(full.contains("queue is full"), "{full}");
    drop(tickets);
    let senseless = [
        Request { tokens: Vec::new(), ..request("a", &[1], SOON) },
        Request { tokens: vec![64], ..request("a", &[1], SOON) },
        Request { wanted: vec![(1, vec![3])], ..request("a", &[1], SOON) },
        Request { wanted: vec![(0, vec![64])], ..request("a", &[1], SOON) },
        request("a", &tokens(1, 513), SOON),
    ];
    for request in senseless {
        assert!(scheduler.ask(request).is_err());
    }
}

#[test]
fn who_leaves_makes_room_and_who_waits_is_told_of_the_end() {
    let (_, _, mut scheduler) = scheduler(3);
    for seed in 0..20 {
        // Dropped at once.
        drop(scheduler.ask(request("a", &tokens(seed, 400), SOON)).unwrap());
        let mut tries = 0;
        while scheduler.shared.queue.lock().unwrap().count > 1 && tries < 2000 {
            std::thread::sleep(Duration::from_millis(5));
            tries += 1;
        }
    }
    let tickets: Vec<Ticket> =
        (0..2).map(|seed| scheduler.ask(request("b", &tokens(seed, 500), SOON)).unwrap()).collect();
    scheduler.shared.queue.lock().unwrap().ended = true;
    scheduler.shared.news.notify_one();
    scheduler.worker.take().unwrap().join().unwrap();
    drop(scheduler);
    for ticket in tickets {
        // Answered just before the end, or told of it.
        assert!(matches!(ticket.wait(), Ok(_) | Err(GuardError::Failed(_))));
    }
}

/// The short form of `examples/soak.rs`: mixed lengths, tenants, and leaving before the answer comes.
#[test]
fn memory_stays_bounded() {
    let (_, store, scheduler) = scheduler(16);
    let mut waiting = Vec::new();
    for at in 0..300_u32 {
        let length = [3, 20, 75, 160][at as usize % 4];
        let asked = scheduler.ask(request(["a", "b"][at as usize % 2], &tokens(at % 23, length), SOON));
        if let Ok(ticket) = asked {
            waiting.push(ticket);
        }
        if at % 5 == 4 {
            waiting.pop();
        }
        if waiting.len() > 6 {
            waiting.remove(0).wait().unwrap();
        }
        assert!(store.bytes() <= 1 << 20);
    }
    for ticket in waiting {
        ticket.wait().unwrap();
    }
    assert_eq!(scheduler.shared.queue.lock().unwrap().count, 0);
    assert!(store.bytes() > 0);
}
