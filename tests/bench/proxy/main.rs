//! What the proxy costs: a stub upstream behind ringfence and behind a plain reverse proxy, in one run.
//!
//! `tests/bench/README.md` says how to run it and how to read what it prints.
#![forbid(unsafe_code)]

mod figures;
mod load;
mod servers;

use std::{net::SocketAddr, time::Duration};

use figures::{Figures, Way};
use ringfence_tests::proxy::Ringfence;
use serde_json::json;

/// Connections at once, and requests of one round.
const LOADS: &[(usize, usize)] = &[(1, 300), (16, 800)];
/// Each way takes its turn in each round, so that what else the machine does falls on all of them.
const ROUNDS: usize = 5;
/// The ways are asked this often before anything is measured.
const WARM_UP: usize = 50;
/// With the guard on, a request costs so much more that fewer of them say as much.
const GUARDED_SHARE: usize = 4;

fn main() {
    if cfg!(debug_assertions) {
        println!("not optimised: run it with `cargo bench`; nothing was measured");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let stub = runtime.block_on(servers::stub());
    let plain = runtime.block_on(servers::plain(stub));
    let start = |config: &str| Ringfence::start(config, &[], &format!("http://{stub}"));
    let (bare, guarded) = (start("detectors: []\n"), start(""));
    let ways: [(&'static str, SocketAddr, usize); 4] = [
        ("stub alone", stub, 1),
        ("plain hyper proxy", plain, 1),
        ("ringfence, detectors off", bare.proxy, 1),
        ("ringfence, as shipped", guarded.proxy, GUARDED_SHARE),
    ];
    let mut tables = Vec::new();
    for (connections, requests) in LOADS {
        let mut measured: Vec<Way> = ways.iter().map(|(name, ..)| Way::new(name)).collect();
        for (_, address, _) in ways {
            runtime.block_on(load::run(address, *connections, WARM_UP));
        }
        for _ in 0..ROUNDS {
            for ((_, address, share), way) in ways.iter().zip(&mut measured) {
                let (times, took) = runtime.block_on(load::run(*address, *connections, requests / share));
                way.add(times, took);
            }
        }
        let rows: Vec<Figures> = measured.into_iter().map(Way::figures).collect();
        table(*connections, &rows);
        tables.push(json!({"connections": connections, "ways": rows.iter().map(Figures::json).collect::<Vec<_>>()}));
    }
    println!("{}", json!({"rounds": ROUNDS, "cores": cores(), "loads": tables}));
}

fn table(connections: usize, rows: &[Figures]) {
    println!("\n{connections} at once");
    println!("{:<26} {:>10} {:>10} {:>10} {:>12} {:>9}", "", "p50 ms", "p99 ms", "added ms", "requests/s", "of plain");
    let plain = rows.get(1).expect("the plain proxy is the second way");
    for row in rows {
        println!(
            "{:<26} {:>10.3} {:>10.3} {:>10.3} {:>12.0} {:>9.2}",
            row.name,
            ms(row.median),
            ms(row.p99),
            ms(row.median) - ms(plain.median),
            row.per_second,
            row.per_second / plain.per_second
        );
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
