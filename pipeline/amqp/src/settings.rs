//! What can be set about a broker; the defaults are meant for production.

use std::time::Duration;

/// How an [`AmqpBroker`](crate::AmqpBroker) behaves.
#[derive(Debug, Clone)]
pub struct AmqpSettings {
    /// What the names of all queues begin with, so that several installations can share a virtual host: 1 to 40 letters,
    /// digits, `_` and `-`.
    pub prefix: String,
    /// The connection's name, as the broker's operator sees it.
    pub name: String,
    /// Certificates (PEM) that are trusted beside those of the system, for `amqps`.
    pub ca_pem: Option<String>,
    /// What connecting to one URL may take, the handshakes included.
    pub connect_timeout: Duration,
    /// Between heartbeats; a connection is given up after two silent ones. At least 1 s.
    pub heartbeat: Duration,
    /// Between the watchdog's probes; one that takes longer than `confirm_timeout` ends the connection.
    pub probe_every: Duration,
    /// What the first reconnect waits at most; each further one twice as much, up to `reconnect_most`.
    pub reconnect_first: Duration,
    /// What any reconnect waits at most.
    pub reconnect_most: Duration,
    /// What a call waits for a connection that is away, or blocked, before it fails.
    pub patience: Duration,
    /// What the broker may take to confirm a message before its connection is given up.
    pub confirm_timeout: Duration,
    /// Messages on their way without a confirm, of all publishers of this process. 1 to 10,000.
    pub window: usize,
    /// Hints that this process holds of one queue and priority without having acked them. 1 to 10,000.
    pub prefetch: u16,
    /// What an ack may wait for others, to go in one frame with them.
    pub ack_delay: Duration,
    /// How long the broker's count of a queue is believed, corrected by what this process did since.
    pub depth_every: Duration,
}

impl Default for AmqpSettings {
    fn default() -> Self {
        Self {
            prefix: "jobpipe".to_owned(),
            name: "jobpipe".to_owned(),
            ca_pem: None,
            connect_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            probe_every: Duration::from_secs(10),
            reconnect_first: Duration::from_millis(100),
            reconnect_most: Duration::from_secs(3),
            patience: Duration::from_secs(5),
            confirm_timeout: Duration::from_secs(15),
            window: 256,
            prefetch: 256,
            ack_delay: Duration::from_millis(5),
            depth_every: Duration::from_secs(1),
        }
    }
}

impl AmqpSettings {
    /// What is wrong with these settings, for who wrote them.
    pub(crate) fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.prefix.is_empty() || self.prefix.len() > 40 || !self.prefix.chars().all(plain) {
            return Err(format!(
                "the prefix of the queues must be 1 to 40 letters, digits, _ and -, not {:?}",
                self.prefix
            ));
        }
        if !(1..=10_000).contains(&self.window) || !(1..=10_000).contains(&self.prefetch) {
            return Err("window and prefetch of the broker must be 1 to 10,000".to_owned());
        }
        if self.heartbeat < Duration::from_secs(1) || self.heartbeat > Duration::from_secs(600) {
            return Err("the heartbeat of the broker must be 1 s to 600 s".to_owned());
        }
        if self.probe_every.is_zero() || self.confirm_timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err("the timeouts of the broker must be more than 0".to_owned());
        }
        Ok(())
    }
}
