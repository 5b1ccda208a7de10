//! The crate `h2`, over a pipe of tokio.

use super::{REQUEST, RESPONSE};
use bytes::Bytes;
use h2::client::SendRequest;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

pub(super) const NAME: &str = "h2 0.4.20";

/// Both ends in memory, on one thread.
#[derive(Debug)]
pub(super) struct Pair {
    runtime: Runtime,
    client: SendRequest<Bytes>,
}

impl Pair {
    pub(super) fn new(body: usize) -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        let body = Bytes::from(vec![b'x'; body]);
        let client = runtime.block_on(async {
            let (here, there) = tokio::io::duplex(1 << 20);
            tokio::spawn(async move {
                let mut server = h2::server::Builder::new()
                    .initial_window_size(16 << 20)
                    .initial_connection_window_size(1 << 30)
                    .max_send_buffer_size(16 << 20)
                    .handshake::<_, Bytes>(there)
                    .await
                    .unwrap();
                while let Some(request) = server.accept().await {
                    let (_, mut respond) = request.unwrap();
                    let mut response = http::Response::builder().status(200);
                    for (name, value) in RESPONSE.into_iter().skip(1) {
                        response = response.header(name, value);
                    }
                    let response = response.body(()).unwrap();
                    let mut stream = respond.send_response(response, body.is_empty()).unwrap();
                    if !body.is_empty() {
                        stream.send_data(body.clone(), true).unwrap();
                    }
                }
            });
            let (client, connection) = h2::client::Builder::new()
                .initial_window_size(16 << 20)
                .initial_connection_window_size(1 << 30)
                .handshake(here)
                .await
                .unwrap();
            tokio::spawn(connection);
            client
        });
        Self { runtime, client }
    }

    pub(super) fn run(&mut self, streams: usize) -> u64 {
        let client = self.client.clone();
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..streams {
                let mut client = client.clone().ready().await.unwrap();
                let mut request =
                    http::Request::get("https://utopia.example/styles/page.css?version=12");
                for (name, value) in REQUEST.into_iter().skip(4) {
                    request = request.header(name, value);
                }
                let (response, _) = client
                    .send_request(request.body(()).unwrap(), true)
                    .unwrap();
                tasks.spawn(async move {
                    let mut body = response.await.unwrap().into_body();
                    let mut octets = 0;
                    while let Some(data) = body.data().await {
                        let data = data.unwrap();
                        octets += data.len();
                        body.flow_control().release_capacity(data.len()).unwrap();
                    }
                    octets
                });
            }
            let octets: usize = tasks.join_all().await.into_iter().sum();
            (octets + streams) as u64
        })
    }
}
