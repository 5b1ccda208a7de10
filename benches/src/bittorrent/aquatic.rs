//! `aquatic_udp_protocol`.

use super::tracker::{Datagrams, peers};
use aquatic_udp_protocol::{
    AnnounceInterval, AnnounceResponse, AnnounceResponseFixedData, Ipv4AddrBytes, NumberOfPeers,
    Port, Request, Response, ResponsePeer, TransactionId,
};

/// aquatic, whose messages are laid out in memory as they travel.
#[derive(Debug)]
pub struct Aquatic;

impl Datagrams for Aquatic {
    const NAME: &'static str = "aquatic_udp_protocol 0.9.0";
    type Reply = Response;

    fn request(octets: &[u8]) -> Option<u64> {
        match Request::parse_bytes(octets, 74).ok()? {
            Request::Announce(request) => {
                let connection = request.connection_id.0.get();
                let left = request.bytes_left.0.get();
                let port = request.port.0.get();
                Some(connection.cast_unsigned() ^ left.cast_unsigned() ^ u64::from(port))
            }
            _ => None,
        }
    }

    fn reply() -> Response {
        Response::AnnounceIpv4(AnnounceResponse {
            fixed: AnnounceResponseFixedData {
                transaction_id: TransactionId::new(9),
                announce_interval: AnnounceInterval::new(1800),
                leechers: NumberOfPeers::new(30),
                seeders: NumberOfPeers::new(20),
            },
            peers: peers()
                .map(|(ip, port)| ResponsePeer {
                    ip_address: Ipv4AddrBytes::from(ip),
                    port: Port(port.into()),
                })
                .collect(),
        })
    }

    fn write(reply: &Response, buffer: &mut Vec<u8>) -> usize {
        buffer.clear();
        reply.write_bytes(buffer).expect("memory");
        buffer.len()
    }

    fn read(octets: &[u8]) -> Option<u64> {
        match Response::parse_bytes(octets, true).ok()? {
            Response::AnnounceIpv4(response) => {
                let ports = response.peers.iter().map(|peer| peer.port.0.get());
                Some(ports.map(u64::from).sum())
            }
            _ => None,
        }
    }
}
