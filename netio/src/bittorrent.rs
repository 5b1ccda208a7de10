//! The machines of `proto-bittorrent` behind the traits of [`shape`](crate::shape); the peer wire and
//! the datagrams of trackers as codecs. An HTTP tracker has none: its exchanges are the machines.

use proto_bittorrent::stream::Transmit;
use proto_bittorrent::tracker::{http, udp};
use proto_bittorrent::{datagram, peer};

crate::stream_machine!(peer::Connection, peer::Event, peer::Error, Transmit { Data(data), Shutdown });
crate::stream_machine!(http::Client, http::ClientEvent, http::ClientError, Transmit { Data(data), Shutdown });
crate::stream_machine!(http::Server, http::ServerEvent, http::ServerError, Transmit { Data(data), Shutdown });
crate::datagram_machine!(datagram, udp::Client, udp::ClientEvent);
crate::datagram_machine!(datagram, udp::Server, udp::ServerEvent);

#[cfg(feature = "tokio")]
pub use codec::{BtPeerCodec, BtPeerError, BtPeerItem};
#[cfg(feature = "tokio")]
pub use datagrams::{BtTrackerClientCodec, BtTrackerServerCodec};

#[cfg(feature = "tokio")]
mod codec {
    use bytes::BytesMut;
    use proto_bittorrent::wire::{
        DecodeError, Decoder as Messages, Handshake, HandshakeError, Message,
    };
    use tokio_util::codec::{Decoder, Encoder};

    /// One side of a connection of peers: a handshake, then messages.
    ///
    /// For recorders and proxies; what the messages mean is for
    /// [`peer::Connection`](proto_bittorrent::peer::Connection) to say.
    #[derive(Clone, Debug, Default)]
    pub struct BtPeerCodec {
        is_greeted: bool,
        messages: Messages,
    }

    impl BtPeerCodec {
        /// A codec that expects a handshake first, with the default bounds.
        #[must_use]
        pub fn new() -> Self {
            Self::default()
        }
    }

