//! T13: every task is hinted at three times more, in random order, whatever became of it.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::sizes::size;
use jobpipe_amqp::{AmqpBroker, AmqpSettings};
use jobpipe_core::{Broker, Hint, TaskStore};

#[test]
fn t13_hints_thrice() {
    let mut chance = Chance::new();
    let mut line = Line::new("T13", &chance);
    let wanted = Wanted { offers: size(120, 800), pace: size(100, 500), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let run = fleet.submit();
    let settings = AmqpSettings { prefix: fleet.database(), ..AmqpSettings::default() };
    let (store, broker) = fleet.runtime.block_on(async {
        let store = jobpipe_mongo::connect(&fleet.servers.store, &Default::default()).await.unwrap();
        (store, AmqpBroker::open(std::slice::from_ref(&fleet.servers.broker), settings).unwrap())
    });
    let mut hints = 0;
    line.faults = fleet.strike(&run.clone(), &mut chance, size(4, 20), |fleet, chance, _| {
        let tasks = fleet.runtime.block_on(store.tasks_of(&run, None, "", 1_000_000)).unwrap();
        let mut all: Vec<Hint> = tasks
            .iter()
            .flat_map(|task| std::iter::repeat_n(task, 3))
            .map(|task| Hint { task: task.task.id.clone(), run: run.clone(), queue: task.task.queue.clone() })
            .collect();
        chance.shuffle(&mut all);
        hints += all.len();
        fleet.runtime.block_on(broker.publish(all)).unwrap();
    });
    fleet.succeeds(&run);
    fleet.verdict(&mut line);
    line.tell("hints", hints);
    line.must(hints > size(50, 1_000), "hardly a hint was repeated");
    fleet.runtime.block_on(broker.close());
    line.end();
}
