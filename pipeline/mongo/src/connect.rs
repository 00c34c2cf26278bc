//! Connecting: what the URL may say, what it may not change, and what is never shown of it.

use crate::call::Link;
use crate::fault::{Place, word};
use crate::lanes::Lanes;
use crate::schema;
use crate::stats::{Counters, MongoStats};
use jobpipe_core::{StoreError, StoreResult};
use mongodb::Client;
use mongodb::options::{ClientOptions, Credential, ReadConcern, ReadPreference, SelectionCriteria};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The database, where the URL names none.
const DATABASE: &str = "jobpipe";
/// How long to look for a primary: longer outages are the caller's to wait for.
const FIND_SERVER: Duration = Duration::from_secs(5);
/// How often the driver looks after its servers; with [`CONNECT`], how soon a connection that nobody answers on is given up.
const HEARTBEAT: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(5);
/// How long the end of a process waits for its connections.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a process decides about its connection; everything else is in the URL.
#[derive(Debug, Clone)]
pub struct MongoSettings {
    /// Connections at most, unless the URL says `maxPoolSize`: as many as calls are made at a time.
    pub pool: u32,
    /// How long the server may work on one request.
    pub work: Duration,
    /// What the server's logs call this process, unless the URL says `appName`.
    pub app: String,
}

impl Default for MongoSettings {
    fn default() -> Self {
        Self { pool: 64, work: Duration::from_secs(10), app: "jobpipe".to_owned() }
    }
}

/// A [`jobpipe_core::StateStore`] on a server that speaks MongoDB's protocol.
#[derive(Debug)]
pub struct MongoStore {
    pub(crate) link: Arc<Link>,
    pub(crate) lanes: Lanes,
}

impl MongoStore {
    /// What it did since it was connected.
    #[must_use]
    pub fn stats(&self) -> MongoStats {
        self.link.stats.now()
    }

    /// Ends in order: sessions and connections, before the runtime that they live on. Calls that come later fail.
    ///
    /// It takes a moment; what a server that does not answer leaves open then goes with the process.
    pub async fn close(&self) {
        let client = self.link.db.client().clone();
        if tokio::time::timeout(GOODBYE, client.shutdown()).await.is_err() {
            tracing::debug!(store = %self.link.place, "not all connections ended in time");
        }
    }

    /// Where it is, without credentials: `mongodb://host:port/database`.
    #[must_use]
    pub fn place(&self) -> String {
        self.link.place.to_string()
    }
}

/// Connects, and makes or checks collections and indexes. One store a process is enough: it is the pool of connections.
///
/// `url` is a MongoDB connection string (`mongodb://user:password@host:port/database?options`; the database is `jobpipe`
/// where none is named). Write concern (majority, journalled), read concern (majority) and read preference (primary) are
/// not taken from it: the engine relies on them.
///
/// # Errors
/// [`StoreError::Unusable`] when the URL cannot be read, the server refuses the user, or the database is of a newer
/// jobpipe or has indexes that are not ours; [`StoreError::Unavailable`] when no server answers.
pub async fn connect(url: &str, settings: &MongoSettings) -> StoreResult<MongoStore> {
    let (options, place) = parse(url, settings).await?;
    let name = options.default_database.clone().unwrap_or_else(|| DATABASE.to_owned());
    let find_server = options.server_selection_timeout.unwrap_or(FIND_SERVER);
    let client = Client::with_options(options).map_err(|error| place.unusable(&word(&error)))?;
    let link = Arc::new(Link {
        db: client.database(&name),
        place,
        stats: Counters::default(),
        work: settings.work,
        // Finding a server, the work, and once more both.
        wait: (find_server + settings.work) * 2,
        hints: AtomicBool::new(false),
    });
    schema::ensure(&link).await?;
    let lanes = Lanes::new(&link);
    Ok(MongoStore { link, lanes })
}

