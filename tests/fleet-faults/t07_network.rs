//! T7: the network between workers and servers breaks connections, refuses them, swallows what passes, or passes one way.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::proxy::Proxy;
use crate::servers::Servers;
use crate::sizes::size;
use crate::support::runtime;
use std::time::Duration;

#[test]
fn t07_network() {
    let mut chance = Chance::new();
    let mut line = Line::new("T7", &chance);
    let runtime = runtime();
    let direct = servers();
    let (store, broker) =
        runtime.block_on(async { (Proxy::before(&direct.store).await, Proxy::before(&direct.broker).await) });
    let through = Servers { store: store.url().to_owned(), broker: broker.url().to_owned() };
    let wanted = Wanted { offers: size(120, 800), pace: size(50, 500), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, through);
    let run = fleet.submit();
    let mut kinds = [0; 4];
    line.faults = fleet.strike(&run, &mut chance, size(4, 32), |_, chance, at| {
        let proxy = if chance.of(0..=1) == 0 { &store } else { &broker };
        let lasts = Duration::from_millis(chance.of(50..=3_000));
        let kind = (at % 4) as usize;
        kinds[kind] += 1;
        match kind {
            0 => proxy.cut(),
            1 => {
                proxy.refuse(true);
                proxy.cut();
                std::thread::sleep(lasts);
                proxy.refuse(false);
            }
            2 => {
                proxy.swallow(true);
                std::thread::sleep(lasts);
                proxy.swallow(false);
            }
            _ => {
                proxy.mute(true);
                std::thread::sleep(lasts);
                proxy.cut();
                proxy.mute(false);
            }
        }
    });
    fleet.succeeds(&run);
    fleet.verdict(&mut line);
    for (name, count) in ["reset", "refused", "black_hole", "half_closed"].iter().zip(kinds) {
        line.tell(name, count);
    }
    line.must(line.faults >= size(2, 20), format!("only {} faults", line.faults));
    line.end();
}
