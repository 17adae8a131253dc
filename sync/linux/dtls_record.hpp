// As much of a DTLS 1.2 datagram as can be told without keys (RFC 6347 4.1, 4.2.2): enough to decide which
// association it is for, since an old and a new one share one UDP socket. Pure.
//
//   0      1         3       5             11       13
//   | type | version | epoch | sequence 48 | length | fragment ...           record, several in a datagram
//   | message type | length 24 | message_seq 16 | fragment offset 24 | fragment length 24 | body handshake |
//   client version 16 | random 32 bytes | ...                              body of a ClientHello
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "appliance/base/bytes.hpp"

namespace ftfw::sync {

enum class RecordType : std::uint8_t {
  change_cipher_spec = 20,
  alert = 21,
  handshake = 22,
  application_data = 23
};

enum class HandshakeType : std::uint8_t {
  other = 0,
  client_hello = 1,
  server_hello = 2,
  hello_verify_request = 3,
  server_key_exchange = 12,
  server_hello_done = 14,
  client_key_exchange = 16,
};

using ClientRandom = std::array<std::uint8_t, 32>;

struct FirstRecord {
  RecordType type = RecordType::handshake;
  bool sealed = false;                           // epoch 1 or later: encrypted
  HandshakeType message = HandshakeType::other;  // of a handshake record that is not sealed
  ClientRandom random{};                         // of a ClientHello
};

// The first record of the datagram; nothing when it is not a DTLS record or longer than what was received.
std::optional<FirstRecord> first_record(ByteSpan datagram);

}  // namespace ftfw::sync