async fn parse(url: &str, settings: &MongoSettings) -> StoreResult<(ClientOptions, Place)> {
    let mut options = ClientOptions::parse(url).await.map_err(|error| unreadable(url, &word(&error)))?;
    let place = place(url, &options);
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.server_selection_timeout.get_or_insert(FIND_SERVER);
    options.connect_timeout.get_or_insert(CONNECT);
    options.heartbeat_freq.get_or_insert(HEARTBEAT);
    options.max_pool_size.get_or_insert(settings.pool);
    options.app_name.get_or_insert_with(|| settings.app.clone());
    Ok((options, place))
}

/// What is between `://` and the last `@`: user and password, as they are written.
fn user_info(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.rsplit_once('@').map(|(user_info, _)| user_info)
}

fn place(url: &str, options: &ClientOptions) -> Place {
    let hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
    let database = options.default_database.as_deref().unwrap_or(DATABASE);
    let written = user_info(url).into_iter().flat_map(|info| [info, info.split_once(':').map_or("", |(_, word)| word)]);
    let told = |credential: &Credential| credential.password.clone().into_iter();
    let secrets = written.map(str::to_owned).chain(options.credential.iter().flat_map(told));
    Place::new(format!("mongodb://{}/{database}", hosts.join(",")), secrets.collect())
}

/// The driver's word quotes parts of the URL, so it is told only where there is nothing to hide.
fn unreadable(url: &str, word: &str) -> StoreError {
    let hides = url.contains('@') || url.to_ascii_lowercase().contains("password");
    let message = if url.starts_with("mongodb+srv://") {
        "`mongodb+srv://` needs a look-up that this build does not make; name the hosts: mongodb://host1,host2,host3/jobpipe?tls=true".to_owned()
    } else if hides {
        "it is no MongoDB URL (mongodb://user:password@host:port/database?options); in a user or password, each of \
         : / ? # [ ] @ % is written as % and two hex digits"
            .to_owned()
    } else {
        format!("{word}; expected mongodb://host:port/database?options")
    };
    StoreError::Unusable { path: "the MongoDB URL".to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(url: &str) -> String {
        parse(url, &MongoSettings::default()).await.map(|(_, place)| place).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_url_that_cannot_be_read_shows_no_part_of_a_password() {
        for url in [
            "mongodb://jobs:hunter/2secret@db:27017/x",
            "mongodb://jobs:hunter%2@db/x",
            "mongodb://jobs:hunter@secret@db/x",
            "mongodb://jobs:hunter2@db/x?w=secret&j=what",
            "mongodb://db/x?tls=true&tlsCertificateKeyFilePassword=hunter&retryReads=secret",
        ] {
            let told = refused(url).await;
            assert!(!told.contains("hunter") && !told.contains("secret") && !told.contains("jobs"), "{url}: {told}");
            assert!(told.contains("JP503"), "{told}");
        }
        assert!(refused("mongodb://db:port/x").await.contains("port"), "without a password the driver has its say");
        assert!(refused("mongodb+srv://db.example.org/x").await.contains("name the hosts"));
    }

    #[tokio::test]
    async fn what_durability_needs_is_not_the_urls_to_change() {
        let url = "mongodb://jobs:p%40ss@one:1,two:2/state?w=1&journal=false&readPreference=secondary&readConcernLevel=local&maxPoolSize=7&appName=mine";
        let (options, place) = parse(url, &MongoSettings::default()).await.unwrap();
        assert_eq!(options.read_concern, Some(ReadConcern::majority()));
        assert_eq!(options.selection_criteria, Some(SelectionCriteria::ReadPreference(ReadPreference::Primary)));
        assert_eq!((options.max_pool_size, options.app_name.as_deref()), (Some(7), Some("mine")));
        assert_eq!(place.to_string(), "mongodb://one:1,two:2/state");
        assert_eq!(place.clean("jobs:p%40ss and p@ss and p%40ss"), "*** and *** and ***");
    }
}
