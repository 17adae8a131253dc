#include "sync/linux/dtls_record.hpp"

namespace ftfw::sync {

namespace {

HandshakeType handshake_type(std::uint8_t number) {
  for (const HandshakeType known : {HandshakeType::client_hello, HandshakeType::server_hello,
                                    HandshakeType::hello_verify_request, HandshakeType::server_key_exchange,
                                    HandshakeType::server_hello_done, HandshakeType::client_key_exchange}) {
    if (number == static_cast<std::uint8_t>(known)) return known;
  }
  return HandshakeType::other;
}

}  // namespace

std::optional<FirstRecord> first_record(ByteSpan datagram) {
  ByteReader reader(datagram);
  const std::uint8_t type = reader.u8();
  const std::uint16_t version = reader.u16();
  const std::uint16_t epoch = reader.u16();
  reader.take(6);  // sequence number
  const std::uint16_t length = reader.u16();
  const ByteSpan fragment = reader.take(length);
  if (!reader.ok() || type < 20 || type > 23) return std::nullopt;
  // DTLS 1.0 in the first ClientHello, DTLS 1.2 afterwards.
  if (version != 0xfeff && version != 0xfefd) return std::nullopt;
  FirstRecord record{.type = static_cast<RecordType>(type), .sealed = epoch != 0};
  if (record.sealed || record.type != RecordType::handshake) return record;
  ByteReader message(fragment);
  record.message = handshake_type(message.u8());
  if (record.message == HandshakeType::client_hello) {
    message.take(11);  // length, message_seq, fragment
    message.u16();     // client version
    record.random = message.array<32>();
  }
  if (!message.ok()) return std::nullopt;
  return record;
}

}  // namespace ftfw::sync
