//! A server on the crate `h2`, to stand beside `h2-serve` and nghttpd under h2load: cleartext,
//! `/object/OCTETS`, else a short page.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run may stop")]

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};

fn main() {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.unwrap();
        println!("listening h2 {}", listener.local_addr().unwrap());
        loop {
            let (peer, _) = listener.accept().await.unwrap();
            peer.set_nodelay(true).unwrap();
            // An error says that the peer has left.
            tokio::spawn(async { serve(peer).await.unwrap_or_default() });
        }
    });
}

async fn serve(peer: TcpStream) -> Result<(), h2::Error> {
    let mut server = h2::server::Builder::new()
        .max_send_buffer_size(16 << 20)
        .handshake::<_, Bytes>(peer)
        .await?;
    while let Some(request) = server.accept().await {
        let (request, mut respond) = request?;
        let size = request.uri().path().strip_prefix("/object/");
        let body = match size.and_then(|size| size.parse::<usize>().ok()) {
            Some(octets) => Bytes::from(vec![b'o'; octets]),
            None => Bytes::from_static(b"Hello from Utopia over HTTP/2.\n"),
        };
        let response = http::Response::builder()
            .header("content-type", "application/octet-stream")
            .header("content-length", body.len())
            .body(())
            .unwrap_or_default();
        let mut stream = respond.send_response(response, false)?;
        stream.send_data(body, true)?;
    }
    Ok(())
}