    /// What a peer sends.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum BtPeerItem {
        /// The first thing.
        Handshake(Handshake),
        /// All that follows.
        Message(Message),
    }

    /// Why a stream of messages ended.
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum BtPeerError {
        /// The other side speaks another protocol.
        #[error(transparent)]
        Handshake(#[from] HandshakeError),
        /// A message that is none. There is no way on.
        #[error(transparent)]
        Message(#[from] DecodeError),
        /// The transport failed, or ended inside a message.
        #[error(transparent)]
        Io(#[from] std::io::Error),
    }

    impl Decoder for BtPeerCodec {
        type Item = BtPeerItem;
        type Error = BtPeerError;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<BtPeerItem>, BtPeerError> {
            if !self.is_greeted {
                let handshake = Handshake::decode(src)?;
                self.is_greeted = handshake.is_some();
                return Ok(handshake.map(BtPeerItem::Handshake));
            }
            Ok(self.messages.decode(src)?.map(BtPeerItem::Message))
        }
    }

    impl Encoder<&BtPeerItem> for BtPeerCodec {
        type Error = BtPeerError;

        fn encode(&mut self, item: &BtPeerItem, dst: &mut BytesMut) -> Result<(), BtPeerError> {
            match item {
                BtPeerItem::Handshake(handshake) => handshake.encode(dst),
                BtPeerItem::Message(message) => message.encode(dst),
            }
            Ok(())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proto_bittorrent::hash::{PeerId, Sha1Hash};
        use proto_bittorrent::wire::{Block, Reserved};

        #[test]
        fn items_come_out_as_they_went_in_however_they_are_cut() {
            let items = [
                BtPeerItem::Handshake(Handshake {
                    reserved: Reserved::default().with_fast(),
                    info_hash: Sha1Hash([1; 20]),
                    peer_id: PeerId([2; 20]),
                }),
                BtPeerItem::Message(Message::HaveAll),
                BtPeerItem::Message(Message::KeepAlive),
                BtPeerItem::Message(Message::Request(Block::new(1, 2, 3))),
                BtPeerItem::Message(Message::Piece {
                    piece: 1,
                    begin: 2,
                    data: vec![7; 20_000].into(),
                }),
            ];
            let mut wire = BytesMut::new();
            for item in &items {
                BtPeerCodec::new().encode(item, &mut wire).unwrap();
            }
            for cut in [1, 7, 5000, wire.len()] {
                let (mut codec, mut input, mut out) =
                    (BtPeerCodec::new(), BytesMut::new(), Vec::new());
                for piece in wire.chunks(cut) {
                    input.extend_from_slice(piece);
                    while let Some(item) = codec.decode(&mut input).unwrap() {
                        out.push(item);
                    }
                }
                assert_eq!(out, items);
                assert!(codec.decode_eof(&mut input).unwrap().is_none());
            }
        }

        #[test]
        fn another_protocol_ends_the_stream() {
            let mut input = BytesMut::from("GET / HTTP/1.1\r\n");
            let error = BtPeerCodec::new().decode(&mut input).unwrap_err();
            assert!(matches!(
                error,
                BtPeerError::Handshake(HandshakeError { offset: 0 })
            ));
        }
    }
}

#[cfg(feature = "tokio")]
mod datagrams {
    use bytes::BytesMut;
    use proto_bittorrent::Limits;
    use proto_bittorrent::tracker::udp::{DecodeError, Request, Response};
    use std::io;
    use tokio_util::codec::{Decoder, Encoder};

    /// The side of a tracker over UDP: reads requests, writes responses.
    ///
    /// For `UdpFramed` in recorders, proxies and load generators; who has proved an address is for
    /// [`udp::Server`](proto_bittorrent::tracker::udp::Server) to say. A datagram that is no request
    /// is an item, so that the next one is still read.
    #[derive(Clone, Copy, Debug)]
    pub struct BtTrackerServerCodec {
        max_scrape: usize,
    }

    impl BtTrackerServerCodec {
        /// A codec that looks at as many hashes of a scrape as
        /// [`Limits::max_scrape`](proto_bittorrent::Limits::max_scrape).
        #[must_use]
        pub fn new(limits: &Limits) -> Self {
            Self {
                max_scrape: limits.max_scrape,
            }
        }
    }

    impl Decoder for BtTrackerServerCodec {
        type Item = Result<Request, DecodeError>;
        type Error = io::Error;

        fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<Self::Item>> {
            // All that is there is one datagram.
            let datagram = src.split();
            Ok((!datagram.is_empty()).then(|| Request::parse(&datagram, self.max_scrape)))
        }
    }

    impl Encoder<&Response> for BtTrackerServerCodec {
        type Error = io::Error;

        fn encode(&mut self, response: &Response, dst: &mut BytesMut) -> io::Result<()> {
            let mut octets = Vec::new();
            response.encode(&mut octets);
            dst.extend_from_slice(&octets);
            Ok(())
        }
    }

    /// The side of a peer that asks trackers over UDP: reads responses, writes requests.
    ///
    /// For `UdpFramed`; retransmission, and what belongs to what, is for
    /// [`udp::Client`](proto_bittorrent::tracker::udp::Client). A datagram that is no response is an
    /// item, so that the next one is still read.
    #[derive(Clone, Copy, Debug)]
    pub struct BtTrackerClientCodec {
        is_v6: bool,
        max_peers: usize,
    }

    impl BtTrackerClientCodec {
        /// A codec for a socket of one address family, which is the one of the peers in responses. It
        /// keeps as many as [`Limits::max_peers`](proto_bittorrent::Limits::max_peers).
        #[must_use]
        pub fn new(is_v6: bool, limits: &Limits) -> Self {
            Self {
                is_v6,
                max_peers: limits.max_peers,
            }
        }
    }

    impl Decoder for BtTrackerClientCodec {
        type Item = Result<Response, DecodeError>;
        type Error = io::Error;

        fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<Self::Item>> {
            let datagram = src.split();
            Ok((!datagram.is_empty())
                .then(|| Response::parse(&datagram, self.is_v6, self.max_peers)))
        }
    }

    impl Encoder<&Request> for BtTrackerClientCodec {
        type Error = io::Error;

        fn encode(&mut self, request: &Request, dst: &mut BytesMut) -> io::Result<()> {
            let mut octets = Vec::new();
            request.encode(&mut octets);
            dst.extend_from_slice(&octets);
            Ok(())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proto_bittorrent::hash::{PeerId, Sha1Hash};
        use proto_bittorrent::tracker::Announce;
        use proto_bittorrent::tracker::udp::Connect;

        #[test]
        fn datagrams_come_out_as_they_went_in() {
            let limits = Limits::default();
            let mut server = BtTrackerServerCodec::new(&limits);
            let mut client = BtTrackerClientCodec::new(false, &limits);
            let mut announce = Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), 6881);
            announce.want = Some(9);
            let mut wire = BytesMut::new();
            for request in [
                Request::Connect(Connect { transaction: 1 }),
                Request::Announce {
                    connection: 2,
                    transaction: 3,
                    announce,
                    url_data: b"/announce".to_vec(),
                },
                Request::Scrape {
                    connection: 2,
                    transaction: 4,
                    hashes: vec![Sha1Hash([1; 20]); 3],
                },
            ] {
                client.encode(&request, &mut wire).unwrap();
                assert_eq!(server.decode(&mut wire).unwrap(), Some(Ok(request)));
            }
            let response = Response::Announce {
                transaction: 3,
                interval: 1800,
                leechers: 1,
                seeders: 2,
                peers: vec!["192.0.2.1:6881".parse().unwrap()],
            };
            server.encode(&response, &mut wire).unwrap();
            assert_eq!(client.decode(&mut wire).unwrap(), Some(Ok(response)));
            assert_eq!(client.decode_eof(&mut wire).unwrap(), None);
        }

        #[test]
        fn what_is_no_datagram_of_a_tracker_is_an_item() {
            let limits = Limits::default();
            let mut wire = BytesMut::from("nonsense");
            let read = BtTrackerServerCodec::new(&limits).decode(&mut wire);
            assert!(matches!(read, Ok(Some(Err(_)))) && wire.is_empty());
            let mut wire = BytesMut::from("short");
            let read = BtTrackerClientCodec::new(true, &limits).decode(&mut wire);
            let expected = DecodeError::TooShort {
                expected: 8,
                found: 5,
            };
            assert_eq!(read.unwrap(), Some(Err(expected)));
        }
    }
}
