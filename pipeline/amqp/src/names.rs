//! The names of queues. The version in them changes with their arguments, so that a new release never meets a queue that
//! it cannot declare.

use jobpipe_core::Priority;

/// All priorities, in the order of the lanes.
pub(crate) const PRIORITIES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

/// The longest name that AMQP can carry, in bytes.
const LONGEST: usize = 255;

/// Makes the names of one installation.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    stem: String,
}

impl Names {
    /// `prefix` has no dot in it, so that no two installations share a name.
    pub(crate) fn new(prefix: &str) -> Self {
        Self { stem: format!("{prefix}.v1") }
    }

    /// The queue of the broker that holds the hints of one priority.
    pub(crate) fn lane(&self, queue: &str, priority: Priority) -> Result<String, String> {
        let last = match priority {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        };
        let name = format!("{}.{queue}.{last}", self.stem);
        if name.len() > LONGEST {
            return Err(format!(
                "the name of the queue {queue:.40}… is too long for the broker: give it a shorter one"
            ));
        }
        Ok(name)
    }

    /// Where dead letters go. No lane has this name: a lane's last part is a priority.
    pub(crate) fn dead(&self) -> String {
        format!("{}.dead", self.stem)
    }

    /// Where hints go that this process is too old for.
    pub(crate) fn parked(&self) -> String {
        format!("{}.parked", self.stem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_and_priority_has_a_name_of_its_own() {
        let names = Names::new("jobpipe");
        let mut all = vec![names.dead(), names.parked()];
        for queue in ["q", "q.high", "high", "dead", "ü", ""] {
            all.extend(PRIORITIES.iter().map(|priority| names.lane(queue, *priority).unwrap()));
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "{all:?}");
    }

    #[test]
    fn refuses_what_is_too_long() {
        assert!(Names::new("p").lane(&"q".repeat(240), Priority::Low).is_ok());
        assert!(Names::new("p").lane(&"ü".repeat(130), Priority::Low).is_err());
    }
}
