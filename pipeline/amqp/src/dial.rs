//! Connecting to one address. Every step can be given up, and a connection that is given up leaves nothing behind.

use crate::address::Address;
use crate::settings::AmqpSettings;
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::{Connection, ConnectionProperties};
use socket2::{SockRef, Socket};
use std::net::Shutdown;
use std::sync::{Mutex, PoisonError};
use tokio::time::timeout;

/// A connection, and the socket below it.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) connection: Connection,
    pub(crate) cord: Cord,
}

/// Ends a connection from below: its thread ends when its socket does, however stuck the layers above are.
#[derive(Debug)]
pub(crate) struct Cord(Socket);

impl Cord {
    /// Ends the connection now.
    pub(crate) fn cut(&self) {
        if let Err(error) = self.0.shutdown(Shutdown::Both) {
            tracing::trace!("a socket was closed already: {error}");
        }
    }
}

impl Drop for Cord {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Connects and opens the virtual host; `role` is told to the broker's operator.
pub(crate) async fn dial(address: &Address, settings: &AmqpSettings, role: &str) -> Result<Dialled, String> {
    let most = settings.connect_timeout;
    match timeout(most, steps(address, settings, role)).await {
        Ok(done) => done.map_err(|why| format!("{address}: {why}")),
        Err(_) => Err(format!("{address}: no connection within {most:?}")),
    }
}

async fn steps(address: &Address, settings: &AmqpSettings, role: &str) -> Result<Dialled, String> {
    let runtime = lapin::runtime::default_runtime().map_err(|error| error.to_string())?;
    let found = tokio::net::lookup_host((address.host(), address.port())).await;
    let mut failure = "the name of the host has no address".to_owned();
    for place in found.map_err(|error| format!("the name of the host cannot be found: {error}"))? {
        let stream = match AsyncTcpStream::connect(&runtime, place).await {
            Ok(stream) => stream,
            Err(error) => {
                failure = error.to_string();
                continue;
            }
        };
        let AsyncTcpStream::Plain(plain) = &stream else { return Err("a plain socket was expected".to_owned()) };
        let socket = SockRef::from(plain.get_ref());
        socket.set_tcp_nodelay(true).map_err(|error| error.to_string())?;
        let cord = Cord(socket.try_clone().map_err(|error| error.to_string())?);
        let stream = if address.is_tls() {
            let tls = OwnedTLSConfig { identity: None, cert_chain: settings.ca_pem.clone() };
            stream.into_tls(address.host(), tls.as_ref()).await.map_err(|error| format!("TLS: {error}"))?
        } else {
            stream
        };
        let properties =
            ConnectionProperties::default().with_connection_name(format!("{} {role}", settings.name).into());
        // the library asks for a stream: it gets the one that is ready, once
        let ready = Mutex::new(Some(stream));
        let give = async move |_, _| {
            let taken = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
            taken.ok_or_else(|| lapin::Error::from(std::io::Error::other("the connection is not made anew")))
        };
        let connection = Connection::connector(address.uri(), runtime, give, properties).await;
        return connection.map(|connection| Dialled { connection, cord }).map_err(|error| error.to_string());
    }
    Err(failure)
}
