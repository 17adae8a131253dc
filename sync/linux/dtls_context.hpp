// What all DTLS associations of a channel share: protocol and cipher choice, the pre-shared key, the names,
// and the cookie secret. Used by one thread. Invariants: only DTLS 1.2 with ephemeral keys and a pre-shared
// key; only the configured peer's name is accepted; the key is wiped when the context ends.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <string>

#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"
#include "appliance/base/time.hpp"

namespace ftfw::sync {

class DtlsContext {
 public:
  struct Refusals {
    std::uint64_t own_name = 0;
    std::uint64_t other_name = 0;
  };

  // 16..256 bytes of key. Blame::configuration if not.
  static Result<std::unique_ptr<DtlsContext>> make(std::string node, std::string peer, ByteVector key);
  ~DtlsContext();
  DtlsContext(const DtlsContext&) = delete;
  DtlsContext& operator=(const DtlsContext&) = delete;

  SSL_CTX* get() const { return context_.get(); }

  // The cookie of a hello is a MAC under a secret that changes every minute; the one before is still
  // accepted.
  void refresh_cookie_secret(Instant now);
  // Peers turned away for the name they gave.
  const Refusals& refusals() const { return refusals_; }

 private:
  using Secret = std::array<std::uint8_t, 32>;
  struct FreeContext {
    void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  };

  DtlsContext(std::string node, std::string peer, ByteVector key);
  Status configure();
  bool accept_name(std::string_view name);
  unsigned copy_key(unsigned char* out, unsigned capacity) const;

  static unsigned on_client_key(SSL* ssl, const char* hint, char* identity, unsigned identity_capacity,
                                unsigned char* key, unsigned key_capacity);
  static unsigned on_server_key(SSL* ssl, const char* identity, unsigned char* key, unsigned key_capacity);
  static int on_make_cookie(SSL* ssl, unsigned char* cookie, unsigned* length);
  static int on_check_cookie(SSL* ssl, const unsigned char* cookie, unsigned length);

  std::string node_;
  std::string peer_;
  ByteVector key_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::array<Secret, 2> secrets_{};  // now, before
  Instant secret_since_{};
  Refusals refusals_;
};

}  // namespace ftfw::sync
