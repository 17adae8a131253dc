// What all DTLS associations of a channel share: protocol and cipher choice, the pre-shared keys, the names,
// and the cookie secret. Used by one thread. Invariants: only DTLS 1.2 with ephemeral keys and a pre-shared
// key; only the configured peer's name is accepted; the keys are wiped when the context ends.
//
// While a key is changed there are two. The server's hint is "NAME FINGERPRINT [FINGERPRINT]", the client's
// identity "NAME FINGERPRINT": the client takes the first of its own keys that the server has too, within
// the one handshake, and the server looks the key up by what it is told. A fingerprint is the beginning of a
// hash of 32 random bytes and helps nobody to find them. A forged hint can at most choose between two keys
// that are both accepted; what follows needs the key itself.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"
#include "appliance/base/time.hpp"

namespace ftfw::sync {

class DtlsContext {
 public:
  struct Refusals {
    std::uint64_t own_name = 0;
    std::uint64_t other_name = 0;
    std::uint64_t other_key = 0;  // the right name with a fingerprint that is none of ours
  };

  // 16..256 bytes of key, and of a next key unless it is empty. Blame::configuration if not.
  static Result<std::unique_ptr<DtlsContext>> make(std::string node, std::string peer, ByteVector key,
                                                   ByteVector next_key = {});
  ~DtlsContext();
  DtlsContext(const DtlsContext&) = delete;
  DtlsContext& operator=(const DtlsContext&) = delete;

  SSL_CTX* get() const { return context_.get(); }

  // The cookie of a hello is a MAC under a secret that changes every minute; the one before is still
  // accepted.
  void refresh_cookie_secret(Instant now);
  // Peers turned away for what they said they were.
  const Refusals& refusals() const { return refusals_; }
  // Whether an association with this identity (ours or the peer's) is under the next key.
  bool is_next_key(std::string_view identity) const;

 private:
  using Secret = std::array<std::uint8_t, 32>;
  struct Key {
    ByteVector bytes;
    std::string fingerprint;
  };
  struct FreeContext {
    void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  };

  DtlsContext(std::string node, std::string peer);
  Status add_key(ByteVector bytes);
  Status configure();
  bool accept_name(std::string_view name);
  // The key of that fingerprint, or none.
  const Key* find_key(std::string_view fingerprint) const;

  static unsigned on_client_key(SSL* ssl, const char* hint, char* identity, unsigned identity_capacity,
                                unsigned char* key, unsigned key_capacity);
  static unsigned on_server_key(SSL* ssl, const char* identity, unsigned char* key, unsigned key_capacity);
  static int on_make_cookie(SSL* ssl, unsigned char* cookie, unsigned* length);
  static int on_check_cookie(SSL* ssl, const unsigned char* cookie, unsigned length);

  std::string node_;
  std::string peer_;
  std::vector<Key> keys_;  // the one in use, the next one
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::array<Secret, 2> secrets_{};  // now, before
  Instant secret_since_{};
  Refusals refusals_;
};

}  // namespace ftfw::sync
