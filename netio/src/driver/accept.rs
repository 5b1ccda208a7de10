//! Accepting connections, with a bound on how many there are and an orderly end.

use core::future::Future;
use core::net::SocketAddr;
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Tells a connection's task that the server is shutting down.
#[derive(Clone, Debug)]
pub struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Waits until the server shuts down. Cancel-safe, so it fits into a `select!` beside
    /// [`Stream::next`](super::Stream::next).
    pub async fn wait(&mut self) {
        // An error means that the server itself is gone, which is a shutdown too.
        let _ = self.0.wait_for(|closing| *closing).await;
    }

    /// Whether the server is shutting down already.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        *self.0.borrow()
    }
}

/// Accepts TCP connections and runs a task for each.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    max_connections: usize,
}

impl Server {
    /// Serves `listener`. While `max_connections` are open, no further one is accepted: they wait in
    /// the system's queue.
    #[must_use]
    pub fn new(listener: TcpListener, max_connections: usize) -> Self {
        Self {
            listener,
            max_connections,
        }
    }

    /// Runs `handler` for each connection until `shutdown` is ready; then accepts no more, tells the
    /// open connections by [`Closing`] and waits for all of them. A handler should bound how long
    /// its own end may take, by [`Stream::close`](super::Stream::close) for instance.
    ///
    /// A connection that could not be accepted is passed over: its peer is gone, or the system is
    /// short of something for a while.
    pub async fn run<F, Task>(self, mut handler: F, shutdown: impl Future<Output = ()>)
    where
        F: FnMut(TcpStream, SocketAddr, Closing) -> Task,
        Task: Future<Output = ()> + Send + 'static,
    {
        let (closing, observed) = watch::channel(false);
        let places = Arc::new(Semaphore::new(
            self.max_connections.min(Semaphore::MAX_PERMITS),
        ));
        let mut tasks = JoinSet::new();
        let mut shutdown = core::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                accepted = accept(&self.listener, &places) => accepted,
            };
            match accepted {
                Ok((socket, peer, place)) => {
                    let task = handler(socket, peer, Closing(observed.clone()));
                    tasks.spawn(async move {
                        task.await;
                        drop(place);
                    });
                }
                // Out of descriptors, most likely: trying again at once would spin.
                Err(_) => tokio::time::sleep(core::time::Duration::from_millis(50)).await,
            }
        }
        drop(self.listener);
        let _ = closing.send(true);
        while tasks.join_next().await.is_some() {}
    }
}

/// Cancel-safe: the permit and the connection are taken together or not at all.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (socket, peer) = listener.accept().await?;
    // Machines coalesce by themselves; waiting for more would only delay the last piece.
    let _ = socket.set_nodelay(true);
    Ok((socket, peer, place))
}
