//! DNS: the machines of proto-dns in their shapes.

use proto_dns::datagram;
use proto_dns::server;
use proto_dns::stream::Transmit;

crate::datagram_machine!(datagram, server::Datagram, server::datagram::Event);
crate::stream_machine!(
    server::Stream,
    server::stream::Event,
    proto_dns::Error,
    Transmit {
        Data(data),
        Shutdown
    }
);
