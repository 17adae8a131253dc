// One DTLS association: one SSL object over datagrams in memory. Used by one thread. It knows no time:
// OpenSSL's own retransmission timer (wall clock) is set out of reach, and the channel repeats a flight's
// datagrams as they are. That is sound: a repeated record is dropped by the receiver's replay check or is the
// one that was lost.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"
#include "sync/linux/dtls_context.hpp"

namespace ftfw::sync {

class Association {
 public:
  enum class Role : std::uint8_t { client, server };
  enum class Stage : std::uint8_t { handshaking, established, closed, failed };
  enum class Hello : std::uint8_t { accepted, cookie_sent, refused };

  // The context must outlive it.
  static Result<std::unique_ptr<Association>> make(DtlsContext& context, Role role);
  ~Association();
  Association(const Association&) = delete;
  Association& operator=(const Association&) = delete;

  // Server, before anything else and again until accepted: a ClientHello without a valid cookie is answered
  // with one (take_datagrams) and leaves no trace.
  Hello listen(ByteSpan client_hello);
  // Works on what is there: the client's first call sends its hello.
  void advance();
  // One datagram of the peer. What does not authenticate changes nothing.
  void feed(ByteSpan datagram);

  // EMSGSIZE or ENOTCONN as Channel::send.
  Status write(ByteSpan payload);
  // Queues the goodbye.
  void close();

  // Datagrams for the peer and payloads from it, since the last call.
  std::vector<ByteVector> take_datagrams() { return std::exchange(outbound_, {}); }
  std::vector<ByteVector> take_received() { return std::exchange(received_, {}); }

  Stage stage() const { return stage_; }
  Role role() const { return role_; }
  // What the client said it was; empty before the handshake is finished.
  std::string_view identity() const {
    const char* identity = ::SSL_get_psk_identity(ssl_.get());
    return identity == nullptr ? "" : identity;
  }
  std::string cipher() const { return ::SSL_get_cipher_name(ssl_.get()); }

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { ::SSL_free(ssl); }
  };

  Association(SSL* ssl, Role role) : ssl_(ssl), role_(role) {}
  void shake_hands();
  void read_all();

  static const BIO_METHOD* datagram_method();
  static int on_read(BIO* bio, char* out, int capacity);
  static int on_write(BIO* bio, const char* data, int size);
  static long on_control(BIO* bio, int command, long number, void* pointer);

  std::unique_ptr<SSL, FreeSsl> ssl_;
  Role role_;
  Stage stage_ = Stage::handshaking;
  ByteSpan inbound_;  // the datagram being fed; empty once OpenSSL has read it
  std::vector<ByteVector> outbound_;
  std::vector<ByteVector> received_;
};

}  // namespace ftfw::sync
